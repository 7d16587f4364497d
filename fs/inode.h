/* SPDX-License-Identifier: Apache-2.0 */
/* fs/inode.h - the inodes that the kernel knows: number → node, key → node, lookup counts.
 *
 * An inode number stands for bytes (or for one directory in one place) and comes from a 64-bit counter, so
 * it is never used again for others. It is both the kernel's node id and st_ino. A node lives from the
 * first lookup that is answered with it until the kernel forgets the last one; meanwhile the same key
 * gives the same node. What a file holds and its size are fixed when its node is made.
 *
 * Pointers: a node that the kernel asks about cannot be forgotten before the answer, since the request holds
 * its inode; so requests use nodes without counting. Everything in a node but its count and its
 * links is immutable, save what says otherwise. */
#ifndef FRESHET_INODE_H
#define FRESHET_INODE_H

#include "bytes.h"
#include "generation.h"

#include <stdatomic.h>

#define INODE_ROOT 1 /* FUSE fixes this one */

/* What a node is; the key's text in brackets. */
enum node_kind {
	NODE_ROOT,
	NODE_GENERATIONS,
	NODE_MIRROR_DIR, /* [path] a directory of the feed or of rejects/; place: which mirror */
	NODE_GENERATION, /* a generation's directory under generations/ */
	/* Directories of a generation; place: PLACE_LIVE or PLACE_PINNED. */
	NODE_SEGMENTS,
	NODE_TERMS,
	NODE_PREFIXES,
	NODE_PREFIX, /* [name as it was looked up] */
	NODE_DOCS,
	NODE_POSTINGS,
	NODE_GROUPS,
	NODE_QUERIES,
	NODE_RANKS,
	NODE_LAST_DIR = NODE_RANKS,
	/* Files. */
	NODE_TEXT,        /* [content] a small text; place: which one */
	NODE_TABLE,       /* [serial] partitions.tsv of one snapshot; the bytes are the blob */
	NODE_SEGMENT,     /* [SHA-256 in hex] the bytes are the descriptor's */
	NODE_LIVE,        /* N.live */
	NODE_MANIFEST,    /* MANIFEST.json */
	NODE_SUMS,        /* SHA256SUMS */
	NODE_TERM,        /* [dictionary key] */
	NODE_DOC,         /* [id] */
	NODE_TERM_ROWS,   /* [dictionary key] */
	NODE_GROUP,       /* [name] */
	NODE_QUERY,       /* [expression] */
	NODE_RANK,        /* [expression] */
	NODE_MIRROR_FILE, /* [path NUL size mtime ctime]; place: which mirror */
};
enum node_place { PLACE_LIVE, PLACE_PINNED };

/* Bytes that several holders share. */
struct blob {
	_Atomic unsigned refs;
	size_t len;
	char *data; /* owned */
};
/* Takes the buffer's bytes, which leaves it empty; one reference. NULL when memory is out, also when the buffer
 * failed before. */
struct blob *blob_take(struct buf *bytes);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b); /* NULL is fine */
static inline struct slice blob_bytes(const struct blob *b)
{
	return slice_of(b->data, b->len);
}
static inline void blob_freep(struct blob **b)
{
	blob_unref(*b);
}

struct inode_key {
	enum node_kind kind;
	unsigned place;
	uint64_t generation; /* inode_generation_id(); 0: none */
	struct slice text;
};

/* What a node is made of besides its key. */
struct inode_parts {
	struct generation *generation; /* may be NULL */
	struct blob *blob;             /* may be NULL */
	int fd;                        /* -1: none */
	uint64_t size;
	int64_t mtime, ctime;
};

/* A name that the kernel knows: of a node, in a directory. */
struct inode_name {
	struct node *dir, *node;
	struct inode_name *of_node, *in_dir;         /* next */
	struct inode_name **of_node_at, **in_dir_at; /* what points here */
	char name[];
};
#define INODE_NAMES_MAX \
	64 /* of one node; beyond that the one that was told last is forgotten for the new one */

struct node {
	uint64_t ino;
	uint64_t generation_id;
	struct generation *generation; /* a reference, or NULL */
	struct blob *blob;             /* a reference, or NULL */
	uint64_t size;
	int64_t mtime, ctime;
	uint64_t lookups;             /* table's lock */
	struct node *by_ino, *by_key; /* next in the chain; table's lock */
	struct inode_name *names,
		*entries; /* of it; in it, where it is a generation's directory; table's lock */
	struct node *next_dir, **dir_at; /* directories with entries; table's lock */
	uint32_t hash;
	int fd; /* owned, or -1 */
	uint16_t kind, place;
	uint32_t text_len;
	char text[]; /* the key's, with a NUL behind it */
};

static inline struct slice node_text(const struct node *n)
{
	return slice_of(n->text, n->text_len);
}
static inline bool node_kind_is_dir(enum node_kind kind)
{
	return kind <= NODE_LAST_DIR;
}
static inline bool node_is_dir(const struct node *n)
{
	return node_kind_is_dir(n->kind);
}

struct inode_table; /* safe for several threads */

/* The first inode is INODE_ROOT, those after it are `second` and up. NULL when memory is out. */
struct inode_table *inode_table_new(uint64_t second);
void inode_table_free(struct inode_table *t);
/* The node with that number; NULL: the kernel was never told of it, or forgot it. */
struct node *inode_find(struct inode_table *t, uint64_t ino);
/* One lookup more of a node that the kernel knows; inode_forget() gives it back. */
void inode_hold(struct inode_table *t, struct node *n);
/* The node with that key, with one lookup more; NULL when there is none. */
struct node *inode_lookup(struct inode_table *t, const struct inode_key *key);
/* The same, and makes the node where there is none. Takes the references and the descriptor in `parts`
 * over in every case. Returns NULL when memory is out. */
struct node *inode_get(struct inode_table *t, const struct inode_key *key, struct inode_parts *parts);
/* The kernel is told that `name` in `dir` is `n`, both of which are held. Taken note of where `dir` is a generation's, until one of the two goes. */
void inode_told(struct inode_table *t, struct node *dir, struct node *n, const char *name);
/* Appends the names in directories of which `gone` says so: the directory's number in 8 bytes, the name, a NUL, each. `gone` is
 * called with the table locked. Short of memory, some are left out. */
void inode_gone_names(
	struct inode_table *t, bool (*gone)(void *ctx, const struct node *dir), void *ctx, struct buf *out);
/* Takes `n` lookups back; at zero the node goes. Returns true when it went. */
bool inode_forget(struct inode_table *t, uint64_t ino, uint64_t n);
/* Tells generations apart, never 0: a number alone does not, since a state directory may be emptied and an index
 * built there anew, whose numbers start again. */
uint64_t inode_generation_id(const char *index, uint64_t number);
/* A reference to the generation that a node of that identity holds; NULL: no node does. */
struct generation *inode_generation(struct inode_table *t, uint64_t id);
size_t inode_count(struct inode_table *t);

void inode_parts_release(struct inode_parts *p);

#endif
