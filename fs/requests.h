/* SPDX-License-Identifier: Apache-2.0 */
/* fs/requests.h - how many requests of each kind the kernel has sent: they stand still while it answers from its caches. */
#ifndef FRESHET_REQUESTS_H
#define FRESHET_REQUESTS_H

#include <stdatomic.h>
#include <stdint.h>

enum request_kind {
	REQUEST_LOOKUP,
	REQUEST_FORGET, /* of one inode; the kernel sends many in one message */
	REQUEST_GETATTR,
	REQUEST_OPEN, /* of a file or a directory: the kernel asks once each, and never again, but for passthrough's segments */
	REQUEST_READ,
	REQUEST_READDIR,
	REQUEST_READDIRPLUS, /* a listing that is many lookups, too */
	REQUEST_XATTR,
	REQUEST_STATFS,
	REQUEST_POLL,
	REQUEST_WRITE, /* anything that would change something */
	REQUEST_KINDS
};

struct requests {
	_Atomic uint64_t count[REQUEST_KINDS];
};

/* "lookup", "forget", … */
const char *request_name(enum request_kind kind);
static inline void requests_add(struct requests *r, enum request_kind kind, uint64_t n)
{
	atomic_fetch_add_explicit(&r->count[kind], n, memory_order_relaxed);
}
static inline uint64_t requests_of(const struct requests *r, enum request_kind kind)
{
	return atomic_load_explicit(&r->count[kind], memory_order_relaxed);
}

#endif
