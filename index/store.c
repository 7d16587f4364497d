/* SPDX-License-Identifier: Apache-2.0 */
/* What every driver has in common: the form of paths is checked here, and here errors learn which object
 * they are about, so that drivers only say what went wrong. */
#include "store.h"

#include <unistd.h>

#include "name.h"

#define GET_CHUNK (64u << 10)
#define SHOWN_MAX 400 /* bytes of an url or path in a message: the reason behind it must still fit */

static void show(struct buf *out, struct slice raw)
{
	if (raw.len <= SHOWN_MAX) {
		name_print(raw, out);
		return;
	}
	name_print(slice_of(raw.data, SHOWN_MAX / 2), out);
	buf_add_str(out, "[...]");
	name_print(slice_of(raw.data + raw.len - SHOWN_MAX / 2, SHOWN_MAX / 2), out);
}

/* Puts the url and path in front of the message. */
static int at_path(const struct store *s, const char *path, int code, struct err *err)
{
	OWNED_BUF where = {0};

	show(&where, slice_str(s->url));
	if (*path) {
		if (where.len && where.data[where.len - 1] != '/')
			buf_add_byte(&where, '/');
		show(&where, slice_str(path));
	}
	return err_context(err, code, "%s", buf_cstr(&where));
}

static int check_path(const char *path, struct err *err)
{
	size_t len = strlen(path);

	if (len >= STORE_PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "a path of %zu bytes is too long (the most is %d)", len,
			STORE_PATH_MAX - 1);
	for (const char *p = path; len; p++) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return err_set(
				err, -EINVAL, "not a path within a feed: a component is empty, . or ..");
		p += n;
		if (!*p)
			break;
	}
	return 0;
}

static void moved(const struct store *s)
{
	if (s->moved)
		s->moved();
}

void store_watch(struct store *s, void (*fn)(void))
{
	s->moved = fn;
}

ssize_t store_body_read(const struct store_body *body, uint64_t at, void *to, size_t len)
{
	ssize_t n;

	if (len > body->size - at)
		len = (size_t)(body->size - at);
	if (!len)
		return 0;
	if (body->of)
		moved(body->of);
	if (body->fd < 0) {
		memcpy(to, body->bytes.data + at, len);
		return (ssize_t)len;
	}
	do
		n = pread(body->fd, to, len, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n > 0 ? n : n < 0 ? -errno : -ESTALE;
}

static int open_dir(struct store **out, const char *path, bool late, struct err *err)
{
	return (late ? store_dir_open_late : store_dir_open)(out, path, err);
}

static int open_url(struct store **out, const char *url, const struct config *cfg, bool late, struct err *err)
{
	const char *colon = strstr(url, "://");

	*out = NULL;
	if (!*url)
		return err_set(err, -EINVAL, "the url is empty: give a directory, or s3://BUCKET/PREFIX");
	if (!strncmp(url, "file://", 7))
		return open_dir(out, url + 7, late, err);
	if (!strncmp(url, "s3://", 5))
		return store_s3_open(out, url, cfg, late, err);
	/* A directory may well have "://" somewhere in its name, but a scheme has no '/' before it. */
	if (colon && !memchr(url, '/', (size_t)(colon - url)))
		return err_set(err, -EINVAL,
			"%s: unknown kind of url: give a directory, file://PATH or s3://BUCKET/PREFIX", url);
	return open_dir(out, url, late, err);
}

int store_open(struct store **out, const char *url, const struct config *cfg, struct err *err)
{
	return open_url(out, url, cfg, false, err);
}

int store_open_late(struct store **out, const char *url, const struct config *cfg, struct err *err)
{
	return open_url(out, url, cfg, true, err);
}

int store_renew(struct store *s, struct err *err)
{
	int r = s->ops->renew ? s->ops->renew(s, err) : 0;

	moved(s);
	return r < 0 ? at_path(s, "", r, err) : r;
}

void store_free(struct store *s)
{
	char *url;

	if (!s)
		return;
	url = s->url;
	s->ops->free(s);
	free(url);
}

struct list_call {
	const struct store *store;
	store_entry_fn *fn;
	void *ctx;
	bool ended; /* by fn: its value goes through untouched */
};

static int list_entry(void *ctx, struct slice name, const struct store_stat *st)
{
	struct list_call *call = ctx;
	int r = call->fn(call->ctx, name, st);

	moved(call->store);
	call->ended = r != 0;
	return r;
}

int store_list(struct store *s, const char *dir, store_entry_fn *fn, void *ctx, struct err *err)
{
	struct list_call call = {s, fn, ctx, false};
	int r = check_path(dir, err);

	if (r == 0)
		r = s->ops->list(s, dir, list_entry, &call, err);
	moved(s);
	return r < 0 && !call.ended ? at_path(s, dir, r, err) : r;
}

int store_survey(struct store *s, const char *first, const char *last, struct store **out, struct err *err)
{
	int r = 0;

	*out = s;
	if (s->ops->survey)
		r = s->ops->survey(s, first, last, out, err);
	moved(s);
	return r < 0 ? at_path(s, "", r, err) : r;
}

void store_survey_end(struct store *s, struct store *survey)
{
	if (survey != s)
		store_free(survey);
}

int store_head(struct store *s, const char *path, struct store_stat *out, struct err *err)
{
	int r = check_path(path, err);

	if (r == 0)
		r = s->ops->head(s, path, out, err);
	moved(s);
	return r < 0 ? at_path(s, path, r, err) : r;
}

int store_open_file(struct store *s, const char *path, struct store_file **out, struct err *err)
{
	OWNED_STR char *kept = NULL;
	int r;

	*out = NULL;
	r = check_path(path, err);
	if (r < 0)
		return at_path(s, path, r, err);
	kept = strdup(path);
	if (!kept)
		return at_path(s, path, err_set(err, -ENOMEM, "out of memory"), err);
	r = s->ops->open(s, path, out, err);
	moved(s);
	if (r < 0)
		return at_path(s, path, r, err);
	(*out)->store = s;
	(*out)->path = steal(&kept);
	return 0;
}

int64_t store_read(struct store_file *f, uint64_t offset, void *to, size_t len, struct err *err)
{
	int64_t n;

	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return at_path(f->store, f->path, err_set(err, -EINVAL, "cannot read past 2^63 bytes"), err);
	n = f->store->ops->read(f, offset, to, len, err);
	moved(f->store);
	return n < 0 ? at_path(f->store, f->path, (int)n, err) : n;
}

int store_stat_file(struct store_file *f, struct store_stat *out, struct err *err)
{
	int r = f->store->ops->stat(f, out, err);

	return r < 0 ? at_path(f->store, f->path, r, err) : r;
}

void store_close(struct store_file *f)
{
	char *path;

	if (!f)
		return;
	path = f->path;
	f->store->ops->close(f);
	free(path);
}

static int read_all(struct store_file *f, size_t max, struct buf *out, struct err *err)
{
	size_t before = out->len;

	for (;;) {
		char *to = buf_reserve(out, GET_CHUNK);
		int64_t n;

		if (!to)
			return at_path(f->store, f->path, err_set(err, -ENOMEM, "out of memory"), err);
		n = store_read(f, out->len - before, to, GET_CHUNK, err);
		if (n <= 0)
			return (int)n;
		out->len += (size_t)n;
		if (out->len - before > max)
			return at_path(f->store, f->path,
				err_set(err, -EFBIG, "is larger than %zu bytes, and should not be", max),
				err);
	}
}

int store_get(struct store *s, const char *path, size_t max, struct buf *out, struct err *err)
{
	struct store_file *f;
	int r = store_open_file(s, path, &f, err);

	if (r < 0)
		return r;
	r = read_all(f, max, out, err);
	store_close(f);
	return r;
}

int store_put(
	struct store *s, const char *path, const struct store_body *body, enum store_put how, struct err *err)
{
	int r = *path ? check_path(path, err) : err_set(err, -EISDIR, "is a directory");
	struct store_body own = *body;

	own.of = s;
	if (r == 0)
		r = s->ops->put ? s->ops->put(s, path, &own, how, err)
				: err_set(err, -ENOTSUP, "cannot be written to");
	moved(s);
	return r < 0 ? at_path(s, path, r, err) : r;
}

int store_remove(struct store *s, const char *path, struct err *err)
{
	int r = *path ? check_path(path, err) : err_set(err, -EISDIR, "is a directory");

	if (r == 0)
		r = s->ops->remove ? s->ops->remove(s, path, err)
				   : err_set(err, -ENOTSUP, "cannot be written to");
	moved(s);
	return r < 0 ? at_path(s, path, r, err) : r;
}

int store_is_exclusive(struct store *s, struct err *err)
{
	int r = s->ops->is_exclusive ? s->ops->is_exclusive(s, err) : 1;

	moved(s);
	return r < 0 ? at_path(s, "", r, err) : r;
}

int store_sweep(struct store *s, const char *dir, int64_t before, struct err *err)
{
	int r = check_path(dir, err);

	if (r == 0 && s->ops->sweep)
		r = s->ops->sweep(s, dir, before, err);
	moved(s);
	return r < 0 ? at_path(s, dir, r, err) : r;
}
