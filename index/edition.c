/* SPDX-License-Identifier: Apache-2.0 */
/* index/edition.c - editions, claims and pointers to and from bytes, and how to find what is published. Written by hand, so that
 * equal ones are equal bytes; read with yyjson, nothing of it believed before it is checked. */
#include "edition.h"

#include <inttypes.h>
#include <stdio.h>
#include <yyjson.h>

#define EDITION_FORMAT "freshet edition"
#define CLAIM_FORMAT "freshet claim"
#define POINTER_FORMAT "freshet pointer"
#define VERSION 1
#define NUMBER_DIGITS_MAX 19
#define POINTER_READS 5  /* of one that is replaced while it is read */
#define CLAIMLESS_MAX 8u /* directories of epochs without a claim, one behind the other */

/* ---- the configuration ---- */

/* Sections that say what the index is; the others are each host's own, and no store's business. */
static bool is_of_index(struct slice section)
{
	static const char *const names[] = {"feed]", "lag]", "document]", "index]", "attribute."};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_starts(section, slice_str(names[i])))
			return true;
	return false;
}

void edition_config(struct slice text, struct buf *out)
{
	bool taken = false;

	while (text.len) {
		const char *end = memchr(text.data, '\n', text.len);
		struct slice line = slice_of(text.data, end ? (size_t)(end - text.data) + 1 : text.len);

		text = slice_of(text.data + line.len, text.len - line.len);
		if (line.data[0] == '[')
			taken = is_of_index(slice_of(line.data + 1, line.len - 1));
		/* The url with the lines that go on with it: they begin with a blank. */
		if (slice_starts(line, slice_str("url =")))
			while (text.len && (text.data[0] == '\t' || text.data[0] == ' ')) {
				end = memchr(text.data, '\n', text.len);
				line.len = end ? (size_t)(end - text.data) + 1 : text.len;
				text = slice_of(text.data + line.len, text.len - line.len);
			}
		else if (taken)
			buf_add_slice(out, line);
	}
}

/* ---- paths ---- */

const char *edition_path(const struct edition_ref *ref, char out[EDITION_PATH_MAX])
{
	char hex[SHA256_HEX];

	snprintf(out, EDITION_PATH_MAX, "generations/%" PRIu64 "-%" PRIu64 "-%.*s.json", ref->epoch,
		ref->number, EDITION_HASH_HEX, hex_text(ref->sha256, SHA256_BYTES, hex));
	return out;
}

const char *claim_path(uint64_t epoch, char out[EDITION_PATH_MAX])
{
	snprintf(out, EDITION_PATH_MAX, "epochs/%" PRIu64 "/claim.json", epoch);
	return out;
}

const char *pointer_path(uint64_t epoch, char out[EDITION_PATH_MAX])
{
	snprintf(out, EDITION_PATH_MAX, "epochs/%" PRIu64 "/current.json", epoch);
	return out;
}

const char *part_path(const char *kind, const uint8_t sha256[SHA256_BYTES], char out[EDITION_PATH_MAX])
{
	char hex[SHA256_HEX];
	const char *end = *kind == 'm' ? "json" : *kind == 'l' ? "live" : *kind == 'r' ? "tsv" : "seg";

	hex_text(sha256, SHA256_BYTES, hex);
	if (*kind == 's')
		hex[SEGMENT_NAME_HEX] = '\0';
	snprintf(out, EDITION_PATH_MAX, "%s/%s.%s", kind, hex, end);
	return out;
}

/* ---- writing ---- */

static void add_head(const char *format, const char *index, struct buf *out)
{
	buf_addf(out, "{\n  \"format\": \"%s\",\n  \"version\": %d,\n  \"index\": \"%s\",\n", format, VERSION,
		index);
}

static void add_part(const struct edition_part *p, struct buf *out)
{
	char hex[SHA256_HEX];

	buf_addf(out, "\"bytes\": %" PRIu64 ", \"sha256\": \"%s\"}", p->bytes,
		hex_text(p->sha256, SHA256_BYTES, hex));
}

static void add_ref(const struct edition_ref *ref, struct buf *out)
{
	struct edition_part p = {.bytes = ref->bytes};

	memcpy(p.sha256, ref->sha256, SHA256_BYTES);
	buf_addf(out, "{\"epoch\": %" PRIu64 ", \"number\": %" PRIu64 ", ", ref->epoch, ref->number);
	add_part(&p, out);
}

void edition_encode(const struct edition *e, struct buf *out)
{
	char text[INSTANT_MAX];

	add_head(EDITION_FORMAT, e->index, out);
	buf_addf(out, "  \"epoch\": %" PRIu64 ",\n  \"number\": %" PRIu64 ",\n", e->epoch, e->number);
	buf_addf(out, "  \"watermark\": %s,\n", instant_text(e->watermark, text));
	buf_addf(out, "  \"paused\": %" PRIu64 ",\n  \"config\": ", e->paused);
	json_string_add(slice_str(e->config ? e->config : ""), out);
	buf_add_str(out, ",\n  \"manifest\": {");
	add_part(&e->manifest, out);
	buf_add_str(out, ",\n  \"live\": {");
	add_part(&e->live, out);
	buf_add_str(out, ",\n  \"rows\": [");
	for (size_t i = 0; i < e->row_count; i++) {
		buf_addf(out, "%s\n    {\"from\": %s, ", i ? "," : "", instant_text(e->rows[i].from, text));
		add_part(&e->rows[i].part, out);
	}
	buf_addf(out, "%s]\n}\n", e->row_count ? "\n  " : "");
}

void claim_encode(const struct claim *c, struct buf *out)
{
	char text[INSTANT_MAX];

	add_head(CLAIM_FORMAT, c->index, out);
	buf_addf(out, "  \"epoch\": %" PRIu64 ",\n  \"owner\": \"%s\",\n  \"by\": ", c->epoch, c->owner);
	json_string_add(slice_str(c->by), out);
	buf_addf(out, ",\n  \"at\": %s,\n  \"over\": ", instant_text(c->at, text));
	if (c->over.number)
		add_ref(&c->over, out);
	else
		buf_add_str(out, "null");
	buf_add_str(out, "\n}\n");
}

void pointer_encode(const char *index, const struct edition_ref *ref, struct buf *out)
{
	add_head(POINTER_FORMAT, index, out);
	buf_add_str(out, "  \"edition\": ");
	add_ref(ref, out);
	buf_add_str(out, "\n}\n");
}

/* ---- reading ---- */

/* Parses, and takes what they all begin with. */
static int open_head(struct slice bytes, size_t limit, const char *format, yyjson_doc **doc,
	struct members *m, char index[UUID_TEXT], struct err *err)
{
	yyjson_read_err why = {0};

	*doc = NULL;
	if (bytes.len > limit)
		return err_set(err, -EBADMSG, "%zu bytes are too many (the most is %zu)", bytes.len, limit);
	/* Without YYJSON_READ_INSITU the text is only read. */
	*doc = yyjson_read_opts((char *)(uintptr_t)bytes.data, bytes.len, 0, NULL, &why);
	if (!*doc)
		return err_set(err, why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? -ENOMEM : -EBADMSG,
			"not JSON: %s at byte %zu", why.msg, why.pos);
	*m = (struct members){.object = yyjson_doc_get_root(*doc)};
	if (!slice_eq(member_text(m, "format"), slice_str(format)))
		return err_set(err, -EBADMSG, "\"format\" is not \"%s\"", format);
	if (member_u64(m, "version") > VERSION)
		return err_set(err, -ENOTSUP, "written by a newer freshet; version %d is known", VERSION);
	member_uuid(m, "index", index);
	return members_check(m, err);
}

/* A number from 1 on that int64_t holds. */
static uint64_t take_count(struct members *m, const char *key)
{
	uint64_t n = member_u64(m, key);

	if (!n || n > INT64_MAX)
		members_fail(m, key);
	return n;
}

static struct edition_part take_part(struct members *m, uint64_t max)
{
	struct edition_part p = {.bytes = member_u64(m, "bytes")};

	if (p.bytes > max)
		members_fail(m, "bytes");
	member_hex(m, "sha256", p.sha256, SHA256_BYTES);
	return p;
}

static struct edition_part take_part_at(struct members *m, const char *key, uint64_t max)
{
	struct members inner = {.object = yyjson_obj_get(m->object, key)};
	struct edition_part p = take_part(&inner, max);

	if (inner.bad)
		members_fail(m, key);
	return p;
}

static struct edition_ref take_ref_at(struct members *m, const char *key)
{
	struct members inner = {.object = yyjson_obj_get(m->object, key)};
	struct edition_ref ref = {
		.epoch = take_count(&inner, "epoch"), .number = take_count(&inner, "number")};
	struct edition_part p = take_part(&inner, EDITION_MAX);

	ref.bytes = p.bytes;
	memcpy(ref.sha256, p.sha256, SHA256_BYTES);
	if (inner.bad)
		members_fail(m, key);
	return ref;
}

static int take_rows(yyjson_val *array, struct edition *e, struct err *err)
{
	size_t count = yyjson_arr_size(array), i, max;
	yyjson_val *v;

	if (!yyjson_is_arr(array) || count > EDITION_ROWS_MAX)
		return err_set(err, -EBADMSG, "\"rows\" is no list, or too long");
	e->rows = calloc(count + 1, sizeof(*e->rows));
	if (!e->rows)
		return err_set(err, -ENOMEM, "out of memory");
	yyjson_arr_foreach(array, i, max, v)
	{
		struct members m = {.object = v};

		e->rows[i].from = member_instant(&m, "from");
		e->rows[i].part = take_part(&m, ROW_TEXT_MAX);
		if (i && e->rows[i].from <= e->rows[i - 1].from)
			members_fail(&m, "from");
		if (members_check(&m, err) < 0)
			return err_context(err, -EBADMSG, "rows %zu", i);
	}
	e->row_count = count;
	return 0;
}

static int take_edition(struct members *m, struct edition *e, struct err *err)
{
	struct slice config = member_text(m, "config");

	e->epoch = take_count(m, "epoch");
	e->number = take_count(m, "number");
	e->watermark = member_instant(m, "watermark");
	e->paused = member_u64(m, "paused");
	if (e->paused > INT64_MAX)
		members_fail(m, "paused");
	if (config.len > CONFIG_TEXT_MAX || (config.len && memchr(config.data, 0, config.len)))
		members_fail(m, "config");
	e->manifest = take_part_at(m, "manifest", MANIFEST_MAX);
	e->live = take_part_at(m, "live", LIVE_BYTES_MAX);
	if (members_check(m, err) < 0)
		return -EBADMSG;
	e->config = strndup(config.data, config.len);
	if (!e->config)
		return err_set(err, -ENOMEM, "out of memory");
	return take_rows(yyjson_obj_get(m->object, "rows"), e, err);
}

int edition_decode(struct slice bytes, struct edition *out, struct err *err)
{
	struct members m;
	yyjson_doc *doc;
	int r;

	*out = (struct edition){0};
	r = open_head(bytes, EDITION_MAX, EDITION_FORMAT, &doc, &m, out->index, err);
	if (r == 0)
		r = take_edition(&m, out, err);
	yyjson_doc_free(doc);
	if (r < 0)
		edition_release(out);
	return r;
}

void edition_release(struct edition *e)
{
	free(e->rows);
	free(e->config);
	*e = (struct edition){0};
}

static int take_claim(struct members *m, struct claim *c, struct err *err)
{
	struct slice by = member_text(m, "by");

	c->epoch = take_count(m, "epoch");
	member_uuid(m, "owner", c->owner);
	if (by.len > EDITION_WHO_MAX || (by.len && memchr(by.data, 0, by.len)))
		members_fail(m, "by");
	else
		memcpy(c->by, by.data, by.len);
	c->at = member_instant(m, "at");
	if (!member_is_null(m, "over"))
		c->over = take_ref_at(m, "over");
	if (c->over.number && c->over.epoch >= c->epoch)
		members_fail(m, "over");
	return members_check(m, err);
}

int claim_decode(struct slice bytes, struct claim *out, struct err *err)
{
	struct members m;
	yyjson_doc *doc;
	int r;

	*out = (struct claim){0};
	r = open_head(bytes, POINTER_MAX, CLAIM_FORMAT, &doc, &m, out->index, err);
	if (r == 0)
		r = take_claim(&m, out, err);
	yyjson_doc_free(doc);
	return r;
}

int pointer_decode(struct slice bytes, char index[UUID_TEXT], struct edition_ref *out, struct err *err)
{
	struct members m;
	yyjson_doc *doc;
	int r;

	*out = (struct edition_ref){0};
	r = open_head(bytes, POINTER_MAX, POINTER_FORMAT, &doc, &m, index, err);
	if (r == 0) {
		*out = take_ref_at(&m, "edition");
		r = members_check(&m, err);
	}
	yyjson_doc_free(doc);
	return r;
}

/* ---- finding ---- */

static int at(struct store *store, const char *path, int r, struct err *err)
{
	return err_context(err, r, "%s/%s", store->url, path);
}

/* Returns 1, 0 where there is none, or -errno. */
static int get_claim(struct store *store, uint64_t epoch, struct claim *out, struct err *err)
{
	char path[EDITION_PATH_MAX];
	OWNED_BUF bytes = {0};
	int r = store_get(store, claim_path(epoch, path), POINTER_MAX, &bytes, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r == -EFBIG ? -EBADMSG : r;
	r = claim_decode(buf_slice(&bytes), out, err);
	if (r == 0 && out->epoch != epoch)
		r = err_set(err, -EBADMSG, "is of epoch %" PRIu64, out->epoch);
	return r < 0 ? at(store, path, r, err) : 1;
}

static int get_pointer(struct store *store, struct published_now *out, struct err *err)
{
	char path[EDITION_PATH_MAX];
	OWNED_BUF bytes = {0};
	int r = -ESTALE;

	pointer_path(out->epoch, path);
	for (unsigned i = 0; r == -ESTALE && i < POINTER_READS; i++) {
		buf_clear(&bytes);
		r = store_get(store, path, POINTER_MAX, &bytes, err);
	}
	if (r < 0)
		return r == -ENOENT ? 0 : r == -EFBIG ? -EBADMSG : r;
	r = pointer_decode(buf_slice(&bytes), out->index, &out->newest, err);
	if (r == 0 && out->newest.epoch != out->epoch)
		r = err_set(err, -EBADMSG, "is of epoch %" PRIu64, out->newest.epoch);
	if (r == 0 && strcmp(out->index, out->claim.index) != 0)
		r = err_set(err, -EBADMSG, "is of index %s, the epoch of %s", out->index, out->claim.index);
	return r < 0 ? at(store, path, r, err) : 1;
}

/* The highest epoch that a listing names: where to begin. */
static int note_epoch(void *ctx, struct slice name, const struct store_stat *st)
{
	uint64_t *highest = ctx, n = 0;

	if (!name.len || name.len > NUMBER_DIGITS_MAX || name.data[0] == '0')
		return 0;
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] < '0' || name.data[i] > '9')
			return 0;
		n = n * 10 + (uint64_t)(name.data[i] - '0');
	}
	if (n < INT64_MAX && n > *highest)
		*highest = n;
	return 0;
}

static int list_epochs(struct store *store, uint64_t *highest, struct err *err)
{
	int r = store_list(store, "epochs", note_epoch, highest, err);

	return r == -ENOENT ? 0 : r;
}

/* Up from a claim that is there to the last. */
static int climb(struct store *store, struct published_now *out, struct err *err)
{
	struct claim next;
	int r;

	while ((r = get_claim(store, out->epoch + 1, &next, err)) == 1) {
		out->claim = next;
		out->epoch++;
	}
	return r;
}

/* What a listing names may have no claim: whoever made the directory stopped half way. */
static int find_claim(struct store *store, uint64_t from, struct published_now *out, struct err *err)
{
	int r = 0;

	for (uint64_t tries = 0; r == 0 && tries < CLAIMLESS_MAX && tries < from; tries++) {
		out->epoch = from - tries;
		r = get_claim(store, out->epoch, &out->claim, err);
	}
	if (r == 0)
		out->epoch = 0;
	if (r == 0 && from > CLAIMLESS_MAX)
		return err_set(err, -EBADMSG, "%s/epochs/%" PRIu64 ": is no epoch, nor are the ones below it",
			store->url, from);
	return r;
}

int edition_look(struct store *store, uint64_t known, struct published_now *out, struct err *err)
{
	int r = 0;

	*out = (struct published_now){.epoch = known};
	if (known)
		r = get_claim(store, known, &out->claim, err);
	/* Not known, or there no more: what is there now? */
	if (r == 0) {
		known = 0;
		r = list_epochs(store, &known, err);
		if (r == 0)
			r = find_claim(store, known, out, err);
	}
	if (r == 1)
		r = climb(store, out, err);
	if (r < 0 || !out->epoch)
		return r;
	memcpy(out->index, out->claim.index, UUID_TEXT);
	r = get_pointer(store, out, err);
	if (r == 0)
		out->newest = out->claim.over;
	out->has_pointer = r == 1;
	return r < 0 ? r : 0;
}

int edition_look_before(struct store *store, struct published_now *now, struct err *err)
{
	struct published_now before = {.claim = now->claim};
	unsigned tries = 0;
	int r = 0;

	for (before.epoch = now->epoch - 1; r == 0 && before.epoch && tries < CLAIMLESS_MAX;
		before.epoch--, tries++) {
		if (before.epoch < now->claim.over.epoch)
			break;
		r = get_pointer(store, &before, err);
		if (r == 1 && before.newest.number > now->newest.number)
			now->newest = before.newest;
	}
	return r < 0 ? r : 0;
}

int edition_get_part(struct store *store, const char *path, const struct edition_part *part, size_t max,
	struct buf *out, struct err *err)
{
	size_t before = out->len;
	uint8_t sum[SHA256_BYTES];
	int r;

	if (part->bytes > max)
		return at(store, path,
			err_set(err, -EBADMSG, "cannot have %" PRIu64 " bytes (the most is %zu)", part->bytes,
				max),
			err);
	r = store_get(store, path, (size_t)part->bytes, out, err);
	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	if (sha256(slice_of(out->data + before, out->len - before), sum) < 0)
		return err_set(err, -EIO, "SHA-256 is not to be had from libcrypto");
	if (out->len - before != part->bytes || memcmp(sum, part->sha256, sizeof(sum)) != 0)
		return at(store, path,
			err_set(err, -EBADMSG,
				"is damaged (SHA-256 differs, or %zu bytes are not %" PRIu64
				"): remove it, and `freshet publish` where it came from puts it there again",
				out->len - before, part->bytes),
			err);
	return 0;
}

int edition_get(struct store *store, const struct edition_ref *ref, struct edition *out, struct err *err)
{
	struct edition_part part = {.bytes = ref->bytes};
	char path[EDITION_PATH_MAX];
	OWNED_BUF bytes = {0};
	int r;

	*out = (struct edition){0};
	memcpy(part.sha256, ref->sha256, SHA256_BYTES);
	edition_path(ref, path);
	r = edition_get_part(store, path, &part, EDITION_MAX, &bytes, err);
	if (r < 0)
		return r;
	r = edition_decode(buf_slice(&bytes), out, err);
	if (r == 0 && (out->epoch != ref->epoch || out->number != ref->number)) {
		r = err_set(err, -EBADMSG, "says that it is generation %" PRIu64 " of epoch %" PRIu64,
			out->number, out->epoch);
		edition_release(out);
	}
	return r < 0 ? at(store, path, r, err) : 0;
}
