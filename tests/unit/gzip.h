/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/gzip.h - what a test feeds to readers of gzip. */
#ifndef FRESHET_TEST_GZIP_H
#define FRESHET_TEST_GZIP_H

#include <zlib.h>

#include "bytes.h"

/* Appends one whole member. */
static inline void add_gzip(struct buf *out, struct slice in)
{
	z_stream z = {0};

	deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	z.next_in = (void *)(uintptr_t)in.data;
	z.avail_in = (uInt)in.len;
	z.avail_out = (uInt)deflateBound(&z, in.len);
	z.next_out = (void *)buf_reserve(out, z.avail_out);
	deflate(&z, Z_FINISH);
	out->len += z.total_out;
	deflateEnd(&z);
}

#endif
