/* SPDX-License-Identifier: Apache-2.0 */
/* fs/builder.h - the builder as a process of its own, as the refresh thread sees it: started, watched by
 * descriptor, its last words kept. Nothing here blocks but builder_stop(). */
#ifndef FRESHET_BUILDER_H
#define FRESHET_BUILDER_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "err.h"

#define BUILDER_FDS 2

struct builder {
	pid_t pid; /* 0: none runs */
	int pidfd, errfd;
	/* What it last wrote to stderr that was a whole line and not empty. */
	char last_line[ERR_MAX];
	char partial[ERR_MAX];
	size_t partial_len;
};
#define BUILDER_INIT ((struct builder){.pidfd = -1, .errfd = -1})

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
/* Asks it to stop, and makes it when it does not. */
void builder_stop(struct builder *b);

#endif
