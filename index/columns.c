/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of n rows, one behind the other:
 *
 *   line 8*n, group 4*n, source 4*n, record_len 4*n, state n,
 *   versions: strings, to the end */
#include "columns.h"

#include "segment_format.h"

int columns_open(struct columns *c, struct slice ids, struct slice columns, uint64_t count,
	const struct strtab *groups, uint64_t sources, struct err *err)
{
	struct cursor in = cursor_of(columns);
	int r = strtab_open(&c->ids, ids, count, err);

	if (r < 0)
		return err_context(err, r, "ids");
	c->count = count;
	c->groups = groups;
	c->sources = sources;
	c->line = cursor_bytes(&in, count * 8).data;
	c->group = cursor_bytes(&in, count * 4).data;
	c->source = cursor_bytes(&in, count * 4).data;
	c->record_len = cursor_bytes(&in, count * 4).data;
	c->state = cursor_bytes(&in, count).data;
	if (!cursor_ok(&in))
		return err_set(err, -EBADMSG, "%zu bytes are too few for the columns of %llu rows",
			columns.len, (unsigned long long)count);
	r = strtab_open(&c->versions, cursor_bytes(&in, cursor_left(&in)), count, err);
	return r < 0 ? err_context(err, r, "versions") : 0;
}

int columns_id(const struct columns *c, uint32_t n, struct slice *id, struct err *err)
{
	int r = strtab_get(&c->ids, n, id, err);

	if (r < 0)
		return err_context(err, r, "id of row %u", n);
	if (!id->len || id->data[id->len - 1] != '\n')
		return err_set(err, -EBADMSG, "id of row %u has no line feed behind it", n);
	id->len--;
	return 0;
}

static int columns_group(const struct columns *c, uint32_t n, struct slice *group, struct err *err)
{
	uint32_t number = get_le32(c->group + (uint64_t)n * 4);

	*group = slice_of(NULL, 0);
	if (number == GROUP_NONE)
		return 0;
	if (number >= c->groups->count)
		return err_set(err, -EBADMSG, "row %u: group %u of %llu", n, number,
			(unsigned long long)c->groups->count);
	return strtab_get(c->groups, number, group, err);
}

int columns_entry(const struct columns *c, uint32_t n, struct entry *out, struct err *err)
{
	uint8_t state = (uint8_t)c->state[n];
	int r;

	*out = (struct entry){.state = state,
		.source = get_le32(c->source + (uint64_t)n * 4),
		.line = get_le64(c->line + (uint64_t)n * 8)};
	if (state >= ENTRY_STATES)
		return err_set(err, -EBADMSG, "row %u: state %u", n, state);
	if (out->source >= c->sources)
		return err_set(err, -EBADMSG, "row %u: source %u of %llu", n, out->source,
			(unsigned long long)c->sources);
	r = columns_id(c, n, &out->id, err);
	if (r == 0)
		r = columns_group(c, n, &out->group, err);
	if (r == 0)
		r = strtab_get(&c->versions, n, &out->version, err);
	return r;
}

/* Room for `len` more bytes, now part of the buffer; NULL when memory is out. */
static char *take(struct buf *out, uint64_t len)
{
	char *to = buf_reserve(out, len + 1);

	if (to)
		out->len += len;
	return to;
}

int columns_add_ids(const struct entry *entries, uint64_t count, struct buf *out, struct err *err)
{
	char *offsets, *text;
	uint64_t at = 0;

	for (uint64_t i = 0; i < count; i++)
		at += entries[i].id.len + 1;
	if (at > STRINGS_MAX)
		return err_set(err, -EOVERFLOW, "%llu bytes of ids are too many for one segment",
			(unsigned long long)at);
	offsets = take(out, (count + 1) * 4 + at);
	if (!offsets)
		return err_set(err, -ENOMEM, "out of memory for %llu ids", (unsigned long long)count);
	text = offsets + (count + 1) * 4;
	at = 0;
	for (uint64_t i = 0; i < count; i++) {
		struct slice id = entries[i].id;

		put_le32(offsets + i * 4, (uint32_t)at);
		memcpy(text + at, id.data, id.len);
		text[at + id.len] = '\n';
		at += id.len + 1;
	}
	put_le32(offsets + count * 4, (uint32_t)at);
	return 0;
}

static int add_versions(const struct entry *entries, uint64_t count, struct buf *out, struct err *err)
{
	uint64_t at = 0;

	for (uint64_t i = 0; i <= count; i++) {
		buf_add_le32(out, (uint32_t)at);
		at += i < count ? entries[i].version.len : 0;
	}
	if (at > STRINGS_MAX)
		return err_set(err, -EOVERFLOW, "%llu bytes of versions are too many for one segment",
			(unsigned long long)at);
	for (uint64_t i = 0; i < count; i++)
		buf_add_slice(out, entries[i].version);
	return buf_error(out)
		       ? err_set(err, -ENOMEM, "out of memory for %llu versions", (unsigned long long)count)
		       : 0;
}

int columns_add(const struct entry *entries, uint64_t count, const uint32_t *group_of, struct buf *out,
	struct err *err)
{
	char *line = take(out, count * 21), *group, *source, *record_len, *state;

	if (!line)
		return err_set(err, -ENOMEM, "out of memory for the columns of %llu rows",
			(unsigned long long)count);
	group = line + count * 8;
	source = group + count * 4;
	record_len = source + count * 4;
	state = record_len + count * 4;
	for (uint64_t i = 0; i < count; i++) {
		const struct entry *e = &entries[i];

		put_le64(line + i * 8, e->line);
		put_le32(group + i * 4, group_of[i]);
		put_le32(source + i * 4, e->source);
		put_le32(record_len + i * 4, (uint32_t)e->record.len);
		state[i] = (char)e->state;
	}
	return add_versions(entries, count, out, err);
}
