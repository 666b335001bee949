#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Exports, read by those who are meant to read them."""
import csv
import io
import json
import os
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from cli_fixture import BRIEF, QUICK, ROOT, Case
from hdr_reader import decode_v2, percentile

FORMATS = ("google-benchmark", "hlog", "hgrm", "openmetrics", "csv", "junit", "bmf",
           "custom-smaller", "custom-bigger")
PERCENTILES = (("p50_ns", 0.5), ("p90_ns", 0.9), ("p99_ns", 0.99))
COMPARE = "/usr/share/benchmark/compare.py"
NODE = os.path.join(ROOT, "build/node")


class Exports(Case):
    @classmethod
    def setUpClass(cls):
        case = cls("run_once")
        case.setUp()
        try:
            text = QUICK + "lock = futex, spin\nlatency = every\n[b]\nrate = 20k\nkeyspace = 100\n"
            case.write("s.ini", text)
            case.bench("run", "s.ini", "--out", "r.json", *BRIEF, "--set", "trials=9")
            with open(case.path("r.json")) as file:
                cls.text = file.read()
        finally:
            case.doCleanups()
        cls.result = json.loads(cls.text)

    def run_once(self):
        pass

    def export(self, form, text=None, code=0):
        self.write("r.json", self.text if text is None else text)
        return self.bench("export", "r.json", "--to", form, code=code)

    def each(self):
        for point in self.result["points"]:
            for trial in point["trials"]:
                for clock, ops in trial["latency"].items():
                    for op, latency in (ops or {}).items():
                        if latency and latency["count"]:
                            yield point, trial, clock, op, latency

    def test_csv(self):
        rows = list(csv.DictReader(io.StringIO(self.export("csv").out)))
        expected = list(self.each())
        self.assertEqual(len(rows), len(expected))
        for row, (point, trial, clock, op, latency) in zip(rows, expected):
            self.assertEqual((row["point"], row["trial"], row["clock"], row["op"]),
                             (point["name"], str(trial["trial"]), clock, op))
            self.assertEqual(row["mix"], point["params"]["mix"])
            for key in ("count", "p50_ns", "p99_ns", "p9999_ns", "max_ns"):
                self.assertEqual(float(row[key]) if row[key] else None, latency[key])

    def test_hlog(self):
        lines = self.export("hlog").out.splitlines()
        self.assertEqual(lines[0], "#[Histogram log format version 1.3]")
        found = {}
        for line in lines:
            if line.startswith("Tag="):
                tag, start, length, most, text = line.split(",")
                self.assertNotIn(" ", tag)
                self.assertLess(float(length), 10)
                found[tag[4:]] = decode_v2(text)
        for point, trial, clock, op, latency in self.each():
            counts = found["%s/trial=%d/%s.%s" % (point["name"], trial["trial"], clock, op)]
            self.assertEqual(sum(counts.values()), latency["count"])
            for key, fraction in PERCENTILES:
                if latency[key] is not None:
                    self.assertAlmostEqual(percentile(counts, fraction) / latency[key], 1, delta=0.002)

    @unittest.skipUnless(shutil.which("node") and os.path.isdir(NODE + "/node_modules/hdr-histogram-js"),
                         "needs node and its package hdr-histogram-js: scripts/setup ci")
    def test_hlog_by_its_own_reader(self):
        self.write("out.hlog", self.export("hlog").out)
        script = """
            const hdr = require('hdr-histogram-js'), fs = require('fs');
            const reader = new hdr.HistogramLogReader(fs.readFileSync(process.argv[1], 'utf8'));
            const all = {};
            for (let h; (h = reader.nextIntervalHistogram());)
                all[h.tag] = [h.totalCount, h.getValueAtPercentile(50), h.getValueAtPercentile(99)];
            console.log(JSON.stringify(all));"""
        done = subprocess.run(["node", "-e", script, self.path("out.hlog")], capture_output=True,
                              text=True, timeout=60, env=dict(os.environ, NODE_PATH=NODE + "/node_modules"))
        self.assertEqual(done.returncode, 0, done.stderr)
        read = json.loads(done.stdout)
        for point, trial, clock, op, latency in self.each():
            count, p50, p99 = read["%s/trial=%d/%s.%s" % (point["name"], trial["trial"], clock, op)]
            self.assertEqual(count, latency["count"])
            self.assertAlmostEqual(p50 / latency["p50_ns"], 1, delta=0.002)
            if latency["p99_ns"]:
                self.assertAlmostEqual(p99 / latency["p99_ns"], 1, delta=0.002)

    def test_hgrm(self):
        text = self.export("hgrm").out
        rows = re.findall(r"(?m)^ *([\d.]+) +([01]\.\d{12}) +(\d+)", text)
        self.assertGreater(len(rows), 50)
        last = 0
        for value, fraction, total in rows:
            last = 0 if float(fraction) == 0 else last
            self.assertGreaterEqual(float(value), last)
            last = float(value)
        self.assertIn("#[Max ", text)

    def test_openmetrics(self):
        text = self.export("openmetrics").out
        self.assertTrue(text.endswith("# EOF\n"))
        try:
            from prometheus_client.openmetrics.parser import text_string_to_metric_families
        except ImportError:
            self.skipTest("needs python3-prometheus-client")
        families = {family.name: family for family in text_string_to_metric_families(text)}
        self.assertEqual(families["shmbench_latency_seconds"].type, "histogram")
        counts = {}
        for sample in families["shmbench_latency_seconds"].samples:
            key = (sample.labels["point"], sample.labels["clock"], sample.labels["op"])
            if sample.name.endswith("_count"):
                counts[key] = sample.value
        wanted = {}
        for point, _, clock, op, latency in self.each():
            if op not in ("all", "search"):
                key = (point["name"], clock, op)
                wanted[key] = wanted.get(key, 0) + latency["count"]
        self.assertEqual(counts, wanted)

    def test_google_benchmark(self):
        document = json.loads(self.export("google-benchmark").out)
        self.assertEqual(document["context"]["caches"], [])
        for bench in document["benchmarks"]:
            self.assertEqual(bench["time_unit"], "ns")
        trials = [trial for point in self.result["points"] for trial in point["trials"]]
        for bench, trial in zip(document["benchmarks"], trials):
            self.assertAlmostEqual(bench["real_time"] * trial["ops_per_s"] / 1e9, 1, places=6)

    @unittest.skipUnless(os.path.exists(COMPARE), "needs libbenchmark-tools")
    def test_google_benchmark_by_compare(self):
        text = self.export("google-benchmark").out
        self.write("a.json", text)
        self.write("b.json", text)
        done = subprocess.run(["/usr/bin/python3", COMPARE, "--no-color", "benchmarks",
                               self.path("a.json"), self.path("b.json")], capture_output=True,
                              text=True, timeout=60)
        if "No module named" in done.stderr:
            self.skipTest("needs python3-scipy")
        self.assertEqual(done.returncode, 0, done.stderr)
        for point in self.result["points"]:
            self.assertRegex(done.stdout, re.escape(point["name"]) + "_pvalue.*U Test, Repetitions: 9 vs 9")

    def test_lists(self):
        for form, unit in (("custom-smaller", "ns"), ("custom-bigger", "ops/s")):
            entries = json.loads(self.export(form).out)
            self.assertTrue(entries)
            for entry in entries:
                self.assertEqual(entry["unit"], unit)
                self.assertGreater(entry["value"], 0)
        bmf = json.loads(self.export("bmf").out)
        for point in self.result["points"]:
            value = bmf[point["name"]]["ops-per-s"]
            self.assertEqual(value["value"], point["summary"]["ops_per_s"]["median"])
            self.assertLessEqual(value["lower_value"], value["upper_value"])

    def test_junit(self):
        result = json.loads(self.text)
        result["points"][0].update(status="not_measured", reason='a worker <died> "& went"')
        suite = ElementTree.fromstring(self.export("junit", json.dumps(result)).out)[0]
        self.assertEqual((suite.get("tests"), suite.get("errors"), suite.get("failures")),
                         ("3", "1", "0"))
        self.assertEqual(suite[0][0].get("message"), 'a worker <died> "& went"')

    def test_what_was_not_measured_is_empty(self):
        result = json.loads(self.text)
        for point, _, _, _, latency in [(p, t, c, o, l) for p in result["points"] for t in p["trials"]
                                        for c, ops in t["latency"].items()
                                        for o, l in (ops or {}).items() if l]:
            latency["p99_ns"] = latency["max_ns"] = None
            latency.pop("hdr", None)
        text = json.dumps(result)
        for row in csv.DictReader(io.StringIO(self.export("csv", text).out)):
            self.assertEqual((row["p99_ns"], row["max_ns"]), ("", ""))
        self.assertNotIn("_bucket", self.export("openmetrics", text).out)

    def test_refusals(self):
        bad = json.loads(self.text)
        for trial in bad["points"][0]["trials"]:
            for latency in trial["latency"]["service"].values():
                if latency:
                    latency["hdr"] = "HISTFAAAnonsense"
        self.assertIn("cannot be read", self.export("openmetrics", json.dumps(bad), code=2).err)
        self.assertIn("google-benchmark", self.export("xlsx", code=2).err)
        for text in ("", "{", '{"schema": "other/1"}', self.text[:len(self.text) // 2]):
            for form in FORMATS:
                self.assertIn("r.json", self.export(form, text, code=2).err)
        self.bench("export", "r.json", code=2)
        self.bench("export", "--to", "csv", code=2)

    def test_to_a_file(self):
        self.write("r.json", self.text)
        self.bench("export", "r.json", "--to", "csv", "--out", "r.csv")
        with open(self.path("r.csv"), newline="") as file:
            self.assertEqual(file.read().replace("\r\n", "\n"), self.export("csv").out.replace("\r\n", "\n"))
        self.bench("export", "r.json", "--to", "csv", "--out", "no/such/folder", code=2)


if __name__ == "__main__":
    unittest.main()
