/* SPDX-License-Identifier: Apache-2.0 */
/* A feed in a bucket of S3. Keys with '/' in them are taken for paths; those that are no paths (an empty component, "." or "..") are not
 * there, and where a key is also the beginning of others, the directory hides it. */
#include "store_s3.h"

#include <stdio.h>

#include "timefmt.h"

#define ENTRIES_MAX (4u << 20) /* of one listing: what it may hold in memory */

char *store_s3_key(const struct s3_store *st, const char *path)
{
	char *key = NULL;

	return asprintf(&key, "%s%s", s3_prefix(st->s3), path) < 0 ? NULL : key;
}

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* ---- listings ---- */

/* Is that a path, so that it can be asked for? */
static bool is_path(struct slice rest)
{
	for (size_t i = 0; i <= rest.len;) {
		size_t n = 0;

		while (i + n < rest.len && rest.data[i + n] != '/')
			n++;
		if (n == 0 || (n <= 2 && !memcmp(rest.data + i, "..", n)))
			return false;
		i += n + 1;
	}
	return true;
}

static int add_page(struct s3_listing *l, const struct s3_page *page, size_t prefix_len, struct err *err)
{
	const struct s3_entry *e = (const struct s3_entry *)page->entries.data;

	for (size_t i = 0; i < page->entries.len / sizeof(*e); i++) {
		struct slice rest = slice_of(e[i].key.data + prefix_len, e[i].key.len - prefix_len);
		struct s3_entry kept = {.st = e[i].st};

		if (e[i].st.is_dir)
			rest.len--; /* the '/' */
		if (!is_path(rest))
			continue;
		if (l->entries.len / sizeof(kept) >= ENTRIES_MAX)
			return err_set(err, -EFBIG, "more than %u keys in one listing", ENTRIES_MAX);
		kept.key = arena_dup(&l->arena, rest);
		buf_add(&l->entries, &kept, sizeof(kept));
		if (!kept.key.data || l->entries.failed)
			return out_of_memory(err);
	}
	return 0;
}

/* The greatest key of a page, in its own memory. */
static int page_end(const struct s3_page *page, struct buf *behind)
{
	const struct s3_entry *e = (const struct s3_entry *)page->entries.data;
	struct slice last = slice_of(NULL, 0);

	for (size_t i = 0; i < page->entries.len / sizeof(*e); i++)
		if (slice_cmp(e[i].key, last) > 0)
			last = e[i].key;
	buf_clear(behind);
	buf_add_slice(behind, last);
	return buf_error(behind);
}

static bool is_past(const struct buf *behind, const char *until)
{
	return until && slice_cmp(buf_slice(behind), slice_str(until)) > 0;
}

int store_s3_list_all(const struct s3_store *st, const struct s3_list *first, const char *until,
	size_t prefix_len, struct s3_listing *out, struct err *err)
{
	OWNED_BUF behind = {0}, next = {0};
	struct s3_list l = *first;
	struct s3_page page = {0};
	int r;

	l.max = S3_PAGE_KEYS;
	do {
		r = s3_list(st->s3, &l, behind.len ? buf_cstr(&behind) : NULL, &page, err);
		if (r < 0)
			break;
		r = add_page(out, &page, prefix_len, err);
		if (r == 0 && page_end(&page, &behind) < 0)
			r = out_of_memory(err);
		buf_clear(&next);
		buf_add_slice(&next, page.next);
		l.next = page.truncated && !is_past(&behind, until) ? buf_cstr(&next) : NULL;
		s3_page_release(&page);
	} while (r == 0 && l.next);
	return r;
}

void s3_listing_release(struct s3_listing *l)
{
	arena_release(&l->arena);
	buf_release(&l->entries);
}

static int entry_cmp(const void *a, const void *b)
{
	const struct s3_entry *x = a, *y = b;
	int c = slice_cmp(x->key, y->key);

	return c ? c : y->st.is_dir - x->st.is_dir;
}

int store_s3_hand_out(struct buf *entries, store_entry_fn *fn, void *ctx)
{
	struct s3_entry *e = (struct s3_entry *)entries->data;
	size_t count = entries->len / sizeof(*e);
	int r = 0;

	if (count)
		qsort(e, count, sizeof(*e), entry_cmp);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (!i || !slice_eq(e[i].key, e[i - 1].key))
			r = fn(ctx, e[i].key, &e[i].st);
	return r;
}

/* A directory is there where something is below it; the root always is. */
static int s3_store_list(struct store *s, const char *dir, store_entry_fn *fn, void *ctx, struct err *err)
{
	const struct s3_store *st = store_s3_of(s);
	OWNED_STR char *key = store_s3_key(st, dir);
	OWNED_BUF prefix = {0};
	struct s3_listing l = {0};
	struct s3_list first;
	int r;

	buf_addf(&prefix, "%s%s", key ? key : "", *dir ? "/" : "");
	if (!key || prefix.failed)
		return out_of_memory(err);
	first = (struct s3_list){.prefix = buf_cstr(&prefix)};
	r = store_s3_list_all(st, &first, NULL, prefix.len, &l, err);
	if (r == 0 && *dir && !l.entries.len)
		r = err_set(err, -ENOENT, "there is nothing below it");
	if (r == 0)
		r = store_s3_hand_out(&l.entries, fn, ctx);
	s3_listing_release(&l);
	return r;
}

/* ---- objects ---- */

static int is_dir(const struct s3_store *st, const char *key, struct err *err)
{
	OWNED_BUF prefix = {0};
	struct s3_page page = {0};
	struct s3_list l = {.max = 1, .flat = true};
	int r;

	buf_addf(&prefix, "%s/", key);
	l.prefix = buf_cstr(&prefix);
	r = s3_list(st->s3, &l, NULL, &page, err);
	if (r == 0)
		r = page.entries.len > 0;
	s3_page_release(&page);
	return r;
}

static int s3_store_head(struct store *s, const char *path, struct store_stat *out, struct err *err)
{
	const struct s3_store *st = store_s3_of(s);
	OWNED_STR char *key = store_s3_key(st, path);
	struct s3_answer a;
	int r, dir;

	if (!key)
		return out_of_memory(err);
	*out = (struct store_stat){.is_dir = true};
	if (!*path)
		return s3_probe(st->s3, err);
	r = s3_head(st->s3, key, &a, err);
	if (r == 0)
		s3_stat(out, a.size, a.modified, a.etag);
	if (r != -ENOENT)
		return r;
	dir = is_dir(st, key, err);
	return dir > 0 ? 0 : dir < 0 ? dir : r;
}

static int s3_store_put(
	struct store *s, const char *path, const struct store_body *body, enum store_put how, struct err *err)
{
	const struct s3_store *st = store_s3_of(s);
	OWNED_STR char *key = store_s3_key(st, path);
	int r = how == STORE_NEW ? s3_is_exclusive(st->s3, err) : 1;
	struct store_stat there;

	if (r < 0)
		return r;
	if (!key)
		return out_of_memory(err);
	/* Where nothing better is to be had, whoever comes later at least does not overwrite. */
	if (r == 0) {
		int found = s3_store_head(s, path, &there, err);

		if (found != -ENOENT)
			return found < 0 ? found : err_set(err, -EEXIST, "there is an object already");
	}
	return s3_put(st->s3, key, body, r ? how : STORE_REPLACE, err);
}

static int s3_store_remove(struct store *s, const char *path, struct err *err)
{
	OWNED_STR char *key = store_s3_key(store_s3_of(s), path);

	return key ? s3_remove(store_s3_of(s)->s3, key, err) : out_of_memory(err);
}

static int s3_store_sweep(struct store *s, const char *dir, int64_t before, struct err *err)
{
	OWNED_STR char *key = store_s3_key(store_s3_of(s), dir);
	OWNED_STR char *prefix = NULL;

	if (!key || asprintf(&prefix, "%s%s", key, *dir ? "/" : "") < 0)
		return out_of_memory(err);
	return s3_sweep(store_s3_of(s)->s3, prefix, before, err);
}

static int s3_store_is_exclusive(struct store *s, struct err *err)
{
	return s3_is_exclusive(store_s3_of(s)->s3, err);
}

static void s3_store_free(struct store *s)
{
	struct s3_store *st = store_s3_of(s);

	s3_fetchers_free(st->fetchers);
	s3_free(st->s3);
	free(st);
}

static const struct store_ops s3_ops = {
	.list = s3_store_list,
	.head = s3_store_head,
	.open = s3_file_open,
	.read = s3_file_read,
	.stat = s3_file_stat,
	.close = s3_file_close,
	.put = s3_store_put,
	.remove = s3_store_remove,
	.is_exclusive = s3_store_is_exclusive,
	.sweep = s3_store_sweep,
	.survey = store_s3_survey,
	.free = s3_store_free,
};

/* See s3_place.c: such a url is in no message. */
static bool has_credentials(const char *url)
{
	const char *end = strpbrk(url + strlen("s3://"), "@/");

	return end && *end == '@';
}

int store_s3_open(struct store **out, const char *url, const struct config *cfg, bool late, struct err *err)
{
	OWNED(config) struct config *defaults = NULL;
	struct s3_store *st = calloc(1, sizeof(*st));
	int r = cfg ? 0 : config_new(&defaults, err);

	*out = NULL;
	if (st)
		st->base.url = strdup(url);
	if (r == 0 && (!st || !st->base.url || s3_fetchers_new(&st->fetchers) < 0))
		r = out_of_memory(err);
	if (r == 0)
		r = s3_open(&st->s3, url, cfg ? cfg : defaults, err);
	if (r == 0 && !late)
		r = s3_probe(st->s3, err);
	if (r < 0) {
		if (st) {
			free(st->base.url);
			s3_fetchers_free(st->fetchers);
			s3_free(st->s3);
		}
		free(st);
		return has_credentials(url) ? r : err_context(err, r, "%s", url);
	}
	st->base.ops = &s3_ops;
	*out = &st->base;
	return 0;
}
