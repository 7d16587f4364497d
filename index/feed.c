/* SPDX-License-Identifier: Apache-2.0 */
/* A listing walks the template's levels, looking only where a wanted partition can be, and then each
 * partition to its leaves. Names are the producers' to choose: one that means nothing is passed over. */
#include "feed.h"

#include "digest.h"

struct lister {
	struct store *store; /* or what was surveyed of it */
	const struct template *template;
	const struct config *cfg;
	int64_t from, to;
	struct arena *arena;   /* of the listing: all paths and files */
	struct buf partitions; /* of struct feed_partition */
	struct buf dirs;       /* of struct slice */
	struct buf files;      /* of struct feed_file: of the partition being looked at */
	struct err *err;
};

static int out_of_memory(const struct lister *l)
{
	return err_set(l->err, -ENOMEM, "out of memory while listing the feed");
}

static bool is_hidden(struct slice component)
{
	return component.len && (component.data[0] == '_' || component.data[0] == '.');
}

/* Takes `ending` off the name; something must be left of it. */
static bool take_ending(struct slice *name, const char *ending)
{
	size_t n = strlen(ending);

	if (name->len <= n || memcmp(name->data + name->len - n, ending, n) != 0)
		return false;
	name->len -= n;
	return true;
}

enum feed_format feed_format_of(struct slice path, enum feed_packing *packing)
{
	struct slice name = path;

	for (size_t i = 0; i < path.len; i++) {
		if (path.data[i] != '/')
			continue;
		if (is_hidden(name))
			return FORMAT_NONE;
		name = slice_of(path.data + i + 1, path.len - i - 1);
	}
	if (is_hidden(name))
		return FORMAT_NONE;
	*packing = take_ending(&name, ".zst")  ? PACKING_ZSTD
		   : take_ending(&name, ".gz") ? PACKING_GZIP
					       : PACKING_NONE;
	if (take_ending(&name, ".jsonl") || take_ending(&name, ".ndjson") || take_ending(&name, ".json"))
		return FORMAT_JSONL;
	if (*packing == PACKING_NONE && take_ending(&name, ".parquet"))
		return FORMAT_PARQUET;
	return FORMAT_NONE;
}

/* "dir/name", or "name" in the root. data is NULL when memory is out. */
static struct slice path_join(struct arena *a, struct slice dir, struct slice name)
{
	size_t at = dir.len ? dir.len + 1 : 0, len = at + name.len;
	char *p = arena_alloc(a, len + 1);

	if (!p)
		return slice_of(NULL, 0);
	if (dir.len) {
		memcpy(p, dir.data, dir.len);
		p[dir.len] = '/';
	}
	if (name.len)
		memcpy(p + at, name.data, name.len);
	p[len] = '\0';
	return slice_of(p, len);
}

/* Producers and their clean-up jobs work while we look. What went away, or became something else, between
 * being listed and being looked into is as if it had gone before. */
static bool has_vanished(int code)
{
	return code == -ENOENT || code == -ENOTDIR || code == -ELOOP;
}

/* Lists `dir`; 1 when it was there, 0 when it has vanished. The root must be there. */
static int look_into(struct lister *l, struct slice dir, store_entry_fn *fn, void *ctx)
{
	int r = store_list(l->store, dir.data, fn, ctx, l->err);

	if (r < 0 && dir.len && has_vanished(r)) {
		err_set(l->err, 0, "%s", "");
		return 0;
	}
	if (r < 0)
		return r;
	buf_add(&l->dirs, &dir, sizeof(dir));
	return l->dirs.failed ? out_of_memory(l) : 1;
}

/* Inside a partition. */

struct scan {
	struct lister *lister;
	struct slice root;  /* the partition's path */
	struct slice dir;   /* the directory being listed, in the feed */
	struct buf subdirs; /* of struct slice: of this directory */
	unsigned depth;     /* 0: the partition itself */
	bool has_marker;    /* set by depth 0 */
};

static int scan_file(struct scan *s, struct slice path, const struct store_stat *st)
{
	struct lister *l = s->lister;
	struct feed_file f = {path, st->size, st->mtime, st->ctime};
	enum feed_packing packing;

	if (feed_format_of(path, &packing) == FORMAT_NONE)
		return 0;
	if (l->files.len / sizeof(f) >= FEED_FILES_MAX)
		return err_set(l->err, -EFBIG, "%s: partition %s has more than %u data files", l->store->url,
			s->root.data, FEED_FILES_MAX);
	buf_add(&l->files, &f, sizeof(f));
	return l->files.failed ? out_of_memory(l) : 0;
}

static int scan_entry(void *ctx, struct slice name, const struct store_stat *st)
{
	struct scan *s = ctx;
	struct lister *l = s->lister;
	struct slice path;

	if (s->depth == 0 && !st->is_dir && slice_eq(name, slice_str(l->cfg->marker))) {
		s->has_marker = true;
		return 0;
	}
	if (is_hidden(name))
		return 0;
	path = path_join(l->arena, s->dir, name);
	if (!path.data)
		return out_of_memory(l);
	if (!st->is_dir) {
		size_t skip = s->root.len + 1;

		return scan_file(s, slice_of(path.data + skip, path.len - skip), st);
	}
	buf_add(&s->subdirs, &path, sizeof(path));
	return s->subdirs.failed ? out_of_memory(l) : 0;
}

/* Lists the directory of `s` and those below it. 1, or 0 when it has vanished. */
static int scan_dir(struct scan *s)
{
	struct lister *l = s->lister;
	const struct slice *sub;
	int r;

	if (s->depth > FEED_DEPTH_MAX)
		return err_set(l->err, -EFBIG, "%s: partition %s has directories more than %u deep",
			l->store->url, s->root.data, FEED_DEPTH_MAX);
	r = look_into(l, s->dir, scan_entry, s);
	sub = (const struct slice *)s->subdirs.data;
	for (size_t i = 0; r > 0 && i < s->subdirs.len / sizeof(*sub); i++) {
		struct scan below = {.lister = l, .root = s->root, .dir = sub[i], .depth = s->depth + 1};
		int got = scan_dir(&below);

		if (got < 0)
			r = got;
	}
	buf_release(&s->subdirs);
	return r;
}

static int file_cmp(const void *a, const void *b)
{
	return slice_cmp(((const struct feed_file *)a)->path, ((const struct feed_file *)b)->path);
}

/* One encoding for one state: every part has its length or a fixed size. */
static int fingerprint(struct feed_partition *p)
{
	OWNED_BUF b = {0};

	buf_add_varint(&b, p->file_count);
	for (size_t i = 0; i < p->file_count; i++) {
		buf_add_varint(&b, p->files[i].path.len);
		buf_add_slice(&b, p->files[i].path);
		buf_add_le64(&b, p->files[i].size);
		buf_add_le64(&b, (uint64_t)p->files[i].mtime);
		buf_add_le64(&b, (uint64_t)p->files[i].ctime);
	}
	buf_add_byte(&b, p->has_marker);
	if (b.failed)
		return -ENOMEM;
	p->fingerprint = xxh64(buf_slice(&b));
	return 0;
}

static void count_file(struct feed_partition *p, const struct feed_file *f)
{
	p->bytes += f->size;
	if (p->oldest == TIME_NONE || f->mtime < p->oldest)
		p->oldest = f->mtime;
}

/* Sums up what the scan found. */
static int partition_finish(struct lister *l, const struct scan *s, struct feed_partition *p)
{
	size_t size = l->files.len;

	p->oldest = TIME_NONE;
	p->has_marker = s->has_marker;
	p->file_count = size / sizeof(p->files[0]);
	p->files = arena_alloc(l->arena, size ? size : 1);
	if (!p->files)
		return out_of_memory(l);
	if (size) {
		memcpy(p->files, l->files.data, size);
		qsort(p->files, p->file_count, sizeof(p->files[0]), file_cmp);
	}
	for (size_t i = 0; i < p->file_count; i++)
		count_file(p, &p->files[i]);
	return fingerprint(p) < 0 ? out_of_memory(l) : 0;
}

static int partition_scan(struct lister *l, struct slice path, int64_t ts)
{
	struct feed_partition p = {.ts = ts, .path = path};
	struct scan s = {.lister = l, .root = path, .dir = path};
	int r;

	buf_clear(&l->files);
	r = scan_dir(&s);
	if (r <= 0)
		return r;
	r = partition_finish(l, &s, &p);
	if (r < 0)
		return r;
	buf_add(&l->partitions, &p, sizeof(p));
	return l->partitions.failed ? out_of_memory(l) : 0;
}

/* Above the partitions. */

struct walk {
	struct lister *lister;
	struct slice dir;
	unsigned depth;     /* components in `dir` */
	struct buf subdirs; /* of struct slice: those that may lead to a wanted partition */
};

static bool is_wanted(const struct lister *l, struct slice path, unsigned depth)
{
	int64_t from, to;

	if (depth == template_depth(l->template))
		return template_match(l->template, path, &from) && from > l->from && from <= l->to;
	/* The last instant below is to - 1; some instant below must be in (l->from, l->to]. */
	return template_range(l->template, path, &from, &to) && from <= l->to && to - 1 > l->from;
}

static int walk_entry(void *ctx, struct slice name, const struct store_stat *st)
{
	struct walk *w = ctx;
	struct slice path;

	if (!st->is_dir)
		return 0;
	path = path_join(w->lister->arena, w->dir, name);
	if (!path.data)
		return out_of_memory(w->lister);
	if (!is_wanted(w->lister, path, w->depth + 1))
		return 0;
	buf_add(&w->subdirs, &path, sizeof(path));
	return w->subdirs.failed ? out_of_memory(w->lister) : 0;
}

static int walk_dir(struct lister *l, struct slice dir, unsigned depth)
{
	struct walk w = {.lister = l, .dir = dir, .depth = depth};
	const struct slice *sub;
	int64_t ts;
	int r;

	if (depth == template_depth(l->template))
		return template_match(l->template, dir, &ts) ? partition_scan(l, dir, ts) : 0;
	r = look_into(l, dir, walk_entry, &w);
	sub = (const struct slice *)w.subdirs.data;
	for (size_t i = 0; r > 0 && i < w.subdirs.len / sizeof(*sub); i++) {
		int got = walk_dir(l, sub[i], depth + 1);

		if (got < 0)
			r = got;
	}
	buf_release(&w.subdirs);
	return r;
}

static int partition_cmp(const void *a, const void *b)
{
	int64_t x = ((const struct feed_partition *)a)->ts, y = ((const struct feed_partition *)b)->ts;

	return (x > y) - (x < y);
}

/* Copies a collected array to the listing's arena. */
static void *keep(struct lister *l, const struct buf *b)
{
	void *p = arena_alloc(l->arena, b->len ? b->len : 1);

	if (p && b->len)
		memcpy(p, b->data, b->len);
	return p;
}

static int list_keep(struct lister *l, struct listing *out)
{
	out->count = l->partitions.len / sizeof(out->partitions[0]);
	out->dir_count = l->dirs.len / sizeof(out->dirs[0]);
	out->partitions = keep(l, &l->partitions);
	out->dirs = keep(l, &l->dirs);
	if (!out->partitions || !out->dirs)
		return out_of_memory(l);
	if (out->count)
		qsort(out->partitions, out->count, sizeof(out->partitions[0]), partition_cmp);
	return 0;
}

/* The paths of the first and the last partition that are wanted, where these say what lies between them. */
static int survey(struct lister *l, struct store *store)
{
	OWNED_BUF first = {0}, last = {0};

	if (template_is_sorted(l->template) && l->from != TIME_NONE && l->to > l->from) {
		template_format(l->template, l->from, &first);
		template_format(l->template, l->to, &last);
	}
	buf_cstr(&first);
	buf_cstr(&last);
	if (first.failed || last.failed)
		return out_of_memory(l);
	return store_survey(store, buf_cstr(&first), buf_cstr(&last), &l->store, l->err);
}

int feed_list(struct store *store, const struct template *t, const struct config *cfg, int64_t from,
	int64_t to, struct listing *out, struct err *err)
{
	struct lister l = {
		.template = t,
		.cfg = cfg,
		.from = from,
		.to = to,
		.arena = &out->arena,
		.err = err,
	};
	int r;

	*out = (struct listing){0};
	r = survey(&l, store);
	if (r >= 0)
		r = walk_dir(&l, slice_str(""), 0);
	if (r >= 0)
		r = list_keep(&l, out);
	store_survey_end(store, l.store);
	buf_release(&l.partitions);
	buf_release(&l.dirs);
	buf_release(&l.files);
	if (r < 0)
		listing_release(out);
	return r;
}

void listing_release(struct listing *l)
{
	arena_release(&l->arena);
	*l = (struct listing){0};
}
