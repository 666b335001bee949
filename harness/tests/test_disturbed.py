#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A busy neighbour marks the trials; redoing them keeps both sets."""
import csv
import json
import os
import signal
import subprocess
import sys
import unittest

from cli_fixture import QUICK, Case


class Disturbed(Case):
    def neighbours(self):
        for cpu in os.sched_getaffinity(0):
            busy = subprocess.Popen([sys.executable, "-c", "import os, time\n"
                                     "os.sched_setaffinity(0, [%d])\n"
                                     "end = time.time() + 60\n"
                                     "while time.time() < end: pass" % cpu])
            self.addCleanup(busy.wait)
            self.addCleanup(busy.send_signal, signal.SIGKILL)

    def test_marked_and_redone(self):
        self.neighbours()
        result = self.run_json(QUICK, "--set", "duration=200ms", "--set", "warmup=10ms", "--set",
                               "trials=4", "--redo-disturbed")
        # Who shares its CPU with another stands still half of the time.
        self.assertGreater(result["overhead"]["jitter"]["share"], 0.1)
        self.assertRegex(self.bench("show", "r.json").out,
                         r"(?m)^jitter: [1-9]\d % of a CPU's time, at the longest ")
        point = result["points"][0]
        trials = point["trials"]
        for trial in trials:
            self.assertTrue(trial["noise"]["disturbed"], trial["noise"])
            self.assertRegex(trial["noise"]["why"], "other processes|hypervisor")
        self.assertIn("disturbed", point["summary"]["flags"])
        # At most half as many again; none stood undisturbed, so all of them count.
        self.assertEqual([trial["trial"] for trial in trials], [0, 1, 2, 3, 4, 5])
        self.assertFalse(any(trial.get("superseded") for trial in trials))
        self.assertEqual(point["summary"]["ops_per_s"]["n"], 6)

    def test_superseded_trials_do_not_count(self):
        result = self.run_json(QUICK, "--set", "duration=20ms", "--set", "warmup=1ms", "--set", "trials=3")
        trial = result["points"][0]["trials"][0]
        trial["superseded"] = True
        self.write("a.json", json.dumps(result))
        rows = csv.DictReader(self.bench("export", "a.json", "--to", "csv").out.splitlines())
        counted = {(row["trial"], row["trial_status"], row["count"] != "") for row in rows}
        self.assertEqual(counted, {("0", "superseded", False), ("1", "ok", True),
                                   ("2", "ok", True)})


if __name__ == "__main__":
    unittest.main()
