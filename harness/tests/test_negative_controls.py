#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tables that are wrong on purpose, and the check that must say so, in time: a
harness that passes them sees nothing.
"""
import unittest

from cli_fixture import SHMBENCH_TEST, Case

BASE = """
[t]
procs = 2
capacity = 2k
mix = search:30 insert:35 remove:35
trials = 1
duration = 400ms
warmup = 50ms
calm = 200ms
interval = 50ms
"""


class NegativeControls(Case):
    def point(self, command, lock, *sets, code):
        self.write("t.ini", BASE)
        args = [arg for item in ("lock=" + lock, *sets) for arg in ("--set", item)]
        self.bench(command, "t.ini", "--out", "r.json", *args, code=code, timeout=12,
                   binary=SHMBENCH_TEST)
        point, = self.load("r.json")["points"]
        return point

    def test_the_original_passes(self):
        self.assertEqual(self.point("run", "futex", code=0)["status"], "ok")
        self.assertEqual(self.point("torture", "futex", code=0)["status"], "ok")

    def test_a_removal_that_only_says_so(self):
        self.assertRegex(self.point("run", "skipremove", code=1)["reason"],
                         r"the table's count is \d+, inserts less removes are -?\d+")
        self.assertRegex(self.point("torture", "skipremove", code=1)["reason"],
                         r"key \d+.*(not there|must be absent|another value|version)")

    def test_a_key_that_is_there_twice(self):
        self.assertIn("is there twice", self.point("run", "dupinsert", code=1)["reason"])
        self.assertRegex(self.point("torture", "dupinsert", code=1)["reason"],
                         r"key \d+.*(which is there .*: done|version|another value)")

    def test_a_count_that_drifts(self):
        self.assertRegex(self.point("run", "countdrift", code=1)["reason"],
                         r"the table's count is \d+, inserts less removes are -?\d+")
        self.assertIn("count is", self.point("torture", "countdrift", code=1)["reason"])

    def test_a_wake_up_that_is_lost(self):
        # Who sleeps on goes on when its time is over: nothing is wrong but the wait.
        point = self.point("run", "lostwake", "duration=1500ms", "hold=2us", code=0)
        self.assertIn("starved-by-lock", point["summary"]["flags"])
        point = self.point("run", "futex", "duration=1500ms", "hold=2us", code=0)
        self.assertNotIn("starved-by-lock", point["summary"]["flags"])


if __name__ == "__main__":
    unittest.main()
