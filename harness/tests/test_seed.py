#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a result says of the work done: same seed, same operations; every key there."""
import os
import unittest

from cli_fixture import BRIEF, QUICK, Case

H = {"count", "min_ns", "mean_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "p9999_ns", "max_ns",
     "max_sampled_ns", "hdr"}


class Seed(Case):
    def hashes(self, *args):
        """{point: its trials' hashes}"""
        result = self.run_json(QUICK, *BRIEF, "--set", "duration=10ms", "--set", "trials=2",
                               "--set", "procs=2", *args)
        found = {point["name"]: tuple(trial["op_stream_hash"] for trial in point["trials"])
                 for point in result["points"]}
        for two in found.values():
            self.assertEqual(len(set(two)), 2, "every trial ran the same stream")
            self.assertRegex(two[0], r"^[0-9a-f]{16}$")
        return found

    def test_whatever_the_lock(self):
        found = self.hashes("--set", "lock=sem,futex,spin,mutex", "--set", "stripes=1,8")
        self.assertEqual(len(found), 8)
        self.assertEqual(len(set(found.values())), 1, found)

    def test_whatever_is_timed_or_checked(self):
        found = self.hashes("--set", "latency=off,every,sampled:64")
        found.update(self.hashes("--set", "verify=off", "--set", "pin=none",
                                 "--set", "workers=thread"))
        self.assertEqual(len(found), 4)
        self.assertEqual(len(set(found.values())), 1, found)

    def test_seed_and_workload_matter(self):
        found = self.hashes("--set", "seed=1,2,3")
        self.assertEqual(len({trial for two in found.values() for trial in two}), 6)
        again = self.hashes("--set", "seed=2")
        self.assertEqual(again["a"], found["a/seed=2"])
        other = self.hashes("--set", "seed=2", "--set", "keys=zipf:0.99")
        self.assertNotEqual(other["a"], again["a"])


class Work(Case):
    def test_ops(self):
        point, = self.run_json(QUICK, "--set", "ops=5M", "--set", "procs=2", "--set",
                               "trials=2")["points"]
        for trial in point["trials"]:
            self.assertEqual([worker["ops"] for worker in trial["workers"]], [5000000] * 2)
            total = sum(n for op in trial["outcomes"].values() for n in op.values())
            self.assertEqual(total, 10000000)
            # Only while all were running: the slower one did the rest alone.
            self.assertLessEqual(trial["ops"], 10000000)
            self.assertGreater(trial["ops"], 0)
            self.assertAlmostEqual(trial["ops_per_s"], trial["ops"] / trial["seconds"],
                                   delta=trial["ops_per_s"] * 1e-6)
        self.assertGreater(point["summary"]["ops_per_s"]["median"], 0)

    def test_threads(self):
        point, = self.run_json(QUICK, *BRIEF, "--set", "procs=3", "--set",
                               "workers=thread")["points"]
        workers = point["trials"][0]["workers"]
        self.assertEqual(len({worker["pid"] for worker in workers}), 1)
        self.assertEqual(len({worker["tid"] for worker in workers}), 3)

    def test_processes(self):
        point, = self.run_json(QUICK, *BRIEF, "--set", "procs=3")["points"]
        workers = point["trials"][0]["workers"]
        self.assertEqual(len({worker["pid"] for worker in workers}), 3)
        for worker in workers:
            self.assertEqual(worker["pid"], worker["tid"])

    def test_pins(self):
        allowed = sorted(os.sched_getaffinity(0))
        last = allowed[-1]
        wanted = {"none": [None] * 3, "cpus:%d" % last: [last] * 3,
                  "compact": [allowed[i % len(allowed)] for i in range(3)]}
        points = self.run_json(QUICK, *BRIEF, "--set", "procs=3", "--set",
                               "pin=" + ",".join(wanted) + ",spread")["points"]
        for point in points:
            cpus = [worker["cpu"] for worker in point["trials"][0]["workers"]]
            pin = point["params"]["pin"]
            if pin == "spread":
                self.assertEqual(len(set(cpus)), min(3, len(allowed)))
                self.assertLessEqual(set(cpus), set(allowed))
            else:
                self.assertEqual(cpus, wanted[pin], pin)

    def test_every_value_is_checked(self):
        point, = self.run_json(QUICK, *BRIEF)["points"]
        trial = point["trials"][0]
        # Warm-up's hits are checked and not counted as outcomes.
        self.assertGreaterEqual(trial["integrity"]["checked"], trial["outcomes"]["search"]["ok"])
        self.assertEqual(trial["integrity"]["errors"], 0)


class Schema(Case):
    def has(self, value, keys):
        self.assertLessEqual(set(keys.split() if isinstance(keys, str) else keys), set(value))

    def test_every_key_of_the_contract(self):
        result = self.run_json(QUICK, *BRIEF, "--set", "procs=2")
        self.assertEqual(result["schema"], "shmbench.result/1")
        self.assertEqual(result["status"], "complete")
        for key in ("started", "finished"):
            self.assertRegex(result[key], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
        self.has(result, "overhead points")
        self.has(result["tool"], "version commit compiler cflags layout_hash")
        self.has(result["host"], "cpu cpus kernel mem_bytes virt mitigations clock cgroup frequency fingerprint")
        self.has(result["scenario"], "path sha256 text")
        self.assertEqual(result["scenario"]["text"], QUICK)
        point, = result["points"]
        self.has(point, "name params status reason summary trials")
        listed = {line.split()[0] for line in self.bench("list", "keys").out.splitlines()}
        self.assertEqual(set(point["params"]), listed - {"include"})
        self.has(point["summary"], "ops_per_s search search.hit search.miss insert update remove "
                                   "flags")
        figures = [point["summary"]["ops_per_s"]] + [
            point["summary"][op][p] for op in ("search", "insert", "update", "remove")
            for p in ("p50_ns", "p99_ns", "p999_ns")]
        for figure in figures:
            self.has(figure, "median low high n method")
        trial, = point["trials"]
        self.has(trial, "seconds ops ops_per_s op_stream_hash latency wait stalled outcomes "
                        "workers kernel fairness integrity intervals")
        for op in ("search", "search.hit", "search.miss", "insert", "update", "remove"):
            self.has(trial["latency"]["service"][op], H)
        self.assertFalse(trial["latency"].get("response"), "there is no open loop yet")
        self.has(trial["wait"], H)
        for op in ("search", "insert", "update", "remove"):
            self.has(trial["outcomes"][op], "ok miss exists full timeout")
        self.assertEqual(len(trial["workers"]), 2)
        for worker in trial["workers"]:
            self.has(worker, "pid tid cpu ops user_s sys_s vol_ctx invol_ctx run_delay_s lock "
                             "longest_gap_ns")
            self.has(worker["lock"], "acquired contended spins parks wakes reacquired "
                                     "wait_ns hold_ns")
        self.has(trial["fairness"], "jain min_over_max")
        self.has(trial["integrity"], "checked errors")

    def test_times_of_every_operation_add_up_to_the_window(self):
        text = "[a]\nlatency = every\nverify = off\nmix = search:90 remove:10\ncapacity = 10k\n" \
               "trials = 1\nlock = none, futex\n"
        for load in (("duration=200ms", "warmup=20ms"), ("ops=500k",)):
            sets = [word for pair in load for word in ("--set", pair)]
            for point in self.run_json(text, *sets)["points"]:
                trial, = point["trials"]
                every = trial["latency"]["service"]["all"]
                # The one under way when the window began or ended may be missing.
                self.assertAlmostEqual(every["count"], trial["ops"], delta=2)
                share = every["mean_ns"] * every["count"] * 1e-9 / trial["seconds"]
                # With two reads it is 0.5 to 0.6. A worker without a CPU may lose some ms while it
                # notes an interval, and hear of the window's end some ms late.
                self.assertGreater(share, 0.8, point["name"])
                self.assertLess(share, 1.4, point["name"])

    def test_waiting_for_a_lock_and_holding_it(self):
        points = self.run_json(QUICK, "--set", "trials=1", "--set", "duration=300ms", "--set",
                               "procs=2", "--set", "hold=5us", "--set",
                               "latency=sampled:4,off,every")["points"]
        sampled, off, every = [point["trials"][0] for point in points]
        self.assertEqual(sum(worker["lock"]["hold_ns"]["count"] for worker in sampled["workers"]),
                         sampled["hold"]["count"])
        self.assertGreater(sampled["hold"]["count"], 0)
        # No section is shorter than the hold in it; a histogram's bucket is 0.4 % wide.
        self.assertGreaterEqual(sampled["hold"]["min_ns"], 4970)
        self.assertGreaterEqual(points[0]["summary"]["held_ns"], 4970)
        for worker in sampled["workers"]:
            lock = worker["lock"]
            self.assertEqual(lock["wait_ns"]["count"], lock["hold_ns"]["count"])
            self.assertGreaterEqual(lock["hold_ns"]["mean_ns"], 5000)
            self.assertGreaterEqual(lock["wait_ns"]["max_sampled_ns"], lock["wait_ns"]["mean_ns"])
        for trial in off, every:
            self.assertIsNone(trial["hold"])
            self.assertIsNone(trial["workers"][0]["lock"]["hold_ns"])
            self.assertIsNone(trial["workers"][0]["lock"]["wait_ns"])

    def test_what_was_not_measured_is_null(self):
        sampled, off = self.run_json(QUICK, *BRIEF, "--set",
                                     "latency=sampled:64,off")["points"]
        search = sampled["trials"][0]["latency"]["service"]["search"]
        self.assertIsNone(search["max_ns"])
        self.assertGreater(search["max_sampled_ns"], 0)
        self.assertIsNone(search["p9999_ns"], "from %d samples" % search["count"])
        service = off["trials"][0]["latency"]["service"] or {}
        self.assertIsNone((service.get("search") or {}).get("p50_ns"))
        self.assertIsNone(sampled["summary"]["ops_per_s"]["low"], "of one trial")


if __name__ == "__main__":
    unittest.main()
