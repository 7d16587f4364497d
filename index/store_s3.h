/* SPDX-License-Identifier: Apache-2.0 */
/* index/store_s3.h - what the files of the S3 driver share: store_s3.c, store_s3_file.c (reading ahead), store_s3_survey.c (many at once). */
#ifndef FRESHET_STORE_S3_H
#define FRESHET_STORE_S3_H

#include "s3.h"

/* Threads that fetch ranges ahead of their readers; they start with the first range. */
struct s3_fetchers;
int s3_fetchers_new(struct s3_fetchers **out); /* 0 or -ENOMEM */
void s3_fetchers_free(struct s3_fetchers *f);  /* NULL is fine; no file may be open */

struct s3_store {
	struct store base;
	struct s3 *s3;                /* owned */
	struct s3_fetchers *fetchers; /* owned */
};
static inline struct s3_store *store_s3_of(struct store *s)
{
	return (struct s3_store *)s;
}
/* The key of a path; malloc()ed. NULL when memory is out. */
char *store_s3_key(const struct s3_store *st, const char *path);

/* What listings gave, relative to some prefix. */
struct s3_listing {
	struct arena arena;
	struct buf entries; /* of struct s3_entry, `key` is relative; in the order in which they came */
};
void s3_listing_release(struct s3_listing *l);
/* Lists page after page, until `until` (a whole key; NULL: the end) is passed. `prefix_len` bytes are taken off each key, and what is no path then is
 * left out. After a failure `out` is to be released too. */
int store_s3_list_all(const struct s3_store *st, const struct s3_list *first, const char *until,
	size_t prefix_len, struct s3_listing *out, struct err *err);
/* Sorts entries by name and hands out each name once, as a directory where it is both. */
int store_s3_hand_out(struct buf *entries, store_entry_fn *fn, void *ctx);

int s3_file_open(struct store *s, const char *path, struct store_file **out, struct err *err);
int64_t s3_file_read(struct store_file *f, uint64_t offset, void *to, size_t len, struct err *err);
int s3_file_stat(struct store_file *f, struct store_stat *out, struct err *err);
void s3_file_close(struct store_file *f);
int store_s3_survey(
	struct store *s, const char *first, const char *last, struct store **out, struct err *err);

#endif
