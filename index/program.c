/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

extern char **environ;

static int set_attributes(posix_spawnattr_t *attr, bool group)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setpgroup(attr, 0);
	return posix_spawnattr_setflags(attr, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      (group ? POSIX_SPAWN_SETPGROUP : 0)));
}

static int set_files(posix_spawn_file_actions_t *files, const struct program *p)
{
	int r = p->in < 0 ? posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
			  : posix_spawn_file_actions_adddup2(files, p->in, STDIN_FILENO);

	if (r == 0 && p->out >= 0)
		r = posix_spawn_file_actions_adddup2(files, p->out, STDOUT_FILENO);
	if (r == 0 && p->err >= 0)
		r = posix_spawn_file_actions_adddup2(files, p->err, STDERR_FILENO);
	/* Libraries open without O_CLOEXEC: connections to S3 are none of the program's. */
	return r == 0 ? posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1) : r;
}

int program_start(const struct program *p, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int r;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	r = set_attributes(&attr, p->group);
	if (r == 0)
		r = set_files(&files, p);
	if (r == 0)
		r = posix_spawn(pid, p->path, &files, &attr, (char *const *)p->argv,
			p->env ? (char *const *)p->env : environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}
