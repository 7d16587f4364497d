/* SPDX-License-Identifier: Apache-2.0 */
/* index/generation.c - opening a published state, and the file `current`. */
#include "generation.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "timefmt.h"

#define CURRENT_MAX 128

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int read_manifest(struct generation *g, const struct state *state, uint64_t number, struct err *err)
{
	OWNED_STR char *path = state_path(state, "generations/%" PRIu64 ".json", number);
	int r;

	if (!path)
		return no_memory(err);
	r = read_file(path, MANIFEST_MAX, &g->manifest_bytes, err);
	if (r == -ENOENT)
		return err_set(err, -ENOENT, "generation %" PRIu64 " is not kept (any more)", number);
	if (r)
		return r;
	if (sha256(buf_slice(&g->manifest_bytes), g->sha256))
		return err_set(err, -EIO, "SHA-256 is not to be had from libcrypto");
	r = manifest_decode(buf_slice(&g->manifest_bytes), &g->manifest, err);
	if (r)
		return err_context(err, r, "%s", path);
	if (g->manifest.number != number)
		return err_set(
			err, -EBADMSG, "%s: says that it is generation %" PRIu64, path, g->manifest.number);
	return 0;
}

static int read_live(struct generation *g, const struct state *state, struct err *err)
{
	const struct manifest *m = &g->manifest;
	OWNED_STR char *path = state_path(state, "generations/%" PRIu64 ".live", m->number);
	uint8_t sum[SHA256_BYTES];
	int r;

	if (!path)
		return no_memory(err);
	if (m->live_bytes > LIVE_BYTES_MAX)
		return err_set(err, -EBADMSG, "%s: cannot have %" PRIu64 " bytes", path, m->live_bytes);
	r = read_file(path, (size_t)m->live_bytes, &g->live_bytes, err);
	if (r)
		return r == -EFBIG ? -EBADMSG : r;
	if (sha256(buf_slice(&g->live_bytes), sum))
		return err_set(err, -EIO, "SHA-256 is not to be had from libcrypto");
	if (g->live_bytes.len != m->live_bytes || memcmp(sum, m->live_sha256, sizeof(sum)) != 0)
		return err_set(
			err, -EBADMSG, "%s: is not the file that the manifest names (SHA-256 differs)", path);
	r = live_decode(buf_slice(&g->live_bytes), &g->live, err);
	return r ? err_context(err, r, "%s", path) : 0;
}

/* What manifest, live set and header say of one segment must agree. */
static int check_segment(const struct manifest_segment *m, const struct live_segment *l,
	const struct segment_info *info, struct err *err)
{
	if (strcmp(m->name, l->name) != 0 || m->entries != l->entries || m->superseded != l->superseded ||
		m->documents != l->documents)
		return err_set(err, -EBADMSG, "segment %s: manifest and live set disagree", m->name);
	if (m->undone_count && m->undone[m->undone_count - 1] >= info->sources)
		return err_set(err, -EBADMSG, "segment %s: undone source %u of %" PRIu64, m->name,
			m->undone[m->undone_count - 1], info->sources);
	if (m->entries != info->entries || m->bytes != info->file_bytes || m->first != info->first ||
		m->last != info->last || m->documents > info->live)
		return err_set(err, -EBADMSG,
			"segment %s: is not the file that the manifest names (%" PRIu64 " bytes and %" PRIu64
			" entries, not %" PRIu64 " and %" PRIu64 ")",
			m->name, info->file_bytes, info->entries, m->bytes, m->entries);
	return 0;
}

static int open_segments(struct generation *g, const struct state *state, struct err *err)
{
	const struct manifest *m = &g->manifest;

	if (g->live.count != m->segment_count)
		return err_set(err, -EBADMSG, "the live set has %zu segments, the manifest %zu",
			g->live.count, m->segment_count);
	g->segments = calloc(m->segment_count ? m->segment_count : 1, sizeof(struct segment *));
	if (!g->segments)
		return no_memory(err);
	for (size_t i = 0; i < m->segment_count; i++) {
		OWNED_STR char *path = state_path(state, "segments/%s.seg", m->segments[i].name);
		int r;

		if (!path)
			return no_memory(err);
		r = segment_open(&g->segments[i], path, m->segments[i].name, err);
		if (!r)
			r = check_segment(
				&m->segments[i], &g->live.segments[i], segment_info(g->segments[i]), err);
		if (!r && i && m->segments[i].base && !m->segments[i - 1].base)
			r = err_set(err, -EBADMSG, "segment %s of the base lies over a delta",
				m->segments[i].name);
		if (r)
			return r;
	}
	return 0;
}

int generation_open(struct generation **out, const struct state *state, uint64_t number, struct err *err)
{
	OWNED(generation) struct generation *g = calloc(1, sizeof(*g));
	int r;

	*out = NULL;
	if (!g)
		return no_memory(err);
	g->refs = 1;
	r = read_manifest(g, state, number, err);
	if (r)
		return r;
	r = read_live(g, state, err);
	if (!r)
		r = open_segments(g, state, err);
	if (r)
		return err_context(err, r, "generation %" PRIu64, number);
	*out = steal(&g);
	return 0;
}

/* Takes the segments over, without owning them, and derives their live set. */
static int fill(struct generation *g, const struct generation_draft *d, int64_t horizon, struct err *err)
{
	const char **names = calloc(d->count + 1, sizeof(*names));
	struct undone *undone = calloc(d->count + 1, sizeof(*undone));
	struct live_input in = {.names = names, .undone = undone, .count = d->count, .horizon = horizon};
	struct manifest *m = &g->manifest;
	int r = names && undone ? 0 : no_memory(err);

	m->segments = calloc(d->count + 1, sizeof(*m->segments));
	g->segments = calloc(d->count + 1, sizeof(struct segment *));
	if (!m->segments || !g->segments)
		r = no_memory(err);
	for (size_t i = 0; !r && i < d->count; i++) {
		r = manifest_segment_copy(&d->manifests[i], &m->segments[i]);
		m->segment_count += !r;
		names[i] = d->manifests[i].name;
		undone[i] = manifest_undone(&d->manifests[i]);
		g->segments[i] = d->segments[i];
	}
	in.segments = g->segments;
	m->horizon = horizon;
	m->documents = 0;
	if (!r)
		r = live_derive(&in, &g->live, err);
	for (size_t i = 0; !r && i < m->segment_count; i++) {
		m->segments[i].superseded = g->live.segments[i].superseded;
		m->segments[i].documents = g->live.segments[i].documents;
		m->documents += m->segments[i].documents;
	}
	free(names);
	free(undone);
	return r;
}

int generation_make(
	struct generation **out, const struct generation_draft *d, int64_t horizon, struct err *err)
{
	struct generation *g = calloc(1, sizeof(*g));
	int r;

	*out = NULL;
	if (!g)
		return no_memory(err);
	g->refs = 1;
	g->manifest.base_at = g->manifest.watermark = TIME_NONE;
	r = fill(g, d, horizon, err);
	if (!r) {
		*out = g;
		return 0;
	}
	free(g->segments); /* they are still the caller's */
	g->segments = NULL;
	generation_unref(g);
	return r;
}

int generation_part(
	struct generation **out, struct generation *whole, const bool *keep, int64_t horizon, struct err *err)
{
	OWNED(generation) struct generation *g = calloc(1, sizeof(*g));
	size_t n = whole->manifest.segment_count;
	struct generation_draft d = {.segments = calloc(n + 1, sizeof(*d.segments)),
		.manifests = calloc(n + 1, sizeof(*d.manifests))};
	int r = g && d.segments && d.manifests ? 0 : no_memory(err);

	*out = NULL;
	if (g)
		g->refs = 1;
	for (size_t i = 0; !r && i < n; i++) {
		if (!keep[i])
			continue;
		d.segments[d.count] = whole->segments[i];
		d.manifests[d.count++] = whole->manifest.segments[i];
	}
	if (!r) {
		g->whole = generation_ref(whole);
		g->manifest = whole->manifest;
		g->manifest.segments = NULL;
		g->manifest.segment_count = 0;
		r = fill(g, &d, horizon, err);
	}
	free(d.segments);
	free(d.manifests);
	if (r)
		return err_context(err, r, "a part of generation %" PRIu64, whole->manifest.number);
	*out = steal(&g);
	return 0;
}

struct generation *generation_ref(struct generation *g)
{
	g->refs++;
	return g;
}

void generation_unref(struct generation *g)
{
	if (!g || --g->refs)
		return;
	for (size_t i = 0; g->segments && !g->whole && i < g->manifest.segment_count; i++)
		segment_free(g->segments[i]);
	generation_unref(g->whole);
	free(g->segments);
	live_release(&g->live);
	manifest_release(&g->manifest);
	buf_release(&g->manifest_bytes);
	buf_release(&g->live_bytes);
	free(g);
}

int generation_check(const struct generation *g, struct err *err)
{
	for (size_t i = 0; i < g->manifest.segment_count; i++)
		if (segment_is_broken(g->segments[i]))
			return err_set(err, -EBADMSG,
				"segment %s: was cut short or cannot be read, while generation %" PRIu64
				" is served from it",
				g->manifest.segments[i].name, g->manifest.number);
	return 0;
}

/* ---- current ---- */

/* "NUMBER SHA256\n" and nothing else. */
static bool current_parse(struct slice text, uint64_t *number, uint8_t sha256[SHA256_BYTES])
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++)
		if (__builtin_mul_overflow(n, 10u, &n) ||
			__builtin_add_overflow(n, (unsigned)(text.data[i] - '0'), &n))
			return false;
	if (!n || text.data[0] == '0' || text.len != i + 1 + 2 * SHA256_BYTES + 1)
		return false;
	if (text.data[i] != ' ' || text.data[text.len - 1] != '\n')
		return false;
	*number = n;
	return hex_parse(slice_of(text.data + i + 1, 2 * SHA256_BYTES), sha256, SHA256_BYTES);
}

int current_read(const struct state *state, uint64_t *number, uint8_t sha256[SHA256_BYTES], struct err *err)
{
	OWNED_STR char *path = state_path(state, "current");
	OWNED_BUF text = {0};
	int r;

	*number = 0;
	if (!path)
		return no_memory(err);
	r = read_file(path, CURRENT_MAX, &text, err);
	if (r == -ENOENT)
		return 0;
	if (r)
		return r == -EFBIG ? -EBADMSG : r;
	if (!current_parse(buf_slice(&text), number, sha256)) {
		*number = 0;
		return err_set(err, -EBADMSG,
			"%s: is damaged (not \"NUMBER SHA256\"); the next build writes it anew from the catalog",
			path);
	}
	return 1;
}

int current_write(
	const struct state *state, uint64_t number, const uint8_t sha256[SHA256_BYTES], struct err *err)
{
	OWNED_STR char *temp = state_path(state, "tmp/current");
	OWNED_STR char *path = state_path(state, "current");
	char hex[SHA256_HEX], text[CURRENT_MAX];
	int len, r;

	if (!temp || !path)
		return no_memory(err);
	len = snprintf(text, sizeof(text), "%" PRIu64 " %s\n", number, hex_text(sha256, SHA256_BYTES, hex));
	/* Only a writer that died can have left one: the lock is ours. */
	unlink(temp);
	r = write_file(temp, slice_of(text, (size_t)len), err);
	if (r)
		return r;
	if (rename(temp, path) < 0)
		return err_sys(err, -errno, "%s: cannot be renamed to %s", temp, path);
	return sync_path(state->dir, err);
}
