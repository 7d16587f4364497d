/* SPDX-License-Identifier: Apache-2.0 */
#include "row.h"

/* Part of the catalog and of partitions.tsv: a name, once released, keeps its meaning. */
static const char *const names[PART_STATES] = {
	[PART_OPEN] = "open",
	[PART_COMPLETE] = "complete",
	[PART_PUBLISHED] = "published",
	[PART_FAILED] = "failed",
	[PART_SKIPPED] = "skipped",
	[PART_EXPIRED] = "expired",
};

const char *partition_state_name(enum partition_state s)
{
	return (unsigned)s < PART_STATES ? names[s] : "unknown";
}

int partition_state_parse(const char *name, enum partition_state *out)
{
	for (unsigned i = 0; i < PART_STATES; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum partition_state)i;
			return 1;
		}
	}
	return 0;
}
