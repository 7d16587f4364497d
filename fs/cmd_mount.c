/* SPDX-License-Identifier: Apache-2.0 */
/* freshet mount. The process forks before it has a thread or a database handle; the child opens everything,
 * mounts and serves, the parent waits until the mount answers, or gives the child's exit status on. */
#include "cli.h"
#include "fuse_check.h"
#include "log.h"
#include "mount.h"
#include "mount_option.h"
#include "mountpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char help[] =
	"Mounts the index of FEED (a directory, or s3://BUCKET/PREFIX) at MOUNTPOINT, read-only, and keeps it\n"
	"fresh. FEED may be left out where the configuration has feed.url. The mount goes to the background once\n"
	"it answers; take it down with `fusermount3 -u MOUNTPOINT` or `umount MOUNTPOINT`.\n\n"
	"      --follow       FEED is no feed, but where another host publishes (freshet publish DEST, or a\n"
	"                     directory that rsync fills from a mount's segments/): that is served\n"
	"  -f, --foreground   stay in the foreground, log to stderr, and tell a service manager (sd_notify(3))\n"
	"  -o OPTION[,...]    refresh=lazy|eager|manual, poll=1s, wait=2s, feed_timeout=10s,\n"
	"                     log_level=info, max_age=all, passthrough=no|yes, cache_size=64GiB;\n"
	"                     state=DIR, config=FILE, set=SECTION.KEY=VALUE; follow, allow_other, and what\n"
	"                     mount(8) has for every type (a comma in a value is written \\,)\n";

struct mount_command {
	struct cli cli;
	struct cli_list o;
	bool foreground, follow;
	struct mount_option_set set;
	char *mountpoint;       /* owned, absolute */
	const char *feed;       /* borrowed; NULL: not given */
	int readyfd;            /* -1: nobody waits */
	struct service service; /* in the foreground */
};

/* --- before the fork --- */

static int take_mount_options(struct mount_command *c)
{
	struct cli *cli = &c->cli;
	struct err err = ERR_INIT;
	const char **items;

	for (size_t i = 0; i < c->o.count; i++) {
		if (mount_options_parse(&c->set, c->o.items[i], &err) < 0)
			return cli_usage(cli, "%s", err.message);
	}
	c->follow |= c->set.follow;
	if (c->set.state)
		cli->state_dir = c->set.state;
	if (c->set.config)
		cli->config_file = c->set.config;
	if (!c->set.sets.count)
		return CLI_GO;
	items = realloc(cli->sets.items, (cli->sets.count + c->set.sets.count) * sizeof(*items));
	if (!items)
		return cli_fail(cli, -ENOMEM, NULL);
	cli->sets.items = items;
	for (size_t i = 0; i < c->set.sets.count; i++)
		items[cli->sets.count++] = c->set.sets.items[i];
	return CLI_GO;
}

static int check_fuse(void)
{
	const char *why = fuse_missing();

	if (!why)
		return CLI_GO;
	fprintf(stderr, "freshet: mount: FUSE is not available: %s\n", why);
	return EX_UNAVAILABLE;
}

static int clear_mountpoint(struct mount_command *c, const char *given)
{
	struct err err = ERR_INIT;
	int r = mountpoint_clear(&c->mountpoint, given, &err);

	return r < 0 ? cli_fail(&c->cli, r, &err) : CLI_GO;
}

static int prepare(struct mount_command *c)
{
	struct cli *cli = &c->cli;
	int r;

	r = take_mount_options(c);
	if (r == CLI_GO)
		r = clear_mountpoint(c, cli->args[cli->arg_count - 1]);
	if (r == CLI_GO)
		r = check_fuse();
	if (cli->arg_count == 2)
		c->feed = cli->args[0];
	return r;
}

/* --- the process that serves --- */

static bool is_inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (path[n] == '/' || !path[n] || (n && dir[n - 1] == '/'));
}

/* One inside the other, and serving would wait for itself. */
static int check_apart(struct mount_command *c)
{
	const struct {
		const char *path, *what;
	} others[] = {{c->cli.url, "feed"}, {c->cli.state->dir, "state directory"}};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (is_inside(c->mountpoint, others[i].path) || is_inside(others[i].path, c->mountpoint))
			return cli_usage(&c->cli,
				"the mount point %s and the %s %s must not lie in each other", c->mountpoint,
				others[i].what, others[i].path);
	}
	return CLI_GO;
}

/* freshet COMMAND OPTION PLACE with the same state and configuration; the array is owned, the texts are borrowed. `option` and `place` may be
 * NULL. */
static const char **child_argv(
	struct mount_command *c, const char *command, const char *option, const char *place)
{
	struct cli *cli = &c->cli;
	const char **argv = calloc(9 + 2 * cli->sets.count + 1, sizeof(*argv)), **to = argv;

	if (!argv)
		return NULL;
	*to++ = "freshet";
	*to++ = command;
	*to++ = "--pulse";
	if (option)
		*to++ = option;
	if (place)
		*to++ = place;
	*to++ = "--state";
	*to++ = cli->state->dir;
	if (cli->config_path) {
		*to++ = "--config";
		*to++ = cli->config_path;
	}
	for (size_t i = 0; i < cli->sets.count; i++) {
		*to++ = "--set";
		*to++ = cli->sets.items[i];
	}
	return argv;
}

/* The background has no terminal and stands in no directory that somebody may want to unmount. Not before the file system
 * is mounted: under an automount only the process group of the service manager reaches the directory below, whoever else
 * would wait for the mount that it makes. */
static void detach(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (chdir("/") < 0 || fd < 0)
		return;
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static void say_ready(void *ctx)
{
	struct mount_command *c = ctx;

	if (c->foreground) {
		log_line(LOG_INFO, "%s is served at %s", c->cli.url, c->mountpoint);
		return;
	}
	log_to_syslog();
	detach();
	/* A parent that is gone does not need the word. */
	if (write(c->readyfd, "r", 1) < 0)
		errno = 0;
	close(c->readyfd);
	c->readyfd = -1;
}

static int log_level_of(const struct cli *cli)
{
	static const int levels[] = {
		[LEVEL_ERROR] = LOG_ERR,
		[LEVEL_WARNING] = LOG_WARNING,
		[LEVEL_INFO] = LOG_INFO,
		[LEVEL_DEBUG] = LOG_DEBUG,
	};

	return cli->verbose ? LOG_DEBUG : levels[cli->cfg->log_level];
}

static int serve(struct mount_command *c)
{
	struct cli *cli = &c->cli;
	OWNED_STR char *dest = NULL;
	struct err err = ERR_INIT;
	const char **argv, **merge_argv, **publish_argv;
	int r;

	if (c->foreground)
		service_init(&c->service);
	r = cli_open(cli, c->feed, CLI_CREATE | CLI_FEED | CLI_LATE | (c->follow ? CLI_FOLLOW : 0));

	if (r != CLI_GO)
		return r;
	if (mount_options_apply(&c->set, cli->cfg, &err) < 0)
		return cli_usage(cli, "%s", err.message);
	r = check_apart(c);
	if (r != CLI_GO)
		return r;
	if (cli->cfg->dest && !(dest = cli_absolute_url(cli->cfg->dest)))
		return cli_fail(cli, -ENOMEM, NULL);
	/* Merging and publishing are processes beside builds, so that none waits for them. */
	argv = c->follow ? child_argv(c, "follow", NULL, cli->url)
			 : child_argv(c, "build", "--no-merge", cli->url);
	merge_argv = child_argv(c, "build", "--merge-only", cli->url);
	publish_argv = child_argv(c, "publish", NULL, dest);
	if (!argv || !merge_argv || !publish_argv)
		return cli_fail(cli, -ENOMEM, NULL);
	r = mount_run(&(struct mount_options){.mountpoint = c->mountpoint,
			      .url = cli->url,
			      .state = cli->state,
			      .cfg = cli->cfg,
			      .store = cli->store,
			      .builder_argv = argv,
			      .merger_argv = merge_argv,
			      .publisher_argv = publish_argv,
			      .follow = c->follow,
			      .dest = dest,
			      .service = c->foreground ? &c->service : NULL,
			      .log_level = log_level_of(cli),
			      .kernel_options = buf_cstr(&c->set.kernel),
			      .ready = say_ready,
			      .ctx = c},
		&err);
	free(argv);
	free(merge_argv);
	free(publish_argv);
	return r < 0 ? cli_fail(cli, r, &err) : EX_OK;
}

/* --- the process that waits --- */

static int child_status(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return EX_OSERR;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "freshet: mount: the serving process was ended by signal %d (%s)\n", WTERMSIG(status),
		strsignal(WTERMSIG(status)));
	return EX_SOFTWARE;
}

static int wait_until_it_answers(struct mount_command *c, int readyfd, pid_t child)
{
	OWNED_BUF readme = {0};
	struct err err = ERR_INIT;
	struct stat st;
	char word;
	ssize_t n;

	do
		n = read(readyfd, &word, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		return child_status(child);
	buf_addf(&readme, "%s/README", c->mountpoint);
	if (stat(buf_cstr(&readme), &st) == 0)
		return EX_OK;
	err_sys(&err, -errno, "%s: the mount does not answer", buf_cstr(&readme));
	return cli_fail(&c->cli, -EIO, &err);
}

static int go_to_background(struct mount_command *c)
{
	struct err err = ERR_INIT;
	int fds[2], r;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		r = err_sys(&err, -errno, "pipe");
		return cli_fail(&c->cli, r, &err);
	}
	child = fork();
	if (child < 0) {
		r = err_sys(&err, -errno, "fork");
		return cli_fail(&c->cli, r, &err);
	}
	if (child) {
		close(fds[1]);
		return wait_until_it_answers(c, fds[0], child);
	}
	close(fds[0]);
	c->readyfd = fds[1];
	return serve(c);
}

int cmd_mount(int argc, char **argv)
{
	struct mount_command c = {.readyfd = -1};
	const struct cli_option options[] = {
		{"follow", 0, CLI_FLAG, &c.follow},
		{"foreground", 'f', CLI_FLAG, &c.foreground},
		{NULL, 'o', CLI_LIST, &c.o},
	};
	const struct cli_command command = {.name = "mount",
		.usage = "[-f] [--follow] [-o OPTIONS] [FEED] MOUNTPOINT",
		.help = help,
		.options = options,
		.option_count = sizeof(options) / sizeof(options[0]),
		.min_args = 1,
		.max_args = 2};
	int r = cli_parse(&c.cli, &command, argc, argv);

	if (r == CLI_GO)
		r = prepare(&c);
	if (r == CLI_GO)
		r = c.foreground ? serve(&c) : go_to_background(&c);
	cli_release(&c.cli);
	mount_options_release(&c.set);
	free(c.mountpoint);
	return r;
}
