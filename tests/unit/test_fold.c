/* SPDX-License-Identifier: Apache-2.0 */
/* fold() against a model that remembers every record, over many generations in memory. */
#include "fold.h"
#include "segment_write.h"
#include "tap.h"
#include "timefmt.h"

#define SLOT (5 * TIME_MINUTE)
#define GENERATIONS_MAX 32
#define FACTS_MAX (64 * GENERATIONS_MAX)

/* An index in memory: segments oldest first, and the generation over them. */
struct world {
	struct generation *g;
	struct buf bytes[GENERATIONS_MAX];
	size_t count;
	uint64_t history; /* losers in all segments together */
	struct config *cfg;
	struct undone undone[GENERATIONS_MAX]; /* of each segment */
	uint32_t undone_sources[GENERATIONS_MAX][FACTS_MAX];
};

static int no_terms(void *ctx, struct slice record, struct invert *v, struct err *err)
{
	return 0;
}

static void world_release(struct world *w)
{
	size_t i;

	generation_unref(w->g);
	for (i = 0; i < w->count; i++)
		buf_release(&w->bytes[i]);
	config_free(w->cfg);
	memset(w, 0, sizeof(*w));
}

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->g = calloc(1, sizeof(*w->g));
	w->g->refs = 1;
	w->g->manifest.segments = calloc(GENERATIONS_MAX, sizeof(*w->g->manifest.segments));
	w->g->segments = calloc(GENERATIONS_MAX, sizeof(*w->g->segments));
	w->g->manifest.horizon = TIME_NONE;
	config_new(&w->cfg, NULL);
	config_set(w->cfg, "document.version=v", NULL);
	for (size_t i = 0; i < GENERATIONS_MAX; i++) {
		w->undone[i].sources = w->undone_sources[i];
		w->undone[i].left = TIME_NONE;
		w->g->manifest.segments[i].left = TIME_NONE;
	}
}

/* What publish() does to segments and live set. */
static void world_add(struct world *w, const struct fold_output *f, int64_t horizon)
{
	struct segment_input in = {.sources = f->sources,
		.source_count = f->source_count,
		.entries = f->entries,
		.entry_count = f->entry_count,
		.history = f->history,
		.history_count = f->history_count,
		.first = f->source_count ? f->sources[0].ts : 0,
		.last = f->source_count ? f->sources[f->source_count - 1].ts : 0,
		.analyse = no_terms,
		.threads = 1};
	const char *names[GENERATIONS_MAX];
	struct segment_output out;
	struct manifest_segment *m;
	struct live_input derive = {.names = names, .undone = w->undone, .horizon = horizon};
	struct live live;
	struct err err = ERR_INIT;
	size_t n = w->g->manifest.segment_count, i;

	if (f->entry_count + f->history_count) {
		check_int(segment_write_bytes(&in, &w->bytes[n], &out, &err), 0);
		check_int(segment_open_bytes(&w->g->segments[n], buf_slice(&w->bytes[n]), "s", &err), 0);
		check_str(err.message, "");
		m = &w->g->manifest.segments[n];
		snprintf(m->name, sizeof(m->name), "%032zu", n);
		m->entries = f->entry_count;
		w->g->manifest.segment_count = w->count = ++n;
		w->history += f->history_count;
	}
	for (i = 0; i < n; i++) {
		m = &w->g->manifest.segments[i];
		names[i] = m->name;
		free(m->undone);
		m->undone_count = w->undone[i].count;
		m->undone = malloc((m->undone_count + 1) * sizeof(*m->undone));
		memcpy(m->undone, w->undone[i].sources, m->undone_count * sizeof(*m->undone));
	}
	w->g->manifest.horizon = horizon;
	derive.segments = w->g->segments;
	derive.count = n;
	check_int(live_derive(&derive, &live, &err), 0);
	live_release(&w->g->live);
	w->g->live = live;
}

/* The one entry for an id: its record in `out`, 1 there, 0 none. */
static int world_find(struct world *w, const char *id, struct entry *e, struct buf *out)
{
	struct view_doc doc;
	struct err err = ERR_INIT;
	int r = view_find(w->g, slice_str(id), &doc, &err);

	buf_clear(out);
	if (r <= 0)
		return r;
	check_int(segment_entry(w->g->segments[doc.segment], doc.entry, e, &err), 0);
	check_int(segment_record(w->g->segments[doc.segment], doc.entry, out, &err), 0);
	buf_cstr(out);
	return r;
}

/* A record of the feed as the model keeps it. */
struct fact {
	char id[16], group[16], version[16], file[24], json[64], partition[24];
	int64_t ts;
	uint64_t line;
	bool deleted, undone;
};

static struct source source_of(const struct fact *f)
{
	return (struct source){.ts = f->ts, .partition = slice_str(f->partition), .file = slice_str(f->file)};
}

static int source_order(const void *va, const void *vb)
{
	const struct fact *a = va, *b = vb;
	int c;

	if (a->ts != b->ts)
		return a->ts < b->ts ? -1 : 1;
	c = strcmp(a->file, b->file);
	return c ? c : (a->line > b->line) - (a->line < b->line);
}

/* Folds `facts` (sorted here, as files are numbered) over the world. */
static void world_fold(struct world *w, struct fact *facts, size_t n, int64_t horizon)
{
	struct source *sources = calloc(n + 1, sizeof(*sources));
	struct record *records = calloc(n + 1, sizeof(*records)), swap;
	struct fold_input in = {.cfg = w->cfg,
		.parent = w->g->manifest.segment_count ? w->g : NULL,
		.horizon = horizon,
		.undone = w->undone,
		.sources = sources,
		.records = records,
		.record_count = n};
	struct fold_output out;
	struct err err = ERR_INIT;
	size_t i;

	if (n)
		qsort(facts, n, sizeof(*facts), source_order);
	for (i = 0; i < n; i++) {
		if (!i || facts[i].ts != facts[i - 1].ts || strcmp(facts[i].file, facts[i - 1].file))
			sources[in.source_count++] = source_of(&facts[i]);
		records[i] = (struct record){.id = slice_str(facts[i].id),
			.group = slice_str(facts[i].group),
			.version = slice_str(facts[i].version),
			.json = slice_str(facts[i].json),
			.source = (uint32_t)(in.source_count - 1),
			.line = facts[i].line,
			.deleted = facts[i].deleted};
	}
	/* In which order records come must not matter. */
	for (i = n; i > 1; i--) {
		size_t k = (size_t)rand() % i;

		swap = records[i - 1];
		records[i - 1] = records[k];
		records[k] = swap;
	}
	check_int(fold(&in, &out, &err), 0);
	check_str(err.message, "");
	world_add(w, &out, horizon);
	fold_release(&out);
	free(sources);
	free(records);
}

static struct fact fact_of(const char *id, int64_t ts, const char *file, uint64_t line, const char *version)
{
	struct fact f = {.ts = ts, .line = line};

	snprintf(f.id, sizeof(f.id), "%s", id);
	snprintf(f.file, sizeof(f.file), "%s", file);
	snprintf(f.version, sizeof(f.version), "%s", version);
	snprintf(f.partition, sizeof(f.partition), "p%" PRId64, ts / SLOT);
	snprintf(f.json, sizeof(f.json), "{\"from\":\"%s/%s:%" PRIu64 "\"}", f.partition, file, line);
	return f;
}

/* ---- cases ---- */

static void the_newest_of_several_records_wins(void)
{
	struct fact facts[] = {fact_of("a", 2 * SLOT, "x", 1, ""), fact_of("a", 1 * SLOT, "z", 9, ""),
		fact_of("a", 2 * SLOT, "x", 2, ""), fact_of("b", 1 * SLOT, "z", 1, "")};
	struct world w;
	struct entry e;
	OWNED_BUF got = {0};

	world_init(&w);
	world_fold(&w, facts, 4, TIME_NONE);
	check_int(world_find(&w, "a", &e, &got), 1);
	check_str(buf_cstr(&got), "{\"from\":\"p2/x:2\"}");
	check_int(w.history, 2);
	world_release(&w);
}

static void a_version_outweighs_a_newer_partition(void)
{
	struct fact first[] = {fact_of("a", 1 * SLOT, "x", 1, "\x01zz")};
	struct fact later[] = {fact_of("a", 2 * SLOT, "x", 1, "\x01yy")};
	struct world w;
	struct entry e;
	OWNED_BUF got = {0};

	world_init(&w);
	world_fold(&w, first, 1, TIME_NONE);
	world_fold(&w, later, 1, TIME_NONE);
	check_int(world_find(&w, "a", &e, &got), 1);
	check_str(buf_cstr(&got), "{\"from\":\"p1/x:1\"}");
	check_int(w.history, 1);
	check_int(w.g->manifest.segment_count, 2);
	/* When its partition leaves, the newest record that is inside wins. */
	world_fold(&w, NULL, 0, 1 * SLOT);
	check_int(world_find(&w, "a", &e, &got), 1);
	check_str(buf_cstr(&got), "{\"from\":\"p2/x:1\"}");
	world_release(&w);
}

static void a_late_record_that_loses_leaves_the_entry_where_it_is(void)
{
	struct fact first[] = {fact_of("a", 3 * SLOT, "x", 1, "")};
	struct fact late[] = {fact_of("a", 2 * SLOT, "x", 1, "")};
	struct world w;
	struct view_doc doc;
	struct entry e;
	OWNED_BUF got = {0};

	world_init(&w);
	world_fold(&w, first, 1, TIME_NONE);
	world_fold(&w, late, 1, TIME_NONE);
	check_int(world_find(&w, "a", &e, &got), 1);
	check_str(buf_cstr(&got), "{\"from\":\"p3/x:1\"}");
	check_int(view_find(w.g, slice_str("a"), &doc, NULL), 1);
	check_int(doc.segment, 0);
	check_int(segment_info(w.g->segments[1])->entries, 0);
	check_int(segment_info(w.g->segments[1])->history, 1);
	world_release(&w);
}

static void a_delete_takes_part_like_any_record(void)
{
	struct fact first[] = {fact_of("a", 1 * SLOT, "x", 1, ""), fact_of("b", 3 * SLOT, "x", 1, "")};
	struct fact gone[] = {fact_of("a", 2 * SLOT, "x", 1, ""), fact_of("b", 2 * SLOT, "x", 2, "")};
	struct world w;
	struct entry e;
	OWNED_BUF got = {0};

	gone[0].deleted = gone[1].deleted = true;
	world_init(&w);
	world_fold(&w, first, 2, TIME_NONE);
	world_fold(&w, gone, 2, TIME_NONE);
	check_int(world_find(&w, "a", &e, &got), 1);
	check_int(e.state, ENTRY_DELETED);
	check_int(world_find(&w, "b", &e, &got), 1);
	check_int(e.state, ENTRY_LIVE);
	world_release(&w);
}

static void what_has_left_the_window_decides_nothing(void)
{
	struct fact first[] = {fact_of("a", 1 * SLOT, "x", 1, "\x02z")};
	struct fact later[] = {fact_of("a", 9 * SLOT, "x", 1, "\x02y")};
	struct world w;
	struct entry e;
	OWNED_BUF got = {0};

	world_init(&w);
	world_fold(&w, first, 1, TIME_NONE);
	world_fold(&w, later, 1, 1 * SLOT);
	check_int(world_find(&w, "a", &e, &got), 1);
	check_str(buf_cstr(&got), "{\"from\":\"p9/x:1\"}");
	world_release(&w);
}

/* Undoes what the world has of a file. */
static void world_undo(struct world *w, int64_t ts, const char *file)
{
	for (size_t i = 0; i < w->g->manifest.segment_count; i++) {
		struct undone *u = &w->undone[i];
		struct source source;

		for (uint32_t n = 0, at = 0; n < segment_info(w->g->segments[i])->sources; n++) {
			if (at < u->count && w->undone_sources[i][at] == n) {
				at++;
				continue;
			}
			check_int(segment_source(w->g->segments[i], n, &source, NULL), 0);
			if (source.ts != ts || !slice_eq(source.file, slice_str(file)))
				continue;
			memmove(&w->undone_sources[i][at + 1], &w->undone_sources[i][at],
				(u->count - at) * sizeof(uint32_t));
			w->undone_sources[i][at++] = n;
			u->count++;
		}
	}
}

static void an_undone_file_gives_way_to_what_it_beat(void)
{
	struct fact first[] = {fact_of("a", 1 * SLOT, "x", 1, ""), fact_of("b", 1 * SLOT, "y", 1, "")};
	struct fact second[] = {fact_of("a", 2 * SLOT, "x", 1, ""), fact_of("c", 2 * SLOT, "x", 2, "")};
	struct world w;
	struct entry e;
	OWNED_BUF got = {0};

	world_init(&w);
	world_fold(&w, first, 2, TIME_NONE);
	world_fold(&w, second, 2, TIME_NONE);
	world_undo(&w, 2 * SLOT, "x");
	world_fold(&w, NULL, 0, TIME_NONE);
	check_int(world_find(&w, "a", &e, &got), 1);
	check_str(buf_cstr(&got), "{\"from\":\"p1/x:1\"}");
	check_int(world_find(&w, "c", &e, &got), 0);
	check_int(world_find(&w, "b", &e, &got), 1);
	world_release(&w);
}

static void a_touched_group_is_written_whole(void)
{
	struct fact first[] = {fact_of("a", 1 * SLOT, "x", 1, ""), fact_of("b", 1 * SLOT, "x", 2, ""),
		fact_of("c", 1 * SLOT, "x", 3, ""), fact_of("d", 1 * SLOT, "x", 4, "")};
	struct fact moved[] = {fact_of("a", 2 * SLOT, "x", 1, "")};
	struct world w;
	struct view_doc doc;

	for (size_t i = 0; i < 4; i++)
		snprintf(first[i].group, sizeof(first[i].group), i < 2 ? "g" : i < 3 ? "h" : "k");
	snprintf(moved[0].group, sizeof(moved[0].group), "h");
	world_init(&w);
	world_fold(&w, first, 4, TIME_NONE);
	world_fold(&w, moved, 1, TIME_NONE);
	for (const char *id = "abcd"; *id; id++) {
		check_int(view_find(w.g, slice_of(id, 1), &doc, NULL), 1);
		check_int(doc.segment, *id != 'd');
	}
	check_int(w.history, 0);
	world_release(&w);
}

static void sources_without_records_are_left_out(void)
{
	struct source sources[] = {{.ts = SLOT, .partition = slice_str("p1"), .file = slice_str("a")},
		{.ts = SLOT, .partition = slice_str("p1"), .file = slice_str("b")},
		{.ts = 2 * SLOT, .partition = slice_str("p2"), .file = slice_str("a")}};
	struct record record = {.id = slice_str("a"), .json = slice_str("{}"), .source = 1, .line = 1};
	OWNED(config) struct config *cfg = NULL;
	struct fold_input in = {.horizon = TIME_NONE,
		.sources = sources,
		.source_count = 3,
		.records = &record,
		.record_count = 1};
	struct fold_output out;

	check_int(config_new(&cfg, NULL), 0);
	in.cfg = cfg;
	check_int(fold(&in, &out, NULL), 0);
	check_int(out.source_count, 1);
	check_slice(out.sources[0].file, "b");
	check_int(out.entries[0].source, 0);
	fold_release(&out);
}

/* ---- the model ---- */

#define IDS 60
#define GROUPS 12

/* Every record that ever came. */
struct model {
	struct fact facts[FACTS_MAX];
	size_t count;
};

static bool is_newer(const struct fact *a, const struct fact *b)
{
	int c = strcmp(a->version, b->version);

	return (c ? c : source_order(a, b)) > 0;
}

/* The record that wins; NULL: none. */
static const struct fact *model_best(const struct model *m, const char *id, int64_t horizon)
{
	const struct fact *best = NULL;

	for (size_t i = 0; i < m->count; i++) {
		const struct fact *f = &m->facts[i];

		if (strcmp(f->id, id) || f->undone || (horizon != TIME_NONE && f->ts <= horizon))
			continue;
		if (!best || is_newer(f, best))
			best = f;
	}
	return best;
}

static void compare(struct world *w, const struct model *m, int64_t horizon, unsigned seed, int generation)
{
	char id[16];
	struct entry e;
	OWNED_BUF got = {0};

	for (int i = 0; i < IDS; i++) {
		const struct fact *best;
		int r;

		snprintf(id, sizeof(id), "ad%d", i);
		best = model_best(m, id, horizon);
		r = world_find(w, id, &e, &got);
		if (r != (best != NULL)) {
			tap_fail("seed %u, generation %d: %s is there: %d", seed, generation, id, r);
			continue;
		}
		if (r != 1)
			continue;
		check_str(buf_cstr(&got), best->json);
		check_int(e.state, best->deleted ? ENTRY_DELETED : ENTRY_LIVE);
		check_slice(e.group, best->group);
		check_int(e.line, best->line);
	}
}

/* Where each id stood, and in which group: what touched what. */
struct place {
	bool there;
	size_t segment;
	char group[16];
};

static void places_note(const struct world *w, struct place places[IDS])
{
	for (int i = 0; i < IDS; i++) {
		char id[16];
		struct view_doc doc;
		struct entry e;

		snprintf(id, sizeof(id), "ad%d", i);
		places[i] = (struct place){0};
		if (view_find(w->g, slice_str(id), &doc, NULL) != 1)
			continue;
		check_int(segment_entry(w->g->segments[doc.segment], doc.entry, &e, NULL), 0);
		places[i].there = e.state != ENTRY_DELETED;
		places[i].segment = doc.segment;
		snprintf(places[i].group, sizeof(places[i].group), "%.*s", (int)e.group.len, e.group.data);
	}
}

/* Nobody in a group of which one entry is new stays behind in an older segment. */
static void check_whole_groups(const struct place before[IDS], const struct place after[IDS], size_t fresh)
{
	for (int i = 0; i < IDS; i++) {
		if (!after[i].there || after[i].segment != fresh)
			continue;
		for (int k = 0; k < IDS; k++) {
			const char *group = after[k].group;

			if (!after[k].there || !*group)
				continue;
			if (!strcmp(group, after[i].group) ||
				(before[i].there && !strcmp(group, before[i].group)))
				check_int(after[k].segment, fresh);
		}
	}
}

static size_t random_batch(struct fact *facts, int64_t horizon, int64_t watermark, int generation)
{
	static const char *const versions[] = {"", "", "", "\x01q", "\x01r", "\x02q"};
	int64_t low = horizon == TIME_NONE ? 0 : horizon / SLOT;
	size_t n = (size_t)rand() % 60, i;

	for (i = 0; i < n; i++) {
		/* Mostly the newest partition, else a late one that is inside. */
		int64_t span = watermark / SLOT - low;
		int64_t slot = rand() % 3 ? watermark / SLOT : low + 1 + rand() % span;
		char id[16], file[24];

		snprintf(id, sizeof(id), "ad%d", rand() % IDS);
		snprintf(file, sizeof(file), "%d/f%d", rand() % 3, generation);
		facts[i] = fact_of(id, slot * SLOT, file, i + 1, versions[rand() % 6]);
		facts[i].deleted = rand() % 8 == 0;
		if (rand() % 4)
			snprintf(facts[i].group, sizeof(facts[i].group), "g%d", rand() % GROUPS);
	}
	return n;
}

/* Some file that is inside vanishes, with all its records. */
static void random_undo(struct world *w, struct model *m, int64_t horizon)
{
	const struct fact *f = m->count ? &m->facts[(size_t)rand() % m->count] : NULL;
	struct fact gone;

	if (!f || rand() % 2 || (horizon != TIME_NONE && f->ts <= horizon))
		return;
	gone = *f;
	world_undo(w, gone.ts, gone.file);
	for (size_t i = 0; i < m->count; i++)
		m->facts[i].undone |= m->facts[i].ts == gone.ts && !strcmp(m->facts[i].file, gone.file);
}

static void run_model(unsigned seed)
{
	struct model *m = calloc(1, sizeof(*m));
	struct world w;
	int64_t watermark = 3 * SLOT, horizon = TIME_NONE;

	srand(seed);
	world_init(&w);
	for (int g = 0; g < GENERATIONS_MAX; g++) {
		struct place before[IDS], after[IDS];
		size_t segments = w.g->manifest.segment_count, n;

		watermark += rand() % 4 * SLOT;
		horizon = watermark > 12 * SLOT ? watermark - 10 * SLOT : TIME_NONE;
		random_undo(&w, m, horizon);
		n = random_batch(m->facts + m->count, horizon, watermark, g);
		places_note(&w, before);
		world_fold(&w, m->facts + m->count, n, horizon);
		m->count += n;
		compare(&w, m, horizon, seed, g);
		places_note(&w, after);
		if (w.g->manifest.segment_count > segments)
			check_whole_groups(before, after, segments);
	}
	world_release(&w);
	free(m);
}

static void agrees_with_a_naive_model_over_many_generations(void)
{
	const char *given = getenv("FRESHET_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time_now(), i;

	printf("# FRESHET_SEED=%u\n", seed);
	for (i = 0; i < 60 && !tap_bad; i++)
		run_model(seed + i);
}

int main(void)
{
	RUN(the_newest_of_several_records_wins);
	RUN(a_version_outweighs_a_newer_partition);
	RUN(a_late_record_that_loses_leaves_the_entry_where_it_is);
	RUN(a_delete_takes_part_like_any_record);
	RUN(what_has_left_the_window_decides_nothing);
	RUN(an_undone_file_gives_way_to_what_it_beat);
	RUN(a_touched_group_is_written_whole);
	RUN(sources_without_records_are_left_out);
	RUN(agrees_with_a_naive_model_over_many_generations);
	return tap_done();
}
