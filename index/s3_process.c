/* SPDX-License-Identifier: Apache-2.0 */
#include "s3_process.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yyjson.h>

#include "program.h"

#define SAID_MAX (64u << 10)

/* ---- what it says ---- */

static int take(yyjson_val *object, const char *name, char **to)
{
	yyjson_val *val = yyjson_obj_get(object, name);

	if (!yyjson_is_str(val) || !yyjson_get_len(val))
		return 0;
	*to = strdup(yyjson_get_str(val));
	return *to ? 0 : -ENOMEM;
}

/* In place, so that no copy is left. */
static int take_said(struct s3_profile *out, struct buf *said, struct err *err)
{
	char *tail = buf_reserve(said, YYJSON_PADDING_SIZE);
	yyjson_doc *doc;
	yyjson_val *root;
	int r;

	if (!tail)
		return -ENOMEM;
	memset(tail, 0, YYJSON_PADDING_SIZE);
	doc = yyjson_read_opts(said->data, said->len, YYJSON_READ_INSITU, NULL, NULL);
	root = yyjson_doc_get_root(doc);
	if (yyjson_get_int(yyjson_obj_get(root, "Version")) != 1) {
		yyjson_doc_free(doc);
		return err_set(err, -EACCES, "it did not say one JSON object with Version 1");
	}
	r = take(root, "AccessKeyId", &out->access_key);
	if (r == 0)
		r = take(root, "SecretAccessKey", &out->secret_key);
	if (r == 0)
		r = take(root, "SessionToken", &out->session_token);
	yyjson_doc_free(doc);
	if (r == 0 && (!out->access_key || !out->secret_key))
		return err_set(err, -EACCES, "it did not say AccessKeyId and SecretAccessKey");
	return r;
}

/* ---- running it ---- */

/* Until its end. `said` has room for all of it from the start: growing would leave copies. */
static int read_said(int fd, struct buf *said, int64_t until, struct err *err)
{
	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int64_t left = until - time_monotonic();
		ssize_t n;

		if (left <= 0)
			return err_set(err, -EACCES, "it did not end in time");
		if (poll(&ready, 1, (int)(left / (TIME_SECOND / 1000)) + 1) <= 0)
			continue;
		n = read(fd, said->data + said->len, SAID_MAX - said->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_sys(err, -errno, "reading what it says") : 0;
		said->len += (size_t)n;
		if (said->len == SAID_MAX)
			return err_set(err, -EACCES, "it said more than %u bytes", SAID_MAX);
	}
}

/* It may have closed its stdout long before. */
static int await_end(pid_t pid, int64_t until, struct err *err)
{
	struct pollfd ended = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	int64_t left = 1;
	int r = ended.fd < 0 ? err_sys(err, -errno, "watching it") : 0;

	while (r == 0 && left > 0 && !(ended.revents & POLLIN)) {
		left = until - time_monotonic();
		poll(&ended, 1, left > 0 ? (int)(left / (TIME_SECOND / 1000)) + 1 : 0);
	}
	if (r == 0 && !(ended.revents & POLLIN))
		r = err_set(err, -EACCES, "it did not end in time");
	if (ended.fd >= 0)
		close(ended.fd);
	return r;
}

/* What is left of it is killed where something went wrong. */
static int end(pid_t pid, int r, struct err *err)
{
	int status;

	if (r < 0)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, -errno, "the end of it was not seen");
	if (r < 0 || status == 0)
		return r;
	return WIFEXITED(status) ? err_set(err, -EACCES, "it ended with exit status %d", WEXITSTATUS(status))
				 : err_set(err, -EACCES, "it was ended by signal %d", WTERMSIG(status));
}

static int run(const char *command, int64_t patience, struct buf *said, struct err *err)
{
	const char *argv[] = {"sh", "-c", command, NULL};
	int64_t until = time_add(time_monotonic(), patience);
	struct program shell = {.path = "/bin/sh", .argv = argv, .in = -1, .err = -1, .group = true};
	int out[2], r;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "a pipe");
	shell.out = out[1];
	r = program_start(&shell, &pid);
	close(out[1]);
	if (r == 0) {
		r = read_said(out[0], said, until, err);
		if (r == 0)
			r = await_end(pid, until, err);
		r = end(pid, r, err);
	} else {
		err_sys(err, r, "/bin/sh cannot be run");
	}
	close(out[0]);
	return r;
}

int s3_process_run(struct s3_profile *out, const char *command, int64_t patience, struct err *err)
{
	OWNED_BUF said = {0};
	int r = buf_reserve(&said, SAID_MAX + YYJSON_PADDING_SIZE) ? 0 : -ENOMEM;

	if (r == 0)
		r = run(command, patience, &said, err);
	if (r == 0)
		r = take_said(out, &said, err);
	if (said.data)
		OPENSSL_cleanse(said.data, said.len);
	return r;
}
