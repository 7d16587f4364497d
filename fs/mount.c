/* SPDX-License-Identifier: Apache-2.0 */
/* The order of going down matters. A lookup that waits for a build holds the kernel's lock on the root, and
 * the notify thread may wait for that lock; both need somebody who answers requests. So on a signal the
 * refresh and notify threads end first, while requests are still served; then the loop, then the mount
 * point. After an unmount from outside the connection is gone already and nothing can wait on it. */
#define FUSE_USE_VERSION 314
#include "mount.h"
#include "log.h"
#include "mapping.h"
#include "notify.h"
#include "ops.h"
#include "passthrough.h"
#include "readahead.h"
#include "thread.h"
#include "watchdog.h"

#include <fuse_lowlevel.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#define RENDER_BYTES (64u << 20)
#define WORKERS 4      /* for queries, rejects/, and generations that are opened */
#define FEED_WORKERS 4 /* for partitions/ */
#define SERVERS_MAX 16
#define LOOP_OVER SIGUSR1 /* tells the signal thread to go */
/* As in systemd(1), whose users know them. */
#define LOG_MORE (SIGRTMIN + 22)
#define LOG_AS_BEFORE (SIGRTMIN + 23)

#define POINTERS_ALL 1u
#define POINTERS_COMPLETE_THROUGH 2u

struct mount {
	const struct mount_options *opt;
	struct ops ops;
	struct requests requests; /* of all connections */
	struct fuse_session *se;
	struct notify *notify;
	struct passthrough *passthrough; /* NULL: not asked for */
	struct watchdog *watchdog;       /* NULL: nobody wants to know */
	pthread_t main, signals;
	sigset_t waited;
	atomic_uint outdated; /* POINTERS_…: the root's names that the notify thread is to tell of */
	bool mounted, broke;
	bool hangs; /* a thread waits for a feed that does not answer */
	atomic_bool stopped_in_order, loop_ended;
};

static char fuse_said[ERR_MAX]; /* libfuse's last words before the mount stands; one thread then */
static bool serving;

__attribute__((format(printf, 2, 0))) static void take_fuse_log(
	enum fuse_log_level level, const char *fmt, va_list args)
{
	char line[ERR_MAX];
	size_t n;

	if (level > FUSE_LOG_WARNING)
		return;
	vsnprintf(line, sizeof(line), fmt, args);
	n = strcspn(line, "\n");
	line[n] = 0;
	if (serving)
		log_line(LOG_WARNING, "%s", line);
	else
		memcpy(fuse_said, line, n + 1);
}

/* --- what a publish changes for the kernel --- */

static void tell_generation(struct mount *m, uint64_t number)
{
	char name[24];

	snprintf(name, sizeof(name), "%" PRIu64, number);
	notify_entry(m->notify, tree_generations_ino(&m->ops.tree), name);
}

/* Of what was kept, what is not: another index keeps nothing of the one before. */
static bool tell_dropped(
	struct mount *m, const struct snapshot *before, const struct snapshot *now, bool another)
{
	bool dropped = another;

	for (size_t i = 0; i < before->kept_count; i++) {
		if (!another && snapshot_keeps(now, before->kept[i].number))
			continue;
		tell_generation(m, before->kept[i].number);
		dropped = true;
	}
	/* The rows of an emptied state are gone while its generation is served still. */
	if (another)
		tell_generation(m, before->generation->manifest.number);
	return dropped;
}

/* Does no path lead to that directory any more? */
static bool is_gone(void *ctx, const struct node *dir)
{
	const struct snapshot *now = ctx;
	uint64_t number = dir->generation->manifest.number;

	if (!now->generation || !generation_is_of(dir->generation, now->generation))
		return true;
	if (number == now->generation->manifest.number)
		return false;
	return dir->place == PLACE_LIVE || !snapshot_keeps(now, number);
}

/* The kernel lets a directory go that no path leads to, with all in it that nobody uses. But names of files that are open then stay
 * when these are closed, for as long as there is memory, and with them their generation: nobody can ever look them up again. So it
 * is told of each, and at the next publish again of those that are still there: a name that it was just being told of it does not
 * know yet, and who stands in such a directory goes on looking names up. */
static void tell_gone(struct mount *m)
{
	OWNED(snapshot) struct snapshot *now = refresh_snapshot(m->ops.tree.refresh);
	OWNED_BUF names = {0};
	const char *name;
	uint64_t dir;

	inode_gone_names(m->ops.tree.inodes, is_gone, now, &names);
	for (size_t at = 0; at < names.len; at += sizeof(dir) + strlen(name) + 1) {
		memcpy(&dir, names.data + at, sizeof(dir));
		name = names.data + at + sizeof(dir);
		fuse_lowlevel_notify_inval_entry(m->se, dir, name, strlen(name));
	}
}

static void tell_pointers(struct mount *m, unsigned which)
{
	for (size_t i = 0; which && tree_pointers[i]; i++) {
		const char *name = tree_pointers[i];

		if (m->passthrough && !strcmp(name, "segments"))
			continue; /* told when it is shown, in that order */
		if ((which & POINTERS_ALL) || !strcmp(name, "complete_through"))
			fuse_lowlevel_notify_inval_entry(m->se, INODE_ROOT, name, strlen(name));
	}
}

/* On the notify thread. */
static void tell_published(void *ctx)
{
	struct mount *m = ctx;

	tell_pointers(m, atomic_exchange(&m->outdated, 0));
	tell_gone(m);
}

static void published(void *ctx, const struct snapshot *before, const struct snapshot *now)
{
	struct mount *m = ctx;
	bool another = before->generation && now->generation &&
		       !generation_is_of(before->generation, now->generation);
	bool moved = another || before->status.generation != now->status.generation;
	bool dropped;

	if (another)
		log_line(LOG_WARNING,
			"another index is in %s: %s, not %s; its generation %" PRIu64 " is served now",
			m->opt->state->dir, now->generation->manifest.index,
			before->generation->manifest.index, now->generation->manifest.number);
	if (before->kept_changed != now->kept_changed)
		notify_attributes(m->notify, tree_generations_ino(&m->ops.tree));
	watchdog_wake(m->watchdog);
	dropped = tell_dropped(m, before, now, another);
	/* With a time limit on these names there is nothing to tell: they are asked for again soon. But those
	 * that nobody asks for may still keep open what is not kept any more. */
	if (m->opt->cfg->refresh == REFRESH_EAGER)
		m->outdated |= moved ? POINTERS_ALL : POINTERS_COMPLETE_THROUGH;
	else if (dropped || (moved && notify_is_polled(m->notify))) /* who is woken looks at once */
		m->outdated |= POINTERS_ALL;
	notify_publish(m->notify);
	if (moved)
		notify_pollers(m->notify);
	if (now->generation && moved)
		passthrough_show(m->passthrough, now->generation);
}

/* --- going up --- */

static int set_up_tree(struct mount *m, struct err *err)
{
	const struct mount_options *opt = m->opt;
	struct refresh_options refresh = {.state = opt->state,
		.cfg = opt->cfg,
		.store = opt->store,
		.url = opt->url,

		.feed_dir = *opt->url == '/' && !opt->follow ? opt->url : NULL,
		.argv = opt->builder_argv,
		.merge_argv = opt->merger_argv,
		.publish_argv = opt->publisher_argv,
		.follow = opt->follow,
		.dest = opt->dest,
		.published = published,
		.ctx = m};
	struct tree *t = &m->ops.tree;
	int r;

	*t = (struct tree){.state = opt->state,
		.cfg = opt->cfg,
		.mountpoint = opt->mountpoint,
		.url = opt->url,
		.requests = &m->requests,
		.started = time_now() / TIME_SECOND * TIME_SECOND,
		.uid = getuid(),
		.gid = getgid()};
	/* A follower has no feed: partitions/ is empty. */
	t->mirrors[MIRROR_PARTITIONS] = (struct mirror){opt->follow ? NULL : opt->store, ""};
	r = store_dir_open(&t->mirrors[MIRROR_REJECTS].store, opt->state->dir, err);
	t->mirrors[MIRROR_REJECTS].base = "rejects";
	if (r < 0)
		return r;
	r = template_parse(&t->template, opt->cfg->partition, err);
	if (r < 0)
		return r;
	t->inodes = inode_table_new(INODE_ROOT + 1);
	t->render = render_new(RENDER_BYTES);
	if (!t->inodes || !t->render || tree_plant(t) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return refresh_open(&t->refresh, &refresh, err);
}

static int session_arguments(struct mount *m, struct fuse_args *args, struct err *err)
{
	/* As fstab has it: so `mount -a` knows that it is mounted. */
	OWNED_STR char *name = NULL;
	char *options = NULL;
	int r = -1;

	if (asprintf(&name, "fsname=%s", m->opt->url) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	if (fuse_opt_add_opt(&options, "ro,default_permissions,subtype=freshet") == 0 &&
		fuse_opt_add_opt_escaped(&options, name) == 0 &&
		(!*m->opt->kernel_options || fuse_opt_add_opt(&options, m->opt->kernel_options) == 0) &&
		fuse_opt_add_arg(args, "freshet") == 0 && fuse_opt_add_arg(args, "-o") == 0)
		r = fuse_opt_add_arg(args, options);
	free(options);
	return r < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int set_up_session(struct mount *m, struct err *err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int r = session_arguments(m, &args, err);

	fuse_set_log_func(take_fuse_log);
	if (r == 0) {
		m->se = fuse_session_new(&args, &ops_table, sizeof(ops_table), &m->ops);
		if (!m->se)
			r = err_set(err, -EINVAL, "FUSE: %s", fuse_said);
	}
	fuse_opt_free_args(&args);
	if (r < 0)
		return r;
	if (fuse_session_mount(m->se, m->opt->mountpoint) < 0)
		return err_set(err, -EIO, "%s: mounting: %s", m->opt->mountpoint,
			*fuse_said ? fuse_said : "refused");
	m->mounted = true;
	serving = true;
	readahead_raise(m->opt->mountpoint);
	return 0;
}

/* --- signals --- */

static void ignore_signal(int sig)
{
}

/* The next signal that asks to end; those that ask for more or less of a log are obeyed meanwhile. */
static int next_end(const struct mount *m)
{
	int sig;

	for (;;) {
		if (sigwait(&m->waited, &sig) != 0)
			continue;
		if (sig != LOG_MORE && sig != LOG_AS_BEFORE)
			return sig;
		log_set_level(sig == LOG_MORE ? LOG_DEBUG : m->opt->log_level);
		log_line(LOG_INFO,
			sig == LOG_MORE ? "everything is logged from now on" : "logs as it did at first");
	}
}

static void *wait_for_signal(void *arg)
{
	struct mount *m = arg;
	int sig = next_end(m);

	if (sig == LOOP_OVER)
		return NULL;
	log_line(LOG_INFO, "%s: ends on signal %d (%s)", m->opt->mountpoint, sig, strsignal(sig));
	if (m->opt->service)
		service_tell(m->opt->service, "STOPPING=1\n");
	m->stopped_in_order = true;
	m->hangs |= !refresh_stop(m->ops.tree.refresh);
	m->hangs |= !watchdog_stop(m->watchdog);
	notify_stop(m->notify);
	passthrough_stop(m->passthrough);
	fuse_session_exit(m->se);
	thread_kick(m->main, &m->loop_ended);
	return NULL;
}

/* Before there is a mount point, which a signal that ends the process would leave behind dead. */
static void hold_signals(struct mount *m)
{
	struct sigaction kick = {.sa_handler = ignore_signal}, ignore = {.sa_handler = SIG_IGN};

	sigaction(THREAD_KICK, &kick, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigemptyset(&m->waited);
	sigaddset(&m->waited, SIGTERM);
	sigaddset(&m->waited, SIGINT);
	sigaddset(&m->waited, SIGHUP);
	sigaddset(&m->waited, LOOP_OVER);
	sigaddset(&m->waited, LOG_MORE);
	sigaddset(&m->waited, LOG_AS_BEFORE);
	pthread_sigmask(SIG_BLOCK, &m->waited, NULL);
	m->main = pthread_self();
}

static int take_signals(struct mount *m, struct err *err)
{
	int r = thread_start(&m->signals, "freshet-signals", wait_for_signal, m);

	return r < 0 ? err_sys(err, r, "starting a thread") : 0;
}

/* --- the whole --- */

static int start_passthrough(struct mount *m, struct err *err)
{
	OWNED(snapshot) struct snapshot *s = refresh_snapshot(m->ops.tree.refresh);
	int r;

	if (!m->opt->cfg->passthrough)
		return 0;
	r = passthrough_start(&m->passthrough,
		&(struct passthrough_options){.se = m->se,
			.ops = &m->ops,
			.mountpoint = m->opt->mountpoint,
			.allow_other = strstr(m->opt->kernel_options, "allow_other") != NULL});
	if (r < 0)
		return err_sys(err, r, "starting a thread");
	m->ops.tree.passthrough = m->passthrough;
	if (s->generation)
		passthrough_show(m->passthrough, s->generation);
	return 0;
}

static int start_watchdog(struct mount *m, struct err *err)
{
	const struct watchdog_options opt = {.mountpoint = m->opt->mountpoint,
		.refresh = m->ops.tree.refresh,
		.service = m->opt->service,
		.fuse_fd = fuse_session_fd(m->se),
		.ready = m->opt->ready,
		.ctx = m->opt->ctx};
	int r = watchdog_start(&m->watchdog, &opt);

	return r < 0 ? err_sys(err, r, "starting a thread") : 0;
}

static int start_threads(struct mount *m, struct err *err)
{
	int r = workers_start(&m->ops.workers, WORKERS, TIME_FOREVER);

	if (r == 0)
		r = workers_start(&m->ops.feed_workers, FEED_WORKERS, m->opt->cfg->feed_timeout);
	if (r == 0)
		r = notify_start(&m->notify, m->se, tell_published, m);
	if (r < 0)
		return err_sys(err, r, "starting a thread");
	m->ops.notify = m->notify;
	/* Before the thread that wakes it. */
	if (m->opt->service)
		r = start_watchdog(m, err);
	if (r == 0)
		r = start_passthrough(m, err);
	if (r == 0)
		r = refresh_start(m->ops.tree.refresh, err);
	return r < 0 ? r : take_signals(m, err);
}

static int serve(struct mount *m, struct err *err)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r;

	if (!config)
		return err_set(err, -ENOMEM, "out of memory");
	fuse_loop_cfg_set_max_threads(config, SERVERS_MAX);
	fuse_loop_cfg_set_idle_threads(config, SERVERS_MAX);
	r = fuse_session_loop_mt(m->se, config);
	fuse_loop_cfg_destroy(config);
	m->loop_ended = true;
	pthread_kill(m->signals, LOOP_OVER);
	pthread_join(m->signals, NULL);
	return r < 0 && !m->stopped_in_order ? err_sys(err, r, "serving requests") : 0;
}

static void take_down(struct mount *m)
{
	struct tree *t = &m->ops.tree;

	/* Nobody serves, but the kernel does not know: closing the connection lets go of whoever waits on it. */
	if (m->broke)
		fuse_session_unmount(m->se);
	if (!m->stopped_in_order) {
		if (m->mounted && !m->broke)
			log_line(LOG_INFO, "%s: was unmounted", m->opt->mountpoint);
		if (t->refresh)
			m->hangs |= !refresh_stop(t->refresh);
		m->hangs |= !watchdog_stop(m->watchdog);
		notify_stop(m->notify);
		passthrough_stop(m->passthrough);
	}
	m->hangs |= !workers_stop(m->ops.workers);
	m->hangs |= !workers_stop(m->ops.feed_workers);
	if (m->mounted && !m->broke)
		fuse_session_unmount(m->se);
	if (m->hangs)
		return; /* what that thread uses stays */
	passthrough_free(m->passthrough);
	if (m->se)
		fuse_session_destroy(m->se);
	refresh_free(t->refresh);
	notify_free(m->notify);
	render_free(t->render);
	inode_table_free(t->inodes);
	template_free(t->template);
	store_free(t->mirrors[MIRROR_REJECTS].store);
}

int mount_run(const struct mount_options *opt, struct err *err)
{
	struct mount m = {.opt = opt};
	int r;

	log_set_level(opt->log_level);
	r = set_up_tree(&m, err);

	hold_signals(&m);
	mapping_guard();
	if (r == 0)
		r = set_up_session(&m, err);
	if (r == 0)
		r = start_threads(&m, err);
	if (r == 0) {
		if (!opt->service)
			opt->ready(opt->ctx);
		r = serve(&m, err);
	}
	m.broke = r < 0 && m.mounted;
	take_down(&m);
	if (m.hangs) {
		if (r < 0)
			log_line(LOG_ERR, "%s", err->message);
		_exit(r < 0 ? EX_IOERR : EX_OK);
	}
	return r;
}
