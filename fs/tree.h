/* SPDX-License-Identifier: Apache-2.0 */
/* fs/tree.h - what is where: names to nodes, attributes, listings.
 *
 * Nothing here waits: what may block is answered with TREE_SLOW and done again by the `_slow` call on a
 * worker. Under a generation's directories names and bytes never change, so they (and that a name is not
 * there) may be cached for ever; the root's live names are pointers to the current generation. */
#ifndef FRESHET_TREE_H
#define FRESHET_TREE_H

#include <sys/stat.h>

#include "mirror.h"
#include "refresh.h"
#include "render.h"
#include "requests.h"

struct tree {
	struct inode_table *inodes;
	struct render *render;
	struct refresh *refresh;
	const struct state *state;
	const struct config *cfg;
	struct template *template;
	struct mirror mirrors[MIRRORS];
	struct passthrough *passthrough; /* borrowed; NULL: not asked for */
	const char *mountpoint, *url;
	struct requests *requests; /* borrowed */
	int64_t started;           /* wall clock: the time of what no generation dates */
	uid_t uid;
	gid_t gid;
};

#define TREE_SLOW 2
#define TREE_FOREVER TIME_FOREVER

struct tree_entry {
	struct node *node; /* counted as looked up once */
	int64_t valid;     /* how long the kernel may keep the name, or, when absent, that there is none */
};

/* Makes the root (number INODE_ROOT). 0 or -ENOMEM. */
int tree_plant(struct tree *t);
/* True for names whose answer depends on what is current: these wait for a look that is fresh enough. */
bool tree_is_live(const struct node *parent, const char *name);
/* Returns 1 found, 0 absent, TREE_SLOW, or -errno. */
int tree_lookup(
	struct tree *t, const struct node *parent, const char *name, struct tree_entry *out, struct err *err);
int tree_lookup_slow(
	struct tree *t, const struct node *parent, const char *name, struct tree_entry *out, struct err *err);

/* True for files that say what is published, so that who polls one waits for a publish. */
bool tree_is_awaited(const struct node *n);
/* True when another generation than the node's is published now. */
bool tree_is_outdated(struct tree *t, const struct node *n);

/* Attributes of a node as it was made. Returns how long they hold. */
int64_t tree_attr(struct tree *t, const struct node *n, struct stat *out);
/* True when attributes change with time and have to be looked up by tree_attr_slow(). */
bool tree_attr_is_slow(const struct node *n);
int tree_attr_slow(struct tree *t, const struct node *n, struct stat *out, int64_t *valid, struct err *err);

/* Gets entries from `offset` on, each with the offset of the next. Return false when it does not fit. */
typedef bool tree_fill_fn(void *ctx, const char *name, bool is_dir, uint64_t next);
/* Returns 0, TREE_SLOW, or -errno. */
int tree_list(struct tree *t, const struct node *dir, uint64_t offset, tree_fill_fn *fill, void *ctx,
	struct err *err);
int tree_list_slow(struct tree *t, const struct node *dir, uint64_t offset, tree_fill_fn *fill, void *ctx,
	struct err *err);

/* True where each name that is listed costs little to look up as well. */
bool tree_lists_nodes(const struct node *dir);

/* After reading below `dir`: 0, or -EBADMSG when a segment that it is made of broke. tree_lookup() and tree_list() ask
 * themselves. */
int tree_check(const struct node *dir, struct err *err);

/* The root's names that point into the current generation, NULL-terminated: what a publish invalidates, in this order. "generation" is the
 * last, so that the others are new for who sees a new number. */
extern const char *const tree_pointers[];
uint64_t tree_generations_ino(const struct tree *t);

#endif
