/* SPDX-License-Identifier: Apache-2.0 */
/* index/segment_verify.h - is a segment whole: checksums (seconds), structure (order, bounds, counts),
 * and a text dump of everything in it. */
#ifndef FRESHET_SEGMENT_VERIFY_H
#define FRESHET_SEGMENT_VERIFY_H

#include <stdio.h>

#include "segment.h"

/* Compares every section's checksum. Returns 0, or -EBADMSG naming the section. */
int segment_verify_checksums(const struct segment *s, struct err *err);
/* Walks everything: ids ascending, states, sources, versions, blocks of records, dictionary order,
 * postings order, df, ids_bytes, counts in the header, lengths, zero padding. Returns 0 or -EBADMSG. */
int segment_verify_structure(const struct segment *s, struct err *err);
/* The dump of `inspect`: header, sections, sources, entries with records, history, terms with postings;
 * stable text, for golden files. */
int segment_dump(const struct segment *s, FILE *out, struct err *err);

#endif
