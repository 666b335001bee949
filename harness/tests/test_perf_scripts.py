#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/perf: each gives its output, or says in one line what this machine lacks."""
import importlib.machinery
import importlib.util
import os
import re
import shutil
import subprocess
import sys
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


def load(name):
    """A script as a module."""
    sys.path.insert(0, FOLDER)
    path = os.path.join(FOLDER, name)
    loader = importlib.machinery.SourceFileLoader(name.partition(".")[0], path)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(loader.name, loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


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
        for name in ("stat", "trace"):
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

    def test_probes_of_one_strategy(self):
        """The copy that bpftrace gets has those, the program has all, and it runs."""
        probes = load("probes.py")
        copy = self.path("copy")
        try:
            left = probes.only("futex", {"acquire", "park"}, copy)
        except SystemExit:
            self.skipTest("a build without probes")
        self.assertGreater(left, 5)
        elves = []
        for path in (SHMBENCH, copy):
            with open(path, "rb") as f:
                elves.append(f.read())
        self.assertEqual(len(elves[0]), len(elves[1]))
        self.assertEqual(elves[1].count(b"shmht\0acquire\0") + elves[1].count(b"shmht\0park\0"),
                         left)
        self.assertEqual(elves[1].count(b"shmht\0release\0"), 0)
        self.assertGreater(elves[0].count(b"shmht\0acquire\0"), 5 * left)
        self.bench("--version", binary=copy)

    def test_fields_of_a_table(self):
        """What perf would list, of a table with two stripes mapped at 0x7f0000000000."""
        c2c = load("c2c")
        header = c2c.Header.__new__(c2c.Header)
        header.parts, header.stripes = (4096, 8192, 12288, 16384), 2
        base = 0x7f0000000000
        lines = ["shmbench 1 PERF_RECORD_MMAP2 1/1: [0x7f0000000000(0x10000) @ 0 00:01 1 2]: "
                 "rw-s /memfd:shmht (deleted)"]
        for offset, hit in ((8192, "HitM"), (8192 + 256 + 128, "HitM"), (8192 + 512, "HitM"),
                            (8192 + 512, "Hit"), (12288 + 8, "HitM"), (20000, "HitM"),
                            (4096 + 64, "HitM"), (-8, "HitM")):
            lines.append("%16x  |OP LOAD|LVL L3 hit|SNP %s|TLB L1 hit" % (base + offset, hit))
        self.assertEqual(dict(c2c.hitm_by_field("\n".join(lines), header)), {
            "stripe: lock": 1, "stripe: count": 1, "pool: lock": 1, "bucket: tags": 1, "cell": 1,
            "slot: lock_local": 1, "(not in the table)": 1})

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
