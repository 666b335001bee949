/* SPDX-License-Identifier: MIT */
/* HTML elements, and tables. Whatever comes from a file becomes a text node. */

function element(name, attributes, children) {
	var node = document.createElement(name);
	Object.keys(attributes || {}).forEach(function (key) { node.setAttribute(key, attributes[key]); });
	(children || []).forEach(function (child) {
		node.appendChild(typeof child === "string" ? document.createTextNode(child) : child);
	});
	return node;
}

/*
 * A figure's cell says where it comes from: data-path is a path in the page's data,
 * data-value what stands there to the last digit. The test compares both with the file.
 */
function cellOf(object, from, path, format) {
	var value = number(object, path);
	return { text: value === null ? "–" : format(value), value: value, path: from.concat(path).join("/") };
}
function figureCell(entry, path, format) {
	return cellOf(entry.point, ["results", entry.r, "points", entry.p], path, format);
}

function cellElement(cell) {
	var attributes = {};
	if (typeof cell === "string")
		return element("td", {}, [cell]);
	attributes["class"] = "figure";
	attributes["data-path"] = cell.path;
	if (cell.value !== null) {
		attributes["data-value"] = String(cell.value);
		attributes.title = String(cell.value);
	}
	return element("td", attributes, [cell.text]);
}

/* head: column names; a row: its heading and then one cell for each further column */
function tableElement(caption, head, rows) {
	var body = rows.map(function (row) {
		return element("tr", {}, [element("th", { scope: "row" }, [row[0]])].concat(
			row.slice(1).map(cellElement)));
	});
	var columns = head.map(function (name, i) {
		var figure = rows.length && typeof rows[0][i] === "object";
		return element("th", figure ? { scope: "col", "class": "figure" } : { scope: "col" }, [name]);
	});
	return element("div", { "class": "scroll", tabindex: "0", role: "region", "aria-label": caption }, [
		element("table", {}, [
			element("caption", { "class": "unseen" }, [caption]),
			element("thead", {}, [element("tr", {}, columns)]),
			element("tbody", {}, body)
		])
	]);
}

/* Open where there is no chart to look at. */
function foldedTable(title, head, rows) {
	var fold = element("details", {}, [
		element("summary", {}, ["Table: " + title]), tableElement(title, head, rows)
	]);
	fold.open = !charts;
	return fold;
}
