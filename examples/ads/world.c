/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/world.c - the shop's state in closed form. Integers only: equal bytes on every machine. */
#include "world.h"

#define BIG_ITEM_ADS 1000
#define ADS_PER_CAMPAIGN 500
#define LEAST_CAMPAIGNS 20
#define FLIGHT 12 /* changes of a campaign from one budget to the next */

enum purpose {
	ITEM_ADS = 1,
	ITEM_IS_HOT,
	ITEM_CHANGE,
	ITEM_LIFE,
	AD_LIFE,
	AD_CAMPAIGN,
	AD_OTHER_CAMPAIGN,
	AD_PAUSE,
	CAMPAIGN_CHANGE,
	CAMPAIGN_PHASE,
	CAMPAIGN_BUDGET,
	CAMPAIGN_FLIGHT,
	SIGNAL_CHANGE,
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t world_hash(const struct world *w, uint64_t purpose, uint64_t a, uint64_t b)
{
	uint64_t x = mix(w->seed + purpose * 0x9e3779b97f4a7c15);

	x = mix(x + a * 0xd1342543de82ef95);
	return mix(x + b * 0xaf251af3b0f025b5);
}

/* In which slot a thing changes for the n-th time (from 0). */
static int64_t change_slot(const struct world *w, enum purpose p, uint64_t thing, uint64_t every, uint64_t n)
{
	return (int64_t)(n * every + world_hash(w, p, thing, n) % every);
}

/* How often it has changed after `slot`; *now says whether the last time was in that slot. */
static uint64_t changes_at(
	const struct world *w, enum purpose p, uint64_t thing, uint64_t every, int64_t slot, bool *now)
{
	int64_t at;

	*now = false;
	if (slot < 0)
		return 0;
	at = change_slot(w, p, thing, every, (uint64_t)slot / every);
	*now = at == slot;
	return (uint64_t)slot / every + (at <= slot);
}

static uint64_t at_least(uint64_t least, uint64_t n)
{
	return n < least ? least : n;
}

void world_init(struct world *w, uint64_t seed, uint64_t documents, int64_t cadence, uint64_t churn)
{
	struct item it;

	*w = (struct world){
		.seed = mix(seed + 1),
		.documents = documents,
		.campaigns = at_least(LEAST_CAMPAIGNS, documents / ADS_PER_CAMPAIGN),
		.cadence = cadence,
		.first_slot = (WORLD_EPOCH + cadence - 1) / cadence,
		/* 10 % of the items at 5 x churn and 90 % at 5/9 x churn are churn on the whole. */
		.hot_every = at_least(1, PPM / 5 / churn),
		.cold_every = at_least(1, PPM / 5 * 9 / churn),
		.campaign_every = at_least(1, PPM / 5 / churn),
		.signal_every = at_least(1, PPM / 5 / churn),
	};
	item_first(w, &it);
	do
		w->items++;
	while (item_next(w, &it));
}

int64_t world_slot(const struct world *w, int64_t time)
{
	return time < WORLD_EPOCH ? -1 : time / w->cadence - w->first_slot;
}

int64_t world_time(const struct world *w, int64_t slot)
{
	return (slot + w->first_slot) * w->cadence;
}

/* Eight on average: most have 3 to 11, two in a hundred 20 to 80, one in ten thousand a thousand. */
static uint64_t ads_of(const struct world *w, uint64_t index)
{
	uint64_t h = world_hash(w, ITEM_ADS, index, 0);
	uint64_t tenth = at_least(1, w->documents / 10);

	if (index == 0)
		return tenth < BIG_ITEM_ADS ? tenth : BIG_ITEM_ADS;
	if (h % 10000 == 0 && tenth > BIG_ITEM_ADS)
		return BIG_ITEM_ADS;
	if (h % 100 < 2)
		return 20 + (h >> 32) % 61;
	return 3 + (h >> 32) % 9;
}

static void place(const struct world *w, struct item *it, uint64_t index, uint64_t first)
{
	*it = (struct item){.index = index, .first = first, .ads = ads_of(w, index)};
	if (it->ads > w->documents - first)
		it->ads = w->documents - first;
	it->every = world_hash(w, ITEM_IS_HOT, index, 0) % 10 == 0 ? w->hot_every : w->cold_every;
}

void item_first(const struct world *w, struct item *it)
{
	place(w, it, 0, 0);
}

bool item_next(const struct world *w, struct item *it)
{
	if (it->first + it->ads >= w->documents)
		return false;
	place(w, it, it->index + 1, it->first + it->ads);
	return true;
}

/* An item lives for 40 to 79 changes. The first one in its place is met somewhere in its life. */
static uint64_t item_span(const struct world *w, const struct item *it, uint64_t *phase)
{
	uint64_t h = world_hash(w, ITEM_LIFE, it->index, 0);
	uint64_t span = 40 + h % 40;

	*phase = (h >> 32) % span;
	return span;
}

static void live(const struct world *w, struct item *it)
{
	uint64_t phase, span = item_span(w, it, &phase);

	it->life = it->index ? (it->changes + phase) / span : 0;
	it->number = it->index + it->life * w->items;
}

bool item_at(const struct world *w, struct item *it, int64_t slot)
{
	bool now;

	it->changes = changes_at(w, ITEM_CHANGE, it->index, it->every, slot, &now);
	live(w, it);
	return now;
}

struct item item_before(const struct world *w, const struct item *it)
{
	struct item before = *it;

	before.changes--;
	live(w, &before);
	return before;
}

/* The slot in which the item came into its place, -1 if it was there from the start. */
static int64_t item_born(const struct world *w, const struct item *it)
{
	uint64_t phase, span = item_span(w, it, &phase);

	if (!it->life)
		return -1;
	return change_slot(w, ITEM_CHANGE, it->index, it->every, it->life * span - phase - 1);
}

/* An ad lives for 8 to 31 changes of its item. Where the item is replaced, half of the ads move to the new one
 * and keep their number. Both counts only grow, so that no number comes twice. */
uint64_t ad_number(const struct world *w, const struct item *it, uint64_t position)
{
	uint64_t h = world_hash(w, AD_LIFE, position, 0);
	uint64_t span = 8 + h % 24;
	uint64_t lives = (it->changes + (h >> 32) % span) / span;

	if (h >> 63)
		lives += it->life;
	return position + lives * w->documents;
}

/* Most ads of an item are in one campaign, a quarter in another. Low numbers are large campaigns. Now and then
 * the whole item goes elsewhere. */
uint64_t ad_campaign(const struct world *w, const struct item *it, uint64_t position)
{
	uint64_t h = world_hash(w, AD_CAMPAIGN, it->index, (it->changes + it->index) / 16);
	uint64_t skewed = (h >> 32) * (h >> 32) >> 32; /* of 2^32 */
	uint64_t campaign = skewed * w->campaigns >> 32;

	h = world_hash(w, AD_OTHER_CAMPAIGN, position, 0);
	return h % 4 ? campaign : (campaign + 1 + (h >> 32) % 3) % w->campaigns;
}

bool ad_is_paused(const struct world *w, const struct item *it, uint64_t position)
{
	return world_hash(w, AD_PAUSE, position, it->changes) % 25 == 0;
}

/* A campaign gets its budget and spends a part of it at each change; one flight in four has a pause, one in
 * four comes to the end of its money, and after one in 24 the campaign is gone until the next flight. */
bool campaign_at(const struct world *w, struct campaign *c, uint64_t number, int64_t slot)
{
	uint64_t phase = world_hash(w, CAMPAIGN_PHASE, number, 0) % FLIGHT;
	uint64_t step, h, from, length, spent;
	bool now;

	*c = (struct campaign){.number = number};
	c->changes = changes_at(w, CAMPAIGN_CHANGE, number, w->campaign_every, slot, &now);
	step = (c->changes + phase) % FLIGHT;
	h = world_hash(w, CAMPAIGN_FLIGHT, number, (c->changes + phase) / FLIGHT);
	from = 2 + h % 7;
	length = (h >> 8) % 4 == 0 ? 1 + (h >> 16) % 3 : 0;
	c->is_paused = step >= from && step < from + length;
	c->is_gone = step == FLIGHT - 1 && (h >> 40) % 24 == 0;
	spent = step;
	if (step >= from)
		spent -= step - from < length ? step - from : length;
	spent *= 4 + (h >> 24) % 8; /* per cent */
	c->budget = 100 * (1 + world_hash(w, CAMPAIGN_BUDGET, number, 0) % 200);
	c->budget_left = spent >= 100 ? 0 : c->budget / 100 * (100 - spent);
	return now;
}

uint64_t signal_at(const struct world *w, const struct item *it, int64_t slot, bool *changed)
{
	uint64_t n = changes_at(w, SIGNAL_CHANGE, it->index, w->signal_every, slot, changed);

	if (n == 0 || change_slot(w, SIGNAL_CHANGE, it->index, w->signal_every, n - 1) < item_born(w, it))
		return 0;
	return n;
}
