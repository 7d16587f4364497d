/* SPDX-License-Identifier: Apache-2.0 */
/* index/bitpack.h - 128 integers of up to 32 bits, packed to one width, in four interleaved lanes.
 *
 * Layout: integer i lies in lane i % 4, at position i / 4 in it; lane bits are packed low first into
 * 32-bit words; word w of lane l is 32-bit little-endian word 4 * w + l. (The vertical layout of Lemire and
 * Boytsov, "Decoding billions of integers per second through vectorization", 2015.) SIMD on x86-64, elsewhere
 * scalar with identical results; bitpack_force_scalar() is for tests. */
#ifndef FRESHET_BITPACK_H
#define FRESHET_BITPACK_H

#include "bytes.h"

#define BITPACK_COUNT 128
static inline size_t bitpack_bytes(unsigned width) /* of a packed block */
{
	return 16 * (size_t)width;
}
void bitpack_pack(const uint32_t in[BITPACK_COUNT], unsigned width, void *out);
/* Reads bitpack_bytes(width) bytes and no more; `width` must be at most 32. */
void bitpack_unpack(const void *in, unsigned width, uint32_t out[BITPACK_COUNT]);
/* Unpacks the gaps of an ascending row: out[i] = base + the sum of (gap[j] + 1) over j <= i, modulo 2^32. */
void bitpack_unpack_sum(const void *in, unsigned width, uint32_t base, uint32_t out[BITPACK_COUNT]);
/* The same where patch[i] is added to gap i first. */
void bitpack_unpack_sum_patched(const void *in, unsigned width, uint32_t base,
	const uint32_t patch[BITPACK_COUNT], uint32_t out[BITPACK_COUNT]);
void bitpack_force_scalar(bool on);

#endif
