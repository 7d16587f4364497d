/* SPDX-License-Identifier: Apache-2.0 */
/* Merging: what is picked, and that nobody sees a difference. */
#include "merge.h"

#include "publish.h"
#include "site.h"

#define CADENCE (5 * TIME_MINUTE)
#define SEGMENTS 400

/* ---- what is picked ---- */

static const struct config five_hours = {.cadence = CADENCE, .window = 5 * TIME_HOUR};

struct shape {
	struct manifest m;
	struct manifest_segment segments[SEGMENTS];
};

static void shape_add(struct shape *s, int64_t last, uint64_t bytes)
{
	s->segments[s->m.segment_count++] =
		(struct manifest_segment){.last = last, .first = last, .bytes = bytes};
	if (s->m.segment_count == 1 || last > s->m.watermark)
		s->m.watermark = last;
	s->m.segments = s->segments;
	s->m.base_at = TIME_NONE;
}

/* Does to the shape what merging does to a generation; returns the bytes that it writes. */
static uint64_t shape_merge(struct shape *s)
{
	uint64_t written = 0;
	size_t from, to;

	while (merge_pick(&s->m, &five_hours, &from, &to)) {
		struct manifest_segment *first = &s->segments[from];

		check(to > from + 1 && to <= s->m.segment_count);
		check(!first->base);
		for (size_t i = from + 1; i < to; i++) {
			first->bytes += s->segments[i].bytes;
			if (s->segments[i].last > first->last)
				first->last = s->segments[i].last;
		}
		written += first->bytes;
		memmove(first + 1, &s->segments[to], (s->m.segment_count - to) * sizeof(*first));
		s->m.segment_count -= to - from - 1;
	}
	return written;
}

static void five_hours_of_partitions_make_twelve_segments_at_most(void)
{
	struct shape *s = calloc(1, sizeof(*s));
	uint64_t read = 0, written = 0;

	for (int slot = 0; slot < 2000; slot++) {
		shape_add(s, AT(slot * 5), 100);
		read += 100;
		written += shape_merge(s);
		while (s->segments[0].last <= AT(slot * 5) - 5 * TIME_HOUR) {
			memmove(s->segments, s->segments + 1, --s->m.segment_count * sizeof(s->segments[0]));
		}
		check(s->m.segment_count <= MERGE_SEGMENTS_MAX);
	}
	/* Each record is written again once a tier: of twenty minutes, and of eighty. */
	printf("# write amplification %.2f\n", (double)(read + written) / (double)read);
	check(written <= 2 * read + read / 10);
	free(s);
}

static void many_builds_in_one_slot_are_merged_too(void)
{
	struct shape *s = calloc(1, sizeof(*s));

	for (int i = 0; i < 200; i++) {
		shape_add(s, AT(5), 1 + (uint64_t)i % 7);
		shape_merge(s);
		check(s->m.segment_count <= MERGE_SEGMENTS_MAX);
	}
	free(s);
}

static void a_base_is_never_touched(void)
{
	struct shape *s = calloc(1, sizeof(*s));
	size_t from, to;

	for (int i = 0; i < 30; i++) {
		shape_add(s, AT(0), 1);
		s->segments[i].base = true;
	}
	check_int(merge_pick(&s->m, &five_hours, &from, &to), 0);
	for (int i = 1; i <= 4; i++)
		shape_add(s, AT(i * 5), 1000);
	shape_add(s, AT(60), 1000);
	check_int(merge_pick(&s->m, &five_hours, &from, &to), 1);
	check(from >= 30);
	free(s);
}

static void nothing_to_merge_in_what_is_open(void)
{
	struct shape *s = calloc(1, sizeof(*s));
	size_t from, to;

	check_int(merge_pick(&s->m, &five_hours, &from, &to), 0);
	shape_add(s, AT(0), 1);
	shape_add(s, AT(5), 1);
	check_int(merge_pick(&s->m, &five_hours, &from, &to), 0);
	/* The watermark leaves the bucket of twenty minutes. */
	shape_add(s, AT(20), 1);
	check_int(merge_pick(&s->m, &five_hours, &from, &to), 1);
	check_int(from, 0);
	check_int(to, 2);
	free(s);
}

/* ---- nobody sees a difference ---- */

/* Documents, groups and campaigns that change, move and go. */
static void put_random(struct site *s, uint64_t *seed, int slot)
{
	OWNED_BUF text = {0};
	char path[64];

	for (int i = 0; i < 40; i++) {
		unsigned id = seed_below(seed, 60), kind = seed_below(seed, 10);

		if (kind == 0)
			buf_addf(&text, "{\"kind\":\"campaign\",\"cid\":\"c%u\",\"off\":%u}\n", id % 5,
				seed_below(seed, 3));
		else
			buf_addf(&text,
				"{\"id\":\"d%u\",\"g\":\"g%u\",\"c\":\"c%u\",\"t\":\"w%u w%u\",\"v\":%u,\"op\":\"%s\"}\n",
				id, seed_below(seed, 9), seed_below(seed, 6), seed_below(seed, 30),
				seed_below(seed, 5), seed_below(seed, 3), kind == 1 ? "delete" : "put");
	}
	snprintf(path, sizeof(path), DAY "%02d/a.jsonl", slot);
	put(s, path, buf_cstr(&text));
}

/* All that a reader can see. */
static void dump(struct site *s, struct buf *out)
{
	OWNED(generation) struct generation *g = NULL;
	OWNED(view_terms) struct view_terms *terms = NULL;
	OWNED(view_ids) struct view_ids *ids = NULL;
	struct err err = ERR_INIT;
	struct slice text;
	uint64_t position;

	check_int(current_generation(s->state, s->catalog, &g, &err), 0);
	check_int(view_terms_open(&terms, g, slice_of("", 0), 0, &err), 0);
	while (view_terms_next(terms, &text, &position, &err) == 1) {
		OWNED_BUF key = {0};

		check_int(view_term_key(text, &key), 1);
		buf_addf(out, "%.*s\n", (int)text.len, text.data);
		check_int(view_term_ids(g, buf_slice(&key), out, &err), 0);
	}
	check_int(view_ids_open(&ids, g, 0, &err), 0);
	while (view_ids_next(ids, &text, &position, &err) == 1)
		check_int(view_doc_json(g, text, out, &err), 1);
	check_str(err.message, "");
}

static size_t segments_of(struct site *s)
{
	OWNED(generation) struct generation *g = NULL;

	check_int(current_generation(s->state, s->catalog, &g, &s->err), 0);
	return g->manifest.segment_count;
}

/* Merging takes the writer's lock itself. */
static int merge_all(struct site *s)
{
	struct merge_input in = {.state = s->state, .cfg = s->cfg};
	struct merge_result done;
	int merges = 0;

	catalog_free(s->catalog);
	s->catalog = NULL;
	state_unlock(s->state);
	do {
		s->err = ERR_INIT;
		check_int(merge_step(&in, &done, &s->err), 0);
		check_str(s->err.message, "");
		merges += done.generation != 0;
	} while (done.generation);
	check_int(state_lock(s->state, 0, &s->err), 0);
	check_int(catalog_open(&s->catalog, s->state, true, &s->err), 0);
	return merges;
}

static void site_with_campaigns(struct site *s)
{
	site_init(s);
	site_set(s, "feed.cadence=1m");
	site_set(s, "lag.window=20m");
	site_set(s, "document.id=id");
	site_set(s, "document.group=g");
	site_set(s, "document.text=t");
	site_set(s, "document.keyword=c, campaign.off");
	site_set(s, "document.drop_if=campaign.off:1");
	site_set(s, "attribute.campaign.when=kind:campaign");
	site_set(s, "attribute.campaign.key=cid");
	site_set(s, "attribute.campaign.on=c");
}

static void merging_changes_nothing_that_a_reader_sees(void)
{
	uint64_t seed = seed_take(20261125);
	int merges = 0;

	for (int version = 0; version < 2; version++) {
		SITE s;

		site_with_campaigns(&s);
		if (version)
			site_set(&s, "document.version=v");
		for (int slot = 0; slot < 60 && !tap_bad; slot++) {
			OWNED_BUF before = {0}, after = {0};

			put_random(&s, &seed, slot);
			s.now = AT(slot + 1);
			check_int(tick(&s), 0);
			dump(&s, &before);
			merges += merge_all(&s);
			dump(&s, &after);
			check(slice_eq(buf_slice(&before), buf_slice(&after)));
			check(segments_of(&s) <= MERGE_SEGMENTS_MAX);
		}
	}
	check(merges > 10);
}

/* A file that was merged long ago vanishes: what it beat comes back out of the merged segment. */
static void what_was_merged_can_be_undone(void)
{
	char path[300];
	SITE s;

	site_init(&s);
	site_set(&s, "feed.cadence=1m");
	site_set(&s, "document.id=id");
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"t\":\"old\"}\n");
	put(&s, DAY "01/a.jsonl", "{\"id\":\"a\",\"t\":\"new\"}\n");
	put(&s, DAY "01/b.jsonl", "{\"id\":\"b\",\"t\":\"other\"}\n");
	s.now = AT(2);
	for (int i = 0; i < 2; i++) {
		site_set(&s, i ? "lag.policy=latest" : "lag.policy=replay");
		check_int(tick(&s), 0);
	}
	put(&s, DAY "09/a.jsonl", "{\"id\":\"c\",\"t\":\"late\"}\n");
	s.now = AT(10);
	check_int(tick(&s), 0);
	check(merge_all(&s) > 0);
	check_term(&s, "new", "a\n");
	snprintf(path, sizeof(path), "%s/" DAY "01/a.jsonl", s.feed);
	check_int(unlink(path), 0);
	check_int(tick(&s), 0);
	check_term(&s, "new", "");
	check_term(&s, "old", "a\n");
	check_term(&s, "other", "b\n");
}

static void equal_segments_merge_to_equal_bytes(void)
{
	char names[2][SEGMENT_NAME_HEX + 1];

	for (int run = 0; run < 2; run++) {
		OWNED(generation) struct generation *g = NULL;
		uint64_t seed = 7;
		SITE s;

		site_with_campaigns(&s);
		site_set(&s, run ? "build.threads=3" : "build.threads=1");
		for (int slot = 0; slot < 4; slot++) {
			put_random(&s, &seed, slot);
			s.now = AT(slot + 1);
			check_int(tick(&s), 0);
		}
		put_random(&s, &seed, 8);
		s.now = AT(9);
		check_int(tick(&s), 0);
		check(merge_all(&s) > 0);
		check_int(current_generation(s.state, s.catalog, &g, &s.err), 0);
		memcpy(names[run], g->manifest.segments[0].name, sizeof(names[run]));
	}
	check_str(names[0], names[1]);
}

int main(void)
{
	RUN(five_hours_of_partitions_make_twelve_segments_at_most);
	RUN(many_builds_in_one_slot_are_merged_too);
	RUN(a_base_is_never_touched);
	RUN(nothing_to_merge_in_what_is_open);
	RUN(merging_changes_nothing_that_a_reader_sees);
	RUN(what_was_merged_can_be_undone);
	RUN(equal_segments_merge_to_equal_bytes);
	return tap_done();
}
