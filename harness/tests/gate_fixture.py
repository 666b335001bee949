# SPDX-License-Identifier: MIT
"""`shmbench gate` on two builds of a test's own: what the tests of it share."""
import os
import re

from cli_fixture import ROOT, SHMBENCH, Case, alive_in, wait_for

PROXY = os.path.join(ROOT, "harness/tests/gate_proxy.py")
FAKE = os.path.join(os.path.dirname(SHMBENCH), "tests", "gate_fake")
POINT = "[a]\nlock = spin\ncapacity = 1000\nprocs = 1\n"
TWO = POINT + "[b]\nlock = futex\ncapacity = 1000\n"


class GateCase(Case):
    SLOWER = ("--base-set", "think=0ns", "--head-set", "think=3us")
    FASTER = ("--base-set", "think=3us", "--head-set", "think=0ns")

    def setUp(self):
        super().setUp()
        os.environ["SHMBENCH"] = SHMBENCH
        self.write("two.ini", TWO)
        self.write("one.ini", POINT)

    def proxy(self, side, mode):
        path = self.path("%s-%s" % (side, mode))
        if not os.path.exists(path):
            os.symlink(PROXY, path)
        return path

    def drawn(self, slower):
        """Two builds whose speeds are drawn, at once: see gate_fake.c."""
        self.write("state", "")
        os.environ["GATE_FAKE_STATE"] = self.path("state")
        for name in ("base-0", "head-%d" % slower):
            if not os.path.exists(self.path(name)):
                os.symlink(FAKE, self.path(name))
        return "--base", self.path("base-0"), "--head", self.path("head-%d" % slower)

    def gate(self, scenario, *args, code=0, timeout=60, **kwargs):
        """On a busy machine a slice takes ten times as long, and a budget may be refused:
        then the one that the message names is given. Any other answer stands."""
        done = self.start("gate", scenario, *args, **kwargs).wait(timeout)
        for _ in range(3):
            named = re.search(r"--budget: .*: at least ([0-9]+) s", done.err)
            if done.code != 2 or not named or "--budget" not in args:
                break
            at = args.index("--budget") + 1
            args = (*args[:at], "%ds" % (2 * int(named.group(1))), *args[at + 1:])
            done = self.start("gate", scenario, *args, **kwargs).wait(timeout + 60)
        self.assertEqual(done.code, code, "%s\n%s%s" % (args, done.out, done.err))
        # Workers die with their parent: at once, but for what a busy machine lets wait.
        self.assertTrue(wait_for(lambda: not alive_in(done.pid), 5), "processes were left behind")
        return done

    def one(self, *args, scenario="one.ini", **kwargs):
        return self.gate(scenario, "--slice", "20ms", *args, **kwargs)
