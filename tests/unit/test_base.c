/* SPDX-License-Identifier: Apache-2.0 */
/* A base under deltas: what shows is what one index of the same records shows. */
#include "base.h"

#include "site.h"

struct snapshot {
	char dir[300];
	struct store *store;
};

static struct snapshot snapshot_open(struct site *s)
{
	struct snapshot snap = {{0}};

	snprintf(snap.dir, sizeof(snap.dir), "%s/snapshot", s->dir.path);
	mkdir(snap.dir, 0777);
	check_int(store_open(&snap.store, snap.dir, NULL, &s->err), 0);
	return snap;
}

static void snapshot_close(struct snapshot *snap)
{
	store_free(snap->store);
}
#define SNAPSHOT __attribute__((cleanup(snapshot_close))) struct snapshot

/* Takes and gives back the writer's lock as processes of their own would. */
static int build_base(struct site *s, struct snapshot *snap, int64_t at, bool force, struct base_result *res)
{
	struct base_input in = {.state = s->state,
		.cfg = s->cfg,
		.store = snap->store,
		.at = at,
		.now = s->now,
		.force = force};
	int r;

	catalog_free(s->catalog);
	s->catalog = NULL;
	state_unlock(s->state);
	s->err = ERR_INIT;
	r = base_build(&in, res, &s->err);
	check_int(state_lock(s->state, 0, NULL), 0);
	check_int(catalog_open(&s->catalog, s->state, true, NULL), 0);
	return r;
}

static void base_at(struct site *s, struct snapshot *snap, int64_t at)
{
	struct base_result res;

	check_int(build_base(s, snap, at, false, &res), 0);
	base_result_release(&res);
}

static void lines_put(const char *dir, const char *name, unsigned from, unsigned to, const char *text)
{
	OWNED_BUF out = {0};

	for (unsigned i = from; i < to; i++)
		buf_addf(&out, "{\"id\":\"d%05u\",\"t\":\"%s w%u\",\"g\":\"g%u\"}\n", i, text, i % 7, i % 50);
	scratch_put(dir, name, out.data, out.len);
}

static void site_plain(struct site *s)
{
	site_init(s);
	site_set(s, "document.id=id");
	site_set(s, "document.text=t");
	site_set(s, "document.group=g");
}

static uint64_t documents(struct site *s)
{
	OWNED(generation) struct generation *g = NULL;

	check_int(current_generation(s->state, s->catalog, &g, &s->err), 0);
	return g ? g->manifest.documents : 0;
}

static void later_partitions_lie_over_the_base(void)
{
	SITE s;

	site_plain(&s);
	{
		SNAPSHOT snap = snapshot_open(&s);

		put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"t\":\"early\"}\n");
		put(&s, DAY "05/a.jsonl",
			"{\"id\":\"b\",\"t\":\"later\"}\n{\"id\":\"c\",\"op\":\"delete\"}\n");
		check_int(tick(&s), 0);
		scratch_put(snap.dir, "x.jsonl",
			"{\"id\":\"b\",\"t\":\"base\"}\n{\"id\":\"c\",\"t\":\"base\"}\n{\"id\":\"d\",\"t\":\"base\"}\n",
			strlen("{\"id\":\"b\",\"t\":\"base\"}\n{\"id\":\"c\",\"t\":\"base\"}\n{\"id\":\"d\",\"t\":\"base\"}\n"));
		base_at(&s, &snap, AT(5));
		check_term(&s, "base", "d\n");
		check_term(&s, "later", "b\n");
		/* The snapshot is the truth about what it covers: what it lacks is gone. */
		check_term(&s, "early", "");
		check_row(&s, AT(0), PART_EXPIRED, "covered");
		check_row(&s, AT(5), PART_PUBLISHED, "");
		/* Nothing leaves before a newer base covers it. */
		put(&s, DAY "55/a.jsonl", "{\"id\":\"e\",\"t\":\"late\"}\n");
		s.now = AT(24 * 60);
		check_int(tick(&s), 0);
		check_term(&s, "later", "b\n");
		base_at(&s, &snap, AT(12 * 60));
		check_term(&s, "later", "");
		check_term(&s, "late", "");
		check_term(&s, "base", "b\nc\nd\n");
	}
}

static void little_memory_gives_more_segments_and_the_same_index(void)
{
	uint64_t segments[2];

	for (int run = 0; run < 2; run++) {
		struct base_result res;
		SITE s;

		site_plain(&s);
		{
			SNAPSHOT snap = snapshot_open(&s);

			s.cfg->memory = run ? 8 << 20 : 1 << 30;
			lines_put(snap.dir, "a.jsonl", 0, 20000, "first");
			lines_put(snap.dir, "b.jsonl", 10000, 30000, "second");
			check_int(build_base(&s, &snap, AT(0), false, &res), 0);
			check_int(res.documents, 30000);
			check_int(res.records, 40000);
			check_int(res.spilled > 0, run);
			segments[run] = res.segments;
			check_int(documents(&s), 30000);
			base_result_release(&res);
		}
	}
	check(segments[0] == 1 && segments[1] > 3);
}

static void a_strange_base_is_refused_and_changes_nothing(void)
{
	struct base_result res;
	SITE s;

	site_plain(&s);
	{
		SNAPSHOT snap = snapshot_open(&s);

		lines_put(snap.dir, "a.jsonl", 0, 3000, "word");
		base_at(&s, &snap, AT(0));
		lines_put(snap.dir, "a.jsonl", 0, 1400, "word");
		check_int(build_base(&s, &snap, AT(5), false, &res), -EBADMSG);
		check_contains(s.err.message, "1400 documents, the last base has 3000");
		check_contains(s.err.message, "--force");
		base_result_release(&res);
		check_int(documents(&s), 3000);
		check_int(build_base(&s, &snap, AT(5), true, &res), 0);
		check_contains(buf_cstr(&res.warnings), "factor of 2");
		base_result_release(&res);
		check_int(documents(&s), 1400);

		lines_put(snap.dir, "a.jsonl", 0, 1400, "another");
		check_int(build_base(&s, &snap, AT(10), false, &res), -EBADMSG);
		check_contains(s.err.message, "1 of 8 frequent terms");
		base_result_release(&res);
		scratch_put(snap.dir, "b.jsonl", "x\ny\nz\n", 6);
		unlink(strcat(snap.dir, "/a.jsonl"));
		check_int(build_base(&s, &snap, AT(15), false, &res), -EBADMSG);
		check_contains(s.err.message, "3 of 3 records refused (first: b.jsonl: line 1: not JSON");
		base_result_release(&res);
		check_int(documents(&s), 1400);
	}
}

static void times_that_cannot_be_are_refused(void)
{
	struct base_result res;
	SITE s;

	site_plain(&s);
	{
		SNAPSHOT snap = snapshot_open(&s);

		check_int(build_base(&s, &snap, AT(5), false, &res), -ENOENT);
		check_contains(s.err.message, "no data file");
		lines_put(snap.dir, "a.jsonl", 0, 10, "word");
		check_int(build_base(&s, &snap, s.now + 1, false, &res), -EINVAL);
		check_contains(s.err.message, "in the future");
		base_at(&s, &snap, AT(10));
		check_int(build_base(&s, &snap, AT(5), false, &res), -EINVAL);
		check_contains(s.err.message, "2026-05-04T10:10:00Z");
		check_int(documents(&s), 10);
	}
}

static void other_rules_fold_the_base_again(void)
{
	SITE s;

	site_plain(&s);
	{
		SNAPSHOT snap = snapshot_open(&s);

		lines_put(snap.dir, "a.jsonl", 0, 100, "word");
		base_at(&s, &snap, AT(0));
		put(&s, DAY "05/a.jsonl", "{\"id\":\"d00003\",\"t\":\"delta\"}\n");
		check_int(tick(&s), 0);
		site_set(&s, "document.keyword=g");
		check_int(tick(&s), 0);
		check_term(&s, "delta", "d00003\n");
		check_term(&s, "g:g3", "d00053\n");
		check_int(documents(&s), 100);
		check_int(tick(&s), 0);
		check_int(s.res.generation, 0);
	}
}

static void other_rules_that_refuse_later_records_refuse_the_base(void)
{
	struct base_result res;
	SITE s;

	site_plain(&s);
	{
		SNAPSHOT snap = snapshot_open(&s);

		put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"t\":\"later\"}\n");
		check_int(tick(&s), 0);
		scratch_put(snap.dir, "a.jsonl", "{\"key\":\"b\",\"t\":\"base\"}\n", 23);
		site_set(&s, "document.id=key");
		check_int(build_base(&s, &snap, AT(5), false, &res), -EBADMSG);
		check_contains(s.err.message, "refuse 1 of 1 records of later partitions (first: " DAY
					      "05/a.jsonl:1: key: missing");
		base_result_release(&res);
		check_term(&s, "later", "b\n");
		check_int(build_base(&s, &snap, AT(5), true, &res), 0);
		check_contains(buf_cstr(&res.warnings), "later partitions");
		base_result_release(&res);
		check_term(&s, "later", "");
		check_term(&s, "base", "b\n");
	}
}

static void other_rules_that_refuse_the_base_are_refused(void)
{
	SITE s;

	site_plain(&s);
	{
		SNAPSHOT snap = snapshot_open(&s);

		lines_put(snap.dir, "a.jsonl", 0, 100, "word");
		base_at(&s, &snap, AT(0));
		put(&s, DAY "05/a.jsonl", "{\"id\":\"d00003\",\"key\":\"k\",\"t\":\"delta\"}\n");
		check_int(tick(&s), 0);
		site_set(&s, "document.id=key");
		check_int(tick(&s), -EBADMSG);
		check_contains(s.err.message, "refuse 100 of 101 records");
		check_int(documents(&s), 100);
		check_int(tick_as(&s, true), 0);
		check_int(documents(&s), 1);
	}
}

int main(void)
{
	RUN(later_partitions_lie_over_the_base);
	RUN(little_memory_gives_more_segments_and_the_same_index);
	RUN(a_strange_base_is_refused_and_changes_nothing);
	RUN(times_that_cannot_be_are_refused);
	RUN(other_rules_fold_the_base_again);
	RUN(other_rules_that_refuse_later_records_refuse_the_base);
	RUN(other_rules_that_refuse_the_base_are_refused);
	return tap_done();
}
