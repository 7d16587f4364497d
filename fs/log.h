/* SPDX-License-Identifier: Apache-2.0 */
/* fs/log.h - where a mount says what went wrong: stderr in the foreground, syslog behind it. */
#ifndef FRESHET_LOG_H
#define FRESHET_LOG_H

void log_to_syslog(void);
/* A line that another process of freshet has written, as it is. */
void log_words(const char *line);
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
