/* SPDX-License-Identifier: MIT */
/* The data, and what of it the charts have in common: which points belong into one
 * panel, which strategies there are, how a figure is written. */
"use strict";

var data = JSON.parse(document.getElementById("data").textContent);
var charts = typeof window.d3 === "object";
var OPS = ["all", "search", "search.hit", "search.miss", "insert", "update", "remove", "search_many"];

/* Of untrusted data: what is not there, or of another type, is undefined. */
function at(object, path) {
	for (var i = 0; i < path.length; i++) {
		if (object === null || typeof object !== "object" ||
		    !Object.prototype.hasOwnProperty.call(object, path[i]))
			return undefined;
		object = object[path[i]];
	}
	return object;
}
function number(object, path) {
	var value = at(object, path);
	return typeof value === "number" && isFinite(value) ? value : null;
}
function text(object, path) {
	var value = at(object, path);
	return value === undefined || value === null ? "" : String(value);
}
function list(object, path) {
	var value = at(object, path);
	return Array.isArray(value) ? value : [];
}
function distinct(values) {
	return values.filter(function (value, i) { return values.indexOf(value) === i; });
}

/* ---- figures as people read them: three digits and a unit ---- */

function digits(value) {
	if (value === null)
		return "–";
	var size = Math.abs(value);
	if (size >= 100 || value === 0)
		return value.toFixed(0);
	if (size >= 10)
		return value.toFixed(1);
	if (size >= 0.001)
		return value.toFixed(size >= 1 ? 2 : 3);
	return value.toExponential(1);
}
function scaled(units) {
	return function (value) {
		if (value === null)
			return "";
		for (var i = 0; i < units.length; i++)
			if (Math.abs(value) >= 0.9995 * units[i][0])
				return digits(value / units[i][0]) + units[i][1];
		return digits(value) + units[units.length - 1][1];
	};
}
var FORMAT = {
	rate: scaled([[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]]),
	ns: scaled([[1e9, " s"], [1e6, " ms"], [1e3, " µs"], [1, " ns"]]),
	plain: function (value) { return value === null ? "" : digits(value); },
	bytes: scaled([[1073741824, " GiB"], [1048576, " MiB"], [1024, " KiB"], [1, " B"]]),
	share: function (value) { return value === null ? "" : digits(100 * value) + " %"; },
	count: function (value) { return value === null ? "" : String(value); }
};

/* ---- points ---- */

/* Sweeps of these are choices of who guards a table; of others, different questions,
 * whose answers are not ranked against each other: a panel each. */
var STRATEGY_KEYS = /^(read|wait|robust|stripes|workers|pin|pages|mem|host)=/;

/* A name is section/key=value/...; a value may have slashes of its own. */
function parts(name) { return name.split(/\/(?=[a-z_]+=)/); }

function describe(point, r, p) {
	var name = text(point, ["name"]), swept = parts(name).slice(1);
	var lock = text(point, ["params", "lock"]) || "(no lock)";
	var rest = swept.filter(function (part) { return STRATEGY_KEYS.test(part); });
	var question = swept.filter(function (part) {
		return !/^(lock|procs)=/.test(part) && !STRATEGY_KEYS.test(part);
	}).map(function (part) { return part.replace(/^mix=/, ""); });
	var section = text(point, ["section"]) || parts(name)[0];
	return {
		point: point, r: r, p: p, name: name,
		ok: text(point, ["status"]) !== "failed",
		procs: Number(text(point, ["params", "procs"])) || 1,
		series: [lock].concat(rest).join(", "),
		panel: [section].concat(question).join(", "),
		mix: text(point, ["params", "mix"]),
		open: text(point, ["summary", "loop"]) === "open"
	};
}

/* Of a plan: "futex read=seqlock" is what a result's point calls "futex, read=seqlock". */
function seriesOfChoice(choice) { return choice.replace(/ (?=[a-z_]+=)/g, ", "); }

/* A plan's rows under path, of all plans, as points are described: path is in the page's data. */
function planRows(path) {
	var entries = [];
	plans.forEach(function (plan, d) {
		list(plan, path).forEach(function (row, i) {
			var choice = text(row, ["choice"]), entry = describe(row, d, i);
			if (choice) {
				entry.series = seriesOfChoice(choice);
				entry.panel = text(row, ["load"]);
			}
			entry.d = d;
			entry.row = row;
			entry.path = ["plans", d].concat(path, i);
			entries.push(entry);
		});
	});
	return entries;
}

var results = list(data, ["results"]), plans = list(data, ["plans"]);
var LETTERS = "ABCDE";
var points = [];
results.forEach(function (result, r) {
	list(result, ["points"]).forEach(function (point, p) { points.push(describe(point, r, p)); });
});
var seriesNames = distinct(points.concat(planRows(["rows"]), planRows(["scalability"]), planRows(["map", "regret"]),
	planRows(["projection", "rows"]), planRows(["memory"])).map(function (entry) { return entry.series; }));
var panelNames = distinct(points.map(function (point) { return point.panel; }));
var state = { hidden: {}, op: "all", percentile: "p99", log: true, trial: 0 };

/* A key of its own in front: a series may be called __proto__. */
function isShown(entry) { return !state.hidden["s:" + entry.series]; }
function shown() { return points.filter(isShown); }
/* Points whose figures mean something. */
function usable() { return shown().filter(function (entry) { return entry.ok; }); }
function colour(series) { return "var(--s" + seriesNames.indexOf(series) % 10 + ")"; }
function fileLabel(entry) { return results.length > 1 ? LETTERS[entry.r] + ": " : ""; }
function processes(n) { return n + (n === 1 ? " process" : " processes"); }
