/* SPDX-License-Identifier: MIT */
/*
 * Two kinds of panel, as SVG by d3: lines over an axis, and rows of dots. Every mark
 * has a text; pointing at it shows the text, and with the panel in focus the arrow
 * keys go from mark to mark and have it read out.
 */

/* Shapes and colours repeat after different numbers: 30 strategies are told apart. */
var SHAPES = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross"];
var DASHES = ["", "6 4", "2 3", "9 3 2 3", "1 5"];

function shapeOf(series) {
	return d3.svg.symbol().type(SHAPES[seriesNames.indexOf(series) % SHAPES.length]).size(46)();
}

function logTicks(low, high) {
	var ticks = [], span = Math.log(high / low) / Math.LN10, steps = span > 3 ? [1] : [1, 2, 5];
	var every = Math.max(1, Math.ceil(span / 6));
	for (var e = Math.floor(Math.log(low) / Math.LN10); e <= Math.ceil(Math.log(high) / Math.LN10); e++)
		steps.forEach(function (step) {
			var tick = step * Math.pow(10, e);
			if (e % every === 0 && tick >= low * 0.999 && tick <= high * 1.001)
				ticks.push(tick);
		});
	return ticks;
}

/* Powers of two, which bytes come in. */
function binaryTicks(low, high) {
	var ticks = [], first = Math.ceil(Math.log(low) / Math.LN2), last = Math.floor(Math.log(high) / Math.LN2);
	var every = Math.max(1, Math.ceil((last - first) / 5));
	for (var e = first; e <= last; e++)
		if (e % every === 0)
			ticks.push(Math.pow(2, e));
	return ticks;
}

/* {scale, ticks}: log only where every value allows it */
function valueAxis(values, log, range, ticksOf) {
	var low = d3.min(values), high = d3.max(values);
	if (log && low > 0) {
		/* Wide enough for two ticks of 1, 2, 5. */
		var wider = Math.max(1.15, Math.sqrt(5.5 * low / high));
		low /= wider;
		high *= wider;
		return { scale: d3.scale.log().domain([low, high]).range(range), ticks: (ticksOf || logTicks)(low, high) };
	}
	var scale = d3.scale.linear().domain([Math.min(0, low), high > 0 ? high * 1.06 : 1]).range(range);
	return { scale: scale, ticks: scale.ticks(5) };
}

/* "20.0 ms" is measured to three digits; a line of the grid is just 20 ms. */
function tickText(format, value) {
	return format(value).replace(/(\.\d*?)0+(?!\d)/, "$1").replace(/\.(?!\d)/, "");
}

function extent(marks) {
	var values = [];
	marks.forEach(function (mark) {
		[mark.y, mark.low, mark.high].forEach(function (value) {
			if (typeof value === "number")
				values.push(value);
		});
	});
	return values;
}

function newPanel(width, height, label) {
	return d3.select(document.createElementNS("http://www.w3.org/2000/svg", "svg"))
		.attr({ "class": "panel", viewBox: "0 0 " + width + " " + height, role: "img", tabindex: 0,
			"aria-label": label + " Arrow keys go from mark to mark." });
}

function drawMarks(svg, marks) {
	marks.forEach(function (mark) {
		if (mark.whisker)
			svg.append("line").attr({ "class": "whisker", x1: mark.whisker[0], y1: mark.whisker[1],
				x2: mark.whisker[2], y2: mark.whisker[3] }).style("stroke", colour(mark.series));
		if (!mark.bare)
			svg.append("path").attr({ "class": "mark", d: shapeOf(mark.series),
				transform: "translate(" + mark.px + "," + mark.py + ")" })
				.style({ stroke: colour(mark.series),
					 fill: mark.hollow ? "var(--ground)" : colour(mark.series) });
	});
	listen(svg, marks);
}

function addLine(svg, line, yOf) {
	svg.append("path").attr({ "class": "line", "stroke-dasharray": line.dash || null,
		d: d3.svg.line().x(function (mark) { return mark.px; }).y(yOf)(line.marks) })
		.style("stroke", colour(line.series));
}

/* Its two edges, and what is between them. */
function addBand(svg, line, scale) {
	function low(mark) { return scale(mark.low); }
	function high(mark) { return scale(mark.high); }
	svg.append("path").attr({ "class": "band", d: d3.svg.area().x(function (mark) { return mark.px; })
		.y0(low).y1(high)(line.marks) }).style("fill", colour(line.series));
	addLine(svg, line, low);
	addLine(svg, line, high);
}

/*
 * spec: title, xLabel, xScale(range), xTicks, xFormat, yLabel, format, log,
 * lines[{series, dash, hollow, bare, dots, band, marks}]: bare has no marks, dots no line, and a
 * band fills what is between the marks' low and high.
 * levels[{y, text}] go across, rules[{x, series}] upright.
 */
function linePanel(spec, width) {
	var height = 250, left = 54, right = width - 12, bottom = height - 36, top = 18;
	var marks = [].concat.apply([], spec.lines.map(function (line) { return line.marks; }));
	var y = valueAxis(extent(marks.concat(spec.levels || [])), spec.log, [bottom, top]);
	var x = spec.xScale([left + 10, right - 10]);
	var svg = newPanel(width, height, spec.title + ", " + spec.yLabel + " by " + spec.xLabel + ".");

	y.ticks.forEach(function (tick) {
		svg.append("line").attr({ "class": "grid", x1: left, x2: right, y1: y.scale(tick), y2: y.scale(tick) });
		svg.append("text").attr({ x: left - 6, y: y.scale(tick) + 4, "text-anchor": "end" }).text(tickText(spec.format, tick));
	});
	spec.xTicks.forEach(function (tick) {
		svg.append("text").attr({ x: x(tick), y: bottom + 16, "text-anchor": "middle" }).text(spec.xFormat(tick));
	});
	svg.append("text").attr({ "class": "label", x: left, y: 10 }).text(spec.yLabel);
	svg.append("text").attr({ "class": "label", x: right, y: height - 4, "text-anchor": "end" }).text(spec.xLabel);
	spec.lines.forEach(function (line) {
		line.marks.forEach(function (mark) {
			mark.px = x(mark.x);
			mark.py = y.scale(mark.y);
			mark.series = line.series;
			mark.bare = spec.bare || line.bare;
			mark.hollow = line.hollow || mark.hollow;
			if (typeof mark.low === "number" && typeof mark.high === "number")
				mark.whisker = [mark.px, y.scale(mark.low), mark.px, y.scale(mark.high)];
		});
		if (line.band)
			addBand(svg, line, y.scale);
		else if (!line.dots)
			addLine(svg, line, function (mark) { return mark.py; });
	});
	(spec.levels || []).forEach(function (level) {
		svg.append("line").attr({ "class": "level", x1: left, x2: right, y1: y.scale(level.y), y2: y.scale(level.y) });
		svg.append("text").attr({ "class": "label", x: right, y: y.scale(level.y) - 4, "text-anchor": "end" }).text(level.text);
	});
	(spec.rules || []).forEach(function (rule) {
		svg.append("line").attr({ "class": "rule", x1: x(rule.x), x2: x(rule.x), y1: top, y2: bottom })
			.style("stroke", colour(rule.series));
	});
	drawMarks(svg, marks);
	return svg.node();
}

/* spec: title, yLabel, format, log, ticksOf (else logTicks), rows[{label, series, hollow, marks}]: a row's marks along x */
function rowPanel(spec, width) {
	var row = 26, left = Math.min(150, width * 0.36), right = width - 14, top = 8;
	var height = top + row * spec.rows.length + 38, bottom = height - 38;
	var marks = [].concat.apply([], spec.rows.map(function (line) { return line.marks; }));
	var x = valueAxis(extent(marks), spec.log, [left + 8, right - 8], spec.ticksOf);
	var svg = newPanel(width, height, spec.title + ", " + spec.yLabel + ".");
	var room = -1;

	x.ticks.forEach(function (tick) {
		var px = x.scale(tick), label = tickText(spec.format, tick);
		svg.append("line").attr({ "class": "grid", x1: px, x2: px, y1: top, y2: bottom });
		if (px - 3.5 * label.length < room)
			return;
		svg.append("text").attr({ x: px, y: bottom + 15, "text-anchor": "middle" }).text(label);
		room = px + 3.5 * label.length + 6;
	});
	svg.append("text").attr({ "class": "label", x: right, y: height - 6, "text-anchor": "end" }).text(spec.yLabel);
	spec.rows.forEach(function (line, i) {
		var py = top + row * (i + 0.5), fits = Math.floor(left / 6.4);
		svg.append("text").attr({ x: left - 6, y: py + 4, "text-anchor": "end" })
			.text(line.label.length > fits ? "…" + line.label.slice(1 - fits) : line.label);
		line.marks.forEach(function (mark) {
			mark.px = x.scale(mark.y);
			mark.py = py;
			mark.series = line.series;
			mark.hollow = line.hollow || mark.hollow;
			if (typeof mark.low === "number" && typeof mark.high === "number")
				mark.whisker = [x.scale(mark.low), py, x.scale(mark.high), py];
		});
	});
	drawMarks(svg, marks);
	return svg.node();
}

/* ---- pointing and keys ---- */

function listen(svg, marks) {
	var node = svg.node(), tip = document.getElementById("tip"), current = -1;
	var ring = svg.append("circle").attr({ "class": "here", r: 8 }).style("display", "none");

	function hide() {
		tip.hidden = true;
		ring.style("display", "none");
		current = -1;
	}
	function show(i, aloud) {
		var box = node.getBoundingClientRect(), scale = box.width / node.viewBox.baseVal.width;
		var px, wide = document.documentElement.clientWidth;
		current = i;
		ring.attr({ cx: marks[i].px, cy: marks[i].py }).style("display", null);
		tip.textContent = marks[i].text;
		tip.hidden = false;
		px = window.pageXOffset + box.left + marks[i].px * scale + 12;
		tip.style.left = Math.max(4, Math.min(px, window.pageXOffset + wide - tip.offsetWidth - 8)) + "px";
		tip.style.top = window.pageYOffset + box.top + marks[i].py * scale + 12 + "px";
		if (aloud)
			document.getElementById("said").textContent = marks[i].text;
	}
	svg.on("mousemove", function () {
		var where = d3.mouse(node), best = -1, nearest = 30 * 30;
		marks.forEach(function (mark, i) {
			var dx = mark.px - where[0], dy = mark.py - where[1], far = dx * dx + dy * dy;
			if (far < nearest) {
				nearest = far;
				best = i;
			}
		});
		if (best < 0)
			hide();
		else if (best !== current)
			show(best, false);
	}).on("mouseleave", hide).on("blur", hide).on("keydown", function () {
		var step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[d3.event.key];
		if (d3.event.key === "Escape")
			hide();
		if (!step || !marks.length)
			return;
		d3.event.preventDefault();
		show(current < 0 ? (step > 0 ? 0 : marks.length - 1) :
			(current + step + marks.length) % marks.length, true);
	});
}
