#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`shmbench history`: series out of a folder of results whose course is known."""
import copy
import json
import os
import random
import unittest

from cli_fixture import BRIEF, QUICK, Case


class History(Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("runs"))
        self.one = self.run_json(QUICK + "lock = futex, spin\n", *BRIEF)
        self.random = random.Random(5)

    def put(self, day, factor, name=None, **changes):
        """A run of that day whose throughput is the first one's times factor."""
        result = copy.deepcopy(self.one)
        result["started"] = "2026-%02d-%02dT10:00:00.000Z" % (day // 28 + 1, day % 28 + 1)
        result["tool"]["commit"] = "c%02d" % day
        for point in result["points"]:
            for trial in point["trials"]:
                trial["ops_per_s"] *= factor
        for key, value in changes.items():
            if key == "fingerprint":
                result["host"]["fingerprint"] = value
            elif key == "layout_hash":
                result["tool"]["layout_hash"] = value
            else:
                result[key] = value
        name = name or "r%02d.json" % day
        with open(self.path("runs/" + name), "w", encoding="utf-8") as f:
            json.dump(result, f)
        return name

    def noise(self):
        return self.random.lognormvariate(0, 0.02)

    def history(self, *args, code=0):
        bench = self.bench("history", "runs", "--json", "-", *args, code=code)
        return json.loads(bench.out), bench.err

    def fill(self, days, level=1.0):
        for day in days:
            self.put(day, level * self.noise())

    def test_change_and_baseline(self):
        self.fill(range(12))
        self.fill(range(12, 24), 0.8)
        self.put(24, 0.8 * 1.3)  # luck
        document, table = self.history()
        self.assertEqual(document["schema"], "shmbench.history/1")
        (group,) = document["groups"]
        self.assertEqual(len(group["runs"]), 25)
        self.assertEqual([point["name"] for point in group["points"]], ["a/lock=futex", "a/lock=spin"])
        first = self.one["points"][0]["trials"][0]["ops_per_s"]
        for point in group["points"]:
            (change,) = point["changes"]
            self.assertEqual(change["at"], 12)
            self.assertAlmostEqual(change["ratio"], 0.8, delta=0.03)
            self.assertFalse(change["better"])
            self.assertLessEqual(change["p"], 0.01)
        self.assertAlmostEqual(group["points"][0]["middle"] / first, 0.8, delta=0.03)
        self.assertIn("WORSE", table)
        self.assertIn("c12 (before it c11)", table)
        # Of after the change, in the middle, and not what luck made the best.
        chosen = int(group["baseline"]["path"][-7:-5])
        self.assertIn(chosen, range(12, 24))
        values = dict(zip(group["points"][0]["runs"], group["points"][0]["values"]))
        after = sorted(value for run, value in values.items() if run >= 12)
        self.assertIn(values[chosen], after[3:10])
        self.assertEqual(group["baseline"]["since"], group["runs"][12]["started"])

    def test_no_change_where_there_is_none(self):
        self.fill(range(20))
        document, table = self.history()
        self.assertEqual([point["changes"] for point in document["groups"][0]["points"]], [[], []])
        self.assertNotIn("changed at", table)

    def test_more_time_is_worse(self):
        self.fill(range(2))
        for day in range(2, 20):
            result = self.load("runs/r00.json")
            result["started"] = "2026-06-%02dT00:00:00Z" % day
            for point in result["points"]:
                for trial in point["trials"]:
                    trial["latency"]["service"]["search"]["p50_ns"] = 100 * self.noise() * (1 + (day > 10))
            self.write("runs/l%02d.json" % day, json.dumps(result))
        os.remove(self.path("runs/r00.json"))
        os.remove(self.path("runs/r01.json"))
        document, _ = self.history("--metric", "search.p50")
        for point in document["groups"][0]["points"]:
            self.assertEqual([(change["at"], change["better"]) for change in point["changes"]],
                             [(9, False)])

    def test_baseline_wants_runs(self):
        self.fill(range(4))
        self.put(4, 1, status="partial")
        self.put(5, 1, layout_hash="0000000000000000")
        document, table = self.history()
        self.assertIsNone(document["groups"][0]["baseline"])
        # The newest layout is the one that counts.
        self.assertIn("found: 1", document["groups"][0]["baseline_reason"])
        self.assertIn("none yet", table)

    def test_machines_and_scenarios_are_kept_apart(self):
        self.fill(range(3))
        self.put(3, 5, fingerprint="another")
        scenario = dict(self.one["scenario"], sha256="f" * 64)
        self.put(4, 9, scenario=scenario)
        os.mkdir(self.path("runs/deeper"))
        self.put(5, 1, name="deeper/r.json")
        document, _ = self.history()
        self.assertEqual(sorted(len(group["runs"]) for group in document["groups"]), [1, 1, 4])

    def test_what_is_left_out_is_named_and_loses_nothing(self):
        self.fill(range(3))
        self.put(2, 1, name="copy.json")
        self.write("runs/broken.json", "{\"schema\": \"shmbench.result/1\"")
        self.write("runs/other.json", "[1, 2]")
        self.put(7, 1, name="nowhere.json", host={})
        self.write("runs/notes.txt", "not ours")
        document, said = self.history(code=3)
        self.assertEqual(sorted(os.path.basename(entry["path"]) for entry in document["left_out"]),
                         ["broken.json", "nowhere.json", "other.json", "r02.json"])
        for name in ("broken.json", "nowhere.json", "other.json", "r02.json"):
            self.assertIn(name, said)
        self.assertEqual(len(document["groups"][0]["runs"]), 3)

    def test_each_and_filter(self):
        self.fill(range(3))
        table = self.bench("history", "runs", "--each", "--filter", "lock=spin").out
        self.assertNotIn("lock=futex", table)
        self.assertEqual(table.count("runs/r0"), 3 + table.count("baseline: runs/"))

    def test_mistakes(self):
        self.assertIn("No such file", self.bench("history", "missing", code=2).err)
        self.assertIn("found no result", self.bench("history", "runs", code=2).err)
        self.assertIn("found 'speed'", self.bench("history", "--metric", "speed", code=2).err)
        self.assertIn("one folder", self.bench("history", "a", "b", code=2).err)
        self.fill(range(1))
        self.assertIn("r00", self.bench("history", "runs", "--each").out)


if __name__ == "__main__":
    unittest.main()
