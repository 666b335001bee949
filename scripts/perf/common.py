# SPDX-License-Identifier: MIT
"""What the scripts of this folder share: what the machine lacks, in one line; the points
of a scenario; a run with a tool around its measured windows only.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHMBENCH = os.environ.get("SHMBENCH", os.path.join(ROOT, "build/release/shmbench"))
TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
NAME = os.path.basename(sys.argv[0])


def lacks(what):
    """The one line: what is missing, and what would help."""
    print("%s: this machine lacks %s" % (NAME, what), file=sys.stderr)
    sys.exit(3)


def fail(what, code=2):
    print("%s: %s" % (NAME, what), file=sys.stderr)
    sys.exit(code)


def need_program(name):
    if not shutil.which(name):
        lacks("%s: run scripts/setup perf" % name)


def need_shmbench():
    if not os.access(SHMBENCH, os.X_OK):
        fail("%s is not built: run ninja" % SHMBENCH)


def need_root():
    if os.geteuid():
        lacks("the rights to trace the whole machine: run as root")


def need_tracefs():
    """Its folder; not there, unless somebody mounted it."""
    for folder in TRACEFS:
        if os.path.exists(os.path.join(folder, "events")):
            return folder
    lacks("tracefs: mount -t tracefs none %s" % TRACEFS[0])


def need_tracepoint(name):
    group, event = name.split(":")
    if not os.path.exists(os.path.join(need_tracefs(), "events", group, event)):
        lacks("the tracepoint %s: the kernel is older, or built without it" % name)


def need_perf():
    """perf, and the kernel's leave to count one's own processes."""
    need_program("perf")
    done = subprocess.run(["perf", "stat", "-e", "task-clock", "true"], capture_output=True,
                          text=True)
    if done.returncode:
        with open("/proc/sys/kernel/perf_event_paranoid", encoding="ascii") as f:
            level = f.read().strip()
        lacks("leave to count events: perf_event_paranoid is %s, 2 or less is wanted (or root)"
              % level)


def need_sampling(event):
    """Leave to sample, which is more than to count."""
    with tempfile.NamedTemporaryFile() as data:
        done = subprocess.run(["perf", "record", "-q", "-e", event, "-o", data.name, "true"],
                              capture_output=True, text=True)
    if done.returncode:
        lacks("leave to sample %s: %s" % (event, " ".join(done.stderr.split())[:120]))


def has_event(name):
    """Whether this machine counts it: virtual machines mostly have no hardware counters."""
    done = subprocess.run(["perf", "stat", "-x", ";", "-e", name, "true"], capture_output=True,
                          text=True)
    return done.returncode == 0 and re.search(r"(?m)^\d", done.stderr) is not None


class Request:
    """SCENARIO and what narrows it, as `shmbench run` takes them."""

    def __init__(self, doc, more=None):
        parser = argparse.ArgumentParser(
            prog="scripts/perf/" + NAME, description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("scenario")
        parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
        parser.add_argument("--section")
        parser.add_argument("--filter", metavar="REGEX")
        if more:
            more(parser)
        self.options = parser.parse_args()
        self.args = [arg for item in self.options.set for arg in ("--set", item)]
        if self.options.section:
            self.args += ["--section", self.options.section]

    def points(self):
        """Those that can run: (name, trials)."""
        command = [SHMBENCH, "run", self.options.scenario, "--dry-run", *self.args]
        if self.options.filter:
            command += ["--filter", self.options.filter]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.stderr.write(done.stderr)
            sys.exit(2)
        return [(match.group(1), int(match.group(2))) for match in
                re.finditer(r"(?m)^(\S+) +(\d+) +[\d.]+ +\S", done.stdout)]

    def run_of(self, point, result, *sets):
        sets = [arg for item in sets for arg in ("--set", item)]
        return [SHMBENCH, "run", self.options.scenario, *self.args, *sets, "--filter",
                "^%s$" % re.escape(point), "--quiet", "--out", result]


class Folder:
    """A temporary one, gone at the end, whatever the end is."""

    def __enter__(self):
        # A kill leaves by way of finally, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        self.path = tempfile.mkdtemp(prefix="shmbench-perf-")
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def around(folder, tool, run):
    """Runs perf's `tool` around a run, counting within its measured windows alone:
    perf starts off (-D -1), and shmbench switches it by two fifos."""
    names = [os.path.join(folder, name) for name in ("control", "ack")]
    for name in names:
        if not os.path.exists(name):
            os.mkfifo(name)
    pair = ",".join(names)
    env = dict(os.environ, SHMBENCH_PERF_CONTROL=pair, LC_ALL="C")
    return subprocess.run([*tool, "-D", "-1", "--control", "fifo:" + pair, "--", *run], env=env,
                          capture_output=True, text=True)


def trials_of(path):
    """Those of the one point of a result that were measured."""
    try:
        with open(path, encoding="utf-8") as f:
            point = json.load(f)["points"][0]
    except (OSError, ValueError, IndexError):
        return []
    return [trial for trial in point["trials"] if trial["status"] == "ok"]
