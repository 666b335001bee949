/* SPDX-License-Identifier: MIT */
/* A gate's verdicts for others: Markdown for a comment, JUnit XML for a CI. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "gate/gate.h"

/* Text of any origin within a table cell or an XML attribute. */
static void put_escaped(const char *text, bool xml, FILE *out)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ')
			fputc(' ', out);
		else if (xml && strchr("<>&\"", c))
			fprintf(out, "&#%u;", c);
		else if (!xml && c == '|')
			fputs("\\|", out);
		else
			fputc(c, out);
	}
}

static int finish(FILE *out)
{
	int failed = ferror(out);

	if (fclose(out) || failed)
		return -EIO;
	return 0;
}

static void describe(const struct gate_request *request, const struct gate_suite *suite,
		     const struct gate_point *point, uint32_t m, char *buf, size_t size)
{
	if (point->state == GATE_MEASURED)
		gate_row_text(&suite->rule, &point->rows[m], request->budget_s, buf, size);
	else
		snprintf(buf, size, "%s", point->reason);
}

int gate_markdown(const struct gate_request *request, const struct gate_suite *suite, int code,
		  const char *path)
{
	FILE *out = fopen(path, "we");
	char text[700];

	if (!out)
		return -errno;
	gate_summary(suite, code, text, sizeof(text));
	fputs("**", out);
	put_escaped(text, false, out);
	fputs("**\n\n| point | metric | verdict | head's slowdown [L, U] |\n|---|---|---|---|\n",
	      out);
	for (uint32_t i = 0; i < suite->nr_points; i++) {
		const struct gate_point *point = &suite->points[i];

		for (uint32_t m = 0; m < point->nr_metrics + point->nr_counted; m++) {
			describe(request, suite, point, m, text, sizeof(text));
			fputs("| ", out);
			put_escaped(point->name, false, out);
			fprintf(out, " | %s | %s | ", point->metrics[m].name,
				gate_row_verdict(point, m));
			put_escaped(text, false, out);
			fputs(" |\n", out);
		}
	}
	return finish(out);
}

/* Inconclusive is skipped, which no CI takes for a pass; NEW passes. */
static const char *junit_element(const struct gate_point *point, uint32_t m)
{
	switch (point->state) {
	case GATE_NEW:
		return NULL;
	case GATE_FAILED:
		return "failure";
	case GATE_MEASURED:
		break;
	default:
		return "error";
	}
	switch (point->rows[m].verdict) {
	case GATE_REGRESSION:
		return "failure";
	case GATE_PENDING:
		return "skipped";
	default:
		return NULL;
	}
}

static void junit_counts(const struct gate_suite *suite, unsigned int *tests,
			 unsigned int counts[3])
{
	for (uint32_t i = 0; i < suite->nr_points; i++) {
		for (uint32_t m = 0; m < suite->points[i].nr_metrics + suite->points[i].nr_counted;
		     m++) {
			const char *element = junit_element(&suite->points[i], m);

			++*tests;
			if (element)
				counts[*element == 'f' ? 0 : *element == 'e' ? 1 : 2]++;
		}
	}
}

int gate_junit(const struct gate_request *request, const struct gate_suite *suite, const char *path)
{
	FILE *out = fopen(path, "we");
	unsigned int tests = 0, counts[3] = { 0 };
	char text[700];

	if (!out)
		return -errno;
	junit_counts(suite, &tests, counts);
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuite name=\"shmbench gate\" tests=\"%u\" failures=\"%u\" errors=\"%u\" "
		"skipped=\"%u\" time=\"%.1f\">\n",
		tests + !!suite->error, counts[0], counts[1] + !!suite->error, counts[2],
		suite->elapsed_s);
	if (suite->error) {
		fputs("  <testcase name=\"gate\"><error message=\"", out);
		put_escaped(suite->reason, true, out);
		fputs("\"/></testcase>\n", out);
	}
	for (uint32_t i = 0; i < suite->nr_points; i++) {
		const struct gate_point *point = &suite->points[i];

		for (uint32_t m = 0; m < point->nr_metrics + point->nr_counted; m++) {
			const char *element = junit_element(point, m);

			describe(request, suite, point, m, text, sizeof(text));
			fputs("  <testcase classname=\"gate\" name=\"", out);
			put_escaped(point->name, true, out);
			fprintf(out, " %s\">", point->metrics[m].name);
			fprintf(out, element ? "<%s message=\"" : "<system-out>", element);
			put_escaped(text, true, out);
			fputs(element ? "\"/>" : "</system-out>", out);
			fputs("</testcase>\n", out);
		}
	}
	fputs("</testsuite>\n", out);
	return finish(out);
}
