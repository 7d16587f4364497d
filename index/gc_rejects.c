/* SPDX-License-Identifier: Apache-2.0 */
/* index/gc_rejects.c - letting go of rejects whose partition has left.
 *
 * The tree is walked and not the catalog's old rows: these stay for ever, and what lies here is little. */
#include "gc.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reject_file.h"

struct walk {
	const char **kept; /* directories of partitions, each with a '/' at its end, sorted */
	size_t kept_count;
	struct buf
		path; /* of the directory that the walk is in, from rejects/ on; "", or with a '/' at its end */
	struct gc_result *out;
};

static int str_cmp(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The first kept directory that is not before `path`; it is the one that would begin with it. */
static const char *kept_from(const struct walk *w, const char *path)
{
	size_t low = 0, high = w->kept_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(w->kept[mid], path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < w->kept_count ? w->kept[low] : "";
}

static bool is_reject(const char *name)
{
	size_t len = strlen(name), ext = strlen(REJECT_EXT);

	return len > ext && !strcmp(name + len - ext, REJECT_EXT);
}

static int walk_dir(struct walk *w, int fd, bool stray, struct err *err);

/* A directory in the one that the walk is in. What stays in it keeps it. */
static int walk_subdir(struct walk *w, int parent, const char *name, bool stray, struct err *err)
{
	size_t len = w->path.len;
	const char *path, *next;
	int fd, r;

	buf_add_str(&w->path, name);
	buf_add_byte(&w->path, '/');
	path = buf_cstr(&w->path);
	if (buf_error(&w->path))
		return err_set(err, -ENOMEM, "out of memory");
	next = stray ? "" : kept_from(w, path);
	r = 0;
	if (stray || strcmp(next, path) != 0) {
		fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			r = err_sys(err, -errno, "rejects/%s", path);
		else
			r = walk_dir(w, fd, stray || strncmp(next, path, strlen(path)) != 0, err);
		if (!r && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST)
			r = err_sys(err, -errno, "rejects/%s: cannot be removed", path);
	}
	w->path.len = len;
	return r;
}

static int walk_entry(struct walk *w, int dir, const char *name, bool stray, struct err *err)
{
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, "..") || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return walk_subdir(w, dir, name, stray, err);
	if (!stray || !S_ISREG(st.st_mode) || !is_reject(name))
		return 0;
	if (unlinkat(dir, name, 0) < 0)
		return err_sys(err, -errno, "rejects/%s%s: cannot be removed", buf_cstr(&w->path), name);
	w->out->files++;
	w->out->bytes += (uint64_t)st.st_size;
	return 0;
}

/* `stray`: no kept partition lies here or below. Takes the descriptor over. */
static int walk_dir(struct walk *w, int fd, bool stray, struct err *err)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!dir) {
		r = err_sys(err, -errno, "rejects/%s: cannot be read", buf_cstr(&w->path));
		close(fd);
		return r;
	}
	while (!r && (e = readdir(dir)))
		r = walk_entry(w, dirfd(dir), e->d_name, stray, err);
	closedir(dir);
	return r;
}

/* The directories of partitions whose rejects say something of what is served, or why it is not. */
static int read_kept(struct walk *w, struct catalog *catalog, struct arena *arena, struct err *err)
{
	OWNED_BUF path = {0};
	struct row *rows;
	size_t count;
	/* None is as late: so these are the ones that have not left. */
	int r = catalog_rows(catalog, TIME_FOREVER, false, arena, &rows, &count, err);

	if (r)
		return r;
	w->kept = arena_alloc(arena, (count + 1) * sizeof(*w->kept));
	if (!w->kept)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		const char *kept;

		buf_clear(&path);
		if (reject_dir(rows[i].path, &path))
			continue;
		kept = buf_error(&path) ? NULL : arena_dup(arena, buf_slice(&path)).data;
		if (!kept)
			return err_set(err, -ENOMEM, "out of memory");
		w->kept[w->kept_count++] = kept;
	}
	if (w->kept_count)
		qsort(w->kept, w->kept_count, sizeof(*w->kept), str_cmp);
	return 0;
}

int gc_rejects(struct state *state, struct catalog *catalog, struct gc_result *out, struct err *err)
{
	struct walk w = {.out = out};
	struct arena arena = {0};
	int fd = openat(state->dirfd, "rejects", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "%s/rejects: cannot be read", state->dir);
	r = read_kept(&w, catalog, &arena, err);
	if (r)
		close(fd);
	else
		r = walk_dir(&w, fd, false, err);
	buf_release(&w.path);
	arena_release(&arena);
	return r;
}
