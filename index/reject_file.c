/* SPDX-License-Identifier: Apache-2.0 */
#include "reject_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "digest.h"
#include "name.h"

#define REJECT_FILE_MAX 1024
#define REJECT_DEPTH_MAX 16

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* One component of a reject path: `ext` behind it, cut where it is too long. */
static int add_component(struct slice part, const char *ext, struct buf *out)
{
	size_t room = NAME_MAX_BYTES - strlen(ext);

	if (!part.len || slice_eq(part, slice_str(".")) || slice_eq(part, slice_str("..")) ||
		memchr(part.data, '\0', part.len))
		return -EINVAL;
	if (part.len <= room) {
		buf_add_slice(out, part);
	} else {
		buf_add(out, part.data, room - 17);
		buf_addf(out, "%%%016" PRIx64, xxh64(part));
	}
	buf_add_str(out, ext);
	return 0;
}

static bool slice_ends(struct slice s, const char *end)
{
	size_t n = strlen(end);

	return s.len >= n && !memcmp(s.data + s.len - n, end, n);
}

/* `s` up to the next '/', which is taken off with it. */
static struct slice next_component(struct slice *s, bool *is_last)
{
	const char *slash = s->len ? memchr(s->data, '/', s->len) : NULL;
	struct slice part = slice_of(s->data, slash ? (size_t)(slash - s->data) : s->len);

	*is_last = !slash;
	*s = slash ? slice_of(slash + 1, s->len - part.len - 1) : slice_of(NULL, 0);
	return part;
}

static size_t depth_of(struct slice path)
{
	size_t depth = 1;

	for (size_t i = 0; i < path.len; i++)
		depth += path.data[i] == '/';
	return depth;
}

int reject_dir(struct slice partition, struct buf *out)
{
	bool is_last = false;
	int r = 0;

	while (!r && !is_last) {
		r = add_component(next_component(&partition, &is_last), "", out);
		buf_add_byte(out, '/');
	}
	return r;
}

int reject_path(struct slice partition, struct slice file, struct buf *out)
{
	bool is_last, shorten = file.len > REJECT_FILE_MAX || depth_of(file) > REJECT_DEPTH_MAX;
	uint64_t hash = xxh64(file);
	int r = reject_dir(partition, out);

	if (shorten && !r)
		buf_addf(out, "%%%016" PRIx64 REJECT_EXT, hash);
	for (is_last = shorten; !r && !is_last;) {
		struct slice part = next_component(&file, &is_last);
		bool marked = slice_ends(part, REJECT_EXT) || slice_ends(part, "%");

		r = add_component(part, is_last ? REJECT_EXT : marked ? "%" : "", out);
		if (!is_last)
			buf_add_byte(out, '/');
	}
	return r;
}

/* Makes the directory of STATE/`path` and moves temp file `temp` there; `dir_out` is that directory. */
static int place_reject(
	const struct state *state, const char *path, const char *temp, char **dir_out, struct err *err)
{
	OWNED_STR char *dir = state_path(state, "%s", path);
	int r;

	if (!dir)
		return no_memory(err);
	*strrchr(dir, '/') = '\0';
	r = make_dirs(dir, err);
	if (!r)
		r = state_temp_move(state, temp, path, err);
	if (!r)
		*dir_out = steal(&dir);
	return r;
}

/* Returns 0 and the directory that has changed, if any. */
static int remove_reject(const struct state *state, const char *path, char **dir_out, struct err *err)
{
	OWNED_STR char *dir = state_path(state, "%s", path);

	if (!dir)
		return no_memory(err);
	if (unlink(dir) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG
			       ? 0
			       : err_sys(err, -errno, "%s: cannot be removed", dir);
	*strrchr(dir, '/') = '\0';
	*dir_out = steal(&dir);
	return 0;
}

static int write_reject(struct state *state, const struct reject_file *reject, char **dir, struct err *err)
{
	OWNED_BUF path = {0};
	int r;

	buf_add_str(&path, "rejects/");
	r = reject_path(reject->partition, reject->file, &path);
	if (r)
		return err_set(err, r, "partition %.*s: file %.*s: no path for rejects",
			(int)reject->partition.len, reject->partition.data, (int)reject->file.len,
			reject->file.data);
	buf_cstr(&path);
	if (buf_error(&path))
		return no_memory(err);
	if (!reject->text.len)
		return remove_reject(state, path.data, dir, err);
	r = state_temp_write(state, "rejects", reject->text, err);
	return r ? r : place_reject(state, path.data, "rejects", dir, err);
}

static int str_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int reject_files_put(struct state *state, const struct reject_file *rejects, size_t count, struct err *err)
{
	char **dirs = calloc(count ? count : 1, sizeof(*dirs));
	size_t changed = 0;
	int r = dirs ? 0 : no_memory(err);

	for (size_t i = 0; !r && i < count; i++) {
		r = write_reject(state, &rejects[i], &dirs[changed], err);
		changed += dirs[changed] != NULL;
	}
	if (changed)
		qsort(dirs, changed, sizeof(*dirs), str_cmp);
	for (size_t i = 0; !r && i < changed; i++)
		if (i == 0 || strcmp(dirs[i], dirs[i - 1]) != 0)
			r = sync_path(dirs[i], err);
	for (size_t i = 0; i < changed; i++)
		free(dirs[i]);
	free(dirs);
	return r;
}
