/* SPDX-License-Identifier: Apache-2.0 */
/* fs/snapshot.h - one published state as the mount serves it: the generation, the catalog's rows, the kept
 * generations. Immutable and reference-counted: requests pin one, the refresh thread swaps in the next. */
#ifndef FRESHET_SNAPSHOT_H
#define FRESHET_SNAPSHOT_H

#include "catalog.h"
#include "inode.h"
#include "partition.h"
#include "status.h"

struct snapshot {
	_Atomic unsigned refs;
	uint64_t serial;               /* each load has its own, counted up */
	struct generation *generation; /* a reference; NULL: nothing is published */
	const struct row *rows;        /* all of them, by timestamp */
	size_t row_count;
	const struct catalog_generation *kept; /* newest first */
	size_t kept_count;
	int64_t kept_changed;  /* when `kept` last became another list, by the clock of the loader */
	struct buf last_error; /* text of status.last_error: the last build's, as the catalog has it */
	struct status status;  /* strings borrow from the snapshot, the configuration and the state */
	struct blob *table;    /* partitions.tsv */
	struct arena arena;
};

/* What a snapshot is loaded from. `catalog` may be NULL: then there are no rows. */
struct snapshot_source {
	const struct state *state;
	struct catalog *catalog;
	const struct config *cfg;
	const char *dest; /* absolute, where that is published for followers; NULL: nowhere */
	bool follow;      /* what is served was built by the configuration of another host */
	const char *url;  /* borrowed by the snapshot, as state->dir is */
};
/* Reads `current` and the catalog. `old` (may be NULL) lends its generation when it is still the current one, or
 * when there is none now. Returns 0, or -errno: then *out is NULL; -ESTALE: the number went back, which it may for
 * another index only. */
int snapshot_load(struct snapshot **out, const struct snapshot_source *from, const struct snapshot *old,
	struct err *err);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* NULL is fine */
static inline void snapshot_freep(struct snapshot **s)
{
	snapshot_unref(*s);
}

bool snapshot_keeps(const struct snapshot *s, uint64_t number);
/* The partition at that path, or NULL. */
const struct row *snapshot_row(const struct snapshot *s, const struct template *t, struct slice path);

#endif
