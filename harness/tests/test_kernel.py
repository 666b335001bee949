# SPDX-License-Identifier: MIT
"""The kernel's share against perf's own account of the same calls, and that no timed
trial is slowed by being counted.

perf records every system call of every process. Of a trial's worker, what the window does
not explain is set-up, and that is what the same run with a lock that makes no call shows.
Tracefs is mounted in a namespace of the test's own, so that nothing stays.
"""
import collections
import os
import shutil
import subprocess
import unittest

from cli_fixture import SHMBENCH, Case

TRACEFS = "umount /sys/kernel/tracing 2>/dev/null; mount -t %s none /sys/kernel/tracing && exec \"$@\""
LOAD = "[a]\nmix = search:90 insert:5 remove:5\ncapacity = 10k\nstripes = 1\ntrials = 1\n" \
       "preload = 0\nhold = 2us\nprocs = 2\n"
CALLS, OPENINGS = "raw_syscalls:sys_enter", "syscalls:sys_enter_perf_event_open"


def in_namespace(filesystem, *command):
    return ["unshare", "-m", "sh", "-c", TRACEFS % filesystem, "sh", *command]


def why_not(perf=True):
    if os.environ.get("SHMBENCH_VARIANT", "release") in ("asan", "tsan", "ubsan"):
        return "a sanitizer's own system calls are in the count"
    if perf and not shutil.which("perf"):
        return "perf is not installed"
    if os.geteuid():
        return "a mount of its own needs root"
    probe = subprocess.run(in_namespace("tracefs", *(["perf", "stat", "-e", CALLS] if perf else []),
                                        "true"), capture_output=True, text=True, check=False)
    if probe.returncode:
        return "tracefs or perf events are out of reach: " + probe.stderr.strip()[-120:]
    return None


class Kernel(Case):
    def run_kernel(self, filesystem, *args, perf=False):
        """(timed trial, counting trial or None)"""
        self.write("a.ini", LOAD)
        command = [SHMBENCH, "run", "a.ini", "--out", "r.json", "--quiet", *args]
        if perf:
            command = ["perf", "record", "-q", "-e", CALLS, "-e", OPENINGS, "-m", "16M", "-o",
                       "perf.data", *command]
        command = in_namespace(filesystem, *command)
        self.bench(*command[1:], binary=command[0], timeout=120)
        point, = self.load("r.json")["points"]
        timed, = point["trials"]
        counted, = point["kernel_trials"] or [None]
        return timed, counted

    def recorded(self):
        """{pid: {event: how many}} as perf has it"""
        done = subprocess.run(in_namespace("tracefs", "perf", "script", "-i",
                                           self.path("perf.data"), "--show-lost-events", "-F",
                                           "pid,event"),
                              capture_output=True, text=True, check=True, timeout=120)
        self.assertNotIn("LOST", done.stdout)
        found = collections.defaultdict(collections.Counter)
        for line in done.stdout.splitlines():
            pid, event = line.split()[:2]
            found[int(pid)][event.rstrip(":")] += 1
        return found

    def workers_calls(self, trial, recorded, event=CALLS):
        return sum(recorded[worker["pid"]][event] for worker in trial["workers"])

    def test_within_one_percent_of_perf(self):
        reason = why_not()
        if reason:
            self.skipTest(reason)
        timed, counted = self.run_kernel("tracefs", "--set", "lock=spin", "--set", "ops=20k",
                                         perf=True)
        recorded = self.recorded()
        # No tracepoint is opened, hardware counters are, in the trial that is timed.
        openings = [self.workers_calls(trial, recorded, OPENINGS) for trial in (timed, counted)]
        self.assertLess(openings[0], openings[1])
        self.assertIsNone(timed["kernel"]["syscalls_per_op"])
        self.assertRegex(timed["kernel"]["reason"], "trial of its own: kernel_trials")
        # Whoever waits for some milliseconds asks /proc whether the holder lives.
        self.assertLess(counted["kernel"]["syscalls_per_op"], 0.005)
        self.assertEqual(counted["kernel"]["futex_per_op"], 0)
        set_up = self.workers_calls(counted, recorded)
        set_up -= counted["kernel"]["syscalls_per_op"] * counted["ops"]
        for lock, ops in (("sem", 100000), ("futex", 200000), ("sysv", 20000)):
            with self.subTest(lock):
                _, trial = self.run_kernel("tracefs", "--set", "lock=" + lock, "--set",
                                           "ops=%d" % ops, perf=True)
                kernel = trial["kernel"]
                calls = self.workers_calls(trial, self.recorded()) - set_up
                counted = kernel["syscalls_per_op"] * sum(w["ops"] for w in trial["workers"])
                counted += kernel["harness_calls"]
                print("%s: %d counted, perf %d" % (lock, counted, calls))
                self.assertGreater(counted, 2000, "too few calls for 1 % to mean anything")
                self.assertAlmostEqual(counted / calls, 1, delta=0.01)
                if lock == "sysv":
                    self.assertEqual(kernel["futex_per_op"], 0)
                else:
                    self.assertLessEqual(kernel["futex_per_op"], kernel["syscalls_per_op"])
                    self.assertAlmostEqual(kernel["futex_per_op"] / kernel["syscalls_per_op"], 1,
                                           delta=0.01)

    def test_uncontended_makes_no_call(self):
        reason = why_not(perf=False)
        if reason:
            self.skipTest(reason)
        for lock in ("futex", "spin"):
            for load in ("ops=20k", "duration=50ms warmup=10ms", "duration=100ms rate=1k"):
                sets = [word for pair in load.split() for word in ("--set", pair)]
                _, trial = self.run_kernel("tracefs", "--set", "lock=" + lock, "--set", "procs=1",
                                           *sets)
                self.assertEqual(trial["kernel"]["syscalls_per_op"], 0, (lock, load))
                summary = self.load("r.json")["points"][0]["summary"]
                self.assertEqual(summary["kernel_per_op"], 0)

    def test_uncontended_sysv_makes_two_for_each_acquire(self):
        """To the call: neither set-up nor the supervisor is in the count. An insert that
        fetches free cells takes the pool's lock, too, so there are more than operations."""
        reason = why_not(perf=False)
        if reason:
            self.skipTest(reason)
        for load in ("ops=20k", "duration=100ms warmup=10ms", "duration=200ms rate=2k"):
            sets = [word for pair in load.split() for word in ("--set", pair)]
            _, trial = self.run_kernel("tracefs", "--set", "lock=sysv", "--set", "procs=1",
                                       "--set", "hold=0ns", *sets)
            worker, = trial["workers"]
            calls = trial["kernel"]["syscalls_per_op"] * worker["ops"]
            self.assertAlmostEqual(calls, 2 * worker["lock"]["acquired"], delta=0.01)
            self.assertGreaterEqual(worker["lock"]["acquired"], worker["ops"])

    def test_short_and_not_a_trial(self):
        reason = why_not(perf=False)
        if reason:
            self.skipTest(reason)
        timed, counted = self.run_kernel("tracefs", "--set", "lock=futex", "--set", "trials=1",
                                         "--set", "duration=1s", "--set", "verify=linearizable")
        self.assertLess(counted["seconds"], 0.5)
        self.assertGreater(timed["seconds"], 0.9)
        self.assertEqual(counted["integrity"]["errors"], 0)
        self.assertEqual(self.load("r.json")["points"][0]["summary"]["ops_per_s"]["n"], 1)
        self.assertNotIn("latency", counted)
        # Seldom operations are waited for, as long as a trial lasts.
        _, counted = self.run_kernel("tracefs", "--set", "lock=futex", "--set", "rate=2k",
                                     "--set", "duration=600ms")
        self.assertGreater(counted["ops"], 600)

    def test_not_around_a_perf(self):
        """A perf that counts our windows finds those of the timed trials only."""
        reason = why_not()
        if reason:
            self.skipTest(reason)
        os.mkfifo(self.path("control"))
        os.mkfifo(self.path("ack"))
        self.write("a.ini", LOAD)
        pair = self.path("control") + "," + self.path("ack")
        command = in_namespace("tracefs", "perf", "stat", "-e", "task-clock", "-D", "-1",
                               "--control", "fifo:" + pair, "env",
                               "SHMBENCH_PERF_CONTROL=" + pair, SHMBENCH, "run", "a.ini", "--out",
                               "r.json", "--quiet", "--set", "ops=20k")
        self.bench(*command[1:], binary=command[0], timeout=60)
        point, = self.load("r.json")["points"]
        self.assertEqual(point["kernel_trials"], [])
        self.assertRegex(point["trials"][0]["kernel"]["reason"], "SHMBENCH_PERF_CONTROL is set")

    def test_null_with_its_reason(self):
        if os.geteuid():
            self.skipTest("a mount of its own needs root")
        if subprocess.run(in_namespace("tmpfs", "true"), capture_output=True,
                          check=False).returncode:
            self.skipTest("no mount namespace here")
        trial, counted = self.run_kernel("tmpfs", "--set", "lock=futex", "--set", "ops=20k")
        self.assertIsNone(counted)
        self.assertIsNone(trial["kernel"]["syscalls_per_op"])
        self.assertIsNone(trial["kernel"]["futex_per_op"])
        self.assertRegex(trial["kernel"]["reason"], "mount tracefs")
        self.assertIsNone(self.load("r.json")["points"][0]["summary"]["kernel_per_op"])
        self.assertIsNotNone(trial["kernel"]["page_faults_per_op"])


if __name__ == "__main__":
    unittest.main()
