/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog_private.h"

#include <inttypes.h>
#include <stdio.h>

#include "digest.h"
#include "timefmt.h"

#define ADOPTED_KEY "adopted" /* number and SHA-256 of the last that was: which may not be kept any more */

/* ---- generations ---- */

int catalog_take_number(struct catalog *c, uint64_t *out, struct err *err)
{
	int r = sql_begin(c->sql, true, err);

	if (r)
		return r;
	r = sql_run(c->sql, Q_TAKE, err);
	if (!r)
		r = sql_run_number(c->sql, Q_TAKEN, out, err);
	return sql_finish(c->sql, r, err);
}

int catalog_raise_number(struct catalog *c, uint64_t number, struct err *err)
{
	struct sqlite3_stmt *s;
	int r = sql_query(c->sql, Q_RAISE, &s, err);

	if (r)
		return r;
	sql_bind_u64(s, 1, number);
	return sql_step(c->sql, s, err);
}

static int publish_check(struct catalog *c, const struct manifest *m, struct err *err)
{
	struct catalog_current now;
	uint64_t taken;
	int r = catalog_current(c, &now, err);

	if (!r)
		r = sql_run_number(c->sql, Q_TAKEN, &taken, err);
	if (r)
		return r;
	if (now.number != m->parent ||
		(now.number && memcmp(now.sha256, m->parent_sha256, SHA256_BYTES) != 0))
		return err_set(err, -ESTALE,
			"generation %" PRIu64 " was built on %" PRIu64 ", but %" PRIu64 " is current by now",
			m->number, m->parent, now.number);
	if (m->watermark == TIME_NONE ||
		(now.number && m->watermark < now.watermark && m->kind != MANIFEST_ROLLBACK))
		return err_set(
			err, -ESTALE, "generation %" PRIu64 " would move the watermark back", m->number);
	if (m->number > taken || m->number <= now.number)
		return err_set(err, -ESTALE,
			"generation %" PRIu64 " bears a number that was not taken for it", m->number);
	return 0;
}

static int pause_builds(struct catalog *c, uint64_t number, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return catalog_set(c, CATALOG_PAUSED, slice_str(text), err);
}

/* The generation's row, and that it is current. */
static int put_current(
	struct catalog *c, const struct manifest *m, const uint8_t sha256[SHA256_BYTES], struct err *err)
{
	struct sqlite3_stmt *s;
	int r = sql_query(c->sql, Q_GENERATION_PUT, &s, err);

	if (r)
		return r;
	sql_bind_u64(s, 1, m->number);
	sql_bind_u64(s, 2, m->parent);
	sql_bind_time(s, 3, m->watermark);
	sql_bind_time(s, 4, m->published);
	sql_bind_blob(s, 5, slice_of(sha256, SHA256_BYTES));
	sql_bind_time(s, 6, m->base_at);
	sql_bind_u64(s, 7, m->kind == MANIFEST_MERGE);
	r = sql_step(c->sql, s, err);
	if (!r)
		r = sql_query(c->sql, Q_CURRENT_SET, &s, err);
	if (r)
		return r;
	sql_bind_u64(s, 1, m->number);
	return sql_step(c->sql, s, err);
}

static int publish_in_transaction(struct catalog *c, const struct manifest *m,
	const uint8_t sha256[SHA256_BYTES], const struct row *rows, size_t row_count, struct err *err)
{
	int r = publish_check(c, m, err);

	for (size_t i = 0; !r && i < row_count; i++)
		r = catalog_keep_past(c, m->number, rows[i].ts, err);
	if (!r)
		r = catalog_put_rows(c, rows, row_count, err);
	if (!r && m->kind == MANIFEST_ROLLBACK)
		r = pause_builds(c, m->number, err);
	return r ? r : put_current(c, m, sha256, err);
}

int catalog_publish(struct catalog *c, const struct manifest *m, const uint8_t sha256[SHA256_BYTES],
	const struct row *rows, size_t row_count, struct err *err)
{
	int r = sql_begin(c->sql, true, err);

	return r ? r : sql_finish(c->sql, publish_in_transaction(c, m, sha256, rows, row_count, err), err);
}

/* ---- what another host published ---- */

static int adopt_check(struct catalog *c, const struct catalog_adoption *a, struct err *err)
{
	const struct manifest *m = a->manifest;
	struct catalog_current now;
	int r = catalog_current(c, &now, err);

	if (r)
		return r;
	if (now.number && strcmp(m->index, c->index) != 0)
		return err_set(err, -ENOTSUP,
			"it is of index %s, but generation %" PRIu64
			" of index %s is here: use another --state",
			m->index, now.number, c->index);
	if (m->number <= now.number)
		return err_set(err, -ESTALE, "generation %" PRIu64 " is not above %" PRIu64 ", which is here",
			m->number, now.number);
	return 0;
}

static int drop_row(struct catalog *c, int64_t ts, struct err *err)
{
	static const enum catalog_query drops[] = {Q_FILES_DROP, Q_ROW_DROP};
	struct sqlite3_stmt *s;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(drops) / sizeof(drops[0]); i++) {
		r = sql_query(c->sql, drops[i], &s, err);
		if (r)
			return r;
		sql_bind_time(s, 1, ts);
		r = sql_step(c->sql, s, err);
	}
	return r;
}

static int adopt_rows(struct catalog *c, const struct catalog_adoption *a, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->row_count; i++)
		r = catalog_keep_past(c, a->manifest->number, a->rows[i].ts, err);
	for (size_t i = 0; r == 0 && i < a->gone_count; i++) {
		r = catalog_keep_past(c, a->manifest->number, a->gone[i], err);
		if (r == 0)
			r = drop_row(c, a->gone[i], err);
	}
	return r ? r : catalog_put_rows(c, a->rows, a->row_count, err);
}

static void add_adopted(uint64_t number, const uint8_t sha256[SHA256_BYTES], struct buf *out)
{
	char hex[SHA256_HEX];

	buf_addf(out, "%" PRIu64 " %s", number, hex_text(sha256, SHA256_BYTES, hex));
}

static int set_adopted(struct catalog *c, const struct catalog_adoption *a, struct err *err)
{
	OWNED_BUF text = {0};

	add_adopted(a->manifest->number, a->sha256, &text);
	return buf_error(&text) ? err_set(err, -ENOMEM, "out of memory")
				: catalog_set(c, ADOPTED_KEY, buf_slice(&text), err);
}

static int set_texts(struct catalog *c, const struct catalog_adoption *a, struct err *err)
{
	char paused[24] = "";
	int r = catalog_set(c, "index", slice_str(a->manifest->index), err);

	if (a->paused)
		snprintf(paused, sizeof(paused), "%" PRIu64, a->paused);
	if (r == 0)
		r = catalog_set(c, CATALOG_PAUSED, slice_str(paused), err);
	if (r == 0)
		r = catalog_set(c, CATALOG_FOLLOWED, a->followed, err);
	if (r == 0)
		r = set_adopted(c, a, err);
	if (r == 0)
		r = catalog_set(c, CATALOG_ROWLESS, slice_str(a->config.data ? "" : "1"), err);
	return r == 0 && a->config.data ? catalog_set(c, "config", a->config, err) : r;
}

static int adopt_in_transaction(struct catalog *c, const struct catalog_adoption *a, struct err *err)
{
	int r = adopt_check(c, a, err);

	if (r == 0)
		r = adopt_rows(c, a, err);
	if (r == 0)
		r = set_texts(c, a, err);
	if (r == 0)
		r = catalog_raise_number(c, a->manifest->number, err);
	return r ? r : put_current(c, a->manifest, a->sha256, err);
}

int catalog_adopt(struct catalog *c, const struct catalog_adoption *a, struct err *err)
{
	int r = sql_begin(c->sql, true, err);

	if (r == 0)
		r = sql_finish(c->sql, adopt_in_transaction(c, a, err), err);
	if (r == 0)
		memcpy(c->index, a->manifest->index, UUID_TEXT);
	return r;
}

static int take_generation(struct sqlite3_stmt *s, struct arena *arena, void *to)
{
	*(struct catalog_generation *)to = (struct catalog_generation){
		sql_u64(s, 0), sql_time(s, 1), sql_time(s, 2), sql_u64(s, 3) != 0};
	return 0;
}

int catalog_generations(struct catalog *c, struct arena *arena, struct catalog_generation **out,
	size_t *count, struct err *err)
{
	struct sqlite3_stmt *s;
	void *array = NULL;
	int r;

	*out = NULL;
	*count = 0;
	r = sql_query(c->sql, Q_GENERATIONS, &s, err);
	if (!r)
		r = catalog_take_all(c, s, take_generation, sizeof(**out), arena, &array, count, err);
	*out = array;
	return r;
}

static int has_generation(
	struct catalog *c, uint64_t number, const uint8_t sha256[SHA256_BYTES], struct err *err)
{
	struct sqlite3_stmt *s;
	int r = sql_query(c->sql, Q_GENERATION_HAS, &s, err);

	if (r)
		return r;
	sql_bind_u64(s, 1, number);
	sql_bind_blob(s, 2, slice_of(sha256, SHA256_BYTES));
	r = sql_step(c->sql, s, err);
	if (r == 1)
		sql_done(s);
	return r;
}

int catalog_has_had(struct catalog *c, uint64_t number, const uint8_t sha256[SHA256_BYTES], struct err *err)
{
	OWNED_BUF want = {0};
	OWNED_BUF adopted = {0};
	int r = has_generation(c, number, sha256, err);

	if (r == 0 && (r = catalog_get(c, ADOPTED_KEY, &adopted, err)) == 1) {
		add_adopted(number, sha256, &want);
		r = buf_error(&want) ? err_set(err, -ENOMEM, "out of memory")
				     : slice_eq(buf_slice(&want), buf_slice(&adopted));
	}
	return r;
}

static int drop_in_transaction(struct catalog *c, const uint64_t *numbers, size_t count, struct err *err)
{
	struct sqlite3_stmt *s;
	int r = sql_query(c->sql, Q_GENERATION_DROP, &s, err);

	for (size_t i = 0; !r && i < count; i++) {
		sql_bind_u64(s, 1, numbers[i]);
		r = sql_step(c->sql, s, err);
	}
	if (!r)
		r = sql_run(c->sql, Q_PAST_DROP, err);
	return r ? r : sql_run(c->sql, Q_PAST_FILES_DROP, err);
}

int catalog_drop_generations(struct catalog *c, const uint64_t *numbers, size_t count, struct err *err)
{
	int r = sql_begin(c->sql, true, err);

	return r ? r : sql_finish(c->sql, drop_in_transaction(c, numbers, count, err), err);
}
