/* SPDX-License-Identifier: Apache-2.0 */
/* fs/service.h - what a service says to the manager that started it, in the protocol of sd_notify(3): a datagram of
 * NAME=VALUE lines to the socket that NOTIFY_SOCKET names. That page calls the protocol stable and free to implement;
 * it is all that would be used of libsystemd. */
#ifndef FRESHET_SERVICE_H
#define FRESHET_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct service {
	struct sockaddr_un to;
	socklen_t len;    /* of `to`; 0: nobody wants to know */
	int64_t watchdog; /* nanoseconds within which a sign of life is wanted; 0: none is */
};

/* Takes the manager's wishes from the environment, and takes them out of it: they are not for the processes that we
 * start. Call it while there is one thread. */
void service_init(struct service *s);
bool service_is_managed(const struct service *s);
/* "READY=1\nSTATUS=…"; nothing where nobody wants to know. Waits a second at most. */
void service_tell(const struct service *s, const char *lines);

#endif
