/* SPDX-License-Identifier: Apache-2.0 */
/* fs/tree_names.h - the fixed names of the tree: one table for lookups and listings. For tree*.c only. */
#ifndef FRESHET_TREE_NAMES_H
#define FRESHET_TREE_NAMES_H

#include "inode.h"

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

#endif
