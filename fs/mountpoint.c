/* SPDX-License-Identifier: Apache-2.0 */
#include "mountpoint.h"
#include "bytes.h"
#include "log.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEAD_MAX 16 /* mounts, one over the other */

extern char **environ;

/* Undoes the \ooo of /proc/self/mountinfo in place. */
static void unescape_octal(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

/* True when one of ours is what a path to `mountpoint` leads to (the last line for it), or NULL: the mount with that id.
 * Two mounts in one place are a mistake, and each takes an `umount` of its own. */
static bool is_ours(const char *mountpoint, int id)
{
	FILE *in = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *dash, *at;
	size_t size = 0;
	bool ours = false;
	int its;

	while (in && getline(&line, &size, in) > 0) {
		at = malloc(strlen(line) + 1);
		dash = strstr(line, " - ");
		if (at && dash && sscanf(line, "%d %*s %*s %*s %s", &its, at) == 2) {
			unescape_octal(at);
			if (mountpoint ? !strcmp(at, mountpoint) : its == id)
				ours = !strncmp(dash + 3, "fuse.freshet ", 13);
		}
		free(at);
	}
	free(line);
	if (in)
		fclose(in);
	return ours;
}

static int mount_id(int fd)
{
	char path[64], line[128];
	int id = -1;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	in = fopen(path, "re");
	while (in && fgets(line, sizeof(line), in) && sscanf(line, "mnt_id: %d", &id) != 1)
		;
	if (in)
		fclose(in);
	return id;
}

static int run_fusermount(const char *mountpoint)
{
	const char *argv[] = {"fusermount3", "-u", "-z", "--", mountpoint, NULL};
	pid_t pid;
	int status, r = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ);

	if (r)
		return -r;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status == 0 ? 0 : -EPERM;
}

/* By descriptor, so that it is that mount whose death was seen, whatever is mounted over it meanwhile. Whoever may not
 * does by fusermount3, which goes by name. */
static int take_down(int fd, const char *given)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (umount2(path, MNT_DETACH) == 0)
		return 0;
	return errno == EPERM ? run_fusermount(given) : -errno;
}

static int clear_dead(const char *given, struct err *err)
{
	int fd = open(given, O_PATH | O_CLOEXEC), r;
	struct statfs st;

	if (fd < 0)
		return err_sys(err, -errno, "mount point %s", given);
	/* Another may have cleared it since. */
	if (fstatfs(fd, &st) == 0 || errno != ENOTCONN)
		r = 0;
	else if (!is_ours(NULL, mount_id(fd)))
		r = err_set(err, -ENOTCONN,
			"mount point %s: another file system's mount died here; take it down with `fusermount3 -u %s`",
			given, given);
	else if ((r = take_down(fd, given)) < 0)
		err_sys(err, r, "mount point %s: a mount died here; taking it down", given);
	else
		log_line(LOG_WARNING, "mount point %s: a mount had died here, and was taken down", given);
	close(fd);
	return r;
}

int mountpoint_clear(char **out, const char *given, struct err *err)
{
	OWNED_STR char *path = NULL;
	struct statfs fs;
	struct stat st;
	int r = 0;

	*out = NULL;
	/* Not stat(), which the kernel may answer for the dead. */
	for (unsigned i = 0; i < DEAD_MAX && r == 0 && statfs(given, &fs) < 0; i++) {
		if (errno != ENOTCONN)
			return err_sys(err, -errno, "mount point %s", given);
		r = clear_dead(given, err);
	}
	if (r < 0)
		return r;
	path = realpath(given, NULL);
	if (!path || stat(path, &st) < 0)
		return err_sys(err, -errno, "mount point %s", given);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "mount point %s: is not a directory", given);
	if (is_ours(path, 0))
		return err_set(err, -EBUSY,
			"mount point %s: is a freshet mount already; take it down with `fusermount3 -u %s`",
			given, given);
	*out = steal(&path);
	return 0;
}
