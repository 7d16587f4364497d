/* SPDX-License-Identifier: Apache-2.0 */
/* index/follow_rows.h - which rows of a catalog are other than an edition's. */
#ifndef FRESHET_FOLLOW_ROWS_H
#define FRESHET_FOLLOW_ROWS_H

#include "edition.h"

struct row_changes {
	struct row *rows; /* that are to be inserted or replaced; in the arena */
	size_t row_count;
	int64_t *gone; /* that are not there any more; in the arena */
	size_t gone_count;
};
/* Fetches the texts of rows that are other than the catalog's, and compares. Returns 0, -EBADMSG (says which object), or -errno. */
int follow_rows(struct store *store, const struct edition *e, struct catalog *catalog, struct arena *arena,
	struct row_changes *out, struct err *err);

#endif
