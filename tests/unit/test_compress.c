/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <zstd.h>

#include "compress.h"
#include "gzip.h"
#include "tap.h"

#define STEP_LIMIT 10000000

/* All of `in` through one unpack, `in_step` and `out_step` bytes at a time. Returns 0 or -errno. */
static int unpack_all(enum feed_packing packing, struct slice in, size_t in_step, size_t out_step,
	struct buf *out, struct err *err)
{
	OWNED(unpack) struct unpack *u = NULL;
	size_t at = 0;
	int r = unpack_new(&u, packing, err);

	buf_clear(out);
	for (int i = 0; r == 0 && i < STEP_LIMIT; i++) {
		size_t left = in.len - at, n = left < in_step ? left : in_step, m = out_step;
		int more;

		more = unpack_step(u, in.data + at, &n, buf_reserve(out, m), &m, n == left, err);
		if (more < 0)
			return more;
		at += n;
		out->len += m;
		if (more == 0)
			return at == in.len ? 0 : -EPROTO;
	}
	return r ? r : -ELOOP;
}

static void add_zstd(struct buf *out, struct slice in, int window_log)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t bound = ZSTD_compressBound(in.len);

	if (window_log) {
		ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
		ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
	}
	ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
	buf_reserve(out, bound);
	out->len += ZSTD_compress2(c, out->data + out->len, bound, in.data, in.len);
	ZSTD_freeCCtx(c);
}

static void add_packed(enum feed_packing packing, struct buf *out, struct slice in)
{
	if (packing == PACKING_ZSTD)
		add_zstd(out, in, 0);
	else if (packing == PACKING_GZIP)
		add_gzip(out, in);
	else
		buf_add_slice(out, in);
}

static void sample(struct buf *b)
{
	for (int i = 0; i < 20000; i++)
		buf_addf(b, "{\"id\":\"ad-%d\",\"n\":%d}\n", i, i * 7919 % 1000);
}

static void every_packing_comes_out_as_it_went_in_by_any_steps(void)
{
	static const size_t steps[][2] = {{1 << 20, 1 << 20}, {1, 100}, {1000, 1}, {7, 13}, {65536, 4096}};
	OWNED_BUF text = {0};
	OWNED_BUF packed = {0};
	OWNED_BUF out = {0};

	sample(&text);
	text.len = 100000;
	for (int packing = PACKING_NONE; packing <= PACKING_GZIP; packing++) {
		buf_clear(&packed);
		add_packed(packing, &packed, buf_slice(&text));
		for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
			check_int(
				unpack_all(packing, buf_slice(&packed), steps[i][0], steps[i][1], &out, NULL),
				0);
			check(slice_eq(buf_slice(&out), buf_slice(&text)));
		}
	}
}

static void several_frames_and_members_are_one_stream(void)
{
	OWNED_BUF packed = {0};
	OWNED_BUF out = {0};

	for (int packing = PACKING_ZSTD; packing <= PACKING_GZIP; packing++) {
		buf_clear(&packed);
		add_packed(packing, &packed, slice_str("one,"));
		add_packed(packing, &packed, slice_str(""));
		add_packed(packing, &packed, slice_str("two"));
		check_int(unpack_all(packing, buf_slice(&packed), 1000, 1000, &out, NULL), 0);
		check_slice(buf_slice(&out), "one,two");
		check_int(unpack_all(packing, buf_slice(&packed), 1, 1, &out, NULL), 0);
		check_slice(buf_slice(&out), "one,two");
	}
}

static void skippable_zstd_frames_are_skipped(void)
{
	OWNED_BUF packed = {0};
	OWNED_BUF out = {0};

	buf_add(&packed, "\x5A\x2A\x4D\x18\x03\0\0\0abc", 11);
	add_zstd(&packed, slice_str("x"), 0);
	buf_add(&packed, "\x50\x2A\x4D\x18\0\0\0\0", 8);
	check_int(unpack_all(PACKING_ZSTD, buf_slice(&packed), 1, 10, &out, NULL), 0);
	check_slice(buf_slice(&out), "x");
	packed.len -= 1;
	check_int(unpack_all(PACKING_ZSTD, buf_slice(&packed), 100, 10, &out, NULL), -EBADMSG);
}

static void a_stream_cut_anywhere_is_refused(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF packed = {0};
	OWNED_BUF out = {0};
	struct err err = ERR_INIT;

	sample(&text);
	text.len = 3000;
	for (int packing = PACKING_ZSTD; packing <= PACKING_GZIP; packing++) {
		buf_clear(&packed);
		add_packed(packing, &packed, buf_slice(&text));
		for (size_t len = 0; len < packed.len; len++) {
			check_int(unpack_all(packing, slice_of(packed.data, len), 1000, 1000, &out, &err),
				-EBADMSG);
			check(err.message[0]);
		}
		check_contains(err.message, "ends early");
	}
}

static void garbage_behind_the_end_is_refused(void)
{
	static const char *const garbage[] = {"x", "garbage", "\x28", "\x1f"};
	OWNED_BUF packed = {0};
	OWNED_BUF out = {0};

	for (int packing = PACKING_ZSTD; packing <= PACKING_GZIP; packing++) {
		for (size_t i = 0; i < 4; i++) {
			buf_clear(&packed);
			add_packed(packing, &packed, slice_str("text"));
			buf_add_str(&packed, garbage[i]);
			check_int(unpack_all(packing, buf_slice(&packed), 1000, 1000, &out, NULL), -EBADMSG);
		}
		buf_clear(&packed);
		add_packed(packing, &packed, slice_str("text"));
		buf_add_byte(&packed, 0);
		check_int(unpack_all(packing, buf_slice(&packed), 1000, 1000, &out, NULL), -EBADMSG);
	}
}

static void a_changed_bit_is_noticed(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF packed = {0};
	OWNED_BUF out = {0};

	sample(&text);
	text.len = 2000;
	for (int packing = PACKING_ZSTD; packing <= PACKING_GZIP; packing++) {
		buf_clear(&packed);
		add_packed(packing, &packed, buf_slice(&text));
		for (size_t i = 0; i < packed.len; i++) {
			if (packing == PACKING_GZIP && i >= 3 && i < 10)
				continue; /* flags, time and system: the header has no checksum */
			packed.data[i] ^= 0x10;
			if (unpack_all(packing, buf_slice(&packed), 1000, 1000, &out, NULL) == 0)
				check(slice_eq(buf_slice(&out), buf_slice(&text)));
			packed.data[i] ^= 0x10;
		}
		packed.data[packed.len - 6] ^= 1;
		check_int(unpack_all(packing, buf_slice(&packed), 1000, 1000, &out, NULL), -EBADMSG);
	}
}

static void a_window_over_8_mib_is_refused(void)
{
	OWNED_BUF text = {0};
	OWNED_BUF packed = {0};
	OWNED_BUF out = {0};

	memset(buf_reserve(&text, 9 << 20), 'x', 9 << 20);
	text.len = 9 << 20;
	add_zstd(&packed, buf_slice(&text), 23);
	check_int(unpack_all(PACKING_ZSTD, buf_slice(&packed), 1 << 20, 1 << 20, &out, NULL), 0);
	check_int(out.len, text.len);
	buf_clear(&packed);
	add_zstd(&packed, buf_slice(&text), 24);
	check_int(unpack_all(PACKING_ZSTD, buf_slice(&packed), 1 << 20, 1 << 20, &out, NULL), -EBADMSG);
}

static void frames_of_before_zstd_1_are_refused(void)
{
	OWNED_BUF packed = {0};
	OWNED_BUF out = {0};
	OWNED(packer) struct packer *p = packer_new();
	char room[256];

	add_zstd(&packed, slice_str("text"), 0);
	packed.data[0] = 0x27;
	check_int(unpack_all(PACKING_ZSTD, buf_slice(&packed), 1000, 1000, &out, NULL), -EBADMSG);
	check_int(packer_unpack(p, buf_slice(&packed), room, 4, NULL), -EBADMSG);
}

static void blocks_come_back_whole_or_not_at_all(void)
{
	OWNED(packer) struct packer *p = packer_new();
	OWNED_BUF text = {0};
	OWNED_BUF packed = {0};
	OWNED_BUF twice = {0};
	char *out = malloc(40000);
	int64_t n;

	sample(&text);
	text.len = 32768;
	n = packer_pack(
		p, buf_slice(&text), buf_reserve(&packed, packer_bound(text.len)), packer_bound(text.len));
	check(n > 0 && n < 32768);
	packed.len = (size_t)n;
	check_int(packer_unpack(p, buf_slice(&packed), out, text.len, NULL), 0);
	check(!memcmp(out, text.data, text.len));
	check_int(packer_unpack(p, buf_slice(&packed), out, text.len - 1, NULL), -EBADMSG);
	check_int(packer_unpack(p, buf_slice(&packed), out, text.len + 1, NULL), -EBADMSG);
	for (size_t len = 0; len < packed.len; len += 1 + len / 8)
		check_int(packer_unpack(p, slice_of(packed.data, len), out, text.len, NULL), -EBADMSG);
	buf_add_slice(&twice, buf_slice(&packed));
	buf_add_byte(&twice, 0);
	check_int(packer_unpack(p, buf_slice(&twice), out, text.len, NULL), -EBADMSG);
	check_int(packer_pack(p, buf_slice(&text), out, 10), -EIO);
	check_int(packer_unpack(p, slice_of("\x50\x2A\x4D\x18\0\0\0\0", 8), out, 0, NULL), -EBADMSG);
	free(out);
}

static void packing_gives_the_same_bytes_every_time(void)
{
	OWNED(packer) struct packer *one = packer_new();
	OWNED(packer) struct packer *other = packer_new();
	OWNED_BUF text = {0};
	char a[8192], b[8192];
	int64_t n;

	sample(&text);
	text.len = 4000;
	packer_pack(one, slice_str("something else before"), a, sizeof(a));
	n = packer_pack(one, buf_slice(&text), a, sizeof(a));
	check(n > 0);
	check_int(packer_pack(other, buf_slice(&text), b, sizeof(b)), n);
	check(!memcmp(a, b, (size_t)n));
	check_contains(packer_version(), "1.");
}

int main(void)
{
	RUN(every_packing_comes_out_as_it_went_in_by_any_steps);
	RUN(several_frames_and_members_are_one_stream);
	RUN(skippable_zstd_frames_are_skipped);
	RUN(a_stream_cut_anywhere_is_refused);
	RUN(garbage_behind_the_end_is_refused);
	RUN(a_changed_bit_is_noticed);
	RUN(a_window_over_8_mib_is_refused);
	RUN(frames_of_before_zstd_1_are_refused);
	RUN(blocks_come_back_whole_or_not_at_all);
	RUN(packing_gives_the_same_bytes_every_time);
	return tap_done();
}
