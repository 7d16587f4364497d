/* SPDX-License-Identifier: Apache-2.0 */
/* fs/fuse_check.h - can this user mount with FUSE here? */
#ifndef FRESHET_FUSE_CHECK_H
#define FRESHET_FUSE_CHECK_H

/* NULL when nothing is missing; else what, and what to do. */
const char *fuse_missing(void);

#endif
