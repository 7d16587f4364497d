/* SPDX-License-Identifier: Apache-2.0 */
/* index/sigv2.h - AWS Signature Version 2 of a request without a body ("Signing and Authenticating REST Requests", Amazon S3 Developer
 * Guide). Pure. */
#ifndef FRESHET_SIGV2_H
#define FRESHET_SIGV2_H

#include "bytes.h"

#define SIGV2_DATE_MAX 32 /* "Tue, 27 Mar 2007 19:36:42 GMT" and a NUL */

/* The header Date of an instant (nanoseconds). Returns out. */
char *sigv2_date(int64_t instant, char out[SIGV2_DATE_MAX]);
/* Appends the header's value, "AWS KEY:SIGNATURE". `resource` is "/BUCKET/KEY", encoded as it is sent. Returns 0, -ENOMEM, or -EIO where libcrypto
 * refuses. */
int sigv2_authorize(const char *access_key, const char *secret_key, const char *method, const char *date,
	const char *resource, struct buf *out);

#endif
