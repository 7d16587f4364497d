/* SPDX-License-Identifier: Apache-2.0 */
#include "mapping.h"
#include "scratch.h"
#include "tap.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PAGES 5

static size_t page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* A file of PAGES pages, each full of its own letter. */
static int make_file(const struct scratch *s, const char *name)
{
	OWNED_BUF bytes = {0};
	char path[256];

	for (size_t i = 0; i < PAGES * page(); i++)
		buf_add_byte(&bytes, (int)('a' + i / page()));
	scratch_put(s->path, name, bytes.data, bytes.len);
	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	return open(path, O_RDWR | O_CLOEXEC);
}

static char at(const struct mapping *m, size_t i)
{
	return ((const volatile char *)mapping_bytes(m).data)[i * page()];
}

static void what_is_cut_short_breaks_and_reads_as_zeros(void)
{
	SCRATCH s = scratch_make();
	int one = make_file(&s, "one"), two = make_file(&s, "two");
	struct mapping *m, *other;

	mapping_guard();
	check_int(mapping_open(&m, one, PAGES * page()), 0);
	check_int(mapping_open(&other, two, PAGES * page()), 0);
	check_int(at(m, 0), 'a');
	check_int(at(m, 4), 'e');
	check_int(ftruncate(one, (off_t)page() * 2), 0);
	check_int(at(m, 1), 'b');
	check(!mapping_is_broken(m));
	check_int(at(m, 3), 0);
	check(mapping_is_broken(m));
	check_int(at(m, 2), 0);
	check_int(at(m, 4), 0);
	check_int(at(m, 1), 'b');
	check(!mapping_is_broken(other));
	check_int(at(other, 4), 'e');
	mapping_close(m);
	mapping_close(other);
	close(one);
	close(two);
}

static void a_mapping_that_takes_the_place_of_a_broken_one_is_whole(void)
{
	SCRATCH s = scratch_make();
	int fd = make_file(&s, "one");
	struct mapping *m;

	mapping_guard();
	check_int(mapping_open(&m, fd, PAGES * page()), 0);
	check_int(ftruncate(fd, 0), 0);
	check_int(at(m, 0), 0);
	check(mapping_is_broken(m));
	mapping_close(m);
	close(fd);
	fd = make_file(&s, "two");
	check_int(mapping_open(&m, fd, PAGES * page()), 0);
	check(!mapping_is_broken(m));
	check_int(at(m, 2), 'c');
	mapping_close(m);
	close(fd);
}

static void a_bus_error_elsewhere_ends_the_process_as_ever(void)
{
	SCRATCH s = scratch_make();
	int fd = make_file(&s, "one"), status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		volatile char *p = mmap(NULL, page(), PROT_READ, MAP_SHARED, fd, 0);

		mapping_guard();
		if (p == MAP_FAILED || ftruncate(fd, 0) < 0)
			_exit(1);
		_exit(p[0]);
	}
	check_int(waitpid(child, &status, 0), child);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	close(fd);
}

static void what_cannot_be_mapped_is_an_error(void)
{
	struct mapping *m;

	check_int(mapping_open(&m, -1, 4096), -EBADF);
	check(m == NULL);
	mapping_close(m);
}

int main(void)
{
	RUN(what_is_cut_short_breaks_and_reads_as_zeros);
	RUN(a_mapping_that_takes_the_place_of_a_broken_one_is_whole);
	RUN(a_bus_error_elsewhere_ends_the_process_as_ever);
	RUN(what_cannot_be_mapped_is_an_error);
	return tap_done();
}
