/* SPDX-License-Identifier: MIT */
/* The page: what was run, what to show, and the charts, drawn again at every choice. */

function factsList(pairs) {
	return element("dl", { "class": "facts" }, pairs.filter(function (pair) { return pair[1]; }).map(function (pair) {
		return element("div", {}, [element("dt", {}, [pair[0]]), element("dd", {}, [pair[1]])]);
	}));
}

/* A fact with where it is from, for the test that compares the page with the file.
 * from: path of the file in the page's data. */
function fact(from, path, format) {
	var value = at(data, from.concat(path));
	if (value === undefined || value === null)
		return "";
	return element("span", { "data-path": from.concat(path).join("/"), "data-value": String(value) },
		[format ? format(value) : String(value)]);
}

/* Costs by name; the figure of each is at path in it. */
function costsText(parts, path) {
	var texts = [];
	Object.keys(parts && typeof parts === "object" ? parts : {}).forEach(function (key) {
		var ns = number(parts, [key].concat(path));
		if (ns !== null)
			texts.push(key.replace(/_/g, " ") + " " + FORMAT.ns(ns));
	});
	return texts.join(", ");
}

function troubles(r) {
	return points.filter(function (entry) {
		return entry.r === r && text(entry.point, ["status"]) !== "ok";
	}).map(function (entry) {
		return element("li", { "class": "warning" }, [entry.name + ": " + text(entry.point, ["status"]) + ", " +
			(text(entry.point, ["reason"]) || "no reason given")]);
	});
}

function flagsText(r) {
	var flags = [];
	points.forEach(function (entry) {
		if (entry.r === r)
			flags = flags.concat(list(entry.point, ["summary", "flags"]).map(String));
	});
	return distinct(flags).map(function (flag) {
		return flag + " (" + flags.filter(function (other) { return other === flag; }).length + " points)";
	}).join(", ");
}

/* A result or a plan, the nth of all files from 0. */
function fileElement(file, from, nth, more, warnings) {
	var memory = number(file, ["host", "mem_bytes"]);
	var title = (results.length + plans.length > 1 ? LETTERS[nth] + ": " : "") + text(file, ["file"]);
	function one(label, path, format) { return [label, fact(from, path, format)]; }
	var parts = [element("h3", {}, [title]), factsList([
		one("scenario", ["scenario", "path"]), one("status", ["status"]),
		one("started", ["started"]), one("finished", ["finished"]),
		one("host", ["host", "cpu"]), one("CPUs", ["host", "cpus"]),
		one("kernel", ["host", "kernel"]), one("virtualised", ["host", "virt"]),
		memory === null ? ["memory", ""] : one("memory", ["host", "mem_bytes"], FORMAT.bytes),
		one("clock", ["host", "clock"]), one("fingerprint", ["host", "fingerprint"]),
		one("shmbench", ["tool", "version"]), one("commit", ["tool", "commit"]),
		one("compiler", ["tool", "compiler"]), one("flags of it", ["tool", "cflags"]),
		one("layout", ["tool", "layout_hash"])].concat(more))];
	if (warnings.length)
		parts.push(element("ul", {}, warnings));
	parts.push(element("details", {}, [element("summary", {}, ["The scenario's text"]),
		element("pre", { tabindex: "0" }, [text(file, ["scenario", "text"])])]));
	return element("div", {}, parts);
}

function runElement(result, r) {
	return fileElement(result, ["results", r], r, [["overhead", costsText(at(result, ["overhead"]), ["median_ns"])],
		["flags", flagsText(r)]], troubles(r));
}

function planElement(plan, d) {
	return fileElement(plan, ["plans", d], results.length + d,
		[["measured here", costsText(at(plan, ["projection", "host_ns"]), [])]], []);
}

function leadText() {
	var texts = [];
	if (points.length || !plans.length)
		texts.push(points.length + " points", distinct(points.map(function (entry) {
			return entry.point.params && entry.point.params.lock;
		})).length + " strategies", results.length > 1 ? results.length + " runs" : "one run");
	if (plans.length)
		texts.push(plans.length > 1 ? plans.length + " plans" : "one plan");
	return texts.join(", ") + ". Point at a mark for its figures, or move from mark to mark with the arrow keys; every chart has its table.";
}

function showRuns() {
	var runs = document.getElementById("runs");
	runs.appendChild(element("div", { "class": "runs" }, results.map(runElement).concat(plans.map(planElement))));
	list(data, ["comparisons"]).forEach(function (comparison, i) {
		runs.appendChild(element("details", { open: "" }, [
			element("summary", {}, ["What differs: " + LETTERS[i + 1] + " over A"]),
			element("pre", { tabindex: "0", "class": "comparison" }, [String(comparison)])]));
	});
	document.getElementById("lead").textContent = leadText();
	if (!charts)
		runs.appendChild(element("p", { "class": "warning" }, ["This page has tables but no charts: shmbench was " +
			"built where there is no libjs-d3 (apt-get install libjs-d3, then ninja)."]));
}

/* ---- choices ---- */

function swatch(series, dash) {
	var svg = d3.select(document.createElementNS("http://www.w3.org/2000/svg", "svg"))
		.attr({ "class": "swatch", viewBox: "0 0 26 14", "aria-hidden": "true" });
	svg.append("path").attr({ "class": "line", d: "M0,7H26", "stroke-dasharray": dash || null }).style("stroke", colour(series));
	svg.append("path").attr({ d: shapeOf(series), transform: "translate(13,7)" }).style("fill", colour(series));
	return svg.node();
}

function seriesChoice(series) {
	var box = element("input", { type: "checkbox", name: "series" });
	box.checked = !state.hidden["s:" + series];
	box.addEventListener("change", function () {
		state.hidden["s:" + series] = !box.checked;
		draw();
	});
	return element("label", { "class": "series" }, [box].concat(charts ? [swatch(series)] : [], [series]));
}

function choice(id, label, options, chosen, change) {
	var select = element("select", { id: id }, options.map(function (option) {
		return element("option", { value: String(option[0]) }, [option[1]]);
	}));
	select.value = String(chosen);
	select.addEventListener("change", function () {
		change(select.value);
		draw();
	});
	return element("label", { "for": id }, [element("span", {}, [label]), select]);
}

function toggleAll(shownNow) {
	var button = element("button", { type: "button" }, [shownNow ? "all" : "none"]);
	button.addEventListener("click", function () {
		seriesNames.forEach(function (series) { state.hidden["s:" + series] = !shownNow; });
		document.querySelectorAll("#choices input").forEach(function (box) { box.checked = shownNow; });
		draw();
	});
	return button;
}

function showChoices() {
	var form = document.getElementById("choices");
	var ops = OPS.filter(function (op) {
		return points.some(function (entry) { return at(entry.point, ["summary", op]); });
	});
	var trials = Math.max.apply(null, [1].concat(points.map(function (entry) { return list(entry.point, ["trials"]).length; })));
	var numbers = [];
	for (var k = 0; k < trials; k++)
		numbers.push([k, String(k + 1)]);
	form.appendChild(element("fieldset", {}, [element("legend", {}, ["strategies"])].concat(
		seriesNames.map(seriesChoice), seriesNames.length > 3 ? [toggleAll(true), " ", toggleAll(false)] : [])));
	if (ops.length)
		form.appendChild(choice("op", "operation", ops.map(function (op) { return [op, op]; }), state.op,
			function (value) { state.op = value; }));
	if (points.length)
		form.appendChild(choice("percentile", "percentile", [["p50", "p50"], ["p99", "p99"], ["p999", "p99.9"]], state.percentile,
			function (value) { state.percentile = value; }));
	form.appendChild(choice("scale", "rates and times", [["log", "log scale"], ["linear", "linear scale"]], "log",
		function (value) { state.log = value === "log"; }));
	if (points.length)
		form.appendChild(choice("trial", "trial", numbers, 0, function (value) { state.trial = Number(value); }));
	form.addEventListener("submit", function (event) { event.preventDefault(); });
}

/* ---- charts ---- */

/* all: {label, series, dash} of what the section shows; without: of all points that are shown */
function keyElement(all) {
	var entries = [];
	(all || usable().map(function (entry) {
		return { label: fileLabel(entry) + entry.series, series: entry.series, dash: DASHES[entry.r] };
	})).forEach(function (entry) {
		if (!entries.some(function (other) { return other.label === entry.label; }))
			entries.push(entry);
	});
	return element("ul", { "class": "key", "aria-label": "Key" }, entries.map(function (entry) {
		return element("li", {}, [swatch(entry.series, entry.dash), entry.label]);
	}));
}

function panelsElement(panels, width) {
	var columns = Math.max(1, Math.min(panels.length, Math.floor(width / 340)));
	var each = Math.floor((width - 22 * (columns - 1)) / columns);
	/* One panel alone is not stretched until its lines are flat. */
	each = Math.min(each, 640);
	var node = element("div", { "class": "panels" }, panels.map(function (panel) {
		return element("div", {}, [element("h3", {}, [panel.title]), panel.draw(each)]);
	}));
	node.style.gridTemplateColumns = "repeat(" + columns + ", minmax(0, " + each + "px))";
	return node;
}

function sectionElement(spec, width) {
	var children = [element("h2", { id: spec.id + "-title" }, [spec.title]), element("p", { "class": "how" }, [spec.how])];
	if (spec.map)
		children.push(spec.map);
	else if (!spec.rows.length)
		children.push(element("p", { "class": "none" }, ["Nothing of what is chosen above was measured for this."]));
	else if (charts)
		children.push(keyElement(spec.key), panelsElement(spec.panels, width));
	if (spec.head)
		children.push(foldedTable(spec.title, spec.head, spec.rows));
	return element("section", { id: spec.id, "class": "figure-section", "aria-labelledby": spec.id + "-title" }, children);
}

/* Tables that are open stay open. */
function draw() {
	var into = document.getElementById("charts"), open = {};
	into.querySelectorAll("section").forEach(function (node) {
		var fold = node.querySelector("details");
		open[node.id] = fold && fold.open;
	});
	document.getElementById("tip").hidden = true;
	var nodes = ALL_SECTIONS.map(function (fn) { return fn(); }).filter(Boolean).map(function (spec) {
		var node = sectionElement(spec, into.clientWidth), fold = node.querySelector("details");
		if (fold && open[spec.id] !== undefined)
			fold.open = open[spec.id];
		return node;
	});
	into.textContent = "";
	nodes.forEach(function (node) { into.appendChild(node); });
}

function start() {
	var width, waiting;
	showRuns();
	showChoices();
	draw();
	width = document.getElementById("charts").clientWidth;
	window.addEventListener("resize", function () {
		clearTimeout(waiting);
		waiting = setTimeout(function () {
			if (document.getElementById("charts").clientWidth !== width) {
				width = document.getElementById("charts").clientWidth;
				draw();
			}
		}, 120);
	});
	document.documentElement.setAttribute("data-ready", "yes");
}
start();
