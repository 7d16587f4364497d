/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads in parts whose process died: nobody sees their parts, and they cost. Whoever may not list or give up uploads leaves them to the
 * bucket's rules, and so do servers that do not know how. MinIO lists the uploads of a whole key only, and removes them by itself. */
#include "s3_private.h"

struct list_try {
	const char *prefix;
	struct s3_uploads *found;
};

static void list_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	const struct list_try *t = ctx;

	s3_uploads_release(t->found);
	wire->ops->parts_list(wire, call, t->prefix, t->found, a);
}

static void abort_attempt(struct s3_wire *wire, const struct s3_call *call, void *ctx, struct s3_answer *a)
{
	const struct s3_upload *upload = ctx;

	wire->ops->parts_abort(wire, call, upload->id, a);
}

static bool is_left_to_others(const struct s3_answer *a)
{
	return a->outcome == S3_DENIED || a->outcome == S3_REFUSED;
}

/* Returns 0, or 1 where it is left to others, or -errno. */
static int list(struct s3 *s, const char *prefix, struct s3_uploads *found, struct err *err)
{
	struct list_try ctx = {prefix, found};
	struct s3_try t = {.what = "LIST of uploads", .writes = true, .attempt = list_attempt, .ctx = &ctx};
	struct s3_answer a;
	int r = s3_try(s, &t, &a, NULL, err);

	return r < 0 && is_left_to_others(&a) ? 1 : r;
}

/* Likewise. */
static int give_up(struct s3 *s, struct s3_upload *upload, struct err *err)
{
	struct s3_try t = {.what = "end of an upload",
		.key = upload->key,
		.writes = true,
		.attempt = abort_attempt,
		.ctx = upload};
	struct s3_answer a;
	int r = s3_try(s, &t, &a, NULL, err);

	return r == -ENOENT ? 0 : r < 0 && is_left_to_others(&a) ? 1 : r;
}

int s3_sweep(struct s3 *s, const char *prefix, int64_t before, struct err *err)
{
	struct s3_uploads found = {0};
	struct s3_upload *upload;
	int r = s3_has_parts(s) ? list(s, prefix, &found, err) : 0;

	upload = (struct s3_upload *)(void *)found.list.data;
	for (size_t i = 0; r == 0 && i < found.list.len / sizeof(*upload); i++)
		if (upload[i].begun < before && !strncmp(upload[i].key, prefix, strlen(prefix)))
			r = give_up(s, &upload[i], err);
	s3_uploads_release(&found);
	return r < 0 ? r : 0;
}
