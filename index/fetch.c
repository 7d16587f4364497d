/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch.h"
#include "segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (1u << 20)
#define ROOM (64 << 20) /* that is given back where the disk is full */

/* What the threads share. */
struct crew {
	const struct fetch_input *in;
	struct fetch_result *out;
	const struct manifest_segment **wanted;
	size_t count;
	uint64_t total;
	atomic_size_t next;
	atomic_int code; /* the first failure */
	pthread_mutex_t lock;
	struct err err; /* of it; lock */
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static const char *source_path(const struct crew *c, const struct manifest_segment *m, char out[64])
{
	snprintf(out, 64, "%s%s.seg", c->in->flat ? "" : "segments/", m->name);
	return out;
}

static bool is_stopped(const struct crew *c)
{
	return (c->in->stop && *c->in->stop) || c->code;
}

static int write_at(int fd, const char *from, size_t len, uint64_t offset)
{
	while (len) {
		ssize_t n = pwrite(fd, from, len, (off_t)offset);

		if (n < 0 && errno != EINTR)
			return -errno;
		n = n > 0 ? n : 0;
		from += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* Reads on from where the part ends. */
static int copy_rest(struct crew *c, struct store_file *from, const struct manifest_segment *m, int part,
	uint64_t have, const char *path, struct err *err)
{
	OWNED_STR char *chunk = malloc(CHUNK);
	int r = chunk ? 0 : no_memory(err);

	while (r == 0 && have < m->bytes) {
		size_t want = m->bytes - have < CHUNK ? (size_t)(m->bytes - have) : CHUNK;
		int64_t n;

		if (is_stopped(c))
			return err_set(err, -EINTR, "stopped");
		n = store_read(from, have, chunk, want, err);
		if (n == 0)
			return err_set(err, -EBADMSG, "%s/%s: ends after %" PRIu64 " bytes, not %" PRIu64,
				c->in->store->url, path, have, m->bytes);
		if (n < 0)
			return (int)n;
		r = write_at(part, chunk, (size_t)n, have);
		if (r < 0)
			return err_sys(err, r, "%s/fetch: writing", c->in->state->dir);
		have += (uint64_t)n;
		c->out->bytes += (uint64_t)n;
		if (c->in->progress)
			c->in->progress(c->in->progress_ctx, c->out->bytes, c->total);
	}
	return r;
}

static int check_size(struct crew *c, struct store_file *from, const struct manifest_segment *m,
	const char *path, struct err *err)
{
	struct store_stat st;
	int r = store_stat_file(from, &st, err);

	if (r < 0 || st.size == m->bytes)
		return r;
	return err_set(err, -EBADMSG,
		"%s/%s: has %" PRIu64 " bytes, not the %" PRIu64 " that its manifest says", c->in->store->url,
		path, st.size, m->bytes);
}

/* What was fetched is what its name says, and durable. */
static int check_part(struct crew *c, const struct manifest_segment *m, int part, const char *part_name,
	const char *path, struct err *err)
{
	uint8_t sum[SHA256_BYTES];
	int r = sha256_fd(part, sum, err);

	if (r < 0)
		return r;
	if (memcmp(sum, m->sha256, sizeof(sum)) != 0)
		return err_set(err, -EBADMSG,
			"%s/%s: is damaged (SHA-256 differs): remove it there, and what publishes puts it there again",
			c->in->store->url, path);
	return fsync(part) < 0 ? err_sys(err, -errno, "%s: fsync failed", part_name) : 0;
}

/* What is not so goes: nobody can tell which part of it is wrong, and what the disk did not take once it does not take by being asked again. */
static int finish(struct crew *c, const struct manifest_segment *m, int part, const char *part_name,
	const char *path, struct err *err)
{
	OWNED_STR char *target = state_path(c->in->state, "segments/%s.seg", m->name);
	int r;

	if (!target)
		return no_memory(err);
	r = check_part(c, m, part, part_name, path, err);
	if (r < 0) {
		unlink(part_name);
		return r;
	}
	if (rename(part_name, target) < 0)
		return err_sys(err, -errno, "%s: cannot be renamed to %s", part_name, target);
	c->out->segments++;
	return 0;
}

/* The catalog needs room to let older generations go; and what is kept is not fetched again. */
static void give_back(int part)
{
	struct stat st;

	if (fstat(part, &st) == 0 && ftruncate(part, st.st_size > ROOM ? st.st_size - ROOM : 0) < 0)
		errno = 0;
}

/* `resumed`: what is wrong with the whole may be what an earlier try left. */
static int fetch_into(struct crew *c, const struct manifest_segment *m, int part, const char *part_name,
	bool *resumed, struct err *err)
{
	char path[64];
	struct store_file *from;
	struct stat st;
	int r = store_open_file(c->in->store, source_path(c, m, path), &from, err);

	if (r < 0)
		return r;
	r = check_size(c, from, m, path, err);
	if (r == 0 && fstat(part, &st) < 0)
		r = err_sys(err, -errno, "%s", part_name);
	if (r == 0 && (uint64_t)st.st_size > m->bytes && ftruncate(part, st.st_size = 0) < 0)
		r = err_sys(err, -errno, "%s", part_name);
	if (r == 0)
		r = copy_rest(c, from, m, part, (uint64_t)st.st_size, path, err);
	store_close(from);
	if (r == -ENOSPC || r == -EDQUOT)
		give_back(part);
	if (r < 0)
		return r;
	*resumed = st.st_size != 0;
	return finish(c, m, part, part_name, path, err);
}

static int fetch_part(struct crew *c, const struct manifest_segment *m, const char *part_name, bool *resumed,
	struct err *err)
{
	int part = open(part_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666), r;

	if (part < 0)
		return err_sys(err, -errno, "%s: cannot be opened", part_name);
	r = fetch_into(c, m, part, part_name, resumed, err);
	close(part);
	return r;
}

static int fetch_one(struct crew *c, const struct manifest_segment *m, struct err *err)
{
	OWNED_STR char *part_name = state_path(c->in->state, "fetch/%s.part", m->name);
	bool resumed = false;
	int r = part_name ? fetch_part(c, m, part_name, &resumed, err) : no_memory(err);

	/* All of it, before it is said to be the store's fault. */
	return r == -EBADMSG && resumed ? fetch_part(c, m, part_name, &resumed, err) : r;
}

static void *work(void *arg)
{
	struct crew *c = arg;
	struct err err = ERR_INIT;
	size_t i;
	int r = 0, none = 0;

	while (r == 0 && !is_stopped(c) && (i = c->next++) < c->count)
		r = fetch_one(c, c->wanted[i], &err);
	if (r < 0 && atomic_compare_exchange_strong(&c->code, &none, r)) {
		pthread_mutex_lock(&c->lock);
		c->err = err;
		pthread_mutex_unlock(&c->lock);
	}
	return NULL;
}

static int run(struct crew *c, struct err *err)
{
	pthread_t threads[FETCH_THREADS];
	unsigned started = 0;

	pthread_mutex_init(&c->lock, NULL);
	/* This thread works too: the others only help. */
	while (started + 1 < FETCH_THREADS && started + 1 < c->count &&
		!pthread_create(&threads[started], NULL, work, c))
		started++;
	work(c);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&c->lock);
	if (c->code && err)
		*err = c->err;
	if (!c->code && is_stopped(c))
		return err_set(err, -EINTR, "stopped");
	return c->code;
}

/* ---- what is wanted ---- */

static bool is_here(const struct state *state, const struct manifest_segment *m)
{
	char name[64];
	struct stat st;

	snprintf(name, sizeof(name), "segments/%s.seg", m->name);
	return fstatat(state->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == m->bytes;
}

static bool is_wanted(const struct crew *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (!strncmp(c->wanted[i]->name, name, SEGMENT_NAME_HEX) &&
			!strcmp(name + SEGMENT_NAME_HEX, ".part"))
			return true;
	return false;
}

static int sweep(struct crew *c, const char *path, struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return err_sys(err, -errno, "%s: cannot be read", path);
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !is_wanted(c, e->d_name))
			unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	return 0;
}

static void choose(struct crew *c)
{
	const struct manifest *m = c->in->manifest;

	for (size_t i = 0; i < m->segment_count; i++) {
		if (is_here(c->in->state, &m->segments[i]))
			continue;
		c->total += m->segments[i].bytes;
		c->wanted[c->count++] = &m->segments[i];
	}
}

int fetch_segments(const struct fetch_input *in, struct fetch_result *out, struct err *err)
{
	OWNED_STR char *path = state_path(in->state, "fetch");
	OWNED_STR char *segments = state_path(in->state, "segments");
	struct crew c = {.in = in, .out = out};
	int r = path && segments ? make_dirs(path, err) : no_memory(err);

	c.wanted = calloc(in->manifest->segment_count + 1, sizeof(*c.wanted));
	if (!c.wanted)
		r = no_memory(err);
	if (r == 0) {
		choose(&c);
		r = sweep(&c, path, err);
	}
	if (r == 0 && c.count)
		r = run(&c, err);
	if (r == 0) /* also for what an earlier run put there */
		r = sync_path(segments, err);
	free(c.wanted);
	return r;
}

/* ---- what is here ---- */

/* It is not what its manifest says, as far as its front tells: only then it is read as a whole. */
static bool is_suspect(const char *path, const struct manifest_segment *m)
{
	OWNED(segment) struct segment *segment = NULL;
	int r = segment_open(&segment, path, m->name, NULL);
	const struct segment_info *info = r == 0 ? segment_info(segment) : NULL;

	if (!info)
		return r == -EBADMSG;
	return m->entries != info->entries || m->first != info->first || m->last != info->last ||
	       m->documents > info->live;
}

static bool is_damaged(int fd, const struct manifest_segment *m)
{
	uint8_t sum[SHA256_BYTES];
	int r = sha256_fd(fd, sum, NULL);

	return r == -EIO || (r == 0 && memcmp(sum, m->sha256, sizeof(sum)) != 0);
}

static int drop_damaged(const struct state *state, const struct manifest_segment *m, struct err *err)
{
	OWNED_STR char *path = state_path(state, "segments/%s.seg", m->name);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	bool damaged;

	if (!path)
		return no_memory(err);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, -errno, "%s: cannot be opened", path);
	damaged = is_suspect(path, m) && is_damaged(fd, m);
	close(fd);
	if (!damaged)
		return 0;
	return unlink(path) < 0 ? err_sys(err, -errno, "%s: is damaged, and cannot be removed", path) : 1;
}

int fetch_drop_damaged(const struct state *state, const struct manifest *m, struct err *err)
{
	int count = 0;

	for (size_t i = 0; i < m->segment_count; i++) {
		int r = drop_damaged(state, &m->segments[i], err);

		if (r < 0)
			return r;
		count += r;
	}
	return count;
}
