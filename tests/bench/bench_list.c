/* SPDX-License-Identifier: Apache-2.0 */
/* bench_list DIR - read a directory to its end, as `ls -U` does without printing, and print the nanoseconds until
 * the first name, those of the whole, and the number of names. */
#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	int64_t start = now_ns(), first = 0;
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	uint64_t names = 0;
	struct dirent *e;

	if (!dir) {
		fprintf(stderr, "usage: bench_list DIR\n");
		return 64;
	}
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.' && (!e->d_name[1] || (e->d_name[1] == '.' && !e->d_name[2])))
			continue;
		if (names++ == 0)
			first = now_ns() - start;
	}
	printf("%" PRId64 " %" PRId64 " %" PRIu64 "\n", first, now_ns() - start, names);
	closedir(dir);
	return 0;
}
