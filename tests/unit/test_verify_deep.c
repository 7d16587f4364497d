/* SPDX-License-Identifier: Apache-2.0 */
/* Segments whose checksums and structure are right, as the writer makes them, and whose content is not. */
#include "verify_deep.h"

#include "analyst.h"
#include "reader.h"
#include "segment_verify.h"
#include "segment_write.h"
#include "tap.h"
#include "timefmt.h"

enum lie { TRUTH, ONE_WORD_MORE, NO_KEYWORD, TWICE, HIDES, ONE_ATTRIBUTE_MORE };

struct liar {
	void *analyst;
	enum lie lie;
	struct slice about; /* the record to lie about */
};

static void add(struct invert *v, char cls, const char *text)
{
	char padded[64] = {0};

	strcpy(padded, text);
	invert_add(v, cls, padded, strlen(text));
}

static int lying_analyse(void *ctx, struct slice record, struct invert *v, struct err *err)
{
	static const char plain[128] = "{\"id\":\"b\",\"title\":\"mocha\"}";
	struct liar *liar = ctx;
	enum lie lie = slice_eq(record, liar->about) ? liar->lie : TRUTH;
	int r;

	if (lie == ONE_ATTRIBUTE_MORE)
		add(v, 'a',
			"campaign\x01"
			"c9");
	if (lie == NO_KEYWORD)
		record = slice_str(plain);
	r = analyst_analyse(liar->analyst, record, v, err);
	if (lie == ONE_WORD_MORE)
		add(v, 'w', "espresso");
	if (lie == TWICE)
		add(v, 'w', "mocha");
	return lie == HIDES ? 1 : r;
}

static int no_attribute(void *ctx, struct slice id, struct buf *json, struct err *err)
{
	return 0;
}

static const char *const records[] = {
	"{\"id\":\"a\",\"title\":\"espresso\",\"brand\":\"acme\",\"item\":\"g\"}",
	"{\"id\":\"b\",\"title\":\"mocha\",\"brand\":\"acme\",\"item\":\"g\"}",
	"{\"id\":\"c\",\"title\":\"mocha\",\"status\":\"paused\",\"item\":\"h\"}",
};
#define COUNT 3

static struct config *configuration(const char *group)
{
	static const char *const settings[] = {"document.id=id", "document.text=title",
		"document.keyword=brand", "document.drop_if=status:paused"};
	struct config *cfg;
	struct err err = ERR_INIT;
	char text[64];

	check_int(config_new(&cfg, &err), 0);
	for (size_t i = 0; i < 4; i++)
		check_int(config_set(cfg, settings[i], &err), 0);
	snprintf(text, sizeof(text), "document.group=%s", group);
	check_int(config_set(cfg, text, &err), 0);
	return cfg;
}

static struct slice padded(struct arena *arena, const char *text)
{
	char *copy = arena_alloc(arena, strlen(text) + RECORD_PADDING);

	memset(copy, 0, strlen(text) + RECORD_PADDING);
	return slice_of(memcpy(copy, text, strlen(text)), strlen(text));
}

/* A segment of the records, with a lie about the second; `change` may change its entries before. */
static int deep_of(enum lie lie, void (*change)(struct entry *entries, struct arena *arena), struct err *err)
{
	struct source source = {.ts = TIME_SECOND, .partition = slice_str("p"), .file = slice_str("f")};
	struct entry entries[COUNT] = {0};
	struct arena arena = {0};
	OWNED(config) struct config *cfg = configuration("item");
	struct analysts analysts;
	struct liar liar = {.lie = lie};
	struct segment_input in = {.sources = &source,
		.source_count = 1,
		.entries = entries,
		.entry_count = COUNT,
		.analyse = lying_analyse,
		.analyse_ctx = &liar,
		.threads = 1};
	struct segment_output out;
	struct segment *segment = NULL;
	struct manifest_segment manifest = {.name = "x", .left = TIME_NONE};
	struct generation_draft draft = {&segment, &manifest, 1};
	OWNED(generation) struct generation *g = NULL;
	struct verify_deep_input deep = {.cfg = cfg};
	OWNED_BUF bytes = {0};
	struct err ignored = ERR_INIT;
	int r;

	for (size_t i = 0; i < COUNT; i++)
		entries[i] = (struct entry){.id = slice_of((const char *[]){"a", "b", "c"}[i], 1),
			.group = slice_str(i < 2 ? "g" : "h"),
			.line = i + 1,
			.record = padded(&arena, records[i])};
	if (change)
		change(entries, &arena);
	liar.about = entries[1].record;
	check_int(analysts_init(&analysts, cfg, 1, no_attribute, NULL, NULL, &ignored), 0);
	liar.analyst = analysts.ctxs[0];
	config_hash(cfg, in.config_hash);
	check_int(segment_write_bytes(&in, &bytes, &out, &ignored), 0);
	analysts_release(&analysts);
	check_int(segment_open_bytes(&segment, buf_slice(&bytes), "x", &ignored), 0);
	check_int(segment_verify_checksums(segment, &ignored), 0);
	check_int(segment_verify_structure(segment, &ignored), 0);
	check_int(generation_make(&g, &draft, TIME_NONE, &ignored), 0);
	deep.g = g;
	*err = ERR_INIT;
	r = verify_deep(&deep, err);
	arena_release(&arena);
	return r;
}

static void check_lie(enum lie lie, const char *want)
{
	struct err err;

	check_int(deep_of(lie, NULL, &err), -EBADMSG);
	check_contains(err.message, want);
	check_contains(err.message, "segment x");
}

static void a_segment_that_says_what_its_records_say_is_whole(void)
{
	struct err err;

	check_int(deep_of(TRUTH, NULL, &err), 0);
	check_str(err.message, "");
}

static void a_document_has_a_word_that_is_not_in_its_record(void)
{
	check_lie(ONE_WORD_MORE, "entry 1 (b): its length");
}

static void a_keyword_of_a_record_is_not_in_the_postings(void)
{
	check_lie(NO_KEYWORD, "term k brand:acme: its documents");
}

static void a_word_comes_more_often_than_in_the_record(void)
{
	check_lie(TWICE, "entry 1 (b): its length");
}

static void a_document_is_hidden_that_should_be_live(void)
{
	check_lie(HIDES, "entry 1 (b): is hidden");
}

static void a_document_asks_for_an_attribute_that_its_record_does_not_name(void)
{
	check_lie(ONE_ATTRIBUTE_MORE, "term a campaign");
}

static void change_words(struct entry *entries, struct arena *arena)
{
	entries[1].record =
		padded(arena, "{\"id\":\"b\",\"title\":\"mocha\",\"brand\":\"bolt\",\"item\":\"g\"}");
}

static void a_truth_about_another_record_is_whole_too(void)
{
	struct err err;

	check_int(deep_of(TRUTH, change_words, &err), 0);
}

static void change_group(struct entry *entries, struct arena *arena)
{
	entries[1].group = slice_str("h");
}

static void change_id(struct entry *entries, struct arena *arena)
{
	entries[1].id = slice_str("bb");
}

static void an_entry_is_in_another_group_than_its_record(void)
{
	struct err err;

	check_int(deep_of(TRUTH, change_group, &err), -EBADMSG);
	check_contains(err.message, "another group");
}

static void an_entry_has_another_id_than_its_record(void)
{
	struct err err;

	check_int(deep_of(TRUTH, change_id, &err), -EBADMSG);
	check_contains(err.message, "another id");
}

int main(void)
{
	RUN(a_segment_that_says_what_its_records_say_is_whole);
	RUN(a_document_has_a_word_that_is_not_in_its_record);
	RUN(a_keyword_of_a_record_is_not_in_the_postings);
	RUN(a_word_comes_more_often_than_in_the_record);
	RUN(a_document_is_hidden_that_should_be_live);
	RUN(a_document_asks_for_an_attribute_that_its_record_does_not_name);
	RUN(a_truth_about_another_record_is_whole_too);
	RUN(an_entry_is_in_another_group_than_its_record);
	RUN(an_entry_has_another_id_than_its_record);
	return tap_done();
}
