/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/sink.c - see sink.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "die.h"
#include "sink.h"

#define SINK_BUFFER (1 << 20)

extern char **environ;

/* Everything is close-on-exec: a packer that held the pipe of another would never see its end. */
static int start_packer(struct sink *s, int file)
{
	char name[] = "zstd", quietly[] = "-q", to_stdout[] = "-c",
	     *argv[] = {name, quietly, to_stdout, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC))
		die(EXIT_IOERR, "pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, file, STDOUT_FILENO);
	r = posix_spawnp(&s->packer, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r)
		die(EXIT_UNAVAILABLE, "zstd cannot be started: %s", strerror(r));
	close(ends[0]);
	close(file);
	return ends[1];
}

static void file_open(struct sink *s)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s-%04u.jsonl%s", s->dir, s->kind, (unsigned)s->files,
		s->packed ? ".zst" : "");

	if (n < 0 || (size_t)n >= sizeof(path))
		die(EXIT_CANTCREAT, "%s: the path is too long", s->dir);
	s->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (s->fd < 0)
		die(EXIT_CANTCREAT, "%s: %s", path, strerror(errno));
	if (s->packed)
		s->fd = start_packer(s, s->fd);
	s->in_file = 0;
	s->files++;
}

static void flush(struct sink *s)
{
	size_t done = 0;

	while (done < s->len) {
		ssize_t n = write(s->fd, s->data + done, s->len - done);

		if (n < 0 && errno != EINTR)
			die(EXIT_IOERR, "%s: writing %s: %s", s->dir, s->kind, strerror(errno));
		done += n > 0 ? (size_t)n : 0;
	}
	s->len = 0;
}

static void file_close(struct sink *s)
{
	int status = 0;

	flush(s);
	if (close(s->fd))
		die(EXIT_IOERR, "%s: closing %s: %s", s->dir, s->kind, strerror(errno));
	if (!s->packer)
		return;
	while (waitpid(s->packer, &status, 0) < 0 && errno == EINTR)
		;
	if (status)
		die(EXIT_IOERR, "%s: zstd failed on %s", s->dir, s->kind);
	s->packer = 0;
}

void sink_open(struct sink *s, const char *dir, const char *kind, bool packed, uint64_t file_size)
{
	*s = (struct sink){.dir = dir, .kind = kind, .packed = packed, .file_size = file_size};
	s->data = malloc(SINK_BUFFER + RECORD_MAX);
	if (!s->data)
		die(EXIT_UNAVAILABLE, "out of memory");
	file_open(s);
}

void sink_close(struct sink *s)
{
	file_close(s);
	free(s->data);
	s->data = NULL;
}

char *sink_begin(struct sink *s)
{
	if (s->in_file >= s->file_size) {
		file_close(s);
		file_open(s);
	} else if (s->len >= SINK_BUFFER) {
		flush(s);
	}
	return s->data + s->len;
}

void sink_end(struct sink *s, char *end)
{
	size_t n = (size_t)(end - (s->data + s->len));

	s->len += n;
	s->in_file += n;
	s->bytes += n;
	s->records++;
}
