/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/shop.c - see shop.h. What a record says is a function of the state in world.h, and of hashes. */
#include "shop.h"
#include "wording.h"

/* Purposes of hashes; those of world.c end far below. */
enum purpose {
	BRAND = 100,
	PRICE,
	PRICE_NOW,
	BID,
	WORDING,
	ITEM_WORDING,
	RATING,
	SIGNAL,
	TREND,
};

#define ADS_WORDS_LEAST 16 /* in a body, besides nouns and brand */
#define ADS_WORDS_MORE 13

/* What an item and all its ads have in common. */
static unsigned category_of(const struct world *w, const struct item *it)
{
	return world_hash(w, BRAND, it->number, 1) % CATEGORIES;
}

static char *put_brand(char *p, const struct world *w, const struct item *it)
{
	uint64_t h = world_hash(w, BRAND, it->number, 0) >> 32;

	/* Few large brands, many small ones, as with campaigns. */
	return put_name(p, (h * h >> 32) * 3000 >> 32);
}

static char *put_price(char *p, const struct world *w, const struct item *it)
{
	uint64_t base = 300 + world_hash(w, PRICE, it->number, 0) % 30000;
	uint64_t now = 85 + world_hash(w, PRICE_NOW, it->number, it->changes / 2) % 31;

	return put_cents(p, base * now / 100);
}

static char *put_rev(char *p, uint64_t changes)
{
	p = PUT(p, ",\"rev\":");
	return put_number(p, changes + 1);
}

static char *put_id(char *p, const char *prefix, uint64_t number)
{
	p = put_bytes(p, prefix, strlen(prefix));
	return put_number(p, number);
}

/* 'Compact espresso with delivery by Acme'. The wording is new with every fourth change. */
static char *put_title(char *p, const struct world *w, const struct item *it, struct dice *d)
{
	unsigned category = category_of(w, it);
	uint64_t roll = dice_roll(d);

	p = put_adjective(p, roll);
	*p++ = ' ';
	p = put_noun(p, category, roll >> 8);
	*p++ = ' ';
	p = put_words(p, d, 1 + (roll >> 16) % 3);
	p = PUT(p, " by ");
	return put_brand(p, w, it);
}

static char *put_body(char *p, const struct world *w, const struct item *it, struct dice *d)
{
	unsigned category = category_of(w, it), count;
	uint64_t roll = dice_roll(d);

	count = ADS_WORDS_LEAST + roll % ADS_WORDS_MORE;
	p = put_words(p, d, count / 2);
	*p++ = ' ';
	p = put_noun(p, category, roll >> 8);
	p = PUT(p, ", ");
	p = put_words(p, d, count - count / 2);
	if ((roll >> 16) % 16 == 0) {
		*p++ = ' ';
		p = put_number(p, 10 + (roll >> 20) % 40);
		p = PUT(p, "\\\"");
	}
	*p++ = '.';
	return p;
}

static void put_ad(struct shop *s, const struct world *w, const struct item *it, uint64_t position)
{
	uint64_t number = ad_number(w, it, position);
	struct dice d = {world_hash(w, WORDING, number, (it->changes + it->index) / 4)};
	const char *category = category_name(category_of(w, it));
	char *p = sink_begin(&s->ads);

	p = put_id(p, "{\"kind\":\"ad\",\"ad_id\":\"ad-", number);
	p = put_id(p, "\",\"item_id\":\"item-", it->number);
	p = put_id(p, "\",\"campaign_id\":\"c-", ad_campaign(w, it, position));
	p = ad_is_paused(w, it, position) ? PUT(p, "\",\"status\":\"paused\"")
					  : PUT(p, "\",\"status\":\"active\"");
	p = put_rev(p, it->changes);
	p = PUT(p, ",\"brand\":\"");
	p = put_brand(p, w, it);
	p = PUT(p, "\",\"category\":\"");
	p = put_bytes(p, category, strlen(category));
	p = PUT(p, "\",\"price\":");
	p = put_price(p, w, it);
	p = PUT(p, ",\"bid\":");
	p = put_cents(p, 5 + world_hash(w, BID, position, it->changes) % 200);
	p = PUT(p, ",\"title\":\"");
	p = put_title(p, w, it, &d);
	p = PUT(p, "\",\"body\":\"");
	p = put_body(p, w, it, &d);
	sink_end(&s->ads, PUT(p, "\"}\n"));
}

/* The title ends with a model number, of which there are about as many as items. */
static void put_item(struct shop *s, const struct world *w, const struct item *it)
{
	static const char colors[][8] = {"black", "white", "silver", "red", "blue", "green", "oak", "grey"};
	uint64_t h = world_hash(w, ITEM_WORDING, it->number, 0);
	struct dice d = {h};
	const char *color = colors[h % 8], *category = category_name(category_of(w, it));
	char *p = sink_begin(&s->items);

	p = put_id(p, "{\"kind\":\"item\",\"item_id\":\"item-", it->number);
	p = PUT(p, "\"");
	p = put_rev(p, it->changes);
	p = PUT(p, ",\"brand\":\"");
	p = put_brand(p, w, it);
	p = PUT(p, "\",\"category\":\"");
	p = put_bytes(p, category, strlen(category));
	p = PUT(p, "\",\"title\":\"");
	p = put_brand(p, w, it);
	*p++ = ' ';
	p = put_noun(p, category_of(w, it), h >> 8);
	*p++ = ' ';
	*p++ = (char)('A' + (h >> 16) % 26);
	*p++ = (char)('A' + (h >> 24) % 26);
	p = put_number(p, 100 + (h >> 32) % 9900);
	p = PUT(p, "\",\"color\":\"");
	p = put_bytes(p, color, strlen(color));
	p = PUT(p, "\",\"price\":");
	p = put_price(p, w, it);
	p = PUT(p, ",\"rating\":");
	p = put_cents(p, 200 + world_hash(w, RATING, it->number, it->changes / 8) % 301);
	p = PUT(p, ",\"description\":\"");
	p = put_words(p, &d, 8 + (h >> 48) % 8);
	sink_end(&s->items, PUT(p, ".\"}\n"));
}

static void put_campaign(struct shop *s, const struct campaign *c)
{
	char *p = sink_begin(&s->campaigns);

	p = put_id(p, "{\"kind\":\"campaign\",\"campaign_id\":\"c-", c->number);
	p = c->is_paused ? PUT(p, "\",\"status\":\"paused\"") : PUT(p, "\",\"status\":\"active\"");
	p = put_rev(p, c->changes);
	p = PUT(p, ",\"advertiser\":\"");
	p = put_name(p, c->number / 3);
	p = PUT(p, "\",\"budget\":");
	p = put_number(p, c->budget);
	p = PUT(p, ",\"budget_left\":");
	p = put_number(p, c->budget_left);
	sink_end(&s->campaigns, PUT(p, "}\n"));
}

/* The trend is new with every eighth signal, the numbers with each. */
static void put_signal(struct shop *s, const struct world *w, const struct item *it, uint64_t signals)
{
	static const char trends[][8] = {"rising", "steady", "steady", "falling"};
	uint64_t h = world_hash(w, SIGNAL, it->number, signals);
	const char *trend = trends[world_hash(w, TREND, it->number, (signals + it->index) / 8) % 4];
	uint64_t clicks = h % 2000;
	char *p = sink_begin(&s->signals);

	p = put_id(p, "{\"kind\":\"signal\",\"item_id\":\"item-", it->number);
	p = PUT(p, "\"");
	p = put_rev(p, signals - 1);
	p = PUT(p, ",\"clicks\":");
	p = put_number(p, clicks);
	p = PUT(p, ",\"conversions\":");
	p = put_number(p, clicks * ((h >> 32) % 80) / 1000);
	p = PUT(p, ",\"market_price\":");
	p = put_cents(p, 300 + world_hash(w, PRICE, it->number, 0) % 30000 + (h >> 40) % 500);
	p = PUT(p, ",\"trend\":\"");
	p = put_bytes(p, trend, strlen(trend));
	sink_end(&s->signals, PUT(p, "\"}\n"));
}

/* `start` is the record up to the number in its key. */
static void put_delete(struct shop *s, struct sink *to, const char *start, uint64_t number)
{
	char *p = put_id(sink_begin(to), start, number);

	sink_end(to, PUT(p, "\",\"op\":\"delete\"}\n"));
	s->deletes++;
}

void shop_open(struct shop *s, const char *dir, bool packed, uint64_t file_size)
{
	s->deletes = 0;
	sink_open(&s->ads, dir, "ads", packed, file_size);
	sink_open(&s->items, dir, "items", packed, file_size);
	sink_open(&s->campaigns, dir, "campaigns", packed, file_size);
	sink_open(&s->signals, dir, "signals", packed, file_size);
}

void shop_close(struct shop *s)
{
	sink_close(&s->ads);
	sink_close(&s->items);
	sink_close(&s->campaigns);
	sink_close(&s->signals);
}

void shop_put_all(struct shop *s, const struct world *w, int64_t slot)
{
	struct campaign c;
	struct item it;
	uint64_t signals;
	bool now;

	for (uint64_t i = 0; i < w->campaigns; i++) {
		campaign_at(w, &c, i, slot);
		if (!c.is_gone)
			put_campaign(s, &c);
	}
	item_first(w, &it);
	do {
		item_at(w, &it, slot);
		put_item(s, w, &it);
		for (uint64_t i = 0; i < it.ads; i++)
			put_ad(s, w, &it, it.first + i);
		signals = signal_at(w, &it, slot, &now);
		if (signals)
			put_signal(s, w, &it, signals);
	} while (item_next(w, &it));
}

static void change_item(struct shop *s, const struct world *w, const struct item *it, int64_t slot)
{
	struct item before = item_before(w, it), then = *it;
	bool now;

	if (before.number != it->number) {
		put_delete(s, &s->items, "{\"kind\":\"item\",\"item_id\":\"item-", before.number);
		item_at(w, &then, slot - 1);
		if (signal_at(w, &then, slot - 1, &now))
			put_delete(s, &s->signals, "{\"kind\":\"signal\",\"item_id\":\"item-", before.number);
	}
	put_item(s, w, it);
	for (uint64_t i = 0; i < it->ads; i++) {
		uint64_t old = ad_number(w, &before, it->first + i);

		if (old != ad_number(w, it, it->first + i))
			put_delete(s, &s->ads, "{\"kind\":\"ad\",\"ad_id\":\"ad-", old);
		put_ad(s, w, it, it->first + i);
	}
}

void shop_put_changes(struct shop *s, const struct world *w, int64_t slot)
{
	struct campaign c;
	struct item it;
	uint64_t signals;
	bool now;

	for (uint64_t i = 0; i < w->campaigns; i++) {
		if (!campaign_at(w, &c, i, slot))
			continue;
		if (c.is_gone)
			put_delete(s, &s->campaigns, "{\"kind\":\"campaign\",\"campaign_id\":\"c-", i);
		else
			put_campaign(s, &c);
	}
	item_first(w, &it);
	do {
		if (item_at(w, &it, slot))
			change_item(s, w, &it, slot);
		signals = signal_at(w, &it, slot, &now);
		if (now && signals)
			put_signal(s, w, &it, signals);
	} while (item_next(w, &it));
}
