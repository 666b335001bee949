#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Stands in for a build of shmbench whose answers to `gate` are wrong in one way.

Called under a name that ends in the way: base-empty, head-nan, ...
"""
import json
import os
import signal
import subprocess
import sys

REAL = os.environ["SHMBENCH"]
MODE = os.path.basename(sys.argv[0]).split("-", 1)[1]
LISTING = "--list" in sys.argv


def change(**values):
    return lambda line: json.dumps(dict(json.loads(line), **values))


def points(edit):
    def mutate(line):
        answer = json.loads(line)
        edit(answer["points"])
        return json.dumps(answer)
    return mutate


def turns(edit):
    def mutate(line):
        answer = json.loads(line)
        if answer["turns"]:
            edit(answer["turns"])
        return json.dumps(answer)
    return mutate


def few(line):
    """As if it had got time in one turn only, and did there what it did in all."""
    answer = json.loads(line)
    if answer["turns"]:
        answer["turns"] = [[0, 0.005] for _ in answer["turns"][1:]] + [[answer["ops"], 0.005]]
    return json.dumps(answer)


def crash(_):
    os.kill(os.getpid(), signal.SIGSEGV)


SLICES = {
    "empty": lambda line: "",
    "truncated": lambda line: line[:len(line) // 2],
    "nan": lambda line: line.replace('"ops":', '"ops":NaN,"x":'),
    "twice": lambda line: line.replace('"ops":', '"ops":5,"ops":'),
    "zero": change(ops=0),
    "negative": change(ops=-5),
    "huge": change(ops=1e300),
    "text": change(ops="many"),
    "null": change(ops=None),
    "clock-forward": change(seconds=3600.0),
    "clock-back": change(seconds=-0.05),
    "clock-still": change(seconds=1e-9),
    "hash": change(op_stream_hash="0123456789abcdef"),
    "no-hash": change(op_stream_hash=None),
    "other-point": change(point="elsewhere"),
    "not-measured": change(status="not_measured", reason="worker 0 was killed"),
    "no-status": change(status=None),
    "failed": change(status="failed", reason="worker 0 read a torn value"),
    "protocol": change(protocol="shmbench.slice/99"),
    "no-hist": change(hist={}),
    "bad-hist": change(hist={"all.p99": "AAAA", "search.p99": "AAAA"}),
    "turns-fewer": turns(lambda had: had.pop()),
    "turns-zero": turns(lambda had: [turn.__setitem__(0, 0) for turn in had]),
    "turns-few": few,
    "turns-sum": turns(lambda had: had[0].__setitem__(0, had[0][0] + 1)),
    "turns-nan": turns(lambda had: had[1].__setitem__(1, None)),
    "turns-none": change(turns=None),
    "array": lambda line: "[1, 2]",
    "crash": crash,
}
LISTS = {
    "no-points": points(lambda listed: listed.clear()),
    "gone": points(lambda listed: listed.pop()),
    "skipped": points(lambda listed: listed[0].update(skip="cannot run here")),
    "no-turns": points(lambda listed: [point.pop("turns") for point in listed]),
    "nameless": points(lambda listed: listed[0].pop("name")),
    "list-empty": lambda line: "",
    "list-crash": crash,
}

if MODE == "no-gate":
    sys.stderr.write("shmbench: 'slice' is not a command; see `shmbench --help`\n")
    sys.exit(2)
if MODE == "killed" and not LISTING:
    # The slice's own worker, while it measures.
    child = subprocess.Popen([REAL, *sys.argv[1:]])
    for _ in range(2000):
        with open("/proc/%d/task/%d/children" % (child.pid, child.pid), encoding="ascii") as f:
            workers = f.read().split()
        if workers:
            os.kill(int(workers[0]), signal.SIGKILL)
            break
    sys.exit(child.wait())
if "--turns" in sys.argv:
    # The socket is ours: one turn is played, and then it goes wrong.
    if MODE == "turns-leave":
        os.write(0, b"o")
        os.read(0, 1)
        sys.exit(7)
    if MODE == "turns-killed":
        os.write(0, b"o")
        os.kill(os.getpid(), signal.SIGKILL)
    if MODE == "turns-noise":
        os.write(0, b"no such answer")
done = subprocess.run([REAL, *sys.argv[1:]], stdout=subprocess.PIPE, text=True)
mutate = (LISTS if LISTING else SLICES).get(MODE, lambda line: line.rstrip("\n"))
text = mutate(done.stdout)
if text:
    print(text)
sys.exit(done.returncode)
