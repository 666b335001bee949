#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""No indirect call inside a critical section, of any strategy.

The release objects are disassembled and each operation followed from its
lock's acquisition (an atomic exchange, or a call that takes the lock) along
every branch and every direct call. An indirect call or jump that can be
reached from there fails. Two are known and allowed: grow() hashes keys with the
caller's function when a bucket splits, and foreach() calls back by contract.
"""
import glob
import os
import re
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OPERATIONS = ("op_search", "op_insert", "op_update", "op_upsert", "op_remove",
              "op_search_many")
ALLOWED_INSIDE = re.compile(r"^grow(\.|$)")
TAKES = re.compile(r"pthread_mutex_(try|clock)|sem_(try|clock)wait|semtimedop")
INDIRECT = re.compile(r"^(notrack )?(call|jmp)q?\s+\*")
LINE = re.compile(r"^\s*([0-9a-f]+):\t(.*)$")


class Function:
    def __init__(self, name):
        self.name, self.code = name, []  # [(address, instruction, relocation or None)]


def disassemble(path):
    out = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", path], check=True,
                         capture_output=True, text=True).stdout
    functions, current = {}, None
    for line in out.splitlines():
        head = re.match(r"^[0-9a-f]+ <(.*)>:$", line)
        if head:
            current = functions.setdefault(head.group(1), Function(head.group(1)))
            continue
        reloc = re.match(r"^\s+[0-9a-f]+: R_X86_64_(?:PLT32|PC32)\s+(\S+?)(?:[-+]0x[0-9a-f]+)?$", line)
        if reloc and current and current.code:
            address, text, _ = current.code[-1]
            current.code[-1] = (address, text, reloc.group(1))
            continue
        match = LINE.match(line)
        if match and current:
            current.code.append((int(match.group(1), 16), match.group(2).strip(), None))
    return functions


def is_acquire(text, reloc):
    return (text.startswith("lock ") or re.match(r"xchg\s.*\(", text) is not None
            or (reloc is not None and TAKES.search(reloc) is not None))


def target_of(text, reloc, functions):
    """(function, address or None for its start) that a call or a jump goes to."""
    match = re.search(r"([0-9a-f]+) <([^>+]+)(\+0x[0-9a-f]+)?>", text)
    if reloc and reloc in functions:
        return reloc, None
    if match and match.group(2) in functions and not reloc:
        return match.group(2), int(match.group(1), 16)
    return None


def findings(functions, operation):
    """Acquisitions seen, and indirect calls that can be reached after one."""
    index = {name: {code[0]: i for i, code in enumerate(f.code)} for name, f in functions.items()}
    bad, acquired, seen = [], 0, set()
    todo = [(operation, 0, False)]
    while todo:
        name, i, inside = todo.pop()
        if (name, i, inside) in seen or i >= len(functions[name].code):
            continue
        seen.add((name, i, inside))
        _, text, reloc = functions[name].code[i]
        if INDIRECT.match(text):
            if inside:
                bad.append("%s: %s" % (name, text))
            if text.startswith("jmp"):
                continue
        if is_acquire(text, reloc):
            acquired += 1
            inside = True
        opcode = text.split()[0] if text else ""
        if opcode in ("ret", "retq", "ud2", "hlt"):
            continue
        if opcode.startswith("j") or opcode.startswith("call"):
            to = target_of(text, reloc, functions)
            if to and not ALLOWED_INSIDE.match(to[0]):
                start = 0 if to[1] is None else index[to[0]].get(to[1])
                if start is not None:
                    todo.append((to[0], start, inside))
            # What a callee acquires it may keep: enter_contended() does.
            if opcode.startswith("call") and to and "contended" in to[0]:
                todo.append((name, i + 1, True))
            if opcode.startswith("jmp"):
                continue
        todo.append((name, i + 1, inside))
    return acquired, bad


def judge(path):
    functions = disassemble(path)
    result = {}
    for operation in OPERATIONS:
        parts = [name for name in functions if name == operation]
        assert parts, "%s: no function %s" % (path, operation)
        result[operation] = findings(functions, operation)
    return result


@unittest.skipUnless(os.uname().machine == "x86_64", "reads x86-64 instructions")
class IndirectCalls(unittest.TestCase):
    def test_every_strategy(self):
        objects = sorted(glob.glob(os.path.join(ROOT, "build/release/core/strategy/*.o")))
        self.assertGreaterEqual(len(objects), 11)
        for path in objects:
            with self.subTest(strategy=os.path.basename(path)):
                for operation, (acquired, bad) in judge(path).items():
                    self.assertEqual(bad, [], operation)
                    if os.path.basename(path) != "none.o":
                        self.assertGreater(acquired, 0, operation)

    def test_no_string_instruction(self):
        """A value of the usual size is copied by moves: gcc makes a rep movs of a copy that
        it takes for cold, which costs more than the rest of a search."""
        for path in glob.glob(os.path.join(ROOT, "build/release/core/strategy/*.o")):
            functions = disassemble(path)
            for name in functions:
                if name.split(".")[0] in OPERATIONS:
                    found = [text for _, text, _ in functions[name].code if text.startswith("rep ")]
                    self.assertEqual(found, [], "%s: %s" % (os.path.basename(path), name))

    def test_sees_one(self):
        """The check itself: a lock that is released through a pointer is found out."""
        with open(os.path.join(ROOT, "core/strategy/spin.c")) as f:
            source = f.read()
        body = source.replace(
            "INLINE void lock_release(",
            "void (*volatile hidden)(void *);\nINLINE void lock_release(").replace(
            "st_release(&l->owner, 0);", "hidden(l);\n\tst_release(&l->owner, 0);")
        self.assertIn("hidden(l)", body)
        with tempfile.TemporaryDirectory() as tmp:
            path = os.path.join(tmp, "hidden.c")
            with open(path, "w") as f:
                f.write(body)
            subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-c",
                            "-Icore/include", "-Icore", path, "-o", path + ".o"], cwd=ROOT, check=True)
            for operation, (_, bad) in judge(path + ".o").items():
                self.assertNotEqual(bad, [], operation)


if __name__ == "__main__":
    unittest.main()
