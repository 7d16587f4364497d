/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "scratch.h"
#include "tap.h"

/* Runs in a process of its own, since nothing of it can be taken back. Returns what `fn` does. */
static int apart(int (*fn)(const char *dir))
{
	SCRATCH dir = scratch_make();
	int status = -1;
	pid_t pid;

	scratch_put(dir.path, "file", "text", 4);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(fn(dir.path));
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

enum { FINE, NOT_TRIED = 77 };

static int open_in(const char *dir, const char *name, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags, 0600);
	return fd < 0 ? -errno : fd;
}

static int keeps_to_one_file(const char *dir)
{
	char text[8], path[256];
	int fd = open_in(dir, "file", O_RDWR), again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	confine_resources(0);
	if (!confine_files(fd))
		return NOT_TRIED;
	again = open(path, O_RDONLY);
	if (again < 0 || read(again, text, sizeof(text)) != 4 || pread(fd, text, sizeof(text), 0) != 4)
		return 1;
	if (open(path, O_RDWR) >= 0 || errno != EACCES)
		return 2;
	if (open_in(dir, "new", O_WRONLY | O_CREAT) != -EACCES ||
		open_in("/etc", "passwd", O_RDONLY) != -EACCES)
		return 3;
	snprintf(path, sizeof(path), "%s/file", dir);
	if (unlink(path) == 0 || open("/proc/self/status", O_RDONLY) < 0)
		return 4;
	execl("/bin/true", "true", (char *)NULL);
	return errno == EACCES ? FINE : 5;
}

static int sees_no_other_process(const char *dir)
{
	int fd = open_in(dir, "file", O_RDONLY);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/environ", getppid());
	confine_resources(0);
	if (!confine_files(fd))
		return NOT_TRIED;
	return open(path, O_RDONLY) < 0 && errno == EACCES ? FINE : 1;
}

static int makes_no_socket(const char *dir)
{
	static const int kinds[][2] = {{AF_INET, SOCK_DGRAM}, {AF_INET, SOCK_STREAM}, {AF_INET6, SOCK_DGRAM},
		{AF_UNIX, SOCK_STREAM}};

	confine_resources(0);
	if (!confine_sockets())
		return NOT_TRIED;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (socket(kinds[i][0], kinds[i][1], 0) >= 0 || errno != EACCES)
			return 1;
	return open_in(dir, "file", O_RDONLY) >= 0 ? FINE : 2;
}

/* As the builder hands it over. */
static int reads_a_file_without_a_name(const char *dir)
{
	char text[8], path[64];
	int fd = open(dir, O_TMPFILE | O_RDWR, 0600), again;

	if (fd < 0)
		return NOT_TRIED; /* nor is there such a file */
	if (write(fd, "text", 4) != 4)
		return 2;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	confine_resources(0);
	if (!confine_files(fd))
		return NOT_TRIED;
	again = open(path, O_RDONLY);
	return again >= 0 && read(again, text, sizeof(text)) == 4 ? FINE : 3;
}

static int has_limits(const char *dir)
{
	struct rlimit core, files, memory;

	(void)dir;
	confine_resources(UINT64_C(4) << 30);
	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_AS, &memory);
	return core.rlim_max || files.rlim_max > 64 || memory.rlim_max > UINT64_C(4) << 30;
}

static void check_apart(int (*fn)(const char *dir))
{
	int got = apart(fn);

	if (got == NOT_TRIED)
		printf("# not tried: this kernel does not see to it\n");
	else
		check_int(got, FINE);
}

static void no_file_can_be_opened_but_the_one(void)
{
	check_apart(keeps_to_one_file);
}

static void nothing_is_to_be_had_from_other_processes(void)
{
	check_apart(sees_no_other_process);
}

static void nothing_can_be_sent_anywhere(void)
{
	check_apart(makes_no_socket);
}

static void the_one_needs_no_name(void)
{
	check_apart(reads_a_file_without_a_name);
}

static void resources_are_bounded(void)
{
	check_apart(has_limits);
}

int main(void)
{
	RUN(no_file_can_be_opened_but_the_one);
	RUN(the_one_needs_no_name);
	RUN(nothing_is_to_be_had_from_other_processes);
	RUN(nothing_can_be_sent_anywhere);
	RUN(resources_are_bounded);
	return tap_done();
}
