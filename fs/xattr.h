/* SPDX-License-Identifier: Apache-2.0 */
/* fs/xattr.h - user.freshet.*: what a node says about itself beyond its bytes. */
#ifndef FRESHET_XATTR_H
#define FRESHET_XATTR_H

#include "tree.h"

/* Appends the value. Returns 1, 0 (the node has no such attribute), or -errno. */
int xattr_get(struct tree *t, const struct node *n, const char *name, struct buf *out, struct err *err);
/* Appends the names that xattr_get() knows for the node, a NUL behind each. */
int xattr_list(struct tree *t, const struct node *n, struct buf *out, struct err *err);

#endif
