#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`shmbench plan` from outside: answers, exit codes, JSON."""
import unittest

from report_fixture import PageCase

POINT = "[a]\ncapacity = 1000\nprocs = 1\nmix = search:100\nkeyspace = 1000\n"


class Plan(PageCase):
    def plan(self, text, *arguments, code=0):
        done = self.bench("plan", self.write("plan.ini", text), *arguments, "--out", "plan.json",
                          code=code, timeout=60)
        return done, self.load("plan.json")

    def test_nothing_meets(self):
        done, plan = self.plan(POINT, "--slo", "search.p50<=1ns", "--budget", "20s", code=1)
        row = plan["rows"][0]
        self.assertEqual((row["answer"], row["load"]), ("none", None))
        self.assertGreater(row["claims"][0]["breaks_ns"], 1)
        self.assertRegex(done.out, r"carries nothing: .* breaks search.p50<=1ns: .*, [0-9.e+]+x")

    def test_everything_meets(self):
        text = POINT + "rate = 1k\n"
        done, plan = self.plan(text, "--slo", "search.p50<=1s", "--budget", "20s")
        row = plan["rows"][0]
        self.assertEqual((row["answer"], row["load"]), ("ceiling", 1000))
        self.assertEqual(row["params"]["lock"], "futex")
        self.assertEqual(row["claims"][0]["bound_ns"], 10**9)
        for look in row["looks"]:
            self.assertTrue(0 < look["value_ns"][0] <= 10**9, look)
        self.assertEqual(row["looks"][-1]["value_ns"][0], row["claims"][0]["value_ns"])
        self.assertIn("capacity = 1000", plan["scenario"]["text"])
        self.assertRegex(plan["started"], r"^20\d\d-.*Z$")
        self.assertEqual({"host", "tool"} - set(plan), set())
        self.check_plan("plan.json", 10, "plan-load", "plan-looks")
        self.assertIn("ceiling of the scenario", done.out)

    def test_processes(self):
        text = POINT.replace("procs = 1", "procs = 1, 2") + "rate = 500/proc\n"
        done, plan = self.plan(text, "--slo", "search.p50<=1s", "--budget", "20s")
        self.assertEqual([(row["load_is"], row["load"]) for row in plan["rows"]], [("processes", 2)])

    def test_too_little_time(self):
        done, plan = self.plan(POINT, "--slo", "search.p99<=1s", "--budget", "1s", code=4)
        self.assertEqual(plan["rows"][0]["answer"], "inconclusive")
        self.assertGreater(plan["rows"][0]["needs_s"], 0)

    def test_wrong_usage(self):
        path = self.write("a.ini", POINT)
        for arguments in ((path,), (path, "--slo", "nonsense"), ("--slo", "search.p99<=1us"),
                          (path, "--slo", "search.p99<=1us", "--budget", "soon"),
                          ("--memory", "--slo", "search.p99<=1us"),
                          ("--memory", "--set", "capacity=-1"), ("--memory-limit", "1M", path)):
            done = self.bench("plan", *arguments, code=2)
            self.assertNotEqual(done.err, "")

    def test_memory(self):
        done = self.bench("plan", "--memory", "--set", "capacity=1k, 1M")
        self.assertEqual(done.out.count(" bytes ("), 2)
        done = self.bench("plan", "--memory", "--set", "capacity=1M", "--memory-limit", "1Mi", code=1)
        self.assertIn("NOT enough", done.out)
        self.bench("plan", "--memory", "--set", "capacity=1k, 1M", "--set", "procs=4",
                   "--memory-limit", "1Gi", "--out", "m.json")
        for row, done in zip(self.load("m.json")["memory"], ("1k", "1M")):
            self.assertEqual((row["params"]["capacity"], row["limit_bytes"]), (done, 1 << 30))
            self.assertEqual(row["total_bytes"],
                             row["region_bytes"] + 4 * row["page_table_bytes_per_process"])
            self.assertGreater(row["entries_that_fit"], 1000000)
        self.check_plan("m.json", 12, "plan-memory")


if __name__ == "__main__":
    unittest.main()
