/* SPDX-License-Identifier: Apache-2.0 */
/* index/publish.h - make a generation the current one: design section 8, in one place. */
#ifndef FRESHET_PUBLISH_H
#define FRESHET_PUBLISH_H

#include "catalog.h"
#include "reject_file.h"

/* A new segment, finished and synced in tmp/BUILD. */
struct publish_segment {
	const char *file; /* its name there */
	const struct segment_output *output;
	bool base;
	size_t at; /* it comes before the content's segment of this number; those of one place stand in the order given */
};

struct publish_input {
	struct state *state;             /* lock held, build begun */
	struct catalog *catalog;         /* writer */
	const struct generation *parent; /* NULL: the first */
	const struct generation *
		content; /* whose segments go on; NULL: the parent's. Another one's where it is rolled back to */
	uint64_t number; /* taken before */
	enum manifest_kind kind;
	int64_t watermark, horizon, now; /* horizon: as in the manifest */
	int64_t base_at;
	uint8_t config_hash[16];
	uint32_t k1, b;                         /* of ranking, in thousandths */
	const struct publish_segment *segments; /* by `at`; none: a generation that only drops */
	size_t segment_count;
	const bool *dropped; /* of each segment of the content's: not in the new generation; NULL: none */
	const struct undone
		*undone; /* of each segment of the content's, all of them, old ones too; NULL: as there */
	/* To write with the publish. Where a published one has no publish time yet, this publish's is put in. */
	const struct row *rows;
	size_t row_count;
	const struct reject_file *rejects;
	size_t reject_count;
};
/* Returns 0 and the number of live documents, or -errno: then the parent is still current, and what was written under tmp/ or
 * renamed goes with state_build_end() or the next repair. One failure comes later, and its message says so: the catalog
 * has moved on, but `current` could not be written; the next repair writes it.
 *
 * Delta segments that lie behind the horizon and have no entry left are not in the new manifest. */
int publish(const struct publish_input *in, uint64_t *documents, struct err *err);

/* After a crash: makes `current` agree with the catalog, sweeps tmp/, and removes generation and segment files that no
 * kept generation names. With the writer's lock held, at the start of each build. -EBADMSG when `current` names a generation that the
 * catalog does not know: catalog.db was replaced by an older one, and the message says what to do. */
int publish_repair(struct state *state, struct catalog *catalog, struct err *err);
/* The same, but what no generation names stays: of what is followed, segments that were fetched for one that is not whole yet. */
int publish_mend(struct state *state, struct catalog *catalog, struct err *err);

#endif
