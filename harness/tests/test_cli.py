#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The command line from outside: commands, options, outputs, exit codes."""
import fcntl
import glob
import json
import os
import pty
import re
import signal
import termios
import time
import unittest

from cli_fixture import BRIEF, QUICK, ROOT, SHMBENCH, Case, children_of, wait_for

COMMANDS = ("run", "list", "show", "compare", "export", "plan", "gate", "history", "report", "top",
            "conform")
LOCKS = ("none", "sem", "sysv", "futex", "hybrid", "handoff", "spin", "tas", "ticket", "mcs", "clh",
         "mutex", "mutex-adaptive", "mutex-robust", "rwlock")


class Commands(Case):
    def test_help(self):
        for flag in ("--help", "-h", "help"):
            done = self.bench(flag)
            for command in COMMANDS:
                self.assertRegex(done.out, r"(?m)^ +%s " % command)
            self.assertEqual(done.err, "")
        for command in COMMANDS:
            done = self.bench(command, "--help")
            self.assertIn("usage: shmbench %s" % command, done.out)
            self.assertEqual(done.err, "")

    def test_run_help_has_every_option(self):
        text = self.bench("run", "--help").out
        for option in ("--set", "--section", "--filter", "--dry-run", "--out", "--json -",
                       "--quiet"):
            self.assertIn("  %s " % option, text)

    def test_version(self):
        self.assertRegex(self.bench("--version").out, r"^shmbench \d+\.\d+\.\d+ .+\n$")

    def test_usage_errors_name_what_was_found(self):
        self.write("s.ini", QUICK)
        for args, found in (((), "usage"),
                            (("frobnicate",), "'frobnicate'"),
                            (("--frobnicate",), "'--frobnicate'"),
                            (("run",), "SCENARIO"),
                            (("run", "s.ini", "--bogus"), "'--bogus'"),
                            (("run", "s.ini", "-xy"), "-x"),
                            (("run", "s.ini", "--set"), "'--set'"),
                            (("run", "s.ini", "--set", "capacity"), "'capacity'"),
                            (("run", "s.ini", "--set", "capcity=1"), "'capacity'"),
                            (("run", "s.ini", "--set", "capacity=-1"), "'-1'"),
                            (("run", "s.ini", "--section", "zz"), "'zz'"),
                            (("run", "s.ini", "--section", "a", "--section", "b"), "'a,b'"),
                            (("gate", "s.ini", "--section", "a", "--section", "b"), "'a,b'"),
                            (("plan", "s.ini", "--section", "a", "--section", "b"), "'a,b'"),
                            (("run", "s.ini", "--filter", "("), "--filter"),
                            (("run", "s.ini", "--filter", "nowhere"), "nowhere"),
                            (("run", "s.ini", "--json", "x.json"), "'x.json'"),
                            (("run", "s.ini", "nothere.ini"), "nothere.ini"),
                            (("list",), "strategies, keys, scenarios"),
                            (("list", "tea"), "'tea'"),
                            (("list", "keys", "tea"), "'tea'"),
                            (("list", "--tea"), "'--tea'"),
                            (("show",), "RESULT.json"),
                            (("show", "--tea"), "'--tea'"),
                            (("show", "a.json", "tea"), "'tea'"),
                            (("compare", "a.json"), "A.json B.json"),
                            (("compare", "a.json", "--tea"), "'--tea'"),
                            (("compare", "a.json", "b.json", "tea"), "'tea'")):
            with self.subTest(args=args):
                done = self.bench(*args, code=2)
                self.assertEqual(done.out, "")
                self.assertIn(found, done.err)
        self.assertEqual(os.listdir(self.dir), ["s.ini"])

    def test_list_strategies(self):
        lines = self.bench("list", "strategies").out.splitlines()
        end = lines.index("")
        self.assertIn("dead holder", lines[0])
        self.assertEqual([line.split()[0] for line in lines[1:end]], list(LOCKS))
        self.assertEqual([line.split()[0] for line in lines[end + 1:]], list(LOCKS))
        for line in lines[1:end]:
            self.assertLessEqual(len(line), 125)

    def test_list_keys(self):
        with open(os.path.join(ROOT, "harness/scenario/scenario_keys.c"), encoding="utf-8") as f:
            keys = re.findall(r"\[KEY_\w+\] = \{ \"(\w+)\"", f.read())
        lines = self.bench("list", "keys").out.splitlines()
        self.assertEqual([line.split()[0] for line in lines], keys)
        self.assertGreater(len(keys), 25)

    def test_list_scenarios(self):
        lines = self.bench("list", "scenarios", cwd=ROOT).out.splitlines()
        listed = [line.split()[0] for line in lines]
        self.assertEqual(listed, sorted(os.path.relpath(path, ROOT) for path in
                                        glob.glob(os.path.join(ROOT, "scenarios/*.ini"))))
        for line in lines:
            self.assertTrue(line.split(None, 1)[1:], "%s says no question" % line)
        self.assertIn("scenarios", self.bench("list", "scenarios", code=2).err)

    def test_show_and_compare(self):
        self.run_json(QUICK + "lock = futex, spin\n", *BRIEF)
        shown = self.bench("show", "r.json").out
        self.assertIn("lock=futex", shown)
        self.assertIn("lock=spin", shown)
        compared = self.bench("compare", "r.json", "r.json").out
        self.assertIn("lock=futex", compared)
        self.assertEqual(compared.strip().splitlines()[-1],
                         "runs at different times; for a verdict use gate")

    def test_show_and_compare_refuse_what_is_no_result(self):
        whole = json.dumps(self.run_json(QUICK, *BRIEF))
        for name, text in (("empty.json", ""), ("cut.json", whole[:len(whole) // 2]),
                           ("other.json", '{"schema": "other/1"}'), ("list.json", "[1]"),
                           ("binary.json", bytes(range(256))),
                           ("later.json", whole.replace("shmbench.result/1",
                                                        "shmbench.result/2"))):
            self.write(name, text)
            for args in (("show", name), ("compare", "r.json", name),
                         ("compare", name, "r.json")):
                with self.subTest(args=args):
                    done = self.bench(*args, code=2)
                    self.assertIn(name, done.err)
                    self.assertEqual(done.out, "")
        for name in (".", "nothere.json"):
            self.assertIn(name, self.bench("show", name, code=2).err)


class Outputs(Case):
    def setUp(self):
        super().setUp()
        self.write("some.ini", QUICK)

    def test_default_name(self):
        name = r"%ssome-\d{8}T\d{6}Z(-\d+)?\.json"
        done = self.bench("run", "some.ini", *BRIEF)
        found = re.search(r"(?m)^result: (.*)$", done.out).group(1)
        self.assertRegex(found, "^" + name % r"\./" + "$")
        self.assertEqual(self.load(found)["status"], "complete")
        os.mkdir(self.path("results"))
        # Two within a second do not take each other's name.
        for _ in range(2):
            done = self.bench("run", "some.ini", *BRIEF)
            found = re.search(r"(?m)^result: (.*)$", done.out).group(1)
            self.assertRegex(found, "^" + name % r"\./results/" + "$")
        self.assertEqual(len(os.listdir(self.path("results"))), 2)

    def test_out_only_there(self):
        self.bench("run", "some.ini", "--out", "x.json", *BRIEF)
        self.assertEqual(sorted(os.listdir(self.dir)), ["some.ini", "x.json"])

    def test_json_on_stdout(self):
        done = self.bench("run", "some.ini", "--json", "-", *BRIEF)
        self.assertEqual(json.loads(done.out)["schema"], "shmbench.result/1")
        self.assertIn("ops/s", done.err)
        self.assertEqual(os.listdir(self.dir), ["some.ini"])

    def test_json_on_stdout_and_in_a_file(self):
        done = self.bench("run", "some.ini", "--json", "-", "--out", "x.json", *BRIEF)
        self.assertEqual(json.loads(done.out), self.load("x.json"))

    def test_quiet(self):
        done = self.bench("run", "some.ini", "--quiet", "--out", "x.json", *BRIEF)
        self.assertEqual(done.out + done.err, "")
        self.assertEqual(self.load("x.json")["status"], "complete")

    def test_quiet_says_why_it_is_no_yes(self):
        for sets, code, why in (
                (("expect=search.p50<=1ns",), 1, r": a: expect search.p50<=1ns: not met"),
                (("lock=none,sem", "procs=2"), 3, r": a/lock=none: skipped: .*second worker"),
                (("lock=none,sem,futex", "procs=2", "expect=ops_per_s>=1000G"), 1,
                 r": a/lock=sem: expect .* not met \(and 1 points more\)")):
            with self.subTest(sets=sets):
                flags = [part for one in sets for part in ("--set", one)]
                done = self.bench("run", "some.ini", "--quiet", "--out", "x.json", *BRIEF, *flags,
                                  code=code)
                self.assertEqual(done.out, "")
                self.assertRegex(done.err, r"\Ashmbench run: [^\n]*\n\Z")
                self.assertRegex(done.err, why)

    def test_dry_run(self):
        done = self.bench("run", "some.ini", "--dry-run", "--set", "duration=1h", "--set",
                          "lock=sem,spin", timeout=5)
        self.assertRegex(done.out, r"a/lock=sem +6 +21600\.60 +\d+\n")
        # Where system calls can be counted, a short trial of each point more.
        self.assertRegex(done.out, r"2 points, (43201\.2 s of warm-up and measuring,|"
                                   r"43201\.7 s of warm-up and measuring \(0\.5 s of it to count)")
        self.assertEqual(os.listdir(self.dir), ["some.ini"])

    def test_every_scenario_of_the_repository(self):
        paths = glob.glob(os.path.join(ROOT, "scenarios/*.ini"))
        self.assertGreaterEqual(len(paths), 5)
        for path in paths:
            with self.subTest(path=path):
                self.assertRegex(self.bench("run", path, "--dry-run").out, r"(?m)^\d+ points, ")

    def test_smoke(self):
        done = self.bench("run", os.path.join(ROOT, "scenarios/smoke.ini"), "--out", "x.json")
        self.assertLess(done.seconds, 45)  # some 3 on two idle cores
        points = self.load("x.json")["points"]
        self.assertEqual({(p["params"]["lock"], p["params"]["procs"]) for p in points},
                         {(lock, procs) for lock in LOCKS for procs in "12"} - {("none", "2")})
        self.assertEqual({point["status"] for point in points}, {"ok"})

    def test_set_section_filter(self):
        self.write("two.ini", QUICK + "lock = sem, spin\n[b]\nprocs = 1, 2\n")
        names = lambda *args: re.findall(r"(?m)^([ab]\S*)", self.bench(
            "run", "two.ini", "--dry-run", *args).out)
        self.assertEqual(names(), ["a/lock=sem", "a/lock=spin", "b/procs=1", "b/procs=2"])
        self.assertEqual(names("--section", "b"), ["b/procs=1", "b/procs=2"])
        self.assertEqual(names("--filter", "s(em|=2)$"), ["a/lock=sem", "b/procs=2"])
        self.assertEqual(names("--section", "b", "--set", "procs=3"), ["b"])
        self.assertEqual(names("--section", "b, a", "--set", "procs=3"),
                         ["a/lock=sem", "a/lock=spin", "b"])
        self.assertEqual(names("--section", "a", "--set", "capacity=1k,2k"),
                         ["a/capacity=%s/lock=%s" % (capacity, lock)
                          for capacity in ("1k", "2k") for lock in ("sem", "spin")])
        point, = self.run_json(QUICK, "--set", "value_size=7", *BRIEF)["points"]
        self.assertEqual(point["params"]["value_size"], "7")

    def test_unwritable_out_is_found_before_anything_runs(self):
        for out, why in (("nowhere/x.json", "No such file"), (".", "directory"),
                         ("some.ini/x.json", "Not a directory"), ("new/", "directory")):
            with self.subTest(out=out):
                done = self.bench("run", "some.ini", "--out", out, "--json", "-", "--set",
                                  "duration=1h", code=2, timeout=5)
                self.assertEqual(done.out, "")
                self.assertIn("--out " + out, done.err)
                self.assertIn(why, done.err)
        self.assertEqual(os.listdir(self.dir), ["some.ini"])

    def test_out_that_goes_away_loses_nothing(self):
        for args in ((), ("--json", "-")):
            with self.subTest(args=args):
                os.mkdir(self.path("folder"))
                bench = self.start("run", "some.ini", "--out", "folder/x.json", "--quiet", *args,
                                   *BRIEF, "--set", "duration=500ms")
                self.assertTrue(wait_for(lambda: children_of(bench.pid), 10))
                os.rmdir(self.path("folder"))
                bench.wait(20)
                self.assertEqual(bench.code, 3)
                self.assertEqual(json.loads(bench.out)["status"], "complete")
                self.assertIn("folder/x.json", bench.err)

    def test_stdout_that_cannot_be_written(self):
        with open("/dev/full", "wb", buffering=0) as full:
            done = self.bench("run", "some.ini", "--json", "-", *BRIEF, code=3, stdout=full)
        kept, = glob.glob(self.path("some-*.json"))
        self.assertIn(os.path.basename(kept), done.err)
        self.assertEqual(self.load(kept)["status"], "complete")

    def test_reader_that_went_away(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "wb", buffering=0) as nobody:
            bench = self.start("run", "some.ini", "--out", "x.json", *BRIEF, stdout=nobody)
            bench.wait(20)
        self.assertEqual(bench.code, 0)
        self.assertEqual(self.load("x.json")["status"], "complete")


class Progress(Case):
    def shown(self, *args):
        """What a terminal of 60 columns sees on stderr."""
        self.write("s.ini", QUICK)
        parent, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, b"\x18\0\x3c\0\0\0\0\0")

        def to_terminal():
            os.dup2(terminal, 2)

        bench = self.start("run", "s.ini", "--out", "x.json", *args, *BRIEF, before=to_terminal)
        os.close(terminal)
        bench.wait(20)
        self.assertEqual(bench.code, 0)
        os.set_blocking(parent, False)
        text = b""
        try:
            while chunk := os.read(parent, 65536):
                text += chunk
        except OSError:
            pass
        os.close(parent)
        return text.decode()

    def test_on_a_terminal(self):
        text = self.shown("--set", "lock=spin,sem")
        lines = [line for line in text.replace("\033[K", "").split("\r") if line]
        # Where system calls can be counted, that has lines of its own.
        for i, line in enumerate(lines[2:]):
            self.assertRegex(line, r"%d of 2 .* left +counting calls: a/lock=" % (i + 1))
        self.assertIn(len(lines), (2, 4), text)
        self.assertRegex(lines[0], r"0 s +1 of 2 .* left +a/lock=")
        self.assertRegex(lines[1], r"2 of 2 +\d[^/]*/s +\d+ s left +a/lock=")
        self.assertTrue(text.endswith("\r\033[K"), "the line is not wiped: %r" % text)
        self.assertLess(max(map(len, lines)), 60)

    def test_chart_on_a_terminal_only(self):
        self.run_json(QUICK, *BRIEF, "--set", "lock=spin,sem")
        plain = self.bench("show", "r.json").out
        parent, terminal = pty.openpty()
        self.addCleanup(os.close, parent)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, b"\x18\0\x3c\0\0\0\0\0")
        self.start("show", "r.json", before=lambda: os.dup2(terminal, 1)).wait(20)
        os.close(terminal)
        text = b""
        try:
            while chunk := os.read(parent, 65536):
                text += chunk
        except OSError:
            pass
        shown = text.decode().replace("\r", "")
        for lock in ("spin", "sem"):
            self.assertRegex(shown, r"(?m)^a/lock=%s +\S+ +[\d.]+[kM]$" % lock)
            self.assertNotRegex(plain, r"(?m)^a/lock=%s +" % lock)
        # But for the chart, what a pipe gets.
        self.assertEqual(set(plain.splitlines()) - set(shown.splitlines()), set())

    def test_quiet_on_a_terminal(self):
        self.assertEqual(self.shown("--quiet"), "")

    def test_elsewhere(self):
        self.write("s.ini", QUICK)
        self.assertEqual(self.bench("run", "s.ini", "--out", "x.json", *BRIEF).err, "")


class Verdicts(Case):
    def code_of(self, *args, code):
        return self.run_json(QUICK, *BRIEF, *args, code=code)["points"]

    def test_expectations(self):
        point, = self.code_of("--set", "expect=ops_per_s>=1", code=0)
        self.assertTrue(point["expect"][0]["met"])
        point, = self.code_of("--set", "expect=search.p50<=1ns", code=1)
        self.assertFalse(point["expect"][0]["met"])
        self.assertGreater(point["expect"][0]["value"], 1)
        point, = self.code_of("--set", "expect=search.p50<=1h", "--set", "latency=off", code=3)
        self.assertIsNone(point["expect"][0]["value"])
        self.assertIn("latency", point["expect"][0]["reason"])

    def test_one_not_met_outranks_one_not_measured(self):
        self.code_of("--set", "expect=search.max<=1h, ops_per_s>=1000G", code=1)

    def test_none_with_two_workers(self):
        none, futex = self.code_of("--set", "lock=none,futex", "--set", "procs=2", code=3)
        self.assertEqual((none["status"], futex["status"]), ("skipped", "ok"))
        self.assertIn("second worker", none["reason"])
        names = [point["params"]["lock"] for point in
                 self.code_of("--set", "lock=all", "--set", "procs=2", code=0)]
        self.assertEqual(set(names), set(LOCKS) - {"none"})

    def test_memory_that_is_not_there(self):
        big, small = self.code_of("--set", "capacity=4G,1k", "--set", "value_size=100k",
                                  "--set", "preload=1", "--set", "keyspace=10", code=3)
        self.assertEqual((big["status"], small["status"]), ("not_measured", "ok"))
        numbers = re.findall(r"\d[\d.]*\s*(?:[kMGTP]i?B?|bytes|B)?\b", big["reason"])
        self.assertGreaterEqual(len(numbers), 4, big["reason"])  # two are "trial 1 of 1"


if __name__ == "__main__":
    unittest.main()
