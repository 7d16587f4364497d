/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: within a session, and in another one where its credentials are refused and others are there. */
#include "s3_private.h"

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
