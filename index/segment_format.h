/* SPDX-License-Identifier: Apache-2.0 */
/* index/segment_format.h - numbers of the segment format, as docs/format.md fixes them, and the header and
 * section table read and written. */
#ifndef FRESHET_SEGMENT_FORMAT_H
#define FRESHET_SEGMENT_FORMAT_H

#include "segment.h"

#define SEGMENT_MAGIC "FRSHSEG\x1a"
#define SEGMENT_MAGIC_LEN 8
#define SEGMENT_HEADER 256   /* bytes before the section table */
#define SEGMENT_TABLE_ROW 48 /* bytes a section */
#define SEGMENT_SECTIONS_MAX 64
#define SEGMENT_VERSIONS_MAX 120 /* bytes of the text; zeros behind it */
#define SEGMENT_OF_BASE 1        /* optional feature bit: made as part of a base */
#define SEGMENT_ALIGN 64
#define SEGMENT_PAD 64 /* at least so many zero bytes end a section: vector loads may reach into them */
#define SECTION_VERSION 1
#define SECTION_MUST 1u /* flag: who does not know the kind must refuse the file */

/* A block of records closes when it holds this many bytes or entries. Few pass 128 KiB, behind which zstd would
 * begin a block of its own. */
#define RECORDS_BLOCK_TARGET (96u << 10)
/* Of attributes, which are looked up one by one, in no order, by the documents that ask for them. */
#define RECORDS_BLOCK_ATTRIBUTES (4u << 10)
#define RECORDS_BLOCK_ENTRIES 4096
#define RECORDS_LEN_MAX (8u << 20) /* of one record */
#define RECORDS_RAW_MAX (RECORDS_LEN_MAX + RECORDS_BLOCK_TARGET)

#define RULES_MAX 64u          /* of attributes */
#define GROUP_NONE UINT32_MAX  /* an entry without a group */
#define STRINGS_MAX UINT32_MAX /* bytes of text in a table of strings */

enum section_kind {
	SECTION_RECORDS = 1,
	SECTION_RECORD_INDEX = 2,
	SECTION_IDS = 3,
	SECTION_COLUMNS = 4,
	SECTION_GROUPS = 5,
	SECTION_SOURCES = 6,
	SECTION_DICTIONARY = 7,
	SECTION_POSTINGS = 8,
	SECTION_LENGTHS = 9,
	SECTION_STATISTICS = 10,
	SECTION_HISTORY_RECORD_INDEX = 11,
	SECTION_HISTORY_IDS = 12,
	SECTION_HISTORY_COLUMNS = 13,
	SECTION_ATTRIBUTES = 14,
	SECTION_RANKING = 15,
};
#define SECTION_KINDS 15
const char *section_name(uint32_t kind); /* "ids" …; "unknown" */

/* A row of the section table. */
struct section {
	uint32_t kind;
	uint16_t version, flags;
	uint64_t offset, length; /* in the file, padding included */
	uint64_t logical;        /* without padding */
	uint64_t checksum;       /* XXH3-64 of all `length` bytes */
};
struct segment_header {
	struct segment_info info; /* what the header knows; `versions` borrows */
	uint64_t groups;
	struct section sections[SEGMENT_SECTIONS_MAX];
	unsigned section_count;
};

static inline uint64_t segment_align(uint64_t n)
{
	return (n + SEGMENT_ALIGN - 1) & ~(uint64_t)(SEGMENT_ALIGN - 1);
}
/* Length of the header, the table of `sections` rows, its checksum and the padding behind it. */
static inline uint64_t segment_front_bytes(unsigned sections)
{
	return segment_align(SEGMENT_HEADER + (uint64_t)sections * SEGMENT_TABLE_ROW + 8);
}
static inline uint64_t section_stored_bytes(uint64_t logical)
{
	return segment_align(logical + SEGMENT_PAD);
}

/* Appends segment_front_bytes() bytes. */
void segment_header_encode(const struct segment_header *h, struct buf *out);
/* Checks all that the header and the table can tell. `bytes` is the whole file; `h` borrows it. Returns 0,
 * -EBADMSG or -ENOTSUP. */
int segment_header_decode(struct segment_header *h, struct slice bytes, struct err *err);

#endif
