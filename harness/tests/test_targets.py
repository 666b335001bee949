#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Other libraries' stores under the same streams: they do the same work, and
what is not known of them is null."""
import glob
import os
import signal
import subprocess
import unittest

from cli_fixture import ROOT, SHMBENCH, Case, alive_in, children_of, wait_for

LISTED = subprocess.run([SHMBENCH, "list", "targets"], capture_output=True, text=True, timeout=10,
                        check=True).stdout.splitlines()
# All but limit, which is no store: it keeps nothing.
BUILT = [line.split()[0] for line in LISTED
         if "not in this build" not in line and "not in PATH" not in line
         and not line.startswith("target:limit ")]
# In processes: their stores are files, or a server.
OUTSIDE = [lock for lock in BUILT if lock.split(":")[1] in ("tdb", "lmdb", "redis")]
SCRATCH = "/dev/shm/shmbench-target-%d-*"
SCENARIO = "[a]\ncapacity = 1000\nkeyspace = 1000\nvalue_size = 8-200\nwarmup = 0ms\n" \
           "mix = search:40 insert:20 update:20 remove:20\ntrials = 2\n"


def comm(pid):
    with open("/proc/%d/comm" % pid, encoding="ascii", errors="replace") as f:
        return f.read()


@unittest.skipIf(os.environ.get("SHMBENCH_VARIANT") == "tsan",
                 "the libraries are not instrumented: TSan would report their own accesses")
class Targets(Case):
    def test_the_same_operations_end_the_same(self):
        # One worker: every outcome is decided by the stream alone.
        locks = ["futex", *BUILT]
        result = self.run_json(SCENARIO + "lock = %s\nops = 30k\n" % ", ".join(locks))
        first = result["points"][0]
        for point in result["points"]:
            self.assertEqual(point["status"], "ok", point)
            for trial, wanted in zip(point["trials"], first["trials"]):
                self.assertEqual(trial["op_stream_hash"], wanted["op_stream_hash"])
                self.assertEqual(trial["outcomes"], wanted["outcomes"], point["name"])
                self.assertEqual(trial["integrity"]["checked"], wanted["integrity"]["checked"])
                self.assertEqual(trial["integrity"]["errors"], 0)
        self.assertEqual(len(result["points"]), len(locks))

    def test_workers_together(self):
        # More changes than a worker keeps back before it frees what it removed.
        result = self.run_json(SCENARIO + "lock = %s\nprocs = 3\nduration = 150ms\n" %
                               ", ".join(BUILT))
        for lock, point in zip(BUILT, result["points"]):
            for trial in point["trials"]:
                self.assertEqual((trial["status"], trial["integrity"]["errors"]), ("ok", 0), lock)
                self.assertEqual(len(trial["workers"]), 3)
                self.assertGreater(trial["outcomes"]["remove"]["ok"],
                                   0 if lock in OUTSIDE else 4096)

    def test_what_is_not_known_is_null(self):
        result = self.run_json(SCENARIO + "lock = %s, futex\nops = 1k\n" %
                               ", ".join(BUILT))
        shown = self.bench("show", "r.json").out
        for lock, point in zip(BUILT, result["points"]):
            self.assertIsNone(point["summary"]["stalled"])
            for trial in point["trials"]:
                self.assertIsNone(trial["region_bytes"])
                self.assertIsNone(trial["wait"])
                self.assertIsNone(trial["stalled"])
                self.assertIsNone(trial["workers"][0]["lock"])
                self.assertGreater(trial["ops_per_s"], 0)
            self.assertIn(lock, shown)

    def test_where_it_lives_is_said(self):
        result = self.run_json(SCENARIO + "lock = target:urcu-lfht\nduration = 20ms\n",
                               code=0 if "target:urcu-lfht" in BUILT else 3)
        self.assertEqual(result["points"][0]["params"]["workers"], "thread")

    def test_keys_that_choose_a_part_of_our_table(self):
        self.write("s.ini", SCENARIO + "lock = target:urcu-lfht\n")
        for setting in ("read=seqlock", "stripes=4", "hold=1us", "pages=thp",
                        "verify=linearizable", "kill=random:20/s"):
            done = self.bench("run", "s.ini", "--set", setting, code=2)
            self.assertIn("key '%s'" % setting.split("=")[0], done.err)
            self.assertIn("not our table", done.err)
        self.assertIn("target:NAME", self.bench("run", "s.ini", "--set", "lock=target:nosuch",
                                                code=2).err)

    def test_all_has_no_targets(self):
        self.write("s.ini", SCENARIO + "lock = all\n")
        self.assertNotIn("target:", self.bench("run", "s.ini", "--dry-run").out)


class Limit(Case):
    BASE = "[a]\ncapacity = 1000\nwarmup = 0ms\nmix = search:100\ntrials = 2\n"

    def test_the_stream_of_a_search_and_its_hits(self):
        """Half of the keys are there: it knows which, and does the work of those."""
        result = self.run_json(self.BASE + "lock = target:limit, futex\nops = 30k\n"
                               "key_size = 3, 8, 16, 40\n")
        self.assertEqual(len(result["points"]), 8)
        for limit, futex in zip(result["points"][:4], result["points"][4:]):
            for trial, wanted in zip(limit["trials"], futex["trials"]):
                self.assertEqual(trial["op_stream_hash"], wanted["op_stream_hash"])
                self.assertEqual(trial["outcomes"], wanted["outcomes"])
                self.assertGreater(trial["outcomes"]["search"]["miss"], 10000)
                self.assertIsNone(trial["integrity"]["checked"])  # there is no value to check
            self.assertEqual(limit["params"]["verify"], "off")

    def test_every_size_of_value(self):
        for size in ("0-7", "64-1Ki", "5000"):
            result = self.run_json(self.BASE + "lock = target:limit\nduration = 20ms\n"
                                   "value_size = %s\n" % size)
            self.assertEqual(result["points"][0]["status"], "ok", size)

    def test_workers_together(self):
        result = self.run_json(self.BASE + "lock = target:limit\nduration = 20ms\n"
                               "workers = process, thread\nprocs = 3\n")
        for point in result["points"]:
            self.assertEqual(point["status"], "ok")
            self.assertEqual(len(point["trials"][0]["workers"]), 3)

    def test_searches_alone(self):
        self.write("s.ini", self.BASE + "lock = target:limit\n")
        for mix in ("search:90 insert:10", "search_many:1", "remove:1"):
            done = self.bench("run", "s.ini", "--set", "mix=" + mix, code=2)
            self.assertIn("allowed with lock target:limit: search:100 alone", done.err)


class SearchMany(Case):
    BASE = "[a]\ncapacity = 1000\nwarmup = 0ms\ntrials = 2\n"

    def test_the_answers_of_single_searches(self):
        """The same keys in the same order: only the calls differ."""
        one, many = self.run_json(
            self.BASE + "mix = search:100, search_many:100\nops = 30k\nbatch = 7\n"
            "read = seqlock\n")["points"]
        for trial, wanted in zip(many["trials"], one["trials"]):
            self.assertEqual(trial["ops"], wanted["ops"])
            self.assertEqual(trial["outcomes"]["search_many"], wanted["outcomes"]["search"])
            self.assertEqual(trial["outcomes"]["search"]["ok"], 0)
            self.assertEqual(trial["integrity"]["checked"], wanted["integrity"]["checked"])
            self.assertGreater(trial["integrity"]["checked"], 10000)
        self.assertNotIn("search_many", one["trials"][0]["outcomes"])

    def test_beside_other_operations(self):
        for read in ("locked", "seqlock", "rcu"):
            point = self.run_json(
                self.BASE + "mix = search_many:50 search:10 insert:20 remove:20\nprocs = 2\n"
                "stripes = 4\nlatency = every\nduration = 60ms\nread = %s\n" % read)["points"][0]
            for trial in point["trials"]:
                self.assertEqual((trial["status"], trial["integrity"]["errors"]), ("ok", 0))
                keys = sum(trial["outcomes"]["search_many"].values())
                every = sum(sum(kind.values()) for kind in trial["outcomes"].values())
                self.assertAlmostEqual(keys / every, 0.5, delta=0.1)
                calls = trial["latency"]["service"]["search_many"]["count"]
                # All but those that the ring's end cuts have 32 keys.
                self.assertAlmostEqual(keys / calls, 32, delta=1)
            self.assertGreater(point["summary"]["search_many"]["p50_ns"]["median"], 0)

    def test_where_it_cannot_be(self):
        self.write("s.ini", self.BASE + "mix = search_many:1\n")
        self.assertIn("search_many", self.bench("torture", "s.ini", code=2).err)
        self.assertIn("search_many", self.bench("plan", "s.ini", "--slo", "search.p99<=1ms",
                                                code=2).err)
        for lock in BUILT:
            self.assertIn("search_many is not allowed",
                          self.bench("run", "s.ini", "--set", "lock=" + lock, code=2).err)


@unittest.skipIf(os.environ.get("SHMBENCH_VARIANT") == "tsan",
                 "the libraries are not instrumented: TSan would report their own accesses")
class Processes(Case):
    """Targets whose store lies outside of the workers, and what is left of it."""

    def setUp(self):
        super().setUp()
        self.pids = []

    def start(self, *args, **kwargs):
        bench = super().start(*args, **kwargs)
        self.pids.append(bench.pid)
        return bench

    def left(self):
        """Folders of this test's runs: other tests run beside it."""
        return {path for pid in self.pids for path in glob.glob(SCRATCH % pid)}

    def running(self, lock, duration="60s"):
        """A run whose store and workers are there."""
        self.write("s.ini", SCENARIO + "lock = %s\nprocs = 2\nduration = %s\n" % (lock, duration))
        before = self.left()
        bench = self.start("run", "s.ini", "--out", "r.json", "--set", "trials=1")
        # Two workers, itself, and whatever the target runs.
        self.assertTrue(wait_for(lambda: self.left() - before and len(alive_in(bench.pid)) >=
                                 3 + ("redis" in lock), 20))
        return bench

    def test_workers_are_processes_and_nothing_is_left(self):
        if not OUTSIDE:
            self.skipTest("none is built")
        result = self.run_json(SCENARIO + "lock = %s\nprocs = 2\nworkers = thread\n"
                               "duration = 20ms\n" % ", ".join(["futex", *OUTSIDE]))
        for lock, point in zip(OUTSIDE, result["points"][1:]):
            self.assertEqual(point["params"]["workers"], "process")
            pids = [worker["pid"] for worker in point["trials"][0]["workers"]]
            self.assertEqual(len(set(pids)), 2, lock)
        self.assertEqual(self.left(), set())

    def test_interrupted(self):
        for lock in OUTSIDE:
            bench = self.running(lock)
            os.kill(bench.pid, signal.SIGINT)
            self.assertEqual(bench.wait(20).code, 130, bench.err)
            self.assertEqual(alive_in(bench.pid), [], lock)
            self.assertEqual(self.left(), set(), lock)

    def test_killed_and_swept_by_the_next_run(self):
        if not OUTSIDE:
            self.skipTest("none is built")
        benches = [self.running(lock) for lock in OUTSIDE]
        for bench in benches:
            os.kill(bench.pid, signal.SIGKILL)
            bench.process.wait()
        for bench in benches:
            self.assertTrue(wait_for(lambda: not alive_in(bench.pid), 10), bench.process.args)
        # They are left now, unless a run beside this one has swept already.
        self.run_json(SCENARIO + "lock = %s\nduration = 10ms\n" % OUTSIDE[0])
        self.assertEqual(self.left(), set())

    def test_a_run_does_not_take_what_another_holds(self):
        if not OUTSIDE:
            self.skipTest("none is built")
        first = self.running(OUTSIDE[0])
        held = self.left()
        self.run_json(SCENARIO + "lock = %s\nduration = 10ms\n" % OUTSIDE[0])
        self.assertEqual(self.left(), held)
        os.kill(first.pid, signal.SIGTERM)
        self.assertEqual(first.wait(20).code, 143, first.err)

    def test_a_dead_worker_is_named(self):
        for lock in OUTSIDE:
            bench = self.running(lock)
            workers = wait_for(lambda: [pid for pid in children_of(bench.pid) if comm(pid) ==
                                        comm(bench.pid)], 10)
            os.kill(workers[0], signal.SIGKILL)
            self.assertEqual(bench.wait(20).code, 3, bench.err)
            self.assertIn("died of signal 9", self.load("r.json")["points"][0]["reason"])
            self.assertEqual(self.left(), set(), lock)

    @unittest.skipIf("target:redis" not in BUILT, "redis is not here")
    def test_a_server_that_dies_or_is_not_there(self):
        bench = self.running("target:redis", "1s")
        server = wait_for(lambda: [pid for pid in children_of(bench.pid) if comm(pid) !=
                                   comm(bench.pid)], 10)
        os.kill(server[0], signal.SIGKILL)
        # Not measured, when it died before the workers had it full.
        self.assertIn(bench.wait(30).code, (1, 3), bench.err)
        self.assertIn("worker ", self.load("r.json")["points"][0]["reason"])
        self.assertEqual(self.left(), set())

    @unittest.skipIf("target:redis" not in BUILT, "redis is not here")
    def test_without_the_program(self):
        env = dict(os.environ, PATH="/nonexistent")
        listed = subprocess.run([SHMBENCH, "list", "targets"], capture_output=True, text=True,
                                timeout=10, check=True, env=env).stdout
        self.assertIn("redis-server is not in PATH", listed)

    def test_the_longest_key_is_said(self):
        if "target:lmdb" not in BUILT:
            self.skipTest("lmdb is not built")
        result = self.run_json(SCENARIO + "lock = target:lmdb\nkey_size = 1000\nduration = 10ms\n",
                               code=3)
        self.assertIn("key_size is 1000", result["points"][0]["reason"])
        self.assertEqual(self.left(), set())


class Missing(Case):
    def test_a_machine_without_the_libraries(self):
        bare = self.path("bin")
        os.mkdir(bare)
        for tool in ("sh", "mkdir", "cat"):
            os.symlink("/bin/" + tool, os.path.join(bare, tool))
        subprocess.run(["/bin/sh", os.path.join(ROOT, "scripts/gen-targets"), self.dir],
                       env={"PATH": bare}, check=True, timeout=10)
        with open(self.path("targets.h"), encoding="ascii") as f:
            header = f.read()
        self.assertNotIn("HAVE_", header)
        for package in ("liburcu-dev", "libck-dev", "libtdb-dev", "liblmdb-dev", "libhiredis-dev"):
            self.assertIn(package, header)
        with open(self.path("target_libs"), encoding="ascii") as f:
            self.assertEqual(f.read().strip(), "")
        subprocess.run(["gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                        "-I" + self.dir, "-Iharness", "-Icore/include", "harness/lock/grace.c",
                        *("harness/target/target_%s.c" % name for name in
                          ("urcu_lfht", "ck", "tdb", "lmdb", "redis"))], cwd=ROOT, check=True, timeout=30)


if __name__ == "__main__":
    unittest.main()
