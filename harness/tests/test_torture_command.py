#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`shmbench torture`: what it does to workers happens, what it must find it
finds, and it ends in time whatever becomes of them.
"""
import math
import os
import platform
import signal
import unittest

from cli_fixture import SHMBENCH_TEST, Case, alive_in, children_of, wait_for

SDT = "/usr/include/x86_64-linux-gnu/sys/sdt.h"
BASE = """
[t]
procs = 4
capacity = 2k
mix = search:30 insert:25 update:20 remove:25
trials = 1
calm = 300ms
interval = 50ms
timeout = 50ms
duration = 600ms
"""


class Torture(Case):
    def torture(self, *sets, code=0, text=BASE, timeout=60, **kwargs):
        self.write("t.ini", text)
        args = [arg for item in sets for arg in ("--set", item)]
        self.out = self.bench("torture", "t.ini", "--out", "r.json", *args, code=code,
                              timeout=timeout, **kwargs)
        self.assertEqual(alive_in(self.out.pid), [], "processes were left behind")
        point, = self.load("r.json")["points"]
        return point, point["trials"][0].get("recovery")


class Faults(Torture):
    def test_kills_that_strand_are_counted(self):
        point, recovery = self.torture("lock=mutex", "kill=holder:12")
        strands = recovery["strands"]
        self.assertEqual(point["status"], "ok")
        self.assertEqual((recovery["kills"], strands["of"], recovery["recovers"]), (12, 12, False))
        # Aimed at whoever holds the lock, most hit: none at all would mean that nobody was.
        self.assertGreaterEqual(strands["count"], 6)
        self.assertTrue(strands["low"] <= strands["share"] <= strands["high"])
        # Owner, intent, waiters: whole on the screen, too.
        self.assertRegex(recovery["stuck"],
                         r"stripe 0: last acquired by pid \d+ \(dead\), \d+ entries, "
                         r"under way: nothing; worker \d \(pid \d+\) "
                         r"(waits|was killed|does not get on)")
        for line in recovery["stuck"].split("; "):
            self.assertIn(line + "\n", self.out.out)
        self.assertRegex(self.out.out, r"strands \d+% \(\d+\.\.\d+\)")
        self.assertEqual(point["trials"][0]["integrity"]["errors"], 0)

    def test_a_robust_lock_strands_when_it_is_told_to(self):
        _, recovery = self.torture("lock=spin", "robust=off", "kill=holder:4")
        self.assertEqual((recovery["recovers"], recovery["recoveries"]), (False, 0))
        self.assertGreaterEqual(recovery["strands"]["count"], 1)

    def test_random_kills_at_a_rate(self):
        _, recovery = self.torture("lock=futex", "kill=random:40/s")
        self.assertGreaterEqual(recovery["kills"], 5)
        self.assertGreaterEqual(recovery["respawns"], 5)
        # Whoever was killed was in the middle of something, nearly always.
        self.assertGreater(recovery["cut_off_done"] + recovery["cut_off_undone"], 0)

    def test_a_stopped_holder_is_named_and_not_robbed(self):
        point, recovery = self.torture("lock=futex", "procs=2", "stop=holder:300ms/400ms",
                                       "duration=2s")
        timeouts = recovery["timeouts"]
        self.assertEqual(point["status"], "ok")
        caught = recovery["stops"] - recovery["aimed_missed"]
        self.assertGreaterEqual(caught, 2)
        self.assertGreaterEqual(timeouts["holder_stopped"], 3 * caught)
        self.assertEqual(timeouts["holder_dead"], 0)
        self.assertLess(timeouts["late"]["max_ns"], 40e6)

    def test_windows_after_the_storm_beside_those_of_a_new_table(self):
        _, recovery = self.torture("lock=futex", "kill=holder:5:100/s", "calm=320ms", "interval=40ms")
        rate = recovery["throughput"]
        self.assertEqual([len(rate[name]) for name in ("before", "after", "fresh")], [8, 8, 8])
        self.assertGreater(min(rate["after"] + rate["fresh"]), 0)
        fresh = rate["to_fresh"]
        self.assertTrue(fresh["low"] <= fresh["ratio"] <= fresh["high"])
        logs = sorted(math.log(a / b) for a, b in zip(rate["after"], rate["fresh"]))
        self.assertAlmostEqual(math.log(fresh["ratio"]), (logs[3] + logs[4]) / 2, places=9)
        # The distribution-free interval of 8: smallest to largest.
        self.assertAlmostEqual(math.log(fresh["low"]), logs[0], places=9)
        self.assertIn("ops/s after the storm over a new table's by turns: ", self.out.out)

    def test_churn(self):
        for lock in ("sem", "mcs", "mutex-robust"):
            with self.subTest(lock=lock):
                point, recovery = self.torture("lock=" + lock, "churn=60/s")
                self.assertEqual(point["status"], "ok")
                self.assertGreater(recovery["leaves"], 10)
                self.assertGreater(recovery["respawns"], 10)
                self.assertEqual(recovery["kills"], 0)

    def test_lock_free_reads_and_short_values(self):
        for sets in (("read=seqlock",), ("read=rcu",), ("value_size=0-12", "key_size=4"),
                     ("stripes=8", "value_size=8-200")):
            with self.subTest(sets=sets):
                point, _ = self.torture("churn=30/s", "duration=300ms", *sets)
                self.assertEqual(point["status"], "ok", point["reason"])

    def test_show_prints_it_again(self):
        self.torture("churn=60/s")
        shown = self.bench("show", "r.json").out
        self.assertIn("left in order", shown)


class Quota(Torture):
    """Less CPU than the workers want: the kernel stops them wherever they are."""

    PLAN = ("quota=5ms/50ms", "timeout=20ms", "duration=500ms", "hold=2us")

    def setUp(self):
        super().setUp()
        self.write("t.ini", BASE)
        probe = self.start("torture", "t.ini", "--out", "r.json", "--set", "quota=50ms/50ms",
                           "--set", "duration=10ms", "--set", "calm=10ms",
                           "--set", "interval=10ms").wait(30)
        point, = self.load("r.json")["points"]
        if probe.code == 3 and "quota: no control group" in point["reason"]:
            self.skipTest(point["reason"])
        self.assertEqual(probe.code, 0, probe.out + probe.err)

    @staticmethod
    def groups(pid):
        return [path for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/cpu")
                for path, _, _ in os.walk(top)
                if os.path.basename(path) == "shmbench-quota-%d" % pid]

    def test_holders_run_out_of_it(self):
        for lock, kill in (("futex", "none"), ("spin", "random:20/s")):
            with self.subTest(lock=lock):
                point, recovery = self.torture("lock=" + lock, "kill=" + kill, *self.PLAN)
                quota = recovery["quota"]
                self.assertEqual(point["status"], "ok", point["reason"])
                self.assertGreaterEqual(quota["periods"], 3)
                self.assertGreaterEqual(quota["throttled"], 1)
                # 45 ms of 50 nobody runs, and somebody has the lock, nearly always.
                self.assertGreaterEqual(quota["held_over_2ms"], 1)
                self.assertIn("out of CPU quota in", self.out.out)
                self.assertEqual(self.groups(self.out.pid), [])

    def test_what_a_killed_run_leaves_the_next_removes(self):
        self.write("t.ini", BASE)
        bench = self.start("torture", "t.ini", "--set", "duration=20s",
                           "--set", "quota=5ms/50ms")
        self.assertTrue(wait_for(lambda: self.groups(bench.pid), 10))
        os.kill(bench.pid, signal.SIGKILL)
        bench.wait(10)
        self.assertTrue(wait_for(lambda: not alive_in(bench.pid), 10))
        self.torture("quota=5ms/50ms", "duration=100ms")
        self.assertEqual(self.groups(bench.pid), [])

    def test_interrupted(self):
        self.write("t.ini", BASE)
        bench = self.start("torture", "t.ini", "--set", "duration=20s",
                           "--set", "quota=5ms/50ms")
        self.assertTrue(wait_for(lambda: self.groups(bench.pid), 10))
        os.kill(bench.pid, signal.SIGINT)
        bench.wait(10)
        self.assertEqual(bench.code, 130)
        self.assertEqual(self.groups(bench.pid), [])


class Recovery(Torture):
    """Random kills at 8 processes: nothing wrong, nobody stuck. 10,000 per lock and
    what it costs those who wait: scripts/nightly-torture."""

    LOCKS = ("sem", "futex", "hybrid", "handoff", "rwlock", "spin", "tas", "ticket",
             "mcs", "clh", "mutex-robust", "sysv")
    KILLS = 26  # of each: 300 and some in all

    def storm(self, lock, *sets):
        with self.subTest(lock=lock, sets=sets):
            point, recovery = self.torture(
                "lock=" + lock, "procs=8", "kill=random:%d" % self.KILLS, "timeout=1s",
                "calm=100ms", "mix=search:10 insert:30 update:30 remove:30", *sets)
            self.assertEqual(point["status"], "ok", point["reason"])
            self.assertEqual(recovery["kills"], self.KILLS)
            self.assertIsNone(recovery["stuck"])
            self.assertEqual(recovery["strands"]["count"], 0)
            integrity = point["trials"][0]["integrity"]
            self.assertEqual(integrity["errors"], 0)
            self.assertGreater(integrity["checked"], 0)
            return recovery["recoveries"]

    def test_two_hundred_kills(self):
        # Nobody was killed with a lock in his hands? Then nothing was tested.
        taken = sum(self.storm(lock) for lock in self.LOCKS)
        self.assertGreater(taken, 0)

    def test_under_readers_without_locks(self):
        for read in ("seqlock", "rcu"):
            self.storm("futex", "read=" + read)


@unittest.skipUnless(platform.machine() == "x86_64" and os.path.exists(SDT),
                     "places are x86-64's nops of <sys/sdt.h>")
class Places(Torture):
    """Killed there and nowhere else: what was cut off before its commit never
    happened, what was cut off after it always did."""

    KILLS = 12

    def kills_at(self, place, *sets, lock="futex", **kwargs):
        with self.subTest(place=place, lock=lock):
            point, recovery = self.torture("kill=random:%d@%s" % (self.KILLS, place),
                                           "calm=100ms", "timeout=1s", "lock=" + lock, *sets,
                                           **kwargs)
            self.assertEqual(point["status"], "ok", point["reason"])
            self.assertGreaterEqual(recovery["kills_at_place"], self.KILLS)
            self.assertEqual(point["trials"][0]["integrity"]["errors"], 0)
            self.assertIsNone(recovery["stuck"])
            self.assertIn("killed at the place that was asked for", self.out.out)
            return recovery

    def test_before_a_commit_nothing_happened(self):
        for place in ("mid-insert", "before-commit"):
            recovery = self.kills_at(place)
            self.assertEqual((recovery["cut_off_done"], recovery["cut_off_undone"]),
                             (0, recovery["kills"]))
            # He died with the lock in his hands, each time.
            self.assertGreaterEqual(recovery["recoveries"], recovery["kills"])

    def test_after_a_commit_it_has_happened(self):
        for lock in ("spin", "mutex-robust"):
            recovery = self.kills_at("after-commit", lock=lock)
            self.assertEqual((recovery["cut_off_done"], recovery["cut_off_undone"]),
                             (recovery["kills"], 0))

    def test_around_the_lock(self):
        self.kills_at("before-acquire")  # of the pool's lock now and then, with a stripe's
        for place in ("after-acquire", "before-release"):
            recovery = self.kills_at(place)
            self.assertGreaterEqual(recovery["recoveries"], recovery["kills"])

    def test_while_repairing(self):
        recovery = self.kills_at("in-repair", "read=seqlock")
        # Each of them took over from somebody who had to die first.
        self.assertGreater(recovery["kills"], recovery["kills_at_place"])

    def test_while_attaching(self):
        recovery = self.kills_at("in-attach", lock="sem")
        self.assertEqual(recovery["kills"], recovery["kills_at_place"])
        self.assertEqual(recovery["strands"]["count"], 0)

    def test_a_lock_that_strands(self):
        _, recovery = self.torture("lock=mutex", "kill=random:3@after-acquire")
        self.assertGreaterEqual(recovery["kills"], 3)
        self.assertEqual(recovery["strands"]["count"], recovery["kills"])

    def test_a_place_that_nobody_comes_by(self):
        point, recovery = self.torture("kill=random:1@mid-insert", "mix=search:100",
                                       "calm=100ms", code=3)
        self.assertEqual((point["status"], recovery["kills"]), ("not_measured", 0))
        self.assertIn("nobody came by mid-insert", point["reason"])


class Findings(Torture):
    def test_a_lock_that_excludes_nobody(self):
        point, _ = self.torture("lock=busted", "churn=20/s", code=1, binary=SHMBENCH_TEST)
        self.assertEqual(point["status"], "failed")
        self.assertGreater(point["trials"][0]["integrity"]["errors"], 0)

    def test_a_death_that_nobody_ordered(self):
        self.write("t.ini", BASE)
        bench = self.start("torture", "t.ini", "--out", "r.json", "--set", "duration=20s")
        self.assertTrue(wait_for(lambda: len(children_of(bench.pid)) == 4, 10))
        victim = children_of(bench.pid)[0]
        os.kill(victim, signal.SIGSEGV)
        bench.wait(20)
        self.assertEqual(bench.code, 1, bench.out)
        self.assertIn("died of signal 11", bench.out)
        self.assertEqual(alive_in(bench.pid), [])

    def test_interrupted(self):
        self.write("t.ini", BASE)
        bench = self.start("torture", "t.ini", "--out", "r.json", "--set", "duration=20s",
                           "--set", "stop=random:5s/6s")
        self.assertTrue(wait_for(lambda: len(children_of(bench.pid)) == 4, 10))
        os.kill(bench.pid, signal.SIGINT)
        bench.wait(10)
        self.assertEqual(bench.code, 130)
        self.assertEqual(alive_in(bench.pid), [], "a stopped worker was left behind")


class Refusals(Torture):
    def refused(self, command, *sets):
        self.write("t.ini", BASE)
        args = [arg for item in sets for arg in ("--set", item)]
        return self.bench(command, "t.ini", *args, code=2).err

    def test_threads(self):
        for plan in ("kill=random:1", "stop=10ms/20ms", "churn=1/s", "quota=20ms/100ms"):
            with self.subTest(plan=plan):
                err = self.refused("torture", "workers=thread", plan)
                self.assertIn("workers = process only", err)
                self.assertIn("key '%s'" % plan.partition("=")[0], err)

    def test_run_leaves_faults_alone(self):
        self.assertIn("shmbench torture", self.refused("run", "kill=random:1"))

    def test_what_torture_cannot_do(self):
        self.assertIn("closed loop", self.refused("torture", "rate=1k"))
        self.assertIn("keys of its own", self.refused("torture", "keyspace=2"))

    def test_grammar(self):
        for text in ("kill=random", "kill=random:", "kill=random:0", "kill=holder:5/m",
                     "kill=anybody:5", "kill=random:5:", "kill=random:5/s:5", "kill=random:5@",
                     "kill=random:5@commit", "kill=none@in-repair", "kill=@in-repair", "stop=1s", "stop=2s/1s",
                     "stop=10/20", "stop=nobody:1ms/2ms", "churn=5", "churn=random:5/s",
                     "quota=20ms", "quota=20/100", "quota=500us/1ms", "quota=20ms/2s"):
            with self.subTest(text=text):
                self.assertIn("key '%s'" % text.partition("=")[0], self.refused("torture", text))

    def test_a_place_that_is_none(self):
        err = self.refused("torture", "kill=random:5@midinsert")
        self.assertIn("there is no place 'midinsert'", err)
        for place in ("before-acquire", "mid-insert", "in-attach"):
            self.assertIn(place, err)

    def test_params_are_what_was_asked(self):
        for key, given, want in (("kill", "random:1k", "random:1k"),
                                 ("kill", "holder:20/s", "holder:20/s"),
                                 ("kill", "random:5:100/s", "random:5:100/s"),
                                 ("kill", "holder:5@in-repair", "holder:5@in-repair"),
                                 ("kill", "random:1k:10/s@mid-insert",
                                  "random:1k:10/s@mid-insert"),
                                 ("stop", "10ms/100ms", "random:10ms/100ms"),
                                 ("churn", "1k/s", "1k/s"),
                                 ("quota", "20ms/100ms", "20ms/100ms")):
            with self.subTest(given=given):
                self.write("t.ini", BASE)
                self.bench("torture", "t.ini", "--dry-run", "--set", "%s=%s" % (key, given))
                self.bench("torture", "t.ini", "--dry-run", "--set", "%s=%s" % (key, want))


if __name__ == "__main__":
    unittest.main()
