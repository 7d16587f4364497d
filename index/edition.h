/* SPDX-License-Identifier: Apache-2.0 */
/* index/edition.h - how generations lie in a store that they are published to (docs/format.md, "Published generations").
 *
 *     segments/NAME.seg  manifests/SHA256.json  live/SHA256.live  rows/SHA256.tsv     named by their content, never written again
 *     generations/E-N-HASH.json  an edition: all that generation N, published in epoch E, is made of; HASH begins its SHA-256
 *     epochs/E/claim.json      who may publish in that epoch: of all who try, one makes it
 *     epochs/E/current.json    the pointer: the newest edition of the epoch
 *
 * An epoch is one builder's time of publishing. Epochs are claimed upwards without a gap, and only the highest that is claimed counts: what
 * is published is what its pointer names, and before there is one what its claim says it was claimed over. So whatever the builder of
 * an older epoch still writes, nobody looks at. */
#ifndef FRESHET_EDITION_H
#define FRESHET_EDITION_H

#include "catalog.h"
#include "row_text.h"
#include "store.h"

#define EDITION_MAX (64u << 20)     /* bytes of an edition */
#define POINTER_MAX 4096u           /* bytes of a pointer or a claim */
#define EDITION_ROWS_MAX (1u << 20) /* texts of rows */
#define EDITION_WHO_MAX 256u        /* bytes of a claim's `by` */
/* Numbers begin so far above what an epoch was claimed over, since the builder before may have published meanwhile: a number stands for
 * one content for ever. */
#define EPOCH_NUMBERS 1000u

/* Which edition. */
struct edition_ref {
	uint64_t epoch, number; /* 0: none */
	uint64_t bytes;
	uint8_t sha256[SHA256_BYTES];
};
static inline bool edition_ref_is(const struct edition_ref *a, const struct edition_ref *b)
{
	return a->epoch == b->epoch && a->number == b->number && a->bytes == b->bytes &&
	       !memcmp(a->sha256, b->sha256, SHA256_BYTES);
}

struct edition_part { /* an object that is named by its content */
	uint64_t bytes;
	uint8_t sha256[SHA256_BYTES];
};
struct edition_rows {
	int64_t from; /* of partitions from here on, up to where the next begins */
	struct edition_part part;
};
struct edition {
	char index[UUID_TEXT];
	uint64_t epoch, number;
	int64_t watermark;
	uint64_t paused; /* the generation whose rollback paused builds; 0: they go on */
	struct edition_part manifest, live;
	struct edition_rows *rows; /* owned; by `from` */
	size_t row_count;
	char *config; /* owned; sections [feed], [lag], [document], [attribute.*] and [index] of the builder's, without feed.url */
};

struct claim {
	char index[UUID_TEXT];
	uint64_t epoch;
	char owner[UUID_TEXT];        /* of the builder's state directory */
	char by[EDITION_WHO_MAX + 1]; /* for people */
	int64_t at;
	struct edition_ref over; /* what was published then */
};

/* JSON, indented, with a newline at the end; equal ones give equal bytes. */
void edition_encode(const struct edition *e, struct buf *out);
void claim_encode(const struct claim *c, struct buf *out);
void pointer_encode(const char *index, const struct edition_ref *ref, struct buf *out);
/* Untrusted bytes. Return 0, -EBADMSG, -ENOTSUP (newer version), -ENOMEM; then there is nothing to release. */
int edition_decode(struct slice bytes, struct edition *out, struct err *err);
int claim_decode(struct slice bytes, struct claim *out, struct err *err);
int pointer_decode(struct slice bytes, char index[UUID_TEXT], struct edition_ref *out, struct err *err);
void edition_release(struct edition *e); /* zero-initialised is fine */

/* Of a configuration as config_dump() writes it: what says what the index is, and nothing that is a host's own: sections [feed] without
 * `url`, [lag], [document], [attribute.*] and [index]. */
void edition_config(struct slice text, struct buf *out);

#define EDITION_PATH_MAX 128
#define EDITION_HASH_HEX 16 /* digits of an edition's SHA-256 in its name */
/* Where things lie; each returns `out`. */
const char *edition_path(const struct edition_ref *ref, char out[EDITION_PATH_MAX]);
const char *claim_path(uint64_t epoch, char out[EDITION_PATH_MAX]);
const char *pointer_path(uint64_t epoch, char out[EDITION_PATH_MAX]);
/* `kind`: "manifests", "live", "rows" or "segments". */
const char *part_path(const char *kind, const uint8_t sha256[SHA256_BYTES], char out[EDITION_PATH_MAX]);

/* What is published in a store. */
struct published_now {
	uint64_t epoch;     /* the highest that is claimed; 0: none */
	struct claim claim; /* of it */
	bool has_pointer;   /* something was published in that epoch */
	char index[UUID_TEXT];
	struct edition_ref newest; /* number 0: nothing */
};
/* Looks for it, upwards from epoch `known` (0: unknown), with a few small requests. Returns 0, -EBADMSG (says which object), or what the store
 * says. */
int edition_look(struct store *store, uint64_t known, struct published_now *out, struct err *err);
/* For who owns the epoch of `now`, in which nothing was published yet. A publishing that was at its pointer when the epoch was claimed may have
 * ended behind the claim: where that is newer than what the claim says, it becomes `newest`. Returns 0, or as edition_look(). */
int edition_look_before(struct store *store, struct published_now *now, struct err *err);
/* Gets and checks an edition: its bytes are those that `ref` names. Returns 0; -ENOENT where it is not there; -EBADMSG …. */
int edition_get(struct store *store, const struct edition_ref *ref, struct edition *out, struct err *err);
/* Gets an object that is named by its content, of at most `max` bytes; appends. Likewise. */
int edition_get_part(struct store *store, const char *path, const struct edition_part *part, size_t max,
	struct buf *out, struct err *err);

#endif
