/* SPDX-License-Identifier: Apache-2.0 */
/* fs/stamp.h - tells one file at a path from the next that takes its place. */
#ifndef FRESHET_STAMP_H
#define FRESHET_STAMP_H

#include "state.h"

#include <sys/types.h>
#include <time.h>

struct stamp {
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	off_t size;
};

/* Of `name` in the state directory, by path: the directory too may be another by now. Zeros: not there. */
struct stamp stamp_take(const struct state *state, const char *name);
/* Nothing was put in its place, and nothing written. */
bool stamp_equal(const struct stamp *a, const struct stamp *b);
/* Nothing was put in its place. */
bool stamp_same_file(const struct stamp *a, const struct stamp *b);

#endif
