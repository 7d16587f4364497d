/* SPDX-License-Identifier: Apache-2.0 */
/* bench_read LIST REPEAT [BUFFER [THREADS]] - open, read to the end and close every file named in LIST (one path a
 * line), in order, REPEAT times over, and print the mean nanoseconds a file and the bytes read. What a search host
 * does with terms, into a buffer of BUFFER bytes (1 MiB) that it used before; the same loop runs on every file
 * system that is compared. With THREADS (1), each reads all of them, beginning at another place, and the mean is the
 * wall clock's over the files of all. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 1024

static char **paths;
static size_t count, cap = 1 << 20;
static long repeat;
static pthread_barrier_t start_line;

struct reader {
	pthread_t thread;
	size_t first;  /* where in `paths` it begins */
	int64_t bytes; /* or -errno, of `paths[failed]` */
	size_t failed;
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int64_t read_whole(const char *path, char *to)
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

static void *read_all(void *arg)
{
	struct reader *r = arg;
	char *to = malloc(cap);
	int64_t got;

	if (to)
		memset(to, 1, cap);
	else
		r->bytes = -ENOMEM;
	pthread_barrier_wait(&start_line);
	for (size_t i = 0; to && r->bytes >= 0 && i < (size_t)repeat * count; i++) {
		r->failed = (r->first + i) % count;
		got = read_whole(paths[r->failed], to);
		r->bytes = got < 0 ? got : r->bytes + got;
	}
	free(to);
	return NULL;
}

static int read_list(const char *name)
{
	FILE *list = fopen(name, "r");
	char *line = NULL;
	size_t size = 0, room = 0;
	ssize_t n;

	while (list && (n = getline(&line, &size, list)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = 0;
		if (count == room) {
			room = room ? room * 2 : 1024;
			paths = realloc(paths, room * sizeof(*paths));
		}
		paths[count++] = strdup(line);
	}
	return count ? 0 : -1;
}

int main(int argc, char **argv)
{
	size_t threads = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
	struct reader readers[THREADS_MAX] = {0};
	int64_t start, bytes = 0;

	if (argc < 3 || threads < 1 || threads > THREADS_MAX || read_list(argv[1]) < 0) {
		fprintf(stderr, "usage: bench_read LIST REPEAT [BUFFER [THREADS]]\n");
		return 64;
	}
	repeat = strtol(argv[2], NULL, 10);
	if (argc > 3)
		cap = strtoull(argv[3], NULL, 10);
	pthread_barrier_init(&start_line, NULL, (unsigned)threads + 1);
	for (size_t i = 0; i < threads; i++) {
		readers[i].first = i * count / threads;
		if (pthread_create(&readers[i].thread, NULL, read_all, &readers[i]) != 0)
			return 71;
	}
	pthread_barrier_wait(&start_line);
	start = now_ns();
	for (size_t i = 0; i < threads; i++) {
		pthread_join(readers[i].thread, NULL);
		if (readers[i].bytes < 0) {
			fprintf(stderr, "bench_read: %s: %s\n", paths[readers[i].failed],
				strerror((int)-readers[i].bytes));
			return 74;
		}
		bytes += readers[i].bytes;
	}
	printf("%.1f %" PRId64 "\n",
		(double)(now_ns() - start) / ((double)repeat * (double)count * (double)threads), bytes);
	return 0;
}
