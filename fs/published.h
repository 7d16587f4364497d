/* SPDX-License-Identifier: Apache-2.0 */
/* fs/published.h - what the state directory has: notices what anyone published or noted there since the last time. One thread. */
#ifndef FRESHET_PUBLISHED_H
#define FRESHET_PUBLISHED_H

#include "snapshot.h"
#include "stamp.h"

struct published {
	struct snapshot_source from; /* its catalog is owned; NULL: there is none yet */
	struct stamp catalog_stamp;
	uint64_t catalog_version;
	struct stamp current; /* of the file `current` */
};

/* Borrows what `from` points to, which has no catalog yet. */
void published_init(struct published *p, const struct snapshot_source *from);
void published_release(struct published *p);
/* Returns 1 with the next snapshot where something is another than in `now` (NULL: none was taken yet), 0 where nothing is, or -errno: then
 * it is tried again the next time. *reopened: the catalog was opened, of a directory that may be another. */
int published_look(struct published *p, const struct snapshot *now, struct snapshot **next, bool *reopened,
	struct err *err);

#endif
