# SPDX-License-Identifier: MIT
"""`shmbench gate` as a user runs it: verdicts, by time and by instructions."""
import os
import shutil
import unittest
import xml.etree.ElementTree as ElementTree

from cli_fixture import SHMBENCH, SHMBENCH_TEST
from gate_fixture import GateCase


class Verdicts(GateCase):
    def test_slower_and_the_swap(self):
        done = self.one(*self.SLOWER, "--budget", "5s", "--out", "g.json", "--junit", "g.xml",
                         "--markdown", "g.md", code=1)
        self.assertIn("REGRESSION", done.out)
        self.assertIn("smallest slowdown that this budget can find", done.out)
        gate = self.load("g.json")
        row = gate["points"][0]["rows"][0]
        self.assertEqual((gate["schema"], gate["exit_code"]), ("shmbench.gate/1", 1))
        self.assertEqual((row["metric"], row["verdict"]), ("ops_per_s", "regression"))
        self.assertLess(0.02, row["low"])
        self.assertLess(row["low"], row["slowdown"])
        xml = ElementTree.parse(self.path("g.xml")).getroot()
        self.assertEqual((xml.get("tests"), xml.get("failures")), ("1", "1"))
        with open(self.path("g.md"), encoding="utf-8") as f:
            self.assertIn("| a | ops_per_s | REGRESSION |", f.read())
        done = self.one(*self.FASTER, "--budget", "5s")
        self.assertIn("improvement", done.out)

    def test_coins_by_seed(self):
        orders = []
        for seed in ("7", "7", "8"):
            self.one(*self.drawn(20), "--budget", "1s", "--seed", seed, "--out", "g.json", code=1)
            orders.append([entry["head_first"] for entry in self.load("g.json")["points"][0]["rounds"]])
        shortest = min(map(len, orders))
        self.assertEqual(orders[0][:shortest], orders[1][:shortest])
        self.assertNotEqual(orders[0][:shortest], orders[2][:shortest])

    def test_percentile_takes_both_figures(self):
        done = self.one("--base-set", "hold=0ns", "--head-set", "hold=5us", "--metric",
                        "search.p99", "--budget", "8s", "--out", "g.json", "--set",
                        "latency=every", "--slice", "100ms", code=1)
        self.assertIn("search.p99", done.out)
        self.assertEqual(self.load("g.json")["points"][0]["rows"][0]["verdict"], "regression")

    def test_too_few_samples_above(self):
        done = self.one("--base-set", "hold=0ns", "--head-set", "hold=50us", "--set",
                         "think=1ms", "--metric", "search.p999", "--budget", "20s", code=3)
        self.assertIn("samples above", done.out)

    def test_inconclusive_may_be_allowed(self):
        # 0.001 % is below what 1 s can tell on any machine.
        wish = (*self.drawn(0), "--ignore", "0%", "--detect", "0.001%", "--budget", "1s",
                "--seed", "3")
        done = self.one(*wish, code=4)
        self.assertIn("INCONCLUSIVE", done.out)
        done = self.one(*wish, "--allow", "inconclusive")
        self.assertIn("INCONCLUSIVE (allowed)", done.out)
        self.assertIn("warning", done.err)

    def test_other_work_is_no_comparison(self):
        done = self.one("--base-set", "seed=1", "--head-set", "seed=2", "--budget", "5s", code=3)
        self.assertIn("did not do the same work", done.out)

    def test_usage(self):
        for args in ((), ("--base", SHMBENCH), ("--base-set", "lock=spin"),
                     (*self.SLOWER, "--ignore", "5%", "--detect", "5%"),
                     (*self.SLOWER, "--budget", "soon"), (*self.SLOWER, "--ignore", "-1%"),
                     (*self.SLOWER, "--metric", "speed"), (*self.SLOWER, "--allow", "all"),
                     (*self.SLOWER, "--seed", "x"), (*self.SLOWER, "--frobnicate"),
                     (*self.SLOWER, "two.ini"), ("--base-set", "lock=spin", "--head-set", "lock=x")):
            self.assertNotEqual(self.one(*args, code=2).err, "", args)

    def test_a_budget_that_cannot_decide_is_refused(self):
        done = self.bench("gate", "one.ini", *self.SLOWER, "--budget", "300ms", code=2)
        self.assertIn("even unanimous ones reach the level only from", done.err)


class Instructions(GateCase):
    """The count beside the time: what costs 1 % is found whatever the machine does."""
    # So wide that time passes at its first look.
    WIDE = ("--ignore", "95%", "--detect", "99%", "--slice", "10ms", "--instructions")

    @unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed (scripts/setup ci)")
    def test_one_percent(self):
        self.write("slow.ini", "[a]\nlock = slow0\ncapacity = 1000\n")
        self.gate("slow.ini", *self.WIDE, "--base-set", "lock=slow0", "--head-set",
                   "lock=slow2", "--budget", "12s", "--out", "g.json", code=1,
                   binary=SHMBENCH_TEST, timeout=100)
        rows = {row["metric"]: row for row in self.load("g.json")["points"][0]["rows"]}
        self.assertEqual(rows["ops_per_s"]["verdict"], "pass")
        self.assertEqual(rows["instructions"]["verdict"], "regression")
        self.assertTrue(0.005 < rows["instructions"]["low"] <= rows["instructions"]["high"] < 0.03)
        self.assertTrue(rows["instructions"]["base"] < rows["instructions"]["head"])

    @unittest.skipUnless(shutil.which("valgrind") and os.environ.get("SHMBENCH_TESTS") == "all",
                         "longer form: SHMBENCH_TESTS=all, with valgrind")
    def test_no_difference_and_more_workers(self):
        done = self.gate("two.ini", *self.WIDE, "--base-set", "timeout=20s", "--head-set",
                          "timeout=30s", "--set", "procs=1, 2", "--section", "a", "--budget",
                          "40s", "--out", "g.json", "--allow", "inconclusive", timeout=100)
        self.assertEqual(done.out.count(" instructions "), 1, done.out)
        row = self.load("g.json")["points"][0]["rows"][1]
        self.assertEqual((row["metric"], row["verdict"]), ("instructions", "pass"))
        self.assertLess(abs(row["slowdown"]), 0.003)

    def test_without_valgrind(self):
        path = os.environ["PATH"]
        os.environ["PATH"] = "/nowhere"
        try:
            done = self.one(*self.SLOWER, "--instructions", code=3)
        finally:
            os.environ["PATH"] = path
        self.assertIn("valgrind", done.err)


if __name__ == "__main__":
    unittest.main()
