/* SPDX-License-Identifier: Apache-2.0 */
/* fs/passthrough.h, built with a libfuse that cannot do it. */
#include "passthrough.h"

#include <stdio.h>

struct passthrough {
	char unused;
};

int passthrough_start(struct passthrough **out, const struct passthrough_options *opt)
{
	*out = malloc(sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void passthrough_show(struct passthrough *p, struct generation *g)
{
}

void passthrough_stop(struct passthrough *p)
{
}

void passthrough_free(struct passthrough *p)
{
	free(p);
}

void passthrough_word(struct passthrough *p, char out[ERR_MAX])
{
	snprintf(out, ERR_MAX, "off: %s",
		p ? "this freshet was built with a libfuse before 3.17" : "not asked for");
}
