# SPDX-License-Identifier: MIT
"""`gate --aa`, its calibration and `--control`, on builds whose speeds are drawn
(gate_fake.c): whole gates, and no figure of them hangs on this machine."""
import os
import re
import subprocess
import unittest

from cli_fixture import ROOT, SHMBENCH, Case

FAKE = os.path.join(os.path.dirname(SHMBENCH), "tests", "gate_fake")
CALIBRATION = "calibration-feed-beef.json"


class FakeCase(Case):
    def setUp(self):
        super().setUp()
        self.write("s.ini", "[a]\nlock = spin\n")
        self.noise(0.02)

    def noise(self, size, seed=1):
        self.write("state", "")
        os.environ.update(GATE_FAKE_STATE=self.path("state"), GATE_FAKE_NOISE=str(size),
                          GATE_FAKE_SEED=str(seed))

    def fake(self, name, slower):
        path = self.path("%s-%s" % (name, slower))
        if not os.path.exists(path):
            os.symlink(FAKE, path)
        return path

    def gate(self, *args, code=0):
        """A busy machine starts few slices a second: then the budget that the message names
        is given. Any other answer stands."""
        done = self.start("gate", "s.ini", *args).wait(60)
        for _ in range(3):
            named = re.search(r"--budget: .*: at least ([0-9]+) s", done.err)
            if done.code != 2 or code == 2 or not named:
                break
            at = args.index("--budget") + 1
            args = (*args[:at], "%ds" % (2 * int(named.group(1))), *args[at + 1:])
            done = self.start("gate", "s.ini", *args).wait(60)
        self.assertEqual(done.code, code, "%s\n%s%s" % (args, done.out, done.err))
        return done

    def aa(self, *args, code=0):
        return self.gate("--aa", "--base", self.fake("base", 0), "--seed", "1", *args, code=code)

    def relinked(self, deviations):
        return [word for k, slower in enumerate(deviations)
                for word in ("--relinked", self.fake("link%d" % k, slower))]


class Calibration(FakeCase):
    def test_few_runs_say_so(self):
        done = self.aa("--budget", "4s", "--runs", "5")
        self.assertIn("not enough runs to tell 1 % (299 would be)", done.out)
        self.assertIn("relink spread: not known (0 links, at least 8", done.out)
        self.assertIn("scripts/calibrate", done.out)
        stored = self.load(CALIBRATION)
        self.assertEqual((stored["schema"], stored["gates"], stored["links"]),
                         ("shmbench.calibration/1", 5, 0))
        self.assertEqual(len(stored["log"]), 5)
        self.assertEqual([run["seed"] for run in stored["log"]], [1, 2, 3, 4, 5])
        self.assertTrue(0 <= stored["alarm_rate_low"] < stored["alarm_rate_high"] < 1)
        self.assertIsNone(stored["relink_spread"])
        small, large = (found["slowdown"] for found in stored["rows"][0]["smallest_found"])
        self.assertTrue(0.02 < large <= small < 0.5, (small, large))

    def test_more_noise_finds_less(self):
        found = []
        for size in (0.005, 0.4):
            self.noise(size)
            self.aa("--budget", "1s", "--runs", "5", "--out", "cal.json")
            found.append(self.load("cal.json")["rows"][0]["smallest_found"][0]["slowdown"])
        self.assertLess(2 * found[0], found[1])

    def test_relink_spread_becomes_what_is_ignored(self):
        # Deviations whose root of the mean square is 4.1 %: twice that is the spread.
        self.noise(0.002)
        done = self.aa("--budget", "2s", "--runs", "2",
                       *self.relinked((5, -4, 3, -5, 4, -3, 4, -4)))
        stored = self.load(CALIBRATION)
        self.assertEqual(stored["links"], 8)
        self.assertTrue(0.07 < stored["relink_spread"] < 0.095, stored["relink_spread"])
        self.assertIn("relink spread: ", done.out)
        self.assertEqual(stored["ignore"], stored["relink_spread"])
        # A gate of the same host and scenario uses it, and says so: 6 % is ignored now.
        sides = ("--base", self.fake("base", 0), "--head", self.fake("head", 6))
        done = self.gate(*sides, "--budget", "1s", "--allow", "inconclusive")
        self.assertIn("relink spread", done.out)
        self.assertIn("slower up to %.3g %% is ignored" % (100 * stored["ignore"]), done.out)
        self.assertNotIn("REGRESSION", done.out)
        # What is asked for goes before it; and what contradicts it is refused.
        self.gate(*sides, "--budget", "1s", "--ignore", "2%", code=1)
        self.assertIn("--detect is 5.0 %", self.gate(*sides, "--detect", "5%", code=2).err)

    def test_noise_alone_is_no_spread(self):
        self.noise(0.005)
        self.aa("--budget", "2s", "--runs", "2", *self.relinked([0] * 8))
        stored = self.load(CALIBRATION)
        self.assertLess(stored["relink_spread"], 0.01)
        self.assertAlmostEqual(stored["ignore"], 0.02)

    def test_of_another_host_or_broken_is_not_used(self):
        sides = ("--base", self.fake("base", 0), "--head", self.fake("head", 0), "--budget", "1s",
                 "--allow", "inconclusive")
        self.assertIn("calibration: none of this host", self.gate(*sides).out)
        for text, said in (("{", "not used"), ("[]", "schema found 'none'"),
                           ('{"schema": "shmbench.calibration/1", "fingerprint": "dead"}',
                            "fingerprint there 'dead', here 'feed'"),
                           ('{"schema": "shmbench.calibration/1", "fingerprint": "feed", '
                            '"scenario_sha256": "food"}', "there 'food', here 'beef'"),
                           ('{"schema": "shmbench.calibration/1", "fingerprint": "feed", '
                            '"scenario_sha256": "beef", "relink_spread": "wide", "rows": 3}',
                            "no relink spread")):
            with self.subTest(text=text):
                self.write(CALIBRATION, text)
                done = self.gate(*sides)
                self.assertIn(said, done.out)
                self.assertIn("slower up to 2 % is ignored", done.out)

    def test_a_host_whose_gates_fail(self):
        os.environ["GATE_FAKE_STATE"] = "/nowhere/state"
        done = self.aa("--budget", "2s", "--runs", "2", code=3)
        self.assertIn("2 not measured, the last: a: base, slice 0", done.out)
        self.assertFalse(os.path.exists(self.path(CALIBRATION)))

    def test_usage(self):
        for args in (("--head", self.fake("head", 0)), ("--runs", "0"), ("--bootstrap",),
                     ("--instructions",), ("--base-set", "lock=spin", "--head-set", "lock=spin")):
            with self.subTest(args=args):
                self.aa(*args, code=2)
        self.gate("--runs", "3", "--base-set", "lock=spin", "--head-set", "lock=spin", code=2)
        self.assertIn("expected", self.aa("--budget", "1ms", *self.relinked([0] * 8), code=2).err)


class Control(FakeCase):
    def test_beside_the_verdict(self):
        done = self.gate("--base", self.fake("base", 0), "--head", self.fake("head", 20),
                         "--budget", "3s", "--control", "--out", "g.json", "--markdown", "g.md",
                         code=1)
        row = self.load("g.json")["points"][0]["rows"][0]
        control = row["control"]
        self.assertEqual(control["rounds"], row["rounds"] // 2)
        # Its interval misses 0 once in a hundred: that alone is no failure.
        self.assertLess(abs(control["slowdown"]), 0.1)
        self.assertLess(control["low"], control["high"])
        self.assertLess(control["high"], row["low"])
        self.assertIn("; base against base ", done.out)
        with open(self.path("g.md"), encoding="utf-8") as f:
            self.assertIn("; base against base ", f.read())

    def test_only_where_it_is_wanted(self):
        self.gate("--base", self.fake("base", 0), "--head", self.fake("head", 20), "--budget",
                  "1s", "--out", "g.json", code=1)
        self.assertIsNone(self.load("g.json")["points"][0]["rows"][0]["control"])


class WholeGates(FakeCase):
    """The level holds through the whole program: its coins, looks, bounds, exit codes."""

    def test_false_alarms(self):
        gates = 2000 if os.environ.get("SHMBENCH_TESTS") == "all" else 20
        self.noise(0.3, seed=7)
        done = self.aa("--budget", "%gs" % (0.2 * gates), "--runs", str(gates), "--ignore", "0%",
                       "--detect", "0.001%")
        stored = self.load(CALIBRATION)
        self.assertGreater(stored["gates"], gates // 5, done.out)
        # 1 % at most: more than this comes once in 10,000 times (binomial).
        self.assertLessEqual(stored["alarms"], {20: 3, 2000: 39}[gates], done.out)


class Refusals(Case):
    def test_what_cannot_be_measured_is_not_tried_for_the_whole_budget(self):
        self.assertIn("missing.ini", self.bench("gate", "--aa", "missing.ini", code=2, timeout=20).err)
        self.write("s.ini", "[a]\n")
        done = self.bench("gate", "--aa", "--base", "/bin/false", "s.ini", code=3, timeout=20)
        self.assertIn("3 not measured", done.out)


class Calibrate(Case):
    @unittest.skipUnless(os.environ.get("SHMBENCH_TESTS") == "all", "longer form: SHMBENCH_TESTS=all")
    def test_links_eight_orders(self):
        done = subprocess.run([os.path.join(ROOT, "scripts/calibrate"), "--budget", "200s",
                               "--calibration", self.path("cal.json")], timeout=280,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.load("cal.json")["links"], 8)


if __name__ == "__main__":
    unittest.main()
