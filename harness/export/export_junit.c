/* SPDX-License-Identifier: MIT */
/* JUnit XML: a point is a test case. Failed or an expectation not met is a failure,
 * not measured an error. */
#include <math.h>
#include <string.h>

#include "export/export.h"
#include "result/result_internal.h"

enum verdict { PASSED, FAILURE, ERROR, SKIPPED, VERDICTS };

static const char *const tags[VERDICTS] = { NULL, "failure", "error", "skipped" };

static void put_xml(const char *text, FILE *out)
{
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;

		switch (byte) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			/* XML 1.0 has no other control characters, escaped or not, ... */
			if (byte < 0x20 && byte != '\t' && byte != '\n') {
				putc('?', out);
				break;
			}
			/* ... and neither U+FFFE nor U+FFFF. */
			if (!strncmp(text, "\xef\xbf\xbe", 3) ||
			    !strncmp(text, "\xef\xbf\xbf", 3)) {
				putc('?', out);
				text += 2;
				break;
			}
			putc(byte, out);
		}
	}
}

/* What became of the point's expectations; *ret_text is that of the worst. */
static enum verdict judge_expectations(const json_t *expect, const char **ret_text)
{
	enum verdict worst = PASSED;

	for (size_t i = 0; i < json_array_size(expect); i++) {
		const json_t *one = json_array_get(expect, i);
		bool measured = !isnan(result_get_number(one, "value"));

		if (json_is_true(json_object_get(one, "met")))
			continue;
		if (worst == FAILURE || (worst == ERROR && !measured))
			continue;
		worst = measured ? FAILURE : ERROR;
		*ret_text = result_get_text(one, "text");
	}
	return worst;
}

/* *ret_what and *ret_why make its message. */
static enum verdict judge(const json_t *point, const char **ret_what, const char **ret_why)
{
	const char *status = result_get_text(point, "status");
	enum verdict verdict;

	*ret_what = "";
	*ret_why = result_get_text(point, "reason");
	if (!status || strcmp(status, "not_measured") == 0)
		return ERROR;
	if (strcmp(status, "skipped") == 0)
		return SKIPPED;
	if (strcmp(status, "ok") != 0)
		return FAILURE;
	verdict = judge_expectations(json_object_get(point, "expect"), ret_why);
	*ret_what = verdict == FAILURE ? "not met: " : "not measured: ";
	return verdict;
}

static double seconds_of(const json_t *trials)
{
	double seconds = 0;

	for (size_t k = 0; k < json_array_size(trials); k++) {
		double one = result_get_number(json_array_get(trials, k), "seconds");

		seconds += isnan(one) ? 0 : one;
	}
	return seconds;
}

static void put_case(const json_t *point, FILE *out)
{
	const char *what, *why;
	enum verdict verdict = judge(point, &what, &why);

	fputs("<testcase classname=\"shmbench\" name=\"", out);
	put_xml(export_name(point), out);
	fprintf(out, "\" time=\"%.3f\">", seconds_of(json_object_get(point, "trials")));
	if (tags[verdict]) {
		fprintf(out, "<%s message=\"%s", tags[verdict], what);
		put_xml(why ? why : "no reason was given", out);
		fputs("\"/>", out);
	}
	fputs("</testcase>\n", out);
}

int export_junit(const json_t *result, FILE *out)
{
	const json_t *points = json_object_get(result, "points");
	const char *path = result_get_text(json_object_get(result, "scenario"), "path");
	size_t counts[VERDICTS] = { 0 }, nr = json_array_size(points);
	const char *what, *why;

	for (size_t p = 0; p < nr; p++)
		counts[judge(json_array_get(points, p), &what, &why)]++;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"", out);
	put_xml(path ? path : "shmbench", out);
	fprintf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\">\n", nr,
		counts[FAILURE], counts[ERROR], counts[SKIPPED]);
	for (size_t p = 0; p < nr; p++)
		put_case(json_array_get(points, p), out);
	fputs("</testsuite>\n</testsuites>\n", out);
	return 0;
}
