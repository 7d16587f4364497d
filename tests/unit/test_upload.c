/* SPDX-License-Identifier: Apache-2.0 */
/* What mount tests cannot reach: stores that fail at any call, and one that cannot tell who was first. */
#include "base.h"
#include "follow.h"
#include "rollback.h"
#include "site.h"
#include "upload.h"

#include <sys/syscall.h>

/* Files of such a directory do not come to the disk. */
static const char *unsynced;

/* In place of the C library's. */
int fsync(int fd)
{
	char link[64], path[400];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = unsynced ? readlink(link, path, sizeof(path) - 1) : -1;
	path[n > 0 ? n : 0] = '\0';
	if (n > 0 && strstr(path, unsynced)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

/* A memory store in which one call fails, or which overwrites where it should refuse. */
struct faulty {
	struct store base;
	struct store *real;
	char url[32];
	unsigned left; /* calls until one fails; 0: none does */
	bool overwrites, claim_lost;
	unsigned unstoppable; /* puts that go on to their end whatever comes */
	bool full;            /* until something is removed */
	unsigned replaced;    /* so often a pointer is replaced while it is read */
	enum {
		POINTER_PUT,
		POINTER_LOST,
		POINTER_FAILS
	} pointer;                    /* LOST: it is put, and the answer does not come */
	const char *when;             /* before the first put of such a path … */
	void (*what)(void *what_ctx); /* … this happens */
	void *what_ctx;
};

static int fail(struct store *s, struct err *err)
{
	struct faulty *f = (struct faulty *)s;

	return f->left && --f->left == 0 ? err_set(err, -EIO, "made to fail") : 0;
}

static struct store *real(struct store *s)
{
	return ((struct faulty *)s)->real;
}

static int f_list(struct store *s, const char *dir, store_entry_fn *fn, void *ctx, struct err *err)
{
	int r = fail(s, err);

	return r ? r : real(s)->ops->list(real(s), dir, fn, ctx, err);
}

static int f_head(struct store *s, const char *path, struct store_stat *out, struct err *err)
{
	int r = fail(s, err);

	return r ? r : real(s)->ops->head(real(s), path, out, err);
}

static int f_open(struct store *s, const char *path, struct store_file **out, struct err *err)
{
	int r = fail(s, err);

	return r ? r : real(s)->ops->open(real(s), path, out, err);
}

/* The memory store looks for itself in its files. */
static int64_t f_read(struct store_file *f, uint64_t offset, void *to, size_t len, struct err *err)
{
	struct store *s = f->store;
	int64_t r = fail(s, err);

	if (r == 0 && strstr(f->path, "/current.json") && ((struct faulty *)s)->replaced) {
		((struct faulty *)s)->replaced--;
		r = err_set(err, -ESTALE, "made to be replaced");
	}
	f->store = real(s);
	if (r == 0)
		r = real(s)->ops->read(f, offset, to, len, err);
	f->store = s;
	return r;
}

static int f_stat(struct store_file *f, struct store_stat *out, struct err *err)
{
	struct store *s = f->store;
	int r;

	f->store = real(s);
	r = real(s)->ops->stat(f, out, err);
	f->store = s;
	return r;
}

static void f_close(struct store_file *f)
{
	f->store = real(f->store);
	f->store->ops->close(f);
}

static int f_put(
	struct store *s, const char *path, const struct store_body *body, enum store_put how, struct err *err)
{
	struct faulty *f = (struct faulty *)s;
	bool is_pointer = strstr(path, "/current.json");
	int r = fail(s, err);

	if (f->when && !strncmp(path, f->when, strlen(f->when))) {
		f->when = NULL;
		f->what(f->what_ctx);
	}
	if (!body->stop && !strstr(path, "/claim.json"))
		f->unstoppable++;
	if (r == 0 && f->full)
		r = err_set(err, -ENOSPC, "made to be full");
	if (r == 0 && is_pointer && f->pointer == POINTER_FAILS)
		r = err_set(err, -EIO, "made to fail");
	if (r == 0)
		r = real(s)->ops->put(real(s), path, body, f->overwrites ? STORE_REPLACE : how, err);
	if (r == 0 && f->claim_lost && strstr(path, "/claim.json"))
		return err_set(err, -EEXIST, "there is an object already");
	return r == 0 && is_pointer && f->pointer == POINTER_LOST ? err_set(err, -EIO, "made to be lost") : r;
}

static int f_remove(struct store *s, const char *path, struct err *err)
{
	int r = fail(s, err);

	((struct faulty *)s)->full = false;
	return r ? r : real(s)->ops->remove(real(s), path, err);
}

static int f_is_exclusive(struct store *s, struct err *err)
{
	return !((struct faulty *)s)->overwrites;
}

static const struct store_ops faulty_ops = {.list = f_list,
	.head = f_head,
	.open = f_open,
	.read = f_read,
	.stat = f_stat,
	.close = f_close,
	.put = f_put,
	.remove = f_remove,
	.is_exclusive = f_is_exclusive};

static int upload_as(struct site *s, struct faulty *f, bool take_over, struct upload_result *out)
{
	atomic_int stop = 0;
	struct upload_input in = {
		.state = s->state, .cfg = s->cfg, .store = &f->base, .take_over = take_over, .stop = &stop};
	int r;

	s->err = ERR_INIT;
	state_unlock(s->state); /* as where nothing is built meanwhile */
	r = upload_run(&in, out, &s->err);
	check_int(state_lock(s->state, 0, NULL), 0);
	return r;
}

static int upload(struct site *s, struct faulty *f, struct upload_result *out)
{
	return upload_as(s, f, false, out);
}

static void faulty_init(struct faulty *f)
{
	static unsigned count;

	*f = (struct faulty){.base = {.ops = &faulty_ops}};
	snprintf(f->url, sizeof(f->url), "faulty:%u", count++);
	f->base.url = f->url;
	check_int(store_mem_open(&f->real, NULL), 0);
}

static void after_any_call_that_fails_the_next_publishing_goes_on(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;
	unsigned calls;
	int r;

	site_init(&s);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	for (calls = 1; calls < 200; calls++) {
		faulty_init(&f);
		check_int(catalog_set(s.catalog, "publisher", slice_str(""), NULL), 0);
		f.left = calls;
		r = upload(&s, &f, &res);
		if (r == 0) {
			store_free(f.real);
			break;
		}
		check_int(r, -EIO);
		check_contains(s.err.message, "made to fail");
		f.left = 0;
		r = upload(&s, &f, &res);
		if (r < 0)
			tap_fail("after call %u: %s", calls, s.err.message);
		check_int(res.generation, 1);
		check_int(upload_is_done(s.catalog, f.url, NULL), 1);
		store_free(f.real);
	}
	check(calls > 10 && calls < 200);
}

static void a_store_that_cannot_tell_who_was_first_takes_a_sole_writer(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;

	site_init(&s);
	faulty_init(&f);
	f.overwrites = true;
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	check_int(upload(&s, &f, &res), -EINVAL);
	check_contains(s.err.message, "publish.sole_writer = yes");
	check_contains(s.err.message, "conditional");
	site_set(&s, "publish.sole_writer=yes");
	check_int(upload(&s, &f, &res), 0);
	check_int(res.epoch, 1);
	store_free(f.real);
}

static int follow(struct site *s, struct faulty *f, struct follow_result *out)
{
	struct follow_input in = {.state = s->state, .catalog = s->catalog, .store = &f->base, .cfg = s->cfg};

	s->err = ERR_INIT;
	return follow_tick(&in, out, &s->err);
}

static void after_any_call_that_fails_the_next_tick_of_a_follower_goes_on(void)
{
	SITE s;
	struct upload_result up;
	struct follow_result res;
	struct faulty f;
	unsigned calls;
	int r = -1;

	site_init(&s);
	faulty_init(&f);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	check_int(upload(&s, &f, &up), 0);
	for (calls = 1; calls < 200 && r != 0; calls++) {
		char name[32];

		snprintf(name, sizeof(name), "follower%u", calls);
		site_state(&s, name);
		f.left = calls;
		r = follow(&s, &f, &res);
		if (r == 0)
			break;
		check_int(r, -EIO);
		f.left = 0;
		check_int(follow(&s, &f, &res), 0);
		check_int(res.generation, 1);
		check_term(&s, "espresso", "a\nb\n");
	}
	check(calls > 8 && calls < 200);
	check_term(&s, "espresso", "a\nb\n");
	store_free(f.real);
}

static int count_one(void *ctx, struct slice name, const struct store_stat *st)
{
	++*(size_t *)ctx;
	return 0;
}

static void published_once(struct site *s, struct faulty *f)
{
	struct upload_result res;

	site_init(s);
	faulty_init(f);
	put(s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(s), 0);
	check_int(upload(s, f, &res), 0);
}

/* The kernel says it once: asked again of the same file it says that all is well. */
static void what_did_not_come_to_the_disk_is_fetched_anew(void)
{
	SITE s;
	struct follow_result res;
	struct faulty f;

	published_once(&s, &f);
	site_state(&s, "follower");
	unsynced = "/fetch/";
	check_int(follow(&s, &f, &res), -EIO);
	unsynced = NULL;
	check_contains(s.err.message, "fsync failed");
	check_int(scratch_count(s.state->dir, "fetch"), 0);
	check_int(follow(&s, &f, &res), 0);
	check_int(res.segments, 1);
	check(res.bytes > 0);
	store_free(f.real);
}

static void a_pointer_that_is_replaced_while_it_is_read_is_read_again(void)
{
	SITE s;
	struct follow_result res;
	struct faulty f;

	published_once(&s, &f);
	site_state(&s, "follower");
	f.replaced = 100;
	check_int(follow(&s, &f, &res), -ESTALE);
	f.replaced = 3;
	check_int(follow(&s, &f, &res), 0);
	check_int(res.generation, 1);
	check_int(f.replaced, 0);
	store_free(f.real);
}

/* However it is spelled: config_dump() is not alone in writing configurations. */
static void no_url_of_another_host_comes_with_an_edition(void)
{
	SITE s;
	struct upload_result up;
	struct follow_result res;
	OWNED_BUF config = {0};
	struct faulty f;

	site_init(&s);
	faulty_init(&f);
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	check_int(catalog_set(s.catalog, "config", slice_str("[feed]\nurl=/elsewhere\ncadence: 5m\n"), NULL),
		0);
	check_int(upload(&s, &f, &up), 0);
	site_state(&s, "follower");
	check_int(follow(&s, &f, &res), 0);
	check_int(catalog_get(s.catalog, "config", &config, NULL), 1);
	check_contains(buf_cstr(&config), "cadence = 5m");
	check(!strstr(buf_cstr(&config), "elsewhere"));
	store_free(f.real);
}

static void what_is_missing_here_is_named(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;
	char command[400];

	published_once(&s, &f);
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	snprintf(command, sizeof(command), "rm %s/segments/*", s.state->dir);
	check_int(system(command), 0);
	check_int(upload(&s, &f, &res), -EBADMSG);
	check_contains(s.err.message, "generation 2 is not whole here");
	check_contains(s.err.message, ".seg");
	store_free(f.real);
}

static void publish_next(struct site *s, struct faulty *f, const char *path)
{
	struct upload_result res;

	put(s, path, "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(s), 0);
	check_int(upload(s, f, &res), 0);
}

static void what_may_go_does_not_keep_a_full_store_full(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;
	size_t editions = 0;

	published_once(&s, &f);
	site_set(&s, "build.keep=1");
	site_set(&s, "build.keep_for=0s");
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	f.full = true;
	check_int(upload(&s, &f, &res), -ENOSPC); /* there is nothing that may go */
	check_contains(s.err.message, "made to be full");
	f.full = false;
	check_int(upload(&s, &f, &res), 0);
	put(&s, DAY "10/a.jsonl", "{\"id\":\"c\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	f.full = true;
	check_int(upload(&s, &f, &res), 0);
	check_int(res.generation, 3);
	check_int(store_list(f.real, "generations", count_one, &editions, NULL), 0);
	check_int(editions, 1);
	store_free(f.real);
}

/* Of a writer that was killed. */
static void what_was_not_finished_goes_wherever_it_lies(void)
{
	static const char *const dirs[] = {
		"segments", "manifests", "live", "rows", "generations", "epochs/1"};
	SITE s;
	struct store_stat st;
	struct faulty f;
	char path[100];

	published_once(&s, &f);
	check_int(f.unstoppable, 0);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/.freshet-put-0123456789abcdef", dirs[i]);
		check_int(store_mem_put(f.real, path, slice_str("half"), s.now), 0);
		snprintf(path, sizeof(path), "%s/.freshet-put-fedcba9876543210", dirs[i]);
		check_int(store_mem_put(f.real, path, slice_str("half"), time_now()), 0);
	}
	f.full = true;
	publish_next(&s, &f, DAY "05/a.jsonl");
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/.freshet-put-0123456789abcdef", dirs[i]);
		check_int(store_head(f.real, path, &st, NULL), -ENOENT);
		snprintf(path, sizeof(path), "%s/.freshet-put-fedcba9876543210", dirs[i]);
		check_int(store_head(f.real, path, &st, NULL), 0);
	}
	store_free(f.real);
}

/* Nor does it keep what is to come from being fetched; what of that is here already stays. */
static void a_follower_lets_old_generations_go_before_it_fetches(void)
{
	SITE s;
	SITE b;
	struct follow_result res;
	struct faulty f;

	published_once(&s, &f);
	site_init(&b);
	check_int(follow(&b, &f, &res), 0);
	publish_next(&s, &f, DAY "05/a.jsonl");
	check_int(follow(&b, &f, &res), 0);
	publish_next(&s, &f, DAY "10/a.jsonl");
	site_set(&b, "build.keep=1");
	site_set(&b, "build.keep_max=1");
	check_int(scratch_count(b.state->dir, "generations"), 4);
	unsynced = "/fetch/"; /* as on a disk that takes no more */
	check_int(follow(&b, &f, &res), -EIO);
	check_int(scratch_count(b.state->dir, "generations"), 2);
	unsynced = "/state/tmp/";
	check_int(follow(&b, &f, &res), -EIO);
	check_int(res.segments, 1);
	unsynced = NULL;
	check_int(follow(&b, &f, &res), 0);
	check_int(res.segments, 0);
	check_term(&b, "espresso", "a\n");
	store_free(f.real);
}

/* A driver sends a write whose answer was lost again, and hears that there is an object already. */
static void a_claim_whose_answer_was_lost_is_its_own(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;

	site_init(&s);
	faulty_init(&f);
	f.claim_lost = true;
	put(&s, DAY "00/a.jsonl", "{\"id\":\"a\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	check_int(upload(&s, &f, &res), 0);
	check_int(res.epoch, 1);
	store_free(f.real);
}

static void a_builder_knows_its_own_pointer_after_two_unlucky_ends(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;

	published_once(&s, &f);
	put(&s, DAY "05/a.jsonl", "{\"id\":\"b\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	f.pointer = POINTER_LOST;
	check_int(upload(&s, &f, &res), -EIO);
	put(&s, DAY "10/a.jsonl", "{\"id\":\"c\",\"title\":\"espresso\"}\n");
	check_int(tick(&s), 0);
	f.pointer = POINTER_FAILS;
	check_int(upload(&s, &f, &res), -EIO);
	f.pointer = POINTER_PUT;
	check_int(upload(&s, &f, &res), 0);
	check_int(res.generation, 3);
	store_free(f.real);
}

static void a_place_that_is_empty_where_it_was_not_is_not_filled_unasked(void)
{
	SITE s;
	struct upload_result res;
	struct faulty f;

	published_once(&s, &f);
	store_free(f.real);
	check_int(store_mem_open(&f.real, NULL), 0);
	check_int(upload(&s, &f, &res), -ESTALE);
	check_contains(s.err.message, "is it mounted");
	check_int(upload_as(&s, &f, true, &res), 0);
	check_int(res.epoch, 2);
	check_int(upload(&s, &f, &res), 0);
	store_free(f.real);
}

/* ---- taking over while the other goes on ---- */

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
	check_b_is_refused(&t, "newer base", "freshet follow");
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
	RUN(a_claim_whose_answer_was_lost_is_its_own);
	RUN(a_builder_knows_its_own_pointer_after_two_unlucky_ends);
	RUN(a_place_that_is_empty_where_it_was_not_is_not_filled_unasked);
	RUN(who_has_become_older_while_it_sent_does_not_take_over);
	RUN(what_was_published_while_it_sent_is_what_a_take_over_comes_after);
	RUN(what_goes_before_the_claim_is_put_there_again);
	RUN(what_ends_while_the_epoch_is_claimed_is_not_published_over);
	RUN(who_lacks_a_base_that_is_published_does_not_take_over);
	RUN(what_was_rolled_back_does_not_come_back_by_a_take_over);
	RUN(who_lacks_what_came_late_does_not_take_over);
	RUN(what_was_taken_over_is_taken_back);
	RUN(of_two_copies_at_once_one_publishes);
	RUN(after_any_call_that_fails_the_next_publishing_goes_on);
	RUN(a_store_that_cannot_tell_who_was_first_takes_a_sole_writer);
	RUN(after_any_call_that_fails_the_next_tick_of_a_follower_goes_on);
	RUN(what_did_not_come_to_the_disk_is_fetched_anew);
	RUN(a_pointer_that_is_replaced_while_it_is_read_is_read_again);
	RUN(no_url_of_another_host_comes_with_an_edition);
	RUN(what_is_missing_here_is_named);
	RUN(what_may_go_does_not_keep_a_full_store_full);
	RUN(what_was_not_finished_goes_wherever_it_lies);
	RUN(a_follower_lets_old_generations_go_before_it_fetches);
	return tap_done();
}
