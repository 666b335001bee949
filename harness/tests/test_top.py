#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`shmbench top`: rates of a run; holders and sleepers of anybody's table; how it ends."""
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import unittest

from cli_fixture import SHMBENCH, Case, alive_in, children_of, wait_for

HOLDER = os.path.join(os.path.dirname(SHMBENCH), "tests/table_holder")
RUN = """
[t]
procs = 2
capacity = 2k
stripes = 2
trials = 1
latency = every
duration = 60s
mix = search:50 insert:25 remove:25
"""
FAST = ("--interval", "50ms")


def descriptors(pid, name):
    """Those of a process that are a memfd of this name."""
    found = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            link = os.readlink("/proc/%d/fd/%s" % (pid, fd))
        except FileNotFoundError:
            continue
        if link.startswith("/memfd:" + name):
            found.append(int(fd))
    return found


class Top(Case):
    def running(self):
        self.write("t.ini", RUN)
        run = self.start("run", "t.ini", "--out", "r.json")
        self.assertTrue(wait_for(lambda: len(children_of(run.pid)) == 2, 20))
        return run.pid, descriptors(run.pid, "shmht")[0]

    def holder(self, strategy="futex"):
        process = subprocess.Popen([HOLDER, strategy], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, start_new_session=True)

        def end():
            for pid in alive_in(process.pid):
                os.kill(pid, signal.SIGKILL)
            process.wait()
            process.stdin.close()
            process.stdout.close()
        self.addCleanup(end)
        fd, *pids = (int(word) for word in process.stdout.readline().split())
        return process, fd, pids

    def top(self, pid, fd, *args, **kwargs):
        return self.bench("top", "--pid", str(pid), "--fd", str(fd), *args, **kwargs)

    def test_a_run(self):
        pid, fd = self.running()
        rates = r"rate +[\d.]+[kM]? ops/s, p50 [\d.]+\S+, p99 [\d.]+\S+, p99.9 [\d.]+\S+: " \
                r"t, trial 1, measuring"
        out = ""

        def measured():
            nonlocal out
            out = self.top(pid, fd, "--interval", "500ms").out
            return re.search(rates, out)
        self.assertTrue(wait_for(measured, 20), out)
        self.assertRegex(out, r"table +pid %d, fd %d: futex, read locked, 2 stripes, "
                              r"capacity 2k, 0.\d MiB: \d+ entries \(\d+\.\d %%\)" % (pid, fd))
        for worker in children_of(pid):
            row = re.search(r"(?m)^ *%d +%d +alive +([\d.]+) +([\d.]+) +([\d.]+)([kM]?)" %
                            (worker, worker), out)
            self.assertTrue(row, out)
            self.assertGreater(float(row.group(3)), 0)
        self.assertRegex(out, r"(?m)^ +pool +- +[\d.]+ +[\d.]+ +")
        self.assertEqual(len(re.findall(r"(?m)^ +[01] +\d+ +[\d.]+ +[\d.]+ +", out)), 2)

    def test_rates_agree_with_the_run(self):
        """What a whole trial had, and what top saw of it."""
        self.write("t.ini", RUN)
        run = self.start("run", "t.ini", "--out", "r.json", "--set", "duration=800ms")
        self.assertTrue(wait_for(lambda: descriptors(run.pid, "shmht"), 20))
        fd = descriptors(run.pid, "shmht")[0]
        seen = []
        while True:
            done = self.start("top", "--pid", str(run.pid), "--fd", str(fd),
                              "--interval", "150ms").wait(20)
            if done.code:
                break
            rate = re.search(r"rate +([\d.]+)([kM]?) ops/s.*measuring", done.out)
            if rate:
                seen.append(float(rate.group(1)) * {"": 1, "k": 1e3, "M": 1e6}[rate.group(2)])
        run.wait(30)
        had = self.load("r.json")["points"][0]["trials"][0]["ops_per_s"]
        self.assertTrue(seen)
        # Within the trial it varies; the machine's speed does, too.
        self.assertGreater(max(seen), had / 2)
        self.assertLess(min(seen), had * 2)

    def test_anybodys_table(self):
        for strategy in ("futex", "mutex", "sem", "sysv", "mutex-robust"):
            with self.subTest(strategy=strategy):
                process, fd, (holder, waiter, idle) = self.holder(strategy)
                out = ""
                # A kernel's own semaphore has no address that would name the stripe.
                place, sleepers = (("a semaphore", "-") if strategy == "sysv" else
                                   ("stripe 0", r"[01]\.\d"))

                def asleep():
                    nonlocal out
                    out = self.top(process.pid, fd, *FAST).out
                    return re.search(r"(?m)^ *%d +%d +alive .* %s$" % (waiter, waiter, place), out)
                self.assertTrue(wait_for(asleep, 10), out)
                self.assertIn(": 7 entries (0.7 %)", out)
                self.assertIn("rate   -: no run", out)
                self.assertRegex(out, r"(?m)^ +0 +7 +100\.0 +%s +%d$" % (sleepers, holder))
                self.assertRegex(out, r"(?m)^ *%d +%d +alive +[\d.]+ +[\d.]+ +- *$" % (idle, idle))
                os.kill(holder, signal.SIGSTOP)
                if strategy == "futex":
                    self.assertTrue(wait_for(lambda: re.search(
                        r"(?m)^ *%d +%d +STOPPED " % (holder, holder),
                        self.top(process.pid, fd, *FAST).out), 10))

    def test_it_ends_with_the_table(self):
        process, fd, _ = self.holder()
        top = self.start("top", "--pid", str(process.pid), "--fd", str(fd), "--count", "10000",
                         *FAST)
        self.assertTrue(wait_for(lambda: os.fstat(top.files[0].fileno()).st_size, 20))
        process.stdin.close()
        process.wait(10)
        top.wait(20)
        self.assertEqual(top.code, 3)
        self.assertIn("the table is gone after ", top.err)
        self.assertGreaterEqual(top.out.count("table  pid"), 1)

    def test_count_and_signals(self):
        process, fd, _ = self.holder()
        out = self.top(process.pid, fd, "--count", "3", *FAST).out
        self.assertEqual(out.count("table  pid"), 3)
        top = self.start("top", "--pid", str(process.pid), "--fd", str(fd), "--count", "10000",
                         *FAST)
        self.assertTrue(wait_for(lambda: os.fstat(top.files[0].fileno()).st_size, 20))
        os.kill(top.pid, signal.SIGINT)
        self.assertEqual(top.wait(20).code, 130)

    def test_on_a_terminal(self):
        process, fd, (holder, _, _) = self.holder()
        main, side = pty.openpty()
        self.addCleanup(os.close, main)
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        before = termios.tcgetattr(side)
        top = subprocess.Popen([SHMBENCH, "top", "--pid", str(process.pid), "--fd", str(fd),
                                *FAST], stdin=side, stdout=side, stderr=side)
        self.addCleanup(top.wait)
        self.addCleanup(top.kill)
        os.set_blocking(main, False)
        seen = b""

        def had(condition):
            def look():
                nonlocal seen
                try:
                    seen += os.read(main, 65536)
                except BlockingIOError:
                    pass
                return condition()
            return wait_for(look, 20)
        self.assertTrue(had(lambda: seen.count(b"\x1b[H") >= 3), seen)
        self.assertIn(b"%d" % holder, seen)
        os.write(main, b"q")
        self.assertTrue(had(lambda: top.poll() is not None))
        self.assertEqual(top.poll(), 0)
        self.assertTrue(seen.startswith(b"\x1b[?1049h"))
        self.assertEqual(termios.tcgetattr(side), before)
        os.close(side)

    def test_what_is_no_table(self):
        err = self.top(os.getpid(), 0, code=2).err
        self.assertIn("no table that can be watched", err)
        self.assertIn("list tables", self.top(4194304, 5, code=2).err)
        for args in ((), ("--pid", "1"), ("--pid", "x", "--fd", "1"), ("--fd", "-1", "--pid", "1"),
                     ("--pid", "1", "--fd", "2", "3"), ("--pid", "1", "--fd", "2", "--count", "0"),
                     ("--pid", "1", "--fd", "2", "--interval", "1ns"), ("--pid", "1", "--nope")):
            with self.subTest(args=args):
                self.bench("top", *args, code=2)

    def test_a_hostile_start_line(self):
        """A memfd that calls itself ours, with sizes that are lies."""
        pid, fd = self.running()
        with open("/proc/%d/fd/%d" % (pid, descriptors(pid, "shmbench-control")[0]), "rb") as f:
            real = f.read(65536)
        table = os.open("/proc/%d/fd/%d" % (pid, fd), os.O_RDONLY)
        self.addCleanup(os.close, table)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
        # Workers, intervals for each, and where those lie: harness/run/control.h.
        self.assertEqual(struct.unpack_from("<I", real, 48)[0], 2)
        for at in range(48, 64, 4):
            for value in (0xffffffff, 0x7fffffff, 0):
                lie = bytearray(real)
                struct.pack_into("<I", lie, at, value)
                memfd = os.memfd_create("shmbench-control", os.MFD_ALLOW_SEALING)
                os.write(memfd, lie)
                fcntl.fcntl(memfd, fcntl.F_ADD_SEALS, seals)
                self.top(os.getpid(), table, "--interval", "10ms")
                os.close(memfd)
        for size in (1, 64, 200):
            memfd = os.memfd_create("shmbench-control", os.MFD_ALLOW_SEALING)
            os.write(memfd, real[:size])
            fcntl.fcntl(memfd, fcntl.F_ADD_SEALS, seals)
            self.assertIn("rate   -", self.top(os.getpid(), table, "--interval", "10ms").out)
            os.close(memfd)


if __name__ == "__main__":
    sys.exit(unittest.main())
