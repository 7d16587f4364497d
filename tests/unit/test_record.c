/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "reader.h"
#include "record.h"
#include "tap.h"

#define FALLBACK "dt=2026-05-04/hour=10/minute=05/ads.jsonl:7"

static char *text_items[] = {(char *)"title", (char *)"item.title", (char *)"notes"};
static char *keyword_items[] = {(char *)"brand", (char *)"tags", (char *)"item.color", (char *)"price"};
static const struct config plain = {.op = (char *)"op", .text_is_default = true};
static const struct config rich = {
	.id = (char *)"ad_id",
	.group = (char *)"item.id",
	.op = (char *)"op",
	.version = (char *)"v",
	.text = {text_items, 3},
	.keyword = {keyword_items, 4},
};

/* A line as the reader gives it: padded. */
static struct slice padded(struct buf *b, struct slice s)
{
	buf_clear(b);
	buf_add_slice(b, s);
	memset(buf_reserve(b, RECORD_PADDING), 0, RECORD_PADDING);
	return buf_slice(b);
}

/* Parses one line into memory that lives until the next call. */
static int parse_slice(const struct config *cfg, struct slice json, struct record *out, struct err *err)
{
	static struct arena arena;
	OWNED(record_parser) struct record_parser *p = NULL;
	OWNED_BUF line = {0};

	arena_release(&arena);
	if (!out)
		return 0;
	check_int(record_parser_new(&p, cfg, NULL), 0);
	return record_parse(p, padded(&line, json), slice_str(FALLBACK), &arena, out, err);
}

static int parse(const struct config *cfg, const char *json, struct record *out, struct err *err)
{
	return parse_slice(cfg, slice_str(json), out, err);
}

#define check_refused(cfg, json, reason)                        \
	do {                                                    \
		struct record r_;                               \
		struct err err_ = ERR_INIT;                     \
		check_int(parse((cfg), (json), &r_, &err_), 1); \
		check_contains(err_.message, (reason));         \
	} while (0)

static void add_term(void *ctx, enum term_class cls, const char *text, size_t len)
{
	struct buf *out = ctx;

	if (out->len)
		buf_add_byte(out, ' ');
	buf_add_byte(out, cls);
	buf_add_byte(out, '=');
	buf_add(out, text, len);
}

static int analyse(const struct config *cfg, const char *json, struct buf *terms)
{
	OWNED(record_parser) struct record_parser *p = NULL;
	OWNED_BUF line = {0};
	struct err err = ERR_INIT;

	check_int(record_parser_new(&p, cfg, NULL), 0);
	buf_clear(terms);
	return record_analyse(p, padded(&line, slice_str(json)), add_term, terms, &err);
}

#define check_terms(cfg, json, want)                           \
	do {                                                   \
		OWNED_BUF terms_ = {0};                        \
		check_int(analyse((cfg), (json), &terms_), 0); \
		check_str(buf_cstr(&terms_), want);            \
	} while (0)

static void a_record_without_configuration_has_its_id_and_all_its_text(void)
{
	struct record r;

	check_int(parse(&plain, "{\"id\":\"ad-1\",\"title\":\"Espresso\"}", &r, NULL), 0);
	check_slice(r.id, "ad-1");
	check_int(r.group.len, 0);
	check_int(r.version.len, 0);
	check(!r.deleted);
	check_slice(r.json, "{\"id\":\"ad-1\",\"title\":\"Espresso\"}");
	check_terms(&plain,
		"{\"id\":\"ad-1\",\"n\":7,\"title\":\"Espresso, Café\",\"o\":{\"x\":\"deep\"},\"op\":\"put\"}",
		"w=espresso w=caf\xC3\xA9");
	check_terms(&plain, "{\"tags\":[\"A b\",[\"c\"],3,{\"d\":\"e\"}]}", "w=a w=b w=c");
	check_terms(&plain, "{}", "");
}

static void a_record_without_id_gets_the_place_it_came_from(void)
{
	struct record r;

	check_int(parse(&plain, "{\"title\":\"x\"}", &r, NULL), 0);
	check_slice(r.id, FALLBACK);
	check_int(parse(&plain, "{\"id\":null}", &r, NULL), 0);
	check_slice(r.id, FALLBACK);
	check_int(parse(&plain, "{\"id\":\"\"}", &r, NULL), 0);
	check_slice(r.id, FALLBACK);
}

static void configured_fields_say_id_group_version_and_terms(void)
{
	struct record r;
	const char *json =
		"{\"ad_id\":12,\"item\":{\"id\":\"g\",\"title\":\"Kettle\",\"color\":\"Red\"},\"v\":3,"
		"\"title\":[\"One\",\"Two\"],\"notes\":5,\"brand\":\"Acme Inc\",\"tags\":[\"x\",7,true,null,1.50],"
		"\"other\":\"not text\"}";

	check_int(parse(&rich, json, &r, NULL), 0);
	check_slice(r.id, "12");
	check_slice(r.group, "g");
	check_int(r.version.len, 10);
	check(!memcmp(r.version.data, "\1\0\x80\0\0\0\0\0\0\3", 10));
	check_terms(&rich, json,
		"k=brand:Acme Inc k=tags:x k=tags:7 k=tags:true k=tags:1.5 k=item.color:Red w=one w=two w=kettle w=5");
}

static void dotted_fields_go_through_arrays(void)
{
	check_terms(&rich,
		"{\"ad_id\":1,\"item\":[{\"title\":\"a\",\"color\":\"b\"},{\"title\":[\"c\"]},[{\"title\":\"d\"}],4]}",
		"k=item.color:b w=a w=c w=d");
	check_refused(
		&rich, "{\"ad_id\":1,\"item\":[{\"id\":1},{\"id\":2}]}", "item.id: more than one value");
}

static void numbers_in_keywords_have_one_text_each(void)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{"0", "0"},
		{"-0", "0"},
		{"-0.0", "0"},
		{"1", "1"},
		{"1.0", "1"},
		{"1e3", "1000"},
		{"-5", "-5"},
		{"18446744073709551615", "18446744073709551615"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"123456789012345678901234567890", "123456789012345678901234567890"},
		{"0.1", "0.1"},
		{"0.30000000000000004", "0.30000000000000004"},
		{"1.50", "1.5"},
		{"1e-7", "1e-7"},
	};
	char json[200], want[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(json, sizeof(json), "{\"price\":%s}", cases[i].json);
		snprintf(want, sizeof(want), "k=price:%s", cases[i].text);
		check_terms(&rich, json, want);
	}
}

static void keyword_strings_are_kept_but_for_nfc(void)
{
	check_terms(&rich, "{\"brand\":\" A/b:C \"}", "k=brand: A/b:C ");
	check_terms(&rich, "{\"brand\":\"Cafe\\u0301\"}", "k=brand:Caf\xC3\xA9");
	check_terms(&rich, "{\"brand\":\"\"}", "k=brand:");
	check_terms(&rich, "{\"brand\":[\"a\",\"a\"]}", "k=brand:a k=brand:a");
}

static void escapes_and_nul_in_text_are_separators_or_characters(void)
{
	check_terms(&plain, "{\"t\":\"a\\u0000b\\nc\\u00e9\\ud83d\\ude00d\"}", "w=a w=b w=c\xC3\xA9 w=d");
}

static void a_delete_needs_only_its_id(void)
{
	struct record r;

	check_int(parse(&rich, "{\"ad_id\":\"x\",\"op\":\"delete\",\"brand\":{\"no\":1}}", &r, NULL), 0);
	check(r.deleted);
	check_slice(r.id, "x");
	check(r.json.len > 0);
	check_int(parse(&rich, "{\"ad_id\":\"x\",\"op\":\"Delete\"}", &r, NULL), 0);
	check(!r.deleted);
	check_refused(&rich, "{\"op\":\"delete\"}", "ad_id: missing");
	check_refused(&plain, "{\"op\":\"delete\"}", "a delete without an id");
}

static void the_first_of_two_equal_members_counts(void)
{
	struct record r;

	check_int(parse(&rich, "{\"ad_id\":\"first\",\"ad_id\":\"second\"}", &r, NULL), 0);
	check_slice(r.id, "first");
	check_terms(&rich, "{\"brand\":\"a\",\"brand\":\"b\"}", "k=brand:a");
}

static void unusable_ids_and_groups_are_refused(void)
{
	OWNED_BUF json = {0};
	struct record r;

	check_refused(&rich, "{}", "ad_id: missing or empty");
	check_refused(&rich, "{\"ad_id\":\"\"}", "ad_id: missing or empty");
	check_refused(&rich, "{\"ad_id\":null}", "ad_id: missing or empty");
	check_refused(&rich, "{\"ad_id\":1.5}", "ad_id: neither a string nor an integer");
	check_refused(&rich, "{\"ad_id\":true}", "ad_id: neither");
	check_refused(&rich, "{\"ad_id\":{}}", "ad_id: neither");
	check_refused(&rich, "{\"ad_id\":[\"a\",\"b\"]}", "ad_id: more than one value");
	check_refused(&rich, "{\"ad_id\":\"a\\nb\"}", "ad_id: control character");
	check_refused(&rich, "{\"ad_id\":\"a\\u0000\"}", "ad_id: control character");
	check_refused(&rich, "{\"ad_id\":\"a\\u007f\"}", "ad_id: control character");
	check_refused(&rich, "{\"ad_id\":\"a\",\"item\":{\"id\":\"g\\t\"}}", "item.id: control character");
	check_refused(&rich, "{\"ad_id\":\"a\",\"item\":{\"id\":false}}", "item.id: neither");
	check_refused(&plain, "{\"id\":[{}]}", "id: neither");
	for (int len = ID_MAX; len <= ID_MAX + 1; len++) {
		buf_clear(&json);
		buf_addf(&json, "{\"ad_id\":\"%0*d\"}", len, 0);
		check_int(parse(&rich, buf_cstr(&json), &r, NULL), len > ID_MAX);
	}
	check_int(parse(&rich, "{\"ad_id\":123456789012345678901234567890}", &r, NULL), 0);
	check_slice(r.id, "123456789012345678901234567890");
}

static void unusable_keywords_and_texts_are_refused_when_read(void)
{
	OWNED_BUF json = {0};
	struct record r;

	check_refused(&rich, "{\"ad_id\":1,\"brand\":{\"a\":1}}", "brand: an object");
	check_refused(&rich, "{\"ad_id\":1,\"tags\":[\"ok\",\"a\\u0001\"]}", "tags: control character");
	check_refused(&rich, "{\"ad_id\":1,\"title\":[\"a\",{}]}", "title: an object");
	for (int len = TERM_MAX - 6; len <= TERM_MAX - 5; len++) { /* "brand:" */
		buf_clear(&json);
		buf_addf(&json, "{\"ad_id\":1,\"brand\":\"%0*d\"}", len, 0);
		check_int(parse(&rich, buf_cstr(&json), &r, NULL), len > TERM_MAX - 6);
	}
	buf_clear(&json);
	buf_addf(&json, "{\"ad_id\":1,\"brand\":\"%0*d\"}", 100000, 0);
	check_refused(&rich, buf_cstr(&json), "brand: 100000 bytes");
}

static void what_is_no_json_object_is_refused(void)
{
	check_refused(&plain, "[]", "not a JSON object");
	check_refused(&plain, "\"x\"", "not a JSON object");
	check_refused(&plain, "7", "not a JSON object");
	check_refused(&plain, "", "not JSON");
	check_refused(&plain, "{\"a\":1", "not JSON: ");
	check_refused(&plain, "{\"a\":1} {}", "at byte 9");
	check_refused(&plain, "{'a':1}", "not JSON: ");
	check_refused(&plain, "{\"a\":\"\\ud800\"}", "not JSON: ");
	check_refused(&plain, "{\"a\":\"\xC3\"}", "not valid UTF-8");
	check_refused(&plain, "{\"a\":\"\xED\xA0\x80\"}", "not valid UTF-8");
	check_refused(&plain, "\xEF\xBB\xBF{}", "not JSON: ");
	check_refused(&plain, "{\"a\":\"\n\"}", "not JSON: ");
}

static void bytes_of_nul_are_refused(void)
{
	struct record r;
	struct err err = ERR_INIT;

	check_int(parse_slice(&plain, slice_of("{\"a\":\"b\0c\"}", 11), &r, &err), 1);
	check_contains(err.message, "not JSON");
	check_int(parse_slice(&plain, slice_of("{}\0", 3), &r, &err), 1);
}

/* {"a":[[[…]]]} with `arrays` of them. */
static void add_nested(struct buf *b, size_t arrays)
{
	buf_clear(b);
	buf_add_str(b, "{\"id\":\"x\",\"a\":");
	for (size_t i = 0; i < arrays; i++)
		buf_add_byte(b, '[');
	buf_add_str(b, "\"deep\"");
	for (size_t i = 0; i < arrays; i++)
		buf_add_byte(b, ']');
	buf_add_byte(b, '}');
}

static void deep_nesting_is_refused_and_shallower_is_not(void)
{
	OWNED_BUF json = {0};
	struct record r;
	struct err err = ERR_INIT;

	add_nested(&json, RECORD_NESTING_MAX - 1);
	check_int(parse(&plain, buf_cstr(&json), &r, NULL), 0);
	check_terms(&plain, buf_cstr(&json), "w=deep");
	add_nested(&json, RECORD_NESTING_MAX);
	check_int(parse(&plain, buf_cstr(&json), &r, &err), 1);
	check_contains(err.message, "nested deeper than 1000");
	add_nested(&json, 10000);
	check_refused(&plain, buf_cstr(&json), "nested deeper than 1000");
	add_nested(&json, 1000000);
	check_refused(&plain, buf_cstr(&json), "nested deeper than 1000");
	buf_clear(&json);
	for (int i = 0; i < 1000000; i++)
		buf_add_byte(&json, '[');
	check_refused(&plain, buf_cstr(&json), "not JSON");
}

static void many_values_side_by_side_are_not_deep(void)
{
	OWNED_BUF json = {0};
	struct record r;

	buf_add_str(&json, "{\"id\":1,\"a\":[");
	for (int i = 0; i < 5000; i++)
		buf_add_str(&json, i ? ",[[]]" : "[]");
	buf_add_str(&json, "]}");
	check_int(parse(&plain, buf_cstr(&json), &r, NULL), 0);
}

static void a_line_over_the_limit_is_refused(void)
{
	OWNED_BUF json = {0};
	struct record r;
	struct err err = ERR_INIT;

	memset(buf_reserve(&json, RECORD_MAX + 1), ' ', RECORD_MAX + 1);
	json.len = RECORD_MAX + 1;
	memcpy(json.data, "{}", 2);
	check_int(parse_slice(&plain, buf_slice(&json), &r, &err), 1);
	check_contains(err.message, "too long: 8388609 bytes");
	json.len--;
	check_int(parse_slice(&plain, buf_slice(&json), &r, &err), 0);
}

static void a_fallback_id_has_to_be_a_usable_id(void)
{
	OWNED(record_parser) struct record_parser *p = NULL;
	OWNED_BUF line = {0};
	struct arena arena = {0};
	struct record r;
	struct err err = ERR_INIT;
	struct slice json = padded(&line, slice_str("{}"));

	check_int(record_parser_new(&p, &plain, NULL), 0);
	check_int(record_parse(p, json, slice_str("a\nb:1"), &arena, &r, &err), 1);
	check_contains(err.message, "control character");
	check_int(record_parse(p, json, slice_str("a\xFF:1"), &arena, &r, &err), 1);
	check_contains(err.message, "not valid UTF-8");
	arena_release(&arena);
}

static void versions_order_as_documented(void)
{
	static const char *const ascending[] = {"null", "-9223372036854775808", "\"-999999999999999999\"",
		"-7", "\"-1\"", "0", "\"00012\"", "13", "\"999999999999999999\"", "9223372036854775807",
		"18446744073709551615", "\"\"", "1.5", "\"1000000000000000000\"", "2e300", "\"a\"", "\"ab\"",
		"\"b\""};
	OWNED_BUF last = {0};
	OWNED_BUF json = {0};
	struct record r;

	for (size_t i = 0; i < sizeof(ascending) / sizeof(*ascending); i++) {
		buf_clear(&json);
		buf_addf(&json, "{\"ad_id\":1,\"v\":%s}", ascending[i]);
		check_int(parse(&rich, buf_cstr(&json), &r, NULL), 0);
		check(!i || slice_cmp(buf_slice(&last), r.version) < 0);
		buf_clear(&last);
		buf_add_slice(&last, r.version);
	}
	check_int(parse(&rich, "{\"ad_id\":1}", &r, NULL), 0);
	check_int(r.version.len, 0);
	check_int(parse(&rich, "{\"ad_id\":1,\"v\":\"5\"}", &r, NULL), 0);
	check(!memcmp(r.version.data, "\1\0\x80\0\0\0\0\0\0\5", 10));
	check_refused(&rich, "{\"ad_id\":1,\"v\":true}", "v: neither a string nor a number");
	check_refused(&rich, "{\"ad_id\":1,\"v\":{}}", "v: neither");
	buf_clear(&json);
	buf_addf(&json, "{\"ad_id\":1,\"v\":\"%0*d\"}", VERSION_MAX + 1, 0);
	check_refused(&rich, buf_cstr(&json), "v: 1025 bytes, at most 1024");
}

/* 1 hidden, 0 live. */
static int hidden(const char *drop_if, const char *json)
{
	struct config cfg = plain;
	OWNED(expr) struct expr *e = NULL;
	OWNED_BUF terms = {0};
	int r;

	check_int(expr_parse(&e, drop_if, NULL), 0);
	cfg.drop_if = e;
	r = analyse(&cfg, json, &terms);
	check(r != 1 || !terms.len);
	return r;
}

static void drop_if_hides_documents(void)
{
	check_int(hidden("status:paused", "{\"status\":\"paused\",\"t\":\"x\"}"), 1);
	check_int(hidden("status:paused", "{\"status\":\"Paused\"}"), 0);
	check_int(hidden("status:paused", "{\"other\":\"paused\"}"), 0);
	check_int(hidden("status:paused", "{\"status\":[\"on\",\"paused\"]}"), 1);
	check_int(hidden("status:paused", "{\"status\":{\"paused\":1}}"), 0);
	check_int(hidden("a:5", "{\"a\":5.0}"), 1);
	check_int(hidden("a:true", "{\"a\":true}"), 1);
	check_int(hidden("a:null", "{\"a\":null}"), 0);
	check_int(hidden("NOT a:x", "{}"), 1);
	check_int(hidden("a:x OR (b:y AND c:z)", "{\"b\":\"y\",\"c\":\"z\"}"), 1);
	check_int(hidden("a:Cafe\xCC\x81", "{\"a\":\"Caf\xC3\xA9\"}"), 1);
}

static void drop_if_compares_numbers_and_only_those(void)
{
	check_int(hidden("c.left<=0", "{\"c\":{\"left\":0}}"), 1);
	check_int(hidden("c.left<=0", "{\"c\":{\"left\":0.01}}"), 0);
	check_int(hidden("c.left<=0", "{\"c\":{}}"), 0);
	check_int(hidden("c.left<=0", "{\"c\":{\"left\":\"-1\"}}"), 0);
	check_int(hidden("c.left<=0", "{\"c\":[{\"left\":5},{\"left\":-1}]}"), 1);
	check_int(hidden("n>1e20", "{\"n\":123456789012345678901234567890}"), 1);
	check_int(hidden("n<1e20", "{\"n\":123456789012345678901234567890}"), 0);
	check_int(hidden("n=3", "{\"n\":3.0}"), 1);
	check_int(hidden("n>=3", "{\"n\":2}"), 0);
	check_int(hidden("n>-1", "{\"n\":false}"), 0);
}

static void analysing_what_is_no_record_is_an_error(void)
{
	OWNED_BUF terms = {0};

	check_int(analyse(&plain, "nonsense", &terms), -EBADMSG);
	check_int(analyse(&rich, "{\"brand\":{}}", &terms), -EBADMSG);
	check_int(analyse(&rich, "{\"title\":{}}", &terms), -EBADMSG);
}

static void one_parser_serves_many_records_large_and_small(void)
{
	OWNED(record_parser) struct record_parser *p = NULL;
	OWNED_BUF json = {0};
	struct arena arena = {0};
	struct record r[20];

	check_int(record_parser_new(&p, &plain, NULL), 0);
	for (int i = 0; i < 20; i++) {
		buf_clear(&json);
		buf_addf(&json, "{\"id\":\"id-%d\",\"a\":[", i);
		for (int j = 0; j < (i % 3 ? i : 400000); j++)
			buf_add_str(&json, j ? ",1" : "1");
		buf_add_str(&json, "]}");
		memset(buf_reserve(&json, RECORD_PADDING), 'x', RECORD_PADDING);
		check_int(record_parse(p, buf_slice(&json), slice_str("f"), &arena, &r[i], NULL), 0);
		check_int(
			record_parse(p, slice_of("{]", 2), slice_str("f"), &arena, &(struct record){0}, NULL),
			1);
	}
	check_slice(r[0].id, "id-0");
	check_slice(r[19].id, "id-19");
	arena_release(&arena);
}

int main(void)
{
	RUN(a_record_without_configuration_has_its_id_and_all_its_text);
	RUN(a_record_without_id_gets_the_place_it_came_from);
	RUN(configured_fields_say_id_group_version_and_terms);
	RUN(dotted_fields_go_through_arrays);
	RUN(numbers_in_keywords_have_one_text_each);
	RUN(keyword_strings_are_kept_but_for_nfc);
	RUN(escapes_and_nul_in_text_are_separators_or_characters);
	RUN(a_delete_needs_only_its_id);
	RUN(the_first_of_two_equal_members_counts);
	RUN(unusable_ids_and_groups_are_refused);
	RUN(unusable_keywords_and_texts_are_refused_when_read);
	RUN(what_is_no_json_object_is_refused);
	RUN(bytes_of_nul_are_refused);
	RUN(deep_nesting_is_refused_and_shallower_is_not);
	RUN(many_values_side_by_side_are_not_deep);
	RUN(a_line_over_the_limit_is_refused);
	RUN(a_fallback_id_has_to_be_a_usable_id);
	RUN(versions_order_as_documented);
	RUN(drop_if_hides_documents);
	RUN(drop_if_compares_numbers_and_only_those);
	RUN(analysing_what_is_no_record_is_an_error);
	RUN(one_parser_serves_many_records_large_and_small);
	parse_slice(&plain, slice_of(NULL, 0), NULL, NULL); /* gives its memory back */
	return tap_done();
}
