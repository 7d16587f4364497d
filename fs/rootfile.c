/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfile.h"
#include "metrics.h"
#include "passthrough.h"
#include "status_html.h"
#include "tree.h"

#include <inttypes.h>

static void add_readme(const struct tree *t, struct buf *out)
{
	const char *m = t->mountpoint;

	buf_addf(out,
		"This is a search index that freshet keeps fresh, as read-only files.\n"
		"Feed: %s\n\n",
		t->url);
	buf_add_str(out, "watermark            newest partition that is indexed (UTC)\n"
			 "complete_through     up to here nothing is missing\n"
			 "generation           number of the published state\n"
			 "status               how things stand; status.json for programs\n"
			 "status.html          the same for a browser, with a timeline\n"
			 "metrics              the same for monitoring, as Prometheus reads it\n"
			 "partitions.tsv       every partition seen, its state, and why\n"
			 "partitions/          the feed itself, byte for byte\n"
			 "rejects/             records that could not be used, by partition\n"
			 "terms/TERM           ids of the documents with that word or field:value, sorted\n"
			 "postings/TERM        the same with group, frequency, partition and segment\n"
			 "prefix/PREFIX/       the terms that start so\n"
			 "docs/ID              one document, as JSON\n"
			 "groups/GROUP         the documents of a group\n"
			 "query/EXPR           ids of the documents that match an expression\n"
			 "rank/EXPR            the best 1,000 of them, by BM25: score and id\n"
			 "segments/            the index files, to copy with rsync\n"
			 "generations/N/       the same as of generation N; it never changes\n\n"
			 "In names '/', '%', control characters and a leading '.' are written %XX.\n"
			 "Try:\n\n");
	buf_addf(out, "    cat %s/status\n", m);
	buf_addf(out, "    ls %s/prefix/c | head\n", m);
	buf_addf(out, "    cat %s/terms/coffee\n", m);
	buf_addf(out, "    comm -12 %s/terms/coffee %s/terms/beans\n", m, m);
	buf_addf(out, "    cat '%s/query/coffee (beans OR grind*) NOT decaf'\n", m);
	buf_addf(out, "    head -5 '%s/rank/coffee beans'\n", m);
	buf_addf(out, "    ls %s/docs | head -1\n", m);
	buf_addf(out, "    column -ts \"$(printf '\\t')\" %s/partitions.tsv | tail\n", m);
	buf_addf(out, "    getfattr -d %s/terms\n", m);
	buf_addf(out, "    rsync -a %s/segments/ COPY/ && (cd COPY && sha256sum -c SHA256SUMS)\n", m);
}

static void add_instant(struct buf *out, int64_t t)
{
	char text[TIME_TEXT_MAX];

	if (t != TIME_NONE)
		buf_addf(out, "%s\n", time_text(t, text));
}

static const char *refresh_name(enum refresh_mode mode)
{
	return mode == REFRESH_EAGER ? "eager" : mode == REFRESH_MANUAL ? "manual" : "lazy";
}

static int add_page(const struct snapshot *s, const struct status *status, int64_t now, struct buf *out)
{
	struct picture picture;
	int r = picture_gather(&picture, status, s->generation, s->rows, s->row_count, now);

	if (r == 0)
		r = status_html(&picture, out);
	picture_release(&picture);
	return r;
}

static int add_status(const struct tree *t, const struct snapshot *s, enum rootfile which, struct buf *out)
{
	struct status status = s->status;
	char error[ERR_MAX], passthrough[ERR_MAX];
	int64_t now = time_now();

	refresh_facts(t->refresh, &status.building_since, error);
	status.refresh = refresh_name(t->cfg->refresh);
	passthrough_word(t->passthrough, passthrough);
	status.passthrough = passthrough;
	status.requests = t->requests;
	if (*error)
		status.last_error = error;
	if (which == ROOTFILE_STATUS_JSON)
		return status_json(&status, now, out);
	if (which == ROOTFILE_STATUS_HTML)
		return add_page(s, &status, now, out);
	if (which == ROOTFILE_METRICS)
		metrics_text(&status, now, out);
	else
		status_text(&status, now, out);
	return 0;
}

int rootfile_make(const struct tree *t, enum rootfile which, const struct snapshot *s,
	const struct generation *g, struct buf *out)
{
	int r = 0;

	switch (which) {
	case ROOTFILE_README:
		add_readme(t, out);
		break;
	case ROOTFILE_COMPLETE_THROUGH:
		add_instant(out, s->status.complete_through);
		break;
	case ROOTFILE_GENERATION:
		if (g)
			buf_addf(out, "%" PRIu64 "\n", g->manifest.number);
		break;
	case ROOTFILE_STATUS:
	case ROOTFILE_STATUS_HTML:
	case ROOTFILE_STATUS_JSON:
	case ROOTFILE_METRICS:
		r = add_status(t, s, which, out);
		break;
	case ROOTFILE_WATERMARK:
		if (g)
			add_instant(out, g->manifest.watermark);
		break;
	}
	return r < 0 ? r : buf_error(out);
}
