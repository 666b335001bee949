#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/nightly-plan: its rules on figures that are known, and as a whole on a tool whose
response times follow a formula and whose plan is right or wrong as told."""
import importlib.machinery
import importlib.util
import math
import os
import subprocess
import sys
import unittest

from cli_fixture import ROOT, Case

SCRIPT = os.path.join(ROOT, "scripts/nightly-plan")
# p99 = 100 us / (1 - load / capacity); nothing beyond the capacity, which is 1 M op/s. In a
# closed loop it is 1.2 M.
FAKE = r"""#!/usr/bin/python3
import json, os, re, sys, time
command, path = sys.argv[1:3]
lines = open(path).read().splitlines()
if max(map(len, lines)) > 198:
    sys.exit(2)  # as shmbench: so many loads do not fit one line
pairs = [line.split(" = ") for line in lines if " = " in line]
given = dict(pairs)
whole = "/proc" in given.get("rate", "")
rate = float(os.environ.get("FAKE_CAPACITY", "1e6"))
key, capacity = ("procs", rate / float(given["rate"][:-5])) if whole else ("rate", rate)
loads = [float(load) for name, value in pairs if name == key for load in value.split(", ")] or [0]
def p99(load):
    return 1e5 / (1 - load / capacity) if load < capacity else None
if command == "run":
    time.sleep(float(os.environ.get("FAKE_SWEEP_S", "0")) if len(loads) > 2 else 0)
    loads.reverse()
    flat = os.environ.get("FAKE_FLAT")
    once = os.environ.get("FAKE_DISTURBED") if len(loads) > 2 else None
    disturbed = bool(once) and not os.path.exists(once)
    if disturbed:
        open(once, "w").close()
    points = [{"params": {key: "%d" % load}, "summary": {"ops_per_s": {"median": 1.2e6}},
               "trials": [{"status": "ok", "rate": {"missed": load >= capacity and not flat},
                           "noise": {"disturbed": disturbed},
                           "latency": {"response": {"search": {
                               "p99_ns": None if disturbed else 1e5 if flat else p99(load)}}}}]
                         * int(given["trials"])} for load in loads]
    answer, code = {"points": points}, 0
else:
    time.sleep(float(os.environ.get("FAKE_PLAN_S", "0")))
    bound = int(re.search(r"<=(\d+)ns$", sys.argv[sys.argv.index("--slo") + 1])[1])
    load = capacity * (1 - 1e5 / bound) * float(os.environ.get("FAKE_FACTOR", "1"))
    kind = os.environ.get("FAKE_ANSWER", "found")
    answer = {"rows": [{"answer": kind, "load": int(load) if whole else load}]}
    code = {"found": 0, "none": 1, "inconclusive": 4, "not_measured": 3}[kind]
with open(sys.argv[sys.argv.index("--out") + 1], "w") as f:
    json.dump(answer, f)
sys.exit(code)
"""


def load_script():
    loader = importlib.machinery.SourceFileLoader("nightly_plan", SCRIPT)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("nightly_plan", loader))
    keep, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = keep
    return module


RULES = load_script()


class Rules(unittest.TestCase):
    def parted(self, text):
        return RULES.parted([(k + 1, letter == "k") for k, letter in enumerate(text)])

    def test_what_parts_them(self):
        for text, answer in (("kkkbbb", 3), ("kkkkkk", 6), ("bbbbbb", None), ("b", None), ("k", 1),
                             # One that a stall broke, one that was lucky.
                             ("kbkkkbbb", 5), ("kkkbbbkb", 3),
                             # Both part them as well: the lower.
                             ("kkbkbb", 2), ("bk", None)):
            self.assertEqual(self.parted(text), answer, text)

    def test_the_grid(self):
        rates = RULES.grid(1e6, 16)
        self.assertEqual(rates[-1], 1e6)
        self.assertLess(rates[0], 1e6 / 16 * 1.05)
        self.assertGreaterEqual(rates[0], 1e6 / 16)
        for low, high in zip(rates, rates[1:]):
            self.assertAlmostEqual(high / low, 1.05, places=3)

    def test_what_is_right(self):
        for answer, right in ((94, False), (96, True), (110, True), (125, True), (127, False),
                              (None, False)):
            self.assertEqual(RULES.is_right(answer, [100, 120, 110], False), right, answer)
        for answer, right in ((2, False), (3, True), (6, True), (7, False), (None, False)):
            self.assertEqual(RULES.is_right(answer, [4, 5, 5], True), right, answer)

    def test_the_promise(self):
        self.assertEqual(RULES.promised(100, 900), 300)
        self.assertEqual(RULES.promised(100, 1e8), 100e3)
        self.assertEqual(RULES.promised(100, math.inf), 10e6)
        self.assertEqual(RULES.promised(4e6, math.inf), 10e6)
        for half, full in ((100, 199), (math.inf, math.inf), (100, math.nan), (5.1e6, math.inf)):
            with self.assertRaises(RULES.Undecided):
                RULES.promised(half, full)

    def test_numbers(self):
        for text, value in (("250k", 250e3), ("1.5M", 1.5e6), ("8", 8), ("20k/proc", 20e3)):
            self.assertEqual(RULES.number(text), value)


class Whole(Case):
    def nightly(self, *names, code=0, **env):
        self.write("fake", FAKE)
        os.chmod(self.path("fake"), 0o755)
        done = subprocess.run([SCRIPT, *names], env=dict(os.environ, BUILD=self.path("fake"), **env),
                              capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def test_plan_is_right(self):
        said = self.nightly("rate", "processes", FAKE_SWEEP_S="2")
        self.assertEqual(said.count("plan right 3 of 3"), 2)
        # Nothing is had at the highest load, so 10 ms, which 990 k keep.
        self.assertIn("rate: search.p99<=10000000ns, 57 loads up to 1.5e+06 op/s", said)
        self.assertRegex(said, r"truth 9\.\d+e\+05 op/s to")
        # Of 93.75 k each, 10.6.
        self.assertIn("truth 10 processes to 10 processes", said)

    def test_the_truth_is_inside_the_range(self):
        # An open loop that has more than the closed one: 1.4 M. 1.386 M keep 10 ms.
        said = self.nightly("rate", FAKE_SWEEP_S="2", FAKE_CAPACITY="1.4e6")
        self.assertIn("truth 1.361e+06 op/s to", said)
        # So much that 1.5 M is not twice as late as 600 k: a capacity of 1.5 M is tried.
        said = self.nightly("rate", FAKE_SWEEP_S="2", FAKE_CAPACITY="2.9e6")
        self.assertIn("57 loads up to 1.875e+06 op/s", said)
        self.assertIn("truth 1.399e+06 op/s to", said)

    def test_rounds_are_kept(self):
        keep = self.path("kept.json")
        for k in (1, 2):
            said = self.nightly("processes", code=3, FAKE_SWEEP_S="2", KEEP=keep)
            self.assertIn("%d of 3 rounds so far" % k, said)
        # The promise is the first call's, whatever the machine is now.
        said = self.nightly("processes", FAKE_SWEEP_S="2", KEEP=keep, FAKE_CAPACITY="1.1e6")
        self.assertIn("processes: search.p99<=10000000ns, 16 loads", said)
        self.assertEqual(said.count("sweep: "), 1)
        self.assertIn("truth 10 processes to 11 processes; plan right 3 of 3", said)
        self.nightly("processes", code=2, KEEP=keep, SWEEP_S="4")

    def test_a_disturbed_load_is_observed_again(self):
        # At first each load below the one that breaks it is disturbed, and breaks it.
        said = self.nightly("processes", FAKE_SWEEP_S="2", FAKE_DISTURBED=self.path("disturbed"))
        self.assertIn("truth 10 processes to 10 processes", said)

    def test_a_schedule_that_nothing_keeps_is_halved(self):
        # A capacity of 1.2 M, 600 k, 300 k: half of that is below 200 k.
        said = self.nightly("rate", code=1, FAKE_CAPACITY="2e5")
        self.assertIn("rate: search.p99<=10000000ns, 57 loads up to 3.75e+05 op/s", said)
        self.assertIn("plan right 3 of 3", said)
        self.assertIn("undecided: p99 is inf", self.nightly("rate", code=3, FAKE_CAPACITY="1"))

    def test_plan_is_wrong(self):
        self.assertIn("plan right 0 of 3", self.nightly("rate", code=1, FAKE_FACTOR="0.85"))
        self.assertIn("plan right 0 of 3", self.nightly("processes", code=1, FAKE_FACTOR="0.8"))
        for answer in ("none", "inconclusive"):
            self.assertIn("plan right 0 of 3", self.nightly("rate", code=1, FAKE_ANSWER=answer))

    def test_plan_is_slow(self):
        self.assertIn("plan right 3 of 3", self.nightly("rate", code=1, FAKE_PLAN_S="0.5"))

    def test_nothing_decided(self):
        self.assertIn("undecided: p99 is 100 us at half", self.nightly("rate", code=3, FAKE_FLAT="1"))
        self.assertIn("undecided: plan ended with 3",
                      self.nightly("rate", code=3, FAKE_ANSWER="not_measured"))

    def test_wrong_usage(self):
        self.nightly("nonsense", code=2)
        for env in ({"SWEEP_S": "1"}, {"SWEEP_S": "x"}, {"SWEEP_S": "nan"}, {"SPAN": "1"}):
            self.nightly("rate", code=2, **env)


if __name__ == "__main__":
    unittest.main()
