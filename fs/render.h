/* SPDX-License-Identifier: Apache-2.0 */
/* fs/render.h - what files hold, and a bounded store of bytes that were made before.
 *
 * A file's bytes are made whole. When one read takes all of them they are made in a buffer that is used over and
 * over, and not kept: the kernel's cache has them then, and fresh memory of some hundred kilobytes costs as
 * much as what is written into it. Else they are kept by inode number while there is room (least recently used
 * goes first), so that the next part is not made again. The newest stays however large. */
#ifndef FRESHET_RENDER_H
#define FRESHET_RENDER_H

#include "inode.h"

struct render; /* safe for several threads */

struct render *render_new(size_t max_bytes); /* NULL when memory is out */
void render_free(struct render *r);
/* The kept bytes of an inode, with a reference; NULL when they are not there. */
struct blob *render_kept(struct render *r, uint64_t ino);
/* Keeps `b` for `ino` (a reference of its own); what was kept for it before goes. */
void render_keep(struct render *r, uint64_t ino, struct blob *b);
void render_drop(struct render *r, uint64_t ino);
size_t render_bytes(struct render *r); /* what is kept, with what keeping costs */

/* Appends what a file of that kind and key holds in a generation: NODE_TERM, or one whose size only its bytes tell
 * (NODE_DOC, NODE_TERM_ROWS, NODE_GROUP, NODE_QUERY, NODE_RANK). Returns 1, 0 when there is no such file, -E2BIG (a prefix of
 * too many terms), -EBADMSG, -ENOMEM. */
int render_make(
	enum node_kind kind, const struct generation *g, struct slice text, struct buf *out, struct err *err);
/* The content of a file node that is made from its generation (those above, NODE_SUMS), or the names that
 * NODE_GROUPS lists (each with a NUL behind it). *out gets a reference. Returns 0, -EBADMSG (the segments are
 * damaged), -ENOMEM. */
int render_node(struct render *r, const struct node *n, struct blob **out, struct err *err);

/* A file's bytes for one reply. */
struct loan {
	struct slice bytes; /* valid until render_return() */
	struct blob *blob;  /* a reference, or NULL: the bytes are in `buffer` */
	struct buf *buffer; /* owned */
};
/* The same bytes for a read that takes all of them (`whole`) or not. Returns as render_node() does; *out is to be
 * given back with render_return() in every case. */
int render_lend(struct render *r, const struct node *n, bool whole, struct loan *out, struct err *err);
void render_return(struct render *r, struct loan *loan);

/* SHA256SUMS of a generation: a line for each other file in segments/, as sha256sum writes them. */
void render_sums(const struct generation *g, struct buf *out);
/* MANIFEST.json … as they are in memory: the bytes of nodes that need no rendering; false for all others. */
bool render_plain(const struct node *n, struct slice *out);

#endif
