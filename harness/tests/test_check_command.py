#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`shmbench check` and `shmbench list tables`: looking at the table of a run that
goes on, stands still, or is broken on purpose.
"""
import os
import re
import signal
import struct
import subprocess
import time
import unittest

from cli_fixture import SHMBENCH, Case, children_of, wait_for

BASE = """
[t]
procs = 2
capacity = 2k
trials = 1
duration = 60s
"""
# core/layout.h
STRIPES_OFF = 112
COUNT = 128
ARMED = 64 + 7 * 8
ADD = 1


class Check(Case):
    def running(self, *sets):
        self.write("t.ini", BASE)
        args = [arg for item in sets for arg in ("--set", item)]
        bench = self.start("run", "t.ini", "--out", "r.json", *args)
        self.assertTrue(wait_for(lambda: len(children_of(bench.pid)) == 2, 10))
        time.sleep(0.3)
        return bench

    def table_of(self, pid):
        """Its descriptor, as `list tables` says, whichever process it is found in."""
        def row():
            for line in self.bench("list", "tables").out.splitlines():
                found = re.match(r"(\d+) +(\d+) +\S+ +futex +locked +1 +2000 +\d+$", line)
                if found and int(found.group(1)) in [pid, *children_of(pid)]:
                    return found
            return None
        found = wait_for(row, 5)
        self.assertTrue(found, "list tables does not show the run's table")
        return found.group(1), found.group(2)

    def test_a_table_in_use_is_not_called_broken(self):
        bench = self.running("mix=insert:50 remove:50")
        pid, fd = self.table_of(bench.pid)
        check = ("check", "--pid", pid, "--fd", fd)
        self.assertTrue(wait_for(lambda: "live (" in self.bench(*check).out, 10))
        for _ in range(10):
            self.assertRegex(self.bench(*check).out,
                             r"(live \(\d+ re-read\)|quiet), nothing broken")

    def test_a_quiet_one_and_a_broken_one(self):
        bench = self.running("mix=search:100")
        pid, fd = self.table_of(bench.pid)
        for child in children_of(bench.pid):
            os.kill(child, signal.SIGSTOP)
        time.sleep(0.1)
        self.assertIn("quiet, nothing broken",
                      self.bench("check", "--pid", pid, "--fd", fd).out)
        table = os.open("/proc/%s/fd/%s" % (pid, fd), os.O_RDWR)
        self.addCleanup(os.close, table)
        stripes, = struct.unpack("<Q", os.pread(table, 8, STRIPES_OFF))
        count, = struct.unpack("<Q", os.pread(table, 8, stripes + COUNT))
        self.assertEqual(count, 1000)
        os.pwrite(table, struct.pack("<Q", count + 3), stripes + COUNT)
        out = self.bench("check", "--pid", pid, "--fd", fd, code=1).out
        self.assertIn("BROKEN: stripe 0: 1000 entries, its count says 1003", out)
        self.assertIn("quiet, 1 broken invariants", out)

    def test_a_change_of_a_living_owner_is_not_judged(self):
        """An insert that stands still half-way, as a stopped owner leaves it; the same bytes
        are broken once he is dead."""
        holder = subprocess.Popen([os.path.join(os.path.dirname(SHMBENCH), "tests/table_holder"),
                                   "futex"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)
        self.addCleanup(holder.communicate, timeout=20)
        fd, owner, waiter, _ = map(int, holder.stdout.readline().split())
        # Or it would take over, and repair.
        os.kill(waiter, signal.SIGKILL)
        table = os.open("/proc/%d/fd/%d" % (holder.pid, fd), os.O_RDWR)
        self.addCleanup(os.close, table)
        stripes, = struct.unpack("<Q", os.pread(table, 8, STRIPES_OFF))
        count, = struct.unpack("<Q", os.pread(table, 8, stripes + COUNT))
        check = ("check", "--pid", str(holder.pid), "--fd", str(fd))
        self.assertIn("nothing broken", self.bench(*check).out)
        # The count is not the last thing that an insert changes.
        os.pwrite(table, struct.pack("<Q", 9 << 32 | count << 8 | ADD), stripes + ARMED)
        os.pwrite(table, struct.pack("<Q", count + 1), stripes + COUNT)
        out = self.bench(*check).out
        self.assertRegex(out, r"live \(\d+ re-read\), nothing judged: in stripe 0 thread %d "
                              r".*at an insert: cell 9" % owner)
        self.assertNotIn("BROKEN", out)
        os.kill(owner, signal.SIGSTOP)
        self.assertTrue(wait_for(lambda: "(stopped) is at" in self.bench(*check).out, 5))
        os.kill(owner, signal.SIGKILL)
        self.assertTrue(wait_for(lambda: self.start(*check).wait(20).code == 1, 5))
        out = self.bench(*check, code=1).out
        self.assertIn("BROKEN: stripe 0: %d entries, its count says %d" % (count, count + 1), out)
        self.assertIn("an intent is armed", out)

    def test_what_is_no_table(self):
        err = self.bench("check", "--pid", str(os.getpid()), "--fd", "0", code=2).err
        self.assertIn("no table that can be checked", err)
        err = self.bench("check", "--pid", "4194304", "--fd", "5", code=2).err
        self.assertIn("list tables", err)
        for args in ((), ("--pid", "1"), ("--pid", "x", "--fd", "1"), ("--pid", "1", "--fd", "2", "3")):
            with self.subTest(args=args):
                self.bench("check", *args, code=2)


if __name__ == "__main__":
    unittest.main()
