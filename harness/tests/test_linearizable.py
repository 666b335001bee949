#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""verify = linearizable end to end: a lock that is none is found out, real ones are not."""
import os
import re
import unittest

from cli_fixture import ROOT, SHMBENCH_TEST, Case

FEW_KEYS = "[a]\nverify = linearizable\nprocs = 4\ncapacity = 200\nkeyspace = 64\nwarmup = 0\n" \
           "mix = search:40 insert:20 update:20 remove:20\ntrials = 1\n"


class Linearizable(Case):
    def lin(self, result):
        return [trial["integrity"]["linearizable"] for point in result["points"]
                for trial in point["trials"]]

    def test_no_lock_is_found_out(self):
        result = self.run_json(FEW_KEYS, "--set", "lock=busted", "--set", "duration=200ms", code=1,
                               binary=SHMBENCH_TEST)
        check, = self.lin(result)
        self.assertGreater(check["violations"], 0)
        self.assertRegex(check["history"], r"^key \d+: .*\n +\d+ \.\. +\d+ ns  worker \d")
        shown = self.bench("show", "r.json", binary=SHMBENCH_TEST)
        self.assertIn("a, trial 1: key ", shown.out)
        self.assertIn(check["history"].splitlines()[1].strip(), shown.out)

    def test_real_locks_pass(self):
        result = self.run_json(FEW_KEYS, "--set", "lock=futex,spin,rwlock", "--set",
                               "read=locked,seqlock,rcu", "--set", "duration=100ms", timeout=60)
        checks = self.lin(result)
        self.assertEqual(len(checks), 9)
        for point, check in zip(result["points"], checks):
            trial, = point["trials"]
            self.assertEqual(check["violations"], 0)
            self.assertIsNone(check["history"])
            self.assertFalse(check["cut_short"])
            self.assertEqual(check["key_share"], 1)
            self.assertGreaterEqual(check["operations"], trial["ops"])
            self.assertEqual(check["balanced_keys"], 64)
            self.assertGreater(check["searched"], 0)

    def test_open_loop_and_by_operations(self):
        # Enough operations that the first worker is not done before the last one has started.
        for more in (("--set", "rate=100k", "--set", "duration=100ms"), ("--set", "ops=1M")):
            check, = self.lin(self.run_json(FEW_KEYS, *more))
            self.assertGreater(check["operations"], 5000)
            self.assertEqual(check["violations"], 0)

    def test_other_modes_say_null(self):
        self.assertEqual(self.lin(self.run_json(FEW_KEYS, "--set", "verify=values", "--set",
                                                "duration=20ms")), [None])

    def test_short_values_are_refused(self):
        self.write("s.ini", FEW_KEYS + "value_size = 8-64\n")
        bench = self.bench("run", "s.ini", code=2)
        self.assertTrue(re.search(r"key 'verify': found 'linearizable', allowed with values of at "
                                  r"least 16 bytes: value_size is 8", bench.err), bench.err)

    def test_scenario(self):
        path = os.path.join(ROOT, "scenarios/linearizable.ini")
        self.assertIn("reads/lock=ticket/read=rcu", self.bench("run", path, "--dry-run").out)


if __name__ == "__main__":
    unittest.main()
