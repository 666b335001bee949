# SPDX-License-Identifier: MIT
"""`shmbench slice --turns`: who is given a turn works, who is not sleeps."""
import json
import os
import socket
import subprocess
import time
import unittest

from cli_fixture import SHMBENCH, Case, children_of

PROTOCOL = ("slice", "--protocol", "shmbench.slice/1")
CPUS = len(os.sched_getaffinity(0))
WAIT = 60  # seconds, on however slow a machine


class Turns(Case):
    def setUp(self):
        super().setUp()
        self.write("s.ini", "[a]\nlock = futex\ncapacity = 1k\nprocs = 1, 2, 4096\n"
                            "[b]\nrate = 1k\n[c]\nops = 100\n[d]\nsteady = slope:2%\n")

    def slice(self, point):
        """A slice that is set up, and its socket."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        ours.settimeout(WAIT)
        child = subprocess.Popen(
            [SHMBENCH, *PROTOCOL, "s.ini", "--point", point, "--trial", "0", "--turns", "3",
             "--duration", "5ms", "--warmup", "2ms", "--settle", "1ms"],
            stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=self.dir, start_new_session=True)
        theirs.close()
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.assertEqual(ours.recv(1), b"o")
        return child, ours

    def answer(self, child):
        out, err = child.communicate(timeout=WAIT)
        self.assertEqual(child.returncode, 0, err)
        return json.loads(out)

    def cpu_ticks(self, child):
        """Of its workers."""
        total = 0
        workers = children_of(child.pid)
        for pid in workers:
            with open("/proc/%d/stat" % pid, encoding="ascii") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        self.assertEqual(len(workers), 1)
        return total

    def test_one_after_the_other(self):
        for point in ("a/procs=1", "a/procs=2")[:CPUS]:
            with self.subTest(point=point):
                child, ours = self.slice(point)
                for _ in range(3):
                    ours.send(b"g")
                    self.assertEqual(ours.recv(1), b"o")
                answer = self.answer(child)
                self.assertEqual((answer["status"], len(answer["turns"])), ("ok", 3), answer)
                self.assertEqual(sum(ops for ops, _ in answer["turns"]), answer["ops"])
                self.assertAlmostEqual(sum(seconds for _, seconds in answer["turns"]),
                                       answer["seconds"])
                self.assertGreater(answer["ops"], 0)
                # The work is that of a whole slice.
                done = self.bench(*PROTOCOL, "s.ini", "--point", point, "--trial", "0",
                                  "--duration", "5ms", "--warmup", "2ms", code=0)
                whole = json.loads(done.out)
                self.assertEqual(whole["op_stream_hash"], answer["op_stream_hash"])
                self.assertIsNone(whole["turns"])

    def test_asleep_between_turns(self):
        child, ours = self.slice("a/procs=1")
        ours.send(b"g")
        self.assertEqual(ours.recv(1), b"o")
        before = self.cpu_ticks(child)
        time.sleep(0.2)
        self.assertLessEqual(self.cpu_ticks(child) - before, 2)
        self.assertIsNone(child.poll())

    def test_who_asks_goes(self):
        child, ours = self.slice("a/procs=1")
        ours.close()
        answer = self.answer(child)
        self.assertEqual(answer["status"], "not_measured")
        self.assertIn("the socket's end", answer["reason"])

    def test_another_byte(self):
        child, ours = self.slice("a/procs=1")
        ours.send(b"x")
        self.assertIn("another byte", self.answer(child)["reason"])

    def test_where_there_can_be_none(self):
        done = self.bench(*PROTOCOL, "--list", "s.ini", code=0)
        listed = {point["name"]: point["turns"] for point in json.loads(done.out)["points"]}
        self.assertEqual(listed, {"a/procs=1": True, "a/procs=2": CPUS > 1,
                                  "a/procs=4096": False, "b": False, "c": False, "d": False})
        self.bench(*PROTOCOL, "s.ini", "--point", "b", "--trial", "0", "--turns", "3", code=2)
        self.bench(*PROTOCOL, "s.ini", "--point", "a/procs=1", "--trial", "0", "--turns", "1001",
                   code=2)


if __name__ == "__main__":
    unittest.main()
