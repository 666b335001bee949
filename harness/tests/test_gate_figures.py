# SPDX-License-Identifier: MIT
"""The gate's statistics against SciPy's, on drawn data, to 1e-6."""
import os
import random
import subprocess
import unittest

try:
    import numpy
    from scipy import stats
except ImportError:
    stats = None

from cli_fixture import SHMBENCH

FIGURES = os.path.join(os.path.dirname(SHMBENCH), "tests", "gate_figures")


def figures(lines):
    done = subprocess.run([FIGURES], input="\n".join(lines) + "\n", capture_output=True, text=True,
                          check=True, timeout=60)
    return [[float(word) for word in line.split()] for line in done.stdout.splitlines()]


def words(values):
    return " ".join(repr(float(value)) for value in values)


@unittest.skipIf(stats is None, "python3-scipy is not installed (scripts/setup ci)")
class AgainstScipy(unittest.TestCase):
    def setUp(self):
        self.rng = random.Random(6)

    def sample(self, n, shift=0.0):
        return [self.rng.lognormvariate(0, 0.4) - 1 + shift for _ in range(n)]

    def near(self, got, wanted):
        self.assertLess(abs(got - wanted), 1e-6)

    def test_signed_rank(self):
        for n in list(range(1, 30)) + [49]:
            x = self.sample(n, 0.1)
            wanted = stats.wilcoxon(x, alternative="greater", mode="exact")
            self.near(figures(["tail %d %d" % (n, wanted.statistic)])[0][0], wanted.pvalue)

    def test_signed_rank_is_the_permutation_test_over_signs(self):
        def positive_ranks(values):
            ranks = stats.rankdata([abs(value) for value in values])
            return sum(rank for rank, value in zip(ranks, values) if value > 0)

        for n in range(3, 12):
            x = self.sample(n, 0.2)
            wanted = stats.permutation_test((x,), positive_ranks, permutation_type="samples",
                                            alternative="greater", n_resamples=10**6)
            self.near(figures(["tail %d %d" % (n, wanted.statistic)])[0][0], wanted.pvalue)

    def test_bounds_are_what_the_test_does_not_reject(self):
        for n in (5, 8, 13, 30, 49):
            for level in (0.05, 0.01, 0.002):
                x = self.sample(n)
                _, low, high = figures(["bounds %r %s" % (level, words(x))])[0]
                for bound, side in ((low, "greater"), (high, "less")):
                    if abs(bound) == float("inf"):
                        self.assertGreater(2.0 ** -n, level)
                        continue
                    out, inside = (1e-9, -1e-9) if side == "less" else (-1e-9, 1e-9)

                    def p(at):
                        return stats.wilcoxon([value - at for value in x], alternative=side,
                                              mode="exact").pvalue
                    self.assertLessEqual(p(bound + out), level)
                    self.assertGreater(p(bound + inside), level)

    def test_many_rounds_by_approximation(self):
        x = self.sample(400, 0.02)
        wanted = stats.wilcoxon(x, alternative="greater", mode="approx", correction=True)
        self.near(figures(["tail 400 %d" % wanted.statistic])[0][0], wanted.pvalue)

    def test_mann_whitney(self):
        for na, nb in ((6, 6), (6, 9), (12, 12)):
            for level in (0.05, 0.01, 0.0025):
                a = [self.rng.lognormvariate(0, 0.3) for _ in range(na)]
                b = [self.rng.lognormvariate(0.1, 0.3) for _ in range(nb)]
                _, low, high, coverage = figures(
                    ["ratio %d %r %s %s" % (na, level, words(a), words(b))])[0]

                def p(scale, side):
                    return stats.mannwhitneyu([value / scale for value in b], a,
                                              alternative=side, method="exact").pvalue
                self.assertLessEqual(p(low * (1 - 1e-9), "greater"), level)
                self.assertGreater(p(low * (1 + 1e-9), "greater"), level)
                self.assertLessEqual(p(high * (1 + 1e-9), "less"), level)
                self.assertGreater(p(high * (1 - 1e-9), "less"), level)
                self.near(1 - coverage, 2 * p(low * (1 - 1e-9), "greater"))

    def test_binomial(self):
        for k, n in ((0, 10), (1, 300), (4, 1000), (27, 30), (30, 30)):
            wanted = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
            got = figures(["binomial %d %d 0.025" % (k, n)])[0]
            self.near(got[0], wanted.low)
            self.near(got[1], wanted.high)

    def test_holm(self):
        """SciPy has the p values, and Holm's adjustment of them is three lines."""
        n, differ = 12, 0
        for _ in range(60):
            rows = [self.sample(n, self.rng.choice((0.0, 0.2, 0.35))) for _ in range(6)]
            p = numpy.array([stats.wilcoxon(row, alternative="greater", mode="exact").pvalue
                             for row in rows])
            order = numpy.argsort(p)
            adjusted = numpy.empty(len(p))
            adjusted[order] = numpy.maximum.accumulate(p[order] * numpy.arange(len(p), 0, -1))
            level = self.rng.choice((0.01, 0.03, 0.05))
            got = figures(["holm %r %d %s" % (level, n, " ".join(map(words, rows)))])[0]
            self.assertEqual(got, [float(value <= level) for value in adjusted], adjusted)
            differ += int((adjusted <= level).sum() != (p * len(p) <= level).sum())
        self.assertGreater(differ, 0)  # from Bonferroni's: the steps were taken

    def test_bounds_like_the_bootstrap(self):
        """Two answers to one question: they agree to a part of the interval's width."""
        def estimate(values, axis):
            i, j = numpy.triu_indices(values.shape[axis])
            return numpy.median((values[..., i] + values[..., j]) / 2, axis=axis)

        for n in (25, 40):
            x = numpy.array(self.sample(n))
            wanted = stats.bootstrap((x,), estimate, confidence_level=0.9, method="percentile",
                                     n_resamples=4000, batch=200,
                                     random_state=1).confidence_interval
            _, low, high = figures(["bounds 0.05 %s" % words(x)])[0]
            width = wanted.high - wanted.low
            self.assertLess(abs(low - wanted.low), 0.25 * width)
            self.assertLess(abs(high - wanted.high), 0.25 * width)

    def test_smallest_found_by_numpy(self):
        """The same gates drawn by NumPy, bounds by sorting: one law, two random streams."""
        rng, pool = numpy.random.default_rng(2), numpy.array(self.sample(200))
        pool = 0.1 * (pool - pool.mean())
        ignore, detect, level, planned = numpy.log(1.02), numpy.log(1.05), 0.01, 40
        looks = []
        for look in range(1, 5):
            n = -(-planned * look // 4)
            spend = level * ((look / 4) ** 3 - ((look - 1) / 4) ** 3) / 2
            # Below the statistic's critical value lies at most this share of the law.
            law = numpy.ones(1)
            for rank in range(1, n + 1):
                longer = numpy.zeros(len(law) + rank)
                longer[:len(law)] += law / 2
                longer[rank:] += law / 2
                law = longer
            looks.append((n, int((numpy.cumsum(law) <= spend).sum()), numpy.triu_indices(n)))
        shifts = []
        for _ in range(1500):
            rounds = rng.choice(pool, planned) * rng.choice((-1, 1), planned)
            found, passes = numpy.inf, -numpy.inf
            for n, critical, (i, j) in looks:
                walsh = numpy.sort((rounds[i] + rounds[j]) / 2)
                low, high = ((walsh[critical - 1], walsh[-critical]) if critical else
                             (-numpy.inf, numpy.inf))
                found = min(found, max(ignore - low, passes))
                passes = max(passes, detect - high)
            shifts.append(found)
        wanted = numpy.quantile(shifts, 0.9)
        got = figures(["smallest %r %r %r %d 2 5 %s" % (ignore, detect, level, planned,
                                                         words(pool))])[0][0]
        self.assertLess(abs(got - wanted), 0.08 * (wanted - ignore) + 0.001, (got, wanted))

    def test_verdicts_of_whole_gates(self):
        clear, none = [0.2 + 0.001 * k for k in range(20)], [(-1)**k * 0.001 for k in range(20)]
        for rows, wanted in (((clear, none), [2, 1]), ((none, clear), [1, 2]),
                             (([-value for value in clear], none), [3, 1]),
                             (([-0.3, 0.4] * 10, none), [0, 1])):
            said = figures(["verdicts 0.02 0.05 0.01 20 2 " + " ".join(map(words, rows))])
            self.assertEqual(said, [wanted])

    def test_normal(self):
        for p in (1e-9, 0.0003, 0.01, 0.5, 0.9, 0.999):
            self.near(figures(["normal %r" % p])[0][0], stats.norm.ppf(p))


if __name__ == "__main__":
    unittest.main()
