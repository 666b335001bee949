#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/fleet over logins that are all this machine."""
import os
import shutil
import subprocess
import time
import unittest

from cli_fixture import QUICK, ROOT, SHMBENCH, Case

# Takes a name for a host, as ssh does, and parts of it fail on purpose.
LOGIN = """#!/bin/sh
name=$1
shift
case $name in
unreachable) echo "no route to it" >&2; exit 255 ;;
flaky) [ -e "$0.tried" ] || { : >"$0.tried"; echo "once more" >&2; exit 255; } ;;
bare) PATH=/usr/bin:/bin; set -- "$(echo "$*" | sed 's,/[^ ]*/shmbench,shmbench-not-there,g')" ;;
esac
exec sh -c "$*"
"""


@unittest.skipUnless(shutil.which("parallel"), "no GNU parallel here (apt-get install parallel)")
class Fleet(Case):
    def setUp(self):
        super().setUp()
        self.write("login", LOGIN)
        os.chmod(self.path("login"), 0o755)
        self.write("t.ini", QUICK + "lock = futex, spin\nduration = 50ms\nwarmup = 10ms\ntrials = 2\n")

    def fleet(self, hosts, *args, code=0, options=()):
        self.write("hosts", "".join("%s\n" % host for host in hosts))
        env = dict(os.environ, SHMBENCH=SHMBENCH)
        done = subprocess.run([os.path.join(ROOT, "scripts/fleet"), "--bin", SHMBENCH, "--start", "1",
                               "--out", "out", *options, "hosts", "t.ini", *args], cwd=self.dir, env=env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def test_three_hosts_and_one_merged_row(self):
        asked = time.time()
        done = self.fleet(["./login one", "# nobody", "8/./login flaky", ":"], "--set", "trials=3")
        merged = self.load("out/merged.json")
        names = [point["name"] for point in merged["points"]]
        for lock in ("futex", "spin"):
            for host in ("one", "flaky", "localhost", "all"):
                self.assertIn("a/lock=%s/host=%s" % (lock, host), names)
                self.assertIn("lock=%s/host=%s " % (lock, host), done.stdout)
        # Every sample of every host, once.
        hosts = [self.load("out/%s.json" % host) for host in ("one", "flaky", "localhost")]
        total = sum(trial["ops"] for host in hosts for trial in host["points"][0]["trials"])
        everyone = [point for point in merged["points"] if point["name"] == "a/lock=futex/host=all"]
        self.assertEqual(everyone[0]["trials"][0]["ops"], total)
        for host in hosts:
            self.assertEqual(len(host["points"][0]["trials"]), 3)
            self.assertEqual(host["scenario"]["path"], "t.ini")
            self.assertGreaterEqual(host["started"], time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(asked + 0.5)))
        for point in merged["points"]:
            flags = point["summary"]["flags"]
            self.assertEqual(len(flags), len(set(flags)), "a flag is there twice")

    def test_hosts_that_fail_are_named(self):
        done = self.fleet(["./login one", "./login unreachable", "./login bare"], code=3,
                          options=("--retries", "1"))
        self.assertIn("unreachable failed: no result, exit 255: no route to it", done.stderr)
        self.assertIn("bare failed: no result, exit 127: shmbench-not-there is not there", done.stderr)
        self.assertIn("1 of 3 hosts", done.stderr)
        self.assertIn("lock=futex", done.stdout)
        self.assertTrue(os.path.exists(self.path("out/one.json")))

    def test_no_is_no(self):
        self.fleet(["./login one", "./login two"], "--set", "expect=ops_per_s>=1G", code=1)

    def test_mistakes(self):
        for hosts, said in ((["./login one", "./login one"], "host 'one' stands there 2 times"),
                            (["# none"], "found no host"), (["./login a/b"], "found host 'a/b'"),
                            (["all"], "found host 'all'")):
            self.assertIn(said, self.fleet(hosts, code=2).stderr)
        self.assertIn("own", self.fleet(["./login one"], "--out", "x", code=2).stderr)
        os.mkdir(self.path("out"))
        self.assertIn("exists", self.fleet(["./login one"], code=2).stderr)
        self.write("t.ini", "include = other.ini\n")
        self.assertIn("include", self.fleet(["./login one"], code=2).stderr)


if __name__ == "__main__":
    unittest.main()
