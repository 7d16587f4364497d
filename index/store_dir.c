/* SPDX-License-Identifier: Apache-2.0 */
/* A directory: a feed, or where generations are published. Producers may do anything below it while we look, so every path is resolved
 * by the kernel beneath the root's descriptor with symbolic links refused, and only regular files are read:
 * a link, FIFO or device that somebody puts there neither leads out nor blocks. */
#include "store.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena.h"
#include "timefmt.h"

#define ENTRIES_MAX (4u << 20) /* in one directory: what a listing may hold in memory */
#define COPY_CHUNK (1u << 20)
#define TEMP_NAME 64
#define OPENAT2_RETRIES 100 /* EAGAIN: something was renamed while the kernel looked */

struct dir_store {
	struct store base;
	int root;         /* owned, O_PATH */
	atomic_bool walk; /* no openat2: go component by component */
	atomic_bool late; /* `root` is not open yet, and stands for it only */
};

struct dir_file {
	struct store_file base;
	int fd; /* owned */
};

static struct dir_store *dir_of(struct store *s)
{
	return (struct dir_store *)s;
}

/* One component. O_DIRECTORY with O_NOFOLLOW calls a link ENOTDIR; callers want to know it from a file. */
static int open_component(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd >= 0)
		return fd;
	fd = -errno;
	if (fd == -ENOTDIR && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return -ELOOP;
	return fd;
}

static int open_walk(int root, const char *path, int flags)
{
	int dir = root, fd;

	for (;;) {
		char name[NAME_MAX + 1];
		size_t n = strcspn(path, "/");

		if (n > NAME_MAX) {
			fd = -ENAMETOOLONG;
			break;
		}
		memcpy(name, path, n);
		name[n] = '\0';
		fd = open_component(dir, name, path[n] ? O_PATH | O_DIRECTORY : flags);
		if (fd < 0 || !path[n])
			break;
		if (dir != root)
			close(dir);
		dir = fd;
		path += n + 1;
	}
	if (dir != root)
		close(dir);
	return fd;
}

/* Opens `path` below the root and returns a descriptor or -errno. */
static int open_beneath(struct dir_store *d, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	if (!*path)
		path = ".";
	for (int i = 0; i < OPENAT2_RETRIES && !atomic_load(&d->walk); i++) {
		long fd = syscall(SYS_openat2, d->root, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno == ENOSYS)
			atomic_store(&d->walk, true);
		else if (errno == EPERM) /* what some sandboxes say of calls that they do not know */
			break;
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return open_walk(d->root, path, flags);
}

static int64_t nanoseconds(struct timespec t)
{
	int64_t seconds = t.tv_sec;

	if (seconds > INT64_MAX / TIME_SECOND - 1)
		return INT64_MAX - 1;
	if (seconds < INT64_MIN / TIME_SECOND + 1)
		return INT64_MIN + 1;
	return seconds * TIME_SECOND + t.tv_nsec;
}

/* Returns 1, or 0 when it is neither a regular file nor a directory. */
static int stat_fill(const struct stat *st, struct store_stat *out)
{
	out->is_dir = S_ISDIR(st->st_mode);
	out->size = out->is_dir ? 0 : (uint64_t)st->st_size;
	out->mtime = nanoseconds(st->st_mtim);
	out->ctime = nanoseconds(st->st_ctim);
	return out->is_dir || S_ISREG(st->st_mode);
}

struct dir_entry {
	struct slice name;
	struct store_stat st;
};

static int entry_cmp(const void *a, const void *b)
{
	return slice_cmp(((const struct dir_entry *)a)->name, ((const struct dir_entry *)b)->name);
}

/* Adds one name to `entries`; what has gone since readdir() saw it is not there. */
static int entry_add(int fd, const char *name, struct arena *names, struct buf *entries, struct err *err)
{
	struct dir_entry e;
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "cannot look at one of its entries");
	if (!stat_fill(&st, &e.st))
		return 0;
	if (entries->len / sizeof(e) >= ENTRIES_MAX)
		return err_set(err, -EFBIG, "more than %u entries in one directory", ENTRIES_MAX);
	e.name = arena_dup(names, slice_str(name));
	buf_add(entries, &e, sizeof(e));
	return e.name.data && !entries->failed ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int entries_read(DIR *dir, struct arena *names, struct buf *entries, struct err *err)
{
	for (;;) {
		const struct dirent *de;
		int r;

		errno = 0;
		de = readdir(dir);
		if (!de)
			return errno ? err_sys(err, -errno, "listing broke off") : 0;
		r = entry_add(dirfd(dir), de->d_name, names, entries, err);
		if (r < 0)
			return r;
	}
}

static int entries_hand_out(struct buf *entries, store_entry_fn *fn, void *ctx)
{
	struct dir_entry *e = (struct dir_entry *)entries->data;
	size_t count = entries->len / sizeof(*e);

	if (count)
		qsort(e, count, sizeof(*e), entry_cmp);
	for (size_t i = 0; i < count; i++) {
		int r = fn(ctx, e[i].name, &e[i].st);

		if (r)
			return r;
	}
	return 0;
}

static int root_open(const char *path, struct err *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd >= 0) {
		/* O_PATH asks for no permission; a feed that cannot be listed should be known of at once. */
		if (faccessat(fd, ".", R_OK | X_OK, AT_EACCESS) == 0)
			return fd;
		r = -errno;
		close(fd);
		return err_sys(err, r, "%s: cannot read the directory", path);
	}
	r = -errno;
	if (r == -ENOENT)
		return err_set(err, r,
			"%s: there is no such directory: make it, or correct the path (on the command line, or in the "
			"configuration)",
			path);
	if (r == -ENOTDIR)
		return err_set(err, r, "%s: is no directory", path);
	return err_sys(err, r, "%s: cannot open the directory", path);
}

/* Another directory may have taken the place of one that was removed, or moved away: it counts now. */
static int root_reopen(struct dir_store *d, struct err *err)
{
	int fd = root_open(d->base.url, err), r = 0;

	if (fd < 0)
		return fd;
	/* In one step, for whoever resolves a path meanwhile. */
	if (dup3(fd, d->root, O_CLOEXEC) < 0)
		r = err_sys(err, -errno, "cannot open the directory again");
	close(fd);
	return r;
}

/* A removed root still opens, and reads as empty: that would look like a feed whose data is all gone. */
static int root_check(int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, -errno, "cannot look at the directory");
	if (st.st_nlink == 0)
		return err_set(err, -ENOENT, "the directory was removed");
	return 0;
}

static int list_once(struct store *s, const char *path, store_entry_fn *fn, void *ctx, struct err *err)
{
	OWNED_BUF entries = {0};
	struct arena names = {0};
	DIR *dir;
	int fd, r;

	fd = open_beneath(dir_of(s), path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	if (fd < 0)
		return err_sys(err, fd, "cannot list");
	dir = fdopendir(fd);
	if (!dir) {
		r = err_sys(err, -errno, "cannot list");
		close(fd);
		return r;
	}
	r = entries_read(dir, &names, &entries, err);
	if (r == 0 && !*path)
		r = root_check(fd, err);
	closedir(dir);
	if (r == 0)
		r = entries_hand_out(&entries, fn, ctx);
	arena_release(&names);
	return r;
}

static bool root_is_removed(const struct dir_store *d)
{
	struct stat st;

	return fstat(d->root, &st) == 0 && st.st_nlink == 0;
}

/* Several may come here at once, and open it several times. */
static int root_arrive(struct dir_store *d, struct err *err)
{
	int r = atomic_load(&d->late) ? root_reopen(d, NULL) : 0;

	if (r < 0)
		return err_sys(err, r, "cannot open the directory");
	atomic_store(&d->late, false);
	return 0;
}

static int dir_renew(struct store *s, struct err *err)
{
	struct dir_store *d = dir_of(s);
	struct stat there, held;
	int r = root_arrive(d, err);

	if (r < 0)
		return r;
	if (stat(s->url, &there) < 0)
		return err_sys(err, -errno, "cannot look at the directory");
	if (fstat(d->root, &held) == 0 && held.st_dev == there.st_dev && held.st_ino == there.st_ino)
		return 0;
	r = root_reopen(d, NULL);
	return r < 0 ? err_sys(err, r, "cannot open the directory that has taken its place") : 0;
}

static int dir_list(struct store *s, const char *path, store_entry_fn *fn, void *ctx, struct err *err)
{
	struct dir_store *d = dir_of(s);
	int r = root_arrive(d, err);

	if (r < 0)
		return r;
	if (root_is_removed(d) && root_reopen(d, NULL) < 0)
		return err_set(err, -ENOENT, "the directory was removed");
	return list_once(s, path, fn, ctx, err);
}

static int other_kind(mode_t mode, struct err *err)
{
	if (S_ISLNK(mode))
		return err_set(err, -ELOOP, "is a symbolic link; links in a feed are not followed");
	return err_set(err, -ENOTSUP, "is neither a regular file nor a directory");
}

static int dir_head(struct store *s, const char *path, struct store_stat *out, struct err *err)
{
	struct stat st;
	int fd, r = root_arrive(dir_of(s), err);

	if (r < 0)
		return r;
	fd = open_beneath(dir_of(s), path, O_PATH);
	if (fd < 0)
		return err_sys(err, fd, "cannot look at it");
	r = fstat(fd, &st) < 0 ? err_sys(err, -errno, "cannot look at it") : 0;
	close(fd);
	if (r == 0 && !stat_fill(&st, out))
		r = other_kind(st.st_mode, err);
	return r;
}

static int dir_open(struct store *s, const char *path, struct store_file **out, struct err *err)
{
	struct dir_file *f = NULL;
	struct stat st;
	int fd, r = root_arrive(dir_of(s), err);

	if (r < 0)
		return r;
	/* Not blocking: opening a FIFO would otherwise wait for its other end. */
	fd = open_beneath(dir_of(s), path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd == -ENXIO)
		return other_kind(0, err); /* a socket */
	if (fd < 0)
		return err_sys(err, fd, "cannot open");
	if (fstat(fd, &st) < 0)
		r = err_sys(err, -errno, "cannot look at it");
	else if (S_ISDIR(st.st_mode))
		r = err_set(err, -EISDIR, "is a directory");
	else if (!S_ISREG(st.st_mode))
		r = other_kind(st.st_mode, err);
	else
		r = (f = calloc(1, sizeof(*f))) ? 0 : err_set(err, -ENOMEM, "out of memory");
	if (r < 0) {
		close(fd);
		return r;
	}
	f->fd = fd;
	*out = &f->base;
	return 0;
}

static int64_t dir_read(struct store_file *base, uint64_t offset, void *to, size_t len, struct err *err)
{
	const struct dir_file *f = (const struct dir_file *)base;
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(f->fd, (char *)to + done, len - done, (off_t)(offset + done));

		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return err_sys(err, -errno, "cannot read %zu bytes at %llu", len - done,
				(unsigned long long)(offset + done));
	}
	return (int64_t)done;
}

static int dir_stat(struct store_file *base, struct store_stat *out, struct err *err)
{
	struct stat st;

	if (fstat(((const struct dir_file *)base)->fd, &st) < 0)
		return err_sys(err, -errno, "cannot look at it");
	stat_fill(&st, out);
	return 0;
}

static void dir_close(struct store_file *base)
{
	struct dir_file *f = (struct dir_file *)base;

	close(f->fd);
	free(f);
}

/* ---- writing ---- */

/* Opens the directory at the first `len` bytes of `path`, and makes what is missing. Returns a descriptor or -errno. */
static int make_beneath(struct dir_store *d, const char *path, size_t len, struct err *err)
{
	OWNED_STR char *dir = strndup(path, len);
	int fd = dir ? open_beneath(d, dir, O_RDONLY | O_DIRECTORY) : -ENOMEM;
	const char *slash;
	int above, r;

	if (fd != -ENOENT || !len)
		return fd < 0 ? err_sys(err, fd, "cannot open the directory for it") : fd;
	slash = memrchr(path, '/', len);
	above = make_beneath(d, path, slash ? (size_t)(slash - path) : 0, err);
	if (above < 0)
		return above;
	r = mkdirat(above, slash ? dir + (slash - path) + 1 : dir, 0777) < 0 ? -errno : 0;
	if (r == 0 && fsync(above) < 0)
		r = -errno;
	close(above);
	if (r < 0 && r != -EEXIST)
		return err_sys(err, r, "cannot make the directory for it");
	fd = open_beneath(d, dir, O_RDONLY | O_DIRECTORY);
	return fd < 0 ? err_sys(err, fd, "cannot open the directory for it") : fd;
}

static int write_all(int fd, struct slice bytes)
{
	for (size_t done = 0; done < bytes.len;) {
		ssize_t n = write(fd, bytes.data + done, bytes.len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int write_body(int fd, const struct store_body *body)
{
	OWNED_STR char *chunk = malloc(COPY_CHUNK);
	uint64_t done = 0;
	int r = 0;

	if (!chunk)
		return -ENOMEM;
	while (r == 0 && done < body->size) {
		ssize_t n = store_body_read(body, done, chunk, COPY_CHUNK);

		r = n < 0 ? (int)n : write_all(fd, slice_of(chunk, (size_t)n));
		done += n < 0 ? 0 : (uint64_t)n;
	}
	return r;
}

/* Not all file systems have links, and not all the rename. Either tells whether something was there before. */
static int put_new(int dir, const char *temp, const char *name)
{
	if (linkat(dir, temp, dir, name, 0) == 0)
		return 0;
	if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK)
		return -errno;
	return renameat2(dir, temp, dir, name, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

/* Puts the finished `temp` in its place. */
static int put_in_place(int dir, const char *temp, const char *name, enum store_put how)
{
	if (how == STORE_NEW)
		return put_new(dir, temp, name);
	return renameat(dir, temp, dir, name) < 0 ? -errno : 0;
}

/* A name that nobody else has, on whatever host or in whatever container. */
static int make_temp(int dir, char name[TEMP_NAME])
{
	uint64_t random;
	int fd;

	do {
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return -EIO;
		snprintf(name, TEMP_NAME, ".freshet-put-%016" PRIx64, random);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	} while (fd < 0 && errno == EEXIST);
	return fd < 0 ? -errno : fd;
}

static int put_beneath(int dir, const char *name, const struct store_body *body, enum store_put how)
{
	char temp[TEMP_NAME];
	int fd = make_temp(dir, temp), r;

	if (fd < 0)
		return fd;
	r = write_body(fd, body);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0)
		r = put_in_place(dir, temp, name, how);
	if (r < 0 || how == STORE_NEW)
		unlinkat(dir, temp, 0);
	if (r == 0 && fsync(dir) < 0)
		r = -errno;
	return r;
}

static int dir_put(
	struct store *s, const char *path, const struct store_body *body, enum store_put how, struct err *err)
{
	const char *slash = strrchr(path, '/');
	int dir, r = root_arrive(dir_of(s), err);

	if (r < 0)
		return r;
	dir = make_beneath(dir_of(s), path, slash ? (size_t)(slash - path) : 0, err);
	if (dir < 0)
		return dir;
	r = put_beneath(dir, slash ? slash + 1 : path, body, how);
	close(dir);
	return r < 0 ? err_sys(err, r, "cannot write") : 0;
}

static int dir_remove(struct store *s, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	OWNED_STR char *above = slash ? strndup(path, (size_t)(slash - path)) : strdup("");
	int dir, r = above ? root_arrive(dir_of(s), err) : -ENOMEM;

	if (r < 0)
		return r;
	dir = open_beneath(dir_of(s), above, O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		return dir == -ENOENT ? 0 : err_sys(err, dir, "cannot remove");
	r = unlinkat(dir, slash ? slash + 1 : path, 0) < 0 ? -errno : 0;
	close(dir);
	return r < 0 && r != -ENOENT ? err_sys(err, r, "cannot remove") : 0;
}

static void dir_free(struct store *s)
{
	close(dir_of(s)->root);
	free(s);
}

static const struct store_ops dir_ops = {
	.list = dir_list,
	.head = dir_head,
	.open = dir_open,
	.read = dir_read,
	.stat = dir_stat,
	.close = dir_close,
	.put = dir_put,
	.remove = dir_remove,
	.renew = dir_renew,
	.free = dir_free,
};

static int open_with(struct store **out, const char *path, int root, bool late, struct err *err)
{
	struct dir_store *d;

	if (root < 0)
		return root;
	d = calloc(1, sizeof(*d));
	if (d)
		d->base.url = strdup(path);
	if (!d || !d->base.url) {
		close(root);
		free(d);
		return err_set(err, -ENOMEM, "%s: out of memory", path);
	}
	d->base.ops = &dir_ops;
	d->root = root;
	d->late = late;
	*out = &d->base;
	return 0;
}

int store_dir_open(struct store **out, const char *path, struct err *err)
{
	*out = NULL;
	return open_with(out, path, root_open(path, err), false, err);
}

int store_dir_open_late(struct store **out, const char *path, struct err *err)
{
	int fd = open("/", O_PATH | O_CLOEXEC);

	*out = NULL;
	return open_with(out, path, fd < 0 ? err_sys(err, -errno, "/") : fd, true, err);
}

void store_dir_force_walk(struct store *s)
{
	atomic_store(&dir_of(s)->walk, true);
}
