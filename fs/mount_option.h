/* SPDX-License-Identifier: Apache-2.0 */
/* fs/mount_option.h - what follows `-o`, as mount(8) and /etc/fstab write it. */
#ifndef FRESHET_MOUNT_OPTION_H
#define FRESHET_MOUNT_OPTION_H

#include "config.h"

struct mount_option_set {
	struct buf kernel;          /* options that FUSE or the kernel takes, comma-separated */
	char *state, *config;       /* owned; NULL: not given */
	struct string_list sets;    /* set=SECTION.KEY=VALUE */
	bool follow;                /* as --follow */
	struct string_list assigns; /* KEY=VALUE: keys of [mount], checked by mount_options_apply() */
};

/* Splits "a,b=c"; a comma or backslash in a value is written with a backslash before it. Returns 0, or
 * -EINVAL naming the option that does not exist. */
int mount_options_parse(struct mount_option_set *set, const char *text, struct err *err);
/* Sets the keys of [mount] in `cfg`. */
int mount_options_apply(const struct mount_option_set *set, struct config *cfg, struct err *err);
void mount_options_release(struct mount_option_set *set);
/* The options that do something here, by number; NULL behind the last. `takes` is what stands behind its "=", as the help texts
 * of options name it; NULL: nothing. */
const char *mount_option_at(size_t i, const char **takes);

#endif
