#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The microbenchmarks: every part is there, ran, and took time."""
import json
import os
import subprocess
import unittest

from cli_fixture import ROOT, SHMBENCH

MICROBENCH = os.path.join(ROOT, "build/release/microbench")


def run(*args):
    return subprocess.run([MICROBENCH, *args], capture_output=True, text=True, timeout=60,
                          check=False)


class Microbench(unittest.TestCase):
    def test_every_part_is_measured(self):
        done = run("--benchmark_min_time=0.001", "--benchmark_format=json")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = {row["name"]: row for row in json.loads(done.stdout)["benchmarks"]}
        listed = subprocess.run([SHMBENCH, "list", "strategies"], capture_output=True, text=True,
                                timeout=10, check=True).stdout
        # The first paragraph: a heading, then one row per strategy.
        strategies = {row.split()[0] for row in listed.split("\n\n")[0].splitlines()[1:]}
        self.assertGreaterEqual(len(strategies), 11)
        wanted = {"%s/%s" % (part, name) for name in strategies
                  for part in ("lock_unlock", "search_hit", "search_miss", "search_many",
                               "insert_remove")}
        wanted |= {"%s/futex/%s" % (part, read) for read in ("seqlock", "rcu", "urcu", "urcu-qsbr")
                   for part in ("search_hit", "search_miss", "search_many", "insert_remove")}
        wanted |= {"section/%s" % read for read in ("rcu", "urcu", "urcu-qsbr")}
        wanted |= {"attach", "hash/16", "histogram_record", "clock/ticks", "clock/ticks_ordered",
                   "clock/monotonic"}
        self.assertEqual(set(rows), wanted)
        for name, row in rows.items():
            self.assertNotIn("error_occurred", row, name)
            self.assertEqual(row["time_unit"], "ns")
            self.assertGreater(row["real_time"], 0.1, name)
            self.assertGreater(row["iterations"], 0, name)

    def test_its_own_flags(self):
        done = run("--benchmark_list_tests=true", "--benchmark_filter=^hash")
        self.assertEqual((done.returncode, done.stdout.split()), (0, ["hash/16"]))
        done = run("--no-such-flag")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no-such-flag", done.stderr)


if __name__ == "__main__":
    unittest.main()
