/* SPDX-License-Identifier: Apache-2.0 */
/* index/strsort.h - sorts many strings bytewise, fast where they share long prefixes: eight bytes at a
 * time, many by counting and few by merging, so no order of input makes it slow. */
#ifndef FRESHET_STRSORT_H
#define FRESHET_STRSORT_H

#include "bytes.h"

/* Fills order[0..n) with the numbers of `s` in the order of slice_cmp; equal ones keep theirs. Returns 0 or
 * -ENOMEM. */
int strsort(const struct slice *s, uint32_t n, uint32_t *order);

#endif
