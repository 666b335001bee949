#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""read = urcu and urcu-qsbr: liburcu under the table, with everything that could hold up
its grace periods: think time, an open loop's idleness, waits for a lock."""
import unittest

from cli_fixture import SHMBENCH_TEST, Case

READS = "read = urcu, urcu-qsbr\n"
# Few keys, small limbo: grace periods are waited for all the time.
BUSY = "[a]\n" + READS + "lock = futex, spin, ticket\nprocs = 4\ncapacity = 300\nkeyspace = 200\n" \
       "mix = search:40 insert:20 update:20 remove:20\ntrials = 1\nwait = own\n" \
       "duration = 100ms\nwarmup = 0\ntimeout = 10s\n"


class Urcu(Case):
    def checked(self, result, points):
        self.assertEqual(result["status"], "complete")
        self.assertEqual(len(result["points"]), points)
        for point in result["points"]:
            self.assertEqual((point["status"], point["params"]["workers"]), ("ok", "thread"))
            for trial in point["trials"]:
                self.assertGreater(trial["ops"], 0)
                self.assertEqual(trial["integrity"]["errors"], 0)
                self.assertEqual(len({worker["pid"] for worker in trial["workers"]}), 1)
            yield point

    def test_values(self):
        reads = set()
        for point in self.checked(self.run_json(BUSY, timeout=60), 6):
            reads.add(point["params"]["read"])
            for trial in point["trials"]:
                self.assertGreater(trial["integrity"]["checked"], 100)
                self.assertGreater(trial["outcomes"]["update"]["ok"], 100)
                self.assertEqual(trial["outcomes"]["update"]["timeout"], 0)
        self.assertEqual(reads, {"urcu", "urcu-qsbr"})

    def test_linearizable(self):
        for point in self.checked(self.run_json(BUSY, "--set", "verify=linearizable", "--set",
                                                "lock=futex", timeout=60), 2):
            for trial in point["trials"]:
                self.assertEqual(trial["integrity"]["linearizable"]["violations"], 0)
                self.assertGreater(trial["integrity"]["linearizable"]["searched"], 0)

    def test_a_lock_that_is_none_is_found_out(self):
        """The checks above see what goes wrong under this mode, too."""
        self.run_json(BUSY, "--set", "verify=linearizable", "--set", "lock=busted", code=1,
                      binary=SHMBENCH_TEST, timeout=60)

    def test_who_idles_holds_up_nobody(self):
        """No operation times out because of a worker that thinks, sleeps until its next planned
        start, has ended, or has no section ever."""
        for sets in (("think=200us",), ("rate=2k",), ("mix=update:50 insert:25 remove:25",),
                     ("ops=2M",), ("mix=search_many:50 update:50",),
                     ("phases=load, steady, drain", "rate=2k")):
            args = [arg for text in sets for arg in ("--set", text)]
            text = BUSY.replace("mix = search:40 insert:20 update:20 remove:20\n", "") \
                if any(s.startswith("mix=") for s in sets) else BUSY
            if sets[0].startswith("ops="):
                text = text.replace("duration = 100ms\n", "")
            with self.subTest(sets=sets):
                for point in self.checked(self.run_json(text, *args, "--set", "lock=futex",
                                                        timeout=60), 2):
                    for trial in point["trials"]:
                        for outcomes in trial["outcomes"].values():
                            self.assertEqual(outcomes["timeout"], 0)

    def test_processes_are_refused(self):
        for read in ("urcu", "urcu-qsbr"):
            self.write("s.ini", "[a]\nread = %s\nworkers = process\n" % read)
            said = self.bench("run", "s.ini", "--out", "none.json", code=2).err
            self.assertIn("s.ini:3: key 'workers': found 'process', allowed with read = urcu or "
                          "urcu-qsbr: thread", said)
            self.write("s.ini", "[a]\nread = %s\nkill = random\n" % read)
            self.assertIn("key 'kill'", self.bench("run", "s.ini", code=2).err)


if __name__ == "__main__":
    unittest.main()
