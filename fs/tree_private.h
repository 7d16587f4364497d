/* SPDX-License-Identifier: Apache-2.0 */
/* fs/tree_private.h - what lookups and listings share: the fixed names, and how nodes are made. For tree*.c only. */
#ifndef FRESHET_TREE_PRIVATE_H
#define FRESHET_TREE_PRIVATE_H

#include "rootfile.h"
#include "tree.h"

enum name_holds {
	HOLDS_FOREVER, /* one node for as long as the mount lives */
	HOLDS_POINTER, /* until the next publish */
	HOLDS_NOT,     /* another node at each lookup */
};

struct tree_name {
	const char *name;
	enum node_kind kind;
	unsigned place; /* which text, which mirror */
	enum name_holds holds;
	bool pinned; /* also under generations/N */
};

#define TREE_NAMES 20
extern const struct tree_name tree_names[TREE_NAMES]; /* in the order of listings */
/* NULL: none is called so. */
const struct tree_name *tree_name_find(const char *name);

/* When generation `g` was published; of NULL, when nothing is, when the mount began. */
int64_t tree_publish_time(const struct tree *t, const struct generation *g);
/* What inode keys call generation `g`; 0 for NULL, when nothing is published. */
uint64_t tree_generation_id(const struct generation *g);
/* Makes a node of generation `g` (or NULL), or finds it. `key` says which, but for the generation, which is filled in. Returns 1 or -ENOMEM. */
int tree_node(struct tree *t, struct inode_key *key, struct generation *g, uint64_t size, struct node **out,
	struct err *err);
/* partitions.tsv of a snapshot. Returns as tree_node(). */
int tree_node_table(struct tree *t, const struct snapshot *s, struct node **out, struct err *err);
/* One of the texts of the root (rootfile.h), of a snapshot (or NULL) and generation `g` (or NULL). Likewise. */
int tree_node_text(struct tree *t, enum rootfile which, const struct snapshot *s, struct generation *g,
	struct node **out, struct err *err);
/* What `name` is in `dir`, a directory of a generation that is there. Returns 1, 0 absent, TREE_SLOW, unless `slow`, or -errno. */
int tree_lookup_below(struct tree *t, const struct node *dir, const char *name, bool slow, struct node **out,
	struct err *err);

#endif
