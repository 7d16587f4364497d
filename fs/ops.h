/* SPDX-License-Identifier: Apache-2.0 */
/* fs/ops.h - the kernel's requests. Each operation sends exactly one reply on every path; one that may block
 * hands itself to a worker or to the refresh thread's waiters, which then send it. */
#ifndef FRESHET_OPS_H
#define FRESHET_OPS_H

#include "notify.h"
#include "tree.h"
#include "worker.h"

struct fuse_lowlevel_ops;

/* What a FUSE session has as its userdata. */
struct ops {
	struct tree tree;
	struct workers *workers;      /* for what is here */
	struct workers *feed_workers; /* for what lies in the feed, which may not answer */
	struct notify *notify;
};

extern const struct fuse_lowlevel_ops ops_table;

#endif
