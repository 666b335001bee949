#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plans in `shmbench report`: beside results, hostile, and not what they should be."""
import copy
import json
import unittest

from cli_fixture import BRIEF, QUICK
from report_fixture import HOSTILE, PageCase, data_of, needs_browser


def row(lock, load, breaks, answer="found"):
    looks = [{"load": x, "seconds": 0.6, "verdict": "meets" if x <= load else "breaks", "claim": x == load,
              "superseded": False, "value_ns": [round(2000 + 3e7 * (x / 1e6) ** 4)]}
             for x in (5e5, load, breaks)]
    return {"name": "a/lock=%s" % lock, "params": {"lock": lock, "procs": "2"}, "load_is": "ops_per_s",
            "answer": answer, "load": load, "breaks_at": breaks, "ceiling": 2e6, "observed_s": 12.5,
            "needs_s": None, "disorder": False, "looks": looks,
            "claims": [{"slo": "search.p99<=20us", "bound_ns": 20000, "value_ns": 14000,
                        "share_over": 0.004, "upper": 0.009, "variance_inflation": 1.2,
                        "samples": 10**6, "blocks": 90, "breaks_ns": 31000}]}


PLAN = {"schema": "shmbench.plan/1", "scenario": {"path": "a.ini", "sha256": "0" * 64, "text": "[a]\n"},
        "host": {"cpus": 2}, "started": "2026-01-01T00:00:00.000Z",
        "rows": [row("futex", 7e5, 7.2e5), row("spin", 9e5, 9.3e5)]}


class Plans(PageCase):
    def put(self, name, plan):
        return self.write(name, json.dumps(plan))

    def test_refusals(self):
        for change, found in (({"scenario": 3}, "key 'scenario'"), ({"rows": None}, "has no answers"),
                              ({"rows": "x"}, "has no answers"), ({"schema": "shmbench.plan/2"}, "schema")):
            done = self.bench("report", self.put("p.json", dict(PLAN, **change)), "-o", "x.html", code=2)
            self.assertIn(found, done.err)

    def test_what_is_on_the_page_is_the_file(self):
        plan = data_of(self.page_of(self.put("p.json", PLAN)))["plans"][0]
        self.assertEqual(plan.pop("file"), "p.json")
        self.assertEqual(dict(plan, schema=PLAN["schema"]), PLAN)

    @needs_browser
    def test_promise(self):
        dom = self.check_plan(self.put("p.json", PLAN), 30, "plan-load", "plan-looks")
        if "svg" not in dom.tags:
            self.skipTest("built without libjs-d3: tables only")
        self.assertIn("carries 700k/s", dom.notes["said"])
        # An answer and what broke, of each; three looks of each.
        self.assertEqual(dom.notes["lines"], 2 * 2 + 2 * 3)

    @needs_browser
    def test_beside_a_result(self):
        self.write("s.ini", QUICK + "lock = futex, spin\n")
        self.bench("run", "s.ini", "--out", "r.json", *BRIEF)
        page = self.page_of(self.put("p.json", PLAN), "r.json", self.put("q.json", PLAN))
        data = data_of(page)
        self.assertEqual((len(data["results"]), len(data["plans"]), data["comparisons"]), (1, 2, []))
        dom = self.browse(page)
        self.check_figures(page, dom, 80)
        for section in "throughput", "plan-load":
            self.assertIn(section, dom.ids)
        for label in "A: r.json", "B: p.json", "C: q.json", "C: spin":
            self.assertIn(label, dom.text)

    @needs_browser
    def test_hostile_and_nonsense(self):
        hostile = copy.deepcopy(PLAN)
        for one in hostile["rows"]:
            one.update(name="a/lock=" + HOSTILE, answer=HOSTILE)
            one["params"]["lock"] = one["claims"][0]["slo"] = HOSTILE
        hostile["scenario"]["text"] = hostile["scenario"]["path"] = HOSTILE
        dom = self.browse(self.page_of(self.put("p.json", hostile)), width=500)
        self.assertEqual(dom.notes["wide"], 0)
        self.assertNotIn("injected", dom.ids)
        self.assertNotIn("b", dom.tags)
        plan = copy.deepcopy(PLAN)
        one = plan["rows"][0]
        one.update(looks=[None, 3, {"load": -1, "value_ns": 7}, {"load": 1, "value_ns": [0, "x"]}],
                   load="much", breaks_at=0, claims=[[], None])
        plan["rows"] += [None, 7, {}, {"name": 3, "params": [], "claims": {}}, dict(one, load=0)]
        plan["map"] = {"cells": [None, {"load": 3, "procs": "x", "best": 7, "no_difference": [1, None]}],
                       "regret": [{"choice": "__proto__", "worst_loss": "all"}, {"choice": []}]}
        plan["scalability"] = [{"choice": "x", "cells": [{"procs": 0}, 3], "fits": [{"valid": True}, None, 4]},
                               {"choice": "y", "fits": [{"valid": True, "lambda": 1, "alpha": 0, "beta": 0}],
                                "cells": [{"procs": n, "ops_per_s": {"median": n, "low": "x"}} for n in (1, 2)]}]
        plan["projection"] = {"host_ns": [1, "x"], "rows": [
            {"ranges": [{"cpus": -1}, {"cpus": 2, "low": 3, "high": 1}, {"cpus": 4, "low": 1, "high": 2,
                                                                         "extrapolated": 1}],
             "checks": [{"procs": 1}, None], "not_projected": {}}]}
        plan["memory"] = [{"total_bytes": -1}, {"total_bytes": 1e300, "limit_bytes": "x"}]
        self.browse(self.page_of(self.put("n.json", plan)))
        for wrong in ({"map": [1]}, {"projection": []}, {"memory": {}}, {"rows": {"a": 1}}, {"host": 3, "tool": []}):
            self.browse(self.page_of(self.put("n.json", dict(PLAN, **wrong))))


if __name__ == "__main__":
    unittest.main()
