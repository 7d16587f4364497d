/* SPDX-License-Identifier: Apache-2.0 */
/* index/s3.h - one bucket of S3: which signature it takes, and calls that are tried again until a deadline.
 *
 * A call is attempted at most S3_ATTEMPTS times within `s3.timeout`, with growing, random pauses between. Failures are -ENOENT, -EACCES,
 * -ESTALE (another version is there), -EEXIST, -ECANCELED (stopped), else -EIO; messages say what was tried, what came back and how often. */
#ifndef FRESHET_S3_H
#define FRESHET_S3_H

#include "s3_wire.h"

#define S3_ATTEMPTS 10

struct s3; /* safe for several threads */

/* Reads url and configuration; sends nothing. `cfg` is borrowed for the call. Returns 0, -EINVAL …. */
int s3_open(struct s3 **out, const char *url, const struct config *cfg, struct err *err);
void s3_free(struct s3 *s); /* NULL is fine */
DEFINE_FREEP(s3)
/* Finds credentials and what signature the bucket takes, where that is not known yet: every call does so, and it is what tells whether there
 * is such a bucket. Returns 0, -EACCES, -ENOENT …. */
int s3_probe(struct s3 *s, struct err *err);
const char *s3_prefix(const struct s3 *s); /* of keys: "" or "…/" */

/* One page; `page` is empty before, and after a failure. Keys begin with the prefix, are in order and none is there twice, nor any that is not behind
 * `l->after` or `behind` (what the pages before ended with; NULL: none). */
int s3_list(struct s3 *s, const struct s3_list *l, const char *behind, struct s3_page *page, struct err *err);
int s3_head(struct s3 *s, const char *key, struct s3_answer *a, struct err *err);
/* `opaque`, where not NULL, is set when the ETag is said to be no MD5. */
int s3_get(struct s3 *s, const char *key, const struct s3_range *range, const atomic_bool *stop, bool *opaque,
	struct err *err);
int s3_put(struct s3 *s, const char *key, const struct store_body *body, enum store_put how, struct err *err);
int s3_remove(struct s3 *s, const char *key, struct err *err);
/* Gives up the uploads in parts of keys that begin with `prefix` and were begun before that time: a thousand of them at most, and none where that is not
 * allowed, or not known how. */
int s3_sweep(struct s3 *s, const char *prefix, int64_t before, struct err *err);
/* Does STORE_NEW hold there? 1, 0 or -errno. Tried once, with an object under the prefix that is removed again. */
int s3_is_exclusive(struct s3 *s, struct err *err);

#endif
