/* SPDX-License-Identifier: Apache-2.0 */
#include "column.h"
#include "json.h"

#include <math.h>

/* ---- what a column is ---- */

static int set_key(struct column *c, struct slice name)
{
	OWNED_BUF key = {0};

	json_string(&key, name);
	buf_add_byte(&key, ':');
	if (buf_error(&key))
		return -ENOMEM;
	c->key_len = key.len;
	c->key = steal(&key.data);
	return 0;
}

static int add_below(struct column *c, size_t count)
{
	c->below = calloc(count ? count : 1, sizeof(*c->below));
	c->count = c->below ? count : 0;
	return c->below ? 0 : -ENOMEM;
}

static int unlike(const struct names *n, size_t at, struct err *err)
{
	return err_set(err, -EBADMSG, "column %.*s: its members are not those of the schema",
		(int)n->all[at].text.len, n->all[at].text.data);
}

/* Is it taken for what the file says that it is? Else its values would be others. */
static int check_seen(const struct column *c, const struct name *name, struct err *err)
{
	if (name->wants == DUCKDB_TYPE_INVALID || name->wants == c->type)
		return 0;
	return err_set(err, -EBADMSG,
		"column %.*s: what it is, is said by LogicalType alone, which DuckDB does not look at: have it written with ConvertedType too",
		(int)name->text.len, name->text.data);
}

static int init_struct(
	struct column *c, duckdb_logical_type type, const struct names *n, size_t at, struct err *err)
{
	idx_t count = duckdb_struct_type_child_count(type);
	int r = check_seen(c, &n->all[at], err);

	if (r == 0)
		r = n->all[at].count == count ? add_below(c, count) : unlike(n, at, err);
	for (idx_t i = 0; r == 0 && i < count; i++) {
		duckdb_logical_type child = duckdb_struct_type_child_type(type, i);

		r = column_init(&c->below[i], child, n, names_child(n, at, i), err);
		duckdb_destroy_logical_type(&child);
	}
	return r;
}

/* Is the repeated group the element itself, and no level of its own? By the rules for files that are older than the standard. */
static bool is_element(const struct names *n, size_t list, size_t group)
{
	struct slice name = n->all[list].text, own = n->all[group].text;

	return slice_eq(own, slice_str("array")) ||
	       (own.len == name.len + 6 && slice_starts(own, name) &&
		       slice_eq(slice_of(own.data + name.len, 6), slice_str("_tuple")));
}

/* The place of what DuckDB takes for a list's element; it passes over a repeated group of one member, also where that group is the
 * element: then the list is `wrapped`. Of lists that are repeated without being marked as such it is the name itself. */
static size_t element_of(const struct names *n, size_t at, duckdb_type element, bool *wrapped)
{
	bool marked = n->all[at].is_list;
	size_t group = marked ? names_child(n, at, 0) : at, member;

	*wrapped = false;
	if (n->all[group].count != 1)
		return group;
	member = names_child(n, group, 0);
	if (element == DUCKDB_TYPE_STRUCT && !n->all[member].count)
		return group;
	*wrapped = !marked || is_element(n, at, group);
	return member;
}

static int init_list(
	struct column *c, duckdb_logical_type type, const struct names *n, size_t at, struct err *err)
{
	duckdb_logical_type child = duckdb_list_type_child_type(type);
	size_t below = at;
	int r = add_below(c, 1);

	if (n->all[at].is_list ? n->all[at].count == 1 : n->all[at].is_repeated)
		below = element_of(n, at, duckdb_get_type_id(child), &c->is_wrapped);
	else
		r = r ? r : unlike(n, at, err);
	if (r == 0)
		r = column_init(&c->below[0], child, n, below, err);
	duckdb_destroy_logical_type(&child);
	return r;
}

static bool is_scalar(duckdb_type type)
{
	return type != DUCKDB_TYPE_LIST && type != DUCKDB_TYPE_STRUCT && type != DUCKDB_TYPE_MAP;
}

static int init_map(
	struct column *c, duckdb_logical_type type, const struct names *n, size_t at, struct err *err)
{
	duckdb_logical_type key = duckdb_map_type_key_type(type), value = duckdb_map_type_value_type(type);
	size_t group = n->all[at].count == 1 ? names_child(n, at, 0) : at;
	int r = n->all[group].count == 2 ? add_below(c, 2) : unlike(n, at, err);

	if (r == 0)
		r = column_init(&c->below[0], key, n, names_child(n, group, 0), err);
	if (r == 0)
		r = column_init(&c->below[1], value, n, names_child(n, group, 1), err);
	c->has_text_keys = is_scalar(duckdb_get_type_id(key));
	duckdb_destroy_logical_type(&key);
	duckdb_destroy_logical_type(&value);
	return r;
}

static bool is_known(duckdb_type type)
{
	switch (type) {
	case DUCKDB_TYPE_BOOLEAN:
	case DUCKDB_TYPE_TINYINT:
	case DUCKDB_TYPE_SMALLINT:
	case DUCKDB_TYPE_INTEGER:
	case DUCKDB_TYPE_BIGINT:
	case DUCKDB_TYPE_UTINYINT:
	case DUCKDB_TYPE_USMALLINT:
	case DUCKDB_TYPE_UINTEGER:
	case DUCKDB_TYPE_UBIGINT:
	case DUCKDB_TYPE_FLOAT:
	case DUCKDB_TYPE_DOUBLE:
	case DUCKDB_TYPE_DECIMAL:
	case DUCKDB_TYPE_VARCHAR:
	case DUCKDB_TYPE_BLOB:
	case DUCKDB_TYPE_DATE:
	case DUCKDB_TYPE_TIME:
	case DUCKDB_TYPE_TIME_NS:
	case DUCKDB_TYPE_TIME_TZ:
	case DUCKDB_TYPE_TIMESTAMP:
	case DUCKDB_TYPE_TIMESTAMP_S:
	case DUCKDB_TYPE_TIMESTAMP_MS:
	case DUCKDB_TYPE_TIMESTAMP_NS:
	case DUCKDB_TYPE_TIMESTAMP_TZ:
	case DUCKDB_TYPE_INTERVAL:
	case DUCKDB_TYPE_UUID:
		return true;
	default:
		return false;
	}
}

static int init_scalar(struct column *c, duckdb_logical_type type, const struct name *name, struct err *err)
{
	if (c->type == DUCKDB_TYPE_DECIMAL) {
		c->stored = duckdb_decimal_internal_type(type);
		c->scale = duckdb_decimal_scale(type);
	} else if (name->digits > DECIMAL_DIGITS_MAX) {
		return err_set(err, -EBADMSG, "column %.*s: a decimal of %u digits, at most %u can be read",
			(int)name->text.len, name->text.data, name->digits, DECIMAL_DIGITS_MAX);
	}
	c->unit = name->unit;
	c->zone = c->type == DUCKDB_TYPE_TIMESTAMP_TZ || name->is_utc ? "Z" : "";
	if (is_known(c->type))
		return check_seen(c, name, err);
	return err_set(err, -EBADMSG, "column %.*s: of a type that cannot be read (DuckDB's number %d)",
		(int)name->text.len, name->text.data, (int)c->type);
}

int column_init(struct column *c, duckdb_logical_type type, const struct names *n, size_t at, struct err *err)
{
	int r;

	*c = (struct column){.type = duckdb_get_type_id(type)};
	r = set_key(c, n->all[at].text);
	if (r < 0)
		return err_set(err, r, "out of memory");
	switch (c->type) {
	case DUCKDB_TYPE_STRUCT:
		return init_struct(c, type, n, at, err);
	case DUCKDB_TYPE_LIST:
		return init_list(c, type, n, at, err);
	case DUCKDB_TYPE_MAP:
		return init_map(c, type, n, at, err);
	default:
		return init_scalar(c, type, &n->all[at], err);
	}
}

void column_release(struct column *c)
{
	for (size_t i = 0; i < c->count; i++)
		column_release(&c->below[i]);
	free(c->below);
	free(c->key);
	*c = (struct column){0};
}

/* ---- where its values are ---- */

void column_point(struct column *c, duckdb_vector v)
{
	c->data = duckdb_vector_get_data(v);
	c->valid = duckdb_vector_get_validity(v);
	if (c->type == DUCKDB_TYPE_LIST || c->type == DUCKDB_TYPE_MAP)
		v = duckdb_list_vector_get_child(v);
	if (c->type == DUCKDB_TYPE_LIST)
		column_point(&c->below[0], v);
	else /* a map is a list of structs */
		for (size_t i = 0; i < c->count; i++)
			column_point(&c->below[i], duckdb_struct_vector_get_child(v, i));
}

#define AT(type) (((const type *)c->data)[row])

static bool has_value(const struct column *c, idx_t row)
{
	if (c->valid && !(c->valid[row / 64] >> (row % 64) & 1))
		return false;
	if (c->type == DUCKDB_TYPE_FLOAT)
		return isfinite(AT(float));
	if (c->type == DUCKDB_TYPE_DOUBLE)
		return isfinite(AT(double));
	return true;
}

static __int128 wide(duckdb_hugeint v)
{
	return (__int128)((unsigned __int128)(uint64_t)v.upper << 64 | v.lower);
}

static struct slice string_at(const struct column *c, idx_t row)
{
	duckdb_string_t *s = (duckdb_string_t *)(uintptr_t)&AT(duckdb_string_t);

	return slice_of(duckdb_string_t_data(s), duckdb_string_t_length(*s));
}

/* ---- its values ---- */

static void print_value(const struct column *c, idx_t row, struct buf *out);

static void print_or_null(const struct column *c, idx_t row, struct buf *out)
{
	if (has_value(c, row))
		print_value(c, row, out);
	else
		buf_add_str(out, "null");
}

static void print_decimal(const struct column *c, idx_t row, struct buf *out)
{
	switch (c->stored) {
	case DUCKDB_TYPE_SMALLINT:
		json_decimal(out, AT(int16_t), c->scale);
		break;
	case DUCKDB_TYPE_INTEGER:
		json_decimal(out, AT(int32_t), c->scale);
		break;
	case DUCKDB_TYPE_BIGINT:
		json_decimal(out, AT(int64_t), c->scale);
		break;
	default:
		json_decimal(out, wide(AT(duckdb_hugeint)), c->scale);
		break;
	}
}

/* Microseconds, or what DuckDB takes for infinity and the file's unit has. */
static void print_timestamp(const struct column *c, int64_t v, struct buf *out)
{
	bool infinite = v == INT64_MAX || v == -INT64_MAX;

	if (infinite && c->unit == UNIT_MILLIS)
		json_timestamp(out, v, 1000, c->zone);
	else
		json_timestamp(out, infinite && c->unit == UNIT_NANOS ? v / 1000 : v, 1000000, c->zone);
}

static void print_struct(const struct column *c, idx_t row, struct buf *out)
{
	bool first = true;

	buf_add_byte(out, '{');
	for (size_t i = 0; i < c->count; i++)
		if (column_member(&c->below[i], row, first, out))
			first = false;
	buf_add_byte(out, '}');
}

static void print_wrapped(const struct column *member, idx_t row, struct buf *out)
{
	buf_add_byte(out, '{');
	column_member(member, row, true, out);
	buf_add_byte(out, '}');
}

static void print_list(const struct column *c, idx_t row, struct buf *out)
{
	duckdb_list_entry e = AT(duckdb_list_entry);

	buf_add_byte(out, '[');
	for (idx_t i = 0; i < e.length; i++) {
		if (i)
			buf_add_byte(out, ',');
		if (c->is_wrapped)
			print_wrapped(&c->below[0], e.offset + i, out);
		else
			print_or_null(&c->below[0], e.offset + i, out);
	}
	buf_add_byte(out, ']');
}

/* The name of a map's member: a value that is no string becomes one. */
static void print_key(const struct column *c, idx_t row, struct buf *out)
{
	size_t at = out->len;
	bool quoted;

	print_or_null(c, row, out);
	quoted = !out->failed && out->data[at] == '"';
	if (!quoted && buf_reserve(out, 2)) {
		memmove(out->data + at + 1, out->data + at, out->len - at);
		out->data[at] = '"';
		out->data[out->len + 1] = '"';
		out->len += 2;
	}
	buf_add_byte(out, ':');
}

static void print_object(const struct column *c, idx_t row, struct buf *out)
{
	duckdb_list_entry e = AT(duckdb_list_entry);
	bool first = true;

	buf_add_byte(out, '{');
	for (idx_t i = e.offset; i < e.offset + e.length; i++) {
		if (!has_value(&c->below[1], i))
			continue;
		if (!first)
			buf_add_byte(out, ',');
		first = false;
		print_key(&c->below[0], i, out);
		print_value(&c->below[1], i, out);
	}
	buf_add_byte(out, '}');
}

/* Keys that are no names: the entries as they lie. */
static void print_entries(const struct column *c, idx_t row, struct buf *out)
{
	duckdb_list_entry e = AT(duckdb_list_entry);

	buf_add_byte(out, '[');
	for (idx_t i = 0; i < e.length; i++) {
		if (i)
			buf_add_byte(out, ',');
		print_struct(c, e.offset + i, out);
	}
	buf_add_byte(out, ']');
}

static void print_scalar(const struct column *c, idx_t row, struct buf *out)
{
	switch (c->type) {
	case DUCKDB_TYPE_BOOLEAN:
		buf_add_str(out, AT(uint8_t) ? "true" : "false");
		break;
	case DUCKDB_TYPE_TINYINT:
		json_int(out, AT(int8_t));
		break;
	case DUCKDB_TYPE_SMALLINT:
		json_int(out, AT(int16_t));
		break;
	case DUCKDB_TYPE_INTEGER:
		json_int(out, AT(int32_t));
		break;
	case DUCKDB_TYPE_BIGINT:
		json_int(out, AT(int64_t));
		break;
	case DUCKDB_TYPE_UTINYINT:
		json_uint(out, AT(uint8_t));
		break;
	case DUCKDB_TYPE_USMALLINT:
		json_uint(out, AT(uint16_t));
		break;
	case DUCKDB_TYPE_UINTEGER:
		json_uint(out, AT(uint32_t));
		break;
	case DUCKDB_TYPE_UBIGINT:
		json_uint(out, AT(uint64_t));
		break;
	case DUCKDB_TYPE_FLOAT:
		json_float(out, AT(float));
		break;
	case DUCKDB_TYPE_DOUBLE:
		json_double(out, AT(double));
		break;
	case DUCKDB_TYPE_DECIMAL:
		print_decimal(c, row, out);
		break;
	case DUCKDB_TYPE_BLOB:
		json_base64(out, string_at(c, row));
		break;
	case DUCKDB_TYPE_DATE:
		json_date(out, AT(int32_t));
		break;
	case DUCKDB_TYPE_TIME:
		json_time(out, AT(int64_t), 1000000, "");
		break;
	case DUCKDB_TYPE_TIME_NS:
		json_time(out, AT(int64_t), 1000000000, "");
		break;
	case DUCKDB_TYPE_TIME_TZ: /* in Parquet the zone is UTC; its 24 bits lie below the microseconds */
		json_time(out, (int64_t)(AT(uint64_t) >> 24), 1000000, "Z");
		break;
	case DUCKDB_TYPE_TIMESTAMP_S:
		json_timestamp(out, AT(int64_t), 1, "");
		break;
	case DUCKDB_TYPE_TIMESTAMP_MS:
		json_timestamp(out, AT(int64_t), 1000, "");
		break;
	case DUCKDB_TYPE_TIMESTAMP:
	case DUCKDB_TYPE_TIMESTAMP_TZ:
		print_timestamp(c, AT(int64_t), out);
		break;
	case DUCKDB_TYPE_TIMESTAMP_NS:
		json_timestamp(out, AT(int64_t), 1000000000, "");
		break;
	case DUCKDB_TYPE_INTERVAL:
		/* The file's are unsigned. */
		json_interval(out, (uint32_t)AT(duckdb_interval).months, (uint32_t)AT(duckdb_interval).days,
			AT(duckdb_interval).micros);
		break;
	case DUCKDB_TYPE_UUID: /* DuckDB turns the first bit over, so that they sort */
		json_uuid(out, (unsigned __int128)wide(AT(duckdb_hugeint)) ^ (unsigned __int128)1 << 127);
		break;
	default: /* column_init() lets no other pass */
		json_string(out, string_at(c, row));
		break;
	}
}

static void print_value(const struct column *c, idx_t row, struct buf *out)
{
	switch (c->type) {
	case DUCKDB_TYPE_STRUCT:
		print_struct(c, row, out);
		break;
	case DUCKDB_TYPE_LIST:
		print_list(c, row, out);
		break;
	case DUCKDB_TYPE_MAP:
		if (c->has_text_keys)
			print_object(c, row, out);
		else
			print_entries(c, row, out);
		break;
	default:
		print_scalar(c, row, out);
		break;
	}
}

bool column_member(const struct column *c, idx_t row, bool first, struct buf *out)
{
	if (!has_value(c, row))
		return false;
	if (!first)
		buf_add_byte(out, ',');
	buf_add(out, c->key, c->key_len);
	print_value(c, row, out);
	return true;
}
