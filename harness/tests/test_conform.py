#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`shmbench conform`: what it passes, and what it does not, however that misbehaves."""
import os
import re
import unittest

from cli_fixture import ROOT
from lock_fixture import Built, install_headers

# A wait, who is named, a death, exclusion: what a lock most often gets wrong.
SOME = "^(time-out|holder|exclusion: 4 proc|the lock.s state)"


def setUpModule():
    install_headers()


class Conform(Built):
    def conform(self, lock, filtered, *more, code):
        return self.bench("conform", lock, "--filter", filtered, *more, code=code, timeout=120)

    def row(self, said, name):
        """(result, what is said below it)"""
        found = re.search(r"(?m)^%s +(pass|FAIL|CRASH|NO RETURN|not run)\b.*\n((?:    .*\n)*)"
                          % re.escape(name), said.out)
        self.assertTrue(found, said.out)
        return found.groups()

    def test_a_good_one(self):
        self.example("mine.so")
        said = self.conform("./mine.so", SOME, code=0)
        self.assertEqual(self.row(said, "time-out: each operation, holder named"), ("pass", ""))
        self.assertIn("8 bytes a stripe, 0 a worker", said.out)
        self.assertRegex(said.out, r"conform: (\d+) of \1 passed")

    @unittest.skipUnless(os.environ.get("SHMBENCH_TESTS") == "all", "takes a minute")
    def test_all_of_it(self):
        self.example("mine.so")
        said = self.bench("conform", "./mine.so", "--all", timeout=300)
        self.assertRegex(said.out, r"conform: (\d\d+) of \1 passed")
        self.assertIn("of 9 modes", said.out)

    def test_one_that_is_built_in(self):
        said = self.conform("none", "^absent", "--all", code=0)
        self.assertIn("6 of 6 modes", said.out)

    def test_one_that_does_not_exclude(self):
        self.assertEqual(self.compile("open.so", os.path.join(ROOT, "core/tests/strategy_busted.c"),
                                      optimize="-O0"),
                         "")
        said = self.conform("./open.so", "^(time-out|holder killed)", code=1)
        result, why = self.row(said, "time-out 0 tries once")
        self.assertEqual(result, "FAIL")
        self.assertRegex(why, r"gave 0 , expected -110 ETIMEDOUT \(core/tests/test_waiting.c:\d+\)")

    def test_one_that_never_returns(self):
        self.example_with("long.so", waits=("if (wait_expired(ctx, start_ticks))", "if (false)"))
        said = self.conform("./long.so", "^time-out: each", "--deadline", "1s", code=1)
        result, why = self.row(said, "time-out: each operation, holder named")
        self.assertEqual(result, "NO RETURN")
        self.assertIn("did not end within 1 s, and was killed", why)

    def test_three_that_did_not_return_are_enough(self):
        self.example_with("long.so", tries=("uint32_t free = 0;", "uint32_t free = 0; for (;;) ;"))
        said = self.conform("./long.so", ".", "--deadline", "100ms", code=1)
        self.assertEqual(said.out.count("did not end within"), 3)
        self.assertEqual(self.row(said, "release wakes the waiter"), ("not run", ""))
        self.assertIn("after 3 that did not return the others were not run", said.out)

    def test_one_that_crashes(self):
        self.example_with("crash.so", ends=("st_release(&l->owner, 0);",
                                            "__builtin_trap(); st_release(&l->owner, 0);"))
        said = self.conform("./crash.so", "^insert twice", code=1)
        result, why = self.row(said, "insert twice: EEXIST, first value stays")
        self.assertEqual(result, "CRASH")
        self.assertIn("died of signal 4 (Illegal instruction)", why)

    def test_one_that_writes_beside_its_state(self):
        self.example_with("wide.so", ends=("st_release(&l->owner, 0);", "st_release(&l->owner, 0);"
                                           "\n\t((volatile unsigned char *)l)[40] = 1;"))
        said = self.conform("./wide.so", "^the lock", code=1)
        result, why = self.row(said, "the lock's state stays in its bytes")
        self.assertEqual(result, "FAIL")
        self.assertIn("byte 40 of the stripe's 64 bytes was written, of which 8 are the lock's", why)

    def test_one_that_strands_though_it_says_otherwise(self):
        self.example_with("lies.so", owner=("#define LOCK_OWNER(l) (&(l)->owner)\n", ""))
        said = self.conform("./lies.so", "^holder killed: told", code=1)
        self.assertEqual(self.row(said, "holder killed: told, nobody hangs")[0], "FAIL")


class Refused(Built):
    def refuse(self, *arguments, says):
        said = self.bench("conform", *arguments, code=2)
        self.assertEqual(said.out, "")
        self.assertIn(says, said.err)

    def test_what_is_no_lock(self):
        self.refuse("./absent.so", says="No such file")
        self.refuse("mine.so", says="a path with a '/' in it, or a name")
        self.refuse(says="one lock is wanted, found 0")
        self.refuse("futex", "sem", says="found 2")
        self.refuse("futex", "--deadline", "0", says="--deadline: found '0', allowed: a time")
        self.refuse("futex", "--filter", "(", says="no regular expression")
        self.refuse("futex", "--fast", says="'--fast' is unknown")
        self.write("text.so", "text\n")
        self.refuse("./text.so", says="not a 64-bit shared object")

    def test_loading_that_does_not_end(self):
        self.write("slow.c", "__attribute__((constructor)) static void f(void) { for (;;) ; }\n")
        self.compile("slow.so", "slow.c")
        self.refuse("./slow.so", "--deadline", "500ms", says="loading it did not end within 0.5 s")

    def test_a_filter_that_nothing_matches(self):
        said = self.bench("conform", "futex", "--filter", "no such check", code=2)
        self.assertIn("no check matches", said.err)


if __name__ == "__main__":
    unittest.main()
