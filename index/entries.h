/* SPDX-License-Identifier: Apache-2.0 */
/* index/entries.h - the rows of a segment: id, group, order key, state and stored record of each, in
 * columns. One shape serves twice: the segment's entries (one an id, by id) and its history (records that
 * lost, by id and order). Attributes are rows like documents. Format: docs/format.md, "Entries". */
#ifndef FRESHET_ENTRIES_H
#define FRESHET_ENTRIES_H

#include "bytes.h"
#include "err.h"

enum entry_state {
	ENTRY_LIVE = 0,    /* a document that can be found */
	ENTRY_HIDDEN = 1,  /* one that `drop_if` keeps out */
	ENTRY_DELETED = 2, /* the newest record says so; of a document or an attribute */
	ENTRY_ATTRIBUTE = 3,
};
#define ENTRY_STATES 4

/* A data file whose records lie in the segment. Sources are sorted by (ts, path): comparing their
 * numbers compares the order of section 6 inside one segment. */
struct source {
	int64_t ts;             /* of the partition */
	struct slice partition; /* its path */
	struct slice file;      /* path in the partition */
	uint8_t hash[16];       /* of the file's bytes, as file_row.hash */
};

/* One row, to write and as read (slices then point into the segment). */
struct entry {
	struct slice id, group, version; /* group.len 0: none; version: see record.h */
	enum entry_state state;
	uint32_t source;
	uint64_t line;
	struct slice
		record; /* JSON, when writing; when reading use segment_record(). Empty only if deleted records were empty */
};

/* The order of section 6 over (version, ts, file, line): < 0 when a is older. Works across segments. */
int entry_order(
	const struct entry *a, const struct source *as, const struct entry *b, const struct source *bs);

#endif
