#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/perf: each gives its output, or says in one line what this machine lacks."""
import os
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from cli_fixture import ROOT, SHMBENCH, Case, alive_in

FOLDER = os.path.join(ROOT, "scripts/perf")
SCENARIO = """; Two short points.
[p]
lock = futex, spin
procs = 2
capacity = 1k
duration = 150ms
warmup = 20ms
trials = 1
"""


def programs():
    return sorted(name for name in os.listdir(FOLDER)
                  if os.access(os.path.join(FOLDER, name), os.X_OK) and
                  os.path.isfile(os.path.join(FOLDER, name)))


class Scripts(Case):
    def setUp(self):
        super().setUp()
        self.write("p.ini", SCENARIO)

    def script(self, name, *args, **env):
        process = subprocess.Popen(
            [os.path.join(FOLDER, name), *args], cwd=self.dir, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
            env=dict(os.environ, SHMBENCH=SHMBENCH, **env))
        try:
            out, err = process.communicate(timeout=120)
        finally:
            left = alive_in(process.pid)
            for pid in left:
                os.kill(pid, 9)
        self.assertEqual(left, [], "processes were left behind")
        return process.returncode, out, err

    def needs(self, code, err):
        """Skips when all that was said is what is missing."""
        if code == 3 and re.match(r"\w+: this machine lacks [^\n]+\n$", err):
            self.skipTest(err.strip())

    def args_of(self, name):
        return ("hold-time",) if name == "trace" else ()

    def test_every_script_says_what_is_missing(self):
        """On a machine with python3 and nothing else."""
        os.mkdir(self.path("bin"))
        os.symlink(shutil.which("python3", path="/usr/bin"), self.path("bin/python3"))
        self.assertGreater(len(programs()), 1)
        for name in programs():
            with self.subTest(script=name):
                code, out, err = self.script(name, *self.args_of(name), "p.ini",
                                             PATH=self.path("bin"))
                self.assertEqual(code, 3, err)
                self.assertRegex(err, r"^%s: this machine lacks [^\n]+\n$" % name)
                self.assertEqual(out, "")

    def test_every_script_runs_or_says_why_not(self):
        for name in set(programs()) - {"stat", "flamegraph"}:  # below
            with self.subTest(script=name):
                code, out, err = self.script(name, *self.args_of(name), "p.ini", "--filter",
                                             "futex")
                self.assertIn(code, (0, 3), err)
                if code == 3:
                    self.assertRegex(err, r"^%s: this machine lacks [^\n]+\n$" % name)
                else:
                    self.assertIn("p/lock=futex", out)

    def test_every_script_has_help_and_refuses_the_rest(self):
        for name in programs():
            with self.subTest(script=name):
                code, out, _ = self.script(name, "--help")
                self.assertEqual(code, 0)
                self.assertIn("SCENARIO", out)
                self.assertEqual(self.script(name, "--nope")[0], 2)

    def test_stat_counts_the_window_alone(self):
        code, out, err = self.script("stat", "p.ini", "--set", "procs=1", "--set",
                                     "warmup=1s", "--filter", "spin")
        self.needs(code, err)
        self.assertEqual(code, 0, err)
        row = re.search(r"(?m)^p/lock=spin +(\d+) +([\d.e+]+) ", out)
        self.assertTrue(row, out)
        # One worker of 150 ms; with warm-up it would be more than a second.
        self.assertLess(int(row.group(1)) * float(row.group(2)), 800e6, out)
        self.assertGreater(int(row.group(1)) * float(row.group(2)), 10e6, out)

    def test_counts_add_up(self):
        code, out, err = self.script("flamegraph", "p.ini", "-o", "graphs", "--filter", "spin")
        self.needs(code, err)
        self.assertEqual(code, 0, err)
        said = int(re.search(r"p/lock=spin: (\d+) samples of [\w-]+, \d+ stacks", out).group(1))
        with open(self.path("graphs/p_lock=spin.folded"), encoding="utf-8") as f:
            lines = f.read().splitlines()
        total = sum(int(line.rpartition(" ")[2]) for line in lines)
        self.assertEqual(total, said)
        # Two workers, 999 times in each of their seconds: some are on a CPU.
        self.assertGreater(total, 20)
        self.assertTrue(any("worker_run" in line for line in lines), lines)
        self.assertEqual(len(lines), len({line.rpartition(" ")[0] for line in lines}))
        # The picture has the same: the root all of them, and no frame more than its caller.
        with open(self.path("graphs/p_lock=spin.svg"), encoding="utf-8") as f:
            picture = f.read()
        root = ElementTree.fromstring(picture)
        titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
        self.assertIn("p/lock=spin: %d samples, 100.00 %%" % total, titles)
        self.assertNotIn("http", picture.replace("http://www.w3.org/2000/svg", ""))

    def test_perf_that_does_not_answer(self):
        for variable, words in (("nothing", "Invalid argument"),
                                ("/nowhere/a,/nowhere/b", "No such file")):
            code = subprocess.run(
                [SHMBENCH, "run", "p.ini", "--filter", "spin", "--out", "r.json"], cwd=self.dir,
                env=dict(os.environ, SHMBENCH_PERF_CONTROL=variable), capture_output=True,
                timeout=60).returncode
            self.assertEqual(code, 3)
            self.assertIn(words, self.load("r.json")["points"][0]["reason"])


if __name__ == "__main__":
    unittest.main()
