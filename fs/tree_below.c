/* SPDX-License-Identifier: Apache-2.0 */
/* fs/tree_below.c - lookups in the directories of one generation: terms, documents, queries, segments. */
#include "name.h"
#include "tree_private.h"
#include "view.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#define ROWS_AT_ONCE 4096

/* Appends the key of the term that a name means. Returns 1, 0 none, or -ENOMEM. */
static int term_key(const char *name, struct buf *key)
{
	OWNED_BUF text = {0};

	return name_unescape(slice_str(name), &text) ? view_term_key(buf_slice(&text), key) : 0;
}

static int lookup_term(struct tree *t, struct generation *g, struct slice prefix, const char *name,
	struct node **out, struct err *err)
{
	struct inode_key node_key = {.kind = NODE_TERM};
	OWNED_BUF key = {0};
	struct view_term term;
	int r = term_key(name, &key);

	if (r <= 0)
		return r;
	if (!slice_starts(slice_of(key.data + 1, key.len - 1), prefix))
		return 0;
	r = view_term_stat(g, buf_slice(&key), &term, err);
	if (r <= 0)
		return r;
	node_key.text = buf_slice(&key);
	return tree_node(t, &node_key, g, term.bytes, out, err);
}

/* Its size is known only by making it, so it is made here and kept for the read that follows. */
static int get_made(struct tree *t, struct generation *g, enum node_kind kind, struct slice text,
	struct node **out, struct err *err)
{
	struct inode_key key = {.kind = kind, .generation = tree_generation_id(g), .text = text};
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
	r = tree_node(t, &key, g, blob->len, out, err);
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
	struct inode_key node_key = {.kind = NODE_TERM_ROWS, .generation = tree_generation_id(g)};
	OWNED_BUF key = {0};
	struct view_term term;
	int r = term_key(name, &key);

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
		return tree_node(t, &key, g, g->manifest_bytes.len, out, err);
	if (!strcmp(name, "SHA256SUMS")) {
		key.kind = NODE_SUMS;
		render_sums(g, &sums);
		return tree_node(t, &key, g, sums.len, out, err);
	}
	snprintf(text, sizeof(text), "%" PRIu64 ".live", g->manifest.number);
	if (!strcmp(name, text)) {
		key.kind = NODE_LIVE;
		return tree_node(t, &key, g, g->live_bytes.len, out, err);
	}
	for (size_t i = 0; i < g->manifest.segment_count; i++) {
		snprintf(text, sizeof(text), "%s.seg", g->manifest.segments[i].name);
		if (!strcmp(name, text))
			return get_segment(t, g, i, out, err);
	}
	return 0;
}

int tree_lookup_below(struct tree *t, const struct node *dir, const char *name, bool slow, struct node **out,
	struct err *err)
{
	struct generation *g = dir->generation;

	switch (dir->kind) {
	case NODE_SEGMENTS:
		return lookup_in_segments(t, g, name, out, err);
	case NODE_TERMS:
		return lookup_term(t, g, slice_of(NULL, 0), name, out, err);
	case NODE_PREFIX:
		return lookup_term(t, g, blob_bytes(dir->blob), name, out, err);
	case NODE_PREFIXES:
		return lookup_prefix(t, dir, name, out, err);
	case NODE_POSTINGS:
		return lookup_rows(t, g, name, slow, out, err);
	case NODE_GROUPS:
		return lookup_made(t, g, NODE_GROUP, name, out, err);
	case NODE_QUERIES:
	case NODE_RANKS:
		return lookup_query(t, dir, name, slow, out, err);
	default:
		return lookup_made(t, g, NODE_DOC, name, out, err);
	}
}
