# SPDX-License-Identifier: MIT
"""scripts/nightly-power on rounds that are made up: what is drawn, judged and printed."""
import json
import os
import random
import re
import subprocess
import unittest

from cli_fixture import ROOT, Case


@unittest.skipUnless(os.environ.get("SHMBENCH_VARIANT", "release") == "release",
                     "the script uses the release build")
class Power(Case):
    def gate(self, links, number, slowdown, spread):
        rng = random.Random(100 * links + number)
        rounds = [{"log_slowdown": {"ops_per_s": rng.gauss(slowdown, spread)}} for _ in range(40)]
        with open(self.path("slow%d-%d.json" % (links, number)), "w", encoding="utf-8") as f:
            json.dump({"seconds": 16.0, "points": [{"rounds": rounds}]}, f)

    def power(self, code=0):
        done = subprocess.run([os.path.join(ROOT, "scripts/nightly-power"), "0", self.dir],
                              capture_output=True, text=True, timeout=250)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_what_is_found(self):
        for number in range(3):
            self.gate(0, number, 0.0, 0.03)
            self.gate(18, number, 0.1, 0.03)
        said = self.power()
        self.assertIn("75 rounds of each of 2 points in 60 s", said)
        self.assertNotIn("slow13 ", said)
        found = {name.strip(): float(share) for name, share in
                 re.findall(r"^(slow.{12}).{25} *([0-9.]+) % \[", said, re.M)}
        self.assertLess(found["slow0"], 1)
        self.assertEqual(found["slow18"], 100)
        self.assertEqual(found["slow0 + 10 %"], 100)
        self.assertLess(found["slow0 + 2 %"], 5)
        self.assertTrue(found["slow0 + 2 %"] <= found["slow0 + 3 %"] < found["slow0 + 4 %"], found)
        self.assertRegex(said, r"slow18 +\+(9|10|11)\.[0-9] %")

    def test_nothing_there(self):
        self.assertIn("nothing recorded", self.power(code=1))


if __name__ == "__main__":
    unittest.main()
