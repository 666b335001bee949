#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What `ninja install` leaves: a program, man pages, a library that others build with."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from cli_fixture import ROOT

# What the program promises, beside what it says of itself. What is not built
# yet is not listed, so a command may be missing; a listed one has all of these.
PROMISED = {
    "run": ("--set", "--section", "--filter", "--dry-run", "--out", "--json", "--quiet",
            "--overhead", "--live", "--redo-disturbed", "--record"),
    "list": ("strategies", "keys", "scenarios"),
    "show": (),
    "compare": (),
    "gate": ("--base", "--head", "--base-set", "--head-set", "--ignore", "--detect", "--budget",
             "--allow", "--bootstrap", "--baseline", "--instructions", "--aa"),
    "plan": ("--slo", "--budget", "--memory", "--project", "--scale"),
    "report": ("-o",),
    "top": ("--pid", "--fd"),
    "history": ("--metric", "--filter", "--each", "--json"),
    "export": ("--to",),
    "merge": ("--out",),
    "check": ("--pid", "--fd"),
    "conform": ("--all", "--filter", "--deadline"),
}
KEYS = """lock read wait stripes workers procs capacity key_size value_size preload keyspace keys mix batch ops_file
    duration warmup steady phases ops trials rate arrival latency interval hold think pin pages mem seed
    verify timeout kill stop churn quota calm expect include""".split()

USER = r"""
#include <stdio.h>
#include <string.h>
#include <shmht.h>
int main(void)
{
	struct shmht_config cfg = { .capacity = 100, .key_size = 16, .value_size = 64,
				    .stripes = 1, .strategy = "futex" };
	struct shmht_error err;
	struct shmht *map;
	struct shmht_ctx *ctx;
	char found[64];
	size_t len;

	if (shmht_create(&cfg, &map, &err) || shmht_ctx_open(map, &ctx, &err))
		return puts(err.text), 1;
	if (shmht_insert(ctx, "key", 3, "value", 5) ||
	    shmht_search(ctx, "key", 3, found, sizeof(found), &len))
		return 1;
	printf("%.*s\n", (int)len, found);
	shmht_ctx_close(ctx);
	shmht_destroy(map);
	return 0;
}
"""


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


def call(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=240, **more)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="shmbench-install-")
        env = dict(os.environ, DESTDIR=cls.root, PREFIX="/usr")
        cls.done = call("ninja", "-C", ROOT, "install", env=env)
        cls.usr = os.path.join(cls.root, "usr")
        cls.program = os.path.join(cls.usr, "bin/shmbench")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def setUp(self):
        self.assertEqual(self.done.returncode, 0, self.done.stdout + self.done.stderr)

    def page(self, name):
        return read(self.usr, "share/man/man%s" % name[-1], name).replace("\\-", "-")

    def commands(self):
        return re.findall(r"^  ([a-z]+)\s{2,}", call(self.program, "--help").stdout, re.M)

    def test_nothing_outside_the_prefix(self):
        self.assertEqual(os.listdir(self.root), ["usr"])

    def test_library_for_others(self):
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(self.usr, "lib/pkgconfig"),
                   PKG_CONFIG_SYSROOT_DIR=self.root, PKG_CONFIG_ALLOW_SYSTEM_LIBS="1",
                   PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1")
        with tempfile.TemporaryDirectory() as tmp:
            source, out = os.path.join(tmp, "user.c"), os.path.join(tmp, "user")
            with open(source, "w") as file:
                file.write(USER)
            for static in (False, True):
                flags = call("pkg-config", "--cflags", "--libs", *(["--static"] if static else []),
                             "shmht", env=env)
                self.assertEqual(flags.returncode, 0, flags.stderr)
                words = flags.stdout.split()
                if static:
                    words = [os.path.join(self.usr, "lib/libshmht.a") if word == "-lshmht" else word
                             for word in words]
                built = call("gcc", "-Wall", "-Werror", source, *words, "-o", out)
                self.assertEqual(built.returncode, 0, built.stderr)
                needed = call("readelf", "-d", out).stdout
                self.assertEqual("libshmht.so.0" in needed, not static)
                run = call(out, env=dict(os.environ, LD_LIBRARY_PATH=os.path.join(self.usr, "lib")))
                self.assertEqual((run.returncode, run.stdout), (0, "value\n"))

    def test_only_the_interface_is_visible(self):
        symbols = call("nm", "-D", "--defined-only", os.path.join(self.usr, "lib/libshmht.so")).stdout
        names = {line.split()[-1] for line in symbols.splitlines()}
        self.assertIn("shmht_create", names)
        header = read(ROOT, "core/include/shmht.h") + \
            read(ROOT, "core/include/shmht_strategy.h") + \
            read(ROOT, "core/include/shmht_clock.h")
        for name in names:
            self.assertRegex(header, r"\b%s\b" % re.escape(name))

    def test_every_option_has_its_place_in_the_page(self):
        page = self.page("shmbench.1")
        for command in self.commands():
            text = call(self.program, command, "--help").stdout
            for option in set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text)):
                self.assertIn(option, page, "%s of %s" % (option, command))

    def test_what_is_promised_is_there(self):
        for command in self.commands():
            text = call(self.program, command, "--help").stdout
            for word in PROMISED.get(command, ()):
                self.assertIn(word, text, "shmbench %s" % command)

    def test_every_option_that_helps_names_is_taken(self):
        for command in self.commands():
            text = call(self.program, command, "--help").stdout
            for option in set(re.findall(r"(?m)^  (--[a-z][a-z-]*)", text)):
                said = call(self.program, command, option, "no such thing", cwd=self.root)
                self.assertNotRegex(said.stderr, r"'%s'( is unknown|, allowed)" % option,
                                    "shmbench %s %s" % (command, option))
        said = call(self.program, "run", "--nope", "no such thing")
        self.assertRegex(said.stderr, "'--nope' is unknown")

    def test_every_key_has_its_entry(self):
        page = self.page("shmbench-scenario.5")
        listed = [line.split()[0] for line in call(self.program, "list", "keys").stdout.splitlines()]
        for key in listed:
            self.assertIn("\\fB%s\\fP = " % key, page)
        self.assertEqual([key for key in KEYS if key not in listed], [])

    def test_every_call_has_its_entry(self):
        page = self.page("shmht.3")
        header = read(ROOT, "core/include/shmht.h") + \
            read(ROOT, "core/include/shmht_strategy.h")
        for name in set(re.findall(r"(?m)^(?!\s*\*)[^*\n]*\b(shmht_[a-z_]+)\(", header)):
            if name not in ("shmht_ctx_head",):
                self.assertIn(name + "(", page)

    @unittest.skipUnless(shutil.which("man") and shutil.which("groff"), "needs man-db and groff")
    def test_pages_render_without_a_warning(self):
        for section in ("1", "3", "5"):
            folder = os.path.join(self.usr, "share/man/man" + section)
            for name in os.listdir(folder):
                shown = call("man", "--warnings", "-l", os.path.join(folder, name),
                             env=dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="100"))
                self.assertEqual((shown.returncode, shown.stderr), (0, ""))
                self.assertIn("NAME", shown.stdout)

    def complete(self, *words):
        script = ". '%s'; COMP_WORDS=(%s); COMP_CWORD=%d; _shmbench; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
            os.path.join(self.usr, "share/bash-completion/completions/shmbench"),
            " ".join("'%s'" % word for word in (self.program,) + words), len(words))
        return call("bash", "-c", script, cwd=ROOT).stdout.split()

    def test_completion(self):
        self.assertEqual(self.complete("comp"), ["compare"])
        self.assertEqual(self.complete("run", "--dr"), ["--dry-run"])
        self.assertEqual(self.complete("run", "--set", "cap"), ["capacity="])
        self.assertIn("strategies", self.complete("list", ""))


if __name__ == "__main__":
    unittest.main()
