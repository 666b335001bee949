# SPDX-License-Identifier: MIT
"""scripts/ci-gate, and the examples for GitHub and GitLab in the README: their
commands are run as they stand there, in a clone, with a shorter budget. What
stands in: apt-get, and ninja, which hands out the binary that is built already."""
import os
import re
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from cli_fixture import ROOT, SHMBENCH, Case

NINJA = """#!/bin/sh
# Stands in for the build of %s
[ ! -e broken ] || { echo "core/table.c: error"; exit 1; }
mkdir -p build/release && cp '%s' build/release/shmbench
"""
OLD = """#!/bin/sh
echo '  run   of old'
exit 2
"""


def commands(readme, heading):
    """The commands of a YAML example, in order."""
    block = re.search(r"On %s:\n\n```yaml\n(.*?)```" % heading, readme, re.S).group(1)
    found = re.findall(r"^ +- (?:run: )?((?:scripts|apt-get|cat)\b.*)$", block, re.M)
    assert len(found) >= 3, block
    return found


class CiGate(Case):
    def setUp(self):
        super().setUp()
        if subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True).returncode:
            self.skipTest("not a git repository")
        self.clone = self.path("clone")
        origin = self.path("origin")
        self.sh("git init -q -b main '%s' && cd '%s' && cp -r '%s/scripts' '%s/scenarios' . && "
                "git add -A && git -c user.name=t -c user.email=t@t commit -q -m base && "
                "git clone -q . '%s'" % (origin, origin, ROOT, ROOT, self.clone))
        self.sh("cp '%s/scripts/ci-gate' scripts/; git -c user.name=t -c user.email=t@t commit -q "
                "--allow-empty -m head" % ROOT, cwd=self.clone)
        self.bin = self.path("bin")
        os.mkdir(self.bin)
        self.tool("ninja", NINJA % (SHMBENCH, SHMBENCH))
        self.tool("apt-get", "#!/bin/sh\n")

    def tool(self, name, text):
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o755)

    def sh(self, command, cwd=None, code=0, before=""):
        env = dict(os.environ, PATH="%s:%s" % (before, os.environ["PATH"]))
        done = subprocess.run(["sh", "-c", command], cwd=cwd, env=env, capture_output=True,
                              text=True, timeout=120)
        self.assertEqual(done.returncode, code, "%s\n%s%s" % (command, done.stdout, done.stderr))
        return done.stdout + done.stderr

    def gate(self, command, code=0):
        text = self.sh(command, cwd=self.clone, code=code, before=self.bin)
        self.assertEqual(self.sh("git worktree list", cwd=self.clone).count("\n"), 1,
                         "a work tree was left behind")
        return text

    def test_examples(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
            readme = f.read()
        for heading in ("GitHub", "GitLab"):
            with self.subTest(heading=heading):
                ran = ""
                for command in commands(readme, heading):
                    # Wide limits: what is tested is that the steps work.
                    command = command.replace("--budget 2m", "--budget 30s --ignore 80% --detect 99%")
                    ran += self.gate(command)
                self.assertIn("gate: ", ran)
        xml = ElementTree.parse(os.path.join(self.clone, "gate.xml")).getroot()
        self.assertEqual(xml.get("tests"), "2")

    def test_base_without_gate(self):
        self.tool("ninja", NINJA % (SHMBENCH, SHMBENCH) +
                  "case $PWD in */base) cp '%s' build/release/shmbench;; esac\n" % self.old())
        self.assertIn("2 new", self.gate("scripts/ci-gate HEAD~1 --budget 10s"))

    def old(self):
        self.tool("old", OLD)
        return os.path.join(self.bin, "old")

    def test_refusals(self):
        self.gate("scripts/ci-gate", code=2)
        self.assertIn("no commit", self.gate("scripts/ci-gate nowhere", code=3))
        self.gate("scripts/ci-gate HEAD~1 nowhere.ini", code=3)
        self.sh("touch broken", cwd=self.clone)
        self.assertIn("does not build", self.gate("scripts/ci-gate HEAD~1", code=3))


if __name__ == "__main__":
    unittest.main()
