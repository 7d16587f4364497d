/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/feed_case.h - a store of any kind to put files into, for the test_store*.c beside it. */
#ifndef FRESHET_FEED_CASE_H
#define FRESHET_FEED_CASE_H

#include "scratch.h"
#include "store.h"
#include "tap.h"
#include "timefmt.h"

#define TIME_A (1777889100 * TIME_SECOND + 123456789)

/* A feed to put files into, of the kind that the run is for. */
enum kind { KIND_MEM, KIND_DIR, KIND_DIR_WALK };
static enum kind kind;

struct feed {
	struct store *store;
	struct scratch dir; /* of a directory */
	const char *root;
};

static inline void feed_open(struct feed *f)
{
	struct err err = ERR_INIT;
	int r;

	*f = (struct feed){0};
	if (kind == KIND_MEM) {
		r = store_mem_open(&f->store, &err);
	} else {
		f->dir = scratch_make();
		f->root = f->dir.path;
		r = store_open(&f->store, f->root, NULL, &err);
	}
	if (r < 0) {
		printf("Bail out! %s\n", err.message);
		abort();
	}
	if (kind == KIND_DIR_WALK)
		store_dir_force_walk(f->store);
}

static inline void feed_close(struct feed *f)
{
	store_free(f->store);
	if (kind != KIND_MEM)
		scratch_remove(&f->dir);
}

static inline const char *full(const struct feed *f, const char *path)
{
	static char text[8192];

	snprintf(text, sizeof(text), "%s/%s", f->root, path);
	return text;
}

static inline void put(struct feed *f, const char *path, const char *bytes, int64_t mtime)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {mtime / TIME_SECOND, mtime % TIME_SECOND}};
	char *whole;
	FILE *out;

	if (kind == KIND_MEM) {
		check_int(store_mem_put(f->store, path, slice_str(bytes), mtime), 0);
		return;
	}
	whole = strdup(full(f, path));
	for (char *p = whole + strlen(f->root) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(whole, 0777);
	}
	out = fopen(whole, "w");
	check(out != NULL);
	if (out) {
		fputs(bytes, out);
		fclose(out);
		check_int(utimensat(AT_FDCWD, whole, times, 0), 0);
	}
	free(whole);
}

static inline void take_away(struct feed *f, const char *path)
{
	if (kind == KIND_MEM)
		check_int(store_mem_remove(f->store, path), 0);
	else
		check_int(remove(full(f, path)), 0);
}

/* A listing as text: names with '|' behind them, '/' between for directories. */
static inline int list_text(void *ctx, struct slice name, const struct store_stat *st)
{
	buf_add_slice(ctx, name);
	buf_add_str(ctx, st->is_dir ? "/|" : "|");
	return 0;
}

static inline void check_list(struct feed *f, const char *dir, const char *want)
{
	OWNED_BUF got = {0};
	struct err err = ERR_INIT;

	check_int(store_list(f->store, dir, list_text, &got, &err), 0);
	check_str(buf_cstr(&got), want);
}

static inline void check_content(struct feed *f, const char *path, const char *want)
{
	struct err err = ERR_INIT;
	OWNED_BUF got = {0};

	check_int(store_get(f->store, path, 1000, &got, &err), 0);
	check_str(buf_cstr(&got), want);
}

static inline int put_text(
	struct feed *f, const char *path, const char *text, enum store_put how, struct err *err)
{
	struct store_body body = store_bytes(slice_str(text));

	return store_put(f->store, path, &body, how, err);
}

/* A case of all kinds, also where there are no links. */
static inline void a_new_object_takes_no_others_place(void)
{
	struct err err = ERR_INIT;
	struct feed f;

	feed_open(&f);
	check_int(store_is_exclusive(f.store, &err), 1);
	check_int(put_text(&f, "claims/1", "mine", STORE_NEW, &err), 0);
	check_int(put_text(&f, "claims/1", "yours", STORE_NEW, &err), -EEXIST);
	check_contains(err.message, "claims/1: ");
	check_content(&f, "claims/1", "mine");
	check_list(&f, "claims", "1|");
	feed_close(&f);
}

#endif
