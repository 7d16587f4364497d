/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/place.c - see place.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "die.h"
#include "place.h"

#define WRITING ".writing"

static void join(char out[PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);

	if (n < 0 || n >= PATH_MAX)
		die(EXIT_CANTCREAT, "%s: the path is too long", dir);
}

/* Makes the directories above the last name of `path`. */
static void make_parents(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		if (mkdir(copy, 0777) && errno != EEXIST)
			die(EXIT_CANTCREAT, "%s: %s", copy, strerror(errno));
		*p = '/';
	}
}

/* Calls for each name in `dir` but . and ..; a directory that is not there is an empty one. */
static void each_name(const char *dir, void (*call)(const char *dir, const char *name, void *arg), void *arg)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d && errno == ENOENT)
		return;
	if (!d)
		die(EXIT_CANTCREAT, "%s: %s", dir, strerror(errno));
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			call(dir, e->d_name, arg);
	closedir(d);
}

static void remove_file(const char *dir, const char *name, void *arg)
{
	char path[PATH_MAX];

	join(path, dir, name);
	if (unlink(path))
		die(EXIT_CANTCREAT, "%s: %s", path, strerror(errno));
}

static void move_file(const char *dir, const char *name, void *root)
{
	char from[PATH_MAX], to[PATH_MAX];

	join(from, dir, name);
	join(to, root, name);
	if (rename(from, to))
		die(EXIT_CANTCREAT, "%s: %s", to, strerror(errno));
}

static void count_name(const char *dir, const char *name, void *count)
{
	*(unsigned *)count += strcmp(name, WRITING) != 0;
}

void place_begin(const char *root, char out[PATH_MAX])
{
	join(out, root, WRITING);
	make_parents(out);
	each_name(out, remove_file, NULL);
	if (mkdir(out, 0777) && errno != EEXIST)
		die(EXIT_CANTCREAT, "%s: %s", out, strerror(errno));
}

void place_end(const char *root, const char *path)
{
	char from[PATH_MAX], to[PATH_MAX];

	join(from, root, WRITING);
	join(to, root, path);
	make_parents(to);
	if (rename(from, to))
		die(EXIT_CANTCREAT, "%s: %s", to, strerror(errno));
}

void place_end_in_root(const char *root)
{
	char from[PATH_MAX];

	join(from, root, WRITING);
	each_name(from, move_file, (char *)root);
	if (rmdir(from))
		die(EXIT_CANTCREAT, "%s: %s", from, strerror(errno));
}

bool place_exists(const char *root, const char *path)
{
	char full[PATH_MAX];

	join(full, root, path);
	return access(full, F_OK) == 0;
}

bool place_is_empty(const char *root)
{
	unsigned count = 0;

	each_name(root, count_name, &count);
	return count == 0;
}

void place_touch(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd;

	join(path, dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || close(fd))
		die(EXIT_CANTCREAT, "%s: %s", path, strerror(errno));
}
