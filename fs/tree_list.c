/* SPDX-License-Identifier: Apache-2.0 */
/* fs/tree_list.c - tree_list(): listings in parts, each entry with the offset of the next. */
#include "tree.h"
#include "name.h"
#include "tree_private.h"
#include "view.h"

#include <inttypes.h>
#include <stdio.h>

#define OFFSET_FIRST 2 /* behind "." and ".." */

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

	for (size_t i = 0; i < TREE_NAMES; i++) {
		if ((!pinned || tree_names[i].pinned) &&
			!add_counted(f, &index, tree_names[i].name, node_kind_is_dir(tree_names[i].kind)))
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

/* The names are made once; offsets are where in them the next one starts. */
static int list_groups(struct tree *t, const struct node *dir, struct filler *f, struct err *err)
{
	OWNED(blob) struct blob *names = NULL;
	OWNED_BUF name = {0};
	int r = render_node(t->render, dir, &names, err);

	if (r < 0)
		return r;
	for (size_t at = f->offset - OFFSET_FIRST, len; at < names->len; at += len + 1) {
		len = strnlen(names->data + at, names->len - at);
		buf_clear(&name);
		if (name_escape(slice_of(names->data + at, len), &name) &&
			!f->fill(f->ctx, buf_cstr(&name), false, at + len + 1 + OFFSET_FIRST))
			return 0;
	}
	return 0;
}

/* First characters, from one to the next; the offset names the first term of each. */
static int list_prefixes(const struct generation *g, struct filler *f, struct err *err)
{
	uint64_t position = f->offset - OFFSET_FIRST;
	OWNED(view_terms) struct view_terms *terms = NULL;
	OWNED_BUF name = {0};
	struct slice text;
	int r = view_terms_open(&terms, g, slice_of(NULL, 0), position, err);

	if (r == 0 && position)
		r = view_terms_skip_character(terms, err);
	while (r == 0 && (r = view_terms_next(terms, &text, &position, err)) == 1) {
		buf_clear(&name);
		if (name_escape(slice_of(text.data, view_first_character(text)), &name) &&
			!f->fill(f->ctx, buf_cstr(&name), true, position + OFFSET_FIRST))
			return 0;
		r = view_terms_skip_character(terms, err);
	}
	return r;
}

static bool add_dots(struct filler *f)
{
	if (f->offset == 0 && !add(f, ".", true))
		return false;
	return f->offset != 1 || add(f, "..", true);
}

static int list(struct tree *t, const struct node *dir, uint64_t offset, tree_fill_fn *fill, void *ctx,
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
	case NODE_POSTINGS:
		return list_terms(dir->generation, slice_of(NULL, 0), &f, err);
	case NODE_PREFIX:
		return list_terms(dir->generation, blob_bytes(dir->blob), &f, err);
	case NODE_PREFIXES:
		return list_prefixes(dir->generation, &f, err);
	case NODE_GROUPS:
		return list_groups(t, dir, &f, err);
	case NODE_QUERIES:
	case NODE_RANKS:
		return 0; /* any expression is there, and none is listed */
	default:
		return list_docs(dir->generation, &f, err);
	}
}

int tree_list(struct tree *t, const struct node *dir, uint64_t offset, tree_fill_fn *fill, void *ctx,
	struct err *err)
{
	int r = list(t, dir, offset, fill, ctx, err);

	return r == 0 ? tree_check(dir, err) : r;
}

bool tree_lists_nodes(const struct node *dir)
{
	switch (dir->kind) {
	case NODE_GENERATION:
	case NODE_SEGMENTS:
	case NODE_TERMS:
	case NODE_PREFIX:
	case NODE_DOCS:
		return true;
	default:
		return false; /* what has to be made or asked for elsewhere, or depends on what is current */
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
	*out = blob_take(&entries);
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
