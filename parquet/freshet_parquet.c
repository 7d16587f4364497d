/* SPDX-License-Identifier: Apache-2.0 */
/* freshet-parquet: the Parquet file on stdin as lines of JSON on stdout. Not for people: freshet's builder runs it, one for each file,
 * so that a hostile file can do no more than end it.
 *
 *     freshet-parquet MEMORY [-- COLUMN...]   MEMORY: bytes; COLUMN: only these, if the file has them; no "--": all
 *     freshet-parquet --version
 *
 * Exits with 0 behind the last row; 65: the file is damaged, or cannot be read; 69: this DuckDB cannot read any; 71: the system (memory, a
 * write) is to blame; with one line on stderr that says why. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include <duckdb.h>

#include "confine.h"
#include "name.h"
#include "table.h"

#define OWN_MEMORY \
	(UINT64_C(1) << 30) /* address space beside what DuckDB is given: programs, stacks, arenas */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#endif

static int write_text(void *ctx, struct slice text, struct err *err)
{
	while (text.len) {
		ssize_t n = write(STDOUT_FILENO, text.data, text.len);

		if (n < 0 && errno != EINTR)
			return err_sys(err, -EIO, "writing rows: %s", strerror(errno));
		if (n > 0)
			text = slice_of(text.data + n, text.len - (size_t)n);
	}
	return 0;
}

/* However long DuckDB is at a file without a row to write: when nobody waits for one any more, this process ends. */
static void *watch_reader(void *ctx)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	while (!(out.revents & (POLLERR | POLLNVAL)))
		poll(&out, 1, -1);
	_exit(EX_IOERR);
}

/* DuckDB keeps to what it is told; this is for the case that a file has the better of it. */
static void confine(uint64_t memory)
{
#ifdef SANITIZED /* shadow memory is address space, and reports are files */
	confine_resources(0);
#else
	confine_resources(memory + OWN_MEMORY);
	confine_files(STDIN_FILENO);
	confine_sockets();
#endif
	/* The builder that started it says when to stop, by going away: an orderly stop of a whole service is no fault of the file. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

static int complain(int status, const char *why)
{
	OWNED_BUF text = {0};

	line_print(slice_str(why), &text);
	fprintf(stderr, "%s\n", buf_cstr(&text));
	return status;
}

static int print_rows(const struct table_input *in)
{
	struct err err = ERR_INIT;
	pthread_t watcher;
	int r;

	if (pthread_create(&watcher, NULL, watch_reader, NULL))
		return complain(EX_OSERR, "no thread can be started");
	r = table_print(in, write_text, NULL, &err);
	if (r == 0)
		return 0;
	return complain(r == -EBADMSG ? EX_DATAERR : r == -ENOTSUP ? EX_UNAVAILABLE : EX_OSERR, err.message);
}

int main(int argc, char **argv)
{
	struct table_input in = {.path = "/proc/self/fd/0"};
	char *end;

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("freshet-parquet %s, DuckDB %s\n", FRESHET_VERSION, duckdb_library_version());
		return fflush(stdout) ? EX_IOERR : 0;
	}
	if (argc < 2 || (argc > 2 && strcmp(argv[2], "--")))
		return complain(
			EX_USAGE, "usage: freshet-parquet MEMORY [-- COLUMN...]; freshet build runs it");
	in.memory = strtoull(argv[1], &end, 10);
	if (*end || in.memory < 1 << 20)
		return complain(EX_USAGE, "MEMORY is no number of bytes");
	if (argc > 2) {
		in.columns = argv + 3;
		in.column_count = (size_t)argc - 3;
	}
	confine(in.memory);
	return print_rows(&in);
}
