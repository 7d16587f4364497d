/* SPDX-License-Identifier: Apache-2.0 */
/* fs/tree_node.c - how nodes are made of a generation, or of a snapshot. */
#include "tree_private.h"

#include <inttypes.h>
#include <stdio.h>

int64_t tree_publish_time(const struct tree *t, const struct generation *g)
{
	return g ? g->manifest.published : t->started;
}

uint64_t tree_generation_id(const struct generation *g)
{
	return g ? inode_generation_id(g->manifest.index, g->manifest.number) : 0;
}

int tree_node(struct tree *t, struct inode_key *key, struct generation *g, uint64_t size, struct node **out,
	struct err *err)
{
	struct inode_parts parts = {.fd = -1, .size = size, .mtime = tree_publish_time(t, g)};

	parts.ctime = parts.mtime;
	key->generation = tree_generation_id(g);
	if (g)
		parts.generation = generation_ref(g);
	*out = inode_get(t->inodes, key, &parts);
	return *out ? 1 : err_set(err, -ENOMEM, "out of memory");
}

int tree_node_table(struct tree *t, const struct snapshot *s, struct node **out, struct err *err)
{
	struct inode_parts parts = {.fd = -1,
		.blob = blob_ref(s->table),
		.size = s->table->len,
		.mtime = tree_publish_time(t, s->generation)};
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

int tree_node_text(struct tree *t, enum rootfile which, const struct snapshot *s, struct generation *g,
	struct node **out, struct err *err)
{
	struct inode_key key = {.kind = NODE_TEXT, .place = which};
	OWNED_BUF text = {0};
	int r = rootfile_make(t, which, s, g, &text);

	if (r < 0)
		return err_set(err, r, "out of memory");
	key.text = buf_slice(&text);
	return tree_node(t, &key, g, text.len, out, err);
}
