/* SPDX-License-Identifier: Apache-2.0 */
/* fs/readahead.h - how much of a file the kernel asks for at once.
 *
 * Its default is 128 KiB a request, and each request costs the reader two changes of thread. FUSE can only lower
 * that number when it connects; raising it takes the mount's own file under /sys, which root may write. */
#ifndef FRESHET_READAHEAD_H
#define FRESHET_READAHEAD_H

/* One request: with its header it fits a pipe of 1 MiB, which is what a process may splice through without
 * further rights. */
#define READAHEAD_REQUEST (512u << 10)
/* Enough that a reader with a buffer of 128 KiB, as cat has, begins with a whole request: the kernel starts a
 * file with a fraction of this. */
#define READAHEAD_BYTES (4u << 20)

/* Raises it for what is mounted at `mountpoint`, before the connection is set up: the kernel takes the lesser of
 * this and what the connection says. Sends no request to the mount. Returns 0, or -errno when the system
 * does not let us, which only makes large files slower to read. */
int readahead_raise(const char *mountpoint);

#endif
