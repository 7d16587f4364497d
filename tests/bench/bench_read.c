/* SPDX-License-Identifier: Apache-2.0 */
/* bench_read LIST REPEAT [BUFFER] - open, read to the end and close every file named in LIST (one path a line), in
 * order, REPEAT times over, and print the mean nanoseconds a file and the bytes read. What a search host does
 * with terms, into a buffer of BUFFER bytes (1 MiB) that it used before; the same loop runs on every file
 * system that is compared. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int64_t read_whole(const char *path, char *to, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int64_t bytes = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, to, cap)) > 0)
		bytes += n;
	if (n < 0)
		bytes = -errno;
	close(fd);
	return bytes;
}

int main(int argc, char **argv)
{
	size_t cap = argc > 3 ? strtoull(argv[3], NULL, 10) : 1 << 20, count = 0, room = 0;
	FILE *list = argc > 2 ? fopen(argv[1], "r") : NULL;
	char **paths = NULL, *line = NULL, *to = malloc(cap);
	int64_t start, bytes = 0;
	size_t line_cap = 0;
	ssize_t n;
	long repeat;

	if (!list || !to) {
		fprintf(stderr, "usage: bench_read LIST REPEAT [BUFFER]\n");
		return 64;
	}
	repeat = strtol(argv[2], NULL, 10);
	while ((n = getline(&line, &line_cap, list)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = 0;
		if (count == room) {
			room = room ? room * 2 : 1024;
			paths = realloc(paths, room * sizeof(*paths));
			if (!paths)
				return 71;
		}
		paths[count++] = strdup(line);
	}
	memset(to, 1, cap);
	start = now_ns();
	for (long r = 0; r < repeat; r++)
		for (size_t i = 0; i < count; i++) {
			int64_t got = read_whole(paths[i], to, cap);

			if (got < 0) {
				fprintf(stderr, "bench_read: %s: %s\n", paths[i], strerror((int)-got));
				return 74;
			}
			bytes += got;
		}
	printf("%.1f %" PRId64 "\n", (double)(now_ns() - start) / ((double)repeat * (double)count), bytes);
	return 0;
}
