/* SPDX-License-Identifier: Apache-2.0 */
/* freshet: one program, one row of the table a command. */
#include <signal.h>
#include <stdio.h>

#include "cli.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{"mount", cmd_mount, "serve the index of a feed as a file system"},
	{"build", cmd_build, "index what is due in a feed and publish it"},
	{"base", cmd_base, "build a full index from a snapshot, under what the feed brings"},
	{"publish", cmd_publish, "publish the index to a store, for followers"},
	{"follow", cmd_follow, "take over what another host published"},
	{"query", cmd_query, "print the documents that match an expression"},
	{"status", cmd_status, "say how fresh the index is, and what became of each partition"},
	{"doctor", cmd_doctor, "check what a mount needs, and say what to do"},
	{"verify", cmd_verify, "check what is published, or a segment file"},
	{"inspect", cmd_inspect, "print a segment or a manifest as text"},
	{"gc", cmd_gc, "let old generations go"},
	{"rollback", cmd_rollback, "go back to a generation that is kept, and pause builds"},
	{"wait", cmd_wait, "wait until a generation or a watermark is published"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *to)
{
	size_t i;

	fputs("usage: freshet COMMAND [OPTION]... [ARGUMENT]...\n\n"
	      "A search index over time-partitioned files, never quietly yesterday's.\n\n",
		to);
	for (i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].what);
	fputs("\n`freshet COMMAND --help` says more; freshet(1) says all.\n", to);
}

int main(int argc, char **argv)
{
	static char mount_name[] = "mount";
	size_t i;

	signal(SIGCHLD, SIG_DFL); /* where it is ignored, nobody learns how a child ended */
	if (argc < 2) {
		print_help(stderr);
		return EX_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("freshet %s\n", FRESHET_VERSION);
		return 0;
	}
	if (!strcmp(argv[1], CLI_COMPLETE)) {
		for (i = 0; i < COMMANDS; i++)
			printf("%s\t%s\n", commands[i].name, commands[i].what);
		return 0;
	}
	for (i = 0; i < COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	/* mount(8) calls us so for the type fuse.freshet: FEED MOUNTPOINT -o OPTIONS. */
	if (argc > 2 && strchr(argv[1], '/')) {
		argv[0] = mount_name;
		return cmd_mount(argc, argv);
	}
	fprintf(stderr, "freshet: no command '%s', see `freshet --help`\n", argv[1]);
	return EX_USAGE;
}
