/* SPDX-License-Identifier: Apache-2.0 */
/* The options are table-driven and handed to getopt_long, which gives the usual spellings (--name=value,
 * unambiguous prefixes, "--"); what it refuses is worded here. */
#include "cli.h"
#include "complete.h"

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define CLI_OPTIONS_MAX 32

static const char common_help[] =
	"\nCommon options:\n"
	"      --state DIR    state directory (default: one per feed, under $XDG_STATE_HOME/freshet)\n"
	"      --config FILE  configuration (default: freshet.ini in the state directory)\n"
	"      --set SECTION.KEY=VALUE  override one key; may be given several times\n"
	"      --json         print the result as JSON\n"
	"  -v, --verbose      say more: what was decided, and why\n"
	"      --help         this text\n"
	"      --version      the version\n";

int cli_exit_code(int code)
{
	switch (-code) {
	case 0:
		return EX_OK;
	case EINVAL:
		return EX_CONFIG;
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
		return EX_NOINPUT;
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case EBUSY:
	case EINTR:
		return EX_TEMPFAIL;
	case EBADMSG:
	case ENOTSUP:
	case ESTALE:
	case EFBIG:
	case E2BIG:
	case EOVERFLOW:
		return EX_DATAERR;
	case ENOMEM:
		return EX_OSERR;
	default:
		return EX_IOERR;
	}
}

static const char *cli_name(const struct cli *cli)
{
	return cli->command ? cli->command->name : "freshet";
}

int cli_fail(const struct cli *cli, int code, const struct err *err)
{
	const char *why = err && err->message[0] ? err->message : strerror(-code);

	fflush(stdout);
	fprintf(stderr, "freshet: %s: %s\n", cli_name(cli), why);
	return cli_exit_code(code);
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "freshet: %s: ", cli_name(cli));
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ", see `freshet %s --help`\n", cli_name(cli));
	return EX_USAGE;
}

static int cli_no_memory(const struct cli *cli)
{
	return cli_fail(cli, -ENOMEM, NULL);
}

static int list_add(struct cli_list *list, const char *text)
{
	const char **grown = realloc(list->items, (list->count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	list->items = grown;
	list->items[list->count++] = text;
	return 0;
}

/* -EINVAL with what is wrong with the value, or -ENOMEM. */
static int option_take(const struct cli_option *o, const char *value, struct err *err)
{
	char *end;

	switch (o->kind) {
	case CLI_FLAG:
		*(bool *)o->to = true;
		return 0;
	case CLI_TEXT:
		*(const char **)o->to = value;
		return 0;
	case CLI_LIST:
		return list_add(o->to, value);
	case CLI_NUMBER:
		errno = 0;
		*(uint64_t *)o->to = strtoull(value, &end, 10);
		if (errno || *end || value[0] < '0' || value[0] > '9')
			return err_set(err, -EINVAL, "'%s' is not a whole number", value);
		return 0;
	case CLI_TIME:
		return time_parse(value, o->to, err);
	case CLI_DURATION:
		return duration_parse(value, false, o->to, err);
	}
	return -EINVAL;
}

struct parse {
	struct cli_option options[CLI_OPTIONS_MAX];
	struct option longs[CLI_OPTIONS_MAX + 1];
	char letters[2 * CLI_OPTIONS_MAX + 2];
	size_t count;
	bool help, version;
};

static void parse_prepare(struct parse *p, struct cli *cli, const struct cli_command *command)
{
	const struct cli_option common[] = {
		{"state", 0, CLI_TEXT, &cli->state_dir},
		{"config", 0, CLI_TEXT, &cli->config_file},
		{"set", 0, CLI_LIST, &cli->sets},
		{"json", 0, CLI_FLAG, &cli->json},
		{"verbose", 'v', CLI_FLAG, &cli->verbose},
		{"help", 'h', CLI_FLAG, &p->help},
		{"version", 0, CLI_FLAG, &p->version},
	};
	size_t i, longs = 0;
	char *letter = p->letters;

	memcpy(p->options, common, sizeof(common));
	p->count = sizeof(common) / sizeof(common[0]);
	for (i = 0; i < command->option_count && p->count < CLI_OPTIONS_MAX; i++)
		p->options[p->count++] = command->options[i];
	*letter++ = ':';
	for (i = 0; i < p->count; i++) {
		bool takes = p->options[i].kind != CLI_FLAG;

		if (p->options[i].name)
			p->longs[longs++] = (struct option){p->options[i].name,
				takes ? required_argument : no_argument, NULL, (int)(256 + i)};
		if (!p->options[i].letter)
			continue;
		*letter++ = p->options[i].letter;
		if (takes)
			*letter++ = ':';
	}
}

static const struct cli_option *parse_find(const struct parse *p, int c)
{
	size_t i;

	if (c >= 256)
		return &p->options[c - 256];
	for (i = 0; i < p->count; i++)
		if (p->options[i].letter == c)
			return &p->options[i];
	return NULL;
}

static int parse_options(struct parse *p, struct cli *cli, int argc, char **argv)
{
	const struct cli_option *o;
	struct err err = ERR_INIT;
	const char *word;
	int c, r;

	opterr = 0;
	optind = 0; /* also resets what getopt remembers of a vector before this one */
	for (;;) {
		c = getopt_long(argc, argv, p->letters, p->longs, NULL);
		if (c < 0)
			return CLI_GO;
		word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
		if (c == ':')
			return cli_usage(cli, "%s needs a value", word);
		o = c == '?' ? NULL : parse_find(p, c);
		if (!o && optopt > 0 && optopt < 256)
			return cli_usage(cli, "unknown option -%c", optopt);
		if (!o && optopt >= 256)
			return cli_usage(cli, "%s takes no value", word);
		if (!o)
			return cli_usage(cli, "unknown option %s", word);
		r = option_take(o, optarg, &err);
		if (r == -ENOMEM)
			return cli_no_memory(cli);
		if (r < 0 && o->name)
			return cli_usage(cli, "--%s: %s", o->name, err.message);
		if (r < 0)
			return cli_usage(cli, "-%c: %s", o->letter, err.message);
	}
}

/* The lists that options filled: cli_release() frees them. */
static int parse_keep_lists(struct parse *p, struct cli *cli)
{
	size_t i;

	cli->lists = calloc(p->count, sizeof(struct cli_list *));
	if (!cli->lists)
		return cli_no_memory(cli);
	for (i = 0; i < p->count; i++)
		if (p->options[i].kind == CLI_LIST)
			cli->lists[cli->list_count++] = p->options[i].to;
	return CLI_GO;
}

int cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv)
{
	struct parse p = {0};
	int r;

	memset(cli, 0, sizeof(*cli));
	cli->command = command;
	if (argc > 1 && !strcmp(argv[1], CLI_COMPLETE))
		return complete_print(command, common_help, argc - 2, argv + 2) < 0 ? cli_no_memory(cli) : 0;
	parse_prepare(&p, cli, command);
	r = parse_keep_lists(&p, cli);
	if (r == CLI_GO)
		r = parse_options(&p, cli, argc, argv);
	if (r != CLI_GO)
		return r;
	if (p.version) {
		printf("freshet %s\n", FRESHET_VERSION);
		return 0;
	}
	if (p.help) {
		printf("usage: freshet %s %s\n\n%s%s", command->name, command->usage, command->help,
			common_help);
		return 0;
	}
	cli->args = argv + optind;
	cli->arg_count = argc - optind;
	if (cli->arg_count < command->min_args)
		return cli_usage(cli, "an argument is missing: freshet %s %s", command->name, command->usage);
	if (cli->arg_count > command->max_args)
		return cli_usage(cli, "too many arguments, from '%s' on", cli->args[command->max_args]);
	return CLI_GO;
}

void cli_release(struct cli *cli)
{
	size_t i;

	for (i = 0; i < cli->list_count; i++) {
		free(cli->lists[i]->items);
		*cli->lists[i] = (struct cli_list){0};
	}
	free(cli->lists);
	store_free(cli->store);
	catalog_free(cli->catalog);
	state_free(cli->state);
	config_free(cli->cfg);
	free(cli->url);
	free(cli->config_path);
	memset(cli, 0, sizeof(*cli));
}

char *cli_absolute_url(const char *feed)
{
	char *real, *cwd, *out = NULL;

	if (!strncmp(feed, "file://", 7))
		feed += 7;
	else if (strstr(feed, "://"))
		return strdup(feed);
	real = realpath(feed, NULL);
	if (real)
		return real;
	if (feed[0] == '/')
		return strdup(feed);
	cwd = realpath(".", NULL);
	if (!cwd || asprintf(&out, "%s/%s", cwd, feed) < 0)
		out = NULL;
	free(cwd);
	return out;
}
