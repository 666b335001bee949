# SPDX-License-Identifier: MIT
"""`shmbench gate` as a user runs it: verdicts, and never 0 where nothing was measured."""
import json
import math
import os
import re
import shutil
import unittest
import xml.etree.ElementTree as ElementTree

from cli_fixture import ROOT, SHMBENCH, SHMBENCH_TEST, Case, alive_in, wait_for

PROXY = os.path.join(ROOT, "harness/tests/gate_proxy.py")
FAKE = os.path.join(os.path.dirname(SHMBENCH), "tests", "gate_fake")
POINT = "[a]\nlock = spin\ncapacity = 1000\nprocs = 1\n"
TWO = POINT + "[b]\nlock = futex\ncapacity = 1000\n"


class GateCase(Case):
    def setUp(self):
        super().setUp()
        os.environ["SHMBENCH"] = SHMBENCH
        self.write("two.ini", TWO)
        self.write("one.ini", POINT)

    def proxy(self, side, mode):
        path = self.path("%s-%s" % (side, mode))
        if not os.path.exists(path):
            os.symlink(PROXY, path)
        return path

    def drawn(self, slower):
        """Two builds whose speeds are drawn, at once: see gate_fake.c."""
        self.write("state", "")
        os.environ["GATE_FAKE_STATE"] = self.path("state")
        for name in ("base-0", "head-%d" % slower):
            if not os.path.exists(self.path(name)):
                os.symlink(FAKE, self.path(name))
        return "--base", self.path("base-0"), "--head", self.path("head-%d" % slower)

    def gate(self, scenario, *args, code=0, timeout=60, **kwargs):
        """On a busy machine a slice takes ten times as long, and a budget may be refused:
        then the one that the message names is given. Any other answer stands."""
        done = self.start("gate", scenario, *args, **kwargs).wait(timeout)
        for _ in range(3):
            named = re.search(r"--budget: .*: at least ([0-9]+) s", done.err)
            if done.code != 2 or not named or "--budget" not in args:
                break
            at = args.index("--budget") + 1
            args = (*args[:at], "%ds" % (2 * int(named.group(1))), *args[at + 1:])
            done = self.start("gate", scenario, *args, **kwargs).wait(timeout + 60)
        self.assertEqual(done.code, code, "%s\n%s%s" % (args, done.out, done.err))
        # Workers die with their parent: at once, but for what a busy machine lets wait.
        self.assertTrue(wait_for(lambda: not alive_in(done.pid), 5), "processes were left behind")
        return done

    def one(self, *args, scenario="one.ini", **kwargs):
        return self.gate(scenario, "--slice", "20ms", *args, **kwargs)


class Verdicts(GateCase):
    SLOWER = ("--base-set", "think=0ns", "--head-set", "think=3us")
    FASTER = ("--base-set", "think=3us", "--head-set", "think=0ns")

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
            done = self.one(*Verdicts.SLOWER, "--instructions", code=3)
        finally:
            os.environ["PATH"] = path
        self.assertIn("valgrind", done.err)


class Baseline(GateCase):
    """Stored trials of this host as base; what was stored elsewhere, or is broken, is refused."""

    def setUp(self):
        super().setUp()
        self.write("s.ini", POINT + "duration = 50ms\nwarmup = 10ms\ntrials = 6\n")
        self.bench("run", "s.ini", "--out", "base.json", "--quiet")

    def judge(self, code, *args, baseline="base.json"):
        return self.bench("gate", "s.ini", "--baseline", baseline, *args, code=code, timeout=60)

    def changed(self, edit):
        stored = self.load("base.json")
        edit(stored)
        self.write("changed.json", json.dumps(stored))
        return "changed.json"

    def test_verdicts(self):
        # Far apart: the machine may be slower by half now than it was then.
        self.assertIn("REGRESSION", self.judge(1, "--set", "think=3us").out)
        self.judge(0, "--ignore", "95%", "--detect", "99%", "--allow", "inconclusive")

    def test_other_hosts_scenarios_and_layouts(self):
        for group, key in (("host", "fingerprint"), ("scenario", "sha256"), ("tool", "layout_hash")):
            with self.subTest(key=key):
                had = self.load("base.json")[group][key]
                path = self.changed(lambda stored: stored[group].update({key: "feedbeef"}))
                done = self.judge(3, baseline=path)
                self.assertIn("feedbeef", done.err)
                self.assertIn(had, done.err)

    def test_broken_baselines(self):
        with open(self.path("base.json"), encoding="utf-8") as f:
            whole = f.read()
        self.write("empty.json", "")
        self.write("cut.json", whole[:len(whole) // 2])
        self.write("nan.json", whole.replace('"ops_per_s": ', '"ops_per_s": NaN, "x": ', 1))
        for path in ("empty.json", "cut.json", "nan.json", "none.json", "."):
            with self.subTest(path=path):
                self.judge(2, baseline=path)

    def test_incomplete_baselines(self):
        def trials(stored):
            return stored["points"][0]["trials"]

        edits = (lambda stored: stored.update(status="partial"),
                 lambda stored: stored.update(points=[]),
                 lambda stored: trials(stored).clear(),
                 lambda stored: trials(stored)[2].update(op_stream_hash="beef"),
                 lambda stored: trials(stored)[2].update(ops_per_s=None),
                 lambda stored: trials(stored)[2].update(ops_per_s=0),
                 lambda stored: stored["points"][0].update(name="b"))
        for k, edit in enumerate(edits):
            with self.subTest(edit=k):
                self.judge(3, baseline=self.changed(edit))
        done = self.judge(2, baseline=self.changed(lambda stored: trials(stored).__delitem__(
            slice(3, None))))
        self.assertIn("even unanimous ones", done.err)


class Mutations(GateCase):
    """One thing is wrong with a build's answers: the contract's exit code, never 0."""

    def judge(self, side, mode, code, *args, scenario="one.ini", base=None):
        builds = {"base": base or SHMBENCH, "head": SHMBENCH}
        builds[side] = self.proxy(side, mode)
        return self.one("--base", builds["base"], "--head", builds["head"], "--budget", "12s",
                         *args, code=code, scenario=scenario)

    def test_answers(self):
        for mode in ("empty", "truncated", "nan", "twice", "zero", "negative", "huge", "text",
                     "null", "clock-forward", "clock-back", "clock-still", "hash", "no-hash",
                     "other-point", "not-measured", "no-status", "protocol", "array", "crash",
                     "killed"):
            with self.subTest(mode=mode):
                # A head that fails at its first slice needs no base that measures.
                done = self.judge("head", mode, 3,
                                  base=None if mode == "hash" else self.drawn(0)[1])
                self.assertIn("NOT MEASURED", done.out)
                self.assertIn("head, slice 0" if mode != "hash" else "op_stream_hash", done.out)

    def test_answers_in_turns(self):
        for mode, said in (("turns-fewer", "turns"), ("turns-sum", "turns"), ("turns-nan", "turn"),
                           ("turns-none", "turns found 0"), ("turns-zero", "turns"),
                           ("turns-leave", "exit status 7"), ("turns-killed", "signal 9"),
                           ("turns-noise", "turn")):
            with self.subTest(mode=mode):
                done = self.judge("head", mode, 3)
                self.assertIn("NOT MEASURED", done.out)
                self.assertIn("head, slice 0", done.out)
                self.assertIn(said, done.out)

    def test_no_time_in_most_turns(self):
        """Then the whole counts: a machine that busy is no reason not to measure."""
        self.judge("head", "turns-few", 0, "--ignore", "80%", "--detect", "99%", "--allow",
                   "inconclusive", "--out", "g.json")
        rounds = self.load("g.json")["points"][0]["rounds"]
        for entry in rounds:
            base, head = entry["base"], entry["head"]
            self.assertAlmostEqual(entry["log_slowdown"]["ops_per_s"],
                                   math.log(base["ops"] / base["seconds"]) -
                                   math.log(head["ops"] / head["seconds"]))

    def test_a_build_that_knows_no_turns(self):
        done = self.judge("base", "no-turns", 0, "--ignore", "80%", "--detect", "99%", "--out", "g.json")
        self.assertIn("3 pilot slices", done.out)
        self.assertIsNone(self.load("g.json")["points"][0]["rounds"][0]["head"]["turns"])

    def test_answers_of_base(self):
        for mode in ("zero", "crash", "failed", "hash"):
            with self.subTest(mode=mode):
                self.judge("base", mode, 3)

    def test_histograms(self):
        for mode in ("no-hist", "bad-hist"):
            with self.subTest(mode=mode):
                self.judge("head", mode, 3, "--metric", "search.p99", "--set", "latency=every")

    def test_failed_verification_of_head(self):
        self.assertIn("FAILED", self.judge("head", "failed", 1).out)

    def test_broken_lock(self):
        self.write("busted.ini", "[a]\nlock = spin\nprocs = 2\ncapacity = 100\nmix = insert:50 remove:50\n")
        done = self.gate("busted.ini", "--base-set", "lock=spin", "--head-set",
                          "lock=busted", "--budget", "12s", "--set", "timeout=100ms", code=1,
                          binary=SHMBENCH_TEST, timeout=60)
        self.assertIn("FAILED", done.out)

    def test_lists(self):
        for side, mode in (("head", "no-points"), ("head", "skipped"), ("head", "nameless"),
                           ("head", "list-empty"), ("head", "list-crash"), ("base", "no-points"),
                           ("base", "nameless"), ("base", "list-crash"), ("base", "no-gate"),
                           ("head", "no-gate")):
            with self.subTest(side=side, mode=mode):
                self.judge(side, mode, 3)

    def test_gone_from_head(self):
        done = self.judge("head", "gone", 3, "--set", "think=100ns", "--ignore", "95%", "--detect",
                          "99%", scenario="two.ini")
        self.assertIn("GONE", done.out)

    def test_missing_binaries(self):
        for path in ("/nowhere/shmbench", "/etc/passwd", "/"):
            done = self.one("--base", SHMBENCH, "--head", path, code=3)
            self.assertIn(path, done.err)

    def test_scenarios(self):
        self.write("empty.ini", "")
        self.write("cut.ini", "[a\nlock = sp")
        for scenario in ("empty.ini", "cut.ini", "none.ini"):
            self.one("--base", SHMBENCH, "--head", SHMBENCH, code=3, scenario=scenario)
            self.one(*Verdicts.SLOWER, code=2, scenario=scenario)

    def test_bootstrap(self):
        done = self.judge("base", "no-gate", 0, "--bootstrap")
        self.assertIn("NEW", done.out)
        self.judge("head", "no-gate", 3, "--bootstrap")
        self.judge("head", "crash", 3, "--bootstrap")

    def test_new_point(self):
        done = self.judge("base", "gone", 1, "--set", "think=100ns", "--base-set", "think=0ns",
                          "--head-set", "think=3us", scenario="two.ini")
        self.assertIn("NEW", done.out)
        self.assertIn("1 new", done.out)


if __name__ == "__main__":
    unittest.main()
