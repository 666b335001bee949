# SPDX-License-Identifier: MIT
"""Who starved a worker: the lock, or the scheduler. A lock that starves by
design is found every time, a fair one is never accused, whatever is done to
its workers.

As often as SHMBENCH_FAIRNESS_RUNS says, else four times: scripts/nightly-fairness.
"""
import os
import signal
import time
import unittest

from cli_fixture import SHMBENCH_TEST, Case, children_of, default_signals, wait_for

RUNS = int(os.environ.get("SHMBENCH_FAIRNESS_RUNS", "4"))
# handoff is fair by design, and parks: who waits is not on the CPU.
FAIR = "lock=handoff"
LOAD = "[a]\nmix = search:90 insert:5 remove:5\ncapacity = 1k\nstripes = 1\ntrials = 1\n" \
       "preload = 0\nwarmup = 10ms\n"
CPU = "/sys/fs/cgroup/cpu"


def accused_by_the_wall(trial):
    """The rule's verdict if nothing were taken off a wait: what these tests are to prevent."""
    waits = sorted(worker["longest_wait_ns"] for worker in trial["workers"])
    return waits[-1] > 100e6 and waits[-1] > 10 * waits[(len(waits) - 1) // 2]


class Fairness(Case):
    def command(self, sets):
        self.write("a.ini", LOAD)
        sets = [word for pair in sets for word in ("--set", pair)]
        return ("run", "a.ini", "--out", "r.json", "--quiet", *sets)

    def point(self):
        point = self.load("r.json")["points"][0]
        self.assertEqual(point["status"], "ok", point["reason"])
        return point

    def flags(self, *sets, **kwargs):
        self.bench(*self.command(sets), binary=SHMBENCH_TEST, timeout=60, **kwargs)
        return self.point()["summary"]["flags"]

    def is_fair(self, seed):
        point = self.point()
        self.assertNotIn("starved-by-lock", point["summary"]["flags"],
                         "seed %d: %s" % (seed, point["trials"][0]["workers"]))
        return accused_by_the_wall(point["trials"][0])

    def starves(self, times, *sets):
        """Searches only: who sleeps for a second lock would make all others wait for his first.
        Where other programs had the CPUs, a lock is not accused in doubt: then again."""
        for seed in range(times):
            for attempt in range(4):
                flags = self.flags("lock=starve", "mix=search:100", *sets, "seed=%d" % (seed + 100 * attempt))
                if "starved-by-lock" in flags or "disturbed" not in flags:
                    break
            self.assertIn("starved-by-lock", flags)

    def test_starving_is_flagged_ten_of_ten(self):
        self.starves(10, "procs=3", "duration=600ms")

    def test_starving_is_flagged_at_64_processes(self):
        self.starves(2, "procs=64", "duration=600ms")

    def test_starving_is_flagged_at_5_operations_per_second(self):
        self.starves(2, "procs=2", "rate=5", "duration=2s", "arrival=constant")

    def test_fair_at_64_processes(self):
        accused = 0
        for seed in range(RUNS):
            self.flags(FAIR, "procs=64", "duration=200ms", "seed=%d" % seed)
            accused += self.is_fair(seed)
        # By the wall hardly anybody is: that the rule looks there at all, the starved one shows.
        print("64 processes: %d runs, 0 accused; by the wall %d" % (RUNS, accused))

    def test_fair_at_5_operations_per_second(self):
        """Nobody waits for anything but the time: what is between two operations is no gap."""
        for seed in range(RUNS):
            self.flags(FAIR, "procs=2", "rate=5", "duration=400ms", "seed=%d" % seed)
            self.is_fair(seed)
        print("5 operations per second: %d runs, 0 accused" % RUNS)

    def test_fair_under_a_quota(self):
        """Out of 250 ms the group may run for 25: whoever has the lock then keeps it."""
        group = os.path.join(CPU, "shmbench-test-%d" % os.getpid())
        try:
            os.mkdir(group)
        except OSError as error:
            self.skipTest("no cpu cgroup (v1) to make: %s" % error)
        self.addCleanup(os.rmdir, group)
        for name, value in ("cpu.cfs_period_us", "250000"), ("cpu.cfs_quota_us", "25000"):
            with open(os.path.join(group, name), "w", encoding="ascii") as f:
                f.write(value)

        def enter():
            default_signals()
            with open(group + "/cgroup.procs", "w", encoding="ascii") as f:
                f.write("%d" % os.getpid())

        accused = 0
        for seed in range(RUNS):
            self.flags(FAIR, "procs=2", "duration=500ms", "hold=20us", "seed=%d" % seed,
                       before=enter)
            accused += self.is_fair(seed)
        print("under a quota: %d runs, 0 accused; by the wall %d" % (RUNS, accused))
        # A third of the runs were, of 40.
        if RUNS >= 40:
            self.assertGreater(accused, 0, "the quota made nobody wait: this shows nothing")

    def test_who_is_stopped_is_not_starved(self):
        """Neither he, nor who waits for the lock that he has meanwhile."""
        accused = 0
        for seed in range(min(RUNS, 20)):
            bench = self.start(*self.command([FAIR, "procs=2", "duration=700ms", "hold=500us",
                                              "seed=%d" % seed]), binary=SHMBENCH_TEST)
            self.assertTrue(wait_for(lambda pid=bench.pid: len(children_of(pid)) == 2, 10))
            time.sleep(0.2)
            worker = children_of(bench.pid)[seed % 2]
            os.kill(worker, signal.SIGSTOP)
            time.sleep(0.3)
            os.kill(worker, signal.SIGCONT)
            self.assertEqual(bench.wait(30).code, 0, bench.err)
            accused += self.is_fair(seed)
        print("stopped: %d runs, 0 accused; by the wall %d" % (min(RUNS, 20), accused))
        if RUNS >= 4:
            self.assertGreater(accused, 0, "no stop made anybody wait: this shows nothing")


if __name__ == "__main__":
    unittest.main()
