/* SPDX-License-Identifier: Apache-2.0 */
/* freshet.ini through inih, with nothing lost on the way.
 *
 * inih, as Debian builds it, cuts lines at 199 bytes and names at 49, drops what follows " ;" (in
 * version 55 not so in continuation lines) and what follows a section's "]", and goes on after errors.
 * So every line is looked at before inih gets it, by way of its reader callback, and what it would not
 * hand back whole is refused. The callback also tells which line a key came from, and so whether it
 * was indented: then inih hands it on as more of the value before. */
#include "config.h"

#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <unistd.h>

struct reading {
	struct config *c;
	struct slice left;
	unsigned line; /* of what inih looks at, from 1 */
	bool indented; /* that line is */
	bool has_key;  /* a key was read and waits for more lines of its value */
	unsigned key_line;
	char section[SECTION_NAME_MAX + 1], key[SECTION_NAME_MAX + 1];
	struct buf value;
	bool seen[CONFIG_KEYS_MAX]; /* keys so far, by number */
	int code;                   /* the first error, */
	unsigned bad_line;
	struct err why;
};

static int refuse(struct reading *rd, unsigned line, int code)
{
	if (!rd->code) {
		rd->code = code;
		rd->bad_line = line;
	}
	return code;
}

/* The value that was being read is whole: no indented line follows. */
static int finish_key(struct reading *rd)
{
	unsigned which = 0;
	int r;

	if (!rd->has_key)
		return 0;
	rd->has_key = false;
	if (rd->value.failed)
		return refuse(rd, rd->key_line, err_set(&rd->why, -ENOMEM, "out of memory"));
	r = config_assign(
		rd->c, slice_str(rd->section), slice_str(rd->key), buf_slice(&rd->value), &which, &rd->why);
	if (r < 0)
		return refuse(rd, rd->key_line, r);
	if (rd->seen[which])
		return refuse(rd, rd->key_line,
			err_set(&rd->why, -EINVAL, "%s.%s is given twice", rd->section, rd->key));
	rd->seen[which] = true;
	return 0;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct reading *rd = user;

	if (rd->code)
		return 0;
	if (rd->indented) {
		buf_add_str(&rd->value, rd->value.len ? " " : "");
		buf_add_str(&rd->value, value);
		return 1;
	}
	rd->has_key = true;
	rd->key_line = rd->line;
	snprintf(rd->section, sizeof(rd->section), "%s", section);
	snprintf(rd->key, sizeof(rd->key), "%s", name);
	buf_clear(&rd->value);
	buf_add_str(&rd->value, value);
	return 1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int check_bytes(struct slice line, struct err *err)
{
	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = (uint8_t)line.data[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return err_set(err, -EINVAL, "control character 0x%02x", c);
		if (c == ';' && i && is_blank(line.data[i - 1]))
			return err_set(
				err, -EINVAL, "\" ;\" after other text: a comment goes on a line of its own");
	}
	return 0;
}

/* "[name]" and nothing behind it. */
static int check_section(struct config *c, struct slice line, struct err *err)
{
	const char *close = memchr(line.data, ']', line.len);
	struct slice name;
	int r;

	if (!close)
		return err_set(err, -EINVAL, "a section's name ends in \"]\"");
	if (close + 1 != line.data + line.len)
		return err_set(err, -EINVAL, "something follows the \"]\"");
	name = slice_of(line.data + 1, line.len - 2);
	if (name.len > SECTION_NAME_MAX)
		return err_set(err, -EINVAL, "a section's name of %zu bytes", name.len);
	r = config_section(c, name, err);
	return r < 0 ? err_context(err, r, "[%.*s]", (int)name.len, name.data) : 0;
}

static int check_key(struct slice line, struct err *err)
{
	size_t n = 0;

	while (n < line.len && line.data[n] != '=' && line.data[n] != ':')
		n++;
	if (n == line.len)
		return err_set(err, -EINVAL, "neither [section] nor key = value");
	while (n && is_blank(line.data[n - 1]))
		n--;
	if (n > SECTION_NAME_MAX)
		return err_set(err, -EINVAL, "a key's name of %zu bytes", n);
	return 0;
}

/* `line` is without its end; `room` is how many bytes of it inih can take. */
static int check_line(struct reading *rd, struct slice line, size_t room)
{
	struct slice text = line;
	int r;

	while (text.len && is_blank(text.data[0]))
		text = slice_of(text.data + 1, text.len - 1);
	while (text.len && is_blank(text.data[text.len - 1]))
		text.len--;
	rd->indented = false;
	/* inih would take the rest of a long comment for a line. */
	if (line.len > room)
		return err_set(&rd->why, -EINVAL,
			"%zu bytes are more than a line may have (%zu): a value goes on in indented lines",
			line.len, room);
	if (!text.len || text.data[0] == '#' || text.data[0] == ';')
		return line.len && memchr(line.data, 0, line.len)
			       ? err_set(&rd->why, -EINVAL, "a NUL byte in a comment")
			       : 0;
	r = check_bytes(text, &rd->why);
	if (r < 0)
		return r;
	rd->indented = is_blank(line.data[0]);
	if (rd->indented)
		return rd->has_key
			       ? 0
			       : err_set(&rd->why, -EINVAL, "indented, but there is no value to go on with");
	r = finish_key(rd);
	if (r < 0)
		return r;
	return text.data[0] == '[' ? check_section(rd->c, text, &rd->why) : check_key(text, &rd->why);
}

/* inih's fgets(): one line a call, always whole and with its end. */
static char *next_line(char *out, int size, void *stream)
{
	struct reading *rd = stream;
	struct slice line = rd->left;
	const char *end;
	int r;

	if (rd->code || !rd->left.len || size < 3)
		return NULL;
	end = memchr(line.data, '\n', line.len);
	if (end)
		line.len = (size_t)(end - line.data);
	rd->left = slice_of(rd->left.data + line.len + !!end, rd->left.len - line.len - !!end);
	rd->line++;
	if (line.len && line.data[line.len - 1] == '\r')
		line.len--;
	r = check_line(rd, line, (size_t)size - 2);
	if (r < 0) {
		refuse(rd, rd->line, r);
		return NULL;
	}
	if (line.len)
		memcpy(out, line.data, line.len);
	memcpy(out + line.len, "\n", 2);
	return out;
}

int config_parse(struct config *c, const char *origin, struct slice text, struct err *err)
{
	struct reading rd = {.c = c, .left = text};
	int r;

	if (text.len > CONFIG_TEXT_MAX)
		return err_set(err, -EINVAL, "%s: %zu bytes are more than a configuration may have (%d)",
			origin, text.len, CONFIG_TEXT_MAX);
	if (slice_starts(text, slice_str("\xef\xbb\xbf")))
		rd.left = slice_of(text.data + 3, text.len - 3);
	r = ini_parse_stream(next_line, &rd, on_value, &rd);
	if (!rd.code)
		finish_key(&rd);
	if (!rd.code && r < 0)
		refuse(&rd, rd.line, err_set(&rd.why, -ENOMEM, "out of memory"));
	if (!rd.code && (r > 0 || rd.left.len))
		refuse(&rd, r > 0 ? (unsigned)r : rd.line,
			err_set(&rd.why, -EINVAL, "inih cannot read this line"));
	buf_release(&rd.value);
	if (rd.code)
		return err_set(err, rd.code, "%s:%u: %s", origin, rd.bad_line, rd.why.message);
	return 0;
}

static int read_all(int fd, struct buf *out)
{
	ssize_t n;
	char *to;

	while (out->len <= CONFIG_TEXT_MAX) {
		to = buf_reserve(out, 4096);
		if (!to)
			return -ENOMEM;
		n = read(fd, to, 4096);
		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			return -errno;
		out->len += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int config_parse_file(struct config *c, const char *path, struct err *err)
{
	OWNED_BUF text = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return err_sys(err, -errno, "%s", path);
	r = read_all(fd, &text);
	close(fd);
	if (r < 0)
		return err_sys(err, r, "%s", path);
	return config_parse(c, path, buf_slice(&text), err);
}
