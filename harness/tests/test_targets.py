#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Other libraries' stores under the same streams: they do the same work, and
what is not known of them is null."""
import os
import subprocess
import unittest

from cli_fixture import ROOT, SHMBENCH, Case

LISTED = subprocess.run([SHMBENCH, "list", "targets"], capture_output=True, text=True, timeout=10,
                        check=True).stdout.splitlines()
BUILT = [line.split()[0] for line in LISTED if "not in this build" not in line]
SCENARIO = "[a]\ncapacity = 1000\nkeyspace = 1000\nvalue_size = 8-200\nwarmup = 0ms\n" \
           "mix = search:40 insert:20 update:20 remove:20\ntrials = 2\n"


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
        for lock in BUILT:
            result = self.run_json(SCENARIO + "lock = %s\nprocs = 3\nduration = 150ms\n" % lock)
            for trial in result["points"][0]["trials"]:
                self.assertEqual((trial["status"], trial["integrity"]["errors"]), ("ok", 0), lock)
                self.assertEqual(len(trial["workers"]), 3)
                self.assertGreater(trial["outcomes"]["remove"]["ok"], 4096)

    def test_what_is_not_known_is_null(self):
        for lock in BUILT:
            result = self.run_json(SCENARIO + "lock = %s, futex\nduration = 20ms\n" % lock)
            point = result["points"][0]
            self.assertIsNone(point["summary"]["stalled"])
            for trial in point["trials"]:
                self.assertIsNone(trial["region_bytes"])
                self.assertIsNone(trial["wait"])
                self.assertIsNone(trial["stalled"])
                self.assertIsNone(trial["workers"][0]["lock"])
                self.assertGreater(trial["ops_per_s"], 0)
            self.assertIn(lock, self.bench("show", "r.json").out)

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
        self.assertIn("liburcu-dev", header)
        with open(self.path("target_libs"), encoding="ascii") as f:
            self.assertEqual(f.read().strip(), "")
        subprocess.run(["gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                        "-I" + self.dir, "-Iharness", "-Icore/include",
                        "harness/target_urcu_lfht.c"], cwd=ROOT, check=True, timeout=30)


if __name__ == "__main__":
    unittest.main()
