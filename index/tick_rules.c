/* SPDX-License-Identifier: Apache-2.0 */
/* index/tick_rules.c - before everything is folded again by other rules: do they refuse what the index has? A slip in the rules must not
 * empty it. */
#include "tick.h"

#include <inttypes.h>

#include "digest.h"

#define REFUSED_KEY "refused_rules" /* in the catalog: judged_by(), then why */

/* What a verdict on the rules holds for: they, how much they may refuse, and the generation; in one line. */
static int judged_by(const struct tick *t, struct buf *out)
{
	uint8_t hash[CONFIG_HASH_BYTES];
	char hex[2 * CONFIG_HASH_BYTES + 1];

	config_hash(t->cfg, hash);
	buf_addf(out, "%s %.17g %" PRIu64 "\n", hex_text(hash, sizeof(hash), hex), t->cfg->max_reject_ratio,
		t->parent->manifest.number);
	return buf_error(out);
}

static int judge_rules(struct tick *t, struct buf *why, struct err *err)
{
	struct rows rows;
	struct refold_input in = {.state = t->state,
		.cfg = t->cfg,
		.rows = &rows,
		.base = manifest_base_count(&t->parent->manifest),
		.stop = t->opt->stop,
		.progress = meter_report,
		.progress_ctx = &t->meter};
	int r = rows_init(&rows, t->parent, t->parent->manifest.horizon, NULL, err);

	meter_phase(&t->meter, "reading by the new rules");
	if (r == 0)
		r = refold_check(&in, why, err);
	rows_release(&rows);
	return r;
}

/* The verdict is kept: a mount tries again every few seconds. */
int tick_refuse_rules(struct tick *t, struct err *err)
{
	OWNED_BUF verdict = {0};
	OWNED_BUF known = {0};
	size_t head;
	int r;

	if (judged_by(t, &verdict) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	head = verdict.len;
	r = catalog_get(t->catalog, REFUSED_KEY, &known, err);
	if (r == 1 && slice_starts(buf_slice(&known), buf_slice(&verdict)))
		buf_add(&verdict, known.data + head, known.len - head);
	else if (r >= 0)
		r = judge_rules(t, &verdict, err);
	if (r >= 0 && buf_error(&verdict))
		r = err_set(err, -ENOMEM, "out of memory");
	if (r < 0 || verdict.len == head)
		return r < 0 ? r : 0;
	buf_cstr(&verdict);
	if (t->opt->force) {
		buf_add(&t->out->warning, verdict.data + head, verdict.len - head);
		return 0;
	}
	r = tick_remember(t->catalog, REFUSED_KEY, buf_slice(&verdict), err);
	return r < 0 ? err_context(err, r, "catalog.db")
		     : err_set(err, -EBADMSG, "%s; freshet build --force takes them all the same",
			       verdict.data + head);
}
