/* SPDX-License-Identifier: Apache-2.0 */
/* fs/rootfile.h - the small text files of the mount: what each says at this moment. */
#ifndef FRESHET_ROOTFILE_H
#define FRESHET_ROOTFILE_H

#include "snapshot.h"

struct tree;
enum rootfile {
	ROOTFILE_README,
	ROOTFILE_COMPLETE_THROUGH,
	ROOTFILE_GENERATION,
	ROOTFILE_STATUS,
	ROOTFILE_STATUS_HTML,
	ROOTFILE_STATUS_JSON,
	ROOTFILE_METRICS,
	ROOTFILE_WATERMARK,
};
/* Appends its text. `s` may be NULL for ROOTFILE_WATERMARK, `g` where nothing is published. 0 or -ENOMEM. */
int rootfile_make(const struct tree *t, enum rootfile which, const struct snapshot *s,
	const struct generation *g, struct buf *out);

#endif
