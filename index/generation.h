/* SPDX-License-Identifier: Apache-2.0 */
/* index/generation.h - one published state: its manifest (N.json), its live set, its open segments.
 *
 * Immutable once open and reference-counted: readers pin one, the files may be unlinked under it. */
#ifndef FRESHET_GENERATION_H
#define FRESHET_GENERATION_H

#include "digest.h"
#include "live.h"
#include "member.h"
#include "state.h"

#define MANIFEST_MAX (64u << 20)
/* Of N.live: bits for 10^11 entries, more than one machine serves. */
#define LIVE_BYTES_MAX (UINT64_C(1) << 34)

struct manifest_segment {
	char name[SEGMENT_NAME_HEX + 1];
	uint8_t sha256[SHA256_BYTES];
	uint64_t bytes, entries, documents, superseded;
	int64_t first, last;
	bool base;        /* of the base: it lies under all deltas */
	uint32_t *undone; /* owned; sources whose records count no more, ascending */
	size_t undone_count;
	int64_t left; /* partitions at or before it left before the horizon went back; TIME_NONE: none */
};

/* What made a generation. Merging changes no content; rolling back alone takes the watermark back. */
enum manifest_kind { MANIFEST_BUILD, MANIFEST_MERGE, MANIFEST_ROLLBACK, MANIFEST_BASE };
#define MANIFEST_KINDS 4

struct manifest {
	char index[UUID_TEXT]; /* the index's UUID */
	enum manifest_kind kind;
	uint64_t number;
	uint64_t parent;                     /* 0: none */
	uint8_t parent_sha256[SHA256_BYTES]; /* zeros without */
	int64_t watermark;
	int64_t horizon;   /* what only partitions at or before it hold has left; TIME_NONE: nothing leaves */
	int64_t base_at;   /* the base covers partitions that end at or before it; TIME_NONE: no base */
	int64_t published; /* whole seconds, later than the parent's */
	uint8_t config_hash[16];
	uint32_t k1, b;                    /* of ranking, in thousandths */
	struct manifest_segment *segments; /* owned; oldest first */
	size_t segment_count;
	uint8_t live_sha256[SHA256_BYTES];
	uint64_t live_bytes;
	uint64_t documents; /* live ones, all segments together */
};
/* How many of the segments are the base: the first ones. */
static inline size_t manifest_base_count(const struct manifest *m)
{
	size_t n = 0;

	while (n < m->segment_count && m->segments[n].base)
		n++;
	return n;
}

/* JSON, indented, with a newline at the end; equal manifests give equal bytes. */
void manifest_encode(const struct manifest *m, struct buf *out);
/* Untrusted bytes. Returns 0, -EBADMSG, -ENOTSUP (newer version). */
int manifest_decode(struct slice bytes, struct manifest *out, struct err *err);
void manifest_release(struct manifest *m);
/* A copy of its own. Returns 0 or -ENOMEM. */
int manifest_segment_copy(const struct manifest_segment *from, struct manifest_segment *to);
static inline struct undone manifest_undone(const struct manifest_segment *s)
{
	return (struct undone){s->undone, s->undone_count, s->left};
}

struct generation {
	struct manifest manifest;
	uint8_t sha256[SHA256_BYTES];          /* of the manifest's bytes */
	struct buf manifest_bytes, live_bytes; /* the files as they are */
	struct live live;
	struct segment **segments; /* owned, save in a part; as in the manifest */
	struct generation *whole;  /* of a part: what it is of; a reference */
	_Atomic unsigned refs;
};

/* Opens generation `number` of a state directory, checks manifest and live set against each other and against
 * the segments' headers and sizes (not their checksums). Refs is 1. -ENOENT: no such generation is kept. */
int generation_open(struct generation **out, const struct state *state, uint64_t number, struct err *err);
/* Some segments of `whole`, as if there were no others: those for which `keep` says so, with a live set of their own
 * under `horizon`. The manifest has those segments and the whole's other members; it is nobody's file. Refs is 1. */
int generation_part(struct generation **out, struct generation *whole, const bool *keep, int64_t horizon,
	struct err *err);
/* A generation of open segments that is no file: with a live set of its own under `horizon`, and otherwise a manifest without
 * content. On success the segments are its own; the arrays stay the caller's. Refs is 1. */
struct generation_draft {
	struct segment **segments;          /* oldest first */
	struct manifest_segment *manifests; /* of each: name, base, undone and left count */
	size_t count;
};
int generation_make(
	struct generation **out, const struct generation_draft *d, int64_t horizon, struct err *err);
/* One more reference, for generation_unref() to give back. Returns `g`. */
struct generation *generation_ref(struct generation *g);
void generation_unref(struct generation *g); /* NULL is fine */
/* After reading from its segments: 0, or -EBADMSG when one is broken, so that what was read is worth nothing. */
int generation_check(const struct generation *g, struct err *err);
/* Are both of one index? Else their numbers say nothing of each other. */
static inline bool generation_is_of(const struct generation *a, const struct generation *b)
{
	return !strcmp(a->manifest.index, b->manifest.index);
}
static inline void generation_freep(struct generation **g)
{
	generation_unref(*g);
}

/* The file `current`: "NUMBER SHA256\n". Returns 1, 0 when nothing is published, or -EBADMSG …. */
int current_read(const struct state *state, uint64_t *number, uint8_t sha256[SHA256_BYTES], struct err *err);
int current_write(
	const struct state *state, uint64_t number, const uint8_t sha256[SHA256_BYTES], struct err *err);

#endif
