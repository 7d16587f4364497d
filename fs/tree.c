/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"
#include "name.h"
#include "rootfile.h"
#include "tree_names.h"
#include "view.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

/* --- the root, and what a generation's directory holds --- */

const struct tree_name tree_names[TREE_NAMES] = {
	{"README", NODE_TEXT, ROOTFILE_README, HOLDS_FOREVER, false},
	{"complete_through", NODE_TEXT, ROOTFILE_COMPLETE_THROUGH, HOLDS_POINTER, false},
	{"docs", NODE_DOCS, 0, HOLDS_POINTER, true},
	{"generation", NODE_TEXT, ROOTFILE_GENERATION, HOLDS_POINTER, false},
	{"generations", NODE_GENERATIONS, 0, HOLDS_FOREVER, false},
	{"groups", NODE_GROUPS, 0, HOLDS_POINTER, true},
	{"metrics", NODE_TEXT, ROOTFILE_METRICS, HOLDS_NOT, false},
	{"partitions", NODE_MIRROR_DIR, MIRROR_PARTITIONS, HOLDS_FOREVER, false},
	{"partitions.tsv", NODE_TABLE, 0, HOLDS_NOT, false},
	{"postings", NODE_POSTINGS, 0, HOLDS_POINTER, true},
	{"prefix", NODE_PREFIXES, 0, HOLDS_POINTER, true},
	{"query", NODE_QUERIES, 0, HOLDS_POINTER, true},
	{"rank", NODE_RANKS, 0, HOLDS_POINTER, true},
	{"rejects", NODE_MIRROR_DIR, MIRROR_REJECTS, HOLDS_FOREVER, false},
	{"segments", NODE_SEGMENTS, 0, HOLDS_POINTER, true},
	{"status", NODE_TEXT, ROOTFILE_STATUS, HOLDS_NOT, false},
	{"status.html", NODE_TEXT, ROOTFILE_STATUS_HTML, HOLDS_NOT, false},
	{"status.json", NODE_TEXT, ROOTFILE_STATUS_JSON, HOLDS_NOT, false},
	{"terms", NODE_TERMS, 0, HOLDS_POINTER, true},
	{"watermark", NODE_TEXT, ROOTFILE_WATERMARK, HOLDS_POINTER, true},
};

const char *const tree_pointers[] = {"complete_through", "docs", "groups", "postings", "prefix", "query",
	"rank", "segments", "terms", "watermark", "generation", NULL};

static const struct tree_name *find_name(const char *name)
{
	for (size_t i = 0; i < TREE_NAMES; i++) {
		if (!strcmp(tree_names[i].name, name))
			return &tree_names[i];
	}
	return NULL;
}

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

/* --- making nodes --- */

static int64_t publish_time(const struct tree *t, const struct generation *g)
{
	return g ? g->manifest.published : t->started;
}

static uint64_t id_of(const struct generation *g)
{
	return g ? inode_generation_id(g->manifest.index, g->manifest.number) : 0;
}

/* A node of generation `g` (may be NULL: nothing is published). */
static int get_node(struct tree *t, struct inode_key *key, struct generation *g, uint64_t size,
	struct node **out, struct err *err)
{
	struct inode_parts parts = {.fd = -1, .size = size, .mtime = publish_time(t, g)};

	parts.ctime = parts.mtime;
	key->generation = id_of(g);
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

#define ROWS_AT_ONCE 4096

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
static int get_made(struct tree *t, struct generation *g, enum node_kind kind, struct slice text,
	struct node **out, struct err *err)
{
	struct inode_key key = {.kind = kind, .generation = id_of(g), .text = text};
	OWNED(blob) struct blob *blob = NULL;
	OWNED_BUF bytes = {0};
	int r;

	*out = inode_lookup(t->inodes, &key);
	if (*out)
		return 1;
	r = render_make(kind, g, text, &bytes, err);
	if (r <= 0)
		return r;
	blob = blob_take(&bytes);
	if (!blob)
		return err_set(err, -ENOMEM, "out of memory");
	r = get_node(t, &key, g, blob->len, out, err);
	if (r == 1)
		render_keep(t->render, (*out)->ino, blob);
	return r;
}

/* A document, group or query: the key is the name's own text. */
static int lookup_made(struct tree *t, struct generation *g, enum node_kind kind, const char *name,
	struct node **out, struct err *err)
{
	OWNED_BUF text = {0};

	if (!name_unescape(slice_str(name), &text))
		return 0;
	return get_made(t, g, kind, buf_slice(&text), out, err);
}

/* Those of a frequent term take long to make. */
static int lookup_rows(
	struct tree *t, struct generation *g, const char *name, bool slow, struct node **out, struct err *err)
{
	struct inode_key node_key = {.kind = NODE_TERM_ROWS, .generation = id_of(g)};
	OWNED_BUF text = {0};
	OWNED_BUF key = {0};
	struct view_term term;
	int r;

	if (!name_unescape(slice_str(name), &text))
		return 0;
	r = view_term_key(buf_slice(&text), &key);
	if (r <= 0)
		return r;
	node_key.text = buf_slice(&key);
	*out = inode_lookup(t->inodes, &node_key);
	if (*out)
		return 1;
	r = slow ? 0 : view_term_stat(g, buf_slice(&key), &term, err);
	if (r == 1 && term.df > ROWS_AT_ONCE)
		return TREE_SLOW;
	return r < 0 || (r == 0 && !slow) ? r : get_made(t, g, NODE_TERM_ROWS, buf_slice(&key), out, err);
}

/* A query takes as long as what it asks for; one that the kernel still knows is at hand. */
static int lookup_query(struct tree *t, const struct node *dir, const char *name, bool slow,
	struct node **out, struct err *err)
{
	struct inode_key key = {
		.kind = dir->kind == NODE_RANKS ? NODE_RANK : NODE_QUERY, .generation = dir->generation_id};
	OWNED_BUF text = {0};

	if (slow)
		return lookup_made(t, dir->generation, key.kind, name, out, err);
	if (!name_unescape(slice_str(name), &text))
		return 0;
	key.text = buf_slice(&text);
	*out = inode_lookup(t->inodes, &key);
	return *out ? 1 : TREE_SLOW;
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
		.generation = dir->generation_id,
		.text = slice_str(name)};
	OWNED_BUF raw = {0};
	OWNED_BUF prefix = {0};
	int r;

	if (!name_unescape(slice_str(name), &raw))
		return 0;
	r = resolve_prefix(dir->generation, buf_slice(&raw), &prefix, err);
	if (r <= 0)
		return r;
	parts.blob = blob_take(&prefix);
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
static int get_fixed(struct tree *t, const struct tree_name *f, enum node_place place,
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
	const struct tree_name *f = find_name(name);
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
	const struct tree_name *f = find_name(name);

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
	f = find_name(name);
	return f && f->holds != HOLDS_FOREVER;
}

static int lookup(
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
		return lookup_term(t, g, blob_bytes(parent->blob), name, &out->node, err);
	case NODE_PREFIXES:
		return lookup_prefix(t, parent, name, &out->node, err);
	case NODE_POSTINGS:
		return lookup_rows(t, g, name, false, &out->node, err);
	case NODE_GROUPS:
		return lookup_made(t, g, NODE_GROUP, name, &out->node, err);
	case NODE_QUERIES:
	case NODE_RANKS:
		return lookup_query(t, parent, name, false, &out->node, err);
	default:
		return lookup_made(t, g, NODE_DOC, name, &out->node, err);
	}
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
		r = lookup_query(t, parent, name, true, &out->node, err);
		return checked(t, parent, r, out, err);
	case NODE_POSTINGS:
		r = lookup_rows(t, parent->generation, name, true, &out->node, err);
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

	return id_of(s->generation) != n->generation_id;
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
