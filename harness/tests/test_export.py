#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Exports, read by those who are meant to read them."""
import csv
import io
import json
import math
import os
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from cli_fixture import BRIEF, QUICK, ROOT, Case
from hdr_reader import bucket, decode_v2, percentile, width

FORMATS = ("google-benchmark", "hlog", "hgrm", "openmetrics", "csv", "junit", "bmf",
           "custom-smaller", "custom-bigger")
PERCENTILES = (("p50_ns", 0.5), ("p90_ns", 0.9), ("p99_ns", 0.99), ("p999_ns", 0.999))
COMPARE = "/usr/share/benchmark/compare.py"
NODE = os.path.join(ROOT, "build/node")


class Exports(Case):
    @classmethod
    def setUpClass(cls):
        case = cls("run_once")
        case.setUp()
        try:
            text = QUICK + "lock = futex, spin\nlatency = every\n[b]\nrate = 5k\nkeyspace = 100\n"
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

    def agree(self, found, wanted):
        """Within 0.1 %, or the half nanosecond that a format of whole ones rounds off."""
        self.assertLessEqual(abs(found - wanted), max(0.001 * wanted, 0.5))

    def changed(self, change, *args):
        result = json.loads(self.text)
        change(result, *args)
        return json.dumps(result)

    def test_csv(self):
        rows = list(csv.DictReader(io.StringIO(self.export("csv").out, newline="")))
        expected = list(self.each())
        self.assertEqual(len(rows), len(expected))
        for row, (point, trial, clock, op, latency) in zip(rows, expected):
            self.assertEqual((row["point"], row["trial"], row["clock"], row["op"], row["status"]),
                             (point["name"], str(trial["trial"]), clock, op, "ok"))
            for key, value in point["params"].items():
                self.assertEqual(row[key], value)
            self.assertAlmostEqual(float(row["ops_per_s"]) / trial["ops_per_s"], 1, places=12)
            for key in ("count", "p50_ns", "p99_ns", "p9999_ns", "max_ns"):
                self.assertEqual(float(row[key]) if row[key] else None, latency[key])

    def test_csv_keeps_what_has_no_latency(self):
        def change(result):
            points = result["points"]
            points[0]["trials"][0].update(status="not_measured", latency=None, ops_per_s=None)
            points[0]["trials"][1]["superseded"] = True
            points[0]["params"]["mix"] = 'a,"b"\n'
            for trial in points[1]["trials"]:
                trial["latency"] = dict(service=None, response=None)
            points[2].update(status="skipped", trials=[])
            points[2]["params"]["new"] = "1"
        out = self.export("csv", self.changed(change)).out
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        self.assertTrue(all(None not in row and None not in row.values() for row in rows))
        first = rows[0]
        self.assertEqual([first[key] for key in ("trial", "trial_status", "ops_per_s", "op", "p50_ns")],
                         ["0", "not_measured", "", "", ""])
        self.assertEqual([rows[1][key] for key in ("trial", "trial_status", "ops_per_s", "op")],
                         ["1", "superseded", "", ""])
        self.assertEqual(first["mix"], 'a,"b"\n')
        second = [row for row in rows if row["point"] == self.result["points"][1]["name"]]
        self.assertEqual(len(second), 9)
        self.assertTrue(all(float(row["ops_per_s"]) > 0 and row["op"] == "" for row in second))
        self.assertEqual([(row["new"], row["status"], row["trial"]) for row in rows
                          if row["point"] == "b"], [("1", "skipped", "")])

    def test_hlog(self):
        lines = self.export("hlog").out.splitlines()
        self.assertEqual(lines[0], "#[Histogram log format version 1.3]")
        found = {}
        for line in lines:
            if line.startswith("Tag="):
                tag, start, length, most, text = line.split(",")
                self.assertNotIn(" ", tag)
                found[tag[4:]] = float(length), float(most), decode_v2(text)
        for point, trial, clock, op, latency in self.each():
            length, most, counts = found.pop(
                "%s/trial=%d/%s.%s" % (point["name"], trial["trial"], clock, op))
            self.assertAlmostEqual(length, trial["seconds"], delta=0.0006)
            self.assertAlmostEqual(most * 1e6, latency["max_sampled_ns"], delta=600)
            self.assertEqual(sum(counts.values()), latency["count"])
            for key, fraction in PERCENTILES:
                if latency[key] is not None:
                    self.agree(percentile(counts, fraction), latency[key])
        self.assertEqual(found, {})

    @unittest.skipUnless(shutil.which("node") and os.path.isdir(NODE + "/node_modules/hdr-histogram-js"),
                         "needs node and its package hdr-histogram-js: scripts/setup ci")
    def test_hlog_by_its_own_reader(self):
        self.write("out.hlog", self.export("hlog").out)
        script = """
            const hdr = require('hdr-histogram-js'), fs = require('fs');
            const reader = new hdr.HistogramLogReader(fs.readFileSync(process.argv[1], 'utf8'));
            const all = {};
            for (let h; (h = reader.nextIntervalHistogram());)
                all[h.tag] = [h.totalCount, ...[50, 90, 99, 99.9].map((p) => h.getValueAtPercentile(p))];
            console.log(JSON.stringify(all));"""
        done = subprocess.run(["node", "-e", script, self.path("out.hlog")], capture_output=True,
                              text=True, timeout=60, env=dict(os.environ, NODE_PATH=NODE + "/node_modules"))
        self.assertEqual(done.returncode, 0, done.stderr)
        read = json.loads(done.stdout)
        for point, trial, clock, op, latency in self.each():
            count, *values = read["%s/trial=%d/%s.%s" % (point["name"], trial["trial"], clock, op)]
            self.assertEqual(count, latency["count"])
            for value, (key, _) in zip(values, PERCENTILES):
                if latency[key] is not None:
                    self.agree(value, latency[key])

    def merged(self):
        """{(point, clock, op): [counts per value, sum of nanoseconds, lowest, highest]}

        over all trials
        """
        found = {}
        for point, _, clock, op, latency in self.each():
            one = found.setdefault((point["name"], clock, op), [{}, 0, math.inf, 0])
            for value, count in decode_v2(latency["hdr"]).items():
                one[0][value] = one[0].get(value, 0) + count
            one[1] += latency["mean_ns"] * latency["count"]
            one[2] = min(one[2], latency["min_ns"])
            one[3] = max(one[3], latency["max_sampled_ns"])
        return found

    def test_hgrm(self):
        wanted = {key: one for key, one in self.merged().items()
                  if key[1] == ("response" if key[0] == "b" else "service")}
        for part in re.split(r"(?m)^#\[(?=\S+ \w+\.)", self.export("hgrm").out)[1:]:
            name, clock, op = re.match(r"(\S+) (\w+)\.(\S+), nanoseconds", part).groups()
            counts, _, lowest, highest = wanted.pop((name, clock, op))
            rows = re.findall(r"(?m)^ *([\d.]+) ([01]\.\d{12}) +(\d+)(?: +([\d.]+))?$", part)
            self.assertEqual((rows[-1][1], int(rows[-1][2])), ("1.000000000000", sum(counts.values())))
            for fraction in (0.5, 0.75, 0.9):
                value, total = [(float(row[0]), int(row[2])) for row in rows
                                if float(row[1]) == fraction][0]
                # A trial's own extreme stands for its bucket there; in the sum of
                # trials the bucket's middle does, wherever the rank falls in it.
                lower = bucket(percentile(counts, fraction))
                middle = lower + (width(lower) - 1) / 2
                self.agree(value, min(max(middle, lowest), highest))
                self.assertEqual(total, sum(count for at, count in counts.items()
                                            if bucket(at) <= bucket(int(value))))
            self.assertEqual([float(row[0]) for row in rows], sorted(float(row[0]) for row in rows))
        self.assertEqual(wanted, {})

    def test_openmetrics(self):
        text = self.export("openmetrics").out
        self.assertTrue(text.endswith("# EOF\n"))
        try:
            from prometheus_client.openmetrics.parser import text_string_to_metric_families
        except ImportError:
            self.skipTest("needs python3-prometheus-client")
        families = {family.name: family for family in text_string_to_metric_families(text)}
        self.assertEqual(families["shmbench_latency_seconds"].type, "histogram")
        found = {}
        for sample in families["shmbench_latency_seconds"].samples:
            labels = sample.labels
            one = found.setdefault((labels["point"], labels["clock"], labels["op"]), {})
            one[labels.get("le", sample.name.rpartition("_")[2])] = sample.value
        # Sums of others: they would count twice.
        wanted = {key: one for key, one in self.merged().items() if key[2] not in ("all", "search")}
        self.assertEqual(set(found), set(wanted))
        for key, (counts, total_ns, _, _) in wanted.items():
            self.agree(found[key].pop("sum") * 1e9, total_ns)
            self.assertEqual(found[key].pop("count"), sum(counts.values()))
            self.assertEqual(found[key]["+Inf"], sum(counts.values()))
            self.assertEqual(len(found[key]), 31)
            for le, below in found[key].items():
                self.assertEqual(below, sum(count for value, count in counts.items() if le == "+Inf" or
                                            bucket(value) + width(value) - 1 <= float(le) * 1e9 + 0.01))

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

    def test_cpu_time_that_was_not_measured_is_nan(self):
        def change(result):
            result["points"][0]["trials"][0]["workers"] = None
        text = self.export("google-benchmark", self.changed(change)).out
        found = json.loads(text)["benchmarks"]
        self.assertNotEqual(found[0]["cpu_time"], found[0]["cpu_time"])
        self.assertEqual(text.count("NaN"), 1)
        self.assertGreater(found[1]["cpu_time"], 0)

    def metrics(self, result):
        """{(point, metric): figure} as the contract names them"""
        found = {}
        for point in result["points"]:
            for key, value in point["summary"].items():
                for figure, one in ([("", value)] if key == "ops_per_s" else
                                    value.items() if isinstance(value, dict) else []):
                    clock, percent = re.match(r"(service_)?(?:(p\d+)_ns)?", figure).groups()
                    name = key if key == "ops_per_s" else "%s%s.%s" % (
                        "service." if clock else "", key, percent)
                    # A busy machine's backlog is the point's too: as in the test below.
                    late = point["summary"]["rate_note"] and key != "ops_per_s" and not clock
                    if one["median"] is not None and not late:
                        found[point["name"], name] = one
        return found

    def test_lists(self):
        def change(result):
            result["points"][2]["summary"]["rate_note"] = "rate missed"
        for text in (self.text, self.changed(change)):
            wanted = self.metrics(json.loads(text))
            self.assertIn(("b", "service.search.p50"), wanted)
            found = {}
            for form, unit in (("custom-smaller", "ns"), ("custom-bigger", "ops/s")):
                for entry in json.loads(self.export(form, text).out):
                    self.assertEqual(entry["unit"], unit)
                    found[tuple(entry["name"].split(" "))] = entry
            self.assertEqual(set(found), set(wanted))
            bmf = json.loads(self.export("bmf", text).out)
            self.assertEqual({(name, key) for name, one in bmf.items() for key in one}, set(wanted))
            for (name, metric), one in wanted.items():
                self.agree(found[name, metric]["value"], one["median"])
                self.agree(bmf[name][metric]["value"], one["median"])
                self.assertEqual("range" in found[name, metric], one["low"] is not None)
                self.assertEqual(bmf[name][metric].get("lower_value"), one["low"])
                self.assertEqual(bmf[name][metric].get("upper_value"), one["high"])

    def test_a_backlog_is_no_latency_and_a_failed_point_has_no_figures(self):
        def change(result):
            result["points"][0]["status"] = "failed"
            result["points"][2]["summary"]["rate_note"] = "rate missed"
        text = self.changed(change)
        name = self.result["points"][0]["name"]
        for form in ("google-benchmark", "openmetrics", "bmf", "custom-smaller", "custom-bigger"):
            self.assertNotIn('"%s' % name, self.export(form, text).out)
        names = {one["name"] for one in json.loads(self.export("custom-smaller", text).out)}
        self.assertIn("b service.search.p50", names)
        self.assertNotIn("b search.p50", names)

    def test_junit(self):
        def change(result):
            points = result["points"]
            points[0].update(status="not_measured", reason='a worker <died> "& went"')
            points[1].update(status="failed", reason="torn values")
            points[2]["expect"] = [dict(text="ops_per_s>=1", value=2, met=True, reason=None)]
            more = [("skipped", None, None), ("ok", None, False), ("ok", 5, False)]
            for status, value, met in more:
                points.append(dict(points[2], status=status, expect=[
                    dict(text="search.p99<=1ns", value=value, met=met, reason="few")]))
        suite = ElementTree.fromstring(self.export("junit", self.changed(change)).out)[0]
        self.assertEqual([suite.get(key) for key in ("tests", "errors", "failures", "skipped")],
                         ["6", "2", "2", "1"])
        self.assertEqual([[one.tag for one in case] for case in suite],
                         [["error"], ["failure"], [], ["skipped"], ["error"], ["failure"]])
        self.assertEqual(suite[5][0].get("message"), "not met: search.p99<=1ns")
        self.assertEqual(suite[0][0].get("message"), 'a worker <died> "& went"')

    def test_what_was_not_measured_is_empty(self):
        def change(result):
            for point in result["points"]:
                for value in point["summary"].values():
                    for figure in [value, *value.values()] if isinstance(value, dict) else []:
                        if isinstance(figure, dict) and "median" in figure:
                            figure.update(median=None, low=None, high=None)
                for trial in point["trials"]:
                    for ops in trial["latency"].values():
                        for latency in (ops or {}).values():
                            latency["p99_ns"] = latency["max_ns"] = None
        text = self.changed(change)
        rows = list(csv.DictReader(io.StringIO(self.export("csv", text).out, newline="")))
        self.assertGreater(len(rows), 9)
        for row in rows:
            self.assertEqual((row["p99_ns"], row["max_ns"]), ("", ""))
        self.assertEqual(json.loads(self.export("bmf", text).out), {})
        self.assertEqual(json.loads(self.export("custom-smaller", text).out), [])
        self.assertEqual(json.loads(self.export("custom-bigger", text).out), [])
        self.assertNotIn("shmbench_ops_per_second{", self.export("openmetrics", text).out)

    def test_histograms_that_cannot_be_read(self):
        place = "r.json: points[0].trials[3].latency.service.insert: key 'hdr': found "
        wrong = self.result["points"][0]["trials"][3]["latency"]["service"]["all"]["hdr"]
        for hdr, found in ((None, "no text"), ("HISTFAAAnonsense", "what is no HdrHistogram"),
                           (wrong, "")):
            def change(result, hdr=hdr):
                result["points"][0]["trials"][3]["latency"]["service"]["insert"]["hdr"] = hdr
            text = self.changed(change)
            for form in ("hlog", "hgrm", "openmetrics"):
                err = self.export(form, text, code=2)
                self.assertIn(place + found, err.err)
                self.assertEqual(err.out, "")
            self.export("csv", text)

    def test_refusals(self):
        names = self.export("xlsx", code=2).err.split("allowed:")[1].split()
        self.assertEqual(tuple(names), FORMATS)
        explained = self.bench("export", "--help").out
        for name in names:
            self.assertRegex(explained, r"(?m)^ {20}%s {2,}\S" % name)
        for text, what in (("", "is empty"), ("{", "cut off"), ("words", "not a JSON text"),
                           ('{"schema": "other/1"}', "found 'other/1', expected 'shmbench.result/1'"),
                           (self.text[:len(self.text) // 2], "cut off")):
            for form in FORMATS:
                err = self.export(form, text, code=2).err
                self.assertIn("r.json", err)
                self.assertIn(what, err)
        self.bench("export", "nowhere.json", "--to", "csv", code=2)
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
