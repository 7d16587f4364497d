/* SPDX-License-Identifier: Apache-2.0 */
/* fs/cli.h - what all commands share: options, where the state lies, which configuration holds, exit codes.
 *
 * This is the edge: functions here print the one line "freshet: COMMAND: WHERE: WHY" themselves and return
 * an exit status of sysexits.h, where the library returns -errno and a struct err. */
#ifndef FRESHET_CLI_H
#define FRESHET_CLI_H

#include <stdatomic.h>
#include <sysexits.h>

#include "catalog.h"
#include "config.h"
#include "human.h"
#include "state.h"
#include "store.h"

#define CLI_GO (-1) /* no exit status yet: go on */

struct cli_list {
	const char **items; /* the array is owned by the cli, the texts are argv's */
	size_t count;
};
enum cli_kind {
	CLI_FLAG,     /* bool *to: set */
	CLI_TEXT,     /* const char **to */
	CLI_LIST,     /* struct cli_list *to: one more at each use; freed by cli_release() */
	CLI_NUMBER,   /* uint64_t *to */
	CLI_TIME,     /* int64_t *to */
	CLI_DURATION, /* int64_t *to */
};
struct cli_option {
	const char *name; /* without "--"; NULL: the letter only */
	char letter;      /* 0: none */
	enum cli_kind kind;
	void *to;
};
struct cli_command {
	const char *name;
	const char *usage; /* what follows "usage: freshet NAME " */
	const char *help;  /* what it does and its own options; the common ones are added */
	const struct cli_option *options;
	size_t option_count;
	int min_args, max_args;
};

struct cli {
	const struct cli_command *command;
	/* after cli_parse(): */
	const char *state_dir;   /* --state; NULL: not given */
	const char *config_file; /* --config; NULL: not given */
	struct cli_list sets;    /* --set */
	bool json, verbose;
	char **args; /* what is no option, borrowed from argv */
	int arg_count;
	/* after cli_open(), all owned: */
	char *url;         /* of the feed, absolute; NULL: not known */
	char *config_path; /* of --config, absolute; NULL: not given */
	struct state *state;
	struct catalog *catalog; /* a reader; NULL: nothing was ever built here */
	struct config *cfg;
	bool known;          /* the state was built from that very feed, or followed that very place */
	bool follows;        /* cli_open() was told so: `url` is where another host publishes */
	struct store *store; /* with CLI_FEED */
	/* private */
	struct cli_list **lists;
	size_t list_count;
};

/* Reads argv (argv[0] is the command's name). Returns CLI_GO, or the exit status: 0 after --help, EX_USAGE
 * after a hint. `cli` may be uninitialised; cli_release() is right after either. */
int cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv);
void cli_release(struct cli *cli);

#define CLI_CREATE 1u /* make the state directory where it is missing */
#define CLI_FEED 2u   /* the feed must be known, and is opened */
#define CLI_FOLLOW 8u /* with CLI_FEED: what is given is no feed, but where another host publishes */
#define CLI_LATE 4u   /* with CLI_FEED: at its first use only, where the state was built from it */
/* Finds and opens the state directory, works out the configuration (--config, else STATE/freshet.ini, else
 * what the last build used, else the defaults; then --set), and refuses a feed that differs from the
 * configuration's or the state's. `feed` is the FEED argument, NULL when it was left out. Returns
 * CLI_GO or the exit status. */
int cli_open(struct cli *cli, const char *feed, unsigned flags);
/* Takes the writer's lock (waiting lock_wait) and opens the catalog as a writer. CLI_GO or the exit status. */
int cli_lock(struct cli *cli);
/* The current generation; *out is NULL when nothing is published. CLI_GO or the exit status. */
int cli_generation(struct cli *cli, struct generation **out);

/* Prints the error and returns the exit status that stands for -errno `code`. */
int cli_fail(const struct cli *cli, int code, const struct err *err);
int cli_exit_code(int code);
/* Prints "freshet: COMMAND: …, see `freshet COMMAND --help`" and returns EX_USAGE. */
int cli_usage(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The feed as the state knows it: "s3://…" stays, anything else becomes an absolute path. malloc()ed; NULL when memory is out. */
char *cli_absolute_url(const char *feed);
/* 1204 → "1,204". Returns out. */
static inline char *cli_grouped(uint64_t n, char out[HUMAN_MAX])
{
	return human_number(n, out);
}

/* Publishes what is current to publish.dest, where that is set: what every command does that has published a generation. `stop` may be NULL. Gives up the writer's lock.
 * Returns 0 or the exit status, after saying why. */
int cli_publish(struct cli *cli, atomic_int *stop);

#define CLI_COMPLETE "--complete" /* the first word of a question of the shells: complete.h */

/* The commands: argv[0] is the command's name. Each returns the exit status. */
int cmd_mount(int argc, char **argv);
int cmd_build(int argc, char **argv);
int cmd_base(int argc, char **argv);
int cmd_publish(int argc, char **argv);
int cmd_follow(int argc, char **argv);
int cmd_query(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_rollback(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_gc(int argc, char **argv);
int cmd_wait(int argc, char **argv);

#endif
