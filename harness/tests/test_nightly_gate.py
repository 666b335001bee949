# SPDX-License-Identifier: MIT
"""scripts/nightly-gate: gates that are kept, counted, and added to, on a build whose speeds
are drawn (gate_fake.c)."""
import os
import subprocess
import unittest

from cli_fixture import ROOT, SHMBENCH, Case

FAKE = os.path.join(os.path.dirname(SHMBENCH), "tests", "gate_fake")
SCRIPT = os.path.join(ROOT, "scripts/nightly-gate")


@unittest.skipUnless(os.environ.get("SHMBENCH_VARIANT", "release") == "release",
                     "the script uses the release build")
class Nightly(Case):
    def setUp(self):
        super().setUp()
        self.write("state", "")
        os.symlink(FAKE, self.path("base-0"))

    def nightly(self, runs, code=0, build="base-0"):
        env = dict(os.environ, BUILD=self.path(build), BUDGET="3s", GATE_FAKE_NOISE="0.001",
                   GATE_FAKE_STATE=self.path("state"))
        done = subprocess.run([SCRIPT, str(runs), "kept"], cwd=self.dir, env=env, timeout=200,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def lines(self):
        with open(self.path("kept"), encoding="utf-8") as f:
            return f.read().splitlines()

    def test_goes_on_where_it_ended(self):
        self.assertIn("2 gates: 0 alarms (0.00 % [0.00, 84.19])", self.nightly(2))
        first = self.lines()
        self.assertEqual(len(first), 3)
        self.assertIn("host feed build ", first[0])
        # Stopped while it wrote: that gate is none.
        with open(self.path("kept"), "a", encoding="utf-8") as f:
            f.write("2026-11-24T00:00:00Z 1")
        self.assertIn("3 gates: 0 alarms", self.nightly(3))
        self.assertEqual(self.lines()[:3], first)
        self.assertEqual(len(self.lines()), 5)
        self.assertIn("3 gates", self.nightly(3))
        self.assertEqual(len(self.lines()), 5)

    def tally(self, codes, code):
        if os.path.exists(self.path("kept")):
            os.remove(self.path("kept"))
        self.nightly(0)
        with open(self.path("kept"), "a", encoding="utf-8") as f:
            f.writelines("2026-11-24T00:00:00Z %d 0 7\n" % one for one in codes)
        return self.nightly(len(codes), code)

    def test_alarms_and_what_was_not_measured(self):
        # Interval: SciPy's binomtest(4, 1000).proportion_ci(method="exact").
        said = self.tally([1] * 4 + [4] * 996, 0)
        self.assertIn("4 alarms (0.40 % [0.11, 1.02])", said)
        self.assertIn("996 inconclusive", said)
        self.tally([1] * 5 + [0] * 995, 1)
        self.tally([1] * 2 + [4] * 298, 1)
        self.tally([1] * 1 + [4] * 299, 0)
        self.tally([4] * 8 + [3] * 2, 3)

    def test_of_another_host_or_build(self):
        self.nightly(0)
        here = self.lines()[0]
        self.write("kept", here.replace("feed", "dead") + "\n")
        said = self.nightly(0, code=3)
        self.assertIn("host dead", said)
        self.assertIn("host feed", said)
        self.assertEqual(len(self.lines()), 1)
        os.symlink("/bin/false", self.path("broken"))
        self.assertIn("does not say", self.nightly(0, code=3, build="broken"))
        self.assertIn("usage", subprocess.run([SCRIPT, "many"], capture_output=True, text=True).stderr)


if __name__ == "__main__":
    unittest.main()
