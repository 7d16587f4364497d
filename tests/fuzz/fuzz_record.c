/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz_record.c - one line of a feed through everything that looks at it. What record_parse() takes,
 * record_analyse() must take too, and every term must be one that a dictionary can hold.
 *
 * Where there are two lines, the first may be an attribute: then it is what every document of its kind finds. */
#include "join.h"
#include "name.h"
#include "reader.h"
#include "record.h"
#include "segment_write.h"

static char *text_items[] = {(char *)"title", (char *)"item.title", (char *)"notes"};
static char *keyword_items[] = {(char *)"brand", (char *)"tags", (char *)"item.color"};

static char *joined_text[] = {(char *)"title", (char *)"campaign.name"};
static char *joined_keywords[] = {(char *)"campaign.tags", (char *)"shop.city"};
static struct attribute_rule rules[] = {
	{.name = (char *)"campaign", .key = (char *)"id", .on = (char *)"c", .version = (char *)"v"},
	{.name = (char *)"shop", .key = (char *)"no", .on = (char *)"item.shop"}};

static struct config rich = {
	.id = (char *)"id",
	.group = (char *)"item.id",
	.op = (char *)"op",
	.version = (char *)"v",
	.text = {text_items, 3},
	.keyword = {keyword_items, 3},
};
static struct config plain = {.op = (char *)"op", .text_is_default = true};

static struct config joined = {
	.id = (char *)"id",
	.op = (char *)"op",
	.text = {joined_text, 2},
	.keyword = {joined_keywords, 2},
	.attributes = rules,
	.attribute_count = 2,
};
static const struct segment_rule joins[] = {
	{.name = {"campaign", 8}, .on = {"c", 1}}, {.name = {"shop", 4}, .on = {"item.shop", 9}}};

static struct arena kept; /* for the running input */

static void take_term(void *ctx, enum term_class cls, const char *text, size_t len)
{
	volatile char tail = 0;

	if (!len || len > TERM_MAX || !utf8_is_valid(slice_of(text, len)))
		abort();
	if (cls == TERM_KEYWORD && !memchr(text, ':', len))
		abort();
	for (int i = 0; i < 16; i++)
		tail ^= text[len + i];
	(void)tail; /* the reads are what counts */
}

/* The attribute that there is, if any. */
struct attribute {
	struct slice id, json;
};

static int find(void *ctx, struct slice id, struct buf *json, struct err *err)
{
	const struct attribute *a = ctx;
	size_t kind =
		a->id.len
			? (size_t)((char *)memchr(a->id.data + 1, ATTRIBUTE_MARK, a->id.len - 1) - a->id.data)
			: 0;

	if (id.len > ID_MAX + 1 || !id_is_attribute(id))
		abort();
	if (!kind || id.len <= kind || memcmp(id.data, a->id.data, kind + 1))
		return 0;
	buf_add_slice(json, a->json);
	return 1;
}

static struct segment *segment_with_rules(void)
{
	static struct buf bytes;
	struct segment_input in = {.rules = joins, .rule_count = 2, .threads = 1};
	struct segment_output out;
	struct segment *s;

	if (segment_write_bytes(&in, &bytes, &out, NULL) < 0 ||
		segment_open_bytes(&s, buf_slice(&bytes), "rules", NULL) < 0)
		abort();
	return s;
}

static void check_taken(struct record_parser *p, const struct attribute *a)
{
	OWNED_BUF taken = {0}, none = {0};

	if (record_taken(p, a->id, a->json, &taken, NULL) < 0 ||
		record_taken(p, a->id, slice_of(NULL, 0), &none, NULL) < 0 || none.len || !taken.len)
		abort();
}

static void check_shown(struct slice line, bool usable, struct attribute *a)
{
	static struct segment *s;
	OWNED_BUF shown = {0};
	int r;

	if (!s)
		s = segment_with_rules();
	r = join_record(s, line, find, a, &shown, NULL);
	if (r != 0 && (usable || r != -EBADMSG))
		abort();
	if (r == 0 && line.len && memchr(line.data, '\n', line.len) == NULL && shown.len &&
		memchr(shown.data, '\n', shown.len))
		abort();
}

static void one(struct record_parser *p, struct slice line, struct attribute *a)
{
	static struct arena arena;
	struct record r;
	struct err err = ERR_INIT;
	int code;
	bool is_attribute;

	arena_release(&arena);
	code = record_parse(p, line, slice_str("p/f.jsonl:1"), &arena, &r, &err);
	is_attribute = code == 0 && id_is_attribute(r.id);
	if (code == 1 && !err.message[0])
		abort();
	if (code == 0 &&
		(!r.id.len || r.id.len > ID_MAX + 1 || r.group.len > ID_MAX || !slice_eq(r.json, line)))
		abort();
	if (is_attribute && a && !a->id.len) {
		*a = (struct attribute){
			arena_dup(&kept, r.id), arena_dup(&kept, r.deleted ? slice_of("{}", 2) : line)};
		check_taken(p, a);
	} else if (code == 0 && !r.deleted && !is_attribute) {
		record_join(p, a ? find : NULL, a);
		if (record_analyse(p, line, take_term, NULL, &err) < 0)
			abort();
	}
	if (a)
		check_shown(line, code == 0, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With padding behind it. */
static struct slice padded(struct slice line)
{
	char *copy = arena_alloc(&kept, line.len + RECORD_PADDING);

	memset(copy + line.len, 0, RECORD_PADDING);
	if (line.len)
		memcpy(copy, line.data, line.len);
	return slice_of(copy, line.len);
}

static void parsers_init(struct record_parser *parsers[3])
{
	if (expr_parse(&rich.drop_if, "status:paused OR item.left<=0 AND NOT tags:caf\xC3\xA9", NULL) < 0 ||
		expr_parse(&joined.drop_if, "campaign.status:paused OR campaign.left<=0 OR shop:x", NULL) <
			0 ||
		expr_parse(&rules[0].when, "kind:campaign", NULL) < 0 ||
		expr_parse(&rules[1].when, "kind:shop OR no>=0", NULL) < 0 ||
		record_parser_new(&parsers[0], &plain, NULL) < 0 ||
		record_parser_new(&parsers[1], &rich, NULL) < 0 ||
		record_parser_new(&parsers[2], &joined, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct record_parser *parsers[3];
	struct attribute attribute = {0};
	struct slice all = slice_of((const char *)data, size);
	const char *end = size ? memchr(data, '\n', size) : NULL;
	size_t first = end ? (size_t)(end - all.data) : size;

	if (!parsers[0])
		parsers_init(parsers);
	all = padded(all);
	one(parsers[0], all, NULL);
	one(parsers[1], all, NULL);
	one(parsers[2], padded(slice_of(all.data, first)), &attribute);
	if (end)
		one(parsers[2], padded(slice_of(all.data + first + 1, size - first - 1)), &attribute);
	arena_release(&kept);
	return 0;
}
