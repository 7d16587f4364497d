/* SPDX-License-Identifier: Apache-2.0 */
/* freshet verify: is what is published whole? All findings are printed, each once; the status says whether
 * there were any. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "segment_verify.h"
#include "verify_deep.h"

static const char help[] =
	"Check the current generation: manifest, live set, catalog and every segment. WHAT may instead be a\n"
	"segment file, a directory with SHA256SUMS (a copy of segments/), or the feed whose state is meant.\n\n"
	"      --level checksums|structure|deep\n"
	"                     only those; structure (default): these and everything inside; deep: the\n"
	"                     postings too, made again from the stored records of the current generation\n"
	"      --deep         the same as --level deep\n";

struct check {
	struct cli *cli;
	bool structure, deep;
	uint64_t segments, bytes, bad;
	int worst; /* exit status of the first finding */
};

static void found(struct check *c, int code, const struct err *err)
{
	int r = cli_fail(c->cli, code, err);

	c->bad++;
	if (!c->worst)
		c->worst = r;
}

/* ---- files ---- */

static int sum_of(const char *path, uint8_t out[SHA256_BYTES], struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return err_sys(err, -errno, "%s", path);
	r = sha256_fd(fd, out, err);
	close(fd);
	return r < 0 ? err_context(err, r, "%s", path) : 0;
}

static int check_sum(const char *path, const uint8_t want[SHA256_BYTES], struct err *err)
{
	uint8_t sum[SHA256_BYTES];
	char hex[SHA256_HEX];
	int r = sum_of(path, sum, err);

	if (r < 0)
		return r;
	if (!memcmp(sum, want, SHA256_BYTES))
		return 0;
	return err_set(err, -EBADMSG, "%s: its SHA-256 is not %s", path, hex_text(want, SHA256_BYTES, hex));
}

static int check_segment(struct check *c, const char *path, struct err *err)
{
	OWNED(segment) struct segment *s = NULL;
	int r;

	r = segment_open(&s, path, path, err);
	if (r < 0)
		return r;
	c->segments++;
	c->bytes += segment_info(s)->file_bytes;
	r = segment_verify_checksums(s, err);
	if (r == 0 && c->structure)
		r = segment_verify_structure(s, err);
	return r;
}

/* A published segment is called by its own checksum. */
static int check_name(const char *path, struct err *err)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	uint8_t sum[SHA256_BYTES];
	char hex[SHA256_HEX];
	int r;

	if (strlen(base) != SEGMENT_NAME_HEX + 4 || strspn(base, "0123456789abcdef") != SEGMENT_NAME_HEX)
		return 0;
	r = sum_of(path, sum, err);
	if (r < 0 || !memcmp(hex_text(sum, SHA256_BYTES, hex), base, SEGMENT_NAME_HEX))
		return r;
	return err_set(err, -EBADMSG, "%s: its SHA-256 is %s, another than its name says", path, hex);
}

static void verify_file(struct check *c, const char *path)
{
	struct err err = ERR_INIT;
	int r = access(path, R_OK) == 0 ? 0 : err_sys(&err, -errno, "%s", path);

	if (r == 0)
		r = check_name(path, &err);
	if (r == 0)
		r = check_segment(c, path, &err);
	if (r < 0)
		found(c, r, &err);
}

/* ---- a directory with SHA256SUMS ---- */

static int verify_sums_line(struct check *c, const char *dir, char *line, struct err *err)
{
	uint8_t want[SHA256_BYTES];
	OWNED_STR char *path = NULL;
	size_t len = strlen(line);
	int r;

	if (len < 67 || !hex_parse(slice_of(line, 64), want, SHA256_BYTES) || line[64] != ' ' ||
		(line[65] != ' ' && line[65] != '*') || strchr(line + 66, '/'))
		return err_set(err, -EBADMSG, "%s/SHA256SUMS: not a line of sha256sum: %.80s", dir, line);
	if (asprintf(&path, "%s/%s", dir, line + 66) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	r = check_sum(path, want, err);
	if (r == 0 && len > 70 && !strcmp(line + len - 4, ".seg"))
		r = check_segment(c, path, err);
	return r;
}

static void verify_dir(struct check *c, const char *dir, const char *sums_path)
{
	struct err err = ERR_INIT;
	OWNED_BUF sums = {0};
	char *line, *save = NULL;
	int r;

	r = read_file(sums_path, MANIFEST_MAX, &sums, &err);
	if (r < 0) {
		found(c, r, &err);
		return;
	}
	buf_cstr(&sums);
	if (buf_error(&sums)) {
		found(c, -ENOMEM, NULL);
		return;
	}
	for (line = strtok_r(sums.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		r = verify_sums_line(c, dir, line, &err);
		if (r < 0)
			found(c, r, &err);
	}
}

/* ---- the state ---- */

/* A build that died between its commit and the renaming of `current` leaves that behind: nothing is lost or
 * wrong, mounts go on with the generation before, and the next build mends it. Worth saying, no damage. */
static void say_behind(const struct cli *cli, uint64_t number, uint64_t known)
{
	fprintf(stderr,
		"freshet: %s: %s/current: names generation %" PRIu64 ", catalog.db %" PRIu64
		": mounts see the newer one after the next build\n",
		cli->command->name, cli->state->dir, number, known);
}

static void verify_current(struct check *c, const struct catalog_current *known, const struct generation *g)
{
	const struct manifest *m = &g->manifest;
	struct cli *cli = c->cli;
	struct err err = ERR_INIT;
	uint8_t sum[SHA256_BYTES];
	uint64_t number;
	int r;

	if (memcmp(g->sha256, known->sha256, SHA256_BYTES))
		found(c,
			err_set(&err, -EBADMSG,
				"generations/%" PRIu64 ".json: not the bytes that catalog.db names",
				known->number),
			&err);
	if (m->watermark != known->watermark || m->published != known->published)
		found(c,
			err_set(&err, -EBADMSG,
				"generations/%" PRIu64 ".json: watermark or time differ from catalog.db's",
				known->number),
			&err);
	if (strcmp(m->index, catalog_index(cli->catalog)))
		found(c,
			err_set(&err, -EBADMSG, "generations/%" PRIu64 ".json: of another index, %s",
				known->number, m->index),
			&err);
	r = current_read(cli->state, &number, sum, &err);
	if (r == 0)
		number = 0;
	if (r >= 0 && number < known->number)
		say_behind(cli, number, known->number);
	else if (r >= 0 && (number != known->number || memcmp(sum, known->sha256, SHA256_BYTES)))
		r = err_set(&err, -EBADMSG,
			"%s/current: names generation %" PRIu64 " or bytes that catalog.db, at %" PRIu64
			", does not know",
			cli->state->dir, number, known->number);
	if (r < 0)
		found(c, r, &err);
}

static int verify_segment_of(struct check *c, const struct manifest *m, size_t i, struct err *err)
{
	OWNED_STR char *path = state_path(c->cli->state, "segments/%s.seg", m->segments[i].name);
	int r;

	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	r = check_sum(path, m->segments[i].sha256, err);
	return r < 0 ? r : check_segment(c, path, err);
}

/* The live set must be what deriving it from the segments gives. */
static int verify_live(struct generation *g, struct err *err)
{
	size_t n = g->manifest.segment_count;
	OWNED(generation) struct generation *again = NULL;
	OWNED_BUF bytes = {0};
	bool *keep = malloc(n + 1);
	int r;

	if (!keep)
		return err_set(err, -ENOMEM, "out of memory");
	memset(keep, true, n);
	r = generation_part(&again, g, keep, g->manifest.horizon, err);
	free(keep);
	if (r == 0) {
		live_encode(&again->live, &bytes);
		r = buf_error(&bytes);
	}
	if (r == 0 && !slice_eq(buf_slice(&bytes), buf_slice(&g->live_bytes)))
		r = err_set(err, -EBADMSG, "not what the segments give");
	return r < 0 ? err_context(err, r, "generations/%" PRIu64 ".live", g->manifest.number) : 0;
}

static void verify_records(struct check *c, struct generation *g)
{
	struct verify_deep_input in = {.g = g, .cfg = c->cli->cfg};
	struct err err = ERR_INIT;

	for (; in.segment < g->manifest.segment_count; in.segment++) {
		int r = verify_deep(&in, &err);

		if (r < 0)
			found(c, r, &err);
		segment_forget(g->segments[in.segment]);
	}
}

static void verify_generation(struct check *c, struct generation *g)
{
	struct err err = ERR_INIT;
	uint64_t bad = c->bad;
	size_t i;
	int r;

	for (i = 0; i < g->manifest.segment_count; i++) {
		r = verify_segment_of(c, &g->manifest, i, &err);
		if (r < 0)
			found(c, r, &err);
	}
	/* Of damaged segments nothing can be derived. */
	if (bad != c->bad || !c->structure)
		return;
	r = verify_live(g, &err);
	if (r < 0)
		found(c, r, &err);
	else if (c->deep)
		verify_records(c, g);
}

static int verify_state(struct check *c, const char *feed)
{
	OWNED(generation) struct generation *g = NULL;
	struct catalog_current known = {0};
	struct err err = ERR_INIT;
	int r;

	r = cli_open(c->cli, feed, 0);
	if (r == CLI_GO)
		r = cli_generation(c->cli, &g);
	if (r != CLI_GO)
		return r;
	if (!g) {
		if (!c->cli->json)
			printf("nothing is published\n");
		return 0;
	}
	r = catalog_current(c->cli->catalog, &known, &err);
	if (r < 0)
		return cli_fail(c->cli, r, &err);
	verify_current(c, &known, g);
	verify_generation(c, g);
	return CLI_GO;
}

/* ---- the command ---- */

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

static int verify(struct check *c)
{
	const char *what = c->cli->arg_count ? c->cli->args[0] : NULL;
	OWNED_STR char *sums = NULL;
	struct stat st;
	char n[2][32];
	int r = CLI_GO;

	if (what && asprintf(&sums, "%s/SHA256SUMS", what) < 0) {
		sums = NULL;
		return cli_fail(c->cli, -ENOMEM, NULL);
	}
	if (c->deep && what && (ends_in(what, ".seg") || access(sums, F_OK) == 0))
		return cli_usage(c->cli, "--deep needs a generation: name the feed or --state, not %s", what);
	if (what && (ends_in(what, ".seg") || (stat(what, &st) == 0 && S_ISREG(st.st_mode))))
		verify_file(c, what);
	else if (what && access(sums, F_OK) == 0)
		verify_dir(c, what, sums);
	else
		r = verify_state(c, what);
	if (r != CLI_GO)
		return r;
	if (c->cli->json)
		printf("{\"segments\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"findings\":%" PRIu64 "}\n",
			c->segments, c->bytes, c->bad);
	else if (!c->bad)
		printf("%s segments, %s bytes: whole\n", cli_grouped(c->segments, n[0]),
			cli_grouped(c->bytes, n[1]));
	return fflush(stdout) ? EX_IOERR : c->worst;
}

int cmd_verify(int argc, char **argv)
{
	const char *level = "structure";
	bool deep = false;
	const struct cli_option options[] = {{"deep", 0, CLI_FLAG, &deep}, {"level", 0, CLI_TEXT, &level}};
	const struct cli_command command = {"verify", "[OPTION]... [WHAT]", help, options, 2, 0, 1};
	struct cli cli;
	struct check check = {.cli = &cli};
	int r;

	r = cli_parse(&cli, &command, argc, argv);
	if (r == CLI_GO && strcmp(level, "checksums") && strcmp(level, "structure") && strcmp(level, "deep"))
		r = cli_usage(&cli, "--level: '%s' is none of checksums, structure and deep", level);
	check.deep = deep || !strcmp(level, "deep");
	check.structure = check.deep || !strcmp(level, "structure");
	if (r == CLI_GO)
		r = verify(&check);
	cli_release(&cli);
	return r;
}
