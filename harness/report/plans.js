/* SPDX-License-Identifier: MIT */
/* The charts of plans: the load that keeps a promise, what was seen on the way to it,
 * choices by processes, how they scale, other machines, memory. */

function planLabel(entry) { return plans.length > 1 ? LETTERS[results.length + entry.d] + ": " : ""; }
function planName(entry) { return planLabel(entry) + entry.name; }
function shownOf(entries) { return entries.filter(isShown); }

function planCell(entry, path, format) { return cellOf(entry.row, entry.path, path, format); }

function spread(values) {
	var low = d3.min(values), high = d3.max(values);
	return low < high ? [low, high] : [low / 1.2, high * 1.2];
}

/* Processes and CPUs have a tick at each value there is, rates at round ones. */
function loadAxis(spec, values, whole) {
	var domain = spread(values);
	spec.xScale = function (range) { return d3.scale.log().domain(domain).range(range); };
	spec.xTicks = whole ? distinct(values).sort(d3.ascending) : logTicks(domain[0], domain[1]);
	spec.xFormat = whole ? String : function (x) { return tickText(FORMAT.rate, x); };
	return spec;
}

function drawn(spec, panel) {
	return { title: spec.title, draw: function (width) { return panel(spec, width); } };
}

function planSection(entries, spec) {
	if (!entries.length)
		return null;
	spec.key = shownOf(entries).map(function (entry) {
		return { label: planLabel(entry) + entry.series, series: entry.series, dash: DASHES[entry.d] };
	});
	spec.panels = charts ? spec.panels : [];
	return spec;
}

/* ---- the load that keeps a promise ---- */

function loadFormat(entry) {
	return text(entry.row, ["load_is"]) === "processes" ? processes :
		function (load) { return FORMAT.rate(load) + "/s"; };
}

function answerRow(entry) {
	var load = number(entry.row, ["load"]), breaks = number(entry.row, ["breaks_at"]), marks = [];
	var format = loadFormat(entry), answer = text(entry.row, ["answer"]);
	if (load !== null)
		marks.push({ y: load, low: load, high: breaks === null ? load : breaks, text: planLabel(entry) + entry.series +
			"\n" + (answer === "inconclusive" ? "not decided at " : "carries ") + format(load) +
			(answer === "ceiling" ? ", the ceiling" : "") });
	if (breaks !== null)
		marks.push({ y: breaks, hollow: true, text: planLabel(entry) + entry.series + "\n" + format(breaks) +
			" breaks the promise" });
	return { series: entry.series, label: planLabel(entry) + entry.series, marks: marks };
}

section(function () {
	var all = planRows(["rows"]), entries = shownOf(all), rows = [];
	entries.forEach(function (entry) {
		list(entry.row, ["claims"]).forEach(function (claim, i) {
			var path = ["claims", i], load = loadFormat(entry);
			function cell(key, format) { return planCell(entry, path.concat(key), format); }
			rows.push([planName(entry), text(claim, ["slo"]), text(entry.row, ["answer"]),
				planCell(entry, ["load"], load), planCell(entry, ["breaks_at"], load),
				cell("value_ns", FORMAT.ns), cell("breaks_ns", FORMAT.ns), cell("share_over", FORMAT.share),
				cell("upper", FORMAT.share), cell("blocks", FORMAT.count),
				cell("variance_inflation", FORMAT.plain), planCell(entry, ["observed_s"], FORMAT.plain),
				planCell(entry, ["needs_s"], FORMAT.plain)]);
		});
	});
	return planSection(all, {
		id: "plan-load", title: "The load that keeps the promise",
		how: "Filled: carried, confirmed on fresh data at 95 %. Hollow: the smallest load above it that broke the promise. Between: not proven.",
		panels: charts && grouped(entries.filter(function (entry) { return answerRow(entry).marks.length; }), function (entry) {
			return entry.panel + ": " + promisesOf(entry).join(", ");
		}).map(function (group) {
			var count = text(group.entries[0].row, ["load_is"]) === "processes";
			return drawn({ title: group.title, yLabel: count ? "processes" : "operations per second, open loop",
				format: count ? String : FORMAT.rate, log: state.log && !count,
				rows: group.entries.map(answerRow) }, rowPanel);
		}),
		head: named(["promise", "answer", "load", "breaks at", "found", "found where it breaks", "over the bound",
			"at most", "blocks", "variance inflation", "observed, s", "needs, s"]),
		rows: rows
	});
});

function promisesOf(entry) {
	return list(entry.row, ["claims"]).map(function (claim) { return text(claim, ["slo"]); });
}

/* What was seen on the way to the answer, for the promise number k. */
function looksPanel(group, k) {
	var loads = [], count = text(group.entries[0].row, ["load_is"]) === "processes";
	var bound = number(group.entries[0].row, ["claims", k, "bound_ns"]);
	var spec = { title: group.title, yLabel: "response time", format: FORMAT.ns, log: state.log,
		xLabel: count ? "processes" : "operations per second",
		levels: bound === null ? [] : [{ y: bound, text: "promised" }], rules: [] };
	spec.lines = group.entries.map(function (entry) {
		var load = number(entry.row, ["load"]), format = loadFormat(entry), marks = [];
		list(entry.row, ["looks"]).forEach(function (look) {
			var x = number(look, ["load"]), y = number(look, ["value_ns", k]), claim = at(look, ["claim"]) === true;
			if (!(x > 0) || !(y > 0) || at(look, ["superseded"]) === true)
				return;
			loads.push(x);
			marks.push({ x: x, y: y, hollow: !claim, text: planLabel(entry) + entry.series + ", " + format(x) + "\n" +
				promisesOf(entry)[k] + ": " + FORMAT.ns(y) + "\n" + (claim ? "claim" : "look") + " of " +
				digits(number(look, ["seconds"])) + " s: " + text(look, ["verdict"]) });
		});
		if (load > 0 && text(entry.row, ["answer"]) !== "inconclusive" && marks.length) {
			loads.push(load);
			spec.rules.push({ x: load, series: entry.series });
		}
		return { series: entry.series, dots: true, marks: marks };
	});
	return loads.length ? drawn(loadAxis(spec, loads, count), linePanel) : null;
}

section(function () {
	var all = planRows(["rows"]).filter(function (entry) { return list(entry.row, ["looks"]).length; });
	var entries = shownOf(all), rows = [], panels = [], most = 0;
	entries.forEach(function (entry) { most = Math.max(most, promisesOf(entry).length); });
	entries.forEach(function (entry) {
		list(entry.row, ["looks"]).forEach(function (look, i) {
			var path = ["looks", i], values = [];
			for (var k = 0; k < most; k++)
				values.push(planCell(entry, path.concat("value_ns", k), FORMAT.ns));
			rows.push([planName(entry), at(look, ["claim"]) === true ? "claim" : "look", text(look, ["verdict"]) +
				(at(look, ["superseded"]) === true ? ", repeated" : ""),
				planCell(entry, path.concat("load"), loadFormat(entry)),
				planCell(entry, path.concat("seconds"), FORMAT.plain)].concat(values));
		});
	});
	for (var k = 0; charts && k < most; k++)
		panels = panels.concat(grouped(entries.filter(function (entry) { return promisesOf(entry).length > k; }), function (entry) {
			return entry.panel + ": " + promisesOf(entry)[k];
		}).map(function (group) { return looksPanel(group, k); }).filter(Boolean));
	var promises = [];
	for (k = 0; k < most; k++)
		promises.push(most > 1 ? "promise " + (k + 1) : "found");
	return planSection(all, {
		id: "plan-looks", title: "What was seen on the way",
		how: "Response time by load: hollow is a short look, filled a claim on fresh data. The level is what was promised, an upright line " +
			"the answer; a claim below the level may be unproven still, by stalls that hit many operations at once.",
		panels: panels, head: named(["kind", "verdict", "load", "seconds"].concat(promises)), rows: rows
	});
});

/* ---- choices by processes ---- */

function choiceCell(entry) {
	var best = entry ? seriesOfChoice(text(entry.row, ["best"])) : "", even = entry ? list(entry.row, ["no_difference"]) : [];
	if (!best)
		return element("td", { "class": "even" }, ["–"]);
	return even.length ? evenCell([best].concat(even.map(String).map(seriesOfChoice))) :
		wonCell(best, best, planCell(entry, ["ops_per_s"], FORMAT.rate), "ops/s");
}

section(function () {
	var cells = planRows(["map", "cells"]);
	if (!cells.length)
		return null;
	var procs = distinct(cells.map(function (entry) { return number(entry.row, ["procs"]); })).sort(function (a, b) { return a - b; });
	var rows = grouped(cells, function (entry) { return planLabel(entry) + text(entry.row, ["load"]); }).map(function (group) {
		return element("tr", {}, [element("th", { scope: "row" }, [group.title])].concat(procs.map(function (n) {
			return choiceCell(group.entries.filter(function (entry) { return number(entry.row, ["procs"]) === n; })[0]);
		})));
	});
	return { id: "plan-map", title: "Which choice is best where",
		how: "Closed loop, most operations per second. No difference: the intervals of these overlap that of the best.",
		map: mapTable("Which choice is best where", "load", procs, rows) };
});

section(function () {
	var all = planRows(["map", "regret"]), entries = shownOf(all);
	function lossMarks(entry) {
		var mean = number(entry.row, ["mean_loss"]), worst = number(entry.row, ["worst_loss"]), marks = [];
		if (mean !== null)
			marks.push({ y: mean, low: mean, high: worst === null ? mean : worst,
				text: planLabel(entry) + entry.series + "\nlost on average: " + FORMAT.share(mean) });
		if (worst !== null)
			marks.push({ y: worst, hollow: true, text: planLabel(entry) + entry.series + "\nlost at worst: " +
				FORMAT.share(worst) + "\n" + text(entry.row, ["worst_load"]) + ", " +
				processes(number(entry.row, ["worst_procs"])) });
		return marks;
	}
	return planSection(all, {
		id: "plan-regret", title: "What is lost by picking one everywhere",
		how: "Share of the best choice's throughput; filled: the mean over all cells of the map, hollow: the worst of them.",
		panels: charts && grouped(entries, planLabel).map(function (group) {
			return drawn({ title: group.title + "regret", yLabel: "share lost", format: FORMAT.share, log: false,
				rows: group.entries.map(function (entry) {
					return { series: entry.series, label: planLabel(entry) + entry.series, marks: lossMarks(entry) };
				}) }, rowPanel);
		}),
		head: ["choice", "cells", "best in", "mean loss", "worst loss", "at", "processes"],
		rows: entries.map(function (entry) {
			return [planLabel(entry) + entry.series, planCell(entry, ["cells"], FORMAT.count),
				planCell(entry, ["best_in"], FORMAT.count), planCell(entry, ["mean_loss"], FORMAT.share),
				planCell(entry, ["worst_loss"], FORMAT.share), text(entry.row, ["worst_load"]),
				planCell(entry, ["worst_procs"], FORMAT.count)];
		})
	});
});

/* ---- how it scales ---- */

/* Gunther's Universal Scalability Law. */
function lawAt(fit, n) {
	var alpha = number(fit, ["alpha"]), beta = number(fit, ["beta"]);
	return number(fit, ["lambda"]) * n / (1 + alpha * (n - 1) + beta * n * (n - 1));
}

/* The curve of a fit that is valid, between the numbers of processes that it was fitted to. */
function lawLine(entry, fit, procs) {
	var line = { series: entry.series, dash: "2 3", bare: true, marks: [] }, low = d3.min(procs), high = d3.max(procs);
	if (at(fit, ["valid"]) !== true || procs.length < 2)
		return line;
	for (var i = 0; i <= 32; i++) {
		var n = low * Math.pow(high / low, i / 32), y = lawAt(fit, n);
		if (y > 0 && isFinite(y))
			line.marks.push({ x: n, y: y, text: planLabel(entry) + entry.series + ", the law, " + text(fit, ["regime"]) +
				"\n" + digits(n) + " processes: " + FORMAT.rate(y) });
	}
	return line;
}

function scaleLines(entry) {
	var cpus = number(plans[entry.d], ["host", "cpus"]), marks = [], procs = [], fits = list(entry.row, ["fits"]);
	list(entry.row, ["cells"]).forEach(function (cell) {
		var n = number(cell, ["procs"]), y = number(cell, ["ops_per_s", "median"]);
		if (!(n > 0) || !(y > 0))
			return;
		procs.push(n);
		marks.push({ x: n, y: y, low: number(cell, ["ops_per_s", "low"]), high: number(cell, ["ops_per_s", "high"]),
			text: planLabel(entry) + entry.series + ", " + processes(n) + "\n" + FORMAT.rate(y) + " operations per second" });
	});
	return [{ series: entry.series, dots: true, marks: marks }].concat(fits.slice(0, 2).map(function (fit, above) {
		return lawLine(entry, fit, procs.filter(function (n) { return cpus !== null && (n > cpus) === (above > 0); }));
	}));
}

section(function () {
	var all = planRows(["scalability"]), entries = shownOf(all), rows = [];
	entries.forEach(function (entry) {
		list(entry.row, ["cells"]).forEach(function (cell, i) {
			var path = ["cells", i, "ops_per_s"];
			rows.push([planLabel(entry) + entry.series + ", " + entry.panel, "measured, " + processes(number(cell, ["procs"])),
				planCell(entry, path.concat("median"), FORMAT.rate), planCell(entry, path.concat("low"), FORMAT.rate),
				planCell(entry, path.concat("high"), FORMAT.rate), "", "", "", "", ""]);
		});
		list(entry.row, ["fits"]).forEach(function (fit, i) {
			function cell(key, format) { return planCell(entry, ["fits", i, key], format); }
			rows.push([planLabel(entry) + entry.series + ", " + entry.panel, text(fit, ["regime"]) + ": " + text(fit, ["verdict"]),
				cell("lambda", FORMAT.rate), cell("lambda_low", FORMAT.rate), cell("lambda_high", FORMAT.rate),
				cell("alpha", FORMAT.plain), cell("alpha_high", FORMAT.plain), cell("beta", FORMAT.plain),
				cell("beta_high", FORMAT.plain), cell("hold_out", FORMAT.share)]);
		});
	});
	return planSection(all, {
		id: "plan-scale", title: "How it scales",
		how: "Dots: measured, closed loop. Dotted: the Universal Scalability Law, up to the number of CPUs and above it, " +
			"drawn only where it is valid; the table says where it is not, and why.",
		panels: charts && grouped(entries, function (entry) { return planLabel(entry) + entry.panel; }).map(function (group) {
			var lines = [].concat.apply([], group.entries.map(scaleLines)), procs = [];
			lines.forEach(function (line) {
				if (line.dots)
					line.marks.forEach(function (mark) { procs.push(mark.x); });
			});
			return procs.length ? drawn(loadAxis({ title: group.title, yLabel: "operations per second", xLabel: "processes",
				format: FORMAT.rate, log: state.log, lines: lines }, procs, true), linePanel) : null;
		}).filter(Boolean),
		head: ["choice and load", "what", "ops/s or lambda", "95 % from", "to", "alpha", "alpha at most", "beta", "beta at most", "hold-out"],
		rows: rows
	});
});

/* ---- another machine ---- */

/* Never one figure: a range, and dashed where nothing was measured anywhere near. */
function projectionPanel(entry) {
	var parts = [[], []], cpus = [];
	list(entry.row, ["ranges"]).forEach(function (range) {
		var far = at(range, ["extrapolated"]) === true ? 1 : 0, n = number(range, ["cpus"]);
		var low = number(range, ["low"]), high = number(range, ["high"]);
		if (!(n > 0) || !(low > 0) || !(high >= low))
			return;
		/* The two parts meet. */
		if (far && !parts[1].length && parts[0].length)
			parts[1].push(parts[0][parts[0].length - 1]);
		cpus.push(n);
		parts[far].push({ x: n, y: Math.sqrt(low * high), low: low, high: high, text: planLabel(entry) + entry.series + ", " +
			n + " CPUs" + (far ? ", EXTRAPOLATED" : "") + "\n" + FORMAT.rate(low) + " to " + FORMAT.rate(high) +
			" operations per second" });
	});
	return cpus.length ? drawn(loadAxis({ title: entry.panel + ", " + planLabel(entry) + entry.series +
		(parts[1].length ? ", dashed: EXTRAPOLATED" : ""), yLabel: "operations per second",
		xLabel: "CPUs, one process on each", format: FORMAT.rate, log: state.log,
		lines: parts.map(function (marks, far) {
			return { series: entry.series, bare: true, band: true, dash: far ? "6 4" : "", marks: marks };
		}) }, cpus, true), linePanel) : null;
}

section(function () {
	var all = planRows(["projection", "rows"]), entries = shownOf(all), rows = [];
	entries.forEach(function (entry) {
		if (text(entry.row, ["not_projected"]))
			rows.push([planName(entry), "not projected: " + text(entry.row, ["not_projected"]), "", "", ""]);
		list(entry.row, ["ranges"]).forEach(function (range, i) {
			function cell(key, format) { return planCell(entry, ["ranges", i, key], format); }
			rows.push([planName(entry), text(entry.row, ["family"]), cell("cpus", FORMAT.count), cell("low", FORMAT.rate),
				cell("high", FORMAT.rate), at(range, ["extrapolated"]) === true ? "EXTRAPOLATED" : ""]);
		});
	});
	return planSection(all, {
		id: "plan-project", title: "On more CPUs",
		how: "By a model of lock hand-off that is fed with costs measured on this machine, and widened by what it was off here. " +
			"Upper end: every transfer of a cache line costs as much as here; lower end: four times as much, one after the other. " +
			"Memory bandwidth, sibling threads and clock rates of another machine are not in it.",
		panels: charts && entries.map(projectionPanel).filter(Boolean),
		head: named(["family", "CPUs", "from", "to", ""]), rows: rows
	});
});

section(function () {
	var all = planRows(["projection", "rows"]), entries = shownOf(all), rows = [];
	function marks(entry, ofModel) {
		return list(entry.row, ["checks"]).map(function (check) {
			var y = number(check, ofModel ? ["model"] : ["ops_per_s", "median"]), n = number(check, ["procs"]);
			return { x: n, y: y, low: ofModel ? null : number(check, ["ops_per_s", "low"]),
				high: ofModel ? null : number(check, ["ops_per_s", "high"]),
				text: planLabel(entry) + entry.series + ", " + processes(n) + "\n" + (ofModel ? "model: " : "measured: ") +
					FORMAT.rate(y) + (ofModel ? "\noff by " + FORMAT.share(number(check, ["off"])) : "") };
		}).filter(function (mark) { return mark.x > 0 && mark.y > 0; });
	}
	entries.forEach(function (entry) {
		list(entry.row, ["checks"]).forEach(function (check, i) {
			function cell(path, format) { return planCell(entry, ["checks", i].concat(path), format); }
			rows.push([planName(entry), cell("procs", FORMAT.count), cell(["ops_per_s", "median"], FORMAT.rate),
				cell(["ops_per_s", "low"], FORMAT.rate), cell(["ops_per_s", "high"], FORMAT.rate), cell("model", FORMAT.rate),
				cell("off", FORMAT.share), cell(["contended", "measured"], FORMAT.share),
				cell(["contended", "model"], FORMAT.share)]);
		});
	});
	return planSection(all, {
		id: "plan-check", title: "The model on this machine",
		how: "Filled and solid: measured, with its interval. Hollow and dotted: what the model says, fed with the costs of the same rounds.",
		panels: charts && grouped(entries, function (entry) { return planLabel(entry) + entry.panel; }).map(function (group) {
			var lines = [], procs = [];
			group.entries.forEach(function (entry) {
				lines.push({ series: entry.series, marks: marks(entry, false) },
					{ series: entry.series, dash: "2 3", hollow: true, marks: marks(entry, true) });
			});
			lines.forEach(function (line) { line.marks.forEach(function (mark) { procs.push(mark.x); }); });
			return procs.length ? drawn(loadAxis({ title: group.title, yLabel: "operations per second", xLabel: "processes",
				format: FORMAT.rate, log: state.log, lines: lines }, procs, true), linePanel) : null;
		}).filter(Boolean),
		head: named(["processes", "measured", "95 % from", "to", "model", "off by", "contended", "in the model"]), rows: rows
	});
});

/* ---- memory ---- */

section(function () {
	var all = planRows(["memory"]), entries = shownOf(all);
	return planSection(all, {
		id: "plan-memory", title: "Memory",
		how: "Of each table before it is created: its bytes are exactly what creating it reserves; with the page tables of all processes.",
		panels: charts && grouped(entries.filter(function (entry) { return number(entry.row, ["total_bytes"]) > 0; }), planLabel)
			.map(function (group) {
				return drawn({ title: group.title + "table and page tables", yLabel: "bytes", format: FORMAT.bytes, log: state.log,
					ticksOf: binaryTicks,
					rows: group.entries.map(function (entry) {
						var bytes = number(entry.row, ["total_bytes"]), limit = number(entry.row, ["limit_bytes"]);
						var marks = [{ y: bytes, text: planName(entry) + "\n" + FORMAT.bytes(bytes) }];
						if (limit > 0)
							marks.push({ y: limit, hollow: true, text: planName(entry) + "\nlimit: " + FORMAT.bytes(limit) });
						return { series: entry.series, label: planName(entry), marks: marks };
					}) }, rowPanel);
			}),
		head: named(["table", "per entry", "page tables per process", "in all", "limit", "entries that fit"]),
		rows: entries.map(function (entry) {
			return [planName(entry), planCell(entry, ["region_bytes"], FORMAT.bytes),
				planCell(entry, ["bytes_per_entry"], FORMAT.bytes),
				planCell(entry, ["page_table_bytes_per_process"], FORMAT.bytes),
				planCell(entry, ["total_bytes"], FORMAT.bytes), planCell(entry, ["limit_bytes"], FORMAT.bytes),
				planCell(entry, ["entries_that_fit"], FORMAT.count)];
		})
	});
});
