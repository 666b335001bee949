# SPDX-License-Identifier: MIT
"""Locks as somebody else builds them: outside the tree, with the installed headers."""
import os
import shlex
import shutil
import subprocess
import tempfile
import unittest

from cli_fixture import ROOT, SHMBENCH, Case


def install_headers():
    """As they are installed, in a folder of their own, for a module's tests."""
    Built.root = tempfile.mkdtemp(prefix="shmbench-byol-")
    unittest.addModuleCleanup(shutil.rmtree, Built.root)
    subprocess.run([os.path.join(ROOT, "scripts/install"), "strategy"], check=True, timeout=60,
                   env=dict(os.environ, DESTDIR=Built.root, PREFIX="/usr", SHMBENCH=SHMBENCH))
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(Built.root, "usr/lib/pkgconfig"),
               PKG_CONFIG_SYSROOT_DIR=Built.root, PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1")
    Built.cflags = shlex.split(subprocess.run(
        ["pkg-config", "--cflags", "shmht-strategy"], check=True, capture_output=True,
        text=True, env=env, timeout=60).stdout)


class Built(Case):
    """Locks, built outside the tree, beside the scenario."""

    def compile(self, out, source, *more, optimize="-O2", good=True):
        """The one line of the README; the compiler's messages."""
        done = subprocess.run(["cc", *self.cflags, optimize, "-fPIC", "-shared", "-Wall", "-Wextra",
                               source, "-o", self.path(out), *more],
                              capture_output=True, text=True, timeout=120, cwd=self.dir)
        self.assertEqual(done.returncode == 0, good, done.stderr)
        return done.stderr

    def example(self, *names):
        """mylock.c as it is installed, compiled once."""
        made = os.path.join(self.root, "mylock.so")
        if not os.path.exists(made):
            source = os.path.join(self.root, "usr/share/doc/shmbench/mylock.c")
            self.assertEqual(self.compile(made, source), "")
        for name in names:
            shutil.copy(made, self.path(name))

    def ours(self, out, name, *more, **how):
        """One of ours, copied out of the tree."""
        shutil.copy(os.path.join(ROOT, "core/strategy", name + ".c"), self.path(name + ".c"))
        self.assertEqual(self.compile(out, name + ".c", *more, **how), "")

    def slow(self, out, percent):
        source = os.path.join(ROOT, "core/tests/slow.inc.h")
        self.write("slow.c", '#include "%s"\n' % source)
        self.assertEqual(self.compile(out, "slow.c", "-DSLOW_PERCENT=%d" % percent,
                                      '-DLOCK_NAME="slow"', "-DLOCK_SYMBOL=slow_lock"), "")

    def example_with(self, out, **changes):
        """mylock.c with some of its text replaced: name=(text, by)."""
        with open(os.path.join(ROOT, "core/example/mylock.c"), encoding="ascii") as file:
            text = file.read()
        for old, new in changes.values():
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.write("changed.c", text)
        self.compile(out, "changed.c", optimize="-O0")
