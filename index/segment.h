/* SPDX-License-Identifier: Apache-2.0 */
/* index/segment.h - read one immutable segment file (bytes: docs/format.md).
 *
 * A published segment never changes: any number of threads share it without locks. The file is mapped;
 * no byte is trusted before a bounds check, so damage gives -EBADMSG and never a crash. */
#ifndef FRESHET_SEGMENT_H
#define FRESHET_SEGMENT_H

#include "dict.h"
#include "entries.h"
#include "postings.h"
#include "ranking.h"

#define SEGMENT_MAJOR 1
#define SEGMENT_MINOR 0
#define SEGMENT_NAME_HEX 32 /* a segment's name: first half of its SHA-256, in hex */

struct segment;

struct segment_info {
	uint16_t major, minor;
	uint8_t config_hash[16];
	uint32_t shard, shards;
	int64_t first, last; /* timestamps of the oldest and newest partition in it */
	uint64_t entries, live, hidden, deleted, attributes, history, sources, terms, postings;
	uint32_t rules;        /* of attributes */
	bool base;             /* made as part of a base */
	uint64_t total_length; /* words in live entries */
	uint64_t file_bytes;
	struct slice versions; /* of the libraries that made it, one line */
};

/* Opens by path; `name` is what errors call it. Checks the header, the section table and the bounds of
 * every section, not checksums. Returns 0, -EBADMSG (damaged), -ENOTSUP (newer major version, unknown
 * must-understand feature or section), -ENOENT …. */
int segment_open(struct segment **out, const char *path, const char *name, struct err *err);
/* Lets go of what was read of the file: it is no part of this process's memory until it is read again. */
void segment_forget(const struct segment *s);
/* segment_open() over bytes in memory, borrowed until segment_free(); for tests and fuzzing. */
int segment_open_bytes(struct segment **out, struct slice bytes, const char *name, struct err *err);
void segment_free(struct segment *s); /* NULL is fine */
/* Was its file cut short under us, or unreadable? What was read from it, before or after, may be wrong then. Can be
 * true in a process with mapping_guard() only; any other is ended. */
bool segment_is_broken(const struct segment *s);
DEFINE_FREEP(segment)

const struct segment_info *segment_info(const struct segment *s);
const struct dict *segment_dict(const struct segment *s);
int segment_fd(const struct segment *s); /* open for as long as the segment; -1 for bytes in memory */

/* Entry columns; `n` must be below info->entries. Each returns 0 or -EBADMSG. */
int segment_id(const struct segment *s, uint32_t n, struct slice *id, struct err *err);
int segment_entry(
	const struct segment *s, uint32_t n, struct entry *out, struct err *err); /* all but record */
enum entry_state segment_state(const struct segment *s, uint32_t n); /* an unknown byte reads as deleted */
uint32_t segment_source_of(const struct segment *s, uint32_t n); /* any number where the file is damaged */
uint32_t segment_history_source_of(const struct segment *s, uint32_t n);
uint32_t segment_length(const struct segment *s, uint32_t n); /* words of the document; 0 unless live */
/* First entry with id >= `id`, by binary search: 1 and *n when it is that id, 0 and *n where it would stand, or -EBADMSG. */
int segment_find(const struct segment *s, struct slice id, uint32_t *n, struct err *err);
/* Appends the stored record of an entry (nothing for a deleted one without record). */
int segment_record(const struct segment *s, uint32_t n, struct buf *out, struct err *err);
int segment_source(const struct segment *s, uint32_t n, struct source *out, struct err *err);
/* How many sources lie at or before `ts`: those with numbers below it. TIME_NONE: none. */
uint32_t segment_sources_until(const struct segment *s, int64_t ts);
/* Groups, sorted; `i` below segment_groups(). The history's are among them. */
uint64_t segment_groups(const struct segment *s);
int segment_group(const struct segment *s, uint64_t i, struct slice *name, struct err *err);
/* The number of entry n's group, not checked; GROUP_NONE (segment_format.h): it has none. */
uint32_t segment_group_of(const struct segment *s, uint32_t n);
/* Appends the numbers (uint32_t) of the live and hidden entries of group `name`, ascending: those of its term. Returns 0,
 * -EBADMSG, -ENOMEM. */
int segment_group_entries(const struct segment *s, struct slice name, struct buf *out, struct err *err);
/* History rows, n below info->history. */
int segment_history(const struct segment *s, uint32_t n, struct entry *out, struct err *err);
int segment_history_id(const struct segment *s, uint32_t n, struct slice *id, struct err *err);
int segment_history_record(const struct segment *s, uint32_t n, struct buf *out, struct err *err);
/* The same for who reads many in order with a scratch of his own (records.h): *out is valid until its next use. */
struct records_scratch;
int segment_row_record(const struct segment *s, bool history, uint32_t n, struct records_scratch *scratch,
	struct slice *out, struct err *err);
/* First history row with id >= `id`; as segment_find(). */
int segment_history_find(const struct segment *s, struct slice id, uint32_t *n, struct err *err);
/* The rules by which documents here were joined with attributes, n below info->rules. */
struct segment_rule {
	struct slice name, on; /* [attribute.NAME], and the field of documents */
	bool expires;
};
int segment_rule(const struct segment *s, uint32_t n, struct segment_rule *out, struct err *err);
/* Postings of a term that this segment's dictionary gave; inline ones too. */
int segment_postings(const struct segment *s, const struct dict_term *t, struct postings *p, struct err *err);
/* Ranking data of a term that this segment's dictionary gave. Returns 1, 0 when its list has none (a keyword's, or of one
 * block), or -EBADMSG. */
int segment_ranking(
	const struct segment *s, const struct dict_term *t, struct ranking_list *out, struct err *err);

/* Fast path for rendering: appends "id\n" for each of `docs` (at most POSTINGS_BLOCK, ascending, below
 * info->entries). A buffer with room for SEGMENT_IDS_SLACK bytes more than all its ids never grows on the way. */
#define SEGMENT_IDS_SLACK 8192
int segment_add_ids(
	const struct segment *s, const uint32_t *docs, unsigned n, struct buf *out, struct err *err);

#endif
