/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/shop.h - the shop's state and its changes as JSON records, one a line. */
#ifndef FRESHET_ADS_SHOP_H
#define FRESHET_ADS_SHOP_H

#include "sink.h"
#include "world.h"

/* Where each kind of record goes. */
struct shop {
	struct sink ads, items, campaigns, signals;
	uint64_t deletes; /* of all kinds, counted as records too */
};

void shop_open(struct shop *s, const char *dir, bool packed, uint64_t file_size);
void shop_close(struct shop *s);

/* Everything that exists after `slot`. */
void shop_put_all(struct shop *s, const struct world *w, int64_t slot);
/* What changes in `slot`: no key comes twice, and an item that changes comes with all of its ads. */
void shop_put_changes(struct shop *s, const struct world *w, int64_t slot);

#endif
