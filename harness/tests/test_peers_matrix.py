#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/peers-matrix: the right peer beside the right workers, and what is
missing is said; and scenarios/peers.ini really has all that it compares."""
import json
import os
import subprocess
import unittest

from cli_fixture import ROOT, SHMBENCH, Case

SCRIPT = os.path.join(ROOT, "scripts/peers-matrix")
SCENARIO = os.path.join(ROOT, "scenarios/peers.ini")


def point(lock, workers, rate, procs=1, status="ok"):
    median = None if rate is None else {"median": rate}
    return {"name": lock, "status": status, "summary": {"ops_per_s": median},
            "params": {"lock": lock, "workers": workers, "capacity": "10000", "keys": "uniform",
                       "mix": "search:100", "procs": str(procs)}}


class Matrix(Case):
    def matrix(self, points, code=0):
        self.write("r.json", json.dumps({"points": points}))
        done = subprocess.run([SCRIPT, self.path("r.json")], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_each_kind_against_its_own(self):
        points = []
        for procs, urcu in ((1, 4e6), (2, 16e6), (4, 2e6)):
            points += [point("hybrid", "thread", 8e6, procs), point("spin", "thread", 6e6, procs),
                       point("hybrid", "process", 6e6, procs),
                       point("target:urcu-lfht", "thread", urcu, procs),
                       point("target:ck", "thread", 1e6, procs),
                       point("target:tdb", "process", 1e6, procs),
                       point("target:lmdb", "process", 2e6, procs),
                       point("target:redis", "process", 3e4, procs)]
        out = self.matrix(points)
        # Ours is the better of both locks: 8 over 4, 16 and 2.
        self.assertIn("fastest of threads:   median 2.00x over 3 of 3 loads, best 4.00x, "
                      "worst 0.50x at capacity=10000/mix=search:100/keys=uniform/procs=2; "
                      "under 0.9x: 1", out)
        self.assertIn("fastest of processes: median 3.00x over 3 of 3 loads", out)
        self.assertIn("fastest of server:    median 200.00x", out)
        self.assertEqual(len([line for line in out.splitlines() if line.startswith("cap")]), 3)

    def test_what_is_missing_is_not_a_figure(self):
        out = self.matrix([point("hybrid", "thread", 8e6),
                           point("target:ck", "thread", None, status="skipped"),
                           point("hybrid", "process", 8e6),
                           point("target:tdb", "process", 4e6)], code=3)
        self.assertIn("fastest of processes: median 2.00x", out)
        self.assertNotIn("fastest of threads", out)
        self.assertIn(" - ", out)

    def test_no_target_and_no_result(self):
        self.assertIn("no point has a target", self.matrix([point("spin", "process", 1e6)], code=1))
        self.write("bad.json", "{}")
        done = subprocess.run([SCRIPT, self.path("bad.json")], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not a result", done.stderr)


class Scenario(Case):
    def test_the_matrix_is_whole(self):
        """36 loads, each with ours twice and five peers."""
        lines = self.bench("run", SCENARIO, "--dry-run").out.splitlines()
        rows = [line for line in lines if "/capacity=" in line]
        self.assertEqual(len(rows), 252)
        loads = {}
        for row in rows:
            section, _, rest = row.partition("/")
            load = "/".join(part for part in rest.split("  ")[0].split("/")
                            if not part.startswith("lock="))
            loads.setdefault(load, []).append(section)
        self.assertEqual(len(loads), 36)
        for load, sections in loads.items():
            self.assertEqual(sorted(sections), ["in-process", "in-process", "ours", "ours-threads",
                                                "processes", "processes", "server"], load)

    @unittest.skipIf(os.environ.get("SHMBENCH_VARIANT") == "tsan",
                     "the libraries are not instrumented")
    def test_run_and_read(self):
        listed = subprocess.run([SHMBENCH, "list", "targets"], capture_output=True, text=True,
                                timeout=10, check=True).stdout
        if "not in " in listed:
            self.skipTest("some targets are not in this build")
        self.bench("run", SCENARIO, "--out", "r.json", "--set", "capacity=1000", "--set", "procs=2",
                   "--set", "mix=search:50 insert:25 remove:25", "--set", "keys=uniform",
                   "--set", "duration=20ms", "--set", "warmup=10ms", "--set", "trials=1",
                   timeout=60)
        done = subprocess.run([SCRIPT, self.path("r.json")], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for kind in ("threads", "processes", "server"):
            self.assertRegex(done.stdout, r"fastest of %s: +median [0-9.]+x over 1 of 1" % kind)


if __name__ == "__main__":
    unittest.main()
