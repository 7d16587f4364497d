/* SPDX-License-Identifier: Apache-2.0 */
/* An edition, a claim or a pointer that is taken must come out the same from its own bytes, and those bytes must not change again. */
#include "edition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_edition(struct slice bytes)
{
	OWNED_BUF once = {0};
	OWNED_BUF twice = {0};
	struct edition e, again;
	struct err err = ERR_INIT;

	if (edition_decode(bytes, &e, &err)) {
		if (!err.message[0] || e.rows || e.config)
			abort();
		return;
	}
	edition_encode(&e, &once);
	if (edition_decode(buf_slice(&once), &again, &err))
		abort();
	edition_encode(&again, &twice);
	if (!slice_eq(buf_slice(&once), buf_slice(&twice)))
		abort();
	edition_release(&e);
	edition_release(&again);
}

static void check_claim(struct slice bytes)
{
	OWNED_BUF once = {0};
	struct claim c, again;

	if (claim_decode(bytes, &c, NULL))
		return;
	claim_encode(&c, &once);
	if (once.len <= POINTER_MAX &&
		(claim_decode(buf_slice(&once), &again, NULL) || !edition_ref_is(&c.over, &again.over) ||
			strcmp(c.by, again.by) != 0))
		abort();
}

static void check_pointer(struct slice bytes)
{
	OWNED_BUF once = {0};
	struct edition_ref ref, again;
	char index[UUID_TEXT];

	if (pointer_decode(bytes, index, &ref, NULL))
		return;
	pointer_encode(index, &ref, &once);
	if (pointer_decode(buf_slice(&once), index, &again, NULL) || !edition_ref_is(&ref, &again))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of(data, size);

	check_edition(bytes);
	check_claim(bytes);
	check_pointer(bytes);
	return 0;
}
