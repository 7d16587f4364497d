/* SPDX-License-Identifier: Apache-2.0 */
/* index/program.h - another program as a child process, with the signals as they were before this one changed them. Safe in a process with threads. */
#ifndef FRESHET_PROGRAM_H
#define FRESHET_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

struct program {
	const char *path;        /* no search */
	const char *const *argv; /* NULL-terminated */
	const char *const *env;  /* NULL-terminated; NULL: this process's own */
	/* Its standard descriptors, which stay open here. -1: nothing to read (in), this process's own (out, err). */
	int in, out, err;
	bool group; /* a process group of its own, to be killed as a whole, which ^C in a terminal does not reach */
};
/* The caller waits for it. Returns 0 or -errno: then nothing was started. */
int program_start(const struct program *p, pid_t *pid);

#endif
