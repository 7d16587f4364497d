/* SPDX-License-Identifier: Apache-2.0 */
/* freshet inspect: a segment or a manifest as text. */
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "segment_verify.h"

static const char help[] =
	"Print what a segment holds, or a manifest, as text. WHAT is the path of a file, or the name of a\n"
	"segment or the number of a generation in the state directory; without it, the current generation.\n";

static int inspect_segment(const char *path, struct err *err)
{
	OWNED(segment) struct segment *s = NULL;
	int r;

	r = segment_open(&s, path, path, err);
	return r < 0 ? r : segment_dump(s, stdout, err);
}

/* Decoded and encoded again, so what is printed is what freshet makes of the file. */
static int inspect_manifest(const char *path, struct err *err)
{
	struct manifest m = {0};
	OWNED_BUF bytes = {0};
	OWNED_BUF text = {0};
	int r;

	r = read_file(path, MANIFEST_MAX, &bytes, err);
	if (r < 0)
		return r;
	r = manifest_decode(buf_slice(&bytes), &m, err);
	if (r < 0)
		return err_context(err, r, "%s", path);
	manifest_encode(&m, &text);
	manifest_release(&m);
	if (buf_error(&text))
		return err_set(err, -ENOMEM, "out of memory");
	fwrite(text.data, 1, text.len, stdout);
	return 0;
}

/* Manifests are JSON objects, and no segment starts with a brace. */
static int inspect_file(const char *path, struct err *err)
{
	FILE *f = fopen(path, "rb");
	int first, r;

	if (!f)
		return err_sys(err, -errno, "%s", path);
	first = fgetc(f);
	r = ferror(f) ? err_sys(err, -errno, "%s", path) : 0;
	fclose(f);
	if (r < 0)
		return r;
	return first == '{' ? inspect_manifest(path, err) : inspect_segment(path, err);
}

static int inspect_current(struct cli *cli, struct err *err)
{
	OWNED(generation) struct generation *g = NULL;
	int r = cli_generation(cli, &g);

	if (r != CLI_GO)
		return r;
	if (!g)
		return cli_fail(cli, err_set(err, -ENOENT, "%s: nothing is published", cli->state->dir), err);
	fwrite(g->manifest_bytes.data, 1, g->manifest_bytes.len, stdout);
	return 0;
}

/* A name in the state directory: of a segment, or a generation's number. */
static int inspect_named(struct cli *cli, const char *what, struct err *err)
{
	bool is_number = what[0] && !what[strspn(what, "0123456789")] && strlen(what) < SEGMENT_NAME_HEX;
	OWNED_STR char *path = NULL;
	int r;

	r = cli_open(cli, NULL, 0);
	if (r != CLI_GO)
		return r;
	path = is_number ? state_path(cli->state, "generations/%s.json", what)
			 : state_path(cli->state, "segments/%s.seg", what);
	if (!path)
		return cli_fail(cli, -ENOMEM, NULL);
	if (strchr(what, '/') || access(path, F_OK) < 0) {
		err_set(err, -ENOENT, "%s: no such file, and no segment or generation of %s", what,
			cli->state->dir);
		return cli_fail(cli, -ENOENT, err);
	}
	r = is_number ? inspect_manifest(path, err) : inspect_segment(path, err);
	return r < 0 ? cli_fail(cli, r, err) : 0;
}

static int inspect(struct cli *cli)
{
	const char *what = cli->arg_count ? cli->args[0] : NULL;
	struct err err = ERR_INIT;
	int r;

	if (!what) {
		r = cli_open(cli, NULL, 0);
		if (r == CLI_GO)
			r = inspect_current(cli, &err);
	} else if (access(what, F_OK) == 0) {
		r = inspect_file(what, &err);
		if (r < 0)
			r = cli_fail(cli, r, &err);
	} else {
		r = inspect_named(cli, what, &err);
	}
	return r == 0 && fflush(stdout) ? EX_IOERR : r;
}

int cmd_inspect(int argc, char **argv)
{
	const struct cli_command command = {"inspect", "[OPTION]... [WHAT]", help, NULL, 0, 0, 1};
	struct cli cli;
	int r;

	r = cli_parse(&cli, &command, argc, argv);
	if (r == CLI_GO)
		r = inspect(&cli);
	cli_release(&cli);
	return r;
}
