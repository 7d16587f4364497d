/* SPDX-License-Identifier: Apache-2.0 */
/* index/sigv4.h - AWS Signature Version 4 in the Authorization header ("Authenticating Requests: Using the Authorization Header",
 * Amazon S3 API Reference). Pure: the same arguments give the same text. */
#ifndef FRESHET_SIGV4_H
#define FRESHET_SIGV4_H

#include "bytes.h"

#define SIGV4_DATE_MAX 17 /* "20130524T000000Z" and a NUL */
#define SIGV4_HEADERS_MAX 16

struct sigv4_header {
	const char *name; /* lower case, each once */
	const char *value;
};
/* Who signs, and for what. All borrowed. */
struct sigv4_scope {
	const char *access_key, *secret_key;
	const char *region, *service;
	const char *date; /* as in x-amz-date */
};
/* What is signed: method, path and query as they are sent (uri.h), every header that is to be trusted, and the payload's SHA-256 in hex,
 * or UNSIGNED-PAYLOAD. */
struct sigv4_request {
	const char *method, *path, *query;
	const struct sigv4_header *headers; /* in any order; at most SIGV4_HEADERS_MAX */
	size_t header_count;
	const char *payload_hash;
};

/* "20130524T000000Z" of an instant (nanoseconds). Returns out. */
char *sigv4_date(int64_t instant, char out[SIGV4_DATE_MAX]);
/* Appends the header's value: "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…". Returns 0, -ENOMEM, or -EIO where libcrypto
 * refuses. */
int sigv4_authorize(const struct sigv4_scope *scope, const struct sigv4_request *rq, struct buf *out);

#endif
