/* SPDX-License-Identifier: Apache-2.0 */
/* index/upload.h - publishes a state's current generation to a store, for followers (edition.h says how it lies there). */
#ifndef FRESHET_UPLOAD_H
#define FRESHET_UPLOAD_H

#include <stdatomic.h>

#include "edition.h"

/* In the catalog: a text for people where the last try failed, empty after one that went well. */
#define CATALOG_PUBLISH_ERROR "publish_error"

struct upload_input {
	struct state *state; /* no build begun; the writer's lock need not be held */
	const struct config *cfg;
	struct store *store;
	bool take_over; /* also where another builder has the newest epoch: a new one is claimed */
	bool check; /* look whether everything is there also where the generation is the one that is published */
	atomic_int *stop; /* may be NULL: stop before the next object */
};
struct upload_result {
	uint64_t generation, epoch; /* what is published there now; 0: nothing is, here */
	uint64_t objects, bytes;    /* put by this call */
	bool idle;                  /* it was published there already */
	bool locked;                /* another process of this state is at it: nothing was done */
};
/* Segments, rows, live set and manifest that are not there yet, then the edition, then the pointer; so it can be killed at any instant, and
 * done again. Afterwards editions that build.keep, keep_for and keep_max let go are removed, and what none of the others names. Builds go on
 * meanwhile; where they publish, that is published as well.
 *
 * An epoch belongs to one state directory. Returns 0; -EBUSY where another has a newer one (the message says who, and what to
 * do), or publishes with a copy of this state; -EINVAL where the store holds another index, or cannot tell who was first and
 * publish.sole_writer is not set; -ENOTSUP where this state has no rows of what it followed; -ESTALE where this state is older than what is
 * to be taken over, or nothing is left there of what it published (take_over begins anew); -EINTR; or -errno. */
int upload_run(const struct upload_input *in, struct upload_result *out, struct err *err);
/* The generation of this state that is published at `url`, as far as it knows: 0 where none is. Returns 0 or -errno. */
int upload_number(struct catalog *catalog, const char *url, uint64_t *number, struct err *err);
/* Is that the current one? 1 (also where there is none), 0, or -errno. */
int upload_is_done(struct catalog *catalog, const char *url, struct err *err);

#endif
