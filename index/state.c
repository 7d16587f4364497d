/* SPDX-License-Identifier: Apache-2.0 */
/* index/state.c - the state directory.
 *
 * Both locks are flock(): they end with the process, whatever ends it, and no number in a file has to be
 * believed. What the lock file says (pid, time) is for people only. */
#include "state.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "digest.h"
#include "timefmt.h"

#define LOCK_POLL_MAX (50 * (TIME_SECOND / 1000))
#define NAME_PART_MAX 40 /* of the feed's name in a default directory */

static const char *const subdirs[] = {"segments", "generations", "rejects", "tmp"};

/* ---- files ---- */

int sync_path(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r = 0;

	if (fd < 0)
		return err_sys(err, -errno, "%s: cannot be opened to be synced", path);
	if (fsync(fd) < 0)
		r = err_sys(err, -errno, "%s: fsync failed", path);
	close(fd);
	return r;
}

/* `path` up to its last '/', or "." or "/". */
static int sync_parent(const char *path, struct err *err)
{
	OWNED_STR char *parent = strdup(path);
	char *slash;

	if (!parent)
		return err_set(err, -ENOMEM, "out of memory");
	slash = strrchr(parent, '/');
	if (!slash)
		return sync_path(".", err);
	slash[slash == parent] = '\0';
	return sync_path(parent, err);
}

static int make_dir(const char *path, struct err *err)
{
	struct stat st;

	if (mkdir(path, 0777) == 0)
		return sync_parent(path, err);
	if (errno != EEXIST)
		return err_sys(err, -errno, "%s: directory cannot be made", path);
	if (stat(path, &st) < 0)
		return err_sys(err, -errno, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "%s: is there, but is no directory", path);
	return 0;
}

int make_dirs(const char *path, struct err *err)
{
	OWNED_STR char *copy = strdup(path);
	int r;

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	for (char *p = copy + (*copy == '/'); *p; p++) {
		if (*p != '/' || p[-1] == '/')
			continue;
		*p = '\0';
		r = make_dir(copy, err);
		if (r < 0)
			return r;
		*p = '/';
	}
	return make_dir(copy, err);
}

static int read_fd(int fd, const char *path, size_t max, struct buf *out, struct err *err)
{
	struct stat st;
	size_t total = 0;

	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s: is no regular file", path);
	if ((uint64_t)st.st_size > max)
		return err_set(err, -EFBIG, "%s: %" PRIu64 " bytes, at most %zu are expected", path,
			(uint64_t)st.st_size, max);
	for (;;) {
		size_t want = total < (size_t)st.st_size ? (size_t)st.st_size - total : 1;
		char *to = buf_reserve(out, want);
		ssize_t n;

		if (!to)
			return err_set(err, -ENOMEM, "%s: out of memory", path);
		n = read(fd, to, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "%s: read failed", path);
		if (n == 0)
			return 0;
		total += (size_t)n;
		if (total > max)
			return err_set(err, -EFBIG, "%s: more than the %zu bytes expected", path, max);
		out->len += (size_t)n;
	}
}

int read_file(const char *path, size_t max, struct buf *out, struct err *err)
{
	/* O_NONBLOCK: a FIFO in the place of a file must not hang us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "%s: cannot be opened", path);
	r = read_fd(fd, path, max, out, err);
	close(fd);
	return r;
}

static int write_all(int fd, const char *path, struct slice bytes, struct err *err)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "%s: write failed", path);
		bytes.data += n;
		bytes.len -= (size_t)n;
	}
	return 0;
}

int write_file(const char *path, struct slice bytes, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "%s: cannot be made", path);
	r = write_all(fd, path, bytes, err);
	if (!r && fsync(fd) < 0)
		r = err_sys(err, -errno, "%s: fsync failed", path);
	if (close(fd) < 0 && !r)
		r = err_sys(err, -errno, "%s: close failed", path);
	if (r)
		unlink(path);
	return r;
}

/* Removes what lies below `dirfd`; takes the descriptor over. */
static int remove_below(int dirfd, struct err *err)
{
	DIR *dir = fdopendir(dirfd);
	struct dirent *e;
	int r = 0;

	if (!dir) {
		r = err_sys(err, -errno, "directory cannot be read");
		close(dirfd);
		return r;
	}
	while (!r && (e = readdir(dir))) {
		int fd;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dirfd, e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		fd = openat(dirfd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) {
			r = err_sys(err, -errno, "%s: cannot be removed", e->d_name);
			break;
		}
		r = remove_below(fd, err);
		if (!r && unlinkat(dirfd, e->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			r = err_sys(err, -errno, "%s: cannot be removed", e->d_name);
	}
	closedir(dir);
	return r;
}

/* ---- the directory ---- */

char *state_path(const struct state *s, const char *fmt, ...)
{
	OWNED_STR char *tail = NULL;
	char *path = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&tail, fmt, ap) < 0)
		tail = NULL;
	va_end(ap);
	if (!tail || asprintf(&path, "%s/%s", s->dir, tail) < 0)
		return NULL;
	return path;
}

static char *state_home(void)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *out = NULL;

	if (xdg && xdg[0] == '/')
		return strdup(xdg);
	if (!home || home[0] != '/') {
		const struct passwd *pw = getpwuid(getuid());

		home = pw && pw->pw_dir ? pw->pw_dir : "";
	}
	return asprintf(&out, "%s/.local/state", home) < 0 ? NULL : out;
}

char *state_default_dir(const char *url)
{
	OWNED_STR char *home = state_home();
	struct slice s = slice_str(url);
	char name[NAME_PART_MAX + 1];
	size_t start, len = 0;
	char *out = NULL;

	if (!home)
		return NULL;
	while (s.len > 1 && s.data[s.len - 1] == '/')
		s.len--;
	for (start = s.len; start && s.data[start - 1] != '/';)
		start--;
	for (size_t i = start; i < s.len && len < NAME_PART_MAX; i++) {
		char c = s.data[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			     (c && strchr("._-", c) && len);

		name[len++] = plain ? c : '-';
	}
	name[len] = '\0';
	return asprintf(&out, "%s/freshet/%s-%016" PRIx64, home, len ? name : "feed", xxh64(s)) < 0 ? NULL
												    : out;
}

static bool name_is_ours(const char *name)
{
	static const char *const ours[] = {".", "..", "segments", "generations", "rejects", "tmp", "lock",
		"base.lock", "merge.lock", "publish.lock", "fetch", "current", "catalog.db", "catalog.db-wal",
		"catalog.db-shm", "catalog.db-journal", "freshet.ini", "lost+found"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (!strcmp(name, ours[i]))
			return true;
	return false;
}

/* A state is only made where nothing else lies: a mistyped --state must not fill somebody's directory. */
static int check_foreign(const char *path, struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int r = 0;

	if (!dir)
		return err_sys(err, -errno, "%s: state directory cannot be read", path);
	while (!r && (e = readdir(dir)))
		if (!name_is_ours(e->d_name))
			r = err_set(err, -ENOTSUP,
				"%s: has no catalog.db but other things (\"%.64s\") in it, so it is no freshet "
				"state; name an empty or a new directory",
				path, e->d_name);
	closedir(dir);
	return r;
}

static int open_dir(struct state *s, const char *dir, bool create, struct err *err)
{
	int r;

	if (create) {
		r = make_dirs(dir, err);
		if (r < 0)
			return err_context(err, r, "state directory");
	}
	s->dir = realpath(dir, NULL);
	if (!s->dir && errno == ENOENT)
		return err_set(err, -ENOENT, "%s: no such state directory; `freshet build` makes it", dir);
	if (!s->dir)
		return err_sys(err, -errno, "%s: state directory cannot be opened", dir);
	s->dirfd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		return err_sys(err, -errno, "%s: state directory cannot be opened", dir);
	return 0;
}

static int make_subdirs(const struct state *s, struct err *err)
{
	for (size_t i = 0; i < sizeof(subdirs) / sizeof(*subdirs); i++) {
		OWNED_STR char *path = state_path(s, "%s", subdirs[i]);
		int r = path ? make_dir(path, err) : err_set(err, -ENOMEM, "out of memory");

		if (r < 0)
			return r;
	}
	return 0;
}

int state_open(struct state **out, const char *dir, bool create, struct err *err)
{
	OWNED(state) struct state *s = calloc(1, sizeof(*s));
	struct stat st;
	int r;

	*out = NULL;
	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->dirfd = s->lockfd = s->buildfd = -1;
	r = open_dir(s, dir, create, err);
	if (r < 0)
		return r;
	if (fstatat(s->dirfd, "catalog.db", &st, 0) < 0) {
		if (errno != ENOENT)
			return err_sys(err, -errno, "%s/catalog.db", s->dir);
		if (!create)
			return err_set(err, -ENOENT,
				"%s: no freshet state (no catalog.db); `freshet build` makes one", s->dir);
		r = check_foreign(s->dir, err);
		if (r < 0)
			return r;
	}
	if (create) {
		r = make_subdirs(s, err);
		if (r < 0)
			return r;
	}
	*out = steal(&s);
	return 0;
}

void state_free(struct state *s)
{
	if (!s)
		return;
	state_build_end(s);
	if (s->lockfd >= 0)
		close(s->lockfd);
	if (s->dirfd >= 0)
		close(s->dirfd);
	free(s->dir);
	free(s);
}

/* ---- locks ---- */

/* Tries until `wait` has passed. Returns 0, -EWOULDBLOCK, or -errno. */
static int flock_wait(int fd, int64_t wait)
{
	int64_t start = time_monotonic(), pause = TIME_SECOND / 1000;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int64_t left = wait - (time_monotonic() - start);
		struct timespec ts;

		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return -errno;
		if (left <= 0)
			return -EWOULDBLOCK;
		if (pause > left)
			pause = left;
		ts = (struct timespec){.tv_sec = pause / TIME_SECOND, .tv_nsec = pause % TIME_SECOND};
		nanosleep(&ts, NULL);
		pause = pause * 2 > LOCK_POLL_MAX ? LOCK_POLL_MAX : pause * 2;
	}
	return 0;
}

static void lock_note(int fd)
{
	char now[TIME_TEXT_MAX], text[TIME_TEXT_MAX + 32];
	int len =
		snprintf(text, sizeof(text), "pid %d since %s\n", (int)getpid(), time_text(time_now(), now));

	/* Only a note for people: a disk that is full may refuse it. */
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) < 0)
		return;
}

static int lock_held(const struct state *s, int fd, struct err *err)
{
	char note[96] = "";
	ssize_t n = pread(fd, note, sizeof(note) - 1, 0);

	for (ssize_t i = 0; i < n; i++)
		if (note[i] < 0x20 || note[i] == 0x7F)
			note[i] = '\0';
	return err_set(err, -EBUSY, "%s: another build holds the lock (%s)", s->dir,
		n > 0 ? note : "holder unknown");
}

static int lock_file(const struct state *s, const char *name, int64_t wait, int *out, struct err *err)
{
	int fd = openat(s->dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666), r;

	if (fd < 0)
		return err_sys(err, -errno, "%s/%s: cannot be opened", s->dir, name);
	r = flock_wait(fd, wait);
	if (r == 0) {
		lock_note(fd);
		*out = fd;
		return 0;
	}
	r = r == -EWOULDBLOCK ? lock_held(s, fd, err)
			      : err_sys(err, r, "%s/%s: cannot be locked", s->dir, name);
	close(fd);
	return r;
}

int state_lock(struct state *s, int64_t wait, struct err *err)
{
	return s->lockfd >= 0 ? 0 : lock_file(s, "lock", wait, &s->lockfd, err);
}

void state_unlock(struct state *s)
{
	if (s->lockfd >= 0)
		close(s->lockfd);
	s->lockfd = -1;
}

int state_lock_side(struct state *s, const char *name, int *fd, struct err *err)
{
	return lock_file(s, name, 0, fd, err);
}

/* Makes and locks one directory. Returns 0, or 1 when a sweep was faster than the lock: again. */
static int build_dir(struct state *s, struct err *err)
{
	OWNED_STR char *path = state_path(s, "tmp/build-%d-XXXXXX", (int)getpid());
	OWNED_STR char *name = NULL;
	struct stat st;
	int fd;

	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	if (!mkdtemp(path))
		return err_sys(err, -errno, "%s: cannot be made", path);
	name = strdup(path + strlen(s->dir) + 1);
	if (!name)
		return err_set(err, -ENOMEM, "out of memory");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 1 : err_sys(err, -errno, "%s: cannot be opened", path);
	if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0) {
		int r = err_sys(err, -errno, "%s: cannot be locked", path);

		close(fd);
		return r;
	}
	if (st.st_nlink == 0) {
		close(fd);
		return 1;
	}
	s->build = steal(&name);
	s->buildfd = fd;
	return 0;
}

int state_build_begin(struct state *s, struct err *err)
{
	int r;

	if (s->build)
		return err_set(err, -EBUSY, "%s: a build runs already", s->build);
	do
		r = build_dir(s, err);
	while (r == 1);
	return r;
}

/* Removes tmp/NAME, locked through `fd`, which stays open: nobody can lock what is going. */
static int build_remove(const struct state *s, const char *path, int fd, struct err *err)
{
	int below = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (below < 0)
		return err_sys(err, -errno, "%s/%s: cannot be opened", s->dir, path);
	r = remove_below(below, err);
	if (r < 0)
		return err_context(err, r, "%s/%s", s->dir, path);
	if (unlinkat(s->dirfd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(err, -errno, "%s/%s: cannot be removed", s->dir, path);
	return 0;
}

void state_build_end(struct state *s)
{
	if (!s->build)
		return;
	/* What cannot be removed now goes with the next sweep. */
	build_remove(s, s->build, s->buildfd, NULL);
	close(s->buildfd);
	s->buildfd = -1;
	free(s->build);
	s->build = NULL;
}

int state_temp_move(const struct state *state, const char *from, const char *to, struct err *err)
{
	OWNED_STR char *source = state_path(state, "%s/%s", state->build, from);
	OWNED_STR char *target = state_path(state, "%s", to);

	if (!source || !target)
		return err_set(err, -ENOMEM, "out of memory");
	if (rename(source, target) < 0)
		return err_sys(err, -errno, "%s: cannot be renamed to %s", source, target);
	return 0;
}

int state_temp_write(const struct state *state, const char *name, struct slice bytes, struct err *err)
{
	OWNED_STR char *path = state_path(state, "%s/%s", state->build, name);

	return path ? write_file(path, bytes, err) : err_set(err, -ENOMEM, "out of memory");
}

/* Returns 1 removed, 0 somebody's, or -errno. */
static int sweep_one(const struct state *s, int tmpfd, const char *name, struct err *err)
{
	OWNED_STR char *path = NULL;
	int fd, r = 0;

	if (asprintf(&path, "tmp/%s", name) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (unlinkat(tmpfd, name, 0) == 0)
		return 1;
	fd = openat(tmpfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "%s/%s: cannot be opened", s->dir, path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		r = build_remove(s, path, fd, err);
		r = r < 0 ? r : 1;
	}
	close(fd);
	return r;
}

int state_sweep(struct state *s, struct err *err)
{
	int tmpfd = openat(s->dirfd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), swept = 0, r = 0;
	DIR *dir;
	struct dirent *e;

	if (tmpfd < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "%s/tmp: cannot be opened", s->dir);
	dir = fdopendir(tmpfd);
	if (!dir) {
		r = err_sys(err, -errno, "%s/tmp: cannot be read", s->dir);
		close(tmpfd);
		return r;
	}
	while (r >= 0 && (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = sweep_one(s, tmpfd, e->d_name, err);
		swept += r > 0;
	}
	closedir(dir);
	return r < 0 ? r : swept;
}
