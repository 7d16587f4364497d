/* SPDX-License-Identifier: Apache-2.0 */
/* index/catalog.h - catalog.db: partitions, files, generations, watermark (SQLite, through sql.h).
 *
 * WAL, synchronous=FULL. application_id and user_version mark the file as ours and its version: foreign or newer
 * ones are refused (-ENOTSUP), damaged ones -EBADMSG. One connection is for one thread at a time. */
#ifndef FRESHET_CATALOG_H
#define FRESHET_CATALOG_H

#include "generation.h"
#include "row.h"

struct catalog;

/* Opens STATE/catalog.db; a writer creates it (and takes a new index UUID), a reader gets -ENOENT. */
int catalog_open(struct catalog **out, const struct state *state, bool writer, struct err *err);
void catalog_free(struct catalog *c); /* NULL is fine */
DEFINE_FREEP(catalog)

const char *catalog_index(const struct catalog *c); /* the UUID, as it was when it was opened, or last read */
/* Reads it again: the first generation that is adopted from elsewhere brings its own. Returns 0 or -errno. */
int catalog_read_index(struct catalog *c, struct err *err);
/* Small texts by name: "url", "config" (the last build's), "last_error". Appends; 1 there, 0 not. */
int catalog_get(struct catalog *c, const char *key, struct buf *out, struct err *err);
int catalog_set(struct catalog *c, const char *key, struct slice value, struct err *err);
/* The generation whose rollback paused builds: 1 and its number; 0 and 0: they are not paused. Publishing a rollback pauses
 * them in the same transaction; catalog_set() of nothing ends it. */
#define CATALOG_PAUSED "paused"
int catalog_paused(struct catalog *c, uint64_t *since, struct err *err);
/* Changes when another connection has committed: cheap, for polling. */
int catalog_version(struct catalog *c, uint64_t *out, struct err *err);

struct catalog_current {
	uint64_t number;   /* 0: nothing is published */
	int64_t watermark; /* TIME_NONE with it */
	int64_t base_at;   /* TIME_NONE: no base */
	int64_t published;
	uint8_t sha256[SHA256_BYTES];
};
int catalog_current(struct catalog *c, struct catalog_current *out, struct err *err);

/* Rows with ts > from (TIME_NONE: all), and older ones that are neither skipped nor expired: the horizon jumps over these when
 * `window` is made shorter. By ts, with their files where `files`; everything lies in `arena`. */
int catalog_rows(struct catalog *c, int64_t from, bool files, struct arena *arena, struct row **rows,
	size_t *count, struct err *err);
/* Inserts or replaces rows and their `read` lists in one transaction: rows that were read without files would lose theirs. */
int catalog_note(struct catalog *c, const struct row *rows, size_t count, struct err *err);
/* Rows that were published after generation `number`, each as it was before the first of these publishes. By ts, with files;
 * what has not changed is not among them. Kept for as long as the generation is. */
struct catalog_past {
	uint64_t generation; /* that changed it */
	bool there;          /* false: there was no row; `row` has nothing but ts then */
	struct row row;
};
int catalog_past(struct catalog *c, uint64_t number, struct arena *arena, struct catalog_past **past,
	size_t *count, struct err *err);
/* Takes the next generation number, in a transaction of its own: never handed out twice. */
int catalog_take_number(struct catalog *c, uint64_t *out, struct err *err);
/* The next number that is handed out is above `number`. */
int catalog_raise_number(struct catalog *c, uint64_t number, struct err *err);
/* The one transaction of a publish: rows, watermark and current generation together. Refuses
 * (-ESTALE) when the current generation is not manifest->parent, or the watermark would go back other than by a rollback. */
int catalog_publish(struct catalog *c, const struct manifest *m, const uint8_t sha256[SHA256_BYTES],
	const struct row *rows, size_t row_count, struct err *err);

/* A generation that another host published takes its place here, with what the catalog there said of it. */
struct catalog_adoption {
	const struct manifest *manifest;
	const uint8_t *sha256;  /* of its bytes */
	const struct row *rows; /* to insert or replace */
	size_t row_count;
	const int64_t *gone; /* rows that are not there any more */
	size_t gone_count;
	uint64_t paused; /* the generation whose rollback paused builds there; 0: they go on */
	struct slice
		config; /* of the builder's last build; without data: it came without rows, and without this */
	struct slice followed; /* for CATALOG_FOLLOWED */
};
/* "EPOCH URL" of what was last adopted; CATALOG_ROWLESS: "1" where it came without rows, so that no build can go on from it. */
#define CATALOG_FOLLOWED "followed"
#define CATALOG_ROWLESS "rowless"
/* What came without its rows says nothing of what was indexed: building on would index all of the window again, and could undo nothing, and who
 * follows would not know. Returns -ENOTSUP, saying so of the state in `dir`, or 0. */
int catalog_refuse_rowless(struct catalog *c, const char *dir, struct err *err);
/* In one transaction. A catalog in which nothing is published becomes one of the manifest's index. Refuses (-ESTALE) a number that is not
 * above the current one's, and (-ENOTSUP) another index. */
int catalog_adopt(struct catalog *c, const struct catalog_adoption *a, struct err *err);

/* Opens the generation that is current by the catalog; *out is NULL where nothing is published. Returns 0, or -EBADMSG where it
 * is not there …. */
int current_generation(
	const struct state *state, struct catalog *c, struct generation **out, struct err *err);

struct catalog_generation {
	uint64_t number;
	int64_t watermark, published;
	bool merged; /* by merging: the content of the one before it */
};
/* Published generations that are kept, newest first, in `arena`. */
int catalog_generations(struct catalog *c, struct arena *arena, struct catalog_generation **out,
	size_t *count, struct err *err);
/* Is that one of them, with that manifest, or was it the last that was adopted? 1, 0 or -errno. */
int catalog_has_had(struct catalog *c, uint64_t number, const uint8_t sha256[SHA256_BYTES], struct err *err);
/* Forgets generations (by gc, before their files go). */
int catalog_drop_generations(struct catalog *c, const uint64_t *numbers, size_t count, struct err *err);

#endif
