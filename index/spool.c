/* SPDX-License-Identifier: Apache-2.0 */
#include "spool.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Where the file system has no unnamed files. */
static int open_unlinked(const char *dir)
{
	OWNED_STR char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/spool-XXXXXX", dir) < 0) {
		path = NULL;
		errno = ENOMEM;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

int spool_open(const char *dir, struct err *err)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
		fd = open_unlinked(dir);
	return fd < 0 ? err_sys(err, -errno, "%s: no copy can be made there", dir) : fd;
}

int spool_add(int fd, struct slice s, struct err *err)
{
	while (s.len) {
		ssize_t n = write(fd, s.data, s.len);

		if (n < 0 && errno != EINTR)
			return err_sys(err, -errno, "writing a copy");
		if (n > 0)
			s = slice_of(s.data + n, s.len - (size_t)n);
	}
	return 0;
}

int spool_rewind(int fd, struct err *err)
{
	return lseek(fd, 0, SEEK_SET) < 0 ? err_sys(err, -errno, "rewinding a copy") : 0;
}
