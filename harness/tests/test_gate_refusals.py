# SPDX-License-Identifier: MIT
"""`shmbench gate` where something is wrong: never 0 where nothing was measured. No verdict
here rests on a time, so other tests may run beside these."""
import json
import math
import unittest

from cli_fixture import SHMBENCH, SHMBENCH_TEST
from gate_fixture import POINT, GateCase


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
        done = self.judge("base", "no-turns", 0, "--ignore", "80%", "--detect", "99%",
                          "--allow", "inconclusive", "--out", "g.json")
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
            self.one(*self.SLOWER, code=2, scenario=scenario)

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
