/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include "name.h"
#include "session.h"

enum { NAME, CHILDREN, CONVERTED, LOGICAL, PRECISION, REPETITION, FIELDS };

static const char sql[] =
	"SELECT name, num_children::BIGINT, converted_type, logical_type, precision::BIGINT, repetition_type "
	"FROM parquet_schema('%s')";

/* One row of the schema, as it stands. */
struct field {
	struct slice text[FIELDS]; /* of the strings */
	int64_t number[FIELDS];    /* of the numbers; 0 where there is none */
};

static void field_read(duckdb_data_chunk chunk, idx_t row, struct field *f)
{
	*f = (struct field){0};
	for (idx_t i = 0; i < FIELDS; i++) {
		duckdb_vector v = duckdb_data_chunk_get_vector(chunk, i);

		if (!duckdb_validity_row_is_valid(duckdb_vector_get_validity(v), row))
			continue;
		if (i == CHILDREN || i == PRECISION)
			f->number[i] = ((int64_t *)duckdb_vector_get_data(v))[row];
		else
			f->text[i] = query_string(v, row);
	}
}

/* Numbers of bits are characters here. */
static duckdb_type wanted_integer(struct slice logical)
{
	if (slice_starts(logical, slice_str("IntType(bitWidth=@, isSigned=0")))
		return DUCKDB_TYPE_UBIGINT;
	if (slice_starts(logical, slice_str("IntType(bitWidth= , isSigned=0")))
		return DUCKDB_TYPE_UINTEGER;
	return DUCKDB_TYPE_INVALID;
}

static duckdb_type wanted_type(struct slice logical)
{
	static const struct {
		const char *starts;
		duckdb_type type;
	} all[] = {{"StringType", DUCKDB_TYPE_VARCHAR}, {"EnumType", DUCKDB_TYPE_VARCHAR},
		{"JsonType", DUCKDB_TYPE_VARCHAR}, {"DecimalType", DUCKDB_TYPE_DECIMAL},
		{"DateType", DUCKDB_TYPE_DATE}, {"ListType", DUCKDB_TYPE_LIST}, {"MapType", DUCKDB_TYPE_MAP}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (slice_starts(logical, slice_str(all[i].starts)))
			return all[i].type;
	return wanted_integer(logical);
}

static bool has(struct slice text, const char *what)
{
	return text.len && memmem(text.data, text.len, what, strlen(what));
}

static enum names_unit unit_of(struct slice logical, struct slice converted)
{
	if (has(logical, "MILLIS=MilliSeconds") || slice_eq(converted, slice_str("TIMESTAMP_MILLIS")))
		return UNIT_MILLIS;
	return has(logical, "NANOS=NanoSeconds") ? UNIT_NANOS : UNIT_OTHER;
}

/* Where only the older mark is there, it says so: LogicalTypes.md, "Deprecated timestamp ConvertedType". */
static bool is_utc(struct slice logical, struct slice converted)
{
	return logical.len ? has(logical, "isAdjustedToUTC=1")
			   : slice_starts(converted, slice_str("TIMESTAMP_"));
}

/* `text` of a name is its place in n->text until all are there. */
static int name_add(struct names *n, const struct field *f, struct err *err)
{
	struct name *name = &n->all[n->count];
	int64_t count = f->number[CHILDREN], digits = f->number[PRECISION];

	if (!utf8_is_valid(f->text[NAME]))
		return err_set(err, -EBADMSG, "the name of a column is not valid UTF-8");
	if (count < 0 || count > NAMES_MAX || digits < 0 || digits > INT32_MAX)
		return err_set(err, -EBADMSG, "the schema is damaged: %lld members, %lld digits",
			(long long)count, (long long)digits);
	*name = (struct name){.text = {NULL, f->text[NAME].len},
		.is_list = slice_eq(f->text[CONVERTED], slice_str("LIST")) ||
			   slice_starts(f->text[LOGICAL], slice_str("ListType")),
		.is_map = slice_starts(f->text[CONVERTED], slice_str("MAP")) ||
			  slice_starts(f->text[LOGICAL], slice_str("MapType")),
		.is_repeated = slice_eq(f->text[REPETITION], slice_str("REPEATED")),
		.digits = slice_eq(f->text[CONVERTED], slice_str("DECIMAL")) ||
					  slice_starts(f->text[LOGICAL], slice_str("DecimalType"))
				  ? (unsigned)digits
				  : 0,
		.wants = wanted_type(f->text[LOGICAL]),
		.unit = unit_of(f->text[LOGICAL], f->text[CONVERTED]),
		.is_utc = is_utc(f->text[LOGICAL], f->text[CONVERTED]),
		.count = (size_t)count};
	buf_add_slice(&n->text, f->text[NAME]);
	n->count++;
	return 0;
}

static int names_take(void *ctx, duckdb_data_chunk chunk, struct err *err)
{
	struct names *n = ctx;
	idx_t rows = duckdb_data_chunk_get_size(chunk);
	struct name *all;
	int r = 0;

	if (n->count + rows > NAMES_MAX)
		return err_set(err, -EBADMSG, "more than %u columns and members", NAMES_MAX);
	all = realloc(n->all, (n->count + rows) * sizeof(*all));
	if (!all)
		return err_set(err, -ENOMEM, "out of memory");
	n->all = all;
	for (idx_t i = 0; r == 0 && i < rows; i++) {
		struct field f;

		field_read(chunk, i, &f);
		r = name_add(n, &f, err);
	}
	return r;
}

/* Finds the ends of all below `at`. Returns the place behind the last of them, 0 when the schema is no tree. */
static size_t names_close(struct names *n, size_t at, unsigned depth)
{
	size_t next = at + 1;

	if (depth > NAMES_NESTING_MAX)
		return 0;
	for (size_t i = 0; i < n->all[at].count; i++) {
		next = next < n->count ? names_close(n, next, depth + 1) : 0;
		if (!next)
			return 0;
	}
	n->all[at].after = next;
	return next;
}

static void names_point(struct names *n)
{
	size_t at = 0;

	for (size_t i = 0; i < n->count; i++) {
		n->all[i].text.data = n->text.data + at;
		at += n->all[i].text.len;
	}
}

static int rows_take(void *ctx, duckdb_data_chunk chunk, struct err *err)
{
	struct names *n = ctx;
	int64_t rows;

	if (!duckdb_data_chunk_get_size(chunk))
		return 0;
	rows = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
	if (rows < 0)
		return err_set(err, -EBADMSG, "the footer says %lld rows", (long long)rows);
	n->rows = (uint64_t)rows;
	return 0;
}

static int read_all(struct names *n, duckdb_connection db, const char *path, struct err *err)
{
	int r = query_run(db, names_take, n, err, sql, path);

	if (r == 0)
		r = query_run(db, rows_take, n, err,
			"SELECT num_rows::BIGINT FROM parquet_file_metadata('%s')", path);
	if (r < 0)
		return r;
	if (buf_error(&n->text))
		return err_set(err, -ENOMEM, "out of memory");
	names_point(n);
	if (!n->count || names_close(n, 0, 0) != n->count)
		return err_set(
			err, -EBADMSG, "the schema is damaged, or nested deeper than %u", NAMES_NESTING_MAX);
	return 0;
}

int names_read(struct names *out, duckdb_connection db, const char *path, struct err *err)
{
	int r;

	*out = (struct names){0};
	r = read_all(out, db, path, err);
	if (r < 0)
		names_release(out);
	return r;
}

void names_release(struct names *n)
{
	free(n->all);
	buf_release(&n->text);
	*n = (struct names){0};
}

size_t names_child(const struct names *n, size_t at, size_t i)
{
	size_t child = at + 1;

	while (i--)
		child = n->all[child].after;
	return child;
}
