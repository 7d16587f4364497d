/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/memory_generation.h - generations in memory, from rows written in a line: for what decides by rows alone. */
#ifndef FRESHET_MEMORY_GENERATION_H
#define FRESHET_MEMORY_GENERATION_H

#include "generation.h"
#include "segment_write.h"
#include "tap.h"
#include "timefmt.h"

#define MEMORY_SEGMENTS 32
#define MEMORY_ROWS 16

/* A row of a segment. Attributes have ids of their own shape and must say that they are such. */
struct memory_row {
	const char *id;
	int64_t ts;
	const char *file, *version;
	enum entry_state state;
	bool history;
};

struct memory {
	struct generation *g;
	struct buf bytes[MEMORY_SEGMENTS];
};

static inline int memory_analyse(void *ctx, struct slice record, struct invert *v, struct err *err)
{
	return 0;
}

static inline void memory_init(struct memory *m)
{
	*m = (struct memory){.g = calloc(1, sizeof(*m->g))};
	m->g->refs = 1;
	m->g->segments = calloc(MEMORY_SEGMENTS, sizeof(*m->g->segments));
	m->g->manifest.segments = calloc(MEMORY_SEGMENTS, sizeof(*m->g->manifest.segments));
	m->g->manifest.horizon = TIME_NONE;
}

static inline void memory_release(struct memory *m)
{
	generation_unref(m->g);
	for (size_t i = 0; i < MEMORY_SEGMENTS; i++)
		buf_release(&m->bytes[i]);
}
#define MEMORY __attribute__((cleanup(memory_release))) struct memory

static inline int memory_source_cmp(const void *va, const void *vb)
{
	const struct source *a = va, *b = vb;

	return a->ts != b->ts ? (a->ts > b->ts) - (a->ts < b->ts) : slice_cmp(a->file, b->file);
}

/* One more segment; while it is made, the generation is as before. */
static inline void memory_put(struct memory *m, const struct segment_input *in)
{
	size_t n = m->g->manifest.segment_count;
	struct manifest_segment *s = &m->g->manifest.segments[n];
	struct segment_output out;
	struct err err = ERR_INIT;

	check_int(segment_write_bytes(in, &m->bytes[n], &out, &err), 0);
	check_int(segment_open_bytes(&m->g->segments[n], buf_slice(&m->bytes[n]), "s", &err), 0);
	check_str(err.message, "");
	snprintf(s->name, sizeof(s->name), "%032zu", n);
	s->entries = in->entry_count;
	s->left = TIME_NONE;
	m->g->manifest.segment_count++;
}

/* The same of rows: by id, history also by order; the record of each is "FILE@TS". */
static inline void memory_add(struct memory *m, const struct memory_row *rows, size_t count,
	const struct segment_rule *rules, uint32_t rule_count)
{
	struct source sources[MEMORY_ROWS];
	struct entry entries[MEMORY_ROWS], history[MEMORY_ROWS];
	char records[MEMORY_ROWS][64];
	size_t used = 0;
	struct segment_input in = {.rules = rules,
		.rule_count = rule_count,
		.sources = sources,
		.entries = entries,
		.history = history,
		.analyse = memory_analyse,
		.threads = 1};

	for (size_t i = 0; i < count; i++)
		sources[i] = (struct source){.ts = rows[i].ts,
			.partition = slice_str("p"),
			.file = slice_str(rows[i].file ? rows[i].file : "a")};
	qsort(sources, count, sizeof(*sources), memory_source_cmp);
	for (size_t i = 0; i < count; i++)
		if (!i || memory_source_cmp(&sources[i], &sources[used - 1]))
			sources[used++] = sources[i];
	in.source_count = used;
	in.first = sources[0].ts;
	in.last = sources[used - 1].ts;
	for (size_t i = 0; i < count; i++) {
		const char *file = rows[i].file ? rows[i].file : "a";
		struct source want = {.ts = rows[i].ts, .file = slice_str(file)};
		struct entry *e = rows[i].history ? &history[in.history_count++] : &entries[in.entry_count++];

		snprintf(records[i], sizeof(records[i]), "%s@%d", file, (int)rows[i].ts);
		*e = (struct entry){.id = slice_str(rows[i].id),
			.version = slice_str(rows[i].version ? rows[i].version : ""),
			.state = rows[i].state,
			.line = 1,
			.record = slice_str(records[i])};
		while (memory_source_cmp(&sources[e->source], &want))
			e->source++;
	}
	memory_put(m, &in);
}

static inline void memory_undo(struct memory *m, size_t segment, uint32_t source)
{
	struct manifest_segment *s = &m->g->manifest.segments[segment];

	s->undone = realloc(s->undone, (s->undone_count + 1) * sizeof(*s->undone));
	s->undone[s->undone_count++] = source; /* to be called in ascending order */
}

/* The live set under `horizon`, which the manifest then has, from scratch. */
static inline void memory_derive(struct memory *m, int64_t horizon)
{
	struct undone undone[MEMORY_SEGMENTS];
	const char *names[MEMORY_SEGMENTS];
	struct live_input in = {.segments = m->g->segments,
		.names = names,
		.undone = undone,
		.count = m->g->manifest.segment_count,
		.horizon = horizon};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < in.count; i++) {
		names[i] = m->g->manifest.segments[i].name;
		undone[i] = manifest_undone(&m->g->manifest.segments[i]);
	}
	live_release(&m->g->live);
	check_int(live_derive(&in, &m->g->live, &err), 0);
	check_str(err.message, "");
	m->g->manifest.horizon = horizon;
}

#define CAMPAIGN(key) \
	"\x01"        \
	"campaign"    \
	"\x01" key
static const struct segment_rule memory_rules[] = {
	{.name = {"campaign", 8}, .on = {"c", 1}}, {.name = {"shop", 4}, .on = {"s", 1}, .expires = true}};
#define SHOP(key) \
	"\x01"    \
	"shop"    \
	"\x01" key

#endif
