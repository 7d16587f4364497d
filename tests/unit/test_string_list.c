/* SPDX-License-Identifier: Apache-2.0 */
#include "string_list.h"
#include "tap.h"

static void check_list(const char *text, size_t count, const char *canonical)
{
	struct string_list l;
	OWNED_BUF out = {0};

	check_int(string_list_parse(&l, slice_str(text), NULL), 0);
	check_int(l.count, count);
	string_list_text(&l, &out);
	check_slice(buf_slice(&out), canonical);
	string_list_release(&l);
	check(!l.items && !l.count);
}

static void lists_are_split_at_commas_and_trimmed(void)
{
	check_list("", 0, "");
	check_list("a", 1, "a");
	check_list("a,b", 2, "a, b");
	check_list(" a b ,\tc.d , e", 3, "a b, c.d, e");
}

static void empty_and_repeated_elements_are_refused(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {{",", "element 1"}, {"a,", "element 2"}, {",a", "element 1"}, {"a, ,b", "element 2"},
		{" ", "element 1"}, {"a,b, a", "\"a\" is in the list twice"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct string_list l;
		struct err err = ERR_INIT;

		check_int(string_list_parse(&l, slice_str(cases[i].text), &err), -EINVAL);
		check_contains(err.message, cases[i].want);
		check(!l.items && !l.count);
	}
}

int main(void)
{
	RUN(lists_are_split_at_commas_and_trimmed);
	RUN(empty_and_repeated_elements_are_refused);
	return tap_done();
}
