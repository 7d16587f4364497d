/* SPDX-License-Identifier: Apache-2.0 */
/* Any file is read or refused with a reason, and what was read can be dumped and read back the same. */
#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void dump_and_back(const struct config *c)
{
	OWNED(config) struct config *again = NULL;
	OWNED_BUF first = {0}, second = {0};
	uint8_t hash[CONFIG_HASH_BYTES], hash_again[CONFIG_HASH_BYTES];

	config_dump(c, &first);
	if (config_new(&again, NULL) < 0 || config_parse(again, "dump", buf_slice(&first), NULL) < 0)
		abort();
	config_dump(again, &second);
	config_hash(c, hash);
	config_hash(again, hash_again);
	if (!slice_eq(buf_slice(&first), buf_slice(&second)) || memcmp(hash, hash_again, sizeof(hash)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED(config) struct config *file = NULL, *set = NULL;
	OWNED_BUF text = {0};
	struct err err = ERR_INIT;

	if (config_new(&file, NULL) < 0 || config_new(&set, NULL) < 0)
		abort();
	if (config_parse(file, "file", slice_of(data, size), &err) == 0)
		dump_and_back(file);
	else if (!err.message[0])
		abort();
	/* The same bytes as one --set; a refused one leaves things as they were, or at least sound. */
	buf_add(&text, data, size);
	config_set(set, buf_cstr(&text), NULL);
	dump_and_back(set);
	return 0;
}
