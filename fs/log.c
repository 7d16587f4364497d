/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>

static atomic_bool syslog_is_open; /* threads that began before the mount stood may log */

void log_to_syslog(void)
{
	openlog("freshet", LOG_PID, LOG_DAEMON);
	syslog_is_open = true;
}

void log_line(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (syslog_is_open) {
		vsyslog(LOG_WARNING, fmt, args);
	} else {
		flockfile(stderr);
		fputs("freshet: mount: ", stderr);
		vfprintf(stderr, fmt, args);
		fputc('\n', stderr);
		funlockfile(stderr);
	}
	va_end(args);
}

void log_words(const char *line)
{
	if (syslog_is_open)
		syslog(LOG_WARNING, "%s", line);
	else
		fprintf(stderr, "%s\n", line);
}
