/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/wording.c - see wording.h. */
#include "wording.h"

struct word {
	char text[WORD_ROOM - 1];
	uint8_t len;
};
/* Walker's alias table: draw an entry evenly, keep it with a chance of keep / 65536, else take its alias. */
struct alias {
	uint16_t keep, other;
};
static struct word words[WORDS];
static struct alias aliases[WORDS];

static const char *const common[] = {"the", "and", "with", "for", "of", "a", "in", "to", "your", "is", "new",
	"our", "made", "from", "quality", "on", "you", "by", "free", "best", "all", "set", "it", "delivery",
	"this", "offer", "size", "price", "steel", "home", "one", "or", "small", "large", "light", "use",
	"easy", "two", "as", "design", "more", "every", "day", "black", "white", "water", "hand", "gift",
	"that", "now", "year", "warranty", "stock", "colour", "natural", "glass", "wood", "cotton", "only",
	"fits", "perfect", "kitchen", "outdoor", "high", "no", "at", "are", "has", "clean", "safe", "strong",
	"soft", "order", "today", "original", "classic", "kit", "pack", "sale", "spare", "parts", "up", "out",
	"time", "life", "hours", "power", "battery", "metal", "leather", "ceramic", "organic", "fresh",
	"fine", "travel", "garden", "office", "family", "children", "garage", "winter", "summer", "blue",
	"green", "red", "silver", "golden", "café", "naïve", "größe", "crème", "señor", "piñata", "smörgås",
	"日本"};

static const char *const adjectives[] = {"Compact", "Silent", "Classic", "Folding", "Robust", "Portable",
	"Elegant", "Lightweight", "Premium", "Handmade", "Cordless", "Vintage", "Waterproof", "Organic",
	"Adjustable", "Modern"};

static const char *const categories[CATEGORIES][NOUNS + 1] = {
	{"coffee", "espresso", "grinder", "kettle", "carafe", "moka", "roaster", "tamper", "filter"},
	{"tea", "teapot", "infuser", "matcha", "samovar", "strainer", "caddy", "whisk", "oolong"},
	{"garden", "shovel", "hose", "trowel", "pruner", "planter", "rake", "mower", "trellis"},
	{"bikes", "saddle", "pedal", "helmet", "derailleur", "pannier", "pump", "chain", "handlebar"},
	{"audio", "headphones", "speaker", "turntable", "amplifier", "microphone", "equalizer", "subwoofer",
		"tuner"},
	{"photo", "tripod", "lens", "camera", "flash", "gimbal", "viewfinder", "darkroom", "shutter"},
	{"books", "atlas", "novel", "cookbook", "dictionary", "biography", "thriller", "anthology",
		"notebook"},
	{"toys", "puzzle", "kite", "marble", "dollhouse", "yoyo", "blocks", "puppet", "railway"},
	{"shoes", "sneaker", "boot", "sandal", "loafer", "slipper", "moccasin", "insole", "shoelace"},
	{"lamps", "lantern", "chandelier", "sconce", "spotlight", "lampshade", "dimmer", "torch", "candle"},
	{"tools", "hammer", "wrench", "screwdriver", "drill", "chisel", "sander", "plier", "jigsaw"},
	{"kitchen", "skillet", "saucepan", "ladle", "peeler", "cleaver", "colander", "mandoline", "spatula"},
	{"camping", "tent", "hammock", "stove", "backpack", "compass", "headlamp", "canteen", "tarp"},
	{"music", "guitar", "violin", "ukulele", "metronome", "drumstick", "harmonica", "keyboard", "cello"},
	{"furniture", "armchair", "bookcase", "sideboard", "ottoman", "wardrobe", "desk", "stool", "cabinet"},
	{"pets", "leash", "aquarium", "birdcage", "litter", "kibble", "terrarium", "collar", "scratcher"},
	{"office", "stapler", "binder", "shredder", "whiteboard", "envelope", "marker", "calculator",
		"printer"},
	{"watches", "chronograph", "strap", "bezel", "stopwatch", "pendulum", "hourglass", "clasp", "winder"},
	{"fitness", "dumbbell", "treadmill", "kettlebell", "yogamat", "rower", "skipping", "bench",
		"stepper"},
	{"baby", "stroller", "crib", "pacifier", "bib", "rattle", "highchair", "blanket", "monitor"},
	{"computing", "monitor", "router", "mouse", "laptop", "webcam", "adapter", "enclosure", "trackball"},
	{"sewing", "bobbin", "thimble", "needle", "fabric", "zipper", "embroidery", "mannequin", "thread"},
	{"bath", "towel", "shower", "sponge", "soapdish", "loofah", "faucet", "bathrobe", "mirror"},
	{"sailing", "anchor", "buoy", "spinnaker", "winch", "tiller", "lifejacket", "halyard", "oar"},
};

static void word_set(struct word *w, const char *text, size_t len)
{
	memcpy(w->text, text, len);
	w->len = (uint8_t)len;
}

/* Two syllables for the first 4,096 numbers, three from there on; a permutation, so that no two are alike and
 * neighbours are not either. */
static size_t spell(char *text, uint32_t n)
{
	static const char consonants[] = "bdfgklmnprstvzhj", vowels[] = "aeio";
	unsigned syllables = n < 4096 ? 2 : 3, bits = 6 * syllables;
	size_t len = 0;

	n = n * 2654435769U & ((1U << bits) - 1);
	for (unsigned i = 0; i < syllables; i++, n >>= 6) {
		text[len++] = consonants[n & 15];
		text[len++] = vowels[n >> 4 & 3];
	}
	return len;
}

/* Vose's way to make the table, in integers: p is the probability times WORDS, in units of 1 / total. */
static void aliases_init(void)
{
	static uint64_t p[WORDS];
	static uint16_t small[WORDS], large[WORDS];
	uint32_t smalls = 0, larges = 0;
	uint64_t total = 0;

	for (uint64_t i = 0; i < WORDS; i++)
		total += (UINT64_C(1) << 32) / (i + 1);
	for (uint64_t i = 0; i < WORDS; i++) {
		p[i] = (UINT64_C(1) << 32) / (i + 1) * WORDS;
		aliases[i] = (struct alias){UINT16_MAX, (uint16_t)i};
		if (p[i] < total)
			small[smalls++] = (uint16_t)i;
		else
			large[larges++] = (uint16_t)i;
	}
	while (smalls && larges) {
		uint16_t s = small[--smalls], l = large[larges - 1];

		aliases[s] = (struct alias){(uint16_t)(p[s] / (total >> 16)), l};
		p[l] -= total - p[s];
		if (p[l] < total) {
			larges--;
			small[smalls++] = l;
		}
	}
}

void wording_init(void)
{
	uint32_t commons = sizeof(common) / sizeof(common[0]);
	char text[WORD_ROOM];

	for (uint32_t i = 0; i < WORDS; i++) {
		if (i < commons)
			word_set(&words[i], common[i], strlen(common[i]));
		else
			word_set(&words[i], text, spell(text, i));
	}
	aliases_init();
}

uint64_t dice_roll(struct dice *d)
{
	uint64_t x = d->state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
	return x ^ x >> 32;
}

char *put_word(char *p, uint32_t chance)
{
	const struct alias *a = &aliases[chance & (WORDS - 1)];
	const struct word *w = &words[chance >> 16 < a->keep ? chance & (WORDS - 1) : a->other];

	memcpy(p, w->text, sizeof(w->text));
	return p + w->len;
}

char *put_words(char *p, struct dice *d, unsigned count)
{
	uint64_t roll = 0;

	for (unsigned i = 0; i < count; i++) {
		roll = i % 2 ? roll >> 32 : dice_roll(d);
		if (i)
			*p++ = ' ';
		p = put_word(p, (uint32_t)roll);
	}
	return p;
}

char *put_noun(char *p, unsigned category, uint64_t which)
{
	const char *noun = categories[category][1 + which % NOUNS];

	return put_bytes(p, noun, strlen(noun));
}

char *put_adjective(char *p, uint64_t which)
{
	const char *adjective = adjectives[which % (sizeof(adjectives) / sizeof(adjectives[0]))];

	return put_bytes(p, adjective, strlen(adjective));
}

char *put_name(char *p, uint64_t number)
{
	char *start = p;

	if (number == 0)
		return PUT(p, "Acme");
	p += spell(p, (uint32_t)(number % 4096));
	*start = (char)(*start - 'a' + 'A');
	if (number >= 4096)
		p = put_number(p, number / 4096);
	return p;
}

const char *category_name(unsigned category)
{
	return categories[category][0];
}

char *put_number(char *p, uint64_t n)
{
	char digits[20];
	unsigned len = 0;

	do {
		digits[sizeof(digits) - ++len] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return put_bytes(p, digits + sizeof(digits) - len, len);
}

char *put_cents(char *p, uint64_t n)
{
	p = put_number(p, n / 100);
	*p++ = '.';
	*p++ = (char)('0' + n / 10 % 10);
	*p++ = (char)('0' + n % 10);
	return p;
}
