/* SPDX-License-Identifier: Apache-2.0 */
/* index/s3_exchange.h - one HTTP request to S3 and its answer, by libcurl: built, signed, sent and judged. s3_wire_curl.c says what the
 * requests are. Handles are kept, and with them their connections. */
#ifndef FRESHET_S3_EXCHANGE_H
#define FRESHET_S3_EXCHANGE_H

#include <curl/curl.h>
#include <pthread.h>

#include "s3_wire.h"
#include "sigv4.h"
#include "uri.h"

#define S3_HANDLES_KEPT 16
#define S3_ERROR_MAX (64u << 10) /* bytes of an error that are read */

struct curl_wire {
	struct s3_wire base;
	bool v2;              /* sign by V2 all the same; listings only */
	pthread_mutex_t lock; /* protects the two below */
	CURL *idle[S3_HANDLES_KEPT];
	unsigned idle_count;
};

/* One request: what is sent, and what has come so far. */
struct s3_exchange {
	struct curl_wire *wire;
	const struct s3_call *call;
	struct s3_answer *answer;
	CURL *curl;
	const char *method;
	struct uri_pair query[URI_PAIRS_MAX];
	size_t query_count;
	struct sigv4_header headers[SIGV4_HEADERS_MAX]; /* without those that every request has */
	size_t header_count;
	/* What is sent: `len` bytes of the body from `offset`. */
	const struct store_body *body;
	uint64_t offset, len, sent;
	/* Where bytes of an object go; other answers go into `text`. */
	char *to;
	uint64_t want, got;
	struct buf text;
	size_t text_max;
	/* Headers of the answer */
	bool has_length, has_range;
	uint64_t length, range_from, range_to, range_total;
	int64_t date;
};

/* For who makes an exchange. Texts are borrowed until it has run. */
void s3_exchange_header(struct s3_exchange *x, const char *name, const char *value);
void s3_exchange_query(struct s3_exchange *x, const char *name, const char *value);
/* Sends, waits and sets answer->outcome. `text` is to be released afterwards. */
void s3_exchange_run(struct s3_exchange *x);
/* The answer is not what it should be: it is to be tried again. */
void s3_exchange_failed(struct s3_exchange *x, const char *why);

/* The handles of a wire, whose base is set by the caller. */
void s3_exchange_begin(struct curl_wire *v);
void s3_exchange_end(struct curl_wire *v);

#endif
