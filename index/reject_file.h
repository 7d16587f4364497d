/* SPDX-License-Identifier: Apache-2.0 */
/* index/reject_file.h - where the state directory keeps what was refused of each data file (reject.h). */
#ifndef FRESHET_REJECT_FILE_H
#define FRESHET_REJECT_FILE_H

#include "state.h"

#define REJECT_EXT ".tsv"

struct reject_file {
	struct slice partition, file; /* paths */
	struct slice text; /* of reject_text(); empty: nothing was refused, and no file is to be there */
};

/* Puts reject files into place, durably, with the lock held and the build begun. publish() does it too; alone it is for a
 * tick in which every partition failed. The file is rejects/PARTITION/FILE.tsv, each component as it is, save that
 *   - a directory of FILE whose name ends in ".tsv" or "%" gets a "%" behind it: no directory can stand where a file must;
 *   - a component over 255 bytes is cut, then "%" and the 16 hex digits of the XXH3-64 of all of it;
 *   - where FILE has over 1,024 bytes, or over 16 components, it is "%" and those digits, of all of it.
 * -EINVAL: an absolute path, or one with "", "." or ".." in it. */
int reject_files_put(struct state *state, const struct reject_file *rejects, size_t count, struct err *err);
/* Appends the path of the directory that they lie in, with a '/' at its end. Returns as reject_path(). */
int reject_dir(struct slice partition, struct buf *out);
/* Appends the path of such a file, from rejects/ on. What the mount looks up. Returns 0, or -EINVAL. */
int reject_path(struct slice partition, struct slice file, struct buf *out);

#endif
