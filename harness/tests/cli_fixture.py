# SPDX-License-Identifier: MIT
"""Running shmbench as a user does, with a deadline and nothing left behind.

Every process is started in a session of its own, by which all of its workers
are found again: whoever is left when a test ends is killed there.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHMBENCH = os.environ.get("SHMBENCH", os.path.join(ROOT, "build/release/shmbench"))
SHMBENCH_TEST = os.environ.get("SHMBENCH_TEST", os.path.join(ROOT, "build/release/shmbench-test"))

# A small point, over in some 60 ms; a test adds what it is about.
QUICK = "[a]\ncapacity = 1000\nkeyspace = 2000\n" \
        "mix = search:40 insert:20 update:20 remove:20\n"
BRIEF = ("--set", "duration=50ms", "--set", "warmup=10ms", "--set", "trials=1")


def stat_of(pid):
    """(state, ppid, session) or None when it is gone"""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), int(fields[3])


def alive_in(session):
    """pids of a session, without the dead that nobody reaped yet"""
    found = []
    for name in os.listdir("/proc"):
        stat = stat_of(int(name)) if name.isdigit() else None
        if stat and stat[2] == session and stat[0] not in "ZX":
            found.append(int(name))
    return found


def children_of(pid):
    return [child for child in alive_in(pid) if stat_of(child) and stat_of(child)[1] == pid]


def wait_for(condition, seconds):
    """What the condition returned last: false after the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.005)


def default_signals():
    # Ignored signals are inherited: from a shell's `&`, and from Python itself.
    for sig in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(sig, signal.SIG_DFL)


class Bench:
    """One shmbench; out, err and code once it ended."""

    def __init__(self, args, binary=None, cwd=None, stdout=None, before=default_signals):
        self.files = [stdout or tempfile.TemporaryFile(), tempfile.TemporaryFile()]
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [binary or SHMBENCH, *args], cwd=cwd, stdin=subprocess.DEVNULL, stdout=self.files[0],
            stderr=self.files[1], start_new_session=True, preexec_fn=before)
        self.pid = self.process.pid
        self.out = self.err = ""
        self.code = None

    def kill(self):
        # Again, should one have been forking: until the session is empty.
        for _ in range(100):
            pids = alive_in(self.pid)
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not pids:
                break
            time.sleep(0.01)
        self.process.wait()

    def wait(self, timeout):
        try:
            self.code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("no end after %g s: %s" % (timeout, self.process.args)) from None
        self.seconds = time.monotonic() - self.started
        texts = []
        for file in self.files:
            if file.readable() and file.seekable():
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
            else:
                texts.append("")
        self.out, self.err = texts
        return self


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="shmbench-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return name

    def start(self, *args, **kwargs):
        kwargs.setdefault("cwd", self.dir)
        bench = Bench(args, **kwargs)
        self.addCleanup(lambda: [file.close() for file in bench.files])
        self.addCleanup(bench.kill)
        return bench

    def bench(self, *args, code=0, timeout=30, **kwargs):
        bench = self.start(*args, **kwargs).wait(timeout)
        self.assertEqual(bench.code, code, "%s\n%s%s" % (args, bench.out, bench.err))
        self.assertEqual(alive_in(bench.pid), [], "processes were left behind")
        return bench

    def load(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return json.load(f)

    def run_json(self, text, *args, code=0, **kwargs):
        """The result of a scenario given as text."""
        self.write("s.ini", text)
        out = kwargs.pop("out", "r.json")
        self.bench("run", "s.ini", "--out", out, *args, code=code, **kwargs)
        return self.load(out)
