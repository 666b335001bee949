# SPDX-License-Identifier: MIT
"""The page of `shmbench report` in a browser, and its figures against its data."""
import html.parser
import json
import re
import shutil
import subprocess
import unittest

from cli_fixture import Case

CHROMIUM = shutil.which("chromium")
needs_browser = unittest.skipUnless(CHROMIUM, "no chromium here (apt-get install chromium)")
HOSTILE = "</script><script>document.title='broken'</script><b id=injected onclick=x>&amp;\u2028'\""
DRIVER = """<script>
(function () {
	var notes = {opened_ms: performance.now()};
	var svg = document.querySelector("svg.panel"), box = svg && svg.getBoundingClientRect();
	if (svg) {
		svg.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
		notes.said = document.getElementById("said").textContent;
		var ring = svg.querySelector(".here").getBoundingClientRect();
		svg.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
		notes.hidden = document.getElementById("tip").hidden;
		svg.dispatchEvent(new MouseEvent("mousemove", {bubbles: true, clientX: ring.x + ring.width / 2,
			clientY: ring.y + ring.height / 2}));
		notes.tip = document.getElementById("tip").textContent;
		notes.lines = document.querySelectorAll("#charts path.mark").length;
		document.querySelector("#choices input").click();
		notes.lines_after = document.querySelectorAll("#charts path.mark").length;
		document.querySelector("#choices input").click();
		var op = document.getElementById("op");
		if (op) {
			op.value = "insert";
			op.dispatchEvent(new Event("change"));
			notes.op = document.getElementById("latency-title").textContent;
		}
	}
	notes.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
	document.documentElement.setAttribute("data-notes", JSON.stringify(notes));
})();
</script>"""


class Page(html.parser.HTMLParser):
    """Of the DOM as the browser left it: figures by path, text, ids, notes."""

    def __init__(self, text):
        super().__init__()
        self.figures, self.ids, self.tags, self.text, self.notes = [], set(), [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if "id" in attrs:
            self.ids.add(attrs["id"])
        if "data-notes" in attrs:
            self.notes = json.loads(attrs["data-notes"])
        if "data-path" in attrs:
            self.figures.append((attrs["data-path"], attrs.get("data-value")))

    def handle_data(self, data):
        self.text.append(data)


def data_of(page):
    return json.loads(re.search(r'(?s)id="data">\n(.*?)\n?</script>', page).group(1))


def walk(value, path):
    for step in path.split("/"):
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


class PageCase(Case):
    def page_of(self, *names):
        self.bench("report", *names, "-o", "page.html")
        with open(self.path("page.html"), encoding="utf-8") as f:
            return f.read()

    def browse(self, page, width=1280):
        self.write("driven.html", page.replace("</body>", DRIVER + "</body>"))
        done = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--user-data-dir=" + self.path("profile"), "--enable-logging=stderr",
             "--window-size=%d,900" % width, "--dump-dom", "file://" + self.path("driven.html")],
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False)
        self.assertEqual([line for line in done.stderr.splitlines() if "CONSOLE" in line], [])
        self.assertIn('data-ready="yes"', done.stdout)
        return Page(done.stdout)

    def check_plan(self, name, at_least, *sections):
        """The page of a plan's file: these sections, figures that are the file's, marks that speak."""
        page = self.page_of(name)
        self.assertEqual(data_of(page)["results"], [])
        if not CHROMIUM:
            return None
        dom = self.browse(page)
        for section in sections:
            self.assertIn(section, dom.ids)
        self.check_figures(page, dom, at_least)
        self.assertEqual(dom.notes["wide"], 0)
        if "svg" in dom.tags:
            self.assertEqual(dom.notes["tip"], dom.notes["said"])
            self.assertLess(dom.notes["lines_after"], dom.notes["lines"])
        return dom

    def check_figures(self, page, dom, at_least):
        data, seen = data_of(page), 0
        for path, shown in dom.figures:
            value = walk(data, path)
            if shown is None:
                self.assertIsNone(value, path)
            elif isinstance(value, (int, float)):
                self.assertEqual(float(shown), value, path)
                seen += 1
            else:
                self.assertEqual(shown, value, path)
        self.assertGreaterEqual(seen, at_least)
