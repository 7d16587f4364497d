/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that are taken are those of exactly these bytes. */
#include "row_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = {0};
	OWNED_BUF again = {0};
	struct err err = ERR_INIT;
	struct row *rows;
	size_t count;

	if (row_text_decode(slice_of(data, size), &arena, &rows, &count, &err)) {
		if (!err.message[0] || rows || count)
			abort();
	} else {
		row_text_encode(rows, count, &again);
		if (!slice_eq(buf_slice(&again), slice_of(data, size)))
			abort();
	}
	arena_release(&arena);
	return 0;
}
