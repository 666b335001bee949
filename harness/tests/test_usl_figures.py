#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The scalability law's fit against scipy.optimize.curve_fit."""
import os
import random
import subprocess
import unittest

from cli_fixture import ROOT

try:
    import numpy
    from scipy.optimize import curve_fit
except ImportError:
    curve_fit = None

FIGURES = os.path.join(ROOT, "build", os.environ.get("SHMBENCH_VARIANT", "release"), "tests/usl_figures")


def law(n, rate, alpha, beta):
    return rate * n / (1 + alpha * (n - 1) + beta * n * (n - 1))


@unittest.skipUnless(curve_fit, "no SciPy here (apt-get install python3-scipy)")
class Usl(unittest.TestCase):
    def test_against_curve_fit(self):
        noise = random.Random(3)
        cases = []
        for _ in range(60):
            levels = noise.sample(range(1, 65), noise.randint(4, 9))
            truth = (10 ** noise.uniform(4, 8), noise.uniform(0, 0.6), 10 ** noise.uniform(-5, -1))
            cases.append([(float(n), law(n, *truth) * noise.lognormvariate(0, 0.05))
                          for n in levels for _ in range(6)])
        lines = "".join(" ".join("%r %r" % pair for pair in case) + "\n" for case in cases)
        out = subprocess.run([FIGURES], input=lines, capture_output=True, text=True, timeout=60,
                             check=True).stdout.splitlines()
        self.assertEqual(len(out), len(cases))
        refused = 0
        for case, line_out in zip(cases, out):
            n, x = [pair[0] for pair in case], [pair[1] for pair in case]

            # In the form that is well conditioned, as ours is: n over a line.
            def line(n, a, b, c):
                return [k / (a + b * (k - 1) + c * k * (k - 1)) * 1e6 for k in n]

            def slope(n, a, b, c):
                return numpy.array([[-v * v / k / 1e6 * term for term in (1, k - 1, k * (k - 1))]
                                    for k, v in zip(n, line(n, a, b, c))])

            def errors(usl):
                return sum((law(a, *usl) / b - 1) ** 2 for a, b in case)
            y = [1e6 * a / b for a, b in case]
            start = numpy.linalg.lstsq([[1 / v, (k - 1) / v, k * (k - 1) / v] for k, v in zip(n, y)],
                                       numpy.ones(len(n)), rcond=None)[0]
            (a, b, c), _ = curve_fit(line, n, x, p0=start, sigma=x, jac=slope, method="lm", xtol=1e-15,
                                     ftol=1e-15, gtol=1e-15, maxfev=100000)
            if a <= 0:
                refused += 1
                self.assertEqual(line_out, "error -33")
                continue
            ours = [float(word) for word in line_out.split()]
            theirs = (1e6 / a, b / a, c / a)
            self.assertLessEqual(errors(ours), errors(theirs) * (1 + 1e-9))
            # Where 1 / lambda is next to nothing, its reciprocal is anything.
            for our, their in zip((1e6 / ours[0], 1e6 * ours[1] / ours[0], 1e6 * ours[2] / ours[0]), (a, b, c)):
                self.assertAlmostEqual(our, their, delta=1e-5 * max(abs(a), abs(b), abs(c)))
        self.assertLess(refused, 12, "too many of the cases are none")


if __name__ == "__main__":
    unittest.main()
