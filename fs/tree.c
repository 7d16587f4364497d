/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"
#include "tree_private.h"

/* --- what stays --- */

/* Directories that stay are held by one lookup that is never taken back. */
static int plant(struct tree *t, enum node_kind kind, unsigned place)
{
	struct inode_parts parts = {.fd = -1, .mtime = t->started, .ctime = t->started};
	struct inode_key key = {.kind = kind, .place = place};

	return inode_get(t->inodes, &key, &parts) ? 0 : -ENOMEM;
}

int tree_plant(struct tree *t)
{
	int r = plant(t, NODE_ROOT, 0);

	if (r == 0)
		r = plant(t, NODE_GENERATIONS, 0);
	for (unsigned i = 0; r == 0 && i < MIRRORS; i++)
		r = plant(t, NODE_MIRROR_DIR, i);
	return r;
}

uint64_t tree_generations_ino(const struct tree *t)
{
	struct inode_key key = {.kind = NODE_GENERATIONS};
	struct node *n = inode_lookup(t->inodes, &key);
	uint64_t ino = n->ino;

	inode_forget(t->inodes, ino, 1);
	return ino;
}

/* --- lookups --- */

/* What a fixed name is in generation `g`, seen from `place`. */
static int get_fixed(struct tree *t, const struct tree_name *f, enum node_place place,
	const struct snapshot *s, struct generation *g, struct node **out, struct err *err)
{
	struct inode_key key = {.kind = f->kind, .place = f->place};

	switch (f->kind) {
	case NODE_TEXT:
		return tree_node_text(t, (enum rootfile)f->place, s, g, out, err);
	case NODE_TABLE:
		return tree_node_table(t, s, out, err);
	case NODE_GENERATIONS:
	case NODE_MIRROR_DIR:
		return tree_node(t, &key, NULL, 0, out, err);
	default:
		key.place = place;
		return tree_node(t, &key, g, 0, out, err);
	}
}

/* Data that is too old is not shown. Else *valid is cut, so that the kernel asks again when it will be. */
static int check_age(const struct snapshot *s, int64_t *valid, struct err *err)
{
	int64_t left = status_time_left(&s->status, time_now());

	if (left < 0)
		return err_set(err, -ESTALE, "what is published is older than max_age");
	if (*valid > left)
		*valid = left;
	return 0;
}

static int lookup_in_root(struct tree *t, const char *name, struct tree_entry *out, struct err *err)
{
	const struct tree_name *f = tree_name_find(name);
	OWNED(snapshot) struct snapshot *s = NULL;
	int r = 0;

	out->valid = 0;
	if (!f)
		return 0;
	if (f->holds == HOLDS_FOREVER)
		out->valid = TREE_FOREVER;
	else if (f->holds == HOLDS_POINTER)
		out->valid = refresh_valid_for(t->refresh);
	s = refresh_snapshot(t->refresh);
	if (f->holds == HOLDS_POINTER && node_kind_is_dir(f->kind))
		r = check_age(s, &out->valid, err);
	if (r < 0)
		return r;
	/* What is kept for ever must not keep a generation, whose files would then stay for as long as the mount. */
	return get_fixed(
		t, f, PLACE_LIVE, s, f->holds == HOLDS_FOREVER ? NULL : s->generation, &out->node, err);
}

/* A number as it is listed: no sign, no leading zero. */
static bool parse_number(const char *name, uint64_t *out)
{
	*out = 0;
	if (*name < '1' || *name > '9')
		return false;
	for (; *name; name++) {
		if (*name < '0' || *name > '9' || __builtin_mul_overflow(*out, 10, out) ||
			__builtin_add_overflow(*out, (uint64_t)(*name - '0'), out))
			return false;
	}
	return true;
}

static int get_generation(struct tree *t, struct generation *g, struct tree_entry *out, struct err *err)
{
	struct inode_key key = {.kind = NODE_GENERATION, .place = PLACE_PINNED};

	out->valid = TREE_FOREVER;
	return tree_node(t, &key, g, 0, &out->node, err);
}

static int lookup_generation(
	struct tree *t, const char *name, bool slow, struct tree_entry *out, struct err *err)
{
	OWNED(snapshot) struct snapshot *s = refresh_snapshot(t->refresh);
	OWNED(generation) struct generation *g = NULL;
	uint64_t number;
	int r;

	out->valid = 0;
	if (!parse_number(name, &number) || !s->generation || !snapshot_keeps(s, number))
		return 0;
	if (s->generation->manifest.number == number)
		return get_generation(t, s->generation, out, err);
	g = inode_generation(t->inodes, inode_generation_id(s->generation->manifest.index, number));
	if (g)
		return get_generation(t, g, out, err);
	if (!slow)
		return TREE_SLOW;
	r = generation_open(&g, t->state, number, err);
	if (r == -ENOENT)
		return 0; /* gc was faster than the snapshot */
	if (r < 0)
		return r;
	/* Of another index, which was built here since the snapshot was taken? The next snapshot is of that one. */
	return generation_is_of(g, s->generation) ? get_generation(t, g, out, err) : 0;
}

static int lookup_in_generation(
	struct tree *t, const struct node *dir, const char *name, struct node **out, struct err *err)
{
	const struct tree_name *f = tree_name_find(name);

	if (!f || !f->pinned)
		return 0;
	return get_fixed(t, f, PLACE_PINNED, NULL, dir->generation, out, err);
}

bool tree_is_live(const struct node *parent, const char *name)
{
	const struct tree_name *f;

	if (parent->kind == NODE_GENERATIONS)
		return true;
	if (parent->kind != NODE_ROOT)
		return false;
	f = tree_name_find(name);
	return f && f->holds != HOLDS_FOREVER;
}

static int lookup(
	struct tree *t, const struct node *parent, const char *name, struct tree_entry *out, struct err *err)
{
	*out = (struct tree_entry){.valid = TREE_FOREVER};
	switch (parent->kind) {
	case NODE_ROOT:
		return lookup_in_root(t, name, out, err);
	case NODE_GENERATIONS:
		return lookup_generation(t, name, false, out, err);
	case NODE_MIRROR_DIR:
		return TREE_SLOW;
	default:
		if (!node_is_dir(parent))
			return -ENOTDIR;
		if (!parent->generation)
			return 0; /* nothing is published; the next generation has directories of its own */
	}
	if (parent->kind == NODE_GENERATION)
		return lookup_in_generation(t, parent, name, &out->node, err);
	return tree_lookup_below(t, parent, name, false, &out->node, err);
}

int tree_check(const struct node *dir, struct err *err)
{
	bool reads = dir->generation && dir->kind != NODE_GENERATION && dir->kind != NODE_SEGMENTS;

	return reads ? generation_check(dir->generation, err) : 0;
}

/* What was found in a generation counts only while its segments are whole. */
static int checked(
	struct tree *t, const struct node *parent, int r, const struct tree_entry *found, struct err *err)
{
	int broken = r < 0 || r == TREE_SLOW ? 0 : tree_check(parent, err);

	if (broken == 0)
		return r;
	if (r == 1)
		inode_forget(t->inodes, found->node->ino, 1);
	return broken;
}

int tree_lookup(
	struct tree *t, const struct node *parent, const char *name, struct tree_entry *out, struct err *err)
{
	return checked(t, parent, lookup(t, parent, name, out, err), out, err);
}

static int lookup_in_mirror(
	struct tree *t, const struct node *parent, const char *name, struct tree_entry *out, struct err *err)
{
	struct inode_parts parts;
	OWNED_BUF text = {0};
	struct inode_key key;
	int r = mirror_lookup(
		&t->mirrors[parent->place], parent->place, parent, slice_str(name), &text, &key, &parts, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	out->valid = t->cfg->poll;
	out->node = inode_get(t->inodes, &key, &parts);
	return out->node ? 1 : err_set(err, -ENOMEM, "out of memory");
}

int tree_lookup_slow(
	struct tree *t, const struct node *parent, const char *name, struct tree_entry *out, struct err *err)
{
	int r;

	*out = (struct tree_entry){.valid = TREE_FOREVER};
	switch (parent->kind) {
	case NODE_GENERATIONS:
		return lookup_generation(t, name, true, out, err);
	case NODE_QUERIES:
	case NODE_RANKS:
	case NODE_POSTINGS:
		r = tree_lookup_below(t, parent, name, true, &out->node, err);
		return checked(t, parent, r, out, err);
	default:
		out->valid = 0;
		return lookup_in_mirror(t, parent, name, out, err);
	}
}

/* --- waiting for a publish --- */

bool tree_is_awaited(const struct node *n)
{
	return n->kind == NODE_TEXT && (n->place == ROOTFILE_GENERATION || n->place == ROOTFILE_WATERMARK);
}

bool tree_is_outdated(struct tree *t, const struct node *n)
{
	OWNED(snapshot) struct snapshot *s = refresh_snapshot(t->refresh);

	return tree_generation_id(s->generation) != n->generation_id;
}

/* --- attributes --- */

static struct timespec instant(int64_t t)
{
	if (t == TIME_NONE)
		t = 0;
	return (struct timespec){.tv_sec = t / TIME_SECOND, .tv_nsec = t % TIME_SECOND};
}

static void set_times(struct stat *st, int64_t mtime, int64_t ctime)
{
	st->st_mtim = st->st_atim = instant(mtime);
	st->st_ctim = instant(ctime);
}

bool tree_attr_is_slow(const struct node *n)
{
	return n->kind == NODE_MIRROR_DIR;
}

int64_t tree_attr(struct tree *t, const struct node *n, struct stat *out)
{
	OWNED(snapshot) struct snapshot *s = NULL;

	*out = (struct stat){.st_ino = n->ino, .st_uid = t->uid, .st_gid = t->gid, .st_blksize = 4096};
	out->st_mode = node_is_dir(n) ? S_IFDIR | 0555 : S_IFREG | 0444;
	out->st_nlink = 1; /* of a directory: how many directories are in it is not counted */
	out->st_size = (off_t)n->size;
	out->st_blocks = (blkcnt_t)((n->size + 511) / 512);
	set_times(out, n->mtime, n->ctime);
	switch (n->kind) {
	case NODE_ROOT:
		s = refresh_snapshot(t->refresh);
		set_times(out, tree_publish_time(t, s->generation), tree_publish_time(t, s->generation));
		return t->cfg->poll;
	case NODE_GENERATIONS:
		s = refresh_snapshot(t->refresh);
		set_times(out, s->kept_changed, s->kept_changed);
		return refresh_valid_for(t->refresh);
	case NODE_MIRROR_DIR:
		return t->cfg->poll;
	default:
		return TREE_FOREVER;
	}
}

int tree_attr_slow(struct tree *t, const struct node *n, struct stat *out, int64_t *valid, struct err *err)
{
	struct store_stat now;
	int r = mirror_stat_dir(&t->mirrors[n->place], n, &now, err);

	*valid = tree_attr(t, n, out);
	if (r == 0)
		set_times(out, now.mtime, now.ctime);
	/* The roots of the mirrors are there even when what they mirror is not yet. */
	return r == -ENOENT && !n->text_len ? 0 : r;
}
