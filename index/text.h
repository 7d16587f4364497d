/* SPDX-License-Identifier: Apache-2.0 */
/* index/text.h - text to words, and keyword values to their normal form.
 *
 * Words: Unicode NFKC, case folding, NFKC (utf8proc), then runs of letters, numbers and marks
 * (categories L*, N*, M*); each Han character (CJK unified ideograph blocks) is a word of its own.
 * ASCII and common characters take paths of their own with the same result. A word over TERM_MAX bytes is cut at a
 * character boundary to at most TERM_MAX bytes. Input that is not UTF-8 gives -EBADMSG. */
#ifndef FRESHET_TEXT_H
#define FRESHET_TEXT_H

#include "bytes.h"

#define TERM_MAX 1024 /* bytes of a term's text, without its class byte */

/* Gets each word in order; the bytes are valid during the call only, and at least 16 readable bytes
 * follow them. */
typedef void word_fn(void *ctx, const char *word, size_t len);

struct text;                 /* scratch for normalising: one per thread */
struct text *text_new(void); /* NULL when memory is out */
void text_free(struct text *t);
DEFINE_FREEP(text)

/* Returns 0, -EBADMSG or -ENOMEM. */
int text_words(struct text *t, struct slice s, word_fn *fn, void *ctx);
/* Appends the NFC of `s`. */
int text_nfc(struct text *t, struct slice s, struct buf *out);
/* The library version that decides the result, for the segment header: "utf8proc 2.8.0 unicode 15.0.0". */
const char *text_version(void);

/* How words are found; all give the same. For tests. */
enum text_path {
	TEXT_FAST,    /* SIMD where the CPU has it, tables for common characters, else the library */
	TEXT_SCALAR,  /* the same without SIMD */
	TEXT_UNICODE, /* the whole input through the library at once: the definition */
};
void text_force_path(struct text *t, enum text_path path);

#endif
