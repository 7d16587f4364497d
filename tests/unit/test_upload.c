/* SPDX-License-Identifier: Apache-2.0 */
/* What mount tests cannot reach: stores that fail at any call, and one that cannot tell who was first. */
#include "follow.h"
#include "site.h"
#include "upload.h"

/* A memory store in which one call fails, or which overwrites where it should refuse. */
struct faulty {
	struct store base;
	struct store *real;
	unsigned left; /* calls until one fails; 0: none does */
	bool overwrites;
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
	bool overwrites = ((struct faulty *)s)->overwrites;
	int r = fail(s, err);

	return r ? r : real(s)->ops->put(real(s), path, body, overwrites ? STORE_REPLACE : how, err);
}

static int f_remove(struct store *s, const char *path, struct err *err)
{
	int r = fail(s, err);

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

static int upload(struct site *s, struct faulty *f, struct upload_result *out)
{
	struct upload_input in = {.state = s->state, .cfg = s->cfg, .store = &f->base};

	s->err = ERR_INIT;
	return upload_run(&in, out, &s->err);
}

static void faulty_init(struct faulty *f)
{
	*f = (struct faulty){.base = {.ops = &faulty_ops, .url = (char *)(uintptr_t) "faulty:"}};
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
		check_int(upload_is_done(s.catalog, "faulty:", NULL), 1);
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

int main(void)
{
	RUN(after_any_call_that_fails_the_next_publishing_goes_on);
	RUN(a_store_that_cannot_tell_who_was_first_takes_a_sole_writer);
	RUN(after_any_call_that_fails_the_next_tick_of_a_follower_goes_on);
	return tap_done();
}
