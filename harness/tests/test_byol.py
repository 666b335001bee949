#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Locks built outside the tree: `lock = ./mine.so`, and what refuses one."""
import hashlib
import os
import re
import subprocess
import unittest

from cli_fixture import BRIEF, ROOT, SHMBENCH
from lock_fixture import Built, install_headers

SDT = "/usr/include/x86_64-linux-gnu/sys/sdt.h"
# Beside a process that does not stop, those who yield to each other may get no CPU for
# seconds (Linux 6.18).
SPIN = "wait = spin\n"
QUICK = "[a]\ncapacity = 1000\nprocs = 2\nlock = %s\n"
DESCRIPTOR = """#include "shmht.h"
const struct shmht_strategy shmht_strategy_test = {
	.abi_version = SHMHT_STRATEGY_ABI, .size = sizeof(struct shmht_strategy), .name = "test",
	.layout_hash = %(layout)s, .lock_bytes = %(bytes)s, .worker_bytes = %(worker)s };
__attribute__((visibility("default"))) const struct shmht_strategy_file shmht_strategy_file = {
	.abi_version = %(abi)s, .size = sizeof(struct shmht_strategy_file), .context_hash = %(context)s,
	.compiler = "none", .strategy = &shmht_strategy_test };
"""


def setUpModule():
    install_headers()


class Runs(Built):
    def test_beside_those_built_in(self):
        self.example("mine.so", "again.so")
        self.ours("queue.so", "mcs", optimize="-O0")
        self.run_json(QUICK % ("mcs, ./mine.so, ./queue.so, ./again.so\n" + SPIN), *BRIEF)
        points = self.load("r.json")["points"]
        self.assertEqual([entry["status"] for entry in points], ["ok"] * 4)
        self.assertIsNone(points[0]["lock_file"])
        self.assertEqual(points[1]["params"]["lock"], "./mine.so")
        self.assertEqual(points[1]["name"], "a/lock=./mine.so")
        found = points[1]["lock_file"]
        with open(self.path("mine.so"), "rb") as file:
            sha256 = hashlib.sha256(file.read()).hexdigest()
        self.assertEqual((found["path"], found["sha256"], found["name"], found["optimized"]),
                         ("./mine.so", sha256, "mylock@" + sha256[:8], True))
        self.assertIn("-O2", found["cflags"])
        self.assertRegex(found["compiler"], r"(gcc|[Cc]lang) ?\S*\d")
        self.assertEqual(points[1]["trials"][0]["integrity"]["errors"], 0)
        self.assertGreater(points[1]["trials"][0]["workers"][0]["lock"]["acquired"], 0)
        # The same bytes are the same lock, wherever they are; another build is another.
        self.assertEqual(points[3]["lock_file"]["name"], found["name"])
        self.assertRegex(points[2]["lock_file"]["name"], "^mcs@")
        self.assertFalse(points[2]["lock_file"]["optimized"])
        for command in (["show", "r.json"], ["compare", "r.json", "r.json"]):
            self.assertIn("./mine.so", self.bench(*command).out)

    def test_every_read_mode_and_torture(self):
        self.example("mine.so")
        for point in self.run_json(QUICK % ("./mine.so\nread = locked, seqlock, rcu\n" + SPIN),
                                   *BRIEF)["points"]:
            self.assertEqual(point["status"], "ok", point["reason"])
        self.write("t.ini", QUICK % "./mine.so\nwait = spin\nkill = holder:3\ncalm = 100ms\nduration = 300ms\n"
                   "trials = 1\ntimeout = 50ms\n")
        self.bench("torture", "t.ini", "--out", "t.json", timeout=60)
        recovery = self.load("t.json")["points"][0]["trials"][0]["recovery"]
        self.assertEqual((recovery["kills"], recovery["recovers"]), (3, True))

    @unittest.skipUnless(os.path.exists(SDT) and os.uname().machine == "x86_64",
                         "places are x86-64's nops of <sys/sdt.h>")
    def test_killed_at_a_place_of_its_own(self):
        self.example("mine.so")
        self.write("t.ini", QUICK % "./mine.so\nwait = spin\nkill = random:3@before-commit\ncalm = 100ms\n"
                   "duration = 300ms\ntrials = 1\ntimeout = 50ms\n")
        self.bench("torture", "t.ini", "--out", "t.json", timeout=60)
        recovery = self.load("t.json")["points"][0]["trials"][0]["recovery"]
        self.assertGreaterEqual(recovery["kills_at_place"], 3)

    def test_a_lock_that_does_not_exclude(self):
        source = os.path.join(ROOT, "core/tests/strategy_busted.c")
        self.assertEqual(self.compile("open.so", source), "")
        self.write("s.ini", QUICK % "./open.so" + "mix = search:40 insert:20 update:20 remove:20\n"
                   "duration = 300ms\ntrials = 1\n")
        # Who meets whom is chance: seen the first time, or a later one.
        for _ in range(20):
            done = self.start("run", "s.ini", "--out", "r.json").wait(60)
            # 3: a walk through what two broke at once did not end. Not what is wanted here.
            if done.code == 1:
                break
        self.assertEqual(done.code, 1, done.err)
        point, = self.load("r.json")["points"]
        self.assertEqual(point["status"], "failed")
        self.assertTrue(point["reason"])

    def test_where_the_file_is_looked_for(self):
        os.mkdir(self.path("sub"))
        self.example("sub/mine.so")
        self.write("sub/s.ini", QUICK % "./mine.so")
        self.write("s.ini", QUICK % "futex")
        self.bench("run", "sub/s.ini", "--dry-run")
        self.bench("run", "s.ini", "--dry-run", "--set", "lock=sub/mine.so")
        self.bench("run", "s.ini", "--dry-run", "--set", "lock=" + self.path("sub/mine.so"))
        self.bench("run", "sub/s.ini", "--dry-run", "--set", "lock=./mine.so", code=2)

    def test_all_means_those_built_in(self):
        self.example("mine.so")
        self.write("s.ini", "[a]\nlock = ./mine.so\n[b]\nlock = all\n")
        said = self.bench("run", "s.ini", "--dry-run").out
        self.assertEqual(said.count("mine.so") + said.count("@"), 0, said)

    @unittest.skipUnless(os.environ.get("SHMBENCH_TESTS") == "all", "takes a minute")
    def test_gate(self):
        self.slow("a.so", 0)
        self.slow("b.so", 200)
        self.write("g.ini", "[a]\ncapacity = 1000\n")
        for base, head, code in (("a", "b", 1), ("b", "a", 0)):
            said = self.bench("gate", "g.ini", "--base-set", "lock=./%s.so" % base, "--head-set",
                              "lock=./%s.so" % head, "--budget", "30s", code=code, timeout=90).out
            self.assertIn("REGRESSION" if code else "improvement", said)


class Interface(unittest.TestCase):
    def test_what_locks_call_is_exported(self):
        """strategy_calls.list against what our own strategies ask of the core."""
        def names(*command):
            said = subprocess.run(["nm", *command], check=True, capture_output=True, text=True)
            return {line.split()[-1] for line in said.stdout.splitlines() if " " in line}

        build = os.path.dirname(SHMBENCH)
        folder = os.path.join(build, "core/strategy")
        asked = names("-u", *(os.path.join(folder, name) for name in os.listdir(folder)
                              if name.endswith(".o")))
        with open(os.path.join(ROOT, "core/strategy_calls.list"), encoding="ascii") as file:
            listed = set(re.findall(r"^\t(\w+);", file.read(), re.M))
        there = names("--defined-only", os.path.join(build, "libshmht.a"))
        self.assertEqual(asked & there, listed)
        self.assertEqual(listed - names("-D", "--defined-only", SHMBENCH), set())


class Refused(Built):
    def refuse(self, name, *parts):
        self.write("s.ini", QUICK % ("./" + name))
        said = self.bench("run", "s.ini", "--out", "none.json", code=2).err
        self.assertFalse(os.path.exists(self.path("none.json")))
        for part in ("s.ini:4", "./" + name) + parts:
            self.assertIn(part, said)

    def descriptor(self, name, **changes):
        values = dict(abi="SHMHT_STRATEGY_ABI", context="1", bytes="4", worker="0", layout="1")
        # CONTEXT_HASH and LAYOUT_HASH are the core's own: from its installed headers.
        text = '#include "context.h"\n' + DESCRIPTOR % dict(values, **changes)
        self.write(name + ".c", text)
        self.compile(name + ".so", name + ".c")
        return name + ".so"

    def test_other_version(self):
        self.refuse(self.descriptor("abi", abi="2u"), "strategy ABI 2", "this is ABI",
                    "build it against")

    def test_other_version_whose_calls_are_gone(self):
        self.write("old.c", '#include "context.h"\nvoid gone(void);\nvoid use(void) { gone(); }\n' +
                   DESCRIPTOR % dict(abi="2u", context="1", bytes="4", worker="0", layout="1"))
        self.compile("old.so", "old.c")
        self.refuse("old.so", "strategy ABI 2")

    def test_other_layout(self):
        self.refuse(self.descriptor("layout"), "layout 0000000000000001")

    def test_state_that_does_not_fit(self):
        good = dict(context="CONTEXT_HASH", layout="LAYOUT_HASH")
        self.refuse(self.descriptor("hollow", **good), "lacks a name or an operation")
        self.write("big.c", '#include "table.h"\nstruct lock { shm_half holder, more[32]; };\n'
                   '#define LOCK_SYMBOL big\n#include "table_body.inc.h"\n')
        self.assertIn("the lock must fit its slot: 64 bytes",
                      self.compile("big.so", "big.c", good=False))

    def test_missing_symbol(self):
        self.write("none.c", "int nothing;\n")
        self.compile("none.so", "none.c")
        self.refuse("none.so", "no symbol shmht_strategy_file", "pkg-config")
        for number, use in enumerate(("int (*keep)(void) = no_such_call;",
                                      "int use(void) { return no_such_call(); }")):
            values = dict(abi="SHMHT_STRATEGY_ABI", context="1", bytes="4", worker="0", layout="1")
            self.write("call.c", "int no_such_call(void);\n%s\n" % use + DESCRIPTOR % values)
            self.compile("call%d.so" % number, "call.c")
            self.refuse("call%d.so" % number, "no_such_call")

    def test_what_is_no_lock(self):
        self.refuse("absent.so", "No such file")
        self.write("text.so", "not an object\n")
        self.refuse("text.so", "pkg-config")
        os.mkfifo(self.path("fifo.so"))
        self.refuse("fifo.so", "not a file")
        os.mkdir(self.path("dir.so"))
        self.refuse("dir.so", "not a file")
        self.write("whole.c", DESCRIPTOR % dict(abi="2u", context="1", bytes="4", worker="0",
                                                layout="1"))
        self.compile("whole.so", "whole.c")
        with open(self.path("whole.so"), "rb") as file:
            whole = file.read()
        for length in list(range(0, 64, 21)) + list(range(64, len(whole), len(whole) // 12)):
            self.write("cut.so", whole[:length])
            self.refuse("cut.so", "./cut.so")
        self.write("s.ini", QUICK % "futex")
        said = self.bench("run", "s.ini", "--set", "lock=./" + "x" * 300, code=2).err
        self.assertIn("longer than", said)


if __name__ == "__main__":
    unittest.main()
