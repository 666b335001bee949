#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Phases: what each reports, that they add up to the trial, and who reads them."""
import csv
import json
import unittest

from cli_fixture import QUICK, Case

ONE = ("--set", "trials=1", "--set", "warmup=10ms")
# A lock that is held for 2 ms: 500 operations per second, however fast the machine is.
SLOW = QUICK + "rate = 100\narrival = constant\nhold = 2ms\ntimeout = 30s\nprocs = 2\n"


class Phases(Case):
    def trial(self, text, *args):
        result = self.run_json(text, *ONE, *args)
        point = result["points"][0]
        self.assertEqual(point["status"], "ok", point["reason"])
        return result, point, point["trials"][0]

    def adds_up(self, trial, measured):
        """The window's phases are the window."""
        self.assertEqual(sum(phase["ops"] for phase in measured), trial["ops"])
        self.assertAlmostEqual(sum(phase["seconds"] for phase in measured), trial["seconds"],
                               delta=1e-5)
        for clock in ("service", "response"):
            if trial["latency"][clock] is None:
                continue
            for op, latency in trial["latency"][clock].items():
                parts = [phase["latency"][clock][op] for phase in measured]
                self.assertEqual(sum(part["count"] for part in parts), latency["count"])
                self.assertEqual(max(part["max_sampled_ns"] or 0 for part in parts),
                                 latency["max_sampled_ns"] or 0)
        self.assertEqual(sum(phase["wait"]["count"] for phase in measured), trial["wait"]["count"])

    def test_a_schedule_in_phases(self):
        _, point, trial = self.trial(QUICK + "rate = 10k\narrival = constant\nprocs = 2\n",
                                     "--set", "phases=steady:200ms, spike:3x:100ms, drain:30s")
        phases = trial["phases"]
        self.assertEqual([phase["name"] for phase in phases], ["steady", "spike:3x", "drain"])
        self.assertEqual([phase["rate"]["asked_per_s"] for phase in phases], [10000, 30000, 0])
        self.assertAlmostEqual(phases[0]["seconds"], 0.2, delta=1e-5)
        self.assertAlmostEqual(phases[1]["seconds"], 0.1, delta=1e-5)
        self.adds_up(trial, phases)
        # Everything that was planned was done, and the drain was not sat out.
        self.assertAlmostEqual(trial["rate"]["planned"], 5000, delta=4)
        self.assertEqual(trial["rate"]["backlog"], 0)
        # More than that is what warm-up left.
        self.assertGreaterEqual(trial["ops"], trial["rate"]["planned"])
        self.assertFalse(trial["rate"]["missed"])
        self.assertLess(trial["seconds"], 25)
        self.assertEqual(point["params"]["phases"], "steady:200ms, spike:3x:100ms, drain:30s")
        self.assertEqual([phase["name"] for phase in point["summary"]["phases"]],
                         ["steady", "spike:3x", "drain"])

    def test_what_a_spike_leaves_behind(self):
        # 10 operations, then 200 within 0.1 s, which take 0.4 s.
        _, point, trial = self.trial(SLOW, "--set", "phases=steady:100ms, spike:20x:100ms, drain:60s")
        steady, spike, drain = trial["phases"]
        self.adds_up(trial, trial["phases"])
        self.assertAlmostEqual(trial["rate"]["planned"], 210, delta=4)
        self.assertLess(spike["ops"], 70)
        self.assertGreater(drain["ops"], 130)
        self.assertGreater(drain["seconds"], 0.25)
        self.assertGreater(spike["rate"]["late_ns"], 20e6)
        self.assertIn("behind-at-end", point["summary"]["phases"][1]["flags"])
        self.assertGreater(drain["latency"]["response"]["all"]["max_ns"], 250e6)
        self.assertLess(steady["latency"]["response"]["all"]["min_ns"], 250e6)

    def test_a_drain_that_is_too_short(self):
        result = self.run_json(SLOW, *ONE, "--set", "phases=spike:20x:100ms, drain:50ms")
        trial = result["points"][0]["trials"][0]
        self.assertGreater(trial["rate"]["backlog"], 50)
        self.assertTrue(trial["rate"]["missed"])
        self.assertAlmostEqual(trial["seconds"], 0.15, delta=1e-5)
        self.assertIn("rate-missed", result["points"][0]["summary"]["flags"])

    def test_load_and_a_closed_loop(self):
        for workers in "process", "thread":
            _, _, trial = self.trial(QUICK + "procs = 3\nworkers = %s\nlatency = every\n" % workers,
                                     "--set", "phases=load, steady:100ms, steady:50ms")
            load, first, second = trial["phases"]
            self.assertEqual([phase["name"] for phase in trial["phases"]],
                             ["load", "steady", "steady#2"])
            self.assertEqual(load["ops"], 500)
            self.assertEqual(load["latency"]["service"]["insert"]["count"], 500)
            self.assertEqual(set(load["latency"]["service"]), {"insert", "all"})
            self.assertIsNone(load["latency"]["response"])
            self.assertIsNone(load["rate"])
            self.assertGreater(load["seconds"], 0)
            # Not in the trial's own figures.
            self.adds_up(trial, [first, second])
            self.assertGreaterEqual(first["seconds"], 0.1)
            self.assertGreater(first["ops"], 0)
            self.assertGreater(second["ops"], 0)
            inserts = sum(trial["outcomes"]["insert"].values())
            self.assertEqual(trial["latency"]["service"]["insert"]["count"], inserts)

    def test_load_before_a_schedule(self):
        _, _, trial = self.trial(QUICK + "rate = 1k\nverify = linearizable\n", "--set",
                                 "phases=load, steady:100ms")
        self.assertEqual(trial["phases"][0]["ops"], 500)
        self.assertEqual(trial["phases"][1]["rate"]["asked_per_s"], 1000)
        self.assertEqual(trial["integrity"]["linearizable"]["violations"], 0)

    def test_who_reads_them(self):
        for name in "a.json", "b.json":
            result, _, _ = self.trial(QUICK, "--set", "phases=load, steady:50ms", "--set", "trials=2")
            self.write(name, json.dumps(result))
        shown = self.bench("show", "a.json")
        self.assertRegex(shown.out, r"\n    load [0-9.]+[µmn]?s, service +\S+ \(2\)")
        self.assertRegex(shown.out, r"\n    steady [0-9.]+ms +\S+ \(2\)")
        self.assertIn("all of its phases but load", shown.out)
        self.assertEqual(self.bench("compare", "a.json", "b.json").code, 0)
        self.assertEqual(self.bench("report", "a.json", "-o", "r.html").code, 0)
        merged = self.bench("merge", "--host", "h", "a.json", "b.json", "--out", "m.json")
        self.assertEqual(merged.code, 0, merged.err)
        with open(self.path("m.json"), encoding="utf-8") as file:
            points = json.load(file)["points"]
        pooled = points[0]["summary"]["phases"]
        self.assertEqual([phase["ops_per_s"]["n"] for phase in pooled], [4, 4])
        for point in points[1:]:
            self.assertNotIn("phases", point["summary"])

    def test_csv(self):
        """Every phase of every trial, beside the trial as a whole, to the last digit."""
        result, _, _ = self.trial(QUICK + "procs = 2\n", "--set", "trials=2", "--set",
                                  "phases=load, steady:50ms, steady:30ms")
        result["points"][0]["trials"][1]["phases"][2]["latency"] = None
        self.write("a.json", json.dumps(result))
        rows = list(csv.DictReader(self.bench("export", "a.json", "--to", "csv").out.splitlines()))
        expected = []
        for trial in result["points"][0]["trials"]:
            for name, part in [("", trial)] + [(p["name"], p) for p in trial["phases"]]:
                ops = (part["latency"] or {"service": {}})["service"]
                found = [(op, latency) for op, latency in ops.items() if latency["count"]]
                for op, latency in found or [("", {})]:
                    expected.append((str(trial["trial"]), name, op, part["seconds"],
                                     part["ops_per_s"], latency.get("count"),
                                     latency.get("p50_ns")))
        self.assertIn(("1", "steady#2", ""), [row[:3] for row in expected])
        self.assertEqual({row[1] for row in expected}, {"", "load", "steady", "steady#2"})

        def number(text):
            return float(text) if text else None
        found = [(row["trial"], row["phase"], row["op"], number(row["seconds"]),
                  number(row["ops_per_s"]), number(row["count"]), number(row["p50_ns"]))
                 for row in rows]
        self.assertEqual([row[:3] + row[5:] for row in sorted(found, key=lambda row: row[:3])],
                         [row[:3] + row[5:] for row in sorted(expected, key=lambda row: row[:3])])
        for one, other in zip(sorted(found, key=lambda row: row[:3]), sorted(expected, key=lambda row: row[:3])):
            self.assertAlmostEqual(one[3] / other[3], 1, places=12)
            self.assertAlmostEqual(one[4] / other[4], 1, places=12)
        self.assertEqual({row["phases"] for row in rows}, {"load, steady:50ms, steady:30ms"})

    def test_who_cannot_have_them(self):
        self.write("p.ini", QUICK + "rate = 1k\nphases = steady, spike:2x\n")
        gate = self.bench("gate", "p.ini", "--base-set", "lock=futex", "--head-set", "lock=spin",
                          "--budget", "5s", code=3)
        self.assertIn("phases", gate.out + gate.err)
        plan = self.bench("plan", "p.ini", "--slo", "search.p99<=1ms", "--budget", "5s", code=2)
        self.assertIn("phases", plan.err)

    def test_dry_run_counts_them(self):
        self.write("p.ini", QUICK + "rate = 1k\ntrials = 2\nduration = 2s\nwarmup = 1s\n"
                   "phases = load, steady, spike:2x:5s, drain\n")
        dry = self.bench("run", "p.ini", "--dry-run")
        self.assertRegex(dry.out, r"\na +2 +20\.00 ")


if __name__ == "__main__":
    unittest.main()
