/* SPDX-License-Identifier: Apache-2.0 */
/* index/s3_place.h - where a bucket is reached: of "s3://BUCKET/PREFIX" and an endpoint, what requests are sent to. */
#ifndef FRESHET_S3_PLACE_H
#define FRESHET_S3_PLACE_H

#include "config.h"
#include "err.h"

#define S3_KEY_MAX 1024 /* bytes of a key: S3's own limit */

struct s3_place {
	char *bucket, *prefix; /* owned; prefix is "" or ends with '/' */
	char *host;            /* owned; HOST[:PORT] of the endpoint, without the bucket */
	bool https, path_style, amazon;
};

/* `endpoint` NULL: Amazon's for the region. Returns 0 or -EINVAL: the message says what is wrong with which; -ENOMEM. */
int s3_place_parse(struct s3_place *out, const char *url, const char *endpoint, const char *region,
	enum s3_style style, struct err *err);
void s3_place_release(struct s3_place *p); /* zero-initialised is fine */

#endif
