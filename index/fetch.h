/* SPDX-License-Identifier: Apache-2.0 */
/* index/fetch.h - gets segments out of a store into a state directory: some at once, each going on where an earlier try was broken off,
 * and none in its place before its SHA-256 is right. */
#ifndef FRESHET_FETCH_H
#define FRESHET_FETCH_H

#include <signal.h>
#include <stdatomic.h>

#include "generation.h"
#include "store.h"

#define FETCH_THREADS 4

struct fetch_input {
	const struct state *state; /* the writer's lock held */
	struct store *store;       /* for several threads */
	const struct manifest *manifest;
	bool flat;        /* segments lie at the store's root, not in segments/ */
	atomic_int *stop; /* may be NULL */
	void (*progress)(void *ctx, uint64_t done, uint64_t total); /* any thread calls it; may be NULL */
	void *progress_ctx;
};
struct fetch_result {
	_Atomic uint64_t segments, bytes; /* fetched now */
};
/* Makes sure that STATE/segments has every segment of the manifest, with its size. What is there already is not read. Removes what was begun in
 * STATE/fetch and is not wanted any more. Returns 0; -ENOENT where one is not in the store; -EBADMSG where it is not what its
 * name says; -EINTR; or -errno: what was fetched of others by then is kept. */
int fetch_segments(const struct fetch_input *in, struct fetch_result *out, struct err *err);
/* Reads every segment of the manifest that is here, and removes those that are not what their names say, or cannot be read. Returns how many, or
 * -errno. Who has one open keeps it. */
int fetch_drop_damaged(const struct state *state, const struct manifest *m, struct err *err);

#endif
