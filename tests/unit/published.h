/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/published.h - small generations in a real state directory, from documents written in a line.
 *
 * A document's record is its text; its words are terms, those with ':' keywords; "hide" in front hides it. */
#ifndef FRESHET_PUBLISHED_H
#define FRESHET_PUBLISHED_H

#include "publish.h"
#include "record.h"
#include "scratch.h"
#include "segment_write.h"
#include "tap.h"
#include "timefmt.h"

#define P_CADENCE (5 * TIME_MINUTE)
#define P_T0 (INT64_C(1777888800) * TIME_SECOND)

struct doc {
	const char *id, *text; /* text NULL: deleted */
	int64_t ts;            /* of its partition; 0: the segment's */
};

struct site {
	struct scratch dir;
	struct state *state;
	struct catalog *catalog;
	struct generation *now; /* the current one */
};

static inline int doc_analyse(void *ctx, struct slice record, struct invert *v, struct err *err)
{
	char padded[256 + 16];
	size_t at = 0;

	if (record.len > 256)
		return -EBADMSG;
	memset(padded, 0, sizeof(padded));
	memcpy(padded, record.data, record.len);
	if (!strncmp(padded, "hide", 4))
		return 1;
	while (at < record.len) {
		size_t len = strcspn(padded + at, " ");

		if (len)
			invert_add(v, memchr(padded + at, ':', len) ? 'k' : 'w', padded + at, len);
		at += len + 1;
	}
	return 0;
}

static inline int source_by_ts(const void *a, const void *b)
{
	const struct source *x = a, *y = b;

	return (x->ts > y->ts) - (x->ts < y->ts);
}

/* Attributes among the documents; those called "shop" expire. */
static const struct segment_rule doc_rules[] = {
	{.name = {"campaign", 8}, .on = {"c", 1}}, {.name = {"shop", 4}, .on = {"s", 1}, .expires = true}};

/* Ids strictly ascending. */
static inline int write_docs(const char *path, const struct doc *docs, size_t count, int64_t ts,
	struct segment_output *out, struct err *err)
{
	struct source *sources = calloc(count + 1, sizeof(*sources));
	struct entry *entries = calloc(count + 1, sizeof(*entries));
	struct segment_input in = {.sources = sources,
		.entries = entries,
		.entry_count = count,
		.first = ts,
		.last = ts,
		.analyse = doc_analyse,
		.threads = 1};
	size_t used = 1;
	int r;

	for (size_t i = 0; i < count; i++)
		sources[i] = (struct source){.ts = docs[i].ts ? docs[i].ts : ts,
			.partition = slice_str("dt=x"),
			.file = slice_str("a.jsonl")};
	qsort(sources, count, sizeof(*sources), source_by_ts);
	for (size_t i = 1; i < count; i++)
		if (sources[i].ts != sources[used - 1].ts)
			sources[used++] = sources[i];
	in.source_count = count ? used : 0;
	if (count && id_is_attribute(slice_str(docs[0].id))) {
		in.rules = doc_rules;
		in.rule_count = 2;
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t source = 0;

		while (sources[source].ts != (docs[i].ts ? docs[i].ts : ts))
			source++;
		entries[i] = (struct entry){.id = slice_str(docs[i].id),
			.state = !docs[i].text                            ? ENTRY_DELETED
				 : id_is_attribute(slice_str(docs[i].id)) ? ENTRY_ATTRIBUTE
									  : ENTRY_LIVE,
			.source = source,
			.line = i + 1,
			.record = docs[i].text ? slice_str(docs[i].text) : slice_of(NULL, 0)};
	}
	r = segment_write(path, &in, out, err);
	free(entries);
	free(sources);
	return r;
}

static inline struct site site_open(void)
{
	struct site s = {.dir = scratch_make()};
	struct err err = ERR_INIT;

	if (state_open(&s.state, s.dir.path, true, &err) || catalog_open(&s.catalog, s.state, true, &err) ||
		state_lock(s.state, 0, &err)) {
		printf("Bail out! %s\n", err.message);
		abort();
	}
	return s;
}

static inline void site_close(struct site *s)
{
	generation_unref(s->now);
	catalog_free(s->catalog);
	state_free(s->state);
	scratch_remove(&s->dir);
}
#define SITE __attribute__((cleanup(site_close))) struct site

/* Publishes documents of one partition at `ts`; count 0: a generation that only drops. Returns what publish() says;
 * on success s->now is the new generation. */
static inline int site_publish_with(struct site *s, const struct doc *docs, size_t count, int64_t ts,
	int64_t horizon, struct publish_input *in, struct err *err)
{
	struct segment_output written;
	struct publish_segment fresh = {
		.file = "segment", .output = &written, .at = s->now ? s->now->manifest.segment_count : 0};
	struct generation *next = NULL;
	uint64_t documents;
	int r;

	*in = (struct publish_input){.state = s->state,
		.catalog = s->catalog,
		.parent = s->now,
		.watermark = ts,
		.horizon = horizon,
		.base_at = TIME_NONE,
		.now = ts + TIME_SECOND / 2,
		.k1 = 1200,
		.b = 750,
		.rows = in->rows,
		.row_count = in->row_count,
		.rejects = in->rejects,
		.reject_count = in->reject_count};
	r = catalog_take_number(s->catalog, &in->number, err);
	if (!r)
		r = state_build_begin(s->state, err);
	if (!r && count) {
		OWNED_STR char *path = state_path(s->state, "%s/segment", s->state->build);

		r = write_docs(path, docs, count, ts, &written, err);
		in->segments = &fresh;
		in->segment_count = 1;
	}
	if (!r)
		r = publish(in, &documents, err);
	in->segments = NULL;
	in->segment_count = 0;
	state_build_end(s->state);
	if (!r)
		r = generation_open(&next, s->state, in->number, err);
	if (!r) {
		check_int(documents, next->manifest.documents);
		generation_unref(s->now);
		s->now = next;
	}
	return r;
}

static inline void site_publish(
	struct site *s, const struct doc *docs, size_t count, int64_t ts, int64_t horizon)
{
	struct publish_input in = {0};
	struct err err = ERR_INIT;

	if (site_publish_with(s, docs, count, ts, horizon, &in, &err))
		tap_fail("%s", err.message);
}

/* Random documents over `ids` ids, each there with one chance in `sparse`; the strings are in `arena`. */
static inline size_t random_docs(
	uint64_t *seed, uint32_t ids, uint32_t sparse, struct doc *docs, struct arena *arena)
{
	size_t count = 0;

	for (uint32_t i = 0; i < ids; i++) {
		char id[32], text[128];
		uint32_t kind = seed_below(seed, 10);

		if (seed_below(seed, sparse))
			continue;
		snprintf(id, sizeof(id), "doc-%05u%.*s", i, (int)(i % 7), "xxxxxx");
		snprintf(text, sizeof(text), "%sall w%u w%u k:%u:x rare%u", kind == 0 ? "hide " : "",
			seed_below(seed, 5), seed_below(seed, 50), seed_below(seed, 9), i);
		docs[count++] = (struct doc){arena_dup(arena, slice_str(id)).data,
			kind == 1 ? NULL : arena_dup(arena, slice_str(text)).data, 0};
	}
	return count;
}

#endif
