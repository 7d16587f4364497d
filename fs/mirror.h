/* SPDX-License-Identifier: Apache-2.0 */
/* fs/mirror.h - a store's tree as it is now: partitions/ (the feed) and rejects/ (of the state directory).
 *
 * Everything here may block for as long as the store does: worker threads only. A file is its (path, size,
 * mtime, ctime): one that changed since is another file, and reading the old one is -ESTALE. */
#ifndef FRESHET_MIRROR_H
#define FRESHET_MIRROR_H

#include "inode.h"
#include "store.h"

struct mirror {
	struct store *store; /* NULL: there is nothing in it */
	const char *base;    /* path in the store that is the mirror's root; "" is the store's */
};
enum mirror_place { MIRROR_PARTITIONS, MIRROR_REJECTS, MIRRORS };

/* Looks `name` up in a directory of the mirror. Returns 0 and the node's key (its text lies in `text`) and
 * parts, or -ENOENT …. */
int mirror_lookup(const struct mirror *m, unsigned place, const struct node *dir, struct slice name,
	struct buf *text, struct inode_key *key, struct inode_parts *parts, struct err *err);
/* A directory's times as they are now; its root may be missing yet: -ENOENT. */
int mirror_stat_dir(const struct mirror *m, const struct node *dir, struct store_stat *out, struct err *err);
/* Appends the entries of a directory in order: a byte 'd' or 'f', the name, a NUL, each. */
int mirror_list(const struct mirror *m, const struct node *dir, struct buf *out, struct err *err);
/* Appends up to `len` bytes of a file at `offset`. */
int mirror_read(const struct mirror *m, const struct node *file, uint64_t offset, size_t len, struct buf *out,
	struct err *err);
/* The path within the mirror of either kind of node. */
struct slice mirror_path(const struct node *n);

#endif
