/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz_record.c - one line of a feed through everything that looks at it. What record_parse() takes,
 * record_analyse() must take too, and every term must be one that a dictionary can hold. */
#include "name.h"
#include "reader.h"
#include "record.h"

static char *text_items[] = {(char *)"title", (char *)"item.title", (char *)"notes"};
static char *keyword_items[] = {(char *)"brand", (char *)"tags", (char *)"item.color"};

static struct config rich = {
	.id = (char *)"id",
	.group = (char *)"item.id",
	.op = (char *)"op",
	.version = (char *)"v",
	.text = {text_items, 3},
	.keyword = {keyword_items, 3},
};
static struct config plain = {.op = (char *)"op", .text_is_default = true};

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

static void one(struct record_parser *p, struct slice line)
{
	struct arena arena = {0};
	struct record r;
	struct err err = ERR_INIT;
	int code = record_parse(p, line, slice_str("p/f.jsonl:1"), &arena, &r, &err);

	if (code == 1 && !err.message[0])
		abort();
	if (code == 0 && (!r.id.len || r.id.len > ID_MAX || r.group.len > ID_MAX || !slice_eq(r.json, line)))
		abort();
	if (code == 0 && !r.deleted && record_analyse(p, line, take_term, NULL, &err) < 0)
		abort();
	arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct record_parser *parsers[2];
	OWNED_BUF line = {0};

	if (!parsers[0]) {
		if (expr_parse(&rich.drop_if, "status:paused OR item.left<=0 AND NOT tags:caf\xC3\xA9",
			    NULL) < 0 ||
			record_parser_new(&parsers[0], &plain, NULL) < 0 ||
			record_parser_new(&parsers[1], &rich, NULL) < 0)
			abort();
	}
	buf_add(&line, data, size);
	memset(buf_reserve(&line, RECORD_PADDING), 0, RECORD_PADDING);
	one(parsers[0], buf_slice(&line));
	one(parsers[1], buf_slice(&line));
	return 0;
}
