/* SPDX-License-Identifier: Apache-2.0 */
/* index/uri.h - percent-encoding as S3 signs it (RFC 3986: letters, digits, "-", ".", "_", "~" stay), and query strings. */
#ifndef FRESHET_URI_H
#define FRESHET_URI_H

#include "bytes.h"

/* Appends `raw` encoded; every byte that is not unreserved becomes %XX (upper case), save '/' where `path`. */
void uri_encode(struct slice raw, bool path, struct buf *out);
/* Appends what `text` stands for. Returns 1, or 0 where a '%' has no two hex digits behind it. */
int uri_decode(struct slice text, struct buf *out);

struct uri_pair {
	const char *name, *value; /* raw; borrowed */
};
#define URI_PAIRS_MAX 16
/* Appends "a=1&b=2": encoded, by encoded name, then value, as a canonical query is. At most URI_PAIRS_MAX. */
void uri_query(const struct uri_pair *pairs, size_t count, struct buf *out);

#endif
