#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs that go wrong: workers that die, hang or are wrong, and runs cut short.

Whatever happens: an answer in time, what was measured before is there, and no
process is left.
"""
import json
import os
import signal
import time
import unittest

from cli_fixture import (BRIEF, QUICK, SHMBENCH_TEST, Case, alive_in, children_of, stat_of,
                         wait_for)

LONG = ("--set", "duration=60s", "--set", "trials=1", "--set", "procs=2")
# Set-up takes seconds, because one worker has to load it all.
SLOW_START = ("--set", "capacity=3M", "--set", "keyspace=3M", "--set", "preload=100%",
              "--set", "value_size=1k")


class Supervised(Case):
    def setUp(self):
        super().setUp()
        self.write("s.ini", QUICK)

    def run_async(self, *args, workers=2, **kwargs):
        """A run whose workers are there, and their pids."""
        bench = self.start("run", "s.ini", "--out", "r.json", *args, **kwargs)
        there = wait_for(lambda: len(children_of(bench.pid)) == workers, 10)
        self.assertTrue(there, "no workers after 10 s")
        return bench, children_of(bench.pid)

    def ended(self, bench, code, timeout=5):
        bench.wait(timeout)
        self.assertEqual(bench.code, code, bench.out + bench.err)
        self.assertEqual(alive_in(bench.pid), [], "processes were left behind")
        return self.load("r.json")


class Workers(Supervised):
    def test_killed_by_a_signal(self):
        for sig, workers in ((signal.SIGKILL, "process"), (signal.SIGSEGV, "process"),
                             (signal.SIGSEGV, "thread")):
            with self.subTest(signal=sig, workers=workers):
                bench, pids = self.run_async(*LONG, "--set", "workers=" + workers,
                                             workers=2 if workers == "process" else 1)
                time.sleep(0.3)
                os.kill(pids[-1], sig)
                result = self.ended(bench, 3)
                point, = result["points"]
                self.assertEqual(point["status"], "not_measured")
                self.assertRegex(point["reason"], r"worker \d+ \(pid %d\) died of signal %d \("
                                 % (pids[-1], sig))
                self.assertIn("pid %d" % pids[-1], bench.out)

    def test_killed_in_set_up(self):
        bench, pids = self.run_async(*LONG, *SLOW_START)
        os.kill(pids[0], signal.SIGKILL)
        point, = self.ended(bench, 3)["points"]
        self.assertRegex(point["reason"], r"worker 0 \(pid %d\) died of signal 9" % pids[0])

    def test_earlier_trials_are_kept(self):
        bench, first = self.run_async("--set", "trials=3", "--set", "duration=700ms", "--set",
                                      "procs=2")
        second = []

        def two_more():
            second[:] = [pid for pid in children_of(bench.pid) if pid not in first]
            return len(second) == 2

        self.assertTrue(wait_for(two_more, 5))
        os.kill(second[0], signal.SIGKILL)
        third = wait_for(lambda: [pid for pid in children_of(bench.pid)
                                  if pid not in first + second], 5)
        self.assertTrue(third)
        self.assertNotIn(second[1], alive_in(bench.pid), "it runs on beside the next trial")
        point, = self.ended(bench, 3)["points"]
        self.assertEqual([trial["status"] for trial in point["trials"]],
                         ["ok", "not_measured", "ok"])
        self.assertIn("trial 2 of 3", point["reason"])
        self.assertGreater(point["trials"][0]["ops"], 0)

    def test_other_points_are_measured(self):
        bench, pids = self.run_async("--set", "lock=sem,futex,spin", "--set", "procs=2", "--set",
                                     "trials=1", "--set", "duration=300ms")
        os.kill(pids[1], signal.SIGKILL)
        points = self.ended(bench, 3)["points"]
        self.assertEqual(sorted(point["status"] for point in points),
                         ["not_measured", "ok", "ok"])

    def test_hung(self):
        """The watchdog's patience is 10 s and the timeout: once is enough."""
        bench, pids = self.run_async("--set", "trials=1", "--set", "duration=500ms", "--set",
                                     "procs=2", "--set", "timeout=1ms")
        time.sleep(0.3)
        os.kill(pids[1], signal.SIGSTOP)
        point, = self.ended(bench, 3, timeout=20)["points"]
        self.assertGreater(bench.seconds, 10)
        self.assertEqual(point["status"], "not_measured")
        self.assertRegex(point["reason"], r"worker 1 \(pid %d\) hangs" % pids[1])

    def test_stopped_for_a_moment(self):
        bench, pids = self.run_async("--set", "trials=1", "--set", "duration=300ms", "--set",
                                     "procs=2", "--set", "timeout=30s")
        os.kill(pids[1], signal.SIGSTOP)
        time.sleep(1.0)
        self.assertEqual(stat_of(pids[1])[0], "T")
        os.kill(pids[1], signal.SIGCONT)
        point, = self.ended(bench, 0, timeout=10)["points"]
        self.assertEqual(point["status"], "ok")


class Interrupted(Supervised):
    CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}

    def check(self, sig, *args, settle=0.4, group=False):
        bench, _ = self.run_async(*args)
        time.sleep(settle)
        started = time.monotonic()
        (os.killpg if group else os.kill)(bench.pid, sig)
        result = self.ended(bench, self.CODES[sig])
        self.assertLess(time.monotonic() - started, 3)
        self.assertEqual(result["status"], "partial")
        self.assertEqual(result["schema"], "shmbench.result/1")
        return result["points"]

    def test_in_set_up(self):
        for sig in self.CODES:
            with self.subTest(sig):
                self.check(sig, *LONG, *SLOW_START, settle=0.1)

    def test_in_warm_up(self):
        for sig in self.CODES:
            with self.subTest(sig):
                self.check(sig, *LONG, "--set", "warmup=60s")

    def test_measuring(self):
        for sig in self.CODES:
            with self.subTest(sig):
                point, = self.check(sig, *LONG, "--set", "warmup=0ns")
                self.assertNotEqual(point["status"], "ok")

    def test_by_operations(self):
        self.check(signal.SIGINT, "--set", "ops=10G", "--set", "procs=2")

    def test_the_whole_group(self):
        """As a terminal's Ctrl-C does, and a service manager's stop."""
        for sig in self.CODES:
            with self.subTest(sig):
                self.check(sig, *LONG, group=True)

    def test_what_was_measured_is_kept(self):
        bench, first = self.run_async("--set", "trials=1000", "--set", "duration=300ms", "--set",
                                      "procs=2")
        self.assertTrue(wait_for(lambda: set(children_of(bench.pid)) - set(first), 5))
        time.sleep(0.2)
        os.kill(bench.pid, signal.SIGINT)
        result = self.ended(bench, 130)
        self.assertEqual(result["status"], "partial")
        point, = result["points"]
        self.assertRegex(point["reason"], r"interrupted after \d+ of 1000 trials")
        self.assertGreaterEqual(len(point["trials"]), 1)
        self.assertEqual({trial["status"] for trial in point["trials"]}, {"ok"})
        self.assertGreater(point["trials"][0]["ops"], 0)

    def test_json_on_stdout(self):
        bench = self.start("run", "s.ini", "--json", "-", *LONG)
        self.assertTrue(wait_for(lambda: len(children_of(bench.pid)) == 2, 10))
        os.kill(bench.pid, signal.SIGTERM)
        bench.wait(5)
        self.assertEqual(bench.code, 143)
        self.assertEqual(json.loads(bench.out)["status"], "partial")

    def test_nohup(self):
        def ignore():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

        bench, _ = self.run_async("--set", "duration=400ms", "--set", "procs=2", "--set",
                                  "trials=1", before=ignore)
        os.kill(bench.pid, signal.SIGHUP)
        self.assertEqual(self.ended(bench, 0)["status"], "complete")


class SupervisorKilled(Supervised):
    def test_no_worker_survives(self):
        # A killed worker is gone once the kernel has taken its mappings down, and
        # gigabytes take a busy machine longer than 1 s: a smaller table here.
        for args in ((), ("--set", "workers=thread"), (*SLOW_START[:-1], "value_size=16")):
            with self.subTest(args=args):
                bench, pids = self.run_async(*LONG, *args,
                                             workers=1 if "workers=thread" in args else 2)
                time.sleep(0.2)
                self.assertTrue(set(pids) <= set(alive_in(bench.pid)))
                bench.process.kill()
                bench.wait(5)
                self.assertTrue(wait_for(lambda: not alive_in(bench.pid), 1.0),
                                "a worker outlived shmbench by 1 s")
                self.assertEqual(bench.code, -signal.SIGKILL)
                self.assertFalse(os.path.exists(self.path("r.json")))


class Busted(Supervised):
    """A lock that locks nothing, known to test builds only."""

    BUSTED = "[a]\nlock = busted\nprocs = 4\nmix = search:30 insert:40 remove:30\n" \
             "capacity = 1000\nkeyspace = 1500\n"

    def test_caught_ten_times_of_ten(self):
        caught = []
        for seed in range(10):
            result = self.run_json(self.BUSTED, "--set", "duration=100ms", "--set", "trials=2",
                                   "--set", "warmup=0ns", "--set", "seed=%d" % seed, code=1,
                                   binary=SHMBENCH_TEST, timeout=5)
            point, = result["points"]
            self.assertEqual(point["status"], "failed")
            self.assertRegex(point["reason"], r"key \d+|check: |count is \d+")
            # A trial whose table broke while it was loaded has measured nothing.
            measured = [trial["integrity"]["errors"] for trial in point["trials"] if trial["integrity"]]
            loads = [trial for trial in point["trials"] if "preload of key" in (trial["reason"] or "")]
            self.assertEqual(len(measured) + len(loads), 2)
            self.assertTrue(sum(measured) > 0 or loads)
            caught.append(point["reason"])
        self.assertEqual(len(caught), 10)

    def test_broken_while_it_is_loaded(self):
        # Four load at once: about one run in ten breaks there, and is as caught as any. On a
        # machine that runs them one after the other, 50 ms may pass without a collision.
        self.write("s.ini", self.BUSTED)
        result = None
        for seed in range(30):
            done = self.start("run", "s.ini", "--out", "r.json", "--set", "duration=50ms", "--set",
                              "trials=1", "--set", "warmup=0ns", "--set", "preload=100%", "--set",
                              "seed=%d" % seed, binary=SHMBENCH_TEST).wait(5)
            self.assertIn(done.code, (0, 1), done.err)
            if done.code == 0:
                continue
            result = self.load("r.json")
            if "preload of key" in result["points"][0]["reason"]:
                break
        self.assertIsNotNone(result, "30 runs without a lock, and nothing broke")
        self.assertEqual(result["points"][0]["status"], "failed")
        self.assertEqual(result["points"][0]["trials"][0]["status"], "failed")

    def test_a_real_lock_passes_the_same(self):
        self.run_json(self.BUSTED, "--set", "lock=sem,futex,spin,mutex", "--set",
                      "duration=150ms", "--set", "trials=1", binary=SHMBENCH_TEST)


if __name__ == "__main__":
    unittest.main()
