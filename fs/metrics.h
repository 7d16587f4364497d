/* SPDX-License-Identifier: Apache-2.0 */
/* fs/metrics.h - what monitoring looks at: the same numbers as status.json, in Prometheus' text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats). */
#ifndef FRESHET_METRICS_H
#define FRESHET_METRICS_H

#include "status.h"

/* Appends all of it. What is not known yet, as the watermark before the first publish, is left out. */
void metrics_text(const struct status *s, int64_t now, struct buf *out);

#endif
