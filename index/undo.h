/* SPDX-License-Identifier: Apache-2.0 */
/* index/undo.h - which records of a generation count no more, because their files were rewritten or have vanished. */
#ifndef FRESHET_UNDO_H
#define FRESHET_UNDO_H

#include "generation.h"

struct undo { /* zero-initialised is empty */
	struct undone *
		list; /* of each segment: what the generation has undone, and what is undone now; ascending; NULL where nothing was to undo */
	uint32_t **owned;
	size_t count;
	size_t fresh; /* sources that are undone now and were not before */
};
/* `sources` name files by partition, path in it and hash. Release after a failure too. */
int undo_init(struct undo *u, const struct generation *g, const struct source *sources, size_t count,
	struct err *err);
void undo_release(struct undo *u);

#endif
