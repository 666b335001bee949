/* SPDX-License-Identifier: MIT */
/* The charts one by one: what each shows, of which points, and its table. */

var ALL_SECTIONS = [];
/* fn(): {id, title, how, panels[{title, draw(width)}], head, rows}, or null when the
 * files have nothing for it. */
function section(fn) { ALL_SECTIONS.push(fn); }

function named(columns) { return ["point"].concat(columns); }
function pointName(entry) { return fileLabel(entry) + entry.name; }

/* entries by key: [{title, entries}], in order of appearance */
function grouped(entries, keyOf) {
	return distinct(entries.map(keyOf)).map(function (key) {
		return { title: key, entries: entries.filter(function (entry) { return keyOf(entry) === key; }) };
	});
}
function lines(entries) {
	return grouped(entries, function (entry) { return entry.r + " " + entry.series; });
}

/* ---- one figure per point, over the number of processes ---- */

function figureOf(entry, spec) {
	var path = ["summary"].concat(spec.path(entry)), value = at(entry.point, path);
	var whole = typeof value === "number";
	return {
		path: whole ? path : path.concat("median"),
		lowPath: path.concat("low"), highPath: path.concat("high"),
		value: whole ? number(entry.point, path) : number(entry.point, path.concat("median")),
		low: whole ? null : number(entry.point, path.concat("low")),
		high: whole ? null : number(entry.point, path.concat("high"))
	};
}

function markOf(entry, spec) {
	var figure = figureOf(entry, spec), interval = "";
	if (figure.low !== null && figure.high !== null)
		interval = "\n95 %: " + spec.format(figure.low) + " to " + spec.format(figure.high);
	return {
		x: entry.procs, y: figure.value, low: figure.low, high: figure.high,
		text: fileLabel(entry) + entry.series + ", " + processes(entry.procs) + "\n" + spec.title +
			": " + spec.format(figure.value) + interval
	};
}

function byProcesses(spec, group) {
	var procs = distinct(group.entries.map(function (entry) { return entry.procs; })).sort(d3.ascending);
	var common = { title: group.title, yLabel: spec.unit, format: spec.format, log: state.log && spec.log };
	var drawn = lines(group.entries).map(function (line) {
		var first = line.entries[0];
		return {
			series: first.series, label: fileLabel(first) + first.series, dash: DASHES[first.r],
			hollow: first.r > 0,
			marks: line.entries.slice().sort(function (a, b) { return a.procs - b.procs; })
				.map(function (entry) { return markOf(entry, spec); })
		};
	});
	if (procs.length < 2) {
		common.rows = drawn;
		common.title += ", " + processes(procs[0]);
		return { title: common.title, draw: function (width) { return rowPanel(common, width); } };
	}
	common.lines = drawn;
	common.xLabel = "processes";
	common.xTicks = procs;
	common.xFormat = String;
	common.xScale = function (range) { return d3.scale.log().domain(d3.extent(procs)).range(range); };
	return { title: common.title, draw: function (width) { return linePanel(common, width); } };
}

function pointSection(spec) {
	var entries = usable().filter(function (entry) { return figureOf(entry, spec).value !== null; });
	if (!points.some(function (entry) { return figureOf(entry, spec).value !== null; }))
		return null;
	var withRange = entries.some(function (entry) { return figureOf(entry, spec).low !== null; });
	return {
		id: spec.id, title: spec.title, how: spec.how,
		panels: charts ? grouped(entries, function (entry) { return entry.panel; }).map(
			byProcesses.bind(null, spec)) : [],
		head: named(withRange ? [spec.title, "95 % from", "to", "flags"] : [spec.title, "flags"]),
		rows: entries.map(function (entry) {
			var figure = figureOf(entry, spec), flags = list(entry.point, ["summary", "flags"]).join(", ");
			var cells = [figureCell(entry, figure.path, spec.format)];
			if (withRange)
				cells.push(figureCell(entry, figure.lowPath, spec.format),
					   figureCell(entry, figure.highPath, spec.format));
			return [pointName(entry)].concat(cells, flags);
		})
	};
}

function summaryKey(key) { return function () { return [key]; }; }

section(function () {
	return pointSection({ id: "throughput", title: "Throughput", unit: "operations per second", log: true,
		path: summaryKey("ops_per_s"), format: FORMAT.rate,
		how: "Median of the trials; the bar is its 95 % interval. In an open loop the rate is what was asked for." });
});
section(crossOver);
section(function () {
	return pointSection({ id: "latency", title: "Latency, " + state.op + " " + state.percentile, unit: "time",
		log: true, format: FORMAT.ns,
		path: function () { return [state.op, state.percentile.replace(/^p|\./g, "") === "999" ? "p999_ns" :
			state.percentile + "_ns"]; },
		how: "Response time (from the planned start) in an open loop, else service time: a closed loop hides waiting." });
});
section(latencyCurves);
section(phases);
section(function () {
	return pointSection({ id: "worst-wait", title: "Worst wait for a lock", unit: "time", log: true,
		path: summaryKey("worst_wait_ns"), format: FORMAT.ns, how: "The longest of all contended acquires of all trials; each was timed." });
});
section(function () {
	return pointSection({ id: "stalled", title: "Stalled share", unit: "share of workers' time", log: false,
		path: summaryKey("stalled"), format: FORMAT.share, how: "Share of all workers' time spent in waits longer than 1 ms." });
});
section(timeSeries);
section(workers);
section(function () {
	return pointSection({ id: "fairness", title: "Slowest worker over fastest", unit: "ratio", log: false,
		path: summaryKey("min_over_max"), format: FORMAT.plain, how: "1: all workers got on alike; 0: one got nothing." });
});
section(function () {
	return pointSection({ id: "kernel", title: "Kernel crossings per operation", unit: "system calls per operation", log: false,
		path: summaryKey("kernel_per_op"), format: FORMAT.plain, how: "Counted by tracepoint, in a trial of the point's own that is in no other figure." });
});
section(function () {
	return pointSection({ id: "cpu", title: "CPU time per operation", unit: "time", log: true,
		path: summaryKey("cpu_ns_per_op"), format: FORMAT.ns, how: "User and system time of all workers. In an open loop it includes the spin until the next planned start." });
});
section(recovery);

/* Figures that a newer file has and this page does not know are shown all the same. */
var KNOWN = ["ops_per_s", "worst_wait_ns", "stalled", "min_over_max", "kernel_per_op", "cpu_ns_per_op", "hit_ratio"];
function unknownFigures() {
	var keys = [];
	points.forEach(function (entry) {
		var summary = at(entry.point, ["summary"]);
		Object.keys(summary && typeof summary === "object" ? summary : {}).forEach(function (key) {
			var plain = number(summary, [key]) !== null || number(summary, [key, "median"]) !== null;
			if (plain && KNOWN.indexOf(key) < 0 && OPS.indexOf(key) < 0 && keys.indexOf(key) < 0)
				keys.push(key);
		});
	});
	return keys.slice(0, 20);
}
unknownFigures().forEach(function (key, i) {
	section(function () {
		var time = /_ns$/.test(key);
		return pointSection({ id: "more-" + i, title: key, unit: time ? "time" : "value", log: time,
			path: summaryKey(key), format: time ? FORMAT.ns : FORMAT.plain, how: "As the result file has it." });
	});
});

/* ---- latency by percentile ---- */

var NINES = [[0, "0"], [Math.log(2) / Math.LN10, "p50"], [1, "p90"], [2, "p99"], [3, "p99.9"], [4, "p99.99"],
	     [5, "p99.999"], [6, "6 nines"], [7, "7 nines"], [8, "8 nines"], [9, "9 nines"]];
function percentName(nines) {
	return "p" + Number((100 * (1 - Math.pow(10, -nines))).toPrecision(Math.max(3, Math.ceil(nines) + 2)));
}

function curveLine(entry, clock) {
	var path = ["latency", clock, state.op], perDecade = number(entry.point, path.concat("per_decade")) || 10;
	return {
		series: entry.series, dash: clock === "service" ? "2 3" : DASHES[entry.r],
		marks: list(entry.point, path.concat("ns")).map(function (ns, i) {
			return { x: i / perDecade, y: ns, text: fileLabel(entry) + entry.series + ", " +
				clock + " time of " + state.op + "\n" + percentName(i / perDecade) + ": " + FORMAT.ns(ns) };
		}).filter(function (mark) { return typeof mark.y === "number"; })
	};
}

function curvePanel(group) {
	var drawn = [], longest = 1;
	group.entries.forEach(function (entry) {
		["response", "service"].forEach(function (clock) {
			var line = curveLine(entry, clock);
			if (!line.marks.length)
				return;
			if (clock === "service" && !entry.open)
				line.dash = DASHES[entry.r];
			longest = Math.max(longest, line.marks[line.marks.length - 1].x);
			drawn.push(line);
		});
	});
	var ticks = NINES.filter(function (nine) { return nine[0] <= longest + 0.01; });
	return { title: group.title, draw: function (width) {
		return linePanel({ title: group.title, yLabel: "time of " + state.op, xLabel: "percentile", bare: true,
			format: FORMAT.ns, log: state.log, lines: drawn,
			xScale: function (range) { return d3.scale.linear().domain([0, longest]).range(range); },
			xTicks: ticks.map(function (nine) { return nine[0]; }),
			xFormat: function (x) { return NINES.filter(function (nine) { return nine[0] === x; })[0][1]; } }, width);
	} };
}

function latencyCurves() {
	var rows = [];
	function has(entry) {
		return OPS.some(function (op) { return at(entry.point, ["latency", "service", op]) ||
			at(entry.point, ["latency", "response", op]); });
	}
	if (!points.some(has))
		return null;
	var entries = usable().filter(function (entry) {
		return at(entry.point, ["latency", "service", state.op]) || at(entry.point, ["latency", "response", state.op]);
	});
	entries.forEach(function (entry) {
		["response", "service"].forEach(function (clock) {
			var path = ["latency", clock, state.op];
			if (!at(entry.point, path))
				return;
			rows.push([pointName(entry), clock].concat([10, 20, 30, 40, 50].map(function (i) {
				return figureCell(entry, path.concat("ns", i), FORMAT.ns);
			}), figureCell(entry, path.concat("max_ns"), FORMAT.ns),
			figureCell(entry, path.concat("count"), FORMAT.count)));
		});
	});
	return {
		id: "curves", title: "Latency by percentile, " + state.op,
		how: "All trials of a point added, bucket by bucket; a line ends where fewer than 10 samples lie above it. " +
			"Open loop: solid is response time, dotted service time; the space between is waiting for one's turn.",
		panels: charts ? grouped(entries, function (entry) { return entry.panel + ", " + processes(entry.procs); })
			.map(curvePanel) : [],
		head: named(["clock", "p90", "p99", "p99.9", "p99.99", "p99.999", "max", "samples"]), rows: rows
	};
}

/* ---- over phases ---- */

function phases() {
	function of(entry) { return list(entry.point, ["summary", "phases"]); }
	function names(entry) { return of(entry).map(function (phase) { return text(phase, ["name"]); }); }
	function has(entry) { return of(entry).length > 0; }
	if (!points.some(has))
		return null;
	var entries = usable().filter(has), rows = [];
	entries.forEach(function (entry) {
		names(entry).forEach(function (name, i) {
			var path = ["summary", "phases", i];
			function cell(more, format) { return figureCell(entry, path.concat(more), format); }
			rows.push([pointName(entry), name, cell("seconds", FORMAT.plain), cell("asked_per_s", FORMAT.rate),
				cell(["ops_per_s", "median"], FORMAT.rate), cell(["ops_per_s", "low"], FORMAT.rate),
				cell(["ops_per_s", "high"], FORMAT.rate), cell([state.op, "p50_ns", "median"], FORMAT.ns),
				cell([state.op, "p99_ns", "median"], FORMAT.ns), cell([state.op, "p999_ns", "median"], FORMAT.ns),
				cell("worst_wait_ns", FORMAT.ns), list(of(entry)[i], ["flags"]).join(", ")]);
		});
	});
	function marks(entry) {
		return of(entry).map(function (phase, i) {
			var p99 = number(phase, [state.op, "p99_ns", "median"]);
			return { x: i, y: p99, low: number(phase, [state.op, "p99_ns", "low"]),
				high: number(phase, [state.op, "p99_ns", "high"]), text: fileLabel(entry) + entry.series + ", " +
				text(phase, ["name"]) + "\np99 of " + state.op + ": " + FORMAT.ns(p99) + "\n" +
				FORMAT.rate(number(phase, ["ops_per_s", "median"])) + " operations per second" };
		}).filter(function (mark) { return mark.y !== null; });
	}
	function panel(group) {
		var ticks = names(group.entries[0]), drawn = group.entries.map(function (entry) {
			return { series: entry.series, dash: DASHES[entry.r], hollow: entry.r > 0, marks: marks(entry) };
		});
		return { title: group.title, draw: function (width) {
			return linePanel({ title: group.title, yLabel: "p99 of " + state.op, xLabel: "phase", log: state.log,
				format: FORMAT.ns, lines: drawn, xTicks: ticks.map(function (name, i) { return i; }),
				xFormat: function (i) { return ticks[i]; },
				xScale: function (range) { return d3.scale.linear().domain([-0.5, ticks.length - 0.5]).range(range); }
			}, width);
		} };
	}
	return {
		id: "phases", title: "Phases, p99 of " + state.op,
		how: "An operation counts for the phase in which it started; in an open loop its time is from its planned start.",
		panels: charts ? grouped(entries.filter(function (entry) { return marks(entry).length; }), function (entry) {
			return entry.panel + ", " + processes(entry.procs) + ", " + names(entry).join(", ");
		}).map(panel) : [],
		head: named(["phase", "seconds", "asked/s", "ops/s", "95 % from", "to", "p50", "p99", "p99.9", "worst wait", "flags"]),
		rows: rows
	};
}

/* ---- over time, and over workers ---- */

function timeSeries() {
	function intervals(entry) { return list(entry.point, ["trials", state.trial, "intervals"]); }
	if (!points.some(function (entry) { return intervals(entry).length > 1; }))
		return null;
	var entries = usable().filter(function (entry) { return intervals(entry).length; }), rows = [];
	entries.forEach(function (entry) {
		intervals(entry).forEach(function (interval, i) {
			var path = ["trials", state.trial, "intervals", i];
			rows.push([pointName(entry), figureCell(entry, path.concat("start_s"), FORMAT.plain),
				figureCell(entry, path.concat("ops_per_s"), FORMAT.rate),
				figureCell(entry, path.concat("p99_ns"), FORMAT.ns)]);
		});
	});
	function panel(group) {
		var last = 0, drawn = group.entries.map(function (entry) {
			return { series: entry.series, dash: DASHES[entry.r], hollow: entry.r > 0,
				marks: intervals(entry).map(function (interval) {
					var from = number(interval, ["start_s"]), long = number(interval, ["seconds"]);
					var rate = number(interval, ["ops_per_s"]), p99 = number(interval, ["p99_ns"]);
					last = Math.max(last, from + long);
					return { x: from + long / 2, y: rate, text: fileLabel(entry) + entry.series + ", from " +
						digits(from) + " s\n" + FORMAT.rate(rate || 0) + " operations per second" +
						(p99 === null ? "" : "\np99: " + FORMAT.ns(p99)) };
				}).filter(function (mark) { return mark.y !== null; }) };
		});
		return { title: group.title, draw: function (width) {
			var x = d3.scale.linear().domain([0, last]);
			return linePanel({ title: group.title, yLabel: "operations per second", xLabel: "seconds", log: false,
				format: FORMAT.rate, lines: drawn, xTicks: x.ticks(5), xFormat: digits,
				xScale: function (range) { return x.range(range); } }, width);
		} };
	}
	return {
		id: "series", title: "Throughput over time, trial " + (state.trial + 1),
		how: "One dot per interval of the trial that is chosen above.",
		panels: charts ? grouped(entries, function (entry) { return entry.panel + ", " + processes(entry.procs); })
			.map(panel) : [],
		head: named(["from, s", "ops/s", "p99"]), rows: rows
	};
}

function workers() {
	function ofTrial(entry) { return list(entry.point, ["trials", state.trial, "workers"]); }
	function several(entry) { return ofTrial(entry).length > 1; }
	var entries = usable().filter(several), rows = [];
	if (!points.some(several))
		return null;
	entries.forEach(function (entry) {
		ofTrial(entry).forEach(function (worker, i) {
			var path = ["trials", state.trial, "workers", i];
			rows.push([pointName(entry), String(i), figureCell(entry, path.concat("ops"), FORMAT.count),
				figureCell(entry, path.concat("longest_wait_ns"), FORMAT.ns)]);
		});
	});
	function panel(group) {
		var drawn = group.entries.map(function (entry) {
			return { series: entry.series, label: fileLabel(entry) + entry.series, hollow: entry.r > 0,
				marks: ofTrial(entry).map(function (worker, i) {
					var ops = number(worker, ["ops"]);
					return { y: ops, text: fileLabel(entry) + entry.series + ", worker " + i + "\n" +
						FORMAT.count(ops) + " operations" };
				}).filter(function (mark) { return mark.y !== null; }) };
		});
		return { title: group.title, draw: function (width) {
			return rowPanel({ title: group.title, yLabel: "operations of each worker", format: FORMAT.rate,
				log: false, rows: drawn }, width);
		} };
	}
	return {
		id: "workers", title: "Fairness per worker, trial " + (state.trial + 1),
		how: "One mark per worker: the further apart they are, the less fair the lock.",
		panels: charts ? grouped(entries, function (entry) { return entry.panel + ", " + processes(entry.procs); })
			.map(panel) : [],
		head: named(["worker", "operations", "longest wait"]), rows: rows
	};
}

/* ---- which strategy, when ---- */

/* The best of a cell's points, if its interval is apart from every other's. */
function winner(entries) {
	var lower = entries[0].open, path = lower ? ["summary", "all", "p99_ns"] : ["summary", "ops_per_s"];
	var rated = entries.map(function (entry) {
		return { entry: entry, value: number(entry.point, path.concat("median")),
			low: number(entry.point, path.concat("low")), high: number(entry.point, path.concat("high")) };
	}).filter(function (one) { return one.value !== null; });
	rated.sort(function (a, b) { return lower ? a.value - b.value : b.value - a.value; });
	var best = rated[0], without = rated.some(function (one) { return one.low === null || one.high === null; });
	var near = without ? [] : rated.slice(1).filter(function (other) {
		return lower ? other.low <= best.high : other.high >= best.low;
	});
	return { best: best, near: near, without: without, of: rated.length, path: path.concat("median"),
		 format: lower ? FORMAT.ns : FORMAT.rate, what: lower ? "p99" : "ops/s" };
}

/* Of a map: which are equally good, or which is best, with the figure that it has. */
function evenCell(names) {
	return element("td", { "class": "even" }, [element("strong", {}, ["no difference"]), names.join(", ")]);
}
function wonCell(label, series, cell, what) {
	var figure = cellElement(cell), value = element("span", {}, [figure.textContent + " " + what]);
	["data-path", "data-value", "title"].forEach(function (key) {
		if (figure.hasAttribute(key))
			value.setAttribute(key, figure.getAttribute(key));
	});
	var node = element("td", { "class": "won" }, [element("strong", {}, [label]), value]);
	node.style.setProperty("--c", colour(series));
	return node;
}

function mapCell(entries) {
	var found = entries.length ? winner(entries) : { of: 0 };
	if (found.of < 2)
		return element("td", { "class": "even" }, [found.of ? "only one measured" : "–"]);
	if (found.without)
		return element("td", { "class": "even" }, ["not known: too few trials for an interval"]);
	function label(one) { return fileLabel(one.entry) + one.entry.series; }
	return found.near.length ? evenCell([found.best].concat(found.near).map(label)) :
		wonCell(label(found.best), found.best.entry.series, figureCell(found.best.entry, found.path, found.format), found.what);
}

function mapTable(label, what, procs, rows) {
	return element("div", { "class": "scroll", tabindex: "0", role: "region", "aria-label": label }, [
		element("table", { "class": "map" }, [
			element("thead", {}, [element("tr", {}, [element("th", { scope: "col" }, [what])].concat(
				procs.map(function (n) { return element("th", { scope: "col" }, [processes(n)]); })))]),
			element("tbody", {}, rows)])]);
}

function crossOver() {
	var entries = usable(), procs = distinct(entries.map(function (entry) { return entry.procs; }));
	if (distinct(points.map(function (entry) { return entry.series + entry.r; })).length < 2)
		return null;
	procs.sort(function (a, b) { return a - b; });
	/* Runs at different times are not ranked against each other. */
	var rows = grouped(entries, function (entry) { return fileLabel(entry) + entry.panel; }).map(function (group) {
		var mixes = distinct(group.entries.map(function (entry) { return entry.mix; })).filter(function (mix) {
			return group.title.indexOf(mix) < 0;
		});
		return element("tr", {}, [element("th", { scope: "row" }, [[group.title].concat(mixes).join(": ")])].concat(
			procs.map(function (n) {
				return mapCell(group.entries.filter(function (entry) { return entry.procs === n; }));
			})));
	});
	return {
		id: "cross-over", title: "Which strategy wins where",
		how: "Most operations per second; in an open loop, the lowest p99 response time. A winner's interval is " +
			"apart from that of every other strategy chosen; otherwise there is no difference.",
		map: mapTable("Which strategy wins where", "mix", procs, rows)
	};
}

/* ---- torture ---- */

var RECOVERY = [["p50_ns", "p50"], ["p90_ns", "p90"], ["p99_ns", "p99"], ["max_ns", "max"]];

function recovery() {
	function trialsOf(entry) {
		return list(entry.point, ["trials"]).map(function (trial, k) {
			return { k: k, path: ["trials", k, "recovery"], of: at(trial, ["recovery"]) };
		}).filter(function (trial) { return trial.of && typeof trial.of === "object"; });
	}
	if (!points.some(function (entry) { return trialsOf(entry).length; }))
		return null;
	var entries = shown().filter(function (entry) { return trialsOf(entry).length; }), rows = [];
	entries.forEach(function (entry) {
		trialsOf(entry).forEach(function (trial) {
			function cell(path, format) { return figureCell(entry, trial.path.concat(path), format); }
			rows.push([pointName(entry), String(trial.k + 1), cell(["kills"], FORMAT.count),
				cell(["recoveries"], FORMAT.count), cell(["recovery", "p50_ns"], FORMAT.ns),
				cell(["recovery", "p99_ns"], FORMAT.ns), cell(["recovery", "max_ns"], FORMAT.ns),
				cell(["wait_before", "p99_ns"], FORMAT.ns), cell(["strands", "share"], FORMAT.share),
				cell(["strands", "low"], FORMAT.share), cell(["strands", "high"], FORMAT.share),
				cell(["throughput", "ratio"], FORMAT.plain),
				cell(["throughput", "to_fresh", "ratio"], FORMAT.plain)]);
		});
	});
	function panel(group) {
		var drawn = group.entries.map(function (entry) {
			var marks = [];
			trialsOf(entry).forEach(function (trial) {
				RECOVERY.forEach(function (figure, i) {
					var ns = number(trial.of, ["recovery", figure[0]]);
					if (ns !== null)
						marks.push({ y: ns, hollow: i < 3, text: fileLabel(entry) + entry.series + ", trial " +
							(trial.k + 1) + "\nrecovery " + figure[1] + ": " + FORMAT.ns(ns) });
				});
			});
			return { series: entry.series, label: fileLabel(entry) + entry.series, marks: marks };
		});
		return { title: group.title, draw: function (width) {
			return rowPanel({ title: group.title, yLabel: "time to take the lock over", format: FORMAT.ns, log: state.log,
				rows: drawn }, width);
		} };
	}
	var drawable = entries.filter(function (entry) {
		return trialsOf(entry).some(function (trial) { return number(trial.of, ["recovery", "max_ns"]) !== null; });
	});
	return {
		id: "recovery", title: "Recovery from dead holders",
		how: "From the kill to the lock's next owner: p50, p90, p99 hollow, the longest filled. A strand is a kill that left the lock taken for ever.",
		panels: charts ? grouped(drawable, function (entry) { return entry.panel; }).map(panel) : [],
		head: named(["trial", "kills", "taken over", "p50", "p99", "max", "p99 wait before", "strands", "95 % from", "to",
			"throughput after / before", "after / of a new table"]), rows: rows
	};
}
