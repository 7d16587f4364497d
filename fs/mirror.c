/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror.h"

#define STAMP_BYTES 24 /* behind a file's path and a NUL: size, mtime, ctime */

struct slice mirror_path(const struct node *n)
{
	struct slice text = node_text(n);

	if (n->kind == NODE_MIRROR_FILE && text.len > STAMP_BYTES)
		text.len -= STAMP_BYTES + 1;
	return text;
}

static void add_path(const struct mirror *m, struct slice dir, struct slice name, struct buf *out)
{
	buf_add_str(out, m->base);
	if (*m->base && (dir.len || name.len))
		buf_add_byte(out, '/');
	buf_add_slice(out, dir);
	if (dir.len && name.len)
		buf_add_byte(out, '/');
	buf_add_slice(out, name);
}

static void add_stamp(struct buf *text, const struct store_stat *st)
{
	buf_add_byte(text, 0);
	buf_add_le64(text, st->size);
	buf_add_le64(text, (uint64_t)st->mtime);
	buf_add_le64(text, (uint64_t)st->ctime);
}

int mirror_lookup(const struct mirror *m, unsigned place, const struct node *dir, struct slice name,
	struct buf *text, struct inode_key *key, struct inode_parts *parts, struct err *err)
{
	struct slice at = mirror_path(dir);
	OWNED_BUF path = {0};
	struct store_stat st;
	int r;

	if (!m->store)
		return -ENOENT;
	add_path(m, at, name, &path);
	r = store_head(m->store, buf_cstr(&path), &st, err);
	if (r < 0)
		return r;
	buf_clear(text);
	buf_add_slice(text, at);
	if (at.len)
		buf_add_byte(text, '/');
	buf_add_slice(text, name);
	if (!st.is_dir)
		add_stamp(text, &st);
	if (path.failed || text->failed)
		return err_set(err, -ENOMEM, "out of memory");
	*key = (struct inode_key){.kind = st.is_dir ? NODE_MIRROR_DIR : NODE_MIRROR_FILE,
		.place = place,
		.text = buf_slice(text)};
	*parts = (struct inode_parts){
		.fd = -1, .size = st.is_dir ? 0 : st.size, .mtime = st.mtime, .ctime = st.ctime};
	return 0;
}

int mirror_stat_dir(const struct mirror *m, const struct node *dir, struct store_stat *out, struct err *err)
{
	OWNED_BUF path = {0};

	if (!m->store)
		return -ENOENT;
	add_path(m, mirror_path(dir), slice_of(NULL, 0), &path);
	return store_head(m->store, buf_cstr(&path), out, err);
}

static int add_entry(void *ctx, struct slice name, const struct store_stat *st)
{
	struct buf *out = ctx;

	buf_add_byte(out, st->is_dir ? 'd' : 'f');
	buf_add_slice(out, name);
	buf_add_byte(out, 0);
	return buf_error(out);
}

/* rejects/ comes into being with the first reject. A feed that is not there is an error, and no empty directory. */
static bool may_be_missing(const struct mirror *m, const struct node *dir)
{
	return *m->base && !mirror_path(dir).len;
}

int mirror_list(const struct mirror *m, const struct node *dir, struct buf *out, struct err *err)
{
	OWNED_BUF path = {0};
	int r;

	if (!m->store)
		return 0;
	add_path(m, mirror_path(dir), slice_of(NULL, 0), &path);
	r = store_list(m->store, buf_cstr(&path), add_entry, out, err);
	return r == -ENOENT && may_be_missing(m, dir) ? 0 : r;
}

static bool is_as_looked_up(const struct node *file, const struct store_stat *st)
{
	return st->size == file->size && st->mtime == file->mtime && st->ctime == file->ctime;
}

static int read_open(struct store_file *f, const struct node *file, uint64_t offset, size_t len,
	struct buf *out, struct err *err)
{
	struct store_stat st;
	int64_t n;
	char *to;
	int r;

	to = buf_reserve(out, len);
	if (!to)
		return err_set(err, -ENOMEM, "out of memory");
	n = store_read(f, offset, to, len, err);
	if (n < 0)
		return (int)n;
	/* After reading: a change before or meanwhile shows. */
	r = store_stat_file(f, &st, err);
	if (r < 0)
		return r;
	if (!is_as_looked_up(file, &st))
		return err_set(err, -ESTALE, "changed since it was looked up");
	out->len += (size_t)n;
	return 0;
}

int mirror_read(const struct mirror *m, const struct node *file, uint64_t offset, size_t len, struct buf *out,
	struct err *err)
{
	OWNED_BUF path = {0};
	struct store_file *f;
	int r;

	add_path(m, mirror_path(file), slice_of(NULL, 0), &path);
	r = store_open_file(m->store, buf_cstr(&path), &f, err);
	if (r == -ENOENT || r == -EISDIR)
		return -ESTALE; /* what was looked up is gone */
	if (r < 0)
		return r;
	r = read_open(f, file, offset, len, out, err);
	store_close(f);
	return r;
}
