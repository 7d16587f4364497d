/* SPDX-License-Identifier: Apache-2.0 */
/* index/gc.c - letting generations go.
 *
 * The catalog forgets them first, in one transaction; only then do files go. A crash in between leaves files
 * that nothing names, which the next sweep takes. Who has a generation open keeps it: its files are mapped. */
#include "gc.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUMBER_DIGITS_MAX 20

/* ---- what is kept ---- */

struct names { /* segment names of SEGMENT_NAME_HEX bytes behind each other */
	struct buf text;
};

static int name_cmp(const void *a, const void *b)
{
	return memcmp(a, b, SEGMENT_NAME_HEX);
}

static bool names_have(const struct names *n, const char *name)
{
	return n->text.len &&
	       bsearch(name, n->text.data, n->text.len / SEGMENT_NAME_HEX, SEGMENT_NAME_HEX, name_cmp);
}

static int read_manifest_file(
	const struct state *state, uint64_t number, struct manifest *out, struct err *err)
{
	OWNED_STR char *path = state_path(state, "generations/%" PRIu64 ".json", number);
	OWNED_BUF bytes = {0};
	int r;

	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	r = read_file(path, MANIFEST_MAX, &bytes, err);
	if (r)
		return r == -ENOENT ? -EBADMSG : r;
	r = manifest_decode(buf_slice(&bytes), out, err);
	return r ? err_context(err, r, "%s", path) : 0;
}

static void add_names(const struct manifest *m, struct names *names)
{
	for (size_t i = 0; i < m->segment_count; i++)
		buf_add(&names->text, m->segments[i].name, SEGMENT_NAME_HEX);
}

static int add_manifest(const struct state *state, uint64_t number, struct names *names, struct err *err)
{
	struct manifest m;
	int r = read_manifest_file(state, number, &m, err);

	if (r)
		return r;
	add_names(&m, names);
	manifest_release(&m);
	return buf_error(&names->text) ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int read_names(const struct state *state, const struct catalog_generation *kept, size_t count,
	const struct manifest *awaited, struct names *names, struct err *err)
{
	int r = 0;

	if (awaited)
		add_names(awaited, names);
	if (buf_error(&names->text))
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; !r && i < count; i++)
		r = add_manifest(state, kept[i].number, names, err);
	if (!r && names->text.len)
		qsort(names->text.data, names->text.len / SEGMENT_NAME_HEX, SEGMENT_NAME_HEX, name_cmp);
	return r;
}

/* ---- files ---- */

struct kept {
	const struct catalog_generation *generations;
	size_t count;
	struct names segments;
};

/* Is `name` a file of ours that nothing kept names? */
typedef bool stray_fn(const struct kept *kept, const char *name);

static bool segment_is_stray(const struct kept *kept, const char *name)
{
	return strspn(name, "0123456789abcdef") == SEGMENT_NAME_HEX &&
	       !strcmp(name + SEGMENT_NAME_HEX, ".seg") && !names_have(&kept->segments, name);
}

static bool generation_is_stray(const struct kept *kept, const char *name)
{
	size_t digits = strspn(name, "0123456789");
	uint64_t number;

	if (!digits || digits > NUMBER_DIGITS_MAX || name[0] == '0')
		return false;
	if (strcmp(name + digits, ".json") != 0 && strcmp(name + digits, ".live") != 0)
		return false;
	number = strtoull(name, NULL, 10);
	for (size_t i = 0; i < kept->count; i++)
		if (kept->generations[i].number == number)
			return false;
	return true;
}

static int sweep_entries(DIR *dir, const char *sub, const struct kept *kept, stray_fn *is_stray,
	struct gc_result *out, struct err *err)
{
	struct dirent *e;

	while ((e = readdir(dir))) {
		struct stat st;

		if (!is_stray(kept, e->d_name) ||
			fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0) < 0)
			return err_sys(err, -errno, "%s/%s: cannot be removed", sub, e->d_name);
		out->files++;
		out->bytes += (uint64_t)st.st_size;
	}
	return 0;
}

static int sweep_dir(const struct state *state, const char *sub, const struct kept *kept, stray_fn *is_stray,
	struct gc_result *out, struct err *err)
{
	OWNED_STR char *path = state_path(state, "%s", sub);
	DIR *dir = path ? opendir(path) : NULL;
	int r;

	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	if (!dir)
		return err_sys(err, -errno, "%s: cannot be read", path);
	r = sweep_entries(dir, sub, kept, is_stray, out, err);
	closedir(dir);
	return r;
}

int gc_sweep(struct state *state, struct catalog *catalog, const struct manifest *awaited,
	struct gc_result *out, struct err *err)
{
	struct catalog_generation *generations;
	struct arena arena = {0};
	struct kept kept = {0};
	int r = catalog_generations(catalog, &arena, &generations, &kept.count, err);

	if (!r) {
		kept.generations = generations;
		r = sweep_dir(state, "generations", &kept, generation_is_stray, out, err);
	}
	if (!r)
		r = read_names(state, generations, kept.count, awaited, &kept.segments, err);
	if (!r)
		r = sweep_dir(state, "segments", &kept, segment_is_stray, out, err);
	buf_release(&kept.segments.text);
	arena_release(&arena);
	return r;
}

/* ---- generations ---- */

/* Drops what the rules let go; the newest is the current one. */
static int drop_old(struct catalog *catalog, const struct config *cfg, int64_t now,
	const struct catalog_generation *g, size_t count, struct gc_result *out, struct err *err)
{
	int64_t young = time_add(now, -cfg->keep_for);
	OWNED_BUF numbers = {0};
	size_t dropped, data = 0; /* data: generations with content of their own that are newer */
	int r;

	for (size_t i = 0; i < count; data += !g[i++].merged) {
		bool keep = data < cfg->keep || (data < cfg->keep_max && g[i].published > young);

		if (i && !keep)
			buf_add(&numbers, &g[i].number, sizeof(g[i].number));
	}
	if (buf_error(&numbers))
		return err_set(err, -ENOMEM, "out of memory");
	dropped = numbers.len / sizeof(uint64_t);
	if (!dropped)
		return 0;
	r = catalog_drop_generations(catalog, (const uint64_t *)(const void *)numbers.data, dropped, err);
	if (!r)
		out->generations = dropped;
	return r;
}

static int drop_by_rules(struct catalog *catalog, const struct config *cfg, int64_t now,
	struct gc_result *out, struct err *err)
{
	struct catalog_generation *generations;
	struct arena arena = {0};
	size_t count;
	int r = catalog_generations(catalog, &arena, &generations, &count, err);

	*out = (struct gc_result){0};
	if (!r)
		r = drop_old(catalog, cfg, now, generations, count, out, err);
	arena_release(&arena);
	return r;
}

int gc_run(struct state *state, struct catalog *catalog, const struct config *cfg, int64_t now,
	struct gc_result *out, struct err *err)
{
	int r = drop_by_rules(catalog, cfg, now, out, err);

	if (!r)
		r = gc_sweep(state, catalog, NULL, out, err);
	return r ? r : gc_rejects(state, catalog, out, err);
}

/* ---- a bound ---- */

/* Adds what the segments of `m` take that `seen` has not, and notes them there. */
static int add_bytes(const struct manifest *m, struct names *seen, uint64_t *bytes, struct err *err)
{
	size_t before = seen->text.len;

	for (size_t i = 0; i < m->segment_count; i++) {
		struct names known = {.text = {.data = seen->text.data, .len = before}};

		if (names_have(&known, m->segments[i].name))
			continue;
		*bytes = *bytes > UINT64_MAX - m->segments[i].bytes ? UINT64_MAX
								    : *bytes + m->segments[i].bytes;
		buf_add(&seen->text, m->segments[i].name, SEGMENT_NAME_HEX);
	}
	if (buf_error(&seen->text))
		return err_set(err, -ENOMEM, "out of memory");
	if (seen->text.len)
		qsort(seen->text.data, seen->text.len / SEGMENT_NAME_HEX, SEGMENT_NAME_HEX, name_cmp);
	return 0;
}

/* How many of the generations, newest first, stay. */
static int count_within(const struct state *state, const struct catalog_generation *g, size_t count,
	uint64_t max, size_t *kept, struct err *err)
{
	struct names seen = {0};
	uint64_t bytes = 0;
	int r = 0;

	for (*kept = 0; r == 0 && *kept < count && bytes <= max; (*kept)++) {
		struct manifest m;

		r = read_manifest_file(state, g[*kept].number, &m, err);
		if (r < 0)
			break;
		r = add_bytes(&m, &seen, &bytes, err);
		manifest_release(&m);
		if (*kept == 0)
			bytes = 0; /* the current one's */
		if (r == 0 && bytes > max)
			break;
	}
	buf_release(&seen.text);
	return r;
}

static int drop_beyond(
	struct state *state, struct catalog *catalog, uint64_t max, struct gc_result *out, struct err *err)
{
	struct catalog_generation *g;
	struct arena arena = {0};
	OWNED_BUF numbers = {0};
	size_t count, kept = 0;
	int r = catalog_generations(catalog, &arena, &g, &count, err);

	if (r == 0)
		r = count_within(state, g, count, max, &kept, err);
	for (size_t i = kept; r == 0 && i < count; i++)
		buf_add(&numbers, &g[i].number, sizeof(g[i].number));
	arena_release(&arena);
	if (r == 0 && buf_error(&numbers))
		r = err_set(err, -ENOMEM, "out of memory");
	if (r < 0 || !numbers.len)
		return r;
	r = catalog_drop_generations(
		catalog, (const uint64_t *)(const void *)numbers.data, numbers.len / sizeof(uint64_t), err);
	out->generations += numbers.len / sizeof(uint64_t);
	return r;
}

int gc_within(
	struct state *state, struct catalog *catalog, uint64_t max, struct gc_result *out, struct err *err)
{
	uint64_t before = out->generations;
	int r = drop_beyond(state, catalog, max, out, err);

	return r < 0 || out->generations == before ? r : gc_sweep(state, catalog, NULL, out, err);
}

int gc_before(struct state *state, struct catalog *catalog, const struct config *cfg, int64_t now,
	const struct manifest *awaited, struct gc_result *out, struct err *err)
{
	int r = drop_by_rules(catalog, cfg, now, out, err);

	if (r == 0)
		r = drop_beyond(state, catalog, cfg->cache_size, out, err);
	return r < 0 ? r : gc_sweep(state, catalog, awaited, out, err);
}
