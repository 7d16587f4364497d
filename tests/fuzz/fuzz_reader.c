/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz_reader.c - a file of any bytes, read as plain, zstd or gzip: the first byte says which. */
#include "reader.h"

static void read_all(struct reader *r)
{
	struct reader_line line;
	struct err err = ERR_INIT;
	uint64_t last = 0;
	volatile char tail = 0;
	int code;

	while ((code = reader_next(r, &line, &err)) == 1) {
		if (line.number <= last || line.text.len > RECORD_MAX || !line.text.len)
			abort();
		if (memchr(line.text.data, '\n', line.text.len))
			abort();
		last = line.number;
		for (int i = 0; i < RECORD_PADDING; i++)
			tail ^= line.text.data[line.text.len + (size_t)i];
	}
	(void)tail; /* the reads are what counts */
	if (code < 0 && (code != -EBADMSG || !err.message[0]))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	OWNED(store) struct store *store = NULL;
	OWNED(reader) struct reader *r = NULL;
	struct store_stat st;
	struct reader_input in;
	struct feed_file expect;

	if (!size)
		return 0;
	if (store_mem_open(&store, NULL) < 0 ||
		store_mem_put(store, "f", slice_of(data + 1, size - 1), 1) < 0 ||
		store_head(store, "f", &st, NULL) < 0)
		abort();
	expect = (struct feed_file){.size = st.size, .mtime = st.mtime, .ctime = st.ctime};
	in = (struct reader_input){.store = store,
		.path = "f",
		.format = FORMAT_JSONL,
		.packing = (enum feed_packing)(data[0] % 3),
		.expect = &expect};
	if (reader_open(&r, &in, NULL) < 0)
		abort();
	read_all(r);
	reader_free(steal(&r));
	return 0;
}
