#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Scenario files that are wrong: exit 2, and the file, line and key are named."""
import os
import unittest

from cli_fixture import QUICK, Case

# What the file holds, and what stderr must say besides the file's name.
BAD = {
    "empty": (b"", "section"),
    "comments only": (b"; nothing\n\n", "section"),
    "only global": (b"[global]\nprocs = 1\n", "section"),
    "binary": (bytes(range(256)) * 8, ":1: ", "NUL"),
    "utf-16": ("[a]\nprocs = 1\n".encode("utf-16"), ":1: ", "NUL"),
    "NUL inside": (b"[a]\nprocs = 1\0\n", ":2: ", "NUL"),
    "overlong line": (b"[a]\nmix = " + b"x" * 1000000 + b"\n", ":2: ", "characters"),
    "key before a section": (b"procs = 1\n", ":1: ", "'procs'"),
    "unclosed section": (b"[a\nprocs = 1\n", ":1: ", "]"),
    "no equals sign": (b"[a]\nprocs 4\n", ":2: ", "key = value"),
    "unknown key": (b"[a]\nprocz = 2\n", ":2: ", "'procz'", "did you mean 'procs'"),
    "key of a later issue": (b"[a]\nfleet = x\n", ":2: ", "'fleet'", "allowed: lock "),
    "unknown phase": (b"[a]\nphases = steady, idle\n", ":2: ", "'phases'", "phase 'idle'", "spike"),
    "empty phase": (b"[a]\nphases = steady,,\n", ":2: ", "'phases'", "phase ''"),
    "spike of what": (b"[a]\nrate = 1k\nphases = spike\n", ":3: ", "phase 'spike'", "spike:2x"),
    "spike without a factor": (b"[a]\nrate = 1k\nphases = spike:2s\n", ":3: ", "phase 'spike:2s'"),
    "spike of nothing": (b"[a]\nrate = 1k\nphases = spike:0x\n", ":3: ", "phase 'spike:0x'"),
    "phase without unit": (b"[a]\nphases = steady:5\n", ":2: ", "phase 'steady:5'", "1ms to 1000h"),
    "phase with two times": (b"[a]\nphases = steady:5s:6s\n", ":2: ", "phase 'steady:5s:6s'"),
    "spike in a closed loop": (b"[a]\nphases = steady, spike:2x:5s\n", ":2: ", "'phases'",
                               "phase 'spike:2x'", "open loop", "rate = 100k"),
    "drain in a closed loop": (b"[a]\nphases = steady, drain\n", ":2: ", "phase 'drain'", "open loop"),
    "load later": (b"[a]\nphases = steady, load\n", ":2: ", "phase 'load'", "only be the first"),
    "load with a time": (b"[a]\nphases = load:1s\n", ":2: ", "phase 'load:1s'", "preload"),
    "load of nothing": (b"[a]\npreload = 0\nphases = load, steady\n", ":3: ", "phase 'load'", "preload is 0"),
    "load alone": (b"[a]\nphases = load\n", ":2: ", "'phases'", "steady or a spike"),
    "phases by ops": (b"[a]\nops = 10\nphases = steady\n", ":3: ", "'phases'", "not ops"),
    "phases of a ramp": (b"[a]\nrate = 1k\narrival = ramp:1k:2k\nphases = steady\n", ":4: ", "ramp"),
    "phases with faults": (b"[a]\nkill = random:1\nphases = steady\n", ":3: ", "'phases'", "faults"),
    "seventeen phases": (b"[a]\nphases = steady" + b", steady" * 16 + b"\n", ":2: ", "more than 16"),
    "fault plan without a target": (b"[a]\nkill = 1\n", ":2: ", "'kill'", "WHO:COUNT"),
    "unknown lock": (b"[a]\nlock = futx\n", ":2: ", "'lock'", "'futx'", "did you mean 'futex'"),
    "lock of test builds": (b"[a]\nlock = busted\n", ":2: ", "'lock'", "'busted'"),
    "unknown word": (b"[a]\n\npages = 3m\n", ":3: ", "'pages'", "'3m'", "4k, thp, 2m"),
    "count for workers": (b"[a]\nworkers = 4\n", ":2: ", "'workers'", "procs"),
    "unknown operation": (b"[a]\nmix = serch:1\n", ":2: ", "'mix'", "did you mean 'search'"),
    "mix of nothing": (b"[a]\nmix = search:0\n", ":2: ", "'mix'"),
    "NaN": (b"[a]\nduration = nan\n", ":2: ", "'duration'", "'nan'", "not a number"),
    "NaN inside": (b"[a]\nkeys = zipf:nan\n", ":2: ", "'keys'", "'zipf:nan'"),
    "infinity": (b"[a]\nmix = search:inf\n", ":2: ", "'mix'", "inf"),
    "negative": (b"[a]\nprocs = -1\n", ":2: ", "'procs'", "'-1'", "negative"),
    "zero": (b"[a]\ntrials = 0\n", ":2: ", "'trials'", "1 to"),
    "too much": (b"[a]\nprocs = 5000\n", ":2: ", "'procs'", "4Ki"),
    "overflow": (b"[a]\ncapacity = 99999999999999999999\n", ":2: ", "'capacity'", "64 bits"),
    "overflow by unit": (b"[a]\nduration = 999999999999h\n", ":2: ", "'duration'", "64 bits"),
    "no unit": (b"[a]\nduration = 5\n", ":2: ", "'duration'", "unit"),
    "two units": (b"[a]\ncapacity = 1kk\n", ":2: ", "'capacity'", "'1kk'"),
    "hexadecimal": (b"[a]\ncapacity = 0x10\n", ":2: ", "'capacity'", "'0x10'"),
    "no value": (b"[a]\ncapacity =\n", ":2: ", "'capacity'", "empty"),
    "hole in a sweep": (b"[a]\nprocs = 1,,2\n", ":2: ", "'procs'", "empty"),
    "sweep ends in a comma": (b"[a]\nprocs = 1,2,\n", ":2: ", "'procs'", "empty"),
    "twice in a sweep": (b"[a]\nprocs = 1, 2, 1\n", ":2: ", "'procs'", "twice"),
    "wrong item of a sweep": (b"[a]\nprocs = 1, two\n", ":2: ", "'procs'", "'two'"),
    "too many points": (b"[a]\nseed = " + b",".join(b"%d" % i for i in range(60)) +
                        b"\nprocs = " + b",".join(b"%d" % (i + 1) for i in range(60)) +
                        b"\ncapacity = " + b",".join(b"%dk" % (i + 1) for i in range(40)) +
                        b"\n", ":1: ", "points"),
    "key twice": (b"[a]\nprocs = 1\nprocs = 2\n", ":3: ", "'procs'", "line 2"),
    "reversed range": (b"[a]\nvalue_size = 9-3\n", ":2: ", "'value_size'", "'9-3'"),
    "over 100 %": (b"[a]\npreload = 200%\n", ":2: ", "'preload'", "'200%'"),
    "no power of two": (b"[a]\nstripes = 3\n", ":2: ", "'stripes'", "'3'"),
    "rate": (b"[a]\nrate = 100k/s\n", ":2: ", "'rate'", "'100k/s'"),
    "no such figure": (b"[a]\nexpect = search.p9<=1us\n", ":2: ", "'expect'", "p9"),
    "more keys than fit": (b"[a]\nkey_size = 1\ncapacity = 1000\n", ":3: ", "'capacity'",
                           "key_size"),
    "duration and ops": (b"[a]\nduration = 1s\nops = 3\n", ":3: ", "'ops'", "not both"),
    "includes itself": (b"include = includes-itself.ini\n[a]\n", ":1: ", "'include'", "cycle"),
    "include of nothing": (b"include = nothere.ini\n[a]\n", ":1: ", "'include'",
                           "'nothere.ini'"),
    "include of a folder": (b"include = .\n[a]\n", ":1: ", "'include'"),
    "last line without end": (b"[a]\nprocs = x", ":2: ", "'procs'"),
    "CR LF": (b"[a]\r\nprocs = x\r\n", ":2: ", "'procs'", "'x'"),
}


class BadScenarios(Case):
    def refused(self, name, *wanted):
        done = self.bench("run", name, code=2, timeout=5)
        self.assertEqual(done.out, "")
        for text in (name, *wanted):
            self.assertIn(text, done.err)
        self.assertLess(len(done.err), 4000, "an error is not the file printed back")
        return done.err

    def test_each(self):
        for what, (text, *wanted) in BAD.items():
            with self.subTest(what):
                name = self.write(what.replace(" ", "-").replace("%", "") + ".ini", text)
                said = self.refused(name, *wanted)
                if wanted[0].startswith(":"):
                    self.assertIn(name + wanted[0], said)

    def test_all_errors_at_once(self):
        name = self.write("many.ini", "[a]\nprocz = 1\nlock = futx\ncapacity = -4\n"
                                      "[b]\nduration = nan\n")
        said = self.refused(name, "many.ini:2: ", "many.ini:3: ", "many.ini:4: ",
                            "many.ini:6: ")
        self.assertEqual(said.count("\n"), 4)

    def test_error_in_an_included_file(self):
        self.write("below.ini", "[global]\nprocs = zero\n")
        name = self.write("above.ini", "include = below.ini\n[a]\n")
        done = self.bench("run", name, code=2)
        self.assertIn("below.ini:2: ", done.err)
        self.assertIn("'procs'", done.err)

    def test_cycle_of_two(self):
        self.write("one.ini", "include = two.ini\n[a]\n")
        self.write("two.ini", "include = one.ini\n[b]\n")
        done = self.bench("run", "one.ini", code=2, timeout=5)
        self.assertIn("two.ini:1: ", done.err)
        self.assertIn("cycle", done.err)

    def test_what_is_no_readable_file(self):
        os.mkdir(self.path("folder.ini"))
        os.symlink("loop.ini", self.path("loop.ini"))
        for name in ("folder.ini", "loop.ini", "nothere.ini", ""):
            with self.subTest(name):
                self.refused(name, "expected")

    def test_one_bad_file_stops_the_good_one(self):
        self.write("good.ini", QUICK)
        self.write("bad.ini", "[b]\nprocs = x\n")
        done = self.bench("run", "good.ini", "bad.ini", code=2, timeout=5)
        self.assertIn("bad.ini:2: ", done.err)
        self.assertEqual(sorted(os.listdir(self.dir)), ["bad.ini", "good.ini"])


if __name__ == "__main__":
    unittest.main()
