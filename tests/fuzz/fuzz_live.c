/* SPDX-License-Identifier: Apache-2.0 */
/* A live set has one form: what is taken must be written again byte for byte. The checksum is mended first,
 * so that the fuzzer gets past it. */
#include "digest.h"
#include "live.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED_BUF bytes = {0};
	OWNED_BUF again = {0};
	struct live l;
	struct err err = ERR_INIT;

	buf_add(&bytes, data, size);
	if (size >= 8)
		put_le64(bytes.data + size - 8, xxh64(slice_of(bytes.data, size - 8)));
	if (live_decode(buf_slice(&bytes), &l, &err)) {
		if (!err.message[0] || l.segments)
			abort();
		return 0;
	}
	for (size_t i = 0; i < l.count; i++)
		for (uint32_t n = 0; n < l.segments[i].entries && n < 256; n++)
			live_is_superseded(&l.segments[i], n);
	live_encode(&l, &again);
	/* A newer minor version is read, and written as ours. */
	put_le16(bytes.data + 10, 0);
	if (again.len != size || memcmp(bytes.data, again.data, size - 8) != 0)
		abort();
	live_release(&l);
	return 0;
}
