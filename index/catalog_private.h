/* SPDX-License-Identifier: Apache-2.0 */
/* index/catalog_private.h - the parts of the catalog: catalog.c (the file, its schema and queries), catalog_rows.c (partitions and their files)
 * and catalog_publish.c (generations). */
#ifndef FRESHET_CATALOG_PRIVATE_H
#define FRESHET_CATALOG_PRIVATE_H

#include "catalog.h"
#include "sql.h"

enum catalog_query {
	Q_META_GET,
	Q_META_SET,
	Q_VERSION,
	Q_CURRENT,
	Q_ROWS,
	Q_FILES,
	Q_ROW_PUT,
	Q_FILES_DROP,
	Q_FILE_PUT,
	Q_TAKE,
	Q_TAKEN,
	Q_GENERATION_PUT,
	Q_CURRENT_SET,
	Q_GENERATIONS,
	Q_GENERATION_HAS,
	Q_GENERATION_DROP,
	Q_PAST_PUT,
	Q_PAST_PUT_NONE,
	Q_PAST_FILES_PUT,
	Q_PAST,
	Q_PAST_FILES,
	Q_PAST_DROP,
	Q_PAST_FILES_DROP,
	Q_RAISE,
	Q_ROW_DROP,
};

struct catalog {
	struct sql *sql; /* owned */
	char index[UUID_TEXT];
};

/* Takes one row of a query into `to`: 0, -ENOMEM or -EBADMSG. */
typedef int catalog_take_fn(struct sqlite3_stmt *s, struct arena *arena, void *to);
/* All rows of a query whose values are bound, as an array in `arena`, of elements of `size` bytes; *out and *count stay as they are where there
 * is none. Returns 0 or -errno. */
int catalog_take_all(struct catalog *c, struct sqlite3_stmt *s, catalog_take_fn *take, size_t size,
	struct arena *arena, void **out, size_t *count, struct err *err);

/* Both within a transaction. */
int catalog_put_rows(struct catalog *c, const struct row *rows, size_t count, struct err *err);
/* Keeps a row as it is for a rollback to a generation before `number`, which changes it. */
int catalog_keep_past(struct catalog *c, uint64_t number, int64_t ts, struct err *err);

#endif
