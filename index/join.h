/* SPDX-License-Identifier: Apache-2.0 */
/* index/join.h - a document's record with the attributes that apply to it, as docs/ shows it. */
#ifndef FRESHET_JOIN_H
#define FRESHET_JOIN_H

#include "record.h"
#include "segment.h"

/* Appends `record`, byte for byte where no attribute applies, else as one line of JSON with a member for each that does, in the
 * place of a member of that name. `s` is the segment that the record is in: it knows by which fields documents ask.
 * Returns 0, -EBADMSG or -ENOMEM. */
int join_record(const struct segment *s, struct slice record, attribute_fn *find, void *ctx, struct buf *out,
	struct err *err);

#endif
