/* SPDX-License-Identifier: Apache-2.0 */
#include "reject.h"
#include "tap.h"

static void nothing_refused_is_an_empty_file(void)
{
	struct reject_list r = {0};

	check_int(reject_text(&r).len, 0);
	check_int(r.count, 0);
	reject_release(&r);
}

static void a_line_has_number_reason_and_record(void)
{
	struct reject_list r = {0};

	reject_add(&r, 7, "id: missing", slice_str("{\"a\":1}"));
	reject_add(&r, 12, "not valid UTF-8", slice_of("{\t\xFF%\n", 5));
	check_slice(reject_text(&r), "7\tid: missing\t{\"a\":1}\n12\tnot valid UTF-8\t{%09%FF%25%0A\n");
	check_int(r.count, 2);
	reject_release(&r);
	check_int(r.count, 0);
}

static void a_reason_cannot_break_the_table(void)
{
	struct reject_list r = {0};

	reject_add(&r, 1, "bad\tfield\nname", slice_str("x"));
	check_slice(reject_text(&r), "1\tbad%09field%0Aname\tx\n");
	reject_release(&r);
}

static void a_long_record_is_cut_between_characters(void)
{
	struct reject_list r = {0};
	char record[REJECT_SHOWN + 100];

	memset(record, 'x', sizeof(record));
	reject_add(&r, 1, "r", slice_of(record, sizeof(record)));
	check_int(reject_text(&r).len, 4 + REJECT_SHOWN + 1);
	reject_release(&r);
	memcpy(record + REJECT_SHOWN - 2, "\xE2\x82\xAC", 3);
	reject_add(&r, 1, "r", slice_of(record, sizeof(record)));
	check_int(reject_text(&r).len, 4 + REJECT_SHOWN - 2 + 1);
	reject_release(&r);
	memset(record, 0x80, sizeof(record)); /* no UTF-8 at all */
	reject_add(&r, 1, "r", slice_of(record, sizeof(record)));
	check_int(reject_text(&r).len, 4 + 3 * (REJECT_SHOWN - 3) + 1);
	reject_release(&r);
}

static void past_the_limit_they_are_only_counted(void)
{
	struct reject_list r = {0};
	struct slice text;
	size_t lines = 0;

	for (unsigned i = 1; i <= REJECTS_KEPT + 5; i++)
		reject_add(&r, i, "r", slice_str("x"));
	check_int(r.count, REJECTS_KEPT + 5);
	text = reject_text(&r);
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	check_int(lines, REJECTS_KEPT + 1);
	check_contains(buf_cstr(&r.text), "\n+5\tmore records were refused and are not listed\t\n");
	reject_release(&r);
}

int main(void)
{
	RUN(nothing_refused_is_an_empty_file);
	RUN(a_line_has_number_reason_and_record);
	RUN(a_reason_cannot_break_the_table);
	RUN(a_long_record_is_cut_between_characters);
	RUN(past_the_limit_they_are_only_counted);
	return tap_done();
}
