/* SPDX-License-Identifier: Apache-2.0 */
#include "sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "digest.h"
#include "timefmt.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

char *sigv4_date(int64_t instant, char out[SIGV4_DATE_MAX])
{
	int y, mo, d, h, mi, s;

	time_to_civil(instant, &y, &mo, &d, &h, &mi, &s);
	snprintf(out, SIGV4_DATE_MAX, "%04u%02u%02uT%02u%02u%02uZ", (unsigned)y % 10000, (unsigned)mo % 100,
		(unsigned)d % 100, (unsigned)h % 100, (unsigned)mi % 100, (unsigned)s % 100);
	return out;
}

static int header_cmp(const void *a, const void *b)
{
	return strcmp(((const struct sigv4_header *)a)->name, ((const struct sigv4_header *)b)->name);
}

/* Blanks around it are no part of a value, and a run of them inside is one. */
static void add_value(struct buf *out, const char *value)
{
	size_t len = strlen(value);

	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	for (size_t i = 0; i < len; i++)
		if (value[i] != ' ' || (i && value[i - 1] != ' '))
			buf_add_byte(out, value[i]);
}

static void add_names(struct buf *out, const struct sigv4_header *headers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_addf(out, "%s%s", i ? ";" : "", headers[i].name);
}

/* Step 1: the request in its one form. */
static void add_canonical(
	struct buf *out, const struct sigv4_request *rq, const struct sigv4_header *headers, size_t count)
{
	buf_addf(out, "%s\n%s\n%s\n", rq->method, rq->path, rq->query);
	for (size_t i = 0; i < count; i++) {
		buf_addf(out, "%s:", headers[i].name);
		add_value(out, headers[i].value);
		buf_add_byte(out, '\n');
	}
	buf_add_byte(out, '\n');
	add_names(out, headers, count);
	buf_addf(out, "\n%s", rq->payload_hash);
}

static bool hmac(const void *key, size_t key_len, struct slice text, uint8_t out[SHA256_BYTES])
{
	unsigned len = 0;

	return HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text.data, text.len, out, &len) &&
	       len == SHA256_BYTES;
}

/* Step 3: a key that is good for one day, region and service. */
static bool derive_key(const struct sigv4_scope *scope, uint8_t key[SHA256_BYTES])
{
	OWNED_BUF secret = {0};
	bool done;

	buf_addf(&secret, "AWS4%s", scope->secret_key);
	done = !secret.failed && hmac(secret.data, secret.len, slice_of(scope->date, 8), key) &&
	       hmac(key, SHA256_BYTES, slice_str(scope->region), key) &&
	       hmac(key, SHA256_BYTES, slice_str(scope->service), key) &&
	       hmac(key, SHA256_BYTES, slice_str("aws4_request"), key);
	if (secret.data)
		OPENSSL_cleanse(secret.data, secret.len);
	return done;
}

int sigv4_authorize(const struct sigv4_scope *scope, const struct sigv4_request *rq, struct buf *out)
{
	struct sigv4_header headers[SIGV4_HEADERS_MAX];
	uint8_t digest[SHA256_BYTES], key[SHA256_BYTES];
	OWNED_BUF canonical = {0}, to_sign = {0};
	char hex[SHA256_HEX];
	bool done;

	memcpy(headers, rq->headers, rq->header_count * sizeof(headers[0]));
	qsort(headers, rq->header_count, sizeof(headers[0]), header_cmp);
	add_canonical(&canonical, rq, headers, rq->header_count);
	if (canonical.failed)
		return -ENOMEM;
	if (sha256(buf_slice(&canonical), digest) < 0)
		return -EIO;
	buf_addf(&to_sign, ALGORITHM "\n%s\n%.8s/%s/%s/aws4_request\n%s", scope->date, scope->date,
		scope->region, scope->service, hex_text(digest, SHA256_BYTES, hex));
	if (to_sign.failed)
		return -ENOMEM;
	done = derive_key(scope, key) && hmac(key, SHA256_BYTES, buf_slice(&to_sign), digest);
	OPENSSL_cleanse(key, sizeof(key));
	if (!done)
		return -EIO;
	buf_addf(out, ALGORITHM " Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=", scope->access_key,
		scope->date, scope->region, scope->service);
	add_names(out, headers, rq->header_count);
	buf_addf(out, ", Signature=%s", hex_text(digest, SHA256_BYTES, hex));
	return buf_error(out);
}
