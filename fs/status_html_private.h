/* SPDX-License-Identifier: Apache-2.0 */
/* fs/status_html_private.h - the parts of the page: status_html.c (its frame, lists) and status_html_charts.c (what is drawn). */
#ifndef FRESHET_STATUS_HTML_PRIVATE_H
#define FRESHET_STATUS_HTML_PRIVATE_H

#include "status_html.h"

/* UTF-8 without control characters, for text and for attributes in double quotes. */
void html_escape(struct slice text, struct buf *out);
/* Partitions by state, with what the marks mean. */
void html_timeline(const struct picture *p, struct buf *out);
/* Waiting and building, as bars and as numbers. */
void html_freshness(const struct picture *p, struct buf *out);

#endif
