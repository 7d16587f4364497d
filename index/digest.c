/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

#include <openssl/evp.h>
#include <unistd.h>
#include <xxhash.h>

int sha256(struct slice s, uint8_t out[SHA256_BYTES])
{
	return EVP_Digest(s.len ? s.data : "", s.len, out, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

static int sha256_update_fd(EVP_MD_CTX *ctx, int fd, struct err *err)
{
	char chunk[1 << 15];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, chunk, sizeof(chunk), at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "reading at %lld", (long long)at);
		if (EVP_DigestUpdate(ctx, chunk, (size_t)n) != 1)
			return err_set(err, -EIO, "SHA-256 failed in libcrypto");
		at += n;
	}
	return 0;
}

int sha256_fd(int fd, uint8_t out[SHA256_BYTES], struct err *err)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int r;

	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		r = err_set(err, ctx ? -EIO : -ENOMEM, "SHA-256 is not to be had from libcrypto");
	else
		r = sha256_update_fd(ctx, fd, err);
	if (r == 0 && EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		r = err_set(err, -EIO, "SHA-256 failed in libcrypto");
	EVP_MD_CTX_free(ctx);
	return r;
}

char *hex_text(const uint8_t *raw, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[raw[i] >> 4];
		out[2 * i + 1] = digits[raw[i] & 15];
	}
	out[2 * len] = 0;
	return out;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int hex_parse(struct slice text, uint8_t *out, size_t len)
{
	if (text.len / 2 != len || text.len % 2)
		return 0;
	for (size_t i = 0; i < text.len; i++) {
		if (hex_digit(text.data[i]) < 0)
			return 0;
	}
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(hex_digit(text.data[2 * i]) << 4 | hex_digit(text.data[2 * i + 1]));
	return 1;
}

uint64_t xxh64(struct slice s)
{
	return XXH3_64bits(s.len ? s.data : "", s.len);
}

static void put_128(XXH128_hash_t h, uint8_t out[16])
{
	put_le64(out, h.low64);
	put_le64(out + 8, h.high64);
}

void xxh128(struct slice s, uint8_t out[16])
{
	put_128(XXH3_128bits(s.len ? s.data : "", s.len), out);
}

struct xxh_stream {
	XXH3_state_t *state; /* owned; the library's, since it wants 64-byte alignment */
};

struct xxh_stream *xxh_stream_new(void)
{
	struct xxh_stream *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->state = XXH3_createState();
	if (!x->state) {
		free(x);
		return NULL;
	}
	XXH3_128bits_reset(x->state);
	return x;
}

void xxh_stream_add(struct xxh_stream *x, struct slice s)
{
	if (s.len)
		XXH3_128bits_update(x->state, s.data, s.len);
}

void xxh_stream_get(const struct xxh_stream *x, uint8_t out[16])
{
	put_128(XXH3_128bits_digest(x->state), out);
}

void xxh_stream_free(struct xxh_stream *x)
{
	if (!x)
		return;
	XXH3_freeState(x->state);
	free(x);
}
