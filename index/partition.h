/* SPDX-License-Identifier: Apache-2.0 */
/* index/partition.h - partition names: the template, and times to paths and back.
 *
 * A template is a relative path in strftime terms: %Y %m %d %H %M %S, %j (day of year) and %%; it must
 * name a year and within it go down without a hole (year, month+day or day of year, hour, minute,
 * second), each once; at most TEMPLATE_DEPTH_MAX components, none empty, "." or "..". Numbers have
 * their full width (%Y four digits). A path is a partition's only if formatting its time gives the same
 * bytes back. */
#ifndef FRESHET_PARTITION_H
#define FRESHET_PARTITION_H

#include "bytes.h"
#include "err.h"

#define TEMPLATE_DEPTH_MAX 16

struct template; /* immutable */

int template_parse(struct template **out, const char *text, struct err *err); /* 0 or -EINVAL */
void template_free(struct template *t);                                       /* NULL is fine */
DEFINE_FREEP(template)
unsigned template_depth(const struct template *t); /* number of path components */
/* Appends the path of the partition that starts at `ts`. */
void template_format(const struct template *t, int64_t ts, struct buf *out);
/* The timestamp of a whole partition path. Returns 1, or 0 when it is none. */
int template_match(const struct template *t, struct slice path, int64_t *ts);
/* For the first components of a path ("dt=2026-05-04/hour=10"): the range of timestamps that paths
 * below can have, [*from, *to). Returns 1, or 0 when nothing below can be a partition. The empty path
 * has the whole range. */
int template_range(const struct template *t, struct slice prefix, int64_t *from, int64_t *to);
/* Are paths in bytewise order in the order of their times? So where the year comes first, and so on down. */
bool template_is_sorted(const struct template *t);

#endif
