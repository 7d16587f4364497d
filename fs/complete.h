/* SPDX-License-Identifier: Apache-2.0 */
/* fs/complete.h - what may stand next on a command line: the answer to `freshet COMMAND --complete WORD...`, by which the shells
 * complete (examples/completion).
 *
 * Nothing is listed here: options, what they take and what they do are read from the texts of --help, the rest from the tables
 * of the configuration and of mount options. */
#ifndef FRESHET_COMPLETE_H
#define FRESHET_COMPLETE_H

#include "cli.h"

/* Prints the candidates for the last of `words`, each on a line: the whole word and, behind a TAB, what it is. ":files" and
 * ":dirs" stand for paths, and have behind the TAB what of the word comes before the path. `common_help` has the options that
 * every command has. Returns 0 or -ENOMEM. */
int complete_print(const struct cli_command *command, const char *common_help, int count, char **words);

#endif
