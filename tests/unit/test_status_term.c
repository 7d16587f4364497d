/* SPDX-License-Identifier: Apache-2.0 */
#include "picture_case.h"
#include "status_term.h"

static const char *term_of(const struct row *rows, size_t count, struct term t, struct buf *out)
{
	struct status s = a_status(rows, count);
	PICTURE p;

	buf_clear(out);
	check_int(picture_gather(&p, &s, NULL, rows, count, AT((int)count)), 0);
	check_int(status_term(&p, &t, out), 0);
	return buf_cstr(out);
}

static void a_terminal_gets_what_it_can_show(void)
{
	struct row rows[] = {a_row(0, PART_PUBLISHED), a_row(1, PART_FAILED), a_row(2, PART_EXPIRED)};
	OWNED_BUF out = {0};

	rows[1].reason = slice_str("\x1b[2J naïve\xC2\x9b");
	check_contains(term_of(rows, 3, (struct term){.utf8 = true, .width = 80}, &out), "partitions  █✕░\n");
	check_contains(out.data, "has failed: ?[2J naïve?\n");
	check(!strchr(out.data, '\x1b'));
	check_contains(term_of(rows, 3, (struct term){.width = 80}, &out), "partitions  #X.\n");
	check_contains(out.data, "has failed: ?[2J na?ve?\n");
	for (size_t i = 0; i < out.len; i++)
		check((unsigned char)out.data[i] < 0x80);
	check_contains(term_of(rows, 3, (struct term){.utf8 = true, .colour = true}, &out), "\x1b[31m✕");
}

static void a_narrow_terminal_gets_the_newest(void)
{
	struct row rows[100];
	OWNED_BUF out = {0};

	for (int i = 0; i < 100; i++)
		rows[i] = a_row(i, i == 99 ? PART_FAILED : PART_PUBLISHED);
	check_contains(term_of(rows, 100, (struct term){.width = 1}, &out),
		"partitions  ###########################X\n            16:00                  18:15\n");
	check_contains(buf_cstr(&out), "waiting     +++++++++++  median 1s\n");
}

int main(void)
{
	RUN(a_terminal_gets_what_it_can_show);
	RUN(a_narrow_terminal_gets_the_newest);
	return tap_done();
}
