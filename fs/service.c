/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"
#include "timefmt.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_S 1 /* for a manager that does not read */

/* A path, or with '@' before it a name in the abstract namespace. */
static void take_address(struct service *s, const char *path)
{
	size_t n = strlen(path);

	if ((*path != '/' && *path != '@') || n < 2 || n >= sizeof(s->to.sun_path))
		return;
	s->to.sun_family = AF_UNIX;
	memcpy(s->to.sun_path, path, n + 1);
	if (*path == '@')
		s->to.sun_path[0] = 0;
	s->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

/* WATCHDOG_PID, where it is there, says whom it is for: sd_watchdog_enabled(3). */
static int64_t watchdog_wanted(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	char *end;
	long long us;

	if (!usec || (pid && atol(pid) != (long)getpid()))
		return 0;
	errno = 0;
	us = strtoll(usec, &end, 10);
	if (errno || end == usec || *end || us <= 0 || us > INT64_MAX / 1000)
		return 0;
	return us * 1000;
}

void service_init(struct service *s)
{
	const char *path = getenv("NOTIFY_SOCKET");

	*s = (struct service){.watchdog = watchdog_wanted()};
	if (path)
		take_address(s, path);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

bool service_is_managed(const struct service *s)
{
	return s->len != 0;
}

void service_tell(const struct service *s, const char *lines)
{
	struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd;

	if (!s->len)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	/* What a manager misses it takes for silence, and acts. */
	if (sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (const struct sockaddr *)&s->to, s->len) < 0)
		errno = 0;
	close(fd);
}
