/* SPDX-License-Identifier: Apache-2.0 */
#include "bitpack.h"
#include "tap.h"

static uint64_t rng;

static uint32_t rnd(void)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(rng >> 32);
}

static void fill(uint32_t in[BITPACK_COUNT], unsigned width)
{
	for (unsigned i = 0; i < BITPACK_COUNT; i++)
		in[i] = width ? rnd() >> (32 - width) : 0;
}

/* Packs into memory of exactly the right size, so that a sanitizer sees a read past it. */
static void check_width(unsigned width)
{
	uint32_t in[BITPACK_COUNT], got[BITPACK_COUNT], sum[BITPACK_COUNT];
	uint32_t base = rnd(), at = base;
	uint8_t *packed = malloc(bitpack_bytes(width) + !width);

	fill(in, width);
	bitpack_pack(in, width, packed);
	bitpack_unpack(packed, width, got);
	bitpack_unpack_sum(packed, width, base, sum);
	for (unsigned i = 0; i < BITPACK_COUNT; i++) {
		at += in[i] + 1;
		if (got[i] != in[i] || sum[i] != at)
			tap_fail("width %u, integer %u: %u, want %u; sum %u, want %u", width, i, got[i],
				in[i], sum[i], at);
	}
	free(packed);
}

static void every_width_reads_back(void)
{
	for (unsigned round = 0; round < 50; round++)
		for (unsigned width = 0; width <= 32; width++)
			check_width(width);
}

static void scalar_code_gives_the_same(void)
{
	bitpack_force_scalar(true);
	every_width_reads_back();
	bitpack_force_scalar(false);
}

static void the_layout_is_four_interleaved_lanes(void)
{
	uint32_t in[BITPACK_COUNT] = {0};
	uint8_t packed[16 * 9];

	in[5] = 0x1ff; /* lane 1, position 1: bits 9 to 17 of the lane's first word */
	in[14] = 1;    /* lane 2, position 3: bit 27 */
	bitpack_pack(in, 9, packed);
	check_int(get_le32(packed + 4), 0x1ff << 9);
	check_int(get_le32(packed + 8), 1 << 27);
	check_int(get_le32(packed), 0);
}

int main(void)
{
	const char *seed = getenv("FRESHET_SEED");

	rng = seed ? strtoull(seed, NULL, 0) : 1;
	printf("# seed %llu\n", (unsigned long long)rng);
	RUN(every_width_reads_back);
	RUN(scalar_code_gives_the_same);
	RUN(the_layout_is_four_interleaved_lanes);
	return tap_done();
}
