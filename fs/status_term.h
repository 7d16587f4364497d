/* SPDX-License-Identifier: Apache-2.0 */
/* fs/status_term.h - the same for a terminal. */
#ifndef FRESHET_STATUS_TERM_H
#define FRESHET_STATUS_TERM_H

#include "picture.h"

struct term {
	bool utf8, colour;
	unsigned width; /* columns */
};

/* What stdout is: false where it is no terminal. UTF-8 by the locale, colour unless NO_COLOR is set or TERM is dumb. */
bool term_open(struct term *out);
/* Appends the picture. Text from outside can give a terminal no orders. 0 or -ENOMEM. */
int status_term(const struct picture *p, const struct term *t, struct buf *out);

#endif
