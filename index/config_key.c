/* SPDX-License-Identifier: Apache-2.0 */
#include "config_key.h"
#include "name.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* `base` is the configuration, or the attribute's rule. */
static void *field_of(const void *base, const struct config_key *k)
{
	return (char *)(uintptr_t)base + k->offset;
}

static char **text_of(const void *base, const struct config_key *k)
{
	return (char **)(void *)((char *)(uintptr_t)base + k->text);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* Where the dump may break `s` in two: at the last lone blank before `room` bytes are full; 0 nowhere. */
static size_t break_before(struct slice s, size_t room)
{
	for (size_t i = room; i > 0; i--) {
		if (i + 1 < s.len && s.data[i] == ' ' && !is_blank(s.data[i - 1]) && !is_blank(s.data[i + 1]))
			return i;
	}
	return 0;
}

/* Values that a line of ini cannot hold must not come in by another door: the dump would lie. */
static int value_check(struct slice v, struct err *err)
{
	if (v.len > CONFIG_VALUE_MAX)
		return err_set(err, -EINVAL, "%zu bytes are more than a value may have (%d)", v.len,
			CONFIG_VALUE_MAX);
	if (!utf8_is_valid(v))
		return err_set(err, -EINVAL, "not valid UTF-8");
	for (size_t i = 0; i < v.len; i++) {
		uint8_t c = (uint8_t)v.data[i];
		bool starts = i == 0 || is_blank(v.data[i - 1]);

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return err_set(err, -EINVAL, "control character 0x%02x in the value", c);
		if (starts && (c == ';' || (c == '#' && i)))
			return err_set(err, -EINVAL,
				"\" %c\" in the value: a comment goes on a line of its own, and no value may have this",
				c);
	}
	for (struct slice rest = v; rest.len > CONFIG_RUN_MAX;) {
		size_t at = break_before(rest, CONFIG_RUN_MAX);

		if (!at)
			return err_set(
				err, -EINVAL, "more than %d bytes without a single blank", CONFIG_RUN_MAX);
		rest = slice_of(rest.data + at + 1, rest.len - at - 1);
	}
	return 0;
}

static int string_set(char **to, struct slice v, struct err *err)
{
	char *copy = strndup(v.data, v.len);

	if (!copy)
		return out_of_memory(err);
	free(*to);
	*to = copy;
	return 0;
}

static int filename_set(char **to, const char *v, struct err *err)
{
	if (strchr(v, '/') || strcmp(v, ".") == 0 || strcmp(v, "..") == 0)
		return err_set(err, -EINVAL, "\"%s\" is not the name of a file", v);
	return string_set(to, slice_str(v), err);
}

static int duration_set(int64_t *to, const struct config_key *k, const char *v, struct err *err)
{
	char low[TIME_TEXT_MAX], high[TIME_TEXT_MAX];
	bool all = k->kind == KIND_WINDOW;
	int64_t d;
	int r = duration_parse(v, all, &d, err);

	if (r < 0)
		return r;
	if (d < k->min && k->min == 1)
		return err_set(err, -EINVAL, "%s: must be more than 0", v);
	if (d < k->min || (d > k->max && !(all && d == TIME_FOREVER)))
		return err_set(err, -EINVAL, "%s is not within %s to %s%s", v, duration_text(k->min, low),
			duration_text(k->max, high), all ? ", nor all" : "");
	*to = d;
	return 0;
}

static int count_set(unsigned *to, const struct config_key *k, const char *v, struct err *err)
{
	int64_t n = 0;
	const char *p = v;

	for (; *p >= '0' && *p <= '9' && n <= k->max; p++)
		n = n * 10 + (*p - '0');
	if (p == v || (*p && n <= k->max) || n < k->min || n > k->max)
		return err_set(err, -EINVAL, "\"%s\" is not a whole number within %" PRId64 " to %" PRId64, v,
			k->min, k->max);
	*to = (unsigned)n;
	return 0;
}

static const struct {
	const char *unit;
	unsigned shift;
} size_units[] = {{"", 0}, {"K", 10}, {"KiB", 10}, {"M", 20}, {"MiB", 20}, {"G", 30}, {"GiB", 30}};

static int size_set(uint64_t *to, const struct config_key *k, const char *v, struct err *err)
{
	uint64_t n = 0;
	const char *p = v;

	for (; *p >= '0' && *p <= '9' && n < UINT64_C(1) << 50; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	for (size_t i = 0; p > v && i < sizeof(size_units) / sizeof(size_units[0]); i++) {
		if (strcmp(p, size_units[i].unit) != 0)
			continue;
		if (n > (uint64_t)k->max >> size_units[i].shift ||
			n << size_units[i].shift < (uint64_t)k->min)
			return err_set(err, -EINVAL, "%s is not within 64MiB to 1024TiB", v);
		*to = n << size_units[i].shift;
		return 0;
	}
	return err_set(err, -EINVAL, "\"%s\" is no size (512MiB, 2GiB, or bytes)", v);
}

static int factor_set(double *to, const char *v, struct err *err)
{
	char *end;
	double d = strtod(v, &end);

	if (strspn(v, "0123456789.eE+") != strlen(v) || *end || !(d >= 1 && d <= 1e6))
		return err_set(err, -EINVAL, "\"%s\" is not a number from 1 on", v);
	*to = d;
	return 0;
}

static int ratio_set(double *to, const char *v, struct err *err)
{
	char *end;
	double d = strtod(v, &end);

	if (strspn(v, "0123456789.eE+-") != strlen(v) || *end || !(d >= 0 && d <= 1))
		return err_set(err, -EINVAL, "\"%s\" is not a number within 0 to 1 (0.01 is 1 %%)", v);
	*to = d + 0.0; /* -0 is 0 */
	return 0;
}

static void milli_text(unsigned n, char out[32])
{
	snprintf(out, 32, "%u.%03u", n / 1000, n % 1000);
	for (size_t len = strlen(out); out[len - 1] == '0' || out[len - 1] == '.'; len--) {
		bool dot = out[len - 1] == '.';

		out[len - 1] = 0;
		if (dot)
			break;
	}
}

/* At most three digits behind the dot, so that the number is exactly what was written. */
static int milli_set(unsigned *to, const struct config_key *k, const char *v, struct err *err)
{
	size_t whole = strspn(v, "0123456789"),
	       digits = v[whole] == '.' ? strspn(v + whole + 1, "0123456789") : 0;
	char low[32], high[32];
	int64_t n = 0;

	milli_text((unsigned)k->min, low);
	milli_text((unsigned)k->max, high);
	if (!whole || whole > 6 || digits > 3 || v[whole + (digits ? 1 + digits : 0)])
		return err_set(err, -EINVAL, "\"%s\" is not a number with up to three decimals (0.75)", v);
	for (size_t i = 0; i < whole; i++)
		n = n * 10 + (v[i] - '0');
	for (size_t i = 1; i <= 3; i++)
		n = n * 10 + (i <= digits ? v[whole + i] - '0' : 0);
	if (n < k->min || n > k->max)
		return err_set(err, -EINVAL, "%s is not within %s to %s", v, low, high);
	*to = (unsigned)n;
	return 0;
}

static int choice_set(unsigned *to, const struct config_key *k, const char *v, struct err *err)
{
	char words[128];
	size_t at = 0;

	for (unsigned i = 0; k->choices[i]; i++) {
		if (strcmp(v, k->choices[i]) == 0) {
			*to = i;
			return 0;
		}
		at += (size_t)snprintf(words + at, sizeof(words) - at, "%s%s", i ? ", " : "", k->choices[i]);
	}
	return err_set(err, -EINVAL, "\"%s\" is none of %s", v, words);
}

/* The canonical text is what has to be fit for a file: blanks after the commas, wherever there were none. */
static int list_set(struct string_list *to, struct slice v, struct err *err)
{
	struct string_list l;
	OWNED_BUF text = {0};
	int r = string_list_parse(&l, v, err);

	if (r < 0)
		return r;
	string_list_text(&l, &text);
	r = text.failed ? out_of_memory(err) : value_check(buf_slice(&text), err);
	if (r < 0) {
		string_list_release(&l);
		return r;
	}
	string_list_release(to);
	*to = l;
	return 0;
}

static int expr_set(struct expr **to, char **text, const char *v, struct err *err)
{
	OWNED(expr) struct expr *e = NULL;
	int r = expr_parse(&e, v, err);

	if (r == 0)
		r = string_set(text, slice_str(v), err);
	if (r < 0)
		return r;
	expr_free(*to);
	*to = steal(&e);
	return 0;
}

int config_key_set(struct config *c, void *base, const struct config_key *k, struct slice v, struct err *err)
{
	bool list = k->kind == KIND_LIST || k->kind == KIND_TEXT;
	void *to = field_of(base, k);
	int r;

	if (!v.len && !list)
		return err_set(err, -EINVAL, "no value: leave the key out for its default");
	r = list ? 0 : value_check(v, err);
	if (r < 0)
		return r;
	switch (k->kind) {
	case KIND_STRING:
		return string_set(to, v, err);
	case KIND_FILENAME:
		return filename_set(to, v.data, err);
	case KIND_DURATION:
	case KIND_WINDOW:
		return duration_set(to, k, v.data, err);
	case KIND_COUNT:
		return count_set(to, k, v.data, err);
	case KIND_SIZE:
		return size_set(to, k, v.data, err);
	case KIND_FACTOR:
		return factor_set(to, v.data, err);
	case KIND_RATIO:
		return ratio_set(to, v.data, err);
	case KIND_MILLI:
		return milli_set(to, k, v.data, err);
	case KIND_CHOICE:
		return choice_set(to, k, v.data, err);
	case KIND_LIST:
		return list_set(to, v, err);
	case KIND_TEXT:
		r = list_set(to, v, err);
		c->text_is_default &= r < 0;
		return r;
	case KIND_EXPR:
		return expr_set(to, text_of(base, k), v.data, err);
	}
	return -EINVAL;
}

static void ratio_text(double d, struct buf *out)
{
	char text[32];

	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	buf_add_str(out, text);
}

static bool key_is_absent(const struct config *c, const void *base, const struct config_key *k)
{
	switch (k->kind) {
	case KIND_STRING:
	case KIND_FILENAME:
		return !*(char *const *)field_of(base, k);
	case KIND_TEXT:
		return c->text_is_default;
	case KIND_LIST:
		return !((const struct string_list *)field_of(base, k))->count;
	case KIND_EXPR:
		return !*text_of(base, k);
	case KIND_WINDOW:
		return *(const int64_t *)field_of(base, k) < 0;
	default:
		return false;
	}
}

/* In the largest unit that leaves a whole number. */
static void size_text(uint64_t n, struct buf *out)
{
	unsigned at = 0;

	for (unsigned i = 2; i < sizeof(size_units) / sizeof(size_units[0]); i += 2)
		if (n % (UINT64_C(1) << size_units[i].shift) == 0)
			at = i;
	buf_addf(out, "%" PRIu64 "%s", n >> size_units[at].shift, size_units[at].unit);
}

static void key_text(const void *base, const struct config_key *k, struct buf *out)
{
	const void *from = field_of(base, k);
	char text[TIME_TEXT_MAX];

	switch (k->kind) {
	case KIND_STRING:
	case KIND_FILENAME:
		buf_add_str(out, *(char *const *)from);
		break;
	case KIND_DURATION:
	case KIND_WINDOW:
		buf_add_str(out, duration_text(*(const int64_t *)from, text));
		break;
	case KIND_COUNT:
		buf_addf(out, "%u", *(const unsigned *)from);
		break;
	case KIND_SIZE:
		size_text(*(const uint64_t *)from, out);
		break;
	case KIND_FACTOR:
	case KIND_RATIO:
		ratio_text(*(const double *)from, out);
		break;
	case KIND_MILLI:
		milli_text(*(const unsigned *)from, text);
		buf_add_str(out, text);
		break;
	case KIND_CHOICE:
		buf_add_str(out, k->choices[*(const unsigned *)from]);
		break;
	case KIND_LIST:
	case KIND_TEXT:
		string_list_text(from, out);
		break;
	case KIND_EXPR:
		buf_add_str(out, *text_of(base, k));
		break;
	}
}

/* Over several lines where it is long; value_check() saw to it that it can be broken. */
static void line_add(const char *name, struct slice v, struct buf *out)
{
	buf_addf(out, "%s =%s", name, v.len ? " " : "");
	while (v.len > CONFIG_RUN_MAX) {
		size_t at = break_before(v, CONFIG_RUN_MAX);

		if (!at)
			break;
		buf_add(out, v.data, at);
		buf_add_str(out, "\n\t");
		v = slice_of(v.data + at + 1, v.len - at - 1);
	}
	buf_add_slice(out, v);
	buf_add_byte(out, '\n');
}

void config_key_dump(const struct config *c, const void *base, const struct config_key *k, struct buf *out)
{
	OWNED_BUF value = {0};

	if (key_is_absent(c, base, k))
		return;
	key_text(base, k, &value);
	line_add(k->name, buf_slice(&value), out);
	out->failed |= value.failed;
}
