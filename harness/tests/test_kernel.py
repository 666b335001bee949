# SPDX-License-Identifier: MIT
"""The kernel's share against perf's own count of the same calls.

Two perfs, one inside the other: the inner one counts the supervisor alone, the
outer one everything. What neither the supervisor nor the window explains is
set-up, and that is what the same run with a lock that makes no call shows.
Tracefs is mounted in a namespace of the test's own, so that nothing stays.
"""
import os
import shutil
import subprocess
import unittest

from cli_fixture import SHMBENCH, Case

TRACEFS = "umount /sys/kernel/tracing 2>/dev/null; mount -t %s none /sys/kernel/tracing && exec \"$@\""
LOAD = "[a]\nmix = search:90 insert:5 remove:5\ncapacity = 10k\nstripes = 1\ntrials = 1\n" \
       "preload = 0\nhold = 2us\nprocs = 2\n"


def in_namespace(filesystem, *command):
    return ["unshare", "-m", "sh", "-c", TRACEFS % filesystem, "sh", *command]


def why_not():
    if os.environ.get("SHMBENCH_VARIANT", "release") in ("asan", "tsan", "ubsan"):
        return "a sanitizer's own system calls are in the count"
    if not shutil.which("perf"):
        return "perf is not installed"
    probe = subprocess.run(in_namespace("tracefs", "perf", "stat", "-e", "raw_syscalls:sys_enter",
                                        "true"), capture_output=True, text=True, check=False)
    if probe.returncode:
        return "tracefs or perf events are out of reach: " + probe.stderr.strip()[-120:]
    return None


class Kernel(Case):
    def counted(self, path):
        with open(path, encoding="ascii") as f:
            line, = [line for line in f if "raw_syscalls" in line]
        return int(line.split(",")[0])

    def run_kernel(self, filesystem, *args, perf=True):
        self.write("a.ini", LOAD)
        stat = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-o"]
        command = [SHMBENCH, "run", "a.ini", "--out", "r.json", "--quiet", *args]
        if perf:
            command = stat + ["all"] + stat + ["supervisor", "-i"] + command
        command = in_namespace(filesystem, *command)
        self.bench(*command[1:], binary=command[0], timeout=60)
        trial = self.load("r.json")["points"][0]["trials"][0]
        calls = perf and self.counted(self.path("all")) - self.counted(self.path("supervisor"))
        return trial, calls

    def test_within_one_percent_of_perf(self):
        reason = why_not()
        if reason:
            self.skipTest(reason)
        trial, set_up = self.run_kernel("tracefs", "--set", "lock=spin", "--set", "ops=20k")
        # Whoever waits for some milliseconds asks /proc whether the holder lives.
        self.assertLess(trial["kernel"]["syscalls_per_op"], 0.005)
        self.assertEqual(trial["kernel"]["futex_per_op"], 0)
        set_up -= trial["kernel"]["syscalls_per_op"] * sum(w["ops"] for w in trial["workers"])
        for lock, ops in (("sem", 100000), ("futex", 300000), ("sysv", 20000)):
            with self.subTest(lock):
                trial, calls = self.run_kernel("tracefs", "--set", "lock=" + lock, "--set",
                                               "ops=%d" % ops)
                kernel = trial["kernel"]
                counted = kernel["syscalls_per_op"] * sum(w["ops"] for w in trial["workers"])
                counted += kernel["harness_calls"]
                print("%s: %d counted, perf %d" % (lock, counted, calls - set_up))
                self.assertGreater(counted, 2000, "too few calls for 1 % to mean anything")
                self.assertAlmostEqual(counted / (calls - set_up), 1, delta=0.01)
                if lock == "sysv":
                    self.assertEqual(kernel["futex_per_op"], 0)
                else:
                    self.assertLessEqual(kernel["futex_per_op"], kernel["syscalls_per_op"])
                    self.assertAlmostEqual(kernel["futex_per_op"] / kernel["syscalls_per_op"], 1,
                                           delta=0.01)

    def test_uncontended_makes_no_call(self):
        reason = why_not()
        if reason:
            self.skipTest(reason)
        for lock in ("futex", "spin"):
            for load in ("ops=20k", "duration=50ms warmup=10ms", "duration=100ms rate=1k"):
                sets = [word for pair in load.split() for word in ("--set", pair)]
                trial, _ = self.run_kernel("tracefs", "--set", "lock=" + lock, "--set", "procs=1",
                                           *sets, perf=False)
                self.assertEqual(trial["kernel"]["syscalls_per_op"], 0, (lock, load))
                summary = self.load("r.json")["points"][0]["summary"]
                self.assertEqual(summary["kernel_per_op"], 0)

    def test_null_with_its_reason(self):
        if os.geteuid():
            self.skipTest("a mount of its own needs root")
        if subprocess.run(in_namespace("tmpfs", "true"), capture_output=True,
                          check=False).returncode:
            self.skipTest("no mount namespace here")
        trial, _ = self.run_kernel("tmpfs", "--set", "lock=futex", "--set", "ops=20k",
                                   perf=False)
        self.assertIsNone(trial["kernel"]["syscalls_per_op"])
        self.assertIsNone(trial["kernel"]["futex_per_op"])
        self.assertRegex(trial["kernel"]["reason"], "mount tracefs")
        self.assertIsNone(self.load("r.json")["points"][0]["summary"]["kernel_per_op"])
        self.assertIsNotNone(trial["kernel"]["page_faults_per_op"])


if __name__ == "__main__":
    unittest.main()
