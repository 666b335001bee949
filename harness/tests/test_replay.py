#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`run --record` and `ops_file`: the same operations again, or a reason why not."""
import os
import unittest

from cli_fixture import BRIEF, QUICK, Case

RECORDED = QUICK.replace("mix = search:40 insert:20 update:20 remove:20",
                         "keys = zipf:0.99\nmix = search:40 insert:20 update:20 remove:20\n"
                         "value_size = 16-100\nprocs = 2")
REPLAYED = "[b]\ncapacity = 1000\nvalue_size = 16-100\nprocs = 2\nops_file = t.ops\n"
TWO = ("--set", "duration=50ms", "--set", "warmup=10ms", "--set", "trials=2")


def hashes(point):
    return [trial["op_stream_hash"] for trial in point["trials"]]


class Replay(Case):
    def record(self, *args):
        return self.run_json(RECORDED, "--record", "t.ops", *args, *TWO)["points"]

    def test_same_operations_again(self):
        # The locks share the streams, so that one file holds them for both.
        first, second = self.record("--set", "lock=futex,spin")
        self.assertEqual(hashes(first), hashes(second))
        self.assertNotEqual(hashes(first)[0], hashes(first)[1])
        self.write("b.ini", REPLAYED)
        self.bench("run", "b.ini", "--out", "b.json", "--set", "trials=3", *TWO[:4])
        point, = self.load("b.json")["points"]
        self.assertEqual(hashes(point)[:2], hashes(first))
        self.assertEqual(point["params"]["ops_file"], "t.ops")
        self.assertEqual(point["params"]["keys"], "recorded")
        self.assertEqual(point["params"]["mix"], first["params"]["mix"])
        self.assertEqual(point["params"]["keyspace"], first["params"]["keyspace"])

    def test_replayed_and_recorded_again(self):
        self.record()
        self.write("b.ini", REPLAYED)
        self.bench("run", "b.ini", "--out", "b.json", "--record", "u.ops", *TWO)
        with open(self.path("t.ops"), "rb") as one, open(self.path("u.ops"), "rb") as two:
            self.assertEqual(one.read(), two.read())

    def test_beside_the_scenario(self):
        os.mkdir(self.path("in"))
        self.write("in/t.csv", "0,search,3\n0,insert,4,100\n0,remove,4\n")
        self.write("in/b.ini", "[b]\ncapacity = 100\npreload = 0\nvalue_size = 100\n"
                               "ops_file = t.csv\n")
        self.bench("run", "in/b.ini", "--out", "b.json", *BRIEF)
        point, = self.load("b.json")["points"]
        outcomes = point["trials"][0]["outcomes"]
        # Every insert finds its key removed before: anything else is another order.
        self.assertGreater(outcomes["insert"]["ok"], 100)
        self.assertEqual(outcomes["insert"]["exists"], 0)
        self.assertLessEqual(abs(outcomes["remove"]["ok"] - outcomes["insert"]["ok"]), 1)
        self.assertEqual(outcomes["search"]["ok"], 0)
        self.assertEqual(point["params"]["keyspace"], "5")

    def test_refused(self):
        self.write("good.csv", "0,search,3\n0,insert,4,100\n")
        self.write("bad.csv", "0,search,3\n0,serch,4\n")
        self.write("many.csv", "0,search_many,3\n")
        os.mkfifo(self.path("pipe"))
        self.write("b.ini", "[b]\ncapacity = 100\nops_file = good.csv\nvalue_size = 100\n")
        for sets, found in ((("ops_file=bad.csv",), "bad.csv: line 2: found 'serch'"),
                            (("ops_file=many.csv",), "line 1: found 'search_many'"),
                            (("ops_file=nowhere",), "No such file"),
                            (("ops_file=.",), "no regular file"),
                            (("ops_file=pipe",), "no regular file"),
                            (("keys=uniform",), "either ops_file or keys and mix"),
                            (("mix=search:1",), "either ops_file or keys and mix"),
                            (("procs=2",), "streams of 1 workers"),
                            (("value_size=64",), "line 2: a value of 100 bytes"),
                            (("keyspace=4", "preload=0"), "at least the 5 of ops_file"),
                            (("kill=random:1",), "faults")):
            with self.subTest(sets=sets):
                flags = [part for one in sets for part in ("--set", one)]
                done = self.bench("run", "b.ini", *flags, code=2, timeout=5)
                self.assertIn(found, done.err)
        self.assertIn("b.ini:3: key 'ops_file'",
                      self.bench("run", "b.ini", "--set", "procs=2", code=2).err)

    def test_record_refused(self):
        self.write("a.ini", RECORDED)
        for args, found in ((("--record", "nowhere/t.ops"), "No such file"),
                            (("--record", "."), "directory"),
                            (("--record", "/dev/null"), "/dev/null"),
                            (("--record", "t.ops", "--set", "keyspace=500,600"),
                             "different streams"),
                            (("--record", "t.ops", "--set", "mix=search_many:1"),
                             "found search_many in the mix")):
            with self.subTest(args=args):
                done = self.bench("run", "a.ini", *args, *BRIEF, code=2, timeout=10)
                self.assertIn(found, done.err)
        self.assertEqual(os.listdir(self.dir), ["a.ini"])
        self.assertFalse(os.path.isfile("/dev/null"))


if __name__ == "__main__":
    unittest.main()
