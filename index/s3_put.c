/* SPDX-License-Identifier: Apache-2.0 */
/* Writing: whole, or in parts where it is large; and finding out what conditions are worth there. */
#include <stdio.h>
#include <sys/random.h>

#include "s3_private.h"

#define PART_MIN ((uint64_t)16 << 20)
#define PARTS_MAX 10000u
#define COMPARE_MAX (1u << 20)

struct put_try {
	const struct store_body *body;
	enum store_put how;
};

static void put_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	const struct put_try *t = ctx;

	wire->ops->put(wire, call, t->body, t->how, a);
}

/* An attempt whose answer was lost may have put it: then what lies there is ours. */
static bool is_ours(struct s3 *s, const char *key, const struct store_body *body)
{
	OWNED_BUF there = {0};
	struct s3_answer a;
	struct s3_range range = {.len = body->size};

	if (body->fd >= 0 || body->size > COMPARE_MAX || s3_head(s, key, &a, NULL) < 0 ||
		a.size != body->size)
		return false;
	range.etag = a.etag;
	range.size = a.size;
	range.to = buf_reserve(&there, body->size + 1);
	return range.to && (!body->size || s3_get(s, key, &range, NULL, NULL, NULL) == 0) &&
	       !memcmp(there.data, body->bytes.data, body->size);
}

static int put_whole(
	struct s3 *s, const char *key, const struct store_body *body, enum store_put how, struct err *err)
{
	struct put_try ctx = {body, how};
	struct s3_try t = {.what = "PUT", .key = key, .writes = true, .attempt = put_attempt, .ctx = &ctx};
	struct s3_answer a;
	unsigned attempts = 0;
	int r = s3_try(s, &t, &a, &attempts, err);

	return r == -EEXIST && attempts > 1 && is_ours(s, key, body) ? 0 : r;
}

/* ---- parts ---- */

struct parts_try {
	const struct store_body *body;
	struct s3_part part;
	s3_attempt_fn *step;
	struct buf upload; /* the id, with a NUL behind it */
	struct buf etags;  /* of char[S3_ETAG_MAX] */
	enum store_put how;
};

static void begin_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	struct parts_try *t = ctx;

	buf_clear(&t->upload);
	wire->ops->parts_begin(wire, call, &t->upload, a);
}

static void part_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	struct parts_try *t = ctx;

	wire->ops->parts_put(wire, call, t->body, &t->part, a);
}

static void end_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	struct parts_try *t = ctx;

	wire->ops->parts_end(wire, call, t->part.upload, &t->etags, t->how, a);
}

static void abort_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	struct parts_try *t = ctx;

	wire->ops->parts_abort(wire, call, t->part.upload, a);
}

/* Other credentials may have been found meanwhile, for which the server takes no V4. */
static void step_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	const struct parts_try *t = ctx;

	if (wire->ops->parts_begin) {
		t->step(wire, call, ctx, a);
		return;
	}
	*a = (struct s3_answer){.outcome = S3_REFUSED};
	s3_text_set(a->text, sizeof(a->text), slice_str("uploads in parts take V4"));
}

static int step(struct s3 *s, const char *key, const char *what, s3_attempt_fn *attempt,
	struct parts_try *ctx, struct s3_answer *a, struct err *err)
{
	struct s3_try t = {.what = what, .key = key, .writes = true, .attempt = step_attempt, .ctx = ctx};

	ctx->step = attempt;
	return s3_try(s, &t, a, NULL, err);
}

static int put_each(struct s3 *s, const char *key, struct parts_try *ctx, struct err *err)
{
	uint64_t size = ctx->body->size,
		 each = size / (PARTS_MAX - 1) > PART_MIN ? size / (PARTS_MAX - 1) : PART_MIN;
	struct s3_answer a;
	int r = 0;

	while (r == 0 && ctx->part.offset < size) {
		uint64_t left = size - ctx->part.offset;

		if (ctx->body->stop && *ctx->body->stop)
			return err_set(err, -EINTR, "stopped");
		ctx->part.number++;
		ctx->part.len = (size_t)(left < each ? left : each);
		r = step(s, key, "PUT of a part", part_attempt, ctx, &a, err);
		if (r < 0)
			break;
		buf_add(&ctx->etags, a.etag, S3_ETAG_MAX);
		ctx->part.offset += ctx->part.len;
	}
	return r < 0 ? r : ctx->etags.failed ? err_set(err, -ENOMEM, "out of memory") : 0;
}

/* Is that what an end whose answer was lost left there? Parts make an ETag that tells how many they were. */
static bool has_arrived(struct s3 *s, const char *key, const struct parts_try *ctx)
{
	struct s3_answer a;
	char parts[16];
	const char *dash;

	snprintf(parts, sizeof(parts), "-%u", ctx->part.number);
	if (s3_head(s, key, &a, NULL) < 0 || a.size != ctx->body->size)
		return false;
	dash = strrchr(a.etag, '-');
	return dash && !strcmp(dash, parts);
}

static int put_parts(
	struct s3 *s, const char *key, const struct store_body *body, enum store_put how, struct err *err)
{
	struct parts_try ctx = {.body = body, .how = how};
	struct s3_answer a;
	int r = step(s, key, "begin of an upload", begin_attempt, &ctx, &a, err);

	if (r == 0) {
		ctx.part.upload = buf_cstr(&ctx.upload);
		r = put_each(s, key, &ctx, err);
		if (r == 0)
			r = step(s, key, "end of an upload", end_attempt, &ctx, &a, err);
		/* The upload is gone once it has ended: who asks again hears that there is none. */
		if (r == -ENOENT && how == STORE_REPLACE && has_arrived(s, key, &ctx))
			r = 0;
		if (r < 0)
			step(s, key, "end of an upload", abort_attempt, &ctx, &a, NULL);
	}
	buf_release(&ctx.upload);
	buf_release(&ctx.etags);
	return r;
}

bool s3_has_parts(struct s3 *s)
{
	struct s3_session *session;
	bool has = s3_session_take(s, &session, NULL) == 0 && session->writer->ops->parts_begin;

	s3_session_drop(session);
	return has;
}

int s3_put(struct s3 *s, const char *key, const struct store_body *body, enum store_put how, struct err *err)
{
	if (body->size > PART_MIN && s3_has_parts(s))
		return put_parts(s, key, body, how, err);
	return put_whole(s, key, body, how, err);
}

/* ---- conditions ---- */

/* An object is put twice as if it were new. Both done: the condition is ignored. */
static int try_twice(struct s3 *s, const char *key, struct err *err)
{
	struct store_body body = store_bytes(slice_str("freshet tries whether conditions hold here\n"));
	struct put_try ctx = {&body, STORE_NEW};
	struct s3_try t = {.what = "PUT", .key = key, .writes = true, .attempt = put_attempt, .ctx = &ctx};
	struct s3_answer a;
	int r = s3_try(s, &t, &a, NULL, err);

	if (a.outcome == S3_REFUSED)
		return 0;          /* it knows no conditions, and says so */
	if (r < 0 && r != -EEXIST) /* what an attempt put whose answer was lost */
		return r;
	r = s3_try(s, &t, &a, NULL, err);
	return r == -EEXIST ? 1 : r;
}

static bool writer_is_exclusive(struct s3 *s, struct err *err, int *r)
{
	struct s3_session *session;
	bool is;

	*r = s3_session_take(s, &session, err);
	is = *r == 0 && session->writer->exclusive;
	s3_session_drop(session);
	return is;
}

int s3_is_exclusive(struct s3 *s, struct err *err)
{
	uint64_t random[2] = {0};
	OWNED_STR char *key = NULL;
	int r, known;

	pthread_mutex_lock(&s->lock);
	known = s->exclusive;
	pthread_mutex_unlock(&s->lock);
	if (known >= 0)
		return known;
	if (writer_is_exclusive(s, err, &r)) {
		if (getrandom(random, sizeof(random), 0) != sizeof(random) ||
			asprintf(&key, "%s.freshet-probe-%016llx%016llx", s->prefix,
				(unsigned long long)random[0], (unsigned long long)random[1]) < 0)
			return err_set(err, -ENOMEM, "out of memory");
		r = try_twice(s, key, err);
		s3_remove(s, key, NULL);
	}
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->lock);
	s->exclusive = r;
	pthread_mutex_unlock(&s->lock);
	return r;
}
