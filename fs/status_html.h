/* SPDX-License-Identifier: Apache-2.0 */
/* fs/status_html.h - the same for a browser: one page that loads nothing, for phones and in the dark too.
 *
 * Names, reasons and errors come from the feed: they are text in it, whatever they hold, and cut. The page's own policy
 * (Content-Security-Policy) allows no script and no request. */
#ifndef FRESHET_STATUS_HTML_H
#define FRESHET_STATUS_HTML_H

#include "picture.h"

#define STATUS_HTML_MAX \
	(256u << 10) /* bytes of the largest page, however many partitions and segments there are */

/* Appends the page. 0 or -ENOMEM. */
int status_html(const struct picture *p, struct buf *out);

extern const char status_html_style[]; /* its style sheet */

#endif
