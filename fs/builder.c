/* SPDX-License-Identifier: Apache-2.0 */
#include "builder.h"
#include "log.h"
#include "program.h"
#include "thread.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* How long an orderly stop may take: the build ends at its next record. */
#define STOP_GRACE_MS 10000

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Makes both pipes and starts the process with their ends. */
static int start(struct builder *b, const char *const *argv)
{
	int out[2] = {-1, -1}, words[2] = {-1, -1}, r = 0;

	/* A full pipe must stop neither side: one pulse too many is no loss. */
	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(words, O_CLOEXEC | O_NONBLOCK) < 0)
		r = -errno;
	b->pulsefd = out[0];
	b->errfd = words[0];
	if (r == 0)
		r = program_start(
			&(struct program){.path = "/proc/self/exe",
				.argv = argv,
				.in = -1,
				.out = out[1],
				.err = words[1],
				.group = true}, /* ^C reaches the mount, which stops the build in order */
			&b->pid);
	close_fd(&out[1]);
	close_fd(&words[1]);
	return r;
}

int builder_start(struct builder *b, const char *const *argv, struct err *err)
{
	int r;

	*b = BUILDER_INIT;
	b->moved = time_monotonic();
	r = start(b, argv);
	if (r < 0) {
		b->pid = 0;
		close_fd(&b->pulsefd);
		close_fd(&b->errfd);
		return err_sys(err, r, "starting a build");
	}
	b->pidfd = pidfd_open(b->pid, 0);
	if (b->pidfd < 0) {
		r = -errno;
		builder_stop(b);
		return err_sys(err, r, "watching a build");
	}
	return 0;
}

int builder_pollfds(const struct builder *b, struct pollfd *fds)
{
	if (!b->pid)
		return 0;
	/* poll() passes over negative descriptors: the pipes may end before the process does. */
	fds[0] = (struct pollfd){.fd = b->pidfd, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = b->errfd, .events = POLLIN};
	fds[2] = (struct pollfd){.fd = b->pulsefd, .events = POLLIN};
	return BUILDER_FDS;
}

static void end_line(struct builder *b)
{
	if (b->partial_len) {
		memcpy(b->last_line, b->partial, b->partial_len);
		b->last_line[b->partial_len] = 0;
		log_words(b->last_line);
	}
	b->partial_len = 0;
}

static void read_words(struct builder *b)
{
	char chunk[4096];
	ssize_t n;

	while (b->errfd >= 0 && (n = read(b->errfd, chunk, sizeof(chunk))) != 0) {
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return; /* EAGAIN: that is all for now */
		}
		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] == '\n')
				end_line(b);
			else if (b->partial_len < sizeof(b->partial) - 1)
				b->partial[b->partial_len++] = chunk[i];
		}
	}
	close_fd(&b->errfd);
}

static void feel_pulse(struct builder *b)
{
	char chunk[4096];
	ssize_t n;

	while (b->pulsefd >= 0 && (n = read(b->pulsefd, chunk, sizeof(chunk))) != 0) {
		if (n > 0)
			b->moved = time_monotonic();
		else if (errno != EINTR)
			return; /* EAGAIN: that is all for now */
	}
	close_fd(&b->pulsefd);
}

static void finish(struct builder *b)
{
	read_words(b);
	end_line(b);
	close_fd(&b->errfd);
	close_fd(&b->pulsefd);
	close_fd(&b->pidfd);
	b->pid = 0;
}

bool builder_check(struct builder *b, int *status)
{
	pid_t r;

	if (!b->pid)
		return false;
	read_words(b);
	feel_pulse(b);
	do
		r = waitpid(b->pid, status, WNOHANG);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return false;
	if (r < 0)
		*status = EX_OSERR << 8; /* somebody else took its end */
	finish(b);
	return true;
}

int64_t builder_stalls_at(const struct builder *b, int64_t timeout)
{
	return b->pid && !b->stalled ? time_add(b->moved, timeout) : TIME_FOREVER;
}

void builder_kill(struct builder *b)
{
	b->stalled = true;
	kill(b->pid, SIGKILL);
}

void builder_stop(struct builder *b)
{
	struct pollfd ended = {.fd = b->pidfd, .events = POLLIN};

	if (!b->pid)
		return;
	kill(b->pid, SIGTERM);
	if (b->pidfd < 0 || poll(&ended, 1, STOP_GRACE_MS) <= 0)
		kill(b->pid, SIGKILL);
	while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
		;
	finish(b);
}
