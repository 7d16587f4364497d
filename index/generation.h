/* SPDX-License-Identifier: Apache-2.0 */
/* index/generation.h - one published state: its manifest (N.json), its live set, its open segments.
 *
 * Immutable once open and reference-counted: readers pin one, the files may be unlinked under it. */
#ifndef FRESHET_GENERATION_H
#define FRESHET_GENERATION_H

#include "digest.h"
#include "live.h"
#include "state.h"

#define UUID_TEXT 37
#define MANIFEST_MAX (64u << 20)

struct manifest_segment {
	char name[SEGMENT_NAME_HEX + 1];
	uint8_t sha256[SHA256_BYTES];
	uint64_t bytes, entries, documents, superseded;
	int64_t first, last;
};

struct manifest {
	char index[UUID_TEXT]; /* the index's UUID */
	uint64_t number;
	uint64_t parent;                     /* 0: none */
	uint8_t parent_sha256[SHA256_BYTES]; /* zeros without */
	int64_t watermark, horizon;          /* horizon TIME_NONE: none */
	int64_t published;                   /* whole seconds, later than the parent's */
	uint8_t config_hash[16];
	uint32_t k1, b;                    /* of ranking, in thousandths */
	struct manifest_segment *segments; /* owned; oldest first */
	size_t segment_count;
	uint8_t live_sha256[SHA256_BYTES];
	uint64_t live_bytes;
	uint64_t documents; /* live ones, all segments together */
};

/* JSON, indented, with a newline at the end; equal manifests give equal bytes. */
void manifest_encode(const struct manifest *m, struct buf *out);
/* Untrusted bytes. Returns 0, -EBADMSG, -ENOTSUP (newer version). */
int manifest_decode(struct slice bytes, struct manifest *out, struct err *err);
void manifest_release(struct manifest *m);

struct generation {
	struct manifest manifest;
	uint8_t sha256[SHA256_BYTES];          /* of the manifest's bytes */
	struct buf manifest_bytes, live_bytes; /* the files as they are */
	struct live live;
	struct segment **segments; /* owned; as in the manifest */
	_Atomic unsigned refs;
};

/* Opens generation `number` of a state directory, checks manifest and live set against each other and against
 * the segments' headers and sizes (not their checksums). Refs is 1. -ENOENT: no such generation is kept. */
int generation_open(struct generation **out, const struct state *state, uint64_t number, struct err *err);
/* One more reference, for generation_unref() to give back. Returns `g`. */
struct generation *generation_ref(struct generation *g);
void generation_unref(struct generation *g); /* NULL is fine */
static inline void generation_freep(struct generation **g)
{
	generation_unref(*g);
}

/* The file `current`: "NUMBER SHA256\n". Returns 1, 0 when nothing is published, or -EBADMSG …. */
int current_read(const struct state *state, uint64_t *number, uint8_t sha256[SHA256_BYTES], struct err *err);
int current_write(
	const struct state *state, uint64_t number, const uint8_t sha256[SHA256_BYTES], struct err *err);

#endif
