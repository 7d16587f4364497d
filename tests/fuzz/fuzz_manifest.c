/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest that is taken must come out the same from its own bytes, and those bytes must not change again. */
#include "generation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED_BUF once = {0};
	OWNED_BUF twice = {0};
	struct manifest m, again;
	struct err err = ERR_INIT;
	int r = manifest_decode(slice_of(data, size), &m, &err);

	if (r) {
		if (!err.message[0] || m.segments)
			abort();
		return 0;
	}
	manifest_encode(&m, &once);
	if (manifest_decode(buf_slice(&once), &again, &err))
		abort();
	manifest_encode(&again, &twice);
	if (!slice_eq(buf_slice(&once), buf_slice(&twice)))
		abort();
	manifest_release(&m);
	manifest_release(&again);
	return 0;
}
