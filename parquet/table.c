/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <inttypes.h>

#include "column.h"
#include "session.h"

#define TEXT_ENOUGH ((size_t)256 << 10) /* is handed out */

struct printer {
	const struct table_input *in;
	struct session session;
	struct names names;
	size_t *wanted; /* owned: places of columns in names; in the order of the file */
	size_t count;
	struct column *columns; /* owned; as wanted; from the first rows on */
	struct buf text;
	uint64_t rows;
	text_fn *fn;
	void *ctx;
};

static bool is_wanted(const struct table_input *in, struct slice name)
{
	if (!in->columns)
		return true;
	for (size_t i = 0; i < in->column_count; i++)
		if (slice_eq(name, slice_str(in->columns[i])))
			return true;
	return false;
}

/* Columns are asked for by number, since names are not unique. Where none is wanted, rows are still counted. */
static int select_columns(struct printer *p, struct buf *sql)
{
	const struct names *n = &p->names;
	size_t at = 1;

	p->wanted = calloc(n->all[0].count + 1, sizeof(*p->wanted));
	if (!p->wanted)
		return -ENOMEM;
	buf_add_str(sql, "SELECT ");
	for (size_t i = 0; i < n->all[0].count; i++, at = n->all[at].after) {
		if (!is_wanted(p->in, n->all[at].text))
			continue;
		buf_addf(sql, "%s#%zu", p->count ? ", " : "", i + 1);
		p->wanted[p->count++] = at;
	}
	buf_addf(sql, "%s FROM read_parquet('%s', hive_partitioning = false, binary_as_string = false)",
		p->count ? "" : "NULL", p->in->path);
	return buf_error(sql);
}

static int columns_init(struct printer *p, duckdb_data_chunk chunk, struct err *err)
{
	int r = 0;

	p->columns = calloc(p->count + 1, sizeof(*p->columns));
	if (!p->columns)
		return err_set(err, -ENOMEM, "out of memory");
	if (p->count && duckdb_data_chunk_get_column_count(chunk) != p->count)
		return err_set(err, -EBADMSG, "DuckDB reads %" PRIu64 " columns, and not %zu",
			(uint64_t)duckdb_data_chunk_get_column_count(chunk), p->count);
	for (size_t i = 0; r == 0 && i < p->count; i++) {
		duckdb_logical_type type =
			duckdb_vector_get_column_type(duckdb_data_chunk_get_vector(chunk, i));

		r = column_init(&p->columns[i], type, &p->names, p->wanted[i], err);
		duckdb_destroy_logical_type(&type);
	}
	return r;
}

static int hand_out(struct printer *p, struct err *err)
{
	/* DuckDB has its memory already: what a row needs besides is the file's doing. */
	int r = buf_error(&p->text) ? err_set(err, -EBADMSG, "a row needs more memory as text than there is")
				    : p->fn(p->ctx, buf_slice(&p->text), err);

	buf_clear(&p->text);
	return r;
}

static void print_row(struct printer *p, idx_t row)
{
	bool first = true;

	buf_add_byte(&p->text, '{');
	for (size_t i = 0; i < p->count; i++)
		if (column_member(&p->columns[i], row, first, &p->text))
			first = false;
	buf_add_str(&p->text, "}\n");
}

static int print_chunk(void *ctx, duckdb_data_chunk chunk, struct err *err)
{
	struct printer *p = ctx;
	idx_t rows = duckdb_data_chunk_get_size(chunk);
	int r = p->columns ? 0 : columns_init(p, chunk, err);

	for (size_t i = 0; r == 0 && i < p->count; i++)
		column_point(&p->columns[i], duckdb_data_chunk_get_vector(chunk, i));
	for (idx_t row = 0; r == 0 && row < rows; row++) {
		print_row(p, row);
		if (p->text.len >= TEXT_ENOUGH || p->text.failed)
			r = hand_out(p, err);
	}
	p->rows += rows;
	return r;
}

static int print_all(struct printer *p, struct err *err)
{
	OWNED_BUF sql = {0};
	int r = session_open(&p->session, p->in->path, p->in->memory, err);

	if (r == 0)
		r = names_read(&p->names, p->session.db, p->in->path, err);
	if (r < 0)
		return r;
	if (select_columns(p, &sql) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	r = query_run(p->session.db, print_chunk, p, err, "%s", buf_cstr(&sql));
	if (r == 0 && p->rows != p->names.rows)
		r = err_set(err, -EBADMSG, "%" PRIu64 " rows, and the footer says %" PRIu64, p->rows,
			p->names.rows);
	return r == 0 && p->text.len ? hand_out(p, err) : r;
}

int table_print(const struct table_input *in, text_fn *fn, void *ctx, struct err *err)
{
	struct printer p = {.in = in, .fn = fn, .ctx = ctx};
	int r = print_all(&p, err);

	for (size_t i = 0; p.columns && i < p.count; i++)
		column_release(&p.columns[i]);
	free(p.columns);
	free(p.wanted);
	buf_release(&p.text);
	names_release(&p.names);
	session_close(&p.session);
	return r;
}
