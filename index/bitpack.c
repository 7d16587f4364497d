/* SPDX-License-Identifier: Apache-2.0 */
#include "bitpack.h"

#ifdef __SSE2__ /* part of every x86-64 */
#include <emmintrin.h>
#endif

#define LANES 4
#define ROWS (BITPACK_COUNT / LANES)
#define INLINE static inline __attribute__((always_inline))

static bool force_scalar;

void bitpack_force_scalar(bool on)
{
	force_scalar = on;
}

static uint32_t low_bits(unsigned width)
{
	return width < 32 ? (1u << width) - 1 : UINT32_MAX;
}

static void pack_lane(const uint32_t *in, unsigned width, uint8_t *out)
{
	uint64_t acc = 0;
	unsigned held = 0;

	for (unsigned row = 0; row < ROWS; row++) {
		acc |= (uint64_t)in[row * LANES] << held;
		held += width;
		if (held >= 32) {
			put_le32(out, (uint32_t)acc);
			out += LANES * 4;
			acc >>= 32;
			held -= 32;
		}
	}
}

void bitpack_pack(const uint32_t in[BITPACK_COUNT], unsigned width, void *out)
{
	for (unsigned lane = 0; lane < LANES; lane++)
		pack_lane(in + lane, width, (uint8_t *)out + lane * 4);
}

static void unpack_lane(const uint8_t *in, unsigned width, uint32_t *out)
{
	uint32_t mask = low_bits(width);
	uint64_t acc = 0;
	unsigned held = 0;

	for (unsigned row = 0; row < ROWS; row++) {
		if (held < width) {
			acc |= (uint64_t)get_le32(in) << held;
			in += LANES * 4;
			held += 32;
		}
		out[row * LANES] = (uint32_t)acc & mask;
		acc >>= width;
		held -= width;
	}
}

static void unpack_scalar(const void *in, unsigned width, uint32_t *out)
{
	for (unsigned lane = 0; lane < LANES; lane++)
		unpack_lane((const uint8_t *)in + lane * 4, width, out + lane);
}

/* `patch` may be NULL, also below. */
static void unpack_sum_scalar(
	const void *in, unsigned width, uint32_t base, const uint32_t *patch, uint32_t *out)
{
	unpack_scalar(in, width, out);
	for (unsigned i = 0; i < BITPACK_COUNT; i++)
		out[i] = base += out[i] + (patch ? patch[i] : 0) + 1;
}

#ifdef __SSE2__
/* `width` is constant where this is inlined: the loop unrolls to shifts by constants, without a branch. */
INLINE __m128i unpack_row(const __m128i *in, unsigned width, unsigned row, __m128i mask)
{
	unsigned bit = row * width, word = bit / 32, shift = bit % 32;
	__m128i v = _mm_srli_epi32(_mm_loadu_si128(in + word), (int)shift);

	if (shift + width > 32)
		v = _mm_or_si128(v, _mm_slli_epi32(_mm_loadu_si128(in + word + 1), (int)(32 - shift)));
	return _mm_and_si128(v, mask);
}

/* For any width: frequencies are read less often and not worth a function each. */
static void unpack_simd(const __m128i *in, unsigned width, __m128i *out)
{
	__m128i mask = _mm_set1_epi32((int)low_bits(width));

	for (unsigned row = 0, bit = 0; row < ROWS; row++, bit += width) {
		unsigned word = bit / 32, shift = bit % 32;
		__m128i v = _mm_srl_epi32(_mm_loadu_si128(in + word), _mm_cvtsi32_si128((int)shift));

		if (shift + width > 32)
			v = _mm_or_si128(v, _mm_sll_epi32(_mm_loadu_si128(in + word + 1),
						    _mm_cvtsi32_si128((int)(32 - shift))));
		_mm_storeu_si128(out + row, _mm_and_si128(v, mask));
	}
}

INLINE void unpack_sum_simd(
	const __m128i *in, unsigned width, uint32_t base, const __m128i *patch, __m128i *out)
{
	__m128i mask = _mm_set1_epi32((int)(width < 32 ? (1u << width) - 1 : UINT32_MAX));
	__m128i sum = _mm_set1_epi32((int)base), ones = _mm_set_epi32(4, 3, 2, 1);

#pragma GCC unroll 32
	for (unsigned row = 0; row < ROWS; row++) {
		__m128i v = width ? unpack_row(in, width, row, mask) : _mm_setzero_si128();

		if (patch)
			v = _mm_add_epi32(v, _mm_loadu_si128(patch + row));
		v = _mm_add_epi32(v, _mm_slli_si128(v, 4));
		v = _mm_add_epi32(v, _mm_slli_si128(v, 8));
		v = _mm_add_epi32(_mm_add_epi32(v, ones), sum);
		sum = _mm_shuffle_epi32(v, 0xff);
		_mm_storeu_si128(out + row, v);
	}
}

/* Wider gaps have lists too short to matter: scalar code is enough for them. */
/* clang-format off */
#define WIDTHS(X) \
	X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) \
	X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24)
/* clang-format on */
#define UNPACK_SUM_CASE(w) \
	case w:            \
		return unpack_sum_simd(in, w, base, NULL, (__m128i *)out);
#define UNPACK_PATCHED_CASE(w) \
	case w:                \
		return unpack_sum_simd(in, w, base, (const __m128i *)patch, (__m128i *)out);
#endif

void bitpack_unpack(const void *in, unsigned width, uint32_t out[BITPACK_COUNT])
{
#ifdef __SSE2__
	if (width && !force_scalar) {
		unpack_simd(in, width, (__m128i *)out);
		return;
	}
#endif
	unpack_scalar(in, width, out);
}

void bitpack_unpack_sum(const void *in, unsigned width, uint32_t base, uint32_t out[BITPACK_COUNT])
{
#ifdef __SSE2__
	switch (force_scalar ? 0 : width) {
		WIDTHS(UNPACK_SUM_CASE)
	}
#endif
	unpack_sum_scalar(in, width, base, NULL, out);
}

void bitpack_unpack_sum_patched(const void *in, unsigned width, uint32_t base,
	const uint32_t patch[BITPACK_COUNT], uint32_t out[BITPACK_COUNT])
{
#ifdef __SSE2__
	switch (force_scalar ? UINT32_MAX : width) {
		UNPACK_PATCHED_CASE(0)
		WIDTHS(UNPACK_PATCHED_CASE)
	}
#endif
	unpack_sum_scalar(in, width, base, patch, out);
}
