#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`shmbench plan --scale`: the map, the regrets and the law, over results with known figures."""
import copy
import json
import unittest

from cli_fixture import BRIEF, QUICK
from report_fixture import PageCase

# Of each lock: median at 1, 2, 4, 8, 16 processes under each of two loads.
RATES = {
    ("futex", "a"): (10, 8, 8, 8, 8), ("spin", "a"): (12, 16, 4, 2, 1),
    ("futex", "b"): (10, 10, 10, 10, 10), ("spin", "b"): (10.1, 20, 5, 5, 5),
}
PROCS = (1, 2, 4, 8, 16)


class Scale(PageCase):
    def result(self, rates, procs=PROCS, cpus=2, spread=0.02):
        one = self.run_json(QUICK, *BRIEF)
        point = one["points"][0]
        one["points"] = []
        one["host"]["cpus"] = cpus
        for (lock, load), row in rates.items():
            for nr, rate in zip(procs, row):
                new = copy.deepcopy(point)
                new["name"] = "%s/lock=%s/procs=%d" % (load, lock, nr)
                new["params"].update(lock=lock, procs=str(nr))
                new["trials"] = []
                for k in range(6):
                    trial = copy.deepcopy(point["trials"][0])
                    trial["ops_per_s"] = 1e6 * rate * (1 + spread * (k - 2.5) / 2.5)
                    new["trials"].append(trial)
                one["points"].append(new)
        self.write("sweep.json", json.dumps(one))

    def scale(self, *args, code=0):
        done = self.bench("plan", "sweep.json", "--scale", "--out", "out.json", *args, code=code)
        return done, self.load("out.json")

    def test_map_and_regret(self):
        self.result(RATES)
        done, plan = self.scale()
        self.assertEqual(plan["schema"], "shmbench.plan/1")
        cells = {(cell["load"], cell["procs"]): cell for cell in plan["map"]["cells"]}
        self.assertEqual(cells["a", 2]["best"], "spin")
        self.assertEqual(cells["a", 2]["no_difference"], [])
        self.assertEqual(cells["a", 4]["best"], "futex")
        self.assertEqual(cells["a", 4]["ops_per_s"], 8e6)
        # 1 % apart with 2 % of spread: no difference.
        self.assertEqual((cells["b", 1]["best"], cells["b", 1]["no_difference"]), ("spin", ["futex"]))
        regret = {one["choice"]: one for one in plan["map"]["regret"]}
        self.assertAlmostEqual(regret["futex"]["worst_loss"], 0.5)
        self.assertEqual(regret["futex"]["worst_procs"], 2)
        self.assertAlmostEqual(regret["spin"]["worst_loss"], 1 - 1 / 8)
        self.assertEqual((regret["spin"]["worst_procs"], regret["spin"]["worst_load"]), (16, "a"))
        # The geometric mean over ten cells.
        loss = 1.0
        for load in "ab":
            for k in range(5):
                loss *= RATES["futex", load][k] / max(RATES["futex", load][k], RATES["spin", load][k])
        self.assertAlmostEqual(regret["futex"]["mean_loss"], 1 - loss ** 0.1)
        self.assertEqual(regret["futex"]["best_in"], 7)
        self.assertIn("spin = futex", done.out)
        self.assertIn("regret", done.out)
        dom = self.check_plan("out.json", 40, "plan-map", "plan-regret", "plan-scale")
        self.assertTrue(dom is None or {"futex", "spin", "no difference"} <= set(dom.text))

    def test_scalability(self):
        law = [10 * n / (1 + 0.1 * (n - 1) + 0.01 * n * (n - 1)) for n in (1, 2, 4, 8, 16)]
        self.result({("futex", "a"): law}, cpus=16)
        done, plan = self.scale()
        below, above = plan["scalability"][0]["fits"]
        self.assertTrue(below["valid"])
        self.assertAlmostEqual(below["alpha"], 0.1, delta=0.01)
        self.assertAlmostEqual(below["beta"], 0.01, delta=0.001)
        self.assertLessEqual(below["alpha_low"], below["alpha"])
        self.assertAlmostEqual(below["peak"], (0.9 / 0.01) ** 0.5, delta=0.3)
        self.assertFalse(above["valid"])
        self.assertEqual(above["verdict"], "not fitted: 0 points, 3 coefficients")
        self.assertIsNone(above["alpha"])
        self.assertIn("up to 16 CPUs: valid", done.out)
        measured = [cell["ops_per_s"] for cell in plan["scalability"][0]["cells"]]
        for rate, cell in zip(law, measured):
            self.assertAlmostEqual(cell["median"], 1e6 * rate, delta=1)
            self.assertTrue(cell["low"] < cell["median"] < cell["high"])
        self.assertEqual(plan["host"]["cpus"], 16)
        dom = self.check_plan("out.json", 20, "plan-scale")
        self.assertTrue(dom is None or "up to the CPUs: valid" in dom.text)
        # The same on two CPUs: two regimes, and neither has enough.
        self.result({("futex", "a"): law}, cpus=2)
        done, plan = self.scale()
        self.assertEqual([fit["verdict"] for fit in plan["scalability"][0]["fits"]],
                         ["not fitted: %d points, 3 coefficients" % n for n in (2, 3)])
        self.assertIn("futex, a: not fitted: 2 up to 2 CPUs and 3 above, wanted 4", done.out)

    def test_a_cliff_is_no_law(self):
        self.result({("spin", "a"): (10, 19, 1, 1, 1)}, cpus=16)
        self.assertIn("not valid", self.scale()[0].out)
        # Measured: ticket on two CPUs. Without 3 processes no law with a positive lambda is left.
        self.result({("ticket", "a"): (18.6, .513, .567, .394, .353, .252, .195)}, cpus=1,
                    procs=(1, 3, 4, 6, 8, 12, 16))
        out = self.scale()[0].out
        self.assertIn("above 1 CPUs: not valid: without one of its points no law fits", out)
        self.assertNotIn("nan", out)

    def test_a_sweep_run_now(self):
        self.write("s.ini", QUICK + "lock = futex, spin\nprocs = 1, 2\nread = locked, seqlock\n"
                   "duration = 50ms\nwarmup = 10ms\ntrials = 2\n"
                   "[open]\ncapacity = 1000\nrate = 10k\nduration = 50ms\nwarmup = 10ms\ntrials = 1\n")
        done = self.bench("plan", "s.ini", "--scale", "--out", "out.json")
        plan = self.load("out.json")
        choices = {one["choice"] for one in plan["map"]["regret"]}
        self.assertEqual(choices, {"futex read=locked", "futex read=seqlock", "spin read=locked",
                                   "spin read=seqlock"})
        self.assertEqual({(cell["load"], cell["procs"]) for cell in plan["map"]["cells"]},
                         {("a", 1), ("a", 2)})
        self.assertIn("1 points left out", done.err)

    def test_mistakes(self):
        self.assertIn("different questions", self.bench("plan", "x.ini", "--scale", "--memory", code=2).err)
        self.assertIn("cannot be opened", self.bench("plan", "no.json", "--scale", code=2).err)
        self.write("bad.json", "{")
        self.bench("plan", "bad.json", "--scale", code=2)
        self.result({("futex", "a"): (1,)})
        self.assertIn("nothing can be set", self.bench("plan", "sweep.json", "--scale", "--set", "procs=1",
                                                       code=2).err)
        self.result({})
        self.assertIn("no closed-loop point", self.bench("plan", "sweep.json", "--scale", code=3).err)


if __name__ == "__main__":
    unittest.main()
