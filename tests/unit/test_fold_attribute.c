/* SPDX-License-Identifier: Apache-2.0 */
/* fold() with attributes, over many generations in memory: whatever came in which order, was undone, has left, an index
 * made at once of the records that count shows the same. */
#include "fold.h"

#include "analyst.h"
#include "memory_generation.h"
#include "reader.h"

#define SLOT (5 * TIME_MINUTE)
#define FACTS_MAX 2048
#define STEPS 28

static const char *const settings[] = {"document.id=id", "document.group=g", "document.version=v",
	"document.text=title, campaign.name, shop.name", "document.keyword=campaign.tag",
	"document.drop_if=campaign.off:1 OR shop.off:1 OR off:1", "attribute.campaign.when=kind:campaign",
	"attribute.campaign.key=id", "attribute.campaign.on=c", "attribute.campaign.version=v",
	"attribute.shop.when=kind:shop", "attribute.shop.key=id", "attribute.shop.on=s",
	"attribute.shop.expire=yes", NULL};

/* A record as it came. */
struct fact {
	int64_t ts;
	char file[16], json[192];
	uint64_t line;
	bool undone;
};

struct world {
	struct config *cfg;
	struct record_parser *parser;
	struct memory index;
	struct fact facts[FACTS_MAX];
	size_t count;
};

static void world_init(struct world *w)
{
	struct err err = ERR_INIT;

	memset(w, 0, sizeof(*w));
	check_int(config_new(&w->cfg, &err), 0);
	for (size_t i = 0; settings[i]; i++)
		check_int(config_set(w->cfg, settings[i], &err), 0);
	check_int(config_check(w->cfg, &err), 0);
	check_int(record_parser_new(&w->parser, w->cfg, &err), 0);
	check_str(err.message, "");
	memory_init(&w->index);
}

static void world_release(struct world *w)
{
	memory_release(&w->index);
	record_parser_free(w->parser);
	config_free(w->cfg);
}

static int fact_order(const void *va, const void *vb)
{
	const struct fact *a = va, *b = vb;
	int c = a->ts != b->ts ? (a->ts > b->ts) - (a->ts < b->ts) : strcmp(a->file, b->file);

	return c ? c : (a->line > b->line) - (a->line < b->line);
}

/* Files are numbered and lines read as a build does. `facts` are sorted. */
static void facts_read(struct world *w, struct fact *facts, size_t count, struct source *sources,
	struct record *records, struct fold_input *in, struct arena *arena)
{
	struct err err = ERR_INIT;

	if (count)
		qsort(facts, count, sizeof(*facts), fact_order);
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(facts[i].json);
		char *line = arena_alloc(arena, len + RECORD_PADDING);

		memset(line + len, 0, RECORD_PADDING);
		memcpy(line, facts[i].json, len);
		if (!i || facts[i].ts != facts[i - 1].ts || strcmp(facts[i].file, facts[i - 1].file))
			sources[in->source_count++] = (struct source){.ts = facts[i].ts,
				.partition = slice_str("p"),
				.file = slice_str(facts[i].file)};
		check_int(record_parse(
				  w->parser, slice_of(line, len), slice_str("x"), arena, &records[i], &err),
			0);
		records[i].json = slice_of(line, len);
		records[i].source = (uint32_t)in->source_count - 1;
		records[i].line = facts[i].line;
	}
	check_str(err.message, "");
	in->sources = sources;
	in->records = records;
	in->record_count = count;
}

/* Folds facts over an index, as a build does, and adds the segment. */
static void index_fold(struct world *w, struct memory *index, struct fact *facts, size_t count,
	int64_t horizon, const struct undone *undone)
{
	static struct source sources[FACTS_MAX];
	static struct record records[FACTS_MAX];
	struct fold_input in = {.cfg = w->cfg,
		.parent = index->g->manifest.segment_count ? index->g : NULL,
		.horizon = horizon,
		.undone = undone};
	struct fold_attributes attributes;
	struct analysts analysts = {0};
	struct arena arena = {0};
	struct fold_output out;
	struct err err = ERR_INIT;

	facts_read(w, facts, count, sources, records, &in, &arena);
	check_int(fold(&in, &out, &err), 0);
	attributes = fold_attributes(&in, &out);
	check_int(analysts_init(&analysts, w->cfg, 1, fold_attribute, &attributes, NULL, &err), 0);
	if (out.entry_count + out.history_count) {
		struct segment_input segment = {.rules = memory_rules,
			.rule_count = 2,
			.sources = out.sources,
			.source_count = out.source_count,
			.entries = out.entries,
			.entry_count = out.entry_count,
			.history = out.history,
			.history_count = out.history_count,
			.first = out.sources[0].ts,
			.last = out.sources[out.source_count - 1].ts,
			.analyse = analyst_analyse,
			.analyse_ctx = analysts.ctxs[0],
			.threads = 1};

		memory_put(index, &segment);
	}
	check_str(err.message, "");
	analysts_release(&analysts);
	fold_release(&out);
	arena_release(&arena);
}

/* ---- the index made at once ---- */

static bool expires(const struct fact *f)
{
	return !strstr(f->json, "\"kind\":\"campaign\"");
}

static void index_at_once(struct world *w, struct memory *index, int64_t horizon)
{
	static struct fact facts[FACTS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < w->count; i++)
		if (!w->facts[i].undone &&
			!(horizon != TIME_NONE && w->facts[i].ts <= horizon && expires(&w->facts[i])))
			facts[count++] = w->facts[i];
	memory_init(index);
	index_fold(w, index, facts, count, TIME_NONE, NULL);
	memory_derive(index, TIME_NONE);
}

/* All that a reader can see. */
static void index_dump(const struct memory *index, struct buf *out)
{
	OWNED(view_terms) struct view_terms *terms = NULL;
	OWNED(view_ids) struct view_ids *ids = NULL;
	struct err err = ERR_INIT;
	struct slice text;
	uint64_t position;

	check_int(view_terms_open(&terms, index->g, slice_of("", 0), 0, &err), 0);
	while (view_terms_next(terms, &text, &position, &err) == 1) {
		OWNED_BUF key = {0};

		check_int(view_term_key(text, &key), 1);
		buf_addf(out, "%.*s\n", (int)text.len, text.data);
		check_int(view_term_ids(index->g, buf_slice(&key), out, &err), 0);
	}
	check_int(view_ids_open(&ids, index->g, 0, &err), 0);
	while (view_ids_next(ids, &text, &position, &err) == 1)
		check_int(view_doc_json(index->g, text, out, &err), 1);
	check_str(err.message, "");
}

static void compare(struct world *w, int64_t horizon, unsigned seed, int step)
{
	MEMORY fresh;
	OWNED_BUF got = {0}, want = {0};

	index_at_once(w, &fresh, horizon);
	index_dump(&w->index, &got);
	index_dump(&fresh, &want);
	if (!slice_eq(buf_slice(&got), buf_slice(&want)))
		tap_fail("seed %u, step %d: shows\n%s\n--- not\n%s", seed, step, buf_cstr(&got),
			buf_cstr(&want));
}

/* ---- random feeds ---- */

static void random_json(char *out, size_t size)
{
	char version[16] = "";
	const char *op = rand() % 7 ? "" : ",\"op\":\"delete\"";
	unsigned what = (unsigned)rand() % 10;

	if (rand() % 4 == 0)
		snprintf(version, sizeof(version), ",\"v\":%d", rand() % 3);
	if (what < 2)
		snprintf(out, size,
			"{\"kind\":\"campaign\",\"id\":\"c%d\",\"off\":%d,\"name\":\"n%d\",\"note\":%d%s%s}",
			rand() % 4, rand() % 4 == 0, rand() % 3, rand() % 100, version, op);
	else if (what < 4)
		snprintf(out, size, "{\"kind\":\"shop\",\"id\":%d,\"off\":%d,\"name\":\"s%d\"%s}", rand() % 3,
			rand() % 5 == 0, rand() % 3, op);
	else
		snprintf(out, size,
			"{\"id\":\"a%d\",\"c\":\"c%d\",\"s\":%d,\"g\":\"%.*s\",\"title\":\"t%d\",\"off\":%d%s%s%s}",
			rand() % 24, rand() % 5, rand() % 4, rand() % 3 ? 2 : 0,
			(const char *[]){"g0", "g1", "g2"}[rand() % 3], rand() % 5, rand() % 6 == 0,
			rand() % 3 ? "" : ",\"campaign\":{\"name\":\"own\",\"off\":1}", version, op);
}

static size_t random_facts(struct fact *facts, int64_t horizon, int64_t watermark, int step)
{
	int64_t low = horizon == TIME_NONE ? -1 : horizon / SLOT;
	size_t count = (size_t)rand() % 24;

	for (size_t i = 0; i < count; i++) {
		int64_t slot = rand() % 2 ? watermark / SLOT : low + 1 + rand() % (watermark / SLOT - low);

		facts[i] = (struct fact){.ts = slot * SLOT, .line = i + 1};
		snprintf(facts[i].file, sizeof(facts[i].file), "%d/%d", rand() % 3, step);
		random_json(facts[i].json, sizeof(facts[i].json));
	}
	return count;
}

/* Some files that are inside vanish, with all their records: also their copies in other segments. */
static void random_undo(
	struct world *w, int64_t horizon, struct undone *undone, uint32_t lists[MEMORY_SEGMENTS][FACTS_MAX])
{
	const struct fact *f = w->count ? &w->facts[(size_t)rand() % w->count] : NULL;
	struct fact gone;

	for (size_t i = 0; i < MEMORY_SEGMENTS; i++)
		undone[i] = (struct undone){.sources = lists[i], .left = TIME_NONE};
	if (f && rand() % 3 && (horizon == TIME_NONE || f->ts > horizon)) {
		gone = *f;
		for (size_t i = 0; i < w->count; i++)
			w->facts[i].undone |=
				w->facts[i].ts == gone.ts && !strcmp(w->facts[i].file, gone.file);
	}
	/* A file is undone for good: those of earlier steps are on the lists again. */
	for (size_t i = 0; i < w->index.g->manifest.segment_count; i++) {
		const struct segment *s = w->index.g->segments[i];

		for (uint32_t n = 0; n < segment_info(s)->sources; n++) {
			struct source source;
			bool is_undone = false;

			check_int(segment_source(s, n, &source, NULL), 0);
			for (size_t k = 0; k < w->count && !is_undone; k++)
				is_undone = w->facts[k].undone && w->facts[k].ts == source.ts &&
					    slice_eq(source.file, slice_str(w->facts[k].file));
			if (is_undone)
				lists[i][undone[i].count++] = n;
		}
	}
}

/* What publish() keeps of them. */
static void keep_undone(struct memory *index, const struct undone *undone)
{
	for (size_t i = 0; i < index->g->manifest.segment_count; i++) {
		index->g->manifest.segments[i].undone_count = 0;
		for (size_t k = 0; k < undone[i].count; k++)
			memory_undo(index, i, undone[i].sources[k]);
	}
}

static void run(unsigned seed)
{
	static uint32_t lists[MEMORY_SEGMENTS][FACTS_MAX];
	struct undone undone[MEMORY_SEGMENTS];
	static struct world w;
	int64_t watermark = 0, horizon = TIME_NONE;

	srand(seed);
	world_init(&w);
	for (int step = 0; step < STEPS && !tap_bad; step++) {
		size_t count;

		watermark += rand() % 3 * SLOT;
		horizon = seed % 2 && watermark > 5 * SLOT ? watermark - 5 * SLOT : TIME_NONE;
		random_undo(&w, horizon, undone, lists);
		count = random_facts(w.facts + w.count, horizon, watermark, step);
		index_fold(&w, &w.index, w.facts + w.count, count, horizon, undone);
		w.count += count;
		keep_undone(&w.index, undone);
		memory_derive(&w.index, horizon);
		compare(&w, horizon, seed, step);
	}
	world_release(&w);
}

static void what_is_made_step_by_step_shows_what_is_made_at_once(void)
{
	const char *given = getenv("FRESHET_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time_now();

	printf("# FRESHET_SEED=%u\n", seed);
	for (unsigned i = 0; i < 40 && !tap_bad; i++)
		run(seed + i);
}

/* ---- one by one ---- */

static struct fact fact(int slot, const char *file, const char *json)
{
	struct fact f = {.ts = slot * SLOT, .line = 1};

	snprintf(f.file, sizeof(f.file), "%s", file);
	snprintf(f.json, sizeof(f.json), "%s", json);
	return f;
}

static void check_shows(struct world *w, const char *word, const char *want)
{
	OWNED_BUF key = {0}, ids = {0};

	check_int(view_term_key(slice_str(word), &key), 1);
	check_int(view_term_ids(w->index.g, buf_slice(&key), &ids, NULL), 0);
	check_str(buf_cstr(&ids), want);
}

static void an_undone_pause_gives_the_documents_back(void)
{
	static struct world w;
	struct fact first[] = {fact(1, "a", "{\"id\":\"x\",\"c\":\"c1\",\"title\":\"t\",\"g\":\"g\"}"),
		fact(1, "b", "{\"id\":\"y\",\"c\":\"c2\",\"title\":\"t\",\"g\":\"g\"}"),
		fact(1, "c", "{\"kind\":\"campaign\",\"id\":\"c1\",\"name\":\"old\"}")};
	struct fact pause[] = {fact(2, "p", "{\"kind\":\"campaign\",\"id\":\"c1\",\"off\":1}")};
	uint32_t zero = 0;
	struct undone undone[] = {{NULL, 0}, {NULL, 0}};
	const struct segment_info *info;

	world_init(&w);
	index_fold(&w, &w.index, first, 3, TIME_NONE, NULL);
	memory_derive(&w.index, TIME_NONE);
	check_shows(&w, "t", "x\ny\n");
	check_shows(&w, "old", "x\n");
	index_fold(&w, &w.index, pause, 1, TIME_NONE, NULL);
	memory_derive(&w.index, TIME_NONE);
	check_shows(&w, "t", "y\n");
	/* The pause, and both documents of the group. */
	info = segment_info(w.index.g->segments[1]);
	check(info->entries == 3 && info->hidden == 1 && info->attributes == 1);
	for (uint32_t n = 0; n < info->sources; n++) {
		struct source source;

		check_int(segment_source(w.index.g->segments[1], n, &source, NULL), 0);
		if (slice_eq(source.file, slice_str("p")))
			zero = n;
	}
	undone[1] = (struct undone){&zero, 1};
	index_fold(&w, &w.index, NULL, 0, TIME_NONE, undone);
	memory_undo(&w.index, 1, zero);
	memory_derive(&w.index, TIME_NONE);
	check_shows(&w, "t", "x\ny\n");
	check_shows(&w, "old", "x\n");
	info = segment_info(w.index.g->segments[2]);
	check(info->entries == 3 && info->live == 2 && info->attributes == 1 && !info->history);
	world_release(&w);
}

static void an_attribute_that_loses_goes_to_history_alone(void)
{
	static struct world w;
	struct fact first[] = {fact(3, "a", "{\"id\":\"x\",\"c\":\"c1\",\"title\":\"t\"}"),
		fact(3, "c", "{\"kind\":\"campaign\",\"id\":\"c1\",\"name\":\"new\"}")};
	struct fact late[] = {fact(1, "p", "{\"kind\":\"campaign\",\"id\":\"c1\",\"off\":1}")};
	const struct segment_info *info;

	world_init(&w);
	index_fold(&w, &w.index, first, 2, TIME_NONE, NULL);
	memory_derive(&w.index, TIME_NONE);
	index_fold(&w, &w.index, late, 1, TIME_NONE, NULL);
	memory_derive(&w.index, TIME_NONE);
	check_shows(&w, "new", "x\n");
	info = segment_info(w.index.g->segments[1]);
	check(info->entries == 0 && info->history == 1);
	world_release(&w);
}

int main(void)
{
	RUN(an_undone_pause_gives_the_documents_back);
	RUN(an_attribute_that_loses_goes_to_history_alone);
	RUN(what_is_made_step_by_step_shows_what_is_made_at_once);
	return tap_done();
}
