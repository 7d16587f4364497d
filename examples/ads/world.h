/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/world.h - what exists in the shop at any time, as pure functions of the seed.
 *
 * Nothing is simulated and nothing remembered: the state of an item, ad, campaign or signal after any time
 * slot is computed from (seed, number, slot) alone. So a snapshot as of any time costs the same, agrees with
 * all partitions before and after it, and memory does not grow with the number of documents.
 *
 * The trick: a thing that changes every P slots on average changes exactly once in each window of P slots,
 * in a slot that a hash picks. How often it has changed by slot k is then k / P, plus one if this window's
 * change is behind k; and everything else is a function of that count.
 *
 * There are always exactly `documents` ads, each in a *position*, which stands in one item. When an ad's life
 * ends, a new one takes its position; when an item's does, a new item takes its place, and some of its ads
 * move to that while others are replaced. */
#ifndef FRESHET_ADS_WORLD_H
#define FRESHET_ADS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#define WORLD_EPOCH 1767225600 /* 2026-01-01T00:00:00Z: nothing has changed yet */
#define PPM 1000000

struct world {
	uint64_t seed;
	uint64_t documents, items, campaigns;
	int64_t cadence;    /* seconds in a slot */
	int64_t first_slot; /* slots are counted from here: Unix time / cadence */
	/* One change in so many slots, on average. A tenth of the items is hot, and makes half of the changes. */
	uint64_t hot_every, cold_every, campaign_every, signal_every;
};

/* `churn` is the part of items that is written anew in one slot, in parts per million, 1 to PPM. */
void world_init(struct world *w, uint64_t seed, uint64_t documents, int64_t cadence, uint64_t churn);
/* The slot that contains `time`; negative before the epoch. */
int64_t world_slot(const struct world *w, int64_t time);
int64_t world_time(const struct world *w, int64_t slot); /* of the slot's start, Unix seconds */

/* A hash of (seed, purpose, a, b), the same for ever. Purposes: any numbers that differ. */
uint64_t world_hash(const struct world *w, uint64_t purpose, uint64_t a, uint64_t b);

struct item {
	uint64_t index; /* its place, 0 to items - 1 */
	uint64_t first; /* its first ad's position; the others follow */
	uint64_t ads;
	uint64_t every;   /* changes once in so many slots */
	uint64_t changes; /* so far */
	uint64_t life;    /* so many items had this place before */
	uint64_t number;  /* in its id */
};
/* Item 0 is the big one: 1,000 ads (a tenth of all where there are less than 10,000), and never replaced. */
/* The first item, and the one behind `it`: place and positions only. False: that was the last. */
void item_first(const struct world *w, struct item *it);
bool item_next(const struct world *w, struct item *it);
/* Fills in the state after `slot`. Returns whether the item changes in that slot. */
bool item_at(const struct world *w, struct item *it, int64_t slot);
/* The state before the change that item_at() has found. */
struct item item_before(const struct world *w, const struct item *it);

/* The number in the id of the ad in `position` of the item, with the item's state. */
uint64_t ad_number(const struct world *w, const struct item *it, uint64_t position);
uint64_t ad_campaign(const struct world *w, const struct item *it, uint64_t position);
bool ad_is_paused(const struct world *w, const struct item *it, uint64_t position);

struct campaign {
	uint64_t number;
	uint64_t changes;
	uint64_t budget, budget_left; /* whole euros */
	bool is_paused, is_gone;
};
/* The state after `slot`. Returns whether it changes in that slot. */
bool campaign_at(const struct world *w, struct campaign *c, uint64_t number, int64_t slot);

/* Signals belong to an item, and go with it. The number of signals so far; 0: this item has had none.
 * `changed` says whether one comes in that slot; the item must be as of the same slot. */
uint64_t signal_at(const struct world *w, const struct item *it, int64_t slot, bool *changed);

#endif
