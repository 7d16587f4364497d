/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/place.h - directories that appear whole: written as ROOT/.writing, renamed at the end.
 *
 * freshet takes a name that begins with a dot for no data. One writer a root: what another run has left in
 * .writing is removed. Any failure ends the program. */
#ifndef FRESHET_ADS_PLACE_H
#define FRESHET_ADS_PLACE_H

#include <limits.h>
#include <stdbool.h>

/* Makes the root, if it is missing, and an empty .writing in it, whose path goes to `out`. */
void place_begin(const char *root, char out[PATH_MAX]);
/* Renames .writing to ROOT/path, making the directories above it. There must be nothing. */
void place_end(const char *root, const char *path);
/* Renames each file of .writing into the root itself. */
void place_end_in_root(const char *root);
bool place_exists(const char *root, const char *path);
bool place_is_empty(const char *root);               /* missing, or nothing in it but .writing */
void place_touch(const char *dir, const char *name); /* makes an empty file */

#endif
