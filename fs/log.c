/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"
#include "err.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static atomic_bool syslog_is_open; /* threads that began before the mount stood may log */
static atomic_int most = LOG_INFO;

void log_set_level(int level)
{
	atomic_store(&most, level);
}

bool log_has(int level)
{
	return level <= atomic_load(&most);
}

void log_to_syslog(void)
{
	openlog("freshet", LOG_PID, LOG_DAEMON);
	syslog_is_open = true;
}

/* JOURNAL_STREAM names the stream by device and inode, since whoever is started with it may have been given another
 * stderr: systemd.exec(5). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%ju:%ju", &dev, &ino) == 2 && fstat(fileno(stderr), &st) == 0 &&
	       st.st_dev == dev && st.st_ino == ino;
}

static void write_line(int level, const char *before, const char *line)
{
	if (syslog_is_open)
		syslog(level, "%s", line);
	else if (stderr_is_journal())
		fprintf(stderr, "<%d>%s\n", level, line);
	else
		fprintf(stderr, "%s%s\n", before, line);
}

void log_line(int level, const char *fmt, ...)
{
	char line[2 * ERR_MAX];
	va_list args;

	if (!log_has(level))
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	/* Nobody's file name begins a line of its own. */
	for (char *p = line; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7F)
			*p = '?';
	}
	write_line(level, "freshet: mount: ", line);
}

void log_words(const char *line)
{
	if (log_has(LOG_WARNING))
		write_line(LOG_WARNING, "", line);
}
