/* SPDX-License-Identifier: Apache-2.0 */
/* A picture of many keys at once, from few requests: a page has a thousand keys, wherever in the tree they lie. */
#include <stdio.h>

#include "store_s3.h"

struct survey {
	struct store base;
	struct s3_listing keys; /* whole ones of the feed, in order */
};

/* The first key that is not before `at`. */
static size_t lower_bound(const struct survey *v, struct slice at)
{
	const struct s3_entry *e = (const struct s3_entry *)v->keys.entries.data;
	size_t low = 0, high = v->keys.entries.len / sizeof(*e);

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (slice_cmp(e[mid].key, at) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Passes over all keys below a directory: '0' comes right behind '/'. */
static size_t behind_dir(const struct survey *v, struct slice dir)
{
	OWNED_BUF end = {0};

	buf_add_slice(&end, dir);
	buf_add_byte(&end, '/' + 1);
	return end.failed ? SIZE_MAX : lower_bound(v, buf_slice(&end));
}

/* The names in a directory, from its keys. */
static int collect(const struct survey *v, struct slice prefix, struct buf *out)
{
	const struct s3_entry *e = (const struct s3_entry *)v->keys.entries.data;
	size_t count = v->keys.entries.len / sizeof(*e);

	for (size_t i = lower_bound(v, prefix); i < count && slice_starts(e[i].key, prefix);) {
		const char *rest = e[i].key.data + prefix.len;
		size_t len = strcspn(rest, "/");
		struct s3_entry name = {slice_of(rest, len), e[i].st};

		if (rest[len]) {
			name.st = (struct store_stat){.is_dir = true};
			i = behind_dir(v, slice_of(e[i].key.data, prefix.len + len));
		} else {
			i++;
		}
		buf_add(out, &name, sizeof(name));
		if (out->failed || i == SIZE_MAX)
			return -ENOMEM;
	}
	return 0;
}

static int survey_list(struct store *s, const char *dir, store_entry_fn *fn, void *ctx, struct err *err)
{
	const struct survey *v = (const struct survey *)s;
	OWNED_BUF prefix = {0}, names = {0};
	int r;

	buf_addf(&prefix, "%s%s", dir, *dir ? "/" : "");
	r = prefix.failed ? -ENOMEM : collect(v, buf_slice(&prefix), &names);
	if (r < 0)
		return err_set(err, r, "out of memory");
	if (!names.len && *dir)
		return err_set(err, -ENOENT, "there is nothing below it");
	return store_s3_hand_out(&names, fn, ctx);
}

static void survey_free(struct store *s)
{
	struct survey *v = (struct survey *)s;

	s3_listing_release(&v->keys);
	free(v);
}

static const struct store_ops survey_ops = {.list = survey_list, .free = survey_free};

/* How much of both paths is the same directory. */
static size_t common_dir(const char *a, const char *b)
{
	size_t common = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			common = i + 1;
	return common;
}

int store_s3_survey(struct store *s, const char *first, const char *last, struct store **out, struct err *err)
{
	const struct s3_store *st = store_s3_of(s);
	const char *root = s3_prefix(st->s3);
	OWNED_BUF prefix = {0}, after = {0}, until = {0};
	struct survey *v = calloc(1, sizeof(*v));
	struct s3_list l = {.flat = true};
	int r;

	*out = NULL;
	if (v)
		v->base.url = strdup(s->url);
	buf_addf(&prefix, "%s%.*s", root, (int)common_dir(first, last), first);
	buf_addf(&after, "%s%s", root, first);
	buf_addf(&until, "%s%s%c", root, last, '/' + 1);
	if (!v || !v->base.url || prefix.failed || after.failed || until.failed) {
		free(v ? v->base.url : NULL);
		free(v);
		return err_set(err, -ENOMEM, "out of memory");
	}
	v->base.ops = &survey_ops;
	l.prefix = buf_cstr(&prefix);
	l.after = *first ? buf_cstr(&after) : NULL;
	r = store_s3_list_all(st, &l, *last ? buf_cstr(&until) : NULL, strlen(root), &v->keys, err);
	if (r < 0)
		store_free(&v->base);
	else
		*out = &v->base;
	return r;
}
