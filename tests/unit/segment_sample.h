/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/segment_sample.h - input for segments under test: rows whose records are "words" of a tiny language,
 * so that no JSON is needed. A record is words with blanks between; "k:v" is a keyword; "!" hides the entry. A word "@NAME@KEY",
 * which has to be in front, asks for an attribute. */
#ifndef FRESHET_SEGMENT_SAMPLE_H
#define FRESHET_SEGMENT_SAMPLE_H

#include "arena.h"
#include "segment_verify.h"
#include "segment_write.h"

#define SAMPLE_ROWS_MAX 4096

struct sample {
	struct arena arena;
	struct source sources[4];
	struct entry entries[SAMPLE_ROWS_MAX], history[SAMPLE_ROWS_MAX];
	struct segment_input in;
};

#define SAMPLE_MARK "\x01"

static inline void sample_ask(struct invert *v, const char *word, size_t len)
{
	char text[128] = {0};

	len = len < 100 ? len : 100;
	for (size_t i = 1; i < len; i++)
		text[i - 1] = word[i] == '@' ? SAMPLE_MARK[0] : word[i];
	invert_add(v, 'a', text, len - 1);
}

/* The same terms for the model in a test and for the writer. */
static inline int sample_analyse(void *ctx, struct slice record, struct invert *v, struct err *err)
{
	bool hidden = memchr(record.data, '!', record.len) != NULL;
	size_t start = 0;

	for (size_t i = 0; i <= record.len; i++) {
		if (i < record.len && record.data[i] != ' ')
			continue;
		if (i > start && record.data[start] == '@') {
			sample_ask(v, record.data + start, i - start);
		} else if (i > start && !hidden) {
			bool keyword = memchr(record.data + start, ':', i - start) != NULL;

			invert_add(v, keyword ? 'k' : 'w', record.data + start, i - start);
		}
		start = i + 1;
	}
	return hidden;
}

static inline struct slice sample_text(struct sample *s, const char *text)
{
	size_t len = strlen(text);
	char *p = arena_alloc(&s->arena, len + 64);

	memset(p + len, 0, 64);
	memcpy(p, text, len);
	return slice_of(p, len);
}

static inline void sample_init(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < 4; i++) {
		s->sources[i] = (struct source){.ts = i / 2 * INT64_C(300000000000),
			.partition = slice_str(i < 2 ? "minute=00" : "minute=05"),
			.file = slice_str(i % 2 ? "b.jsonl" : "a.jsonl")};
		memset(s->sources[i].hash, 0x10 + (int)i, 16);
	}
	s->in = (struct segment_input){.sources = s->sources,
		.source_count = 4,
		.entries = s->entries,
		.history = s->history,
		.first = 0,
		.last = INT64_C(300000000000),
		.analyse = sample_analyse,
		.threads = 1};
	memset(s->in.config_hash, 0xc0, sizeof(s->in.config_hash));
}

static inline struct entry *sample_add(
	struct sample *s, const char *id, const char *group, const char *record)
{
	struct entry *e = &s->entries[s->in.entry_count++];

	*e = (struct entry){.id = sample_text(s, id),
		.group = sample_text(s, group),
		.source = (uint32_t)(s->in.entry_count % 4),
		.line = s->in.entry_count,
		.record = sample_text(s, record)};
	return e;
}

static inline struct entry *sample_add_history(
	struct sample *s, const char *id, const char *group, const char *record)
{
	struct entry *e = &s->history[s->in.history_count++];

	*e = (struct entry){.id = sample_text(s, id),
		.group = sample_text(s, group),
		.line = s->in.history_count,
		.record = sample_text(s, record)};
	return e;
}

/* A segment with one of everything. */
static inline void sample_small(struct sample *s)
{
	sample_init(s);
	sample_add(s, "ad-1", "g-b", "espresso machine espresso brand:Acme");
	sample_add(s, "ad-2", "", "espresso beans brand:Acme")->version = sample_text(s, "\x01\x80");
	sample_add(s, "ad-3", "g-a", "! paused beans");
	sample_add(s, "ad-4", "g-b", "gone")->state = ENTRY_DELETED;
	sample_add(s, "ad-5", "g-b", "")->state = ENTRY_DELETED;
	sample_add(s, "ad-6", "g-c", "a-word-that-is-longer-than-sixteen-bytes espresso");
	sample_add_history(s, "ad-1", "g-old", "an older espresso");
	sample_add_history(s, "ad-1", "g-b", "a newer espresso");
}

/* The same with attributes, and two rules. */
static inline void sample_joined(struct sample *s)
{
	static const struct segment_rule rules[] = {{.name = {"campaign", 8}, .on = {"c_id", 4}},
		{.name = {"shop", 4}, .on = {"s", 1}, .expires = true}};

	sample_init(s);
	s->in.rules = rules;
	s->in.rule_count = 2;
	sample_add(s, SAMPLE_MARK "campaign" SAMPLE_MARK "c1", "", "spring")->state = ENTRY_ATTRIBUTE;
	sample_add(s, SAMPLE_MARK "campaign" SAMPLE_MARK "c2", "", "")->state = ENTRY_DELETED;
	sample_add(s, SAMPLE_MARK "shop" SAMPLE_MARK "7", "", "corner")->state = ENTRY_ATTRIBUTE;
	sample_add(s, "ad-1", "g-a", "@campaign@c1 @shop@7 espresso");
	sample_add(s, "ad-2", "", "@campaign@c1 ! paused");
	sample_add(s, "ad-3", "g-a", "@shop@8 beans");
	sample_add_history(s, SAMPLE_MARK "campaign" SAMPLE_MARK "c1", "", "winter")->state = ENTRY_ATTRIBUTE;
}

static inline void sample_release(struct sample *s)
{
	arena_release(&s->arena);
}

#endif
