/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse_check.h"
#include "bytes.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static bool program_exists(const char *name)
{
	const char *path = getenv("PATH");
	OWNED_STR char *dirs = strdup(path && *path ? path : "/usr/bin:/bin");
	char *dir, *rest = dirs;
	char file[PATH_MAX];

	while (rest && (dir = strsep(&rest, ":"))) {
		snprintf(file, sizeof(file), "%s/%s", dir, name);
		if (access(file, X_OK) == 0)
			return true;
	}
	snprintf(file, sizeof(file), "/usr/bin/%s", name);
	return access(file, X_OK) == 0;
}

const char *fuse_missing(void)
{
	if (access("/dev/fuse", F_OK) < 0)
		return "there is no /dev/fuse; load the kernel module `fuse`, or give the container that device";
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return "this user may not open /dev/fuse; its mode should be 0666";
	if (geteuid() != 0 && !program_exists("fusermount3"))
		return "fusermount3, which mounts for users other than root, is not installed (package fuse3)";
	return NULL;
}
