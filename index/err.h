/* SPDX-License-Identifier: Apache-2.0 */
/* index/err.h - how errors travel: a negative errno says what to do, a struct err says why.
 *
 * Functions that can fail return 0 (or a positive plain answer) or -errno, and take a `struct err *`
 * last where a person might need to know why. The lowest level says what is wrong, with numbers;
 * each caller puts in front where (object, segment, partition); it is printed once, at the edge.
 * A NULL struct err is fine everywhere: the text is then dropped.
 *
 * Codes with a fixed meaning in this project:
 *   -EBADMSG  bytes break their format (feed, segment, manifest, catalog)
 *   -EINVAL   the user's words are wrong (option, key, template, expression)
 *   -EBUSY    another process holds what is needed
 *   -ESTALE   the object changed while it was read
 *   -ENOTSUP  a newer version or a foreign kind */
#ifndef FRESHET_ERR_H
#define FRESHET_ERR_H

#include <errno.h>
#include <stddef.h>

#define ERR_MAX 1024

struct err {
	char message[ERR_MAX]; /* NUL-terminated; cut at ERR_MAX - 1 bytes */
};
#define ERR_INIT ((struct err){{0}})

/* Sets the message and returns `code`, so that one line both explains and returns. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same with ": " and strerror(-code) appended. */
int err_sys(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "WHERE: " in front of the message and returns `code`. */
int err_context(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
