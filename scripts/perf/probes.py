# SPDX-License-Identifier: MIT
"""bpftrace on the USDT probes of one strategy.

A probe is compiled into each operation of each strategy: a thousand places, and the
kernel takes a tenth of a second for each. So a copy of the program is traced in which
the notes (.note.stapsdt) of all other strategies bear other names.

Manual: elf(5); the systemtap wiki's UserSpaceProbeImplementation.
"""
import json
import os
import re
import signal
import struct
import subprocess
import sys

import common

PROVIDER, HIDDEN = b"shmht\0", b"-----\0-"
# Operations that no mix has.
UNUSED = re.compile(rb"op_(flush|foreach|remove_oldest|lock|unlock)\b|.*_oldest")
SHT_SYMTAB, STT_FUNC, STT_FILE = 2, 2, 4


class Elf:
    """A 64-bit little-endian file: its sections and local functions."""

    def __init__(self, data):
        self.data = data
        if data[:6] != b"\x7fELF\x02\x01":
            common.lacks("a 64-bit little-endian program to trace")
        offset, = struct.unpack_from("<Q", data, 40)
        size, number, names = struct.unpack_from("<HHH", data, 58)
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size)
                         for i in range(number)]
        self.names = self.sections[names][4]

    def text(self, offset):
        return bytes(self.data[offset:self.data.index(b"\0", offset)])

    def section(self, name):
        for section in self.sections:
            if self.text(self.names + section[0]) == name:
                return section
        return None

    def functions_of(self, file):
        """(from, to) of each function compiled from that source: local symbols follow
        the name of their file."""
        ranges, inside = [], False
        for table in self.sections:
            if table[1] != SHT_SYMTAB:
                continue
            texts = self.sections[table[6]][4]
            for i in range(table[7]):
                name, info, _, _, value, size = struct.unpack_from(
                    "<IBBHQQ", self.data, table[4] + 24 * i)
                if info & 15 == STT_FILE:
                    inside = self.text(texts + name) == file
                elif inside and info & 15 == STT_FUNC and not UNUSED.match(
                        self.text(texts + name)):
                    ranges.append((value, value + size))
        return ranges


def only(lock, wanted, path):
    """Writes the copy; returns how many places are left."""
    with open(common.SHMBENCH, "rb") as f:
        elf = Elf(bytearray(f.read()))
    notes = elf.section(b".note.stapsdt")
    if not notes:
        common.lacks("probes in the build: apt-get install systemtap-sdt-dev, then ninja")
    ranges = elf.functions_of(lock.replace("-", "_").encode() + b".c")
    at, end, left = notes[4], notes[4] + notes[5], 0
    while at < end:
        name_size, size = struct.unpack_from("<II", elf.data, at)
        description = at + 12 + (name_size + 3) // 4 * 4
        place, = struct.unpack_from("<Q", elf.data, description)
        if elf.data[description + 24:description + 30] == PROVIDER:
            if elf.text(description + 30).decode() in wanted and any(
                    begin <= place < over for begin, over in ranges):
                left += 1
            else:
                # Its name, too: bpftrace counts places by that alone.
                elf.data[description + 24:description + 31] = HIDDEN
        at = description + (size + 3) // 4 * 4
    with open(path, "wb") as f:
        f.write(elf.data)
    os.chmod(path, 0o700)
    return left


def lock_of(request, point, folder):
    """The strategy of a point: from its name, or from a run too short to matter."""
    found = re.search(r"/lock=([\w-]+)(/|$)", point)
    if found:
        return found.group(1)
    path = folder + "/short.json"
    subprocess.run(request.run_of(point, path, "duration=1ms", "warmup=1ms", "trials=1"),
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(path, encoding="utf-8") as f:
        return json.load(f)["points"][0]["params"]["lock"]


def beside(text, program, run):
    """Runs the command once bpftrace is there; (what it saw, what it said). Not by its -c:
    that looks at the process alone, and not at the workers that it forks."""
    # Printed when all is attached: until then nobody reads what BEGIN says.
    text = 'BEGIN { printf("attached\\n"); }\n' + text
    with subprocess.Popen(["bpftrace", "-q", "-B", "line", "-e", text, program],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=dict(os.environ, BPFTRACE_MAX_PROBES="1024")) as tracer:
        try:
            if tracer.stdout.readline() != "attached\n":
                return "", tracer.communicate()[1]
            done = subprocess.run(run, capture_output=True, text=True)
            tracer.send_signal(signal.SIGINT)
            seen, said = tracer.communicate()
            return seen, done.stderr + said
        finally:
            tracer.kill()


def trace(doc, script):
    """Each point of a scenario, one trial of it, with a bpftrace script beside it."""
    request = common.Request(doc)
    common.need_program("bpftrace")
    common.need_shmbench()
    common.need_root()
    common.need_tracefs()
    text = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), script),
                encoding="utf-8").read()
    wanted = set(re.findall(r"usdt:\$1:shmht:(\w+)", text))
    code = 0
    for point, _ in request.points():
        with common.Folder() as folder:
            lock = lock_of(request, point, folder)
            program = folder + "/shmbench"
            places = only(lock, wanted, program)
            if not places:
                print("%s: %s has no probe of its own" % (point, lock))
                code = 3
                continue
            run = request.run_of(point, folder + "/result.json", "trials=1")
            run[0] = program
            seen, error = beside(text, program, run)
            if not common.trials_of(folder + "/result.json"):
                sys.stderr.write(error)
                print("%s: not measured" % point)
                code = 3
                continue
            print("%s (%d sites probed)\n%s\n" % (point, places, seen.strip("\n")), flush=True)
    return code
