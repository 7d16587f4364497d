/* SPDX-License-Identifier: Apache-2.0 */
/* A zstd frame's window is bounded before a byte of it is decoded, so memory is bounded whatever a file
 * says; how much output a stream may give is for the reader to bound. */
#include "compress.h"

#include <limits.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define WINDOW_LOG_MAX 23 /* 8 MiB */
/* For records of text, in blocks of some 96 KiB. Level 1 looks for matches of 6 bytes and more in a table of 2^13;
 * fewer matches and a smaller table pack 4 % worse in 12 % less time. Level 3 packs 5 % better than 1 in a quarter more,
 * 6 costs several times as much. */
#define LEVEL 1
#define HASH_LOG 12
#define MATCH_MIN 7

struct unpack {
	enum feed_packing packing;
	ZSTD_DStream *zstd;
	z_stream gzip;
	bool gzip_ready;
	bool inside; /* a frame or member has begun and not ended */
	bool begun;  /* any input was seen */
};

int unpack_new(struct unpack **out, enum feed_packing packing, struct err *err)
{
	OWNED(unpack) struct unpack *u = calloc(1, sizeof(*u));

	*out = NULL;
	if (!u)
		return err_set(err, -ENOMEM, "out of memory");
	u->packing = packing;
	if (packing == PACKING_ZSTD) {
		u->zstd = ZSTD_createDStream();
		if (!u->zstd ||
			ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
			return err_set(err, -ENOMEM, "out of memory");
	} else if (packing == PACKING_GZIP) {
		if (inflateInit2(&u->gzip, 15 + 16) != Z_OK)
			return err_set(err, -ENOMEM, "out of memory");
		u->gzip_ready = true;
	}
	*out = steal(&u);
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	ZSTD_freeDStream(u->zstd);
	if (u->gzip_ready)
		inflateEnd(&u->gzip);
	free(u);
}

static int copy_step(const void *in, size_t *in_len, void *out, size_t *out_len, bool at_end)
{
	size_t all = *in_len, n = all < *out_len ? all : *out_len;

	if (n)
		memcpy(out, in, n);
	*in_len = *out_len = n;
	return !(at_end && n == all);
}

/* Frames and skippable frames of today. The library may also decode those of before 1.0, by code that
 * nobody fuzzes any more and that knows no bound of its window; they differ in the first byte. */
static bool may_begin_frame(uint8_t first)
{
	return first == (ZSTD_MAGICNUMBER & 0xFF) || (first & 0xF0) == (ZSTD_MAGIC_SKIPPABLE_START & 0xF0);
}

static int zstd_step(struct unpack *u, const void *in, size_t *in_len, void *out, size_t *out_len,
	bool at_end, struct err *err)
{
	ZSTD_inBuffer from = {in, *in_len, 0};
	ZSTD_outBuffer to = {out, *out_len, 0};
	size_t left;

	while (from.pos < from.size || u->inside) {
		size_t in_before = from.pos, out_before = to.pos;

		if (!u->inside && !may_begin_frame(((const uint8_t *)in)[from.pos]))
			return err_set(err, -EBADMSG, "no zstd frame begins with byte 0x%02X",
				((const uint8_t *)in)[from.pos]);
		left = ZSTD_decompressStream(u->zstd, &to, &from);
		if (ZSTD_isError(left))
			return err_set(err, -EBADMSG, "damaged zstd data: %s", ZSTD_getErrorName(left));
		u->inside = left != 0;
		if (to.pos == to.size || (from.pos == in_before && to.pos == out_before))
			break;
	}
	*in_len = from.pos;
	*out_len = to.pos;
	if (from.pos == from.size && to.pos < to.size && at_end)
		return u->inside ? err_set(err, -EBADMSG, "zstd data ends early") : 0;
	return 1;
}

static int gzip_step(struct unpack *u, const void *in, size_t *in_len, void *out, size_t *out_len,
	bool at_end, struct err *err)
{
	z_stream *z = &u->gzip;
	size_t in_max = *in_len < UINT_MAX ? *in_len : UINT_MAX,
	       out_max = *out_len < UINT_MAX ? *out_len : UINT_MAX;
	int r = Z_OK;

	z->next_in = (void *)(uintptr_t)in;
	z->avail_in = (uInt)in_max;
	z->next_out = out;
	z->avail_out = (uInt)out_max;
	while (z->avail_out && (z->avail_in || u->inside)) {
		if (!u->inside && inflateReset(z) != Z_OK)
			return err_set(err, -EBADMSG, "zlib cannot start a member");
		u->inside = true;
		r = inflate(z, Z_NO_FLUSH);
		if (r == Z_STREAM_END)
			u->inside = false;
		else if (r == Z_BUF_ERROR)
			break;
		else if (r != Z_OK)
			return err_set(err, r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG, "damaged gzip data: %s",
				z->msg ? z->msg : zError(r));
	}
	*in_len = in_max - z->avail_in;
	*out_len = out_max - z->avail_out;
	if (z->avail_in == 0 && in_max == *in_len && z->avail_out && at_end)
		return u->inside ? err_set(err, -EBADMSG, "gzip data ends early") : 0;
	return 1;
}

int unpack_step(struct unpack *u, const void *in, size_t *in_len, void *out, size_t *out_len, bool at_end,
	struct err *err)
{
	u->begun |= *in_len > 0;
	if (u->packing != PACKING_NONE && at_end && !u->begun)
		return err_set(
			err, -EBADMSG, "%s data of no bytes", u->packing == PACKING_ZSTD ? "zstd" : "gzip");
	switch (u->packing) {
	case PACKING_ZSTD:
		return zstd_step(u, in, in_len, out, out_len, at_end, err);
	case PACKING_GZIP:
		return gzip_step(u, in, in_len, out, out_len, at_end, err);
	case PACKING_NONE:
		break;
	}
	return copy_step(in, in_len, out, out_len, at_end);
}

struct packer {
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
};

static bool pack_set(ZSTD_CCtx *c)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, LEVEL)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_hashLog, HASH_LOG)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_minMatch, MATCH_MIN));
}

struct packer *packer_new(void)
{
	OWNED(packer) struct packer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->pack = ZSTD_createCCtx();
	p->unpack = ZSTD_createDCtx();
	if (!p->pack || !p->unpack || !pack_set(p->pack))
		return NULL;
	return steal(&p);
}

void packer_free(struct packer *p)
{
	if (!p)
		return;
	ZSTD_freeCCtx(p->pack);
	ZSTD_freeDCtx(p->unpack);
	free(p);
}

size_t packer_bound(size_t len)
{
	return ZSTD_compressBound(len);
}

int64_t packer_pack(struct packer *p, struct slice in, void *out, size_t out_cap)
{
	size_t n = ZSTD_compress2(p->pack, out, out_cap, in.data, in.len);

	if (!ZSTD_isError(n))
		return (int64_t)n;
	return ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
}

int packer_unpack(struct packer *p, struct slice in, void *out, size_t out_len, struct err *err)
{
	unsigned long long declared;
	size_t frame, n;

	if (in.len < 4 || get_le32(in.data) != ZSTD_MAGICNUMBER)
		return err_set(err, -EBADMSG, "%zu bytes are not a zstd frame", in.len);
	declared = ZSTD_getFrameContentSize(in.data, in.len);
	frame = ZSTD_findFrameCompressedSize(in.data, in.len);
	if (declared != out_len)
		return err_set(err, -EBADMSG, "zstd frame declares another size than the %zu bytes expected",
			out_len);
	if (frame != in.len)
		return err_set(err, -EBADMSG, "%zu bytes are not one whole zstd frame", in.len);
	n = ZSTD_decompressDCtx(p->unpack, out, out_len, in.data, in.len);
	if (ZSTD_isError(n))
		return err_set(err, -EBADMSG, "damaged zstd frame: %s", ZSTD_getErrorName(n));
	if (n != out_len)
		return err_set(err, -EBADMSG, "zstd frame gives %zu bytes, not %zu", n, out_len);
	return 0;
}

const char *packer_version(void)
{
	return ZSTD_versionString();
}
