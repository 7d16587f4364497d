/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "program.h"
#include "projection.h"

#define PROGRAM "freshet-parquet"
#define LOOK_MS 200    /* between two looks at `stop` */
#define WORDS_MAX 1000 /* bytes that are kept of what the helper says */

struct parquet {
	pid_t pid; /* 0: it has ended, and this was seen */
	int outfd, errfd;
	atomic_int *stop;
	int64_t patience;
	int64_t silent_at; /* monotonic: when it counts as hanging */
	struct buf words;  /* from its stderr */
	bool over;
	int failed; /* -errno that every later call gets */
	struct err why;
};

/* ---- the program ---- */

static bool is_program(const char *path)
{
	return access(path, X_OK) == 0;
}

/* Returns whether one was found. */
static bool find_program(char path[PATH_MAX])
{
	const char *given = getenv("FRESHET_PARQUET");
	ssize_t n;
	char *slash;

	if (given) {
		snprintf(path, PATH_MAX, "%s", given);
		return is_program(path);
	}
	n = readlink("/proc/self/exe", path, PATH_MAX - sizeof(PROGRAM) - 1);
	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		memcpy(slash + 1, PROGRAM, sizeof(PROGRAM));
		if (is_program(path))
			return true;
	}
	snprintf(path, PATH_MAX, "%s/%s", FRESHET_LIBEXECDIR, PROGRAM);
	return is_program(path);
}

static int no_program(const char *path, struct err *err)
{
	return err_set(err, -ENOTSUP,
		"Parquet cannot be read here: there is no %s; build freshet with DuckDB (-Dparquet=enabled), "
		"or install what was built",
		path);
}

/* ---- starting it ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What the helper may need of our environment: no credentials. */
static const char *const variables[] = {
	"PATH", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"};
#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

/* The strings of `env` are in `text`. */
static int environment(const char *env[VARIABLES + 1], struct buf *text)
{
	size_t at[VARIABLES], count = 0;

	for (size_t i = 0; i < VARIABLES; i++) {
		const char *value = getenv(variables[i]);

		if (!value)
			continue;
		at[count++] = text->len;
		buf_addf(text, "%s=%s", variables[i], value);
		buf_add_byte(text, '\0');
	}
	if (buf_error(text))
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		env[i] = text->data + at[i];
	env[count] = NULL;
	return 0;
}

static int start(struct parquet *p, const char *const *argv, int infd, struct err *err)
{
	int out[2] = {-1, -1}, words[2] = {-1, -1}, r = 0;
	const char *env[VARIABLES + 1];
	OWNED_BUF text = {0};
	char path[PATH_MAX];

	if (!find_program(path))
		return no_program(path, err);
	if (environment(env, &text) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(words, O_CLOEXEC) < 0)
		r = -errno;
	p->outfd = out[0];
	p->errfd = words[0];
	if (r == 0)
		r = program_start(&(struct program){.path = path,
					  .argv = argv,
					  .env = env,
					  .in = infd,
					  .out = out[1],
					  .err = words[1]},
			&p->pid);
	close_fd(&out[1]);
	close_fd(&words[1]);
	if (r == 0)
		return 0;
	p->pid = 0;
	if (r == -ENOENT || r == -ENOEXEC || r == -EACCES)
		return err_set(err, -ENOTSUP, "%s cannot be run: %s", path, strerror(-r));
	return err_sys(err, r, "%s cannot be run", path);
}

/* The arguments for a configuration; the strings are borrowed. */
static int arguments(struct buf *argv, const struct string_list *columns, bool all, char *memory)
{
	const char *head[] = {PROGRAM, memory, "--"}, *end = NULL;

	buf_add(argv, head, all ? 2 * sizeof(*head) : sizeof(head));
	for (size_t i = 0; !all && i < columns->count; i++)
		buf_add(argv, &columns->items[i], sizeof(columns->items[i]));
	buf_add(argv, &end, sizeof(end));
	return buf_error(argv);
}

static int start_for(struct parquet *p, const struct parquet_input *in, struct err *err)
{
	struct string_list columns = {0};
	OWNED_BUF argv = {0};
	char memory[24];
	int r = in->cfg->columns == COLUMNS_ALL ? 1 : projection_of(in->cfg, &columns);

	/* Before a mount takes the whole build for hanging. */
	if (in->cfg->stall_timeout / 2 < p->patience)
		p->patience = in->cfg->stall_timeout / 2;
	snprintf(memory, sizeof(memory), "%" PRIu64, in->cfg->memory);
	if (r >= 0)
		r = arguments(&argv, &columns, r == 1, memory);
	if (r < 0)
		err_set(err, r, "out of memory");
	else
		r = start(p, (const char *const *)(const void *)argv.data, in->fd, err);
	string_list_release(&columns);
	return r;
}

static struct parquet *parquet_new(atomic_int *stop)
{
	struct parquet *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->outfd = p->errfd = -1;
	p->stop = stop;
	p->patience = PARQUET_SILENCE;
	p->silent_at = time_add(time_monotonic(), p->patience);
	return p;
}

int parquet_open(struct parquet **out, const struct parquet_input *in, struct err *err)
{
	OWNED(parquet) struct parquet *p = parquet_new(in->stop);
	int r = p ? start_for(p, in, err) : err_set(err, -ENOMEM, "out of memory");

	*out = NULL;
	if (r == 0)
		*out = steal(&p);
	return r;
}

void parquet_free(struct parquet *p)
{
	if (!p)
		return;
	if (p->pid)
		kill(p->pid, SIGKILL);
	while (p->pid && waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close_fd(&p->outfd);
	close_fd(&p->errfd);
	buf_release(&p->words);
	free(p);
}

static int check_patience(struct parquet *p)
{
	if (p->stop && *p->stop)
		return err_set(&p->why, -EINTR, "stopped while reading");
	if (time_monotonic() >= p->silent_at)
		return err_set(&p->why, -EBADMSG,
			"the reader of Parquet hung over it: nothing for %" PRId64 " s",
			p->patience / TIME_SECOND);
	return 0;
}

/* ---- its end ---- */

/* Why it ended, as an errno: signals that a process gets for what it does are the file's doing, others are not. */
static int blame(struct parquet *p, int status)
{
	struct slice words = buf_slice(&p->words);
	int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	    code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;

	while (words.len && words.data[words.len - 1] == '\n')
		words.len--;
	if (signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGHUP)
		return err_set(&p->why, -EIO,
			"the reader of Parquet was killed (signal %d): is memory short?", signal);
	if (signal)
		return err_set(&p->why, -EBADMSG, "the reader of Parquet crashed over it (signal %d)%s%.*s",
			signal, words.len ? ": " : "", (int)words.len, words.data);
	if (!words.len)
		words = slice_str("without a word");
	if (code == EX_DATAERR)
		return err_set(&p->why, -EBADMSG, "%.*s", (int)words.len, words.data);
	if (code == EX_UNAVAILABLE)
		return err_set(&p->why, -ENOTSUP, "%.*s", (int)words.len, words.data);
	/* 127 is the loader's, for one. Whatever else it is, the file is not to blame. */
	return err_set(&p->why, -EIO, "the reader of Parquet failed (exit %d): %.*s", code, (int)words.len,
		words.data);
}

/* Waits for its end, which both pipes have come to. Returns 0 or -errno. */
static int await_end(struct parquet *p)
{
	struct pollfd ended = {.fd = pidfd_open(p->pid, 0), .events = POLLIN};
	int r = ended.fd < 0 ? err_sys(&p->why, -errno, "watching the reader of Parquet") : 0;

	while (r == 0 && poll(&ended, 1, LOOK_MS) <= 0)
		r = check_patience(p);
	close_fd(&ended.fd);
	return r;
}

/* Both pipes are at their end. Returns 0 or -errno. */
static int parquet_end(struct parquet *p)
{
	int status, waited = await_end(p);
	pid_t r;

	if (waited < 0)
		return waited;
	do
		r = waitpid(p->pid, &status, 0);
	while (r < 0 && errno == EINTR);
	p->pid = 0;
	if (r < 0)
		return err_sys(&p->why, -EIO, "the end of the reader of Parquet was not seen");
	p->over = status == 0;
	return p->over ? 0 : blame(p, status);
}

/* ---- what it says ---- */

static int read_words(struct parquet *p)
{
	char chunk[WORDS_MAX];
	ssize_t n = read(p->errfd, chunk, sizeof(chunk));

	if (n < 0 && errno != EINTR)
		return err_sys(&p->why, -errno, "reading what the reader of Parquet says");
	if (n == 0)
		close_fd(&p->errfd);
	if (n > 0 && p->words.len < WORDS_MAX)
		buf_add(&p->words, chunk,
			p->words.len + (size_t)n > WORDS_MAX ? WORDS_MAX - p->words.len : (size_t)n);
	return 0;
}

/* Returns how many bytes, 0 none (at the end outfd is closed), or -errno. */
static int64_t read_rows(struct parquet *p, void *to, size_t len)
{
	ssize_t n = read(p->outfd, to, len);

	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0)
		return err_sys(&p->why, -errno, "reading from the reader of Parquet");
	if (n == 0)
		close_fd(&p->outfd);
	return n;
}

/* Waits for whatever comes next, and takes it. Returns as read_rows() does. */
static int64_t parquet_step(struct parquet *p, void *to, size_t len)
{
	struct pollfd fds[] = {{.fd = p->outfd, .events = POLLIN}, {.fd = p->errfd, .events = POLLIN}};
	int ready = poll(fds, 2, LOOK_MS), r;

	if (ready < 0 && errno != EINTR)
		return err_sys(&p->why, -errno, "waiting for the reader of Parquet");
	r = check_patience(p);
	if (r == 0 && ready > 0 && fds[1].revents)
		r = read_words(p);
	return r == 0 && ready > 0 && fds[0].revents ? read_rows(p, to, len) : r;
}

int64_t parquet_read(struct parquet *p, void *to, size_t len, struct err *err)
{
	int64_t n = p->failed;

	p->silent_at = time_add(time_monotonic(), p->patience);
	while (n == 0 && !p->over && (p->outfd >= 0 || p->errfd >= 0))
		n = parquet_step(p, to, len);
	if (n == 0 && !p->over)
		n = parquet_end(p);
	if (n >= 0)
		return n;
	p->failed = (int)n;
	return err_set(err, p->failed, "%s", p->why.message);
}

/* ---- for people ---- */

int parquet_version(struct buf *out, struct err *err)
{
	static const char *const argv[] = {PROGRAM, "--version", NULL};
	OWNED(parquet) struct parquet *p = parquet_new(NULL);
	char text[256];
	int64_t n = 0;
	int r = p ? start(p, argv, -1, err) : err_set(err, -ENOMEM, "out of memory");

	while (r == 0 && (n = parquet_read(p, text, sizeof(text), err)) > 0)
		buf_add(out, text, (size_t)n);
	if (r == 0 && n == 0 && buf_error(out) == 0) {
		while (out->len && out->data[out->len - 1] == '\n')
			out->len--;
		return 0;
	}
	return r < 0 ? r : err_context(err, -ENOTSUP, PROGRAM " does not run");
}
