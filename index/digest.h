/* SPDX-License-Identifier: Apache-2.0 */
/* index/digest.h - SHA-256 (libcrypto) for names and manifests, XXH3 (xxHash) for checksums. */
#ifndef FRESHET_DIGEST_H
#define FRESHET_DIGEST_H

#include "bytes.h"
#include "err.h"

#define SHA256_BYTES 32
#define SHA256_HEX 65 /* 64 lower-case digits and a NUL */

int sha256(struct slice s, uint8_t out[SHA256_BYTES]);             /* 0 or -EIO (libcrypto refused) */
int sha256_fd(int fd, uint8_t out[SHA256_BYTES], struct err *err); /* whole file, from offset 0 */
char *hex_text(const uint8_t *raw, size_t len, char *out);         /* 2 * len digits and a NUL; returns out */
int hex_parse(
	struct slice text, uint8_t *out, size_t len); /* 1, or 0: not exactly 2 * len lower-case digits */

uint64_t xxh64(struct slice s);               /* XXH3-64, seed 0 */
void xxh128(struct slice s, uint8_t out[16]); /* XXH3-128, canonical low half first, little-endian */
struct xxh_stream;                            /* incremental XXH3-128 */
struct xxh_stream *xxh_stream_new(void);      /* NULL: out of memory */
void xxh_stream_add(struct xxh_stream *x, struct slice s);
/* Of all that was added so far; more may be added after it. */
void xxh_stream_get(const struct xxh_stream *x, uint8_t out[16]);
void xxh_stream_free(struct xxh_stream *x); /* NULL is fine */
DEFINE_FREEP(xxh_stream)

#endif
