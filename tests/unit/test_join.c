/* SPDX-License-Identifier: Apache-2.0 */
/* join_record(): what docs/ shows of a document to which attributes apply. */
#include "join.h"
#include "segment_sample.h"
#include "tap.h"

/* A segment that knows the rules, and the attributes there are: pairs of id and record. */
struct fixture {
	struct sample sample;
	struct buf bytes;
	struct segment *segment;
	const char *const *known;
	unsigned looked;
};
static struct fixture f;

#define ID(name, key) ATTRIBUTE_ID(name) key
#define ATTRIBUTE_ID(name) "\x01" name "\x01"

static void fixture_init(const struct segment_rule *rules, uint32_t count, const char *const *known)
{
	struct segment_output out;
	struct err err = ERR_INIT;

	segment_free(f.segment);
	buf_release(&f.bytes);
	sample_release(&f.sample);
	f = (struct fixture){.known = known};
	sample_small(&f.sample);
	f.sample.in.rules = rules;
	f.sample.in.rule_count = count;
	check_int(segment_write_bytes(&f.sample.in, &f.bytes, &out, &err), 0);
	check_int(segment_open_bytes(&f.segment, buf_slice(&f.bytes), "s", &err), 0);
	check_str(err.message, "");
}

static int find(void *ctx, struct slice id, struct buf *json, struct err *err)
{
	f.looked++;
	for (size_t i = 0; f.known[i]; i += 2) {
		if (!slice_eq(id, slice_str(f.known[i])))
			continue;
		buf_add_str(json, f.known[i + 1]);
		return 1;
	}
	return 0;
}

static void check_join(const char *record, const char *want)
{
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;

	buf_add_str(&out, "before ");
	check_int(join_record(f.segment, slice_str(record), find, NULL, &out, &err), 0);
	check_str(err.message, "");
	check(slice_starts(buf_slice(&out), slice_str("before ")));
	check_str(buf_cstr(&out) + 7, want);
}

static const struct segment_rule two[] = {
	{.name = {"campaign", 8}, .on = {"c", 1}}, {.name = {"shop", 4}, .on = {"item.shop", 9}}};
static const char *const some[] = {ID("campaign", "c1"), "{\"id\":\"c1\",\"n\":1.50}", ID("campaign", "7"),
	"{\"seven\":[ 1, {\"x\":\"\\u00e9\\n\"} ]}", ID("campaign", "0"), "{}", ID("shop", "s"),
	"{\"campaign\":\"inner\",\"c\":\"c1\"}", ID("campaign", "123456789012345678901234567890"),
	"{\"big\":true}", NULL};

static void a_record_to_which_nothing_applies_is_shown_byte_for_byte(void)
{
	static const char *const odd = "{ \"id\" : \"a\",\t\"c\":\"none\", \"n\": 1.0e0, \"n\":2 } ";

	fixture_init(two, 2, some);
	check_join(odd, odd);
	check_int(f.looked, 1);
	check_join("{\"x\":1 }", "{\"x\":1 }");
	check_int(f.looked, 1);
	/* Without rules nobody even looks whether it is JSON. */
	fixture_init(NULL, 0, some);
	check_join("espresso machine", "espresso machine");
	check_join("{\"c\":\"c1\" }", "{\"c\":\"c1\" }");
	check_int(f.looked, 0);
}

static void an_attribute_becomes_a_member(void)
{
	fixture_init(two, 2, some);
	check_join("{ \"id\": \"a\", \"c\": \"c1\" }",
		"{\"id\":\"a\",\"c\":\"c1\",\"campaign\":{\"id\":\"c1\",\"n\":1.50}}");
	check_join("{\"c\":\"0\"}", "{\"c\":\"0\",\"campaign\":{}}");
}

static void a_member_of_its_name_is_replaced_in_its_place(void)
{
	fixture_init(two, 2, some);
	check_join("{\"campaign\":{\"own\":1},\"c\":\"c1\",\"z\":2}",
		"{\"campaign\":{\"id\":\"c1\",\"n\":1.50},\"c\":\"c1\",\"z\":2}");
	check_join("{\"campaign\":1,\"c\":\"c1\",\"campaign\":2,\"z\":3,\"campaign\":{}}",
		"{\"campaign\":{\"id\":\"c1\",\"n\":1.50},\"c\":\"c1\",\"z\":3}");
}

static void several_rules_apply_and_do_not_chain(void)
{
	fixture_init(two, 2, some);
	check_join("{\"c\":\"c1\",\"item\":{\"shop\":\"s\"}}",
		"{\"c\":\"c1\",\"item\":{\"shop\":\"s\"},\"campaign\":{\"id\":\"c1\",\"n\":1.50},"
		"\"shop\":{\"campaign\":\"inner\",\"c\":\"c1\"}}");
	f.looked = 0;
	check_join("{\"item\":{\"shop\":\"s\"}}",
		"{\"item\":{\"shop\":\"s\"},\"shop\":{\"campaign\":\"inner\",\"c\":\"c1\"}}");
	check_int(f.looked, 1);
}

static void numbers_keep_their_spelling(void)
{
	fixture_init(two, 2, some);
	check_join("{\"c\":7,\"a\":1.0,\"b\":1e400,\"d\":-0,\"e\":123456789012345678901234567890}",
		"{\"c\":7,\"a\":1.0,\"b\":1e400,\"d\":-0,\"e\":123456789012345678901234567890,"
		"\"campaign\":{\"seven\":[1,{\"x\":\"\xC3\xA9\\n\"}]}}");
}

static void keys_are_read_as_indexing_reads_them(void)
{
	fixture_init(two, 2, some);
	check_join("{\"c\":-0}", "{\"c\":-0,\"campaign\":{}}");
	check_join("{\"c\":123456789012345678901234567890}",
		"{\"c\":123456789012345678901234567890,\"campaign\":{\"big\":true}}");
	check_join("{\"c\":[[7],null]}",
		"{\"c\":[[7],null],\"campaign\":{\"seven\":[1,{\"x\":\"\xC3\xA9\\n\"}]}}");
	check_join("{\"item\":[{\"x\":1},{\"shop\":\"s\"}]}",
		"{\"item\":[{\"x\":1},{\"shop\":\"s\"}],\"shop\":{\"campaign\":\"inner\",\"c\":\"c1\"}}");
	f.looked = 0;
	check_join("{\"c\":7.0}", "{\"c\":7.0}");
	check_join("{\"c\":7e0}", "{\"c\":7e0}");
	check_join("{\"c\":[7,\"c1\"]}", "{\"c\":[7,\"c1\"]}");
	check_join("{\"c\":true,\"c\":\"c1\"}", "{\"c\":true,\"c\":\"c1\"}");
	check_join("{\"c\":{\"c\":\"c1\"}}", "{\"c\":{\"c\":\"c1\"}}");
	check_join("{\"c\":\"\"}", "{\"c\":\"\"}");
	check_join("{\"c\":\"a\\u0001b\"}", "{\"c\":\"a\\u0001b\"}");
	check_int(f.looked, 0);
}

static void check_bad(const char *record, size_t len)
{
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;

	check_int(join_record(f.segment, slice_of(record, len), find, NULL, &out, &err), -EBADMSG);
	check_contains(err.message, "stored record");
	check_int(out.len, 0);
}

static void keys_that_no_attribute_can_have_ask_for_nothing(void)
{
	OWNED_BUF record = {0};
	size_t room = TERM_MAX - strlen("campaign") - 1;

	fixture_init(two, 2, some);
	for (size_t len = room; len <= room + 1; len++) {
		buf_clear(&record);
		buf_add_str(&record, "{\"c\":\"");
		for (size_t i = 0; i < len; i++)
			buf_add_byte(&record, 'a');
		buf_add_str(&record, "\"}");
		check_join(buf_cstr(&record), buf_cstr(&record));
		check_int(f.looked, 1);
	}
}

static void stored_bytes_that_are_no_record_are_an_error(void)
{
	static const char *const bad[] = {"", "{", "[]", "7", "{\"c\":\"\xff\"}", "{\"c\":\"c1\"} x"};
	static const char *const hostile[] = {ID("campaign", "c1"), "[1]", NULL};
	OWNED_BUF deep = {0};

	fixture_init(two, 2, some);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check_bad(bad[i], strlen(bad[i]));
	for (int i = 0; i < 200000; i++)
		buf_add_str(&deep, "{\"c\":");
	buf_add_str(&deep, "1");
	for (int i = 0; i < 200000; i++)
		buf_add_str(&deep, "}");
	check_bad(deep.data, deep.len);
	f.known = hostile;
	check_bad("{\"c\":\"c1\"}", 10);
}

static int find_fails(void *ctx, struct slice id, struct buf *json, struct err *err)
{
	return err_set(err, -EIO, "no luck");
}

static void an_attribute_that_cannot_be_read_is_an_error(void)
{
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;

	fixture_init(two, 2, some);
	check_int(join_record(f.segment, slice_str("{\"c\":\"c1\"}"), find_fails, NULL, &out, &err), -EIO);
	check_str(err.message, "no luck");
	check_int(out.len, 0);
}

static void as_many_rules_apply_as_a_segment_may_have(void)
{
	static char names[64][8];
	static struct segment_rule rules[64];
	static const char *known[129];
	static char ids[64][16];
	OWNED_BUF out = {0};
	const char *at;
	int members = 0;

	for (int i = 0; i < 64; i++) {
		snprintf(names[i], sizeof(names[i]), "r%d", i);
		snprintf(ids[i], sizeof(ids[i]), "\x01r%d\x01k", i);
		rules[i] = (struct segment_rule){.name = slice_str(names[i]), .on = slice_str("k")};
		known[2 * i] = ids[i];
		known[2 * i + 1] = "{\"joined\":1}";
	}
	fixture_init(rules, 64, known);
	check_int(join_record(f.segment, slice_str("{\"k\":\"k\"}"), find, NULL, &out, NULL), 0);
	for (at = buf_cstr(&out); (at = strstr(at, "joined")); at++)
		members++;
	check_int(members, 64);
}

int main(void)
{
	RUN(a_record_to_which_nothing_applies_is_shown_byte_for_byte);
	RUN(an_attribute_becomes_a_member);
	RUN(a_member_of_its_name_is_replaced_in_its_place);
	RUN(several_rules_apply_and_do_not_chain);
	RUN(numbers_keep_their_spelling);
	RUN(keys_are_read_as_indexing_reads_them);
	RUN(keys_that_no_attribute_can_have_ask_for_nothing);
	RUN(stored_bytes_that_are_no_record_are_an_error);
	RUN(an_attribute_that_cannot_be_read_is_an_error);
	RUN(as_many_rules_apply_as_a_segment_may_have);
	segment_free(f.segment);
	buf_release(&f.bytes);
	sample_release(&f.sample);
	return tap_done();
}
