/* SPDX-License-Identifier: Apache-2.0 */
/* index/projection.h - which members of records a configuration has a use for. */
#ifndef FRESHET_PROJECTION_H
#define FRESHET_PROJECTION_H

#include "config.h"

/* Each name once, bytewise: the first parts of all fields that [document] and [attribute.*] name, and of attributes what documents see as
 * NAME.FIELD. Returns 0; 1: all members, since `text` is not given and takes every string (*out is then empty); or -ENOMEM. */
int projection_of(const struct config *cfg, struct string_list *out);

#endif
