/* SPDX-License-Identifier: Apache-2.0 */
/* index/publish.h - make a generation the current one: design section 8, in one place. */
#ifndef FRESHET_PUBLISH_H
#define FRESHET_PUBLISH_H

#include "catalog.h"

struct publish_reject {
	struct slice partition, file; /* paths */
	struct slice text;            /* of reject_text() */
};

struct publish_input {
	struct state *state;             /* lock held, build begun */
	struct catalog *catalog;         /* writer */
	const struct generation *parent; /* NULL: the first */
	uint64_t number;                 /* taken before */
	int64_t watermark, horizon, now;
	uint8_t config_hash[16];
	/* The new segment, finished and synced in tmp/BUILD under this file name; NULL: none (a generation that only drops). */
	const char *segment_file;
	const struct segment_output *segment;
	const struct row *rows; /* to write with the publish */
	size_t row_count;
	const struct publish_reject *rejects;
	size_t reject_count;
};
/* Returns 0 and the number of live documents, or -errno: then the parent is still current, and what was written under tmp/ or
 * renamed goes with state_build_end() or the next repair. */
int publish(const struct publish_input *in, uint64_t *documents, struct err *err);

/* After a crash: makes `current` agree with the catalog, sweeps tmp/, and removes generation and segment files that no
 * kept generation names. With the writer's lock held, at the start of each build. */
int publish_repair(struct state *state, struct catalog *catalog, struct err *err);

#endif
