/* SPDX-License-Identifier: Apache-2.0 */
/* swap_publisher STATE COUNT - publishes small generations, each as soon as the last is, and lets old ones go as a build does.
 *
 * What a generation holds follows from its number alone: see swap_reader.py. Nothing of one is in the next. */
#include "config.h"
#include "gc.h"
#include "generation.h"
#include "publish.h"
#include "segment_write.h"
#include "timefmt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCS 200
#define DOCS_IN_GROUP 4
#define CADENCE (5 * TIME_MINUTE)
#define T0 (INT64_C(1714816800) * TIME_SECOND) /* START of harness.py */
#define SEGMENTS_MAX 4

struct texts {
	char id[DOCS][64], group[DOCS][8], record[DOCS][64];
};

/* The record is its words. */
static int analyse(void *ctx, struct slice record, struct invert *v, struct err *err)
{
	char text[sizeof(((struct texts *)0)->record[0]) + 1] = {0};
	char *rest = text, *word;

	memcpy(text, record.data, record.len);
	while ((word = strsep(&rest, " ")))
		invert_add(v, strchr(word, ':') ? 'k' : 'w', word, strlen(word));
	return 0;
}

static int write_segment(const char *path, uint64_t number, struct segment_output *out, struct err *err)
{
	static struct texts t;
	struct entry entries[DOCS];
	int64_t ts = T0 + (int64_t)number * CADENCE;
	struct source source = {.ts = ts, .partition = slice_str("dt=x"), .file = slice_str("a.jsonl")};
	struct segment_input in = {.sources = &source,
		.source_count = 1,
		.entries = entries,
		.entry_count = DOCS,
		.first = ts,
		.last = ts,
		.analyse = analyse,
		.threads = 1};

	for (int i = 0; i < DOCS; i++) {
		snprintf(t.id[i], sizeof(t.id[i]), "%06" PRIu64 "-%03d-%040d", number, i, 0);
		snprintf(t.group[i], sizeof(t.group[i]), "i%02d", i / DOCS_IN_GROUP);
		snprintf(t.record[i], sizeof(t.record[i]), "espresso of%06" PRIu64 " n:%03d", number, i);
		entries[i] = (struct entry){.id = slice_str(t.id[i]),
			.group = slice_str(t.group[i]),
			.state = ENTRY_LIVE,
			.line = (uint64_t)i + 1,
			.record = slice_str(t.record[i])};
	}
	return segment_write(path, &in, out, err);
}

static int publish_one(struct state *state, struct catalog *catalog, struct generation **now, struct err *err)
{
	static const bool dropped[SEGMENTS_MAX] = {true, true, true, true};
	struct publish_input in = {.state = state,
		.catalog = catalog,
		.parent = *now,
		.horizon = TIME_NONE,
		.base_at = TIME_NONE,
		.now = time_now(),
		.k1 = 1200,
		.b = 750,
		.dropped = *now ? dropped : NULL,
		.segment_count = 1};
	struct segment_output written;
	struct publish_segment fresh = {
		.file = "segment", .output = &written, .at = *now ? (*now)->manifest.segment_count : 0};
	OWNED_STR char *path = NULL;
	uint64_t documents;
	int r = catalog_take_number(catalog, &in.number, err);

	in.watermark = T0 + (int64_t)in.number * CADENCE;
	in.segments = &fresh;
	if (!r)
		r = state_build_begin(state, err);
	if (r)
		return r;
	path = state_path(state, "%s/segment", state->build);
	r = write_segment(path, in.number, &written, err);
	if (!r)
		r = publish(&in, &documents, err);
	state_build_end(state);
	if (r)
		return r;
	generation_unref(*now);
	*now = NULL;
	return generation_open(now, state, in.number, err);
}

static int publish_all(struct state *state, struct catalog *catalog, unsigned count, struct err *err)
{
	OWNED(generation) struct generation *now = NULL;
	OWNED(config) struct config *cfg = NULL;
	struct catalog_current current;
	struct gc_result gone;
	int r = config_new(&cfg, err);

	if (!r)
		r = catalog_current(catalog, &current, err);
	if (!r && current.number)
		r = generation_open(&now, state, current.number, err);
	if (!r)
		cfg->keep_for = 0;
	for (unsigned i = 0; i < count && !r; i++) {
		r = publish_one(state, catalog, &now, err);
		if (!r)
			r = gc_run(state, catalog, cfg, now->manifest.published, &gone, err);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct catalog *catalog = NULL;
	struct state *state = NULL;
	struct err err = ERR_INIT;
	int r;

	if (argc != 3)
		return 64;
	r = state_open(&state, argv[1], true, &err);
	if (!r)
		r = state_lock(state, 0, &err);
	if (!r)
		r = catalog_open(&catalog, state, true, &err);
	if (!r)
		r = publish_all(state, catalog, (unsigned)strtoul(argv[2], NULL, 10), &err);
	if (r)
		fprintf(stderr, "%s\n", err.message);
	catalog_free(catalog);
	state_free(state);
	return r ? 1 : 0;
}
