/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/faulty.h - a store that fails at any call, or that cannot tell who was first, and who publishes to it and follows it. */
#ifndef FRESHET_FAULTY_H
#define FRESHET_FAULTY_H

#include "follow.h"
#include "site.h"
#include "upload.h"

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

static inline int fail(struct store *s, struct err *err)
{
	struct faulty *f = (struct faulty *)s;

	return f->left && --f->left == 0 ? err_set(err, -EIO, "made to fail") : 0;
}

static inline struct store *real(struct store *s)
{
	return ((struct faulty *)s)->real;
}

static inline int f_list(struct store *s, const char *dir, store_entry_fn *fn, void *ctx, struct err *err)
{
	int r = fail(s, err);

	return r ? r : real(s)->ops->list(real(s), dir, fn, ctx, err);
}

static inline int f_head(struct store *s, const char *path, struct store_stat *out, struct err *err)
{
	int r = fail(s, err);

	return r ? r : real(s)->ops->head(real(s), path, out, err);
}

static inline int f_open(struct store *s, const char *path, struct store_file **out, struct err *err)
{
	int r = fail(s, err);

	return r ? r : real(s)->ops->open(real(s), path, out, err);
}

/* The memory store looks for itself in its files. */
static inline int64_t f_read(struct store_file *f, uint64_t offset, void *to, size_t len, struct err *err)
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

static inline int f_stat(struct store_file *f, struct store_stat *out, struct err *err)
{
	struct store *s = f->store;
	int r;

	f->store = real(s);
	r = real(s)->ops->stat(f, out, err);
	f->store = s;
	return r;
}

static inline void f_close(struct store_file *f)
{
	f->store = real(f->store);
	f->store->ops->close(f);
}

static inline int f_put(
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

static inline int f_remove(struct store *s, const char *path, struct err *err)
{
	int r = fail(s, err);

	((struct faulty *)s)->full = false;
	return r ? r : real(s)->ops->remove(real(s), path, err);
}

static inline int f_is_exclusive(struct store *s, struct err *err)
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

static inline int upload_as(struct site *s, struct faulty *f, bool take_over, struct upload_result *out)
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

static inline int upload(struct site *s, struct faulty *f, struct upload_result *out)
{
	return upload_as(s, f, false, out);
}

static inline void faulty_init(struct faulty *f)
{
	static unsigned count;

	*f = (struct faulty){.base = {.ops = &faulty_ops}};
	snprintf(f->url, sizeof(f->url), "faulty:%u", count++);
	f->base.url = f->url;
	check_int(store_mem_open(&f->real, NULL), 0);
}

static inline int follow(struct site *s, struct faulty *f, struct follow_result *out)
{
	struct follow_input in = {.state = s->state, .catalog = s->catalog, .store = &f->base, .cfg = s->cfg};

	s->err = ERR_INIT;
	return follow_tick(&in, out, &s->err);
}

#endif
