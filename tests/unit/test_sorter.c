/* SPDX-License-Identifier: Apache-2.0 */
/* sorter against a table of the newest record of each id, in memory and with many runs in files. */
#include "sorter.h"

#include "reader.h"
#include "scratch.h"
#include "tap.h"

#define IDS 3000
#define RECORDS 20000

struct newest {
	char id[24], version[8], json[64];
	uint32_t source;
	uint64_t line;
	bool deleted, there;
};

static struct slice keep(struct sorter *s, const char *text)
{
	return arena_dup(sorter_arena(s), slice_str(text));
}

static bool is_newer(const struct newest *a, const struct newest *b)
{
	int c = strcmp(a->version, b->version);

	if (c)
		return c > 0;
	return a->source != b->source ? a->source > b->source : a->line > b->line;
}

static struct newest random_record(uint64_t *seed, unsigned n)
{
	struct newest r = {.source = seed_below(seed, 5), .line = n, .there = true};

	snprintf(
		r.id, sizeof(r.id), "id-%u%.*s", seed_below(seed, IDS), (int)seed_below(seed, 8), "-longer-");
	if (seed_below(seed, 3) == 0)
		snprintf(r.version, sizeof(r.version), "%c%u", 1, seed_below(seed, 4));
	snprintf(r.json, sizeof(r.json), "{\"n\":%u%.*s}", n, (int)seed_below(seed, 40),
		"                                        ");
	r.deleted = seed_below(seed, 10) == 0;
	return r;
}

static void add(struct sorter *s, const struct newest *r)
{
	struct err err = ERR_INIT;
	struct record record = {.id = keep(s, r->id),
		.json = keep(s, r->json),
		.source = r->source,
		.line = r->line,
		.deleted = r->deleted};

	if (*r->version)
		record.version = keep(s, r->version);
	if (r->line % 2)
		record.group = keep(s, "a group");
	if (sorter_add(s, &record, &err) < 0)
		tap_fail("%s", err.message);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct newest *)a)->id, ((const struct newest *)b)->id);
}

/* The newest of each id, sorted; returns how many. */
static size_t reduce(struct newest *all, size_t count)
{
	size_t kept = 0;

	qsort(all, count, sizeof(*all), by_id);
	for (size_t i = 0; i < count; i++) {
		if (!kept || strcmp(all[kept - 1].id, all[i].id))
			all[kept++] = all[i];
		else if (is_newer(&all[i], &all[kept - 1]))
			all[kept - 1] = all[i];
	}
	return kept;
}

static void check_same(const struct record *got, const struct newest *want)
{
	check_slice(got->id, want->id);
	check_slice(got->json, want->json);
	check_slice(got->version, want->version);
	check_slice(got->group, want->line % 2 ? "a group" : "");
	check_int(got->source, want->source);
	check_int(got->line, want->line);
	check_int(got->deleted, want->deleted);
	for (size_t i = 0; i < RECORD_PADDING; i++)
		check(!got->json.data[got->json.len + i]);
}

static void run(uint64_t *seed, size_t memory, bool spills)
{
	SCRATCH dir = scratch_make();
	OWNED(sorter) struct sorter *s = NULL;
	struct newest *all = calloc(RECORDS, sizeof(*all));
	struct err err = ERR_INIT;
	struct record got;
	size_t kept, n = 0;

	check_int(sorter_new(&s, dir.path, memory, &err), 0);
	for (unsigned i = 0; i < RECORDS; i++) {
		all[i] = random_record(seed, i);
		add(s, &all[i]);
	}
	kept = reduce(all, RECORDS);
	check_int(sorter_finish(s, &err), 0);
	check_int(sorter_spilled(s) > 0, spills);
	while (sorter_next(s, &got, &err) == 1 && n < kept && !tap_bad)
		check_same(&got, &all[n++]);
	check_int(n, kept);
	check_str(err.message, "");
	/* Nothing is left to clean up, whenever the process dies. */
	check_int(scratch_count(dir.path, ""), 0);
	free(all);
}

static void each_id_comes_once_with_its_newest_record(void)
{
	uint64_t seed = seed_take(20261125);

	run(&seed, (size_t)1 << 30, false);
}

static void runs_in_files_give_the_same(void)
{
	uint64_t seed = seed_take(20261125);

	run(&seed, (size_t)1 << 20, true);
	run(&seed, (size_t)200 << 10, true);
}

static void nothing_gives_nothing(void)
{
	SCRATCH dir = scratch_make();
	OWNED(sorter) struct sorter *s = NULL;
	struct record got;

	check_int(sorter_new(&s, dir.path, 1 << 20, NULL), 0);
	check_int(sorter_finish(s, NULL), 0);
	check_int(sorter_next(s, &got, NULL), 0);
}

static void a_directory_that_is_not_there_is_an_error(void)
{
	OWNED(sorter) struct sorter *s = NULL;
	struct newest r = {.id = "a", .json = "{}"};
	struct record record;
	struct err err = ERR_INIT;

	check_int(sorter_new(&s, "/nonexistent/dir", 0, &err), 0);
	record = (struct record){.id = keep(s, r.id), .json = keep(s, r.json)};
	check_int(sorter_add(s, &record, &err), -ENOENT);
	check_contains(err.message, "/nonexistent/dir");
}

int main(void)
{
	RUN(each_id_comes_once_with_its_newest_record);
	RUN(runs_in_files_give_the_same);
	RUN(nothing_gives_nothing);
	RUN(a_directory_that_is_not_there_is_an_error);
	return tap_done();
}
