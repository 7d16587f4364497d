/* SPDX-License-Identifier: Apache-2.0 */
/* index/verify_deep.h - are a segment's postings what its stored records say? Checksums and structure cannot tell: they are right
 * also where the postings of another document were written. */
#ifndef FRESHET_VERIFY_DEEP_H
#define FRESHET_VERIFY_DEEP_H

#include <stdatomic.h>

#include "config.h"
#include "generation.h"

struct verify_deep_input {
	struct generation *g; /* borrowed; its segments are whole as segment_verify_structure() sees it */
	size_t segment;       /* of it */
	const struct config *cfg;
	atomic_int *stop; /* may be NULL */
};
/* Analyses the stored records of a segment's entries that are not superseded, joined with the attributes of the generation, and
 * compares: id, version, group, state and length of each, and all terms with their frequencies, those of groups and attributes too. What
 * is superseded shows nowhere and is passed over: the attributes of its time are gone. Memory: the postings of some
 * 64 MiB of records at a time.
 *
 * Returns 0; -EBADMSG, saying at which entry or term they differ; -EINVAL where the segment was written by other rules than those
 * of `cfg`; -EINTR when stopped; or -errno. */
int verify_deep(const struct verify_deep_input *in, struct err *err);

#endif
