/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/scratch.h - a directory for one test case, gone with it; and seeds for random ones. */
#ifndef FRESHET_SCRATCH_H
#define FRESHET_SCRATCH_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
	char path[128];
};

static inline struct scratch scratch_make(void)
{
	const char *tmp = getenv("TMPDIR");
	struct scratch s;

	snprintf(s.path, sizeof(s.path), "%.90s/freshet-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(s.path))
		abort();
	return s;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

static inline void scratch_remove(struct scratch *s)
{
	nftw(s->path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
#define SCRATCH __attribute__((cleanup(scratch_remove))) struct scratch

/* Puts a file there; `name` may have directories that exist. */
static inline void scratch_put(const char *dir, const char *name, const void *data, size_t len)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	close(fd);
}

static inline int scratch_has(const char *dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* How many entries a directory has; -1: it is none. */
static inline int scratch_count(const char *dir, const char *name)
{
	char path[512];
	struct dirent *e;
	int count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	d = opendir(path);
	if (!d)
		return -1;
	while ((e = readdir(d)))
		count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return count;
}

/* xorshift64*; FRESHET_SEED replaces `fallback`, and is printed so that a failure can be run again. */
static inline uint64_t seed_take(uint64_t fallback)
{
	const char *text = getenv("FRESHET_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : fallback;

	printf("# FRESHET_SEED=%" PRIu64 "\n", seed);
	return seed ? seed : 1;
}
static inline uint64_t seed_next(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * UINT64_C(0x2545F4914F6CDD1D);
}
static inline uint32_t seed_below(uint64_t *seed, uint32_t n)
{
	return (uint32_t)((seed_next(seed) >> 32) % n);
}

#endif
