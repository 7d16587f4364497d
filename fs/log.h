/* SPDX-License-Identifier: Apache-2.0 */
/* fs/log.h - where a mount says what happens: stderr in the foreground, syslog behind it, each line with a level.
 *
 * Where stderr is the journal, lines begin with the level as sd-daemon(3) has it: "<3>". A line stays one line, whatever
 * names are in it. Safe for several threads. */
#ifndef FRESHET_LOG_H
#define FRESHET_LOG_H

#include <stdbool.h>
#include <syslog.h> /* the levels: LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG */

/* From then on only lines of that level, or a graver one, are written. LOG_INFO at first. */
void log_set_level(int level);
bool log_has(int level);
void log_to_syslog(void);
/* A line that another process of freshet has written, as it is: a warning. */
void log_words(const char *line);
void log_line(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
