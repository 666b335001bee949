#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""shmbench merge: sums that are exact, hosts that stay apart, refusals that say why."""
import copy
import csv
import io
import json
import unittest

from cli_fixture import BRIEF, QUICK, Case
from hdr_reader import bucket, decode_v2

TEXT = QUICK + "lock = futex, spin\n[b]\ncapacity = 1000\nrate = 20k\nexpect = search.p50<=10s\n"


def each(trials):
    """(clock, op, H) of every trial, its waits as (wait, -, H)"""
    for trial in trials:
        for clock, ops in trial["latency"].items():
            for op, latency in (ops or {}).items():
                yield clock, op, latency
        yield "wait", "-", trial["wait"]


def sums(trials):
    """{(clock, op): [counts per bucket, samples, min, max]} of what the files hold"""
    found = {}
    for clock, op, latency in each(trials):
        one = found.setdefault((clock, op), [{}, 0, None, None])
        if not latency["count"]:
            continue
        for value, count in decode_v2(latency["hdr"]).items():
            one[0][bucket(value)] = one[0].get(bucket(value), 0) + count
        one[1] += latency["count"]
        one[2] = min(latency["min_ns"], one[2] if one[2] is not None else latency["min_ns"])
        one[3] = max(latency["max_sampled_ns"], one[3] or 0)
    return found


class Merge(Case):
    @classmethod
    def setUpClass(cls):
        case = cls("nothing")
        cls.runs = []
        case.setUp()
        try:
            case.write("s.ini", TEXT)
            for seed in range(3):
                case.bench("run", "s.ini", "--out", "r.json", *BRIEF, "--set", "trials=2",
                           "--set", "seed=%d" % (seed + 1))
                cls.runs.append(case.load("r.json"))
        finally:
            case.doCleanups()

    def nothing(self):
        pass

    def setUp(self):
        super().setUp()
        self.runs = copy.deepcopy(type(self).runs)

    def files(self):
        names = ["%s.json" % letter for letter in "abc"]
        for name, run in zip(names, self.runs):
            self.write(name, json.dumps(run))
        return names

    def merge(self, *args, code=0):
        if not args:
            args = self.files()
        else:
            self.files()
        done = self.bench("merge", *args, "--out", "m.json", code=code)
        return done if code else self.load("m.json")

    def refused(self, *words, args=("a.json", "b.json")):
        err = self.merge(*args, code=2).err
        for word in words:
            self.assertIn(word, err)

    def same_sums(self, point, trials):
        merged = dict(latency=point["merged"]["latency"], wait=point["merged"]["wait"])
        wanted, found = sums(trials), sums([merged])
        self.assertEqual(set(wanted), set(found))
        self.assertGreater(max(one[1] for one in wanted.values()), 100)
        for key, one in wanted.items():
            self.assertEqual(found[key], one, key)

    def test_one_host(self):
        merged = self.merge()
        self.assertEqual([point["name"] for point in merged["points"]],
                         [point["name"] for point in self.runs[0]["points"]])
        for i, point in enumerate(merged["points"]):
            parts = [trial for run in self.runs for trial in run["points"][i]["trials"]]
            self.same_sums(point, parts)
            self.assertEqual([trial["ops"] for trial in point["trials"]],
                             [trial["ops"] for trial in parts])
            self.assertEqual([trial["trial"] for trial in point["trials"]], list(range(6)))
            self.assertEqual([(trial["from"]["run"], trial["from"]["trial"])
                              for trial in point["trials"]],
                             [(run, k) for run in range(3) for k in range(2)])
            rate = point["summary"]["ops_per_s"]
            values = sorted(trial["ops_per_s"] for trial in parts)
            self.assertEqual((rate["n"], rate["low"], rate["high"]), (6, values[0], values[-1]))
        expect = merged["points"][2]["expect"]
        self.assertEqual([(one["text"], one["met"]) for one in expect],
                         [("search.p50<=10s", True)])
        for key in ("schema", "status", "host", "scenario"):
            self.assertEqual(merged[key], self.runs[0][key])
        self.assertEqual([run["file"] for run in merged["merged_from"]],
                         ["a.json", "b.json", "c.json"])

    def test_hosts_stay_apart(self):
        names = self.files()
        merged = self.merge("--host", "alpha", names[0], names[1], "--host", "beta", names[2])
        points = {point["name"]: point for point in merged["points"]}
        for i, point in enumerate(self.runs[0]["points"]):
            trials = [run["points"][i]["trials"] for run in self.runs]
            rows = [points.pop(point["name"] + "/host=" + host) for host in ("alpha", "beta", "all")]
            self.same_sums(rows[0], trials[0] + trials[1])
            self.same_sums(rows[1], trials[2])
            self.same_sums(rows[2], sum(trials, []))
            self.assertEqual([row["params"]["host"] for row in rows], ["alpha", "beta", "all"])
            self.assertEqual([len(row["trials"]) for row in rows], [4, 2, 1])
            total = rows[2]["trials"][0]
            self.assertEqual(total["latency"], rows[2]["merged"]["latency"])
            self.assertEqual(total["ops"], sum(trial["ops"] for part in trials for trial in part))
            self.assertAlmostEqual(rows[2]["summary"]["ops_per_s"]["median"] * total["seconds"] /
                                   total["ops"], 1, places=9)
        self.assertEqual(points, {})
        self.assertEqual([host["name"] for host in merged["hosts"]], ["alpha", "beta"])
        table = self.bench("show", "m.json").out
        for text in ("lock=spin/host=alpha", "host=all", "host alpha: ", "host beta: "):
            self.assertIn(text, table)

    def count_calls(self, run, calls, ops):
        """As if system calls had been counted in this run, on a machine that lets us."""
        for point in self.runs[run]["points"]:
            point["kernel_trials"] = [dict(trial=0, status="ok", ops=ops,
                                           kernel=dict(syscalls_per_op=calls / ops))]

    def test_system_calls(self):
        for run in range(3):
            for point in self.runs[run]["points"]:
                point["kernel_trials"] = []
        self.count_calls(0, 100, 100)
        self.count_calls(1, 900, 300)
        names = self.files()
        merged = self.merge()
        for point in merged["points"]:
            self.assertEqual(point["summary"]["kernel_per_op"], 2.5)
            self.assertEqual([(one["trial"], one["from"]["run"])
                              for one in point["kernel_trials"]], [(0, 0), (1, 1)])
            self.assertEqual(point["summary"]["ops_per_s"]["n"], 6)
        merged = self.merge("--host", "x", names[0], names[1], "--host", "y", names[2])
        by_host = {point["params"]["host"]: point["summary"]["kernel_per_op"]
                   for point in merged["points"]}
        # What x counted is no figure of both.
        self.assertEqual(by_host, {"x": 2.5, "y": None, "all": None})
        self.runs[2]["points"][0]["kernel_trials"] = [7, "what"]
        self.assertEqual(self.merge()["points"][0]["summary"]["kernel_per_op"], 2.5)

    def test_hosts_by_fingerprint(self):
        self.runs[1]["host"].update(fingerprint="00000000cafe0000", cpu="Another CPU")
        merged = self.merge("a.json", "b.json")
        here = self.runs[0]["host"]["fingerprint"]
        self.assertEqual([point["params"]["host"] for point in merged["points"][:3]],
                         [here, "00000000cafe0000", "all"])
        self.assertEqual((merged["host"]["cpu"], merged["host"]["fingerprint"]), (None, None))
        self.assertEqual(merged["host"]["kernel"], self.runs[0]["host"]["kernel"])

    def test_others_read_it(self):
        self.merge("--host", "x", "a.json", "--host", "y", "b.json", "c.json")
        self.bench("compare", "m.json", "m.json")
        for form in ("google-benchmark", "hlog", "hgrm", "openmetrics", "csv", "junit", "bmf",
                     "custom-smaller", "custom-bigger"):
            self.assertIn("host=all", self.bench("export", "m.json", "--to", form).out)
        rows = list(csv.DictReader(io.StringIO(self.bench("export", "m.json", "--to", "csv").out)))
        self.assertEqual({row["host"] for row in rows}, {"x", "y", "all"})

    def test_the_worst_is_not_hidden(self):
        self.runs[1]["status"] = "partial"
        self.runs[1]["points"][0].update(status="not_measured", reason="a worker died")
        self.runs[1]["points"][0]["trials"][1].update(
            status="not_measured", latency=None, wait=None, ops=None, ops_per_s=None, seconds=None)
        del self.runs[1]["points"][2]
        merged = self.merge("a.json", "b.json")
        self.assertEqual(merged["status"], "partial")
        self.assertEqual([(point["status"], point["reason"]) for point in merged["points"]],
                         [("not_measured", "b.json: a worker died"), ("ok", None), ("ok", None)])
        self.assertEqual([len(point["trials"]) for point in merged["points"]], [4, 4, 2])
        self.assertEqual([point["summary"]["ops_per_s"]["n"] for point in merged["points"]],
                         [3, 4, 2])

    def test_other_builds_and_layouts(self):
        for key in ("layout_hash", "version", "commit", "compiler", "cflags"):
            was, self.runs[1]["tool"][key] = self.runs[1]["tool"][key], "other"
            self.refused("b.json: tool.%s: found 'other', expected '%s" % (key, was[:20]), "a.json")
            self.runs[1]["tool"][key] = was
        self.runs[1]["tool"]["compiler"] = "other"  # hosts may have compilers of their own
        self.merge("--host", "x", "a.json", "--host", "y", "b.json")
        self.runs[1]["tool"]["layout_hash"] = "other"
        self.refused("layout_hash", args=("--host", "x", "a.json", "--host", "y", "b.json"))

    def test_other_questions(self):
        was, self.runs[1]["points"][1]["params"]["capacity"] = \
            self.runs[1]["points"][1]["params"]["capacity"], "5"
        self.refused("b.json: point a/lock=spin: capacity: found '5', "
                     "expected '%s' as in a.json" % was)
        self.runs[1]["points"][1]["params"]["capacity"] = was
        self.runs[1]["points"][1]["params"]["new"] = "1"
        self.refused("a/lock=spin: new: found none, expected '1'")

    def test_what_is_no_run(self):
        self.refused("the same run twice", "a.json", args=("a.json", "a.json"))
        self.merge("a.json", "b.json")
        self.write("merged.json", json.dumps(self.load("m.json")))
        self.refused("merged.json: key 'merged_from'", args=("a.json", "merged.json"))
        self.runs[1]["host"]["fingerprint"] = "other"
        self.refused("host.fingerprint: found 'other'",
                     args=("--host", "x", "a.json", "b.json"))
        self.runs[1]["host"]["fingerprint"] = None
        self.refused("b.json: key 'host.fingerprint': found none", "--host")
        self.runs[0]["points"].append(self.runs[0]["points"][0])
        self.refused("a.json: points[3]: found the name 'a/lock=futex' again")

    def test_histograms_that_cannot_be_read(self):
        place = self.runs[1]["points"][1]["trials"][0]["latency"]["service"]["insert"]
        count, where = place["count"], "b.json: points[1].trials[0].latency.service.insert: key 'hdr'"
        place["hdr"] = None
        self.refused(where + ": found no text, expected the histogram of %d samples" % count)
        place["hdr"] = "HISTFAAAnonsense"
        self.refused(where + ": found what is no HdrHistogram V2 text")
        place["hdr"] = self.runs[0]["points"][1]["trials"][0]["latency"]["service"]["all"]["hdr"]
        self.refused(where + ": found ", "samples, expected the histogram of %d" % count)

    def test_files_that_are_no_results(self):
        whole = json.dumps(self.runs[0])
        for text, word in (("", "is empty"), (whole[:len(whole) // 2], "cut off"),
                           ("{}", "'schema'"), ('{"schema": "shmbench.result/2"}', "result/2"),
                           (whole.replace('"points"', '"dots"'), "'points'")):
            self.write("bad.json", text)
            self.refused("bad.json", word, args=("a.json", "bad.json"))
        self.refused("nowhere.json", args=("a.json", "nowhere.json"))

    def test_usage(self):
        self.files()
        self.assertIn("--out", self.bench("merge", "a.json", code=2).err)
        self.assertIn("RESULT.json", self.bench("merge", "--out", "m.json", code=2).err)
        for name in ("all", "a b", "", "a/b"):
            self.refused("--host: found '%s'" % name, args=("--host", name, "a.json"))
        self.bench("merge", "a.json", "--out", "no/such/m.json", code=2)
        self.bench("merge", "a.json", "--what", "--out", "m.json", code=2)


if __name__ == "__main__":
    unittest.main()
