/* SPDX-License-Identifier: Apache-2.0 */
#define FUSE_USE_VERSION 317
#include "passthrough.h"
#include "log.h"
#include "ops.h"
#include "thread.h"

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LIVE "segments"
/* So many inode numbers has each connection: those of different ones never meet. */
#define INODES_EACH (UINT64_C(1) << 40)

/* A connection: the segments of one generation. */
struct shown {
	struct shown *next;
	struct passthrough *of;
	struct fuse_session *se;       /* owned */
	struct ops ops;                /* the mount's, but for a tree that is segments/ alone */
	struct generation *generation; /* a reference */
	int *backing; /* owned; the kernel's number for each segment's file, 0: none yet; the connection's thread's */
	pthread_t thread;
	atomic_bool ended;
};

struct passthrough {
	struct passthrough_options opt;
	dev_t device; /* the mount's */
	pthread_t thread;
	struct shown *shown; /* owned; that thread's, until it has ended */
	uint64_t connections;
	pthread_mutex_t lock; /* everything below */
	pthread_cond_t more;
	bool stopping;
	struct generation *next; /* a reference; NULL: all is shown */
	char word[ERR_MAX];
};

static void say(struct passthrough *p, const char *word)
{
	bool is_new;

	pthread_mutex_lock(&p->lock);
	is_new = strcmp(p->word, word) != 0;
	snprintf(p->word, sizeof(p->word), "%s", word);
	pthread_mutex_unlock(&p->lock);
	if (is_new)
		log_line(LOG_INFO, "passthrough of segments: %s", word);
}

static void say_off(struct passthrough *p, const struct err *err)
{
	char word[ERR_MAX];

	snprintf(word, sizeof(word), "off: %.900s", err->message);
	say(p, word);
}

/* --- a connection's requests --- */

static struct shown *shown_of(fuse_req_t req)
{
	char *ops = fuse_req_userdata(req);

	return (struct shown *)(void *)(ops - offsetof(struct shown, ops));
}

static void init(void *userdata, struct fuse_conn_info *conn)
{
	ops_table.init(userdata, conn);
	conn->want |= conn->capable & FUSE_CAP_PASSTHROUGH;
	conn->max_backing_stack_depth =
		FUSE_BACKING_STACKED_OVER; /* a container's state may lie on overlayfs */
}

/* 0: the kernel takes none, and asks for the bytes instead. */
static int backing_of(struct shown *s, fuse_req_t req, const struct node *n)
{
	const struct manifest *m = &s->generation->manifest;
	struct err err = ERR_INIT;
	char hex[SHA256_HEX];
	size_t i = 0;

	while (i < m->segment_count &&
		!slice_eq(slice_str(hex_text(m->segments[i].sha256, SHA256_BYTES, hex)), node_text(n)))
		i++;
	if (i == m->segment_count)
		return 0;
	if (!s->backing[i]) {
		s->backing[i] = fuse_passthrough_open(req, n->fd);
		if (s->backing[i])
			return s->backing[i];
		err_sys(&err, -errno, "the kernel does not take %s.seg", m->segments[i].name);
		say_off(s->of, &err);
	}
	return s->backing[i];
}

static void open_segment(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct shown *s = shown_of(req);
	struct node *n = inode_find(s->ops.tree.inodes, ino);

	requests_add(s->ops.tree.requests, REQUEST_OPEN, 1);
	if (!n) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	if (n->kind == NODE_SEGMENT)
		fi->backing_id = backing_of(s, req, n);
	fi->keep_cache = fi->backing_id == 0; /* the kernel takes one of the two */
	fi->noflush = 1;
	fuse_reply_open(req, fi);
}

static void ignore_signal(int sig)
{
}

static void *serve(void *arg)
{
	struct shown *s = arg;
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, THREAD_KICK);
	pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	fuse_session_loop(s->se);
	s->ended = true;
	return NULL;
}

/* --- its life --- */

static void shown_free(struct shown *s)
{
	if (s->se)
		fuse_session_destroy(s->se);
	inode_table_free(s->ops.tree.inodes);
	generation_unref(s->generation);
	free(s->backing);
	free(s);
}

static int plant(struct shown *s)
{
	const struct manifest *m = &s->generation->manifest;
	struct inode_key key = {.kind = NODE_SEGMENTS,
		.place = PLACE_LIVE,
		.generation = inode_generation_id(m->index, m->number)};
	struct inode_parts parts = {.fd = -1,
		.generation = generation_ref(s->generation),
		.mtime = m->published,
		.ctime = m->published};

	if (inode_get(s->ops.tree.inodes, &key, &parts))
		return 0;
	return -ENOMEM;
}

static struct shown *shown_new(struct passthrough *p, struct generation *g)
{
	struct shown *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->of = p;
	s->generation = generation_ref(g);
	s->ops = *p->opt.ops;
	s->ops.tree.inodes = inode_table_new(++p->connections * INODES_EACH);
	s->backing = calloc(g->manifest.segment_count + 1, sizeof(*s->backing));
	if (s->ops.tree.inodes && s->backing && plant(s) == 0)
		return s;
	shown_free(s);
	return NULL;
}

/* What the kernel has ended. */
static void reap(struct passthrough *p)
{
	struct shown **at = &p->shown, *s;

	while ((s = *at)) {
		if (!s->ended) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		pthread_join(s->thread, NULL);
		shown_free(s);
	}
}

static int connect_session(struct shown *s, int fuse, struct err *err)
{
	static struct fuse_lowlevel_ops table; /* one for all: one thread makes them */
	char *argv[] = {(char[]){"freshet"}, NULL}, at[32];
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);

	table = ops_table;
	table.init = init;
	table.open = open_segment;
	s->se = fuse_session_new(&args, &table, sizeof(table), &s->ops);
	fuse_opt_free_args(&args);
	if (!s->se)
		return err_set(err, -ENOMEM, "a FUSE session could not be made");
	snprintf(at, sizeof(at), "/dev/fd/%d", fuse); /* libfuse's word for: connected already */
	return fuse_session_mount(s->se, at) < 0 ? err_set(err, -EIO, "libfuse did not take its connection")
						 : 0;
}

/* --- mounts --- */

static int set_text(int fs, const char *key, const char *value)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

static int set_number(int fs, const char *key, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return set_text(fs, key, text);
}

static int set_flag(int fs, const char *key)
{
	return fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0) < 0 ? -errno : 0;
}

static int configure(const struct passthrough *p, int fs, int fuse)
{
	int r = set_text(fs, "source", "freshet:segments");

	if (r == 0)
		r = set_text(fs, "subtype", "freshet");
	if (r == 0)
		r = set_number(fs, "fd", (unsigned)fuse);
	if (r == 0)
		r = set_text(fs, "rootmode", "40000");
	if (r == 0)
		r = set_number(fs, "user_id", p->opt.ops->tree.uid);
	if (r == 0)
		r = set_number(fs, "group_id", p->opt.ops->tree.gid);
	if (r == 0)
		r = set_flag(fs, "default_permissions");
	if (r == 0 && p->opt.allow_other)
		r = set_flag(fs, "allow_other");
	if (r == 0)
		r = set_flag(fs, "ro");
	if (r == 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		r = -errno;
	return r;
}

/* A mount of that connection that is nowhere yet. Returns a descriptor, or -errno. */
static int mount_nowhere(const struct passthrough *p, int fuse, struct err *err)
{
	int fs = fsopen("fuse", FSOPEN_CLOEXEC), r, fd;

	if (fs < 0)
		return err_sys(err, -errno, "making a file system (which takes CAP_SYS_ADMIN)");
	r = configure(p, fs, fuse);
	fd = r < 0 ? -1
		   : fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (r == 0 && fd < 0)
		r = -errno;
	close(fs);
	return r < 0 ? err_sys(err, r, "making a file system for segments") : fd;
}

/* A directory of the mount itself, with nothing over it, that belongs to generation `number`: a descriptor. -ESTALE: it is another's. */
static int open_place(const struct passthrough *p, const char *path, uint64_t number)
{
	OWNED_BUF full = {0};
	char value[24] = "", wanted[24];
	struct stat st;
	int fd, r = 0;

	buf_addf(&full, "%s/%s", p->opt.mountpoint, path);
	fd = open(buf_cstr(&full), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(wanted, sizeof(wanted), "%" PRIu64, number);
	if (fstat(fd, &st) < 0 || fgetxattr(fd, "user.freshet.generation", value, sizeof(value) - 1) < 0)
		r = -errno;
	else if (st.st_dev != p->device || strcmp(value, wanted) != 0)
		r = -ESTALE;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* Moves the mount that `tree` is to a directory of the mount. Returns 0 or -errno. */
static int put(const struct passthrough *p, int tree, const char *path, uint64_t number)
{
	int fd = open_place(p, path, number), r = 0;

	if (fd < 0)
		return fd;
	if (move_mount(tree, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* First where nothing changes, then a second one of it where the current generation is. That one may be another by now. */
static int put_both(const struct passthrough *p, int tree, uint64_t number, struct err *err)
{
	char path[64];
	int r, second;

	snprintf(path, sizeof(path), "generations/%" PRIu64 "/" LIVE, number);
	r = put(p, tree, path, number);
	if (r < 0)
		return err_sys(err, r, "mounting over %s", path);
	second = open_tree(tree, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (second < 0)
		return err_sys(err, -errno, "mounting over " LIVE);
	r = put(p, second, LIVE, number);
	close(second);
	/* -ESTALE also where the mount shows nothing that old. */
	return r == 0 || r == -ESTALE || r == -ENOENT ? 0 : err_sys(err, r, "mounting over " LIVE);
}

static int show_new(struct passthrough *p, struct generation *g, struct err *err)
{
	struct shown *s = shown_new(p, g);
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC), tree, r;

	if (!s || fuse < 0) {
		r = s ? err_sys(err, -errno, "/dev/fuse") : err_set(err, -ENOMEM, "out of memory");
		goto out;
	}
	tree = mount_nowhere(p, fuse, err);
	r = tree < 0 ? tree : connect_session(s, fuse, err);
	if (r == 0)
		fuse = -1; /* the session's now */
	if (r == 0) {
		r = thread_start(&s->thread, "freshet-segments", serve, s);
		if (r < 0)
			err_sys(err, r, "starting a thread");
	}
	if (r == 0) {
		s->next = p->shown;
		p->shown = s;
		s = NULL;
		r = put_both(p, tree, g->manifest.number, err);
	}
	if (tree >= 0)
		close(tree); /* where it was put nowhere, the connection ends with this */
out:
	if (fuse >= 0)
		close(fuse);
	if (s)
		shown_free(s);
	return r;
}

static void show(struct passthrough *p, struct generation *g)
{
	struct err err = ERR_INIT;

	reap(p);
	/* The kernel takes down what is mounted over a name that points elsewhere. */
	fuse_lowlevel_notify_inval_entry(p->opt.se, INODE_ROOT, LIVE, strlen(LIVE));
	if (show_new(p, g, &err) < 0)
		say_off(p, &err);
	else
		say(p, "on");
}

static void *show_each(void *arg)
{
	struct passthrough *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		OWNED(generation) struct generation *g = p->next;

		p->next = NULL;
		if (!g) {
			pthread_cond_wait(&p->more, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		show(p, g);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* --- the whole --- */

int passthrough_start(struct passthrough **out, const struct passthrough_options *opt)
{
	struct sigaction kick = {.sa_handler = ignore_signal};
	struct passthrough *p = calloc(1, sizeof(*p));
	struct statx st;
	int r;

	*out = NULL;
	if (!p)
		return -ENOMEM;
	p->opt = *opt;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	snprintf(p->word, sizeof(p->word), "off: nothing is published yet");
	sigaction(THREAD_KICK, &kick, NULL);
	/* Its device needs no answer from the mount. */
	r = statx(AT_FDCWD, opt->mountpoint, AT_STATX_DONT_SYNC, 0, &st) < 0 ? -errno : 0;
	if (r == 0) {
		p->device = makedev(st.stx_dev_major, st.stx_dev_minor);
		r = thread_start(&p->thread, "freshet-through", show_each, p);
	}
	if (r < 0) {
		free(p);
		return r;
	}
	*out = p;
	return 0;
}

void passthrough_show(struct passthrough *p, struct generation *g)
{
	struct generation *before;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	before = p->next;
	p->next = generation_ref(g);
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
	generation_unref(before);
}

void passthrough_stop(struct passthrough *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
}

void passthrough_free(struct passthrough *p)
{
	if (!p)
		return;
	for (struct shown *s = p->shown; s; s = s->next) {
		fuse_session_exit(s->se);
		thread_kick(s->thread, &s->ended);
	}
	reap(p);
	generation_unref(p->next);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void passthrough_word(struct passthrough *p, char out[ERR_MAX])
{
	if (!p) {
		snprintf(out, ERR_MAX, "off: not asked for");
		return;
	}
	pthread_mutex_lock(&p->lock);
	memcpy(out, p->word, ERR_MAX);
	pthread_mutex_unlock(&p->lock);
}
