/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"
#include "name.h"
#include "rootfile.h"
#include "view.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#define OFFSET_FIRST 2 /* behind "." and ".." */

/* --- the root, and what a generation's directory holds --- */

enum holds {
	HOLDS_FOREVER, /* one node for as long as the mount lives */
	HOLDS_POINTER, /* until the next publish */
	HOLDS_NOT,     /* another node at each lookup */
};

struct fixed_name {
	const char *name;
	enum node_kind kind;
	unsigned place; /* which text, which mirror */
	enum holds holds;
	bool pinned; /* also under generations/N */
};

/* In the order of listings. */
static const struct fixed_name names[] = {
	{"README", NODE_TEXT, ROOTFILE_README, HOLDS_FOREVER, false},
	{"complete_through", NODE_TEXT, ROOTFILE_COMPLETE_THROUGH, HOLDS_POINTER, false},
	{"docs", NODE_DOCS, 0, HOLDS_POINTER, true},
	{"generation", NODE_TEXT, ROOTFILE_GENERATION, HOLDS_POINTER, false},
	{"generations", NODE_GENERATIONS, 0, HOLDS_FOREVER, false},
	{"partitions", NODE_MIRROR_DIR, MIRROR_PARTITIONS, HOLDS_FOREVER, false},
	{"partitions.tsv", NODE_TABLE, 0, HOLDS_NOT, false},
	{"prefix", NODE_PREFIXES, 0, HOLDS_POINTER, true},
	{"rejects", NODE_MIRROR_DIR, MIRROR_REJECTS, HOLDS_FOREVER, false},
	{"segments", NODE_SEGMENTS, 0, HOLDS_POINTER, true},
	{"status", NODE_TEXT, ROOTFILE_STATUS, HOLDS_NOT, false},
	{"status.json", NODE_TEXT, ROOTFILE_STATUS_JSON, HOLDS_NOT, false},
	{"terms", NODE_TERMS, 0, HOLDS_POINTER, true},
	{"watermark", NODE_TEXT, ROOTFILE_WATERMARK, HOLDS_POINTER, true},
};
#define NAMES (sizeof(names) / sizeof(names[0]))

const char *const tree_pointers[] = {
	"complete_through", "docs", "generation", "prefix", "segments", "terms", "watermark", NULL};

static const struct fixed_name *find_name(const char *name)
{
	for (size_t i = 0; i < NAMES; i++) {
		if (!strcmp(names[i].name, name))
			return &names[i];
	}
	return NULL;
}

static bool is_dir_kind(enum node_kind kind)
{
	return kind <= NODE_LAST_DIR;
}

int tree_plant(struct tree *t)
{
	struct inode_parts parts = {.fd = -1, .mtime = t->started, .ctime = t->started};
	struct inode_key root = {.kind = NODE_ROOT}, generations = {.kind = NODE_GENERATIONS};
	struct inode_key mirror = {.kind = NODE_MIRROR_DIR};
	bool made = inode_get(t->inodes, &root, &parts) != NULL;

	/* Directories that stay are held by one lookup that is never taken back. */
	made = made && inode_get(t->inodes, &generations, &parts);
	for (mirror.place = 0; mirror.place < MIRRORS; mirror.place++)
		made = made && inode_get(t->inodes, &mirror, &parts);
	return made ? 0 : -ENOMEM;
}

uint64_t tree_generations_ino(const struct tree *t)
{
	struct inode_key key = {.kind = NODE_GENERATIONS};
	struct node *n = inode_lookup(t->inodes, &key);
	uint64_t ino = n->ino;

	inode_forget(t->inodes, ino, 1);
	return ino;
}

/* --- making nodes --- */

static int64_t publish_time(const struct tree *t, const struct generation *g)
{
	return g ? g->manifest.published : t->started;
}

/* A node of generation `g` (may be NULL: nothing is published). */
static int get_node(struct tree *t, struct inode_key *key, struct generation *g, uint64_t size,
	struct node **out, struct err *err)
{
	struct inode_parts parts = {.fd = -1, .size = size, .mtime = publish_time(t, g)};

	parts.ctime = parts.mtime;
	key->generation = g ? g->manifest.number : 0;
	if (g)
		parts.generation = generation_ref(g);
	*out = inode_get(t->inodes, key, &parts);
	return *out ? 1 : err_set(err, -ENOMEM, "out of memory");
}

static int get_table(struct tree *t, const struct snapshot *s, struct node **out, struct err *err)
{
	struct inode_parts parts = {.fd = -1,
		.blob = blob_ref(s->table),
		.size = s->table->len,
		.mtime = publish_time(t, s->generation)};
	char serial[24];
	struct inode_key key = {.kind = NODE_TABLE};

	snprintf(serial, sizeof(serial), "%" PRIu64, s->serial);
	key.text = slice_str(serial);
	parts.ctime = parts.mtime;
	if (s->generation)
		parts.generation = generation_ref(s->generation);
	*out = inode_get(t->inodes, &key, &parts);
	return *out ? 1 : err_set(err, -ENOMEM, "out of memory");
}

static int get_text(struct tree *t, enum rootfile which, const struct snapshot *s, struct generation *g,
	struct node **out, struct err *err)
{
	struct inode_key key = {.kind = NODE_TEXT, .place = which};
	OWNED_BUF text = {0};
	int r = rootfile_make(t, which, s, g, &text);

	if (r < 0)
		return err_set(err, r, "out of memory");
	key.text = buf_slice(&text);
	return get_node(t, &key, g, text.len, out, err);
}

/* --- lookups below a generation --- */

static int lookup_term(struct tree *t, struct generation *g, struct slice prefix, const char *name,
	struct node **out, struct err *err)
{
	struct inode_key node_key = {.kind = NODE_TERM};
	OWNED_BUF text = {0};
	OWNED_BUF key = {0};
	struct view_term term;
	int r;

	if (!name_unescape(slice_str(name), &text))
		return 0;
	r = view_term_key(buf_slice(&text), &key);
	if (r <= 0)
		return r;
	if (!slice_starts(slice_of(key.data + 1, key.len - 1), prefix))
		return 0;
	r = view_term_stat(g, buf_slice(&key), &term, err);
	if (r <= 0)
		return r;
	node_key.text = buf_slice(&key);
	return get_node(t, &node_key, g, term.bytes, out, err);
}

/* Its size is known only by making it, so it is made here and kept for the read that follows. */
static int lookup_doc(
	struct tree *t, struct generation *g, const char *name, struct node **out, struct err *err)
{
	struct inode_key key = {.kind = NODE_DOC, .generation = g->manifest.number};
	OWNED(blob) struct blob *blob = NULL;
	OWNED_BUF id = {0};
	OWNED_BUF json = {0};
	int r;

	if (!name_unescape(slice_str(name), &id))
		return 0;
	key.text = buf_slice(&id);
	*out = inode_lookup(t->inodes, &key);
	if (*out)
		return 1;
	r = view_doc_json(g, key.text, &json, err);
	if (r <= 0)
		return r;
	blob = blob_new(buf_slice(&json));
	r = get_node(t, &key, g, json.len, out, err);
	if (r == 1 && blob)
		render_keep(t->render, (*out)->ino, blob);
	return r;
}

static int has_term(const struct generation *g, struct slice prefix, struct err *err)
{
	OWNED(view_terms) struct view_terms *terms = NULL;
	struct slice text;
	uint64_t position;
	int r = view_terms_open(&terms, g, prefix, 0, err);

	return r < 0 ? r : view_terms_next(terms, &text, &position, err);
}

/* A prefix is taken as it is written where terms start so (keywords keep their case), else normalised as
 * words are. The node bears the prefix that it lists. */
static int resolve_prefix(const struct generation *g, struct slice raw, struct buf *out, struct err *err)
{
	OWNED_BUF key = {0};
	int r = has_term(g, raw, err);

	if (r == 1)
		buf_add_slice(out, raw);
	if (r != 0)
		return r;
	r = view_term_key(raw, &key);
	if (r <= 0)
		return r;
	buf_add(out, key.data + 1, key.len - 1);
	return has_term(g, buf_slice(out), err);
}

static int lookup_prefix(
	struct tree *t, const struct node *dir, const char *name, struct node **out, struct err *err)
{
	struct inode_parts parts = {.fd = -1, .mtime = dir->mtime, .ctime = dir->ctime};
	struct inode_key key = {.kind = NODE_PREFIX,
		.place = dir->place,
		.generation = dir->generation_number,
		.text = slice_str(name)};
	OWNED_BUF raw = {0};
	OWNED_BUF prefix = {0};
	int r;

	if (!name_unescape(slice_str(name), &raw))
		return 0;
	r = resolve_prefix(dir->generation, buf_slice(&raw), &prefix, err);
	if (r <= 0)
		return r;
	parts.blob = blob_new(buf_slice(&prefix));
	if (!parts.blob)
		return err_set(err, -ENOMEM, "out of memory");
	parts.generation = generation_ref(dir->generation);
	*out = inode_get(t->inodes, &key, &parts);
	return *out ? 1 : err_set(err, -ENOMEM, "out of memory");
}

/* The same file in every generation that has it: it bears its bytes by name, and holds a descriptor of its
 * own, so that no generation stays open for it. */
static int get_segment(
	struct tree *t, const struct generation *g, size_t i, struct node **out, struct err *err)
{
	const struct manifest_segment *m = &g->manifest.segments[i];
	char hex[SHA256_HEX];
	struct inode_key key = {.kind = NODE_SEGMENT};
	struct inode_parts parts = {.fd = -1, .size = m->bytes, .mtime = time_add(m->last, t->cfg->cadence)};

	key.text = slice_str(hex_text(m->sha256, SHA256_BYTES, hex));
	*out = inode_lookup(t->inodes, &key);
	if (*out)
		return 1;
	parts.ctime = parts.mtime;
	parts.fd = fcntl(segment_fd(g->segments[i]), F_DUPFD_CLOEXEC, 3);
	if (parts.fd < 0)
		return err_sys(err, -errno, "%s.seg", m->name);
	*out = inode_get(t->inodes, &key, &parts);
	return *out ? 1 : err_set(err, -ENOMEM, "out of memory");
}

static int lookup_in_segments(
	struct tree *t, struct generation *g, const char *name, struct node **out, struct err *err)
{
	struct inode_key key = {.kind = NODE_MANIFEST};
	OWNED_BUF sums = {0};
	char text[64];

	if (!strcmp(name, "MANIFEST.json"))
		return get_node(t, &key, g, g->manifest_bytes.len, out, err);
	if (!strcmp(name, "SHA256SUMS")) {
		key.kind = NODE_SUMS;
		render_sums(g, &sums);
		return get_node(t, &key, g, sums.len, out, err);
	}
	snprintf(text, sizeof(text), "%" PRIu64 ".live", g->manifest.number);
	if (!strcmp(name, text)) {
		key.kind = NODE_LIVE;
		return get_node(t, &key, g, g->live_bytes.len, out, err);
	}
	for (size_t i = 0; i < g->manifest.segment_count; i++) {
		snprintf(text, sizeof(text), "%s.seg", g->manifest.segments[i].name);
		if (!strcmp(name, text))
			return get_segment(t, g, i, out, err);
	}
	return 0;
}

/* What a fixed name is in generation `g`, seen from `place`. */
static int get_fixed(struct tree *t, const struct fixed_name *f, enum node_place place,
	const struct snapshot *s, struct generation *g, struct node **out, struct err *err)
{
	struct inode_key key = {.kind = f->kind, .place = f->place};

	switch (f->kind) {
	case NODE_TEXT:
		return get_text(t, (enum rootfile)f->place, s, g, out, err);
	case NODE_TABLE:
		return get_table(t, s, out, err);
	case NODE_GENERATIONS:
	case NODE_MIRROR_DIR:
		return get_node(t, &key, NULL, 0, out, err);
	default:
		key.place = place;
		return get_node(t, &key, g, 0, out, err);
	}
}

static int lookup_in_root(struct tree *t, const char *name, struct tree_entry *out, struct err *err)
{
	const struct fixed_name *f = find_name(name);
	OWNED(snapshot) struct snapshot *s = NULL;

	out->valid = 0;
	if (!f)
		return 0;
	if (f->holds == HOLDS_FOREVER)
		out->valid = TREE_FOREVER;
	else if (f->holds == HOLDS_POINTER)
		out->valid = refresh_valid_for(t->refresh);
	s = refresh_snapshot(t->refresh);
	return get_fixed(t, f, PLACE_LIVE, s, s->generation, &out->node, err);
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
	return get_node(t, &key, g, 0, &out->node, err);
}

static int lookup_generation(
	struct tree *t, const char *name, bool slow, struct tree_entry *out, struct err *err)
{
	OWNED(snapshot) struct snapshot *s = refresh_snapshot(t->refresh);
	OWNED(generation) struct generation *g = NULL;
	uint64_t number;
	int r;

	out->valid = 0;
	if (!parse_number(name, &number) || !snapshot_keeps(s, number))
		return 0;
	if (s->generation && s->generation->manifest.number == number)
		return get_generation(t, s->generation, out, err);
	g = inode_generation(t->inodes, number);
	if (g)
		return get_generation(t, g, out, err);
	if (!slow)
		return TREE_SLOW;
	r = generation_open(&g, t->state, number, err);
	if (r == -ENOENT)
		return 0; /* gc was faster than the snapshot */
	return r < 0 ? r : get_generation(t, g, out, err);
}

static int lookup_in_generation(
	struct tree *t, const struct node *dir, const char *name, struct node **out, struct err *err)
{
	const struct fixed_name *f = find_name(name);

	if (!f || !f->pinned)
		return 0;
	return get_fixed(t, f, PLACE_PINNED, NULL, dir->generation, out, err);
}

bool tree_is_live(const struct node *parent, const char *name)
{
	const struct fixed_name *f;

	if (parent->kind == NODE_GENERATIONS)
		return true;
	if (parent->kind != NODE_ROOT)
		return false;
	f = find_name(name);
	return f && f->holds != HOLDS_FOREVER;
}

static struct slice blob_slice(const struct blob *b)
{
	return slice_of(b->data, b->len);
}

int tree_lookup(
	struct tree *t, const struct node *parent, const char *name, struct tree_entry *out, struct err *err)
{
	struct generation *g = parent->generation;

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
		if (!g)
			return 0; /* nothing is published; the next generation has directories of its own */
	}
	switch (parent->kind) {
	case NODE_GENERATION:
		return lookup_in_generation(t, parent, name, &out->node, err);
	case NODE_SEGMENTS:
		return lookup_in_segments(t, g, name, &out->node, err);
	case NODE_TERMS:
		return lookup_term(t, g, slice_of(NULL, 0), name, &out->node, err);
	case NODE_PREFIX:
		return lookup_term(t, g, blob_slice(parent->blob), name, &out->node, err);
	case NODE_PREFIXES:
		return lookup_prefix(t, parent, name, &out->node, err);
	default:
		return lookup_doc(t, g, name, &out->node, err);
	}
}

int tree_lookup_slow(
	struct tree *t, const struct node *parent, const char *name, struct tree_entry *out, struct err *err)
{
	struct inode_parts parts;
	OWNED_BUF text = {0};
	struct inode_key key;
	int r;

	*out = (struct tree_entry){0};
	if (parent->kind == NODE_GENERATIONS)
		return lookup_generation(t, name, true, out, err);
	r = mirror_lookup(
		&t->mirrors[parent->place], parent->place, parent, slice_str(name), &text, &key, &parts, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	out->valid = t->cfg->poll;
	out->node = inode_get(t->inodes, &key, &parts);
	return out->node ? 1 : err_set(err, -ENOMEM, "out of memory");
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
	out->st_nlink = node_is_dir(n) ? 2 : 1;
	out->st_size = (off_t)n->size;
	out->st_blocks = (blkcnt_t)((n->size + 511) / 512);
	set_times(out, n->mtime, n->ctime);
	switch (n->kind) {
	case NODE_ROOT:
		s = refresh_snapshot(t->refresh);
		set_times(out, publish_time(t, s->generation), publish_time(t, s->generation));
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

/* --- listings --- */

struct filler {
	tree_fill_fn *fill;
	void *ctx;
	uint64_t offset; /* of the next entry */
};

/* True to go on. */
static bool add(struct filler *f, const char *name, bool is_dir)
{
	return f->fill(f->ctx, name, is_dir, ++f->offset);
}

/* Entries that are counted: `index` runs over all of them, those before the offset were listed already. */
static bool add_counted(struct filler *f, uint64_t *index, const char *name, bool is_dir)
{
	if ((*index)++ + OFFSET_FIRST < f->offset)
		return true;
	return add(f, name, is_dir);
}

static void list_names(struct filler *f, bool pinned)
{
	uint64_t index = 0;

	for (size_t i = 0; i < NAMES; i++) {
		if ((!pinned || names[i].pinned) &&
			!add_counted(f, &index, names[i].name, is_dir_kind(names[i].kind)))
			return;
	}
}

/* Oldest first; the offset is the last number listed, so that generations may come and go meanwhile. */
static void list_generations(struct tree *t, struct filler *f)
{
	OWNED(snapshot) struct snapshot *s = refresh_snapshot(t->refresh);
	uint64_t done = f->offset - OFFSET_FIRST;
	char name[24];

	for (size_t i = s->kept_count; i-- > 0;) {
		if (s->kept[i].number <= done)
			continue;
		snprintf(name, sizeof(name), "%" PRIu64, s->kept[i].number);
		if (!f->fill(f->ctx, name, true, s->kept[i].number + OFFSET_FIRST))
			return;
	}
}

static void list_segments(const struct generation *g, struct filler *f)
{
	uint64_t index = 0;
	char name[64];

	snprintf(name, sizeof(name), "%" PRIu64 ".live", g->manifest.number);
	if (!add_counted(f, &index, "MANIFEST.json", false) || !add_counted(f, &index, "SHA256SUMS", false) ||
		!add_counted(f, &index, name, false))
		return;
	for (size_t i = 0; i < g->manifest.segment_count; i++) {
		snprintf(name, sizeof(name), "%s.seg", g->manifest.segments[i].name);
		if (!add_counted(f, &index, name, false))
			return;
	}
}

/* Offsets of terms and ids are the view's positions, moved behind "." and ".."; what has no name is left out. */
static int list_terms(const struct generation *g, struct slice prefix, struct filler *f, struct err *err)
{
	OWNED(view_terms) struct view_terms *terms = NULL;
	OWNED_BUF name = {0};
	struct slice text;
	uint64_t position;
	int r = view_terms_open(&terms, g, prefix, f->offset - OFFSET_FIRST, err);

	if (r < 0)
		return r;
	while ((r = view_terms_next(terms, &text, &position, err)) == 1) {
		buf_clear(&name);
		if (name_escape(text, &name) &&
			!f->fill(f->ctx, buf_cstr(&name), false, position + OFFSET_FIRST))
			return 0;
	}
	return r;
}

static int list_docs(const struct generation *g, struct filler *f, struct err *err)
{
	OWNED(view_ids) struct view_ids *ids = NULL;
	OWNED_BUF name = {0};
	struct slice id;
	uint64_t position;
	int r = view_ids_open(&ids, g, f->offset - OFFSET_FIRST, err);

	if (r < 0)
		return r;
	while ((r = view_ids_next(ids, &id, &position, err)) == 1) {
		buf_clear(&name);
		if (name_escape(id, &name) &&
			!f->fill(f->ctx, buf_cstr(&name), false, position + OFFSET_FIRST))
			return 0;
	}
	return r;
}

static int list_prefixes(struct tree *t, const struct node *dir, struct filler *f, struct err *err)
{
	OWNED(blob) struct blob *chars = NULL;
	OWNED_BUF name = {0};
	uint64_t index = 0;
	size_t len;
	int r = render_node(t->render, dir, &chars, err);

	if (r < 0)
		return r;
	for (size_t at = 0; at < chars->len; at += len + 1) {
		len = strnlen(chars->data + at, chars->len - at);
		buf_clear(&name);
		if (name_escape(slice_of(chars->data + at, len), &name) &&
			!add_counted(f, &index, buf_cstr(&name), true))
			return 0;
	}
	return 0;
}

static bool add_dots(struct filler *f)
{
	if (f->offset == 0 && !add(f, ".", true))
		return false;
	return f->offset != 1 || add(f, "..", true);
}

int tree_list(struct tree *t, const struct node *dir, uint64_t offset, tree_fill_fn *fill, void *ctx,
	struct err *err)
{
	struct filler f = {fill, ctx, offset};

	if (!node_is_dir(dir))
		return -ENOTDIR;
	if (dir->kind == NODE_MIRROR_DIR)
		return TREE_SLOW;
	if (!add_dots(&f))
		return 0;
	if (dir->kind == NODE_ROOT)
		list_names(&f, false);
	else if (dir->kind == NODE_GENERATIONS)
		list_generations(t, &f);
	if (!dir->generation)
		return 0;
	switch (dir->kind) {
	case NODE_GENERATION:
		list_names(&f, true);
		return 0;
	case NODE_SEGMENTS:
		list_segments(dir->generation, &f);
		return 0;
	case NODE_TERMS:
		return list_terms(dir->generation, slice_of(NULL, 0), &f, err);
	case NODE_PREFIX:
		return list_terms(dir->generation, blob_slice(dir->blob), &f, err);
	case NODE_PREFIXES:
		return list_prefixes(t, dir, &f, err);
	default:
		return list_docs(dir->generation, &f, err);
	}
}

/* One listing serves a whole walk through the directory: it is kept from the first part on. */
static int mirror_listing(
	struct tree *t, const struct node *dir, uint64_t offset, struct blob **out, struct err *err)
{
	OWNED_BUF entries = {0};
	int r;

	*out = offset ? render_kept(t->render, dir->ino) : NULL;
	if (*out)
		return 0;
	r = mirror_list(&t->mirrors[dir->place], dir, &entries, err);
	if (r < 0)
		return r;
	*out = entries.failed ? NULL : blob_new(buf_slice(&entries));
	if (!*out)
		return err_set(err, -ENOMEM, "out of memory");
	render_keep(t->render, dir->ino, *out);
	return 0;
}

int tree_list_slow(struct tree *t, const struct node *dir, uint64_t offset, tree_fill_fn *fill, void *ctx,
	struct err *err)
{
	struct filler f = {fill, ctx, offset};
	OWNED(blob) struct blob *entries = NULL;
	uint64_t index = 0;
	size_t len;
	int r = mirror_listing(t, dir, offset, &entries, err);

	if (r < 0)
		return r;
	if (!add_dots(&f))
		return 0;
	for (size_t at = 0; at < entries->len; at += len + 2) {
		len = strnlen(entries->data + at + 1, entries->len - at - 1);
		if (!add_counted(&f, &index, entries->data + at + 1, entries->data[at] == 'd'))
			return 0;
	}
	return 0;
}
