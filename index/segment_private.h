/* SPDX-License-Identifier: Apache-2.0 */
/* index/segment_private.h - an open segment from inside: for segment.c, segment_verify.c and segment_dump.c. */
#ifndef FRESHET_SEGMENT_PRIVATE_H
#define FRESHET_SEGMENT_PRIVATE_H

#include <stdatomic.h>

#include "mapping.h"
#include "records.h"
#include "segment_format.h"

/* Only `spare` ever changes after opening. */
struct segment {
	char *name;              /* owned */
	int fd;                  /* owned; -1: bytes in memory */
	struct mapping *mapping; /* owned; NULL: bytes in memory */
	struct slice bytes;      /* the whole file */
	struct segment_header header;
	struct strtab groups, source_names; /* source_names: partition and file of each */
	struct columns entries, history;
	struct records records, history_records;
	struct dict dict;
	struct slice postings;
	struct ranking ranking;
	const char *lengths, *source_rows;
	struct strtab rules; /* name and `on` of each */
	const char *rule_flags;
	_Atomic(struct records_scratch *) spare; /* owned; whoever takes it has it alone */
};

struct slice segment_section(const struct segment *s, uint32_t kind); /* without padding */

#endif
