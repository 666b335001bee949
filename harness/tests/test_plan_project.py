#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`shmbench plan --project` from outside: ranges, what is marked, what is refused."""
import os
import unittest

from report_fixture import PageCase

CPUS = len(os.sched_getaffinity(0))
POINT = "[a]\ncapacity = 1000\nstripes = 1\nmix = search:90 insert:5 remove:5\n"


class Project(PageCase):
    @unittest.skipIf(CPUS < 2, "one CPU: no hand-off to measure")
    def test_ranges(self):
        target = 8 * CPUS + 1
        self.write("p.ini", POINT + "lock = ticket, rwlock\n[open]\nrate = 1k\n")
        # With other programs running, two workers may hardly ever have met: exit 3, and why.
        for _ in range(4):
            done = self.start("plan", "p.ini", "--project", "CPUS=%d" % target, "--out", "p.json",
                              "--set", "duration=40ms").wait(120)
            projection = self.load("p.json")["projection"]
            ticket, rwlock = projection["rows"]
            if done.code != 3:
                break
            self.assertIn("could not be told apart", ticket["not_projected"])
        self.assertEqual(done.code, 0, done.err)
        # What is the difference of two figures may be none; so may a gap, and a clock is coarse.
        host = projection["host_ns"]
        differences = {"upgrade", "invalidate", "cold", "latency", "wait_call", "wake_call", "gap",
                       "clock"}
        self.assertLess(differences, set(host))
        for key, value in host.items():
            self.assertGreaterEqual(value, 0, key)
            if key not in differences:
                self.assertGreater(value, 0, key)
        self.assertEqual((ticket["family"], ticket["not_projected"]), ("queue", None))
        self.assertEqual([check["procs"] for check in ticket["checks"]], [1, 2, 3, 4, 6, 8])
        for check in ticket["checks"]:
            self.assertGreater(check["model"], 0)
            self.assertIn(check["ops_per_s"]["n"], range(1, 7))
            for who in ("measured", "model"):
                self.assertTrue(0 <= check["contended"][who] <= 1.01, check)
        self.assertGreater(ticket["costs"]["inside_ns"], 0)
        # One process alone is what the costs were split from (test_plan_hand.c: exactly). Here
        # the CPU's gaps are measured at another time than its rate; a machine that lost half of
        # either is none to measure on, a model that is so far off has lost a cost.
        alone = ticket["checks"][0]
        self.assertTrue(0.5 < alone["model"] / alone["ops_per_s"]["median"] < 2, alone)
        for check in ticket["checks"]:
            ratios = sorted(round_["model"] / round_["ops_per_s"] for round_ in check["rounds"])
            half = len(ratios) // 2
            middle = ratios[half] if len(ratios) % 2 else (ratios[half - 1] * ratios[half]) ** 0.5
            self.assertAlmostEqual((check["off"] + 1) / middle, 1, places=6)
            for round_ in check["rounds"]:
                self.assertGreater(round_["transfer_ns"], 0)
        worst = max(max(check["off"] + 1, 1 / (check["off"] + 1)) - 1 for check in ticket["checks"])
        self.assertAlmostEqual(ticket["off"] / worst, 1, places=6)
        self.assertEqual(len(projection["host_ns_by_round"]), 6)
        # Six cells, half as many again, in each round: what is refused is not measured.
        self.assertIn(projection["trials_redone"], range(0, 3 * 6 + 1))
        self.assertEqual([range_["cpus"] for range_ in ticket["ranges"]],
                         [2 ** k for k in range(1, target.bit_length())] + [target])
        for range_ in ticket["ranges"]:
            self.assertLess(range_["low"], range_["high"])
            self.assertEqual(range_["extrapolated"], range_["cpus"] > 4 * CPUS)
        self.assertEqual((rwlock["checks"], rwlock["ranges"]), ([], []))
        self.assertIn("not projected: the model has queue", done.out)
        self.assertRegex(done.out, r"\n    %d +\S+\.\.\S+/s  EXTRAPOLATED\n" % target)
        self.assertIn("What it rests on: ", done.out)
        dom = self.check_plan("p.json", 40, "plan-project", "plan-check")
        self.assertTrue(dom is None or "EXTRAPOLATED" in dom.text)

    def test_wrong_usage(self):
        self.write("p.ini", POINT)
        self.write("open.ini", POINT + "rate = 1k\n")
        for wrong in ("64", "CPUS=", "CPUS=1", "CPUS=1025", "CPUS=x", "cpus=64", "CPUS=-4"):
            self.assertIn("--project", self.bench("plan", "p.ini", "--project", wrong, code=2).err)
        self.bench("plan", "p.ini", "--project", "CPUS=64", "--scale", code=2)
        self.bench("plan", "--project", "CPUS=64", code=2)
        done = self.bench("plan", "open.ini", "--project", "CPUS=64", code=2)
        self.assertIn("closed-loop", done.err)

    def test_nothing_to_project_is_not_measured(self):
        self.write("p.ini", POINT.replace("stripes = 1", "stripes = 4"))
        done = self.bench("plan", "p.ini", "--project", "CPUS=64", code=3)
        self.assertIn("stripes", done.out)


if __name__ == "__main__":
    unittest.main()
