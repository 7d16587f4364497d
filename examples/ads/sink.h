/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/sink.h - the files of one kind of record: KIND-0000.jsonl, KIND-0001.jsonl, ...
 *
 * A new file is begun when one has reached its size, always between two records. Files may be packed, by the
 * zstd program. Any failure ends the program. */
#ifndef FRESHET_ADS_SINK_H
#define FRESHET_ADS_SINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RECORD_MAX 4096 /* bytes of one record */

struct sink {
	const char *dir, *kind; /* borrowed */
	bool packed;
	uint64_t file_size; /* bytes in a file, before packing */
	uint64_t records, bytes, files;
	/* private */
	char *data; /* owned */
	size_t len;
	uint64_t in_file;
	int fd;
	pid_t packer; /* 0: none */
};

/* Opens the first file; there is one also when no record follows. */
void sink_open(struct sink *s, const char *dir, const char *kind, bool packed, uint64_t file_size);
void sink_close(struct sink *s);
/* Where a record of at most RECORD_MAX bytes goes, and that it has been written up to `end`. */
char *sink_begin(struct sink *s);
void sink_end(struct sink *s, char *end);

#endif
