/* SPDX-License-Identifier: Apache-2.0 */
#include "stamp.h"

#include <sys/stat.h>

struct stamp stamp_take(const struct state *state, const char *name)
{
	OWNED_STR char *path = state_path(state, "%s", name);
	struct stat st;

	if (!path || stat(path, &st) < 0)
		return (struct stamp){0};
	return (struct stamp){st.st_dev, st.st_ino, st.st_mtim, st.st_size};
}

bool stamp_same_file(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

bool stamp_equal(const struct stamp *a, const struct stamp *b)
{
	return stamp_same_file(a, b) && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
	       a->mtime.tv_nsec == b->mtime.tv_nsec;
}
