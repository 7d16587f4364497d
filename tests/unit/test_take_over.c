/* SPDX-License-Identifier: Apache-2.0 */
/* Who takes over, while the other goes on: nothing that was published is lost, and nobody is taken back. */
#include "base.h"
#include "faulty.h"
#include "rollback.h"

/* A publishes, and B has followed it. */
struct two {
	struct site a, b;
	struct faulty of_a, of_b;
	struct upload_result res;
};

static void b_follows(struct two *t)
{
	struct follow_result followed;

	check_int(follow(&t->b, &t->of_b, &followed), 0);
}

static void two_same(struct two *t)
{
	site_init(&t->a);
	site_init(&t->b);
	faulty_init(&t->of_a);
	put(&t->a, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	put(&t->b, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(&t->a), 0);
	check_int(upload(&t->a, &t->of_a, &t->res), 0);
	t->of_b = t->of_a; /* the same store */
	t->of_b.base.url = t->of_b.url;
	b_follows(t);
}

/* And B has built a slice of its own since. */
static void two_init(struct two *t)
{
	two_same(t);
	put(&t->b, DAY "05/b.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&t->b), 0);
}

static void two_release(struct two *t)
{
	store_free(t->of_a.real);
	site_release(&t->a);
	site_release(&t->b);
}
#define TWO __attribute__((cleanup(two_release))) struct two

static uint64_t number_of(struct site *s)
{
	struct catalog_current c;

	check_int(catalog_current(s->catalog, &c, NULL), 0);
	return c.number;
}

static void publish_to(struct two *t, const char *path)
{
	put(&t->a, path, "{\"id\":\"b\",\"title\":\"lungo\"}\n");
	check_int(tick(&t->a), 0);
	check_int(upload(&t->a, &t->of_a, &t->res), 0);
}

static void publish_newer(void *ctx)
{
	publish_to(ctx, DAY "10/a.jsonl");
}

static void publish_as_new(void *ctx)
{
	publish_to(ctx, DAY "05/a.jsonl");
}

static void who_has_become_older_while_it_sent_does_not_take_over(void)
{
	TWO t;
	struct upload_result res;
	uint64_t before;

	two_init(&t);
	before = number_of(&t.b);
	t.of_b.when = "segments/";
	t.of_b.what = publish_newer;
	t.of_b.what_ctx = &t;
	check_int(upload_as(&t.b, &t.of_b, true, &res), -ESTALE);
	check_contains(t.b.err.message, "freshet follow");
	check_int(upload(&t.a, &t.of_a, &res), 0); /* the epoch is A's still */
	check_int(res.epoch, 1);
	/* And who failed is no newer for it: it follows. */
	check_int(number_of(&t.b), before);
}

static void what_was_published_while_it_sent_is_what_a_take_over_comes_after(void)
{
	TWO t;
	struct upload_result res;

	two_init(&t);
	t.of_b.when = "segments/";
	t.of_b.what = publish_as_new;
	t.of_b.what_ctx = &t;
	check_int(upload_as(&t.b, &t.of_b, true, &res), 0);
	check_int(res.epoch, 2);
	check_int(res.generation, t.res.generation + 1001);
	check_int(upload(&t.a, &t.of_a, &res), -EBUSY);
}

/* What B does must not take followers back, and B learns what to do. */
static void check_b_is_refused(struct two *t, const char *why, const char *todo)
{
	struct upload_result res;

	check_int(upload_as(&t->b, &t->of_b, true, &res), -ESTALE);
	check_contains(t->b.err.message, why);
	check_contains(t->b.err.message, todo);
}

static void what_ends_while_the_epoch_is_claimed_is_not_published_over(void)
{
	TWO t;
	struct upload_result res;

	two_init(&t);
	t.of_b.when = "epochs/2/claim";
	t.of_b.what = publish_newer;
	t.of_b.what_ctx = &t;
	for (int i = 0; i < 2; i++) /* and not at the next try either */
		check_b_is_refused(&t, "is newer than this state", "--take-over");
	check_int(upload(&t.a, &t.of_a, &res), -EBUSY);
	check_int(upload_as(&t.a, &t.of_a, true, &res), 0);
	check_int(res.epoch, 3);
}

static void build_base(struct site *s, int64_t at)
{
	struct base_input in = {.state = s->state, .cfg = s->cfg, .at = at, .now = s->now};
	struct base_result res;
	char dir[300];

	snprintf(dir, sizeof(dir), "%s/snapshot", s->dir.path);
	mkdir(dir, 0777);
	scratch_put(dir, "all.jsonl", "{\"id\":\"z\",\"title\":\"espresso\"}\n", 31);
	check_int(store_open(&in.store, dir, NULL, NULL), 0);
	catalog_free(s->catalog);
	state_unlock(s->state);
	if (base_build(&in, &res, &s->err) < 0)
		tap_fail("%s", s->err.message);
	check_int(state_lock(s->state, 0, NULL), 0);
	check_int(catalog_open(&s->catalog, s->state, true, NULL), 0);
	base_result_release(&res);
	store_free(in.store);
}

static void who_lacks_a_base_that_is_published_does_not_take_over(void)
{
	TWO t;
	struct upload_result res;

	two_same(&t);
	build_base(&t.a, AT(5)); /* of the same watermark */
	check_int(upload(&t.a, &t.of_a, &res), 0);
	check_int(res.generation, 2);
	check_b_is_refused(&t, "newer base", "freshet follow");
	/* Nor who has gone on from what was before. */
	put(&t.b, DAY "05/b.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&t.b), 0);
	check_b_is_refused(&t, "newer base", "with another --state");
	/* Which does help. */
	site_state(&t.b, "another");
	b_follows(&t);
	check_int(upload_as(&t.b, &t.of_b, true, &res), 0);
	check_int(res.epoch, 2);
}

static int remove_manifest(void *ctx, struct slice name, const struct store_stat *st)
{
	OWNED_BUF path = {0};

	buf_addf(&path, "manifests/%.*s", (int)name.len, name.data);
	check_int(store_mem_remove(ctx, buf_cstr(&path)), 0);
	return 0;
}

/* What nobody can follow any more keeps nobody from going on. */
static void who_is_further_takes_over_from_a_store_whose_manifest_is_lost(void)
{
	TWO t;
	struct upload_result res;

	two_same(&t);
	publish_as_new(&t); /* B does not follow it in time */
	check_int(store_list(t.of_b.real, "manifests", remove_manifest, t.of_b.real, NULL), 0);
	check_b_is_refused(&t, "is newer than this state", "build first");
	put(&t.b, DAY "05/b.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&t.b), 0);
	check_int(upload_as(&t.b, &t.of_b, true, &res), 0);
	check_int(res.epoch, 2);
}

static void roll_back(struct site *s, uint64_t number)
{
	struct rollback_result res;

	check_int(rollback(s->state, s->catalog, s->cfg, number, &res, &s->err), 0);
}

static void what_was_rolled_back_does_not_come_back_by_a_take_over(void)
{
	TWO t;
	struct upload_result res;

	two_same(&t);
	publish_newer(&t);
	b_follows(&t);
	roll_back(&t.a, 1);
	check_int(upload(&t.a, &t.of_a, &res), 0);
	check_b_is_refused(&t, "rolled back (generation 3)", "freshet follow");
	b_follows(&t);
	/* Builds may go on there before it takes over. */
	check_int(rollback_resume(t.b.state, t.b.catalog, NULL), 1);
	site_set(&t.b, "build.keep=1");
	site_set(&t.b, "build.keep_max=1"); /* what it followed is not kept */
	put(&t.b, DAY "05/b.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&t.b), 0);
	check_int(scratch_count(t.b.state->dir, "generations"), 2);
	check_int(upload_as(&t.b, &t.of_b, true, &res), 0);
	check_int(res.epoch, 2);
}

/* It is the owner's to take back what it has claimed over. */
static void an_owner_rolls_back_before_its_first_pointer(void)
{
	TWO t;
	struct upload_result res;

	two_init(&t);
	t.of_b.pointer = POINTER_FAILS;
	check_int(upload_as(&t.b, &t.of_b, true, &res), -EIO);
	t.of_b.pointer = POINTER_PUT;
	roll_back(&t.b, 1);
	check_int(upload(&t.b, &t.of_b, &res), 0);
	check_int(res.epoch, 2);
	check_int(res.generation, number_of(&t.b));
}

static void who_lacks_what_came_late_does_not_take_over(void)
{
	TWO t;
	struct upload_result res;

	two_same(&t);
	publish_to(&t, DAY "00/late.jsonl"); /* of the same watermark */
	check_int(t.res.generation, 2);
	check_b_is_refused(&t, "(generation 2) is newer", "build first, or `freshet follow`");
	put(&t.b, DAY "05/b.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&t.b), 0);
	check_int(upload_as(&t.b, &t.of_b, true, &res), 0);
}

/* Copies have the same name, and may be at it at the same time. */
static void of_two_copies_at_once_one_publishes(void)
{
	TWO t;
	struct upload_result res;
	char command[500];

	two_same(&t);
	snprintf(command, sizeof(command), "cp -a %s/state %s/copy", t.a.dir.path, t.b.dir.path);
	check_int(system(command), 0);
	site_state(&t.b, "copy");
	put(&t.b, DAY "05/b.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&t.b), 0);
	t.of_b.base.url = t.of_a.url;
	t.of_b.when = "generations/";
	t.of_b.what = publish_as_new;
	t.of_b.what_ctx = &t;
	check_int(upload(&t.b, &t.of_b, &res), -EBUSY);
	check_contains(t.b.err.message, "a copy of this state directory");
	check_int(upload(&t.a, &t.of_a, &res), 0);
	check(res.idle);
}

/* Its number there is higher, and nothing else. */
static void what_was_taken_over_is_taken_back(void)
{
	TWO t;
	struct upload_result res;

	two_same(&t);
	check_int(upload_as(&t.b, &t.of_b, true, &res), 0);
	check_int(res.generation, 1002);
	check_int(upload_as(&t.a, &t.of_a, true, &res), 0);
	check_int(res.epoch, 3);
}

static int take_name(void *ctx, struct slice name, const struct store_stat *st)
{
	buf_addf(ctx, "segments/%.*s", (int)name.len, name.data);
	return 1;
}

/* As the other's gc may, of what was there before the claim. */
static void remove_segments(void *ctx)
{
	struct store *real = ctx;

	for (;;) {
		OWNED_BUF path = {0};

		if (store_list(real, "segments", take_name, &path, NULL) != 1)
			return;
		check_int(store_remove(real, buf_cstr(&path), NULL), 0);
	}
}

static void what_goes_before_the_claim_is_put_there_again(void)
{
	TWO t;
	SITE c;
	struct upload_result res;
	struct follow_result followed;

	two_init(&t);
	site_init(&c);
	t.of_b.when = "epochs/2/claim";
	t.of_b.what = remove_segments;
	t.of_b.what_ctx = t.of_b.real;
	check_int(upload_as(&t.b, &t.of_b, true, &res), 0);
	check_int(follow(&c, &t.of_b, &followed), 0);
	check_int(followed.generation, res.generation);
	check_term(&c, "espresso", "a\nb\n");
}

int main(void)
{
	RUN(who_has_become_older_while_it_sent_does_not_take_over);
	RUN(what_was_published_while_it_sent_is_what_a_take_over_comes_after);
	RUN(what_goes_before_the_claim_is_put_there_again);
	RUN(what_ends_while_the_epoch_is_claimed_is_not_published_over);
	RUN(who_lacks_a_base_that_is_published_does_not_take_over);
	RUN(what_was_rolled_back_does_not_come_back_by_a_take_over);
	RUN(who_is_further_takes_over_from_a_store_whose_manifest_is_lost);
	RUN(an_owner_rolls_back_before_its_first_pointer);
	RUN(who_lacks_what_came_late_does_not_take_over);
	RUN(what_was_taken_over_is_taken_back);
	RUN(of_two_copies_at_once_one_publishes);
	return tap_done();
}
