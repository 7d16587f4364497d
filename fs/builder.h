/* SPDX-License-Identifier: Apache-2.0 */
/* fs/builder.h - the builder as a process of its own, as the refresh thread sees it: started, watched by
 * descriptor, its pulse felt, its last words kept. Nothing here blocks but builder_stop(). */
#ifndef FRESHET_BUILDER_H
#define FRESHET_BUILDER_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "err.h"
#include "timefmt.h"

#define BUILDER_FDS 3

struct builder {
	pid_t pid; /* 0: none runs */
	int pidfd, errfd;
	int pulsefd;   /* its stdout: a byte there says that something has moved */
	int64_t moved; /* monotonic: when it last did */
	bool stalled;  /* it was killed since nothing did */
	/* What it last wrote to stderr that was a whole line and not empty. */
	char last_line[ERR_MAX];
	char partial[ERR_MAX];
	size_t partial_len;
};
#define BUILDER_INIT ((struct builder){.pidfd = -1, .errfd = -1, .pulsefd = -1})

/* Runs this very executable with `argv` (argv[0] is what it calls itself). Returns 0 or -errno. */
int builder_start(struct builder *b, const char *const *argv, struct err *err);
static inline bool builder_runs(const struct builder *b)
{
	return b->pid != 0;
}
/* What to poll for. Returns how many of BUILDER_FDS were filled in: 0 when none runs. */
int builder_pollfds(const struct builder *b, struct pollfd *fds);
/* Takes in what there is. Returns true once the process has ended, with its wait status. */
bool builder_check(struct builder *b, int *status);
/* When (monotonic) nothing will have moved in it for `timeout`; TIME_FOREVER: none runs, or it is killed already. */
int64_t builder_stalls_at(const struct builder *b, int64_t timeout);
/* Kills it for that; builder_check() then tells its end, and `stalled` why. */
void builder_kill(struct builder *b);
/* Asks it to stop, and makes it when it does not. */
void builder_stop(struct builder *b);

#endif
