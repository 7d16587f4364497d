/* SPDX-License-Identifier: Apache-2.0 */
/* bench_constfs SIZE MOUNTPOINT - the floor that the mount is measured against: a low-level FUSE file system
 * in which every name is a file of the same SIZE constant bytes, cached for ever, `open` answered with
 * ENOSYS, asked for as much at once as freshet is. It does nothing that a file system could leave out. Runs in
 * the foreground. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "readahead.h"

static char *content;
static size_t content_len;
static _Atomic fuse_ino_t next_ino = 2;

static struct stat attr_of(fuse_ino_t ino)
{
	struct stat st = {
		.st_ino = ino, .st_nlink = 1, .st_mode = S_IFREG | 0444, .st_size = (off_t)content_len};

	if (ino == FUSE_ROOT_ID) {
		st.st_mode = S_IFDIR | 0555;
		st.st_nlink = 2;
		st.st_size = 0;
	}
	return st;
}

static void const_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {.ino = next_ino++, .attr_timeout = 1e6, .entry_timeout = 1e6};

	(void)parent, (void)name;
	e.attr = attr_of(e.ino);
	fuse_reply_entry(req, &e);
}

static void const_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st = attr_of(ino);

	(void)fi;
	fuse_reply_attr(req, &st, 1e6);
}

static void const_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino, (void)fi;
	fuse_reply_err(req, ENOSYS);
}

static void const_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	size_t at = (size_t)off < content_len ? (size_t)off : content_len;

	(void)ino, (void)fi;
	fuse_reply_buf(req, content + at, size < content_len - at ? size : content_len - at);
}

static void const_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->max_readahead = READAHEAD_BYTES;
	conn->max_write = READAHEAD_REQUEST;
}

static const struct fuse_lowlevel_ops ops = {.init = const_init,
	.lookup = const_lookup,
	.getattr = const_getattr,
	.open = const_open,
	.read = const_read};

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_loop_config *loop = fuse_loop_cfg_create();
	struct fuse_session *se;
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: bench_constfs SIZE MOUNTPOINT\n");
		return 64;
	}
	content_len = strtoull(argv[1], NULL, 10);
	content = malloc(content_len + 1);
	if (!content)
		return 71;
	memset(content, 'x', content_len);
	se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!se || fuse_set_signal_handlers(se) || fuse_session_mount(se, argv[2]))
		return 71;
	readahead_raise(argv[2]);
	r = fuse_session_loop_mt(se, loop);
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	return r ? 71 : 0;
}
