/* SPDX-License-Identifier: MIT */
/*
 * The page that scripts/gen-report put together, and the data in its middle. The
 * assembler takes the page in as it is: it is a quarter of a megabyte, which as a
 * C array would take longer to compile than all the rest.
 */
#include <errno.h>
#include <stdlib.h>

#include "report/report.h"
#include "report_library.h"

#define TAKE_IN(symbol, file)                                 \
	__asm__(".pushsection .rodata\n"                      \
		".global " #symbol "\n" #symbol ":\n"         \
		".incbin \"" file "\"\n"                      \
		".global " #symbol "_end\n" #symbol "_end:\n" \
		".byte 0\n"                                   \
		".popsection\n");                             \
	extern const char symbol[], symbol##_end[]

TAKE_IN(report_head, REPORT_GEN "/report_head.html");
TAKE_IN(report_tail, REPORT_GEN "/report_tail.html");

bool report_has_charts(const char **ret_why)
{
#ifdef HAVE_D3
	*ret_why = NULL;
	return true;
#else
	*ret_why = WHY_NO_D3;
	return false;
#endif
}

static void put_part(const char *from, const char *end, FILE *out)
{
	fwrite(from, 1, (size_t)(end - from), out);
}

/* JSON has these three only within strings, where they may be written as escapes:
 * then nothing in the data can end the element that it stands in. */
static void put_json(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '<' || *text == '>' || *text == '&')
			fprintf(out, "\\u%04x", *text);
		else
			putc(*text, out);
	}
}

int report_write(const json_t *data, FILE *out)
{
	char *text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(15));

	if (!text)
		return -ENOMEM;
	put_part(report_head, report_head_end, out);
	put_json(text, out);
	put_part(report_tail, report_tail_end, out);
	free(text);
	return ferror(out) ? -EIO : 0;
}
