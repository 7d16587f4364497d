/* SPDX-License-Identifier: Apache-2.0 */
/* index/record.h - what one line of the feed means: document or attribute, whose it is, which record wins,
 * which terms it has.
 *
 * Two steps. record_parse() looks at a line once, as it is read: is it usable, which id, group, version,
 * is it a delete. record_analyse() looks at the records that won, and gives their terms. What counts as what,
 * and every reason to refuse a line, is in docs/records.md. */
#ifndef FRESHET_RECORD_H
#define FRESHET_RECORD_H

#include "arena.h"
#include "config.h"
#include "text.h"

#define ID_MAX 1024             /* bytes of an id or a group */
#define VERSION_MAX 1024        /* bytes of a version */
#define RECORD_NESTING_MAX 1000 /* arrays and objects in each other; deeper is a reject */

/* Term classes: the first byte of a dictionary key. Words and keywords are what people look for; the internal
 * classes lead from a group, and from an attribute, to the documents in it, hidden ones too. */
enum term_class {
	TERM_ATTRIBUTE = 'a', /* the id of an attribute that the document asks for, without the first byte */
	TERM_GROUP = 'g',     /* the document's group */
	TERM_KEYWORD = 'k',
	TERM_WORD = 'w',
};
static inline bool term_class_is_known(char cls)
{
	return cls == TERM_ATTRIBUTE || cls == TERM_GROUP || cls == TERM_KEYWORD || cls == TERM_WORD;
}
static inline bool term_class_is_internal(char cls)
{
	return cls == TERM_ATTRIBUTE || cls == TERM_GROUP;
}

/* An attribute is called 01 NAME 01 KEY. No document has a control character in its id, so in every order of ids
 * attributes come first, and the two never meet. */
#define ATTRIBUTE_MARK '\x01'
static inline bool id_is_attribute(struct slice id)
{
	return id.len && id.data[0] == ATTRIBUTE_MARK;
}

/* Where a record stands in the order of section 6: version, then partition, file, line. */
struct record {
	struct slice id;      /* in the caller's arena, NUL behind it; see ATTRIBUTE_MARK */
	struct slice group;   /* in the arena; len 0: none */
	struct slice version; /* in the arena: order-preserving key, see below; len 0: none, lowest */
	struct slice json;    /* the line, byte for byte, in the arena (a delete's is kept too) */
	uint32_t source;      /* index of its file; files are numbered by (partition timestamp, path) */
	uint64_t line;
	bool deleted;
};

/* The order of section 6 between two records of one id: < 0 when a is older. Source numbers compare as their partitions and paths
 * do. */
int record_order(const struct record *a, const struct record *b);

/* Versions compare by memcmp of these keys: none (empty) < integers by value < all else bytewise. An
 * integer is a JSON integer or a string of an optional '-' and up to 18 digits: 0x01 and 9 bytes
 * big-endian of value + 2^63; all else is 0x02 and the bytes of the string, or a JSON number's text. */

/* Parser state and scratch: one per thread. Borrows `cfg`. */
struct record_parser;
int record_parser_new(struct record_parser **out, const struct config *cfg, struct err *err);
void record_parser_free(struct record_parser *p);
DEFINE_FREEP(record_parser)

/* Parses one line, which must have RECORD_PADDING readable bytes behind it. `fallback_id` is the id where none is configured and the
 * record has none ("PARTITION/FILE:LINE"). Fills all of `out` but source and line. Returns 0 usable, 1 refused
 * with the reason in `err`, or -ENOMEM. */
int record_parse(struct record_parser *p, struct slice line, struct slice fallback_id, struct arena *arena,
	struct record *out, struct err *err);

/* Gets each occurrence of a term; at least 16 readable bytes follow the text. */
typedef void term_fn(void *ctx, enum term_class cls, const char *text, size_t len);
/* Finds an attribute: appends its record to `json` and returns 1; 0 there is none (or it is deleted); or -errno. */
typedef int attribute_fn(void *ctx, struct slice id, struct buf *json, struct err *err);
/* From now on record_analyse() joins what `fn` finds. NULL: nothing, as at first. */
void record_join(struct record_parser *p, attribute_fn *fn, void *ctx);
/* Gives the terms of a document that record_parse() took. `json` must have RECORD_PADDING readable bytes behind
 * it. First the attributes that it asks for come (TERM_ATTRIBUTE), found or not. A keyword field's term ("field:value")
 * comes once for each occurrence, words in order. Returns 0 live, 1 hidden (drop_if holds: no more terms are given),
 * -EBADMSG (not a usable record), -ENOMEM. */
int record_analyse(struct record_parser *p, struct slice json, term_fn *fn, void *ctx, struct err *err);
/* Appends what documents take of an attribute's record: two records with equal bytes here give all documents the same
 * terms and the same state. `json` empty: no record. Returns 0, -EBADMSG or -ENOMEM. */
int record_taken(
	struct record_parser *p, struct slice id, struct slice json, struct buf *out, struct err *err);

#endif
