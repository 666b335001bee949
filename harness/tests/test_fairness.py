# SPDX-License-Identifier: MIT
"""Who starved a worker: the lock, or the scheduler. A lock that starves by
design is found every time, a fair one is never accused, whatever is done to
its workers."""
import os
import unittest

from cli_fixture import SHMBENCH_TEST, Case

LOAD = "[a]\nmix = search:90 insert:5 remove:5\ncapacity = 1k\nstripes = 1\ntrials = 1\n" \
       "preload = 0\nwarmup = 10ms\n"
CPU = "/sys/fs/cgroup/cpu"


class Fairness(Case):
    def flags(self, *sets, **kwargs):
        self.write("a.ini", LOAD)
        sets = [word for pair in sets for word in ("--set", pair)]
        self.bench("run", "a.ini", "--out", "r.json", "--quiet", *sets, binary=SHMBENCH_TEST,
                   timeout=60, **kwargs)
        return self.load("r.json")["points"][0]["summary"]["flags"]

    def test_starving_is_flagged_ten_of_ten(self):
        for seed in range(10):
            self.assertIn("starved-by-lock", self.flags(
                "lock=starve", "procs=3", "duration=250ms", "seed=%d" % seed))

    def test_fair_at_64_processes(self):
        for seed in range(10):
            self.assertNotIn("starved-by-lock", self.flags(
                "lock=futex", "procs=64", "duration=200ms", "seed=%d" % seed))

    def test_fair_at_5_operations_per_second(self):
        for seed in range(10):
            self.assertNotIn("starved-by-lock", self.flags(
                "lock=futex", "procs=2", "rate=5", "duration=600ms", "seed=%d" % seed))

    def test_fair_under_a_quota(self):
        group = os.path.join(CPU, "shmbench-test-%d" % os.getpid())
        try:
            os.mkdir(group)
        except OSError as error:
            self.skipTest("no cpu cgroup (v1) to make: %s" % error)
        self.addCleanup(os.rmdir, group)
        with open(group + "/cpu.cfs_quota_us", "w", encoding="ascii") as f:
            f.write("20000")  # of 100 ms

        def enter():
            with open(group + "/cgroup.procs", "w", encoding="ascii") as f:
                f.write("%d" % os.getpid())

        for seed in range(10):
            self.assertNotIn("starved-by-lock", self.flags(
                "lock=futex", "procs=4", "duration=500ms", "hold=2us", "seed=%d" % seed,
                before=enter))


if __name__ == "__main__":
    unittest.main()
