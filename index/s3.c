/* SPDX-License-Identifier: Apache-2.0 */
/* Trying again, and what came of it. */
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "s3_private.h"
#include "timefmt.h"

#define PAUSE_MIN (50 * (TIME_SECOND / 1000))
#define PAUSE_MAX (5 * TIME_SECOND)
#define NAP (20 * (TIME_SECOND / 1000))
#define TIMEOUT_MIN (TIME_SECOND / 1000) /* none, or less than what is counted in, would be without end */

static bool is_stopped(const atomic_bool *stop)
{
	return stop && atomic_load(stop);
}

/* Between half and all of a pause that doubles, so that many who failed at once do not come back at once. */
static int64_t pause_after(unsigned attempt)
{
	int64_t most = PAUSE_MIN << (attempt < 8 ? attempt : 8);
	uint64_t random = 0;

	if (most > PAUSE_MAX)
		most = PAUSE_MAX;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint64_t)time_monotonic();
	return most / 2 + (int64_t)(random % (uint64_t)(most / 2));
}

static void nap(int64_t until, const atomic_bool *stop)
{
	for (int64_t left; !is_stopped(stop) && (left = until - time_monotonic()) > 0;) {
		struct timespec ts = {.tv_nsec = left < NAP ? left : NAP};

		nanosleep(&ts, NULL);
	}
}

static bool is_worth_another(enum s3_outcome o)
{
	return o == S3_AGAIN || o == S3_SKEWED;
}

static struct s3_wire *wire_for(const struct s3_session *session, const struct s3_try *t)
{
	bool cannot = session->reader->no_blanks && t->key && strchr(t->key, ' ');

	return t->writes || cannot ? session->writer : session->reader;
}

unsigned s3_try_with(const struct s3_session *session, const struct s3_try *t, int64_t timeout, unsigned n,
	struct s3_answer *a)
{
	struct s3_call call = {.key = t->key, .stop = t->stop};
	struct s3_wire *wire = wire_for(session, t);
	int64_t deadline = time_add(time_monotonic(), timeout), next;

	for (;;) {
		call.timeout = deadline - time_monotonic();
		if (call.timeout < TIMEOUT_MIN)
			call.timeout = TIMEOUT_MIN;
		t->attempt(wire, &call, t->ctx, a);
		n++;
		/* libs3 goes by this host's clock, which may have been set meanwhile: the writer finds out. */
		if ((a->outcome == S3_DENIED || a->outcome == S3_SKEWED) && wire != session->writer &&
			n < S3_ATTEMPTS) {
			wire = session->writer;
			continue;
		}
		next = time_add(time_monotonic(), pause_after(n));
		if (!is_worth_another(a->outcome) || n == S3_ATTEMPTS || next >= deadline ||
			is_stopped(t->stop))
			return n;
		nap(next, t->stop);
	}
}

int s3_try(struct s3 *s, const struct s3_try *t, struct s3_answer *a, unsigned *attempts, struct err *err)
{
	struct s3_session *session;
	unsigned n = 0;
	int r;

	for (bool renewed = false;;) {
		r = s3_session_take(s, &session, err);
		if (r < 0)
			return r;
		n = s3_try_with(session, t, s->timeout, n, a);
		if (a->outcome != S3_DENIED || renewed || n == S3_ATTEMPTS || !s3_session_renew(s, session))
			break;
		s3_session_drop(session);
		renewed = true;
	}
	s3_session_drop(session);
	if (attempts)
		*attempts = n;
	return s3_failure(t, a, n, err);
}

/* "503 SlowDown: Please reduce your request rate", or what is known of that. */
static void describe(const struct s3_answer *a, char out[512])
{
	if (a->status)
		snprintf(out, 512, "%d%s%s%s%s", a->status, *a->code ? " " : "", a->code,
			*a->text ? ": " : "", a->text);
	else
		snprintf(out, 512, "%s", *a->text ? a->text : "no answer");
}

int s3_failure(const struct s3_try *t, const struct s3_answer *a, unsigned attempts, struct err *err)
{
	char said[512], times[48] = "";

	describe(a, said);
	if (attempts > 1)
		snprintf(times, sizeof(times), " (after %u attempts)", attempts);
	switch (a->outcome) {
	case S3_DONE:
		return 0;
	case S3_MISSING:
		return err_set(err, -ENOENT, t->key ? "there is no such object" : "there is no such bucket");
	case S3_DENIED:
		return err_set(err, -EACCES,
			"%s was refused: %s%s; check the credentials (AWS_ACCESS_KEY_ID …, or the profile) and what they allow",
			t->what, said, times);
	case S3_CHANGED:
		return t->writes ? err_set(err, -EEXIST, "there is an object already")
				 : err_set(err, -ESTALE, "another version of the object is there now");
	case S3_STOPPED:
		return err_set(err, -ECANCELED, "%s was stopped", t->what);
	default:
		return err_set(err, -EIO, "%s failed: %s%s", t->what, said, times);
	}
}

/* ---- calls ---- */

struct list_try {
	const struct s3_list *list;
	const char *behind, *prefix;
	struct s3_page *page;
};

/* The order is S3's: bytewise by key, objects and common prefixes each; what breaks it is a page of something else. */
static const char *disorder(const struct list_try *t)
{
	const struct s3_entry *e = (const struct s3_entry *)t->page->entries.data;
	size_t count = t->page->entries.len / sizeof(*e);
	struct slice last[2], after = slice_str(t->behind ? t->behind : t->list->after ? t->list->after : "");

	last[0] = last[1] = after;
	if (count > 2 * S3_PAGE_KEYS)
		return "the listing has more keys than were asked for";
	for (size_t i = 0; i < count; i++) {
		struct slice *before = &last[e[i].st.is_dir];

		if (!slice_starts(e[i].key, slice_str(t->prefix)) ||
			(e[i].st.is_dir && (t->list->flat || e[i].key.len == strlen(t->prefix))))
			return "the listing has keys that were not asked for";
		if (before->len && slice_cmp(e[i].key, *before) <= 0 &&
			!(e[i].st.is_dir && before->len > e[i].key.len && slice_starts(*before, e[i].key)))
			return "the listing is not in order, or has a key twice";
		*before = e[i].key;
	}
	return t->page->truncated && !count ? "the listing does not go on, and does not end" : NULL;
}

static void list_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	struct list_try *t = ctx;
	const char *wrong;

	s3_page_release(t->page);
	wire->ops->list(wire, call, t->list, t->page, a);
	wrong = a->outcome == S3_DONE ? disorder(t) : NULL;
	if (!wrong)
		return;
	a->outcome = S3_AGAIN;
	a->status = 0;
	s3_text_set(a->text, sizeof(a->text), slice_str(wrong));
}

int s3_list(struct s3 *s, const struct s3_list *l, const char *behind, struct s3_page *page, struct err *err)
{
	struct list_try ctx = {l, behind, l->prefix, page};
	struct s3_try t = {.what = "LIST", .writes = true, .attempt = list_attempt, .ctx = &ctx};
	struct s3_answer a;
	int r = s3_try(s, &t, &a, NULL, err);

	if (r < 0)
		s3_page_release(page);
	return r;
}

static void head_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	(void)ctx;
	wire->ops->head(wire, call, a);
}

int s3_head(struct s3 *s, const char *key, struct s3_answer *a, struct err *err)
{
	struct s3_try t = {.what = "HEAD", .key = key, .attempt = head_attempt};

	return s3_try(s, &t, a, NULL, err);
}

static void get_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	wire->ops->get(wire, call, ctx, a);
}

int s3_get(struct s3 *s, const char *key, const struct s3_range *range, const atomic_bool *stop, bool *opaque,
	struct err *err)
{
	struct s3_range ctx = *range;
	struct s3_try t = {.what = "GET", .key = key, .attempt = get_attempt, .ctx = &ctx, .stop = stop};
	struct s3_answer a;
	int r = s3_try(s, &t, &a, NULL, err);

	if (r == 0 && opaque)
		*opaque = a.etag_is_opaque;
	return r;
}

static void remove_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	(void)ctx;
	wire->ops->remove(wire, call, a);
}

int s3_remove(struct s3 *s, const char *key, struct err *err)
{
	struct s3_try t = {.what = "DELETE", .key = key, .writes = true, .attempt = remove_attempt};
	struct s3_answer a;
	int r = s3_try(s, &t, &a, NULL, err);

	return r == -ENOENT ? 0 : r;
}
