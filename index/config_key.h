/* SPDX-License-Identifier: Apache-2.0 */
/* index/config_key.h - one key of the configuration: its kind, where its value is kept, and the value's text both ways. For
 * config.c, which has the table of keys. */
#ifndef FRESHET_CONFIG_KEY_H
#define FRESHET_CONFIG_KEY_H

#include "config.h"

enum config_kind {
	KIND_STRING,   /* char *; NULL when never given */
	KIND_FILENAME, /* the same, one path component */
	KIND_DURATION, /* int64_t within min..max */
	KIND_WINDOW,   /* the same, `all` allowed; below 0 when never given */
	KIND_COUNT,    /* unsigned within min..max */
	KIND_SIZE,     /* uint64_t bytes within min..max; K, M, G for 2^10, 2^20, 2^30 */
	KIND_FACTOR,   /* double, 1 and up */
	KIND_RATIO,    /* double within 0..1 */
	KIND_MILLI,    /* unsigned within min..max thousandths, written as a decimal number */
	KIND_CHOICE,   /* an enum: the number of the word in `choices` */
	KIND_LIST,     /* struct string_list */
	KIND_TEXT,     /* the same, and text_is_default */
	KIND_EXPR,     /* struct expr *, and its text in the char * at `text` */
};

struct config_key {
	const char *section, *name;
	enum config_kind kind;
	size_t offset;
	const char *initial; /* NULL: absent unless given */
	int64_t min, max;
	const char *const *choices;
	size_t text;
};

/* Sets what `k` says of `base`, the configuration or an attribute's rule, from `v`, which is NUL-terminated behind its end. `c`
 * is for what has a second field there. Returns 0, -EINVAL or -ENOMEM. */
int config_key_set(struct config *c, void *base, const struct config_key *k, struct slice v, struct err *err);
/* Appends "key = value", over several lines where it is long; nothing where the key is absent. */
void config_key_dump(const struct config *c, const void *base, const struct config_key *k, struct buf *out);
/* The keys by number, but for those of [attribute.NAME]; NULL behind the last. */
const struct config_key *config_key_at(size_t i);

#endif
