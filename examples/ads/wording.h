/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/wording.h - the words of the shop: 65,536 of them, drawn by Zipf's law.
 *
 * The r-th commonest word comes with a probability of about 1 / r. The commonest are English, the rest made
 * of syllables. All are lower case and free of what JSON would escape. */
#ifndef FRESHET_ADS_WORDING_H
#define FRESHET_ADS_WORDING_H

#include <stdint.h>
#include <string.h>

#define WORDS 65536
#define WORD_ROOM 16 /* a word is written with so many bytes, of which the last ones do not count */
#define CATEGORIES 24
#define NOUNS 8 /* of each category */

void wording_init(void); /* once, before anything else here */

/* A stream of numbers that a hash starts. */
struct dice {
	uint64_t state;
};
uint64_t dice_roll(struct dice *d);

/* These write at `p`, where WORD_ROOM bytes are free for each word, and return its end. */
char *put_word(char *p, uint32_t chance);                 /* any word, by Zipf's law */
char *put_words(char *p, struct dice *d, unsigned count); /* with blanks between them */
char *put_noun(char *p, unsigned category, uint64_t which);
char *put_adjective(char *p, uint64_t which);
char *put_name(char *p, uint64_t number); /* of a brand; equal numbers, equal names; 0 is Acme */
const char *category_name(unsigned category);

static inline char *put_bytes(char *p, const void *data, size_t n)
{
	memcpy(p, data, n);
	return p + n;
}
/* For literals, whose length the compiler knows. */
#define PUT(p, s) put_bytes(p, s, strlen(s))
char *put_number(char *p, uint64_t n);
char *put_cents(char *p, uint64_t n); /* 1250 as 12.50 */

#endif
