/* SPDX-License-Identifier: Apache-2.0 */
#include "compose.h"

#include <unistd.h>

#include "analyst.h"
#include "attribute_cache.h"

static uint32_t rules_of(const struct config *cfg, struct segment_rule out[ATTRIBUTES_MAX])
{
	for (size_t i = 0; i < cfg->attribute_count; i++)
		out[i] = (struct segment_rule){.name = slice_str(cfg->attributes[i].name),
			.on = slice_str(cfg->attributes[i].on),
			.expires = cfg->attributes[i].expire};
	return (uint32_t)cfg->attribute_count;
}

#define CACHE_PART 32 /* of build.memory, for attributes that were looked up */

int compose(const struct compose_input *in, struct segment_output *out, struct err *err)
{
	OWNED_STR char *path = state_path(in->state, "%s/%s", in->state->build, in->file);
	unsigned threads = compose_threads(in->cfg);
	struct segment_rule rules[ATTRIBUTES_MAX];
	struct analysts analysts = {0};
	struct segment_input to = {.sources = in->sources,
		.source_count = in->source_count,
		.entries = in->entries,
		.entry_count = in->entry_count,
		.history = in->history,
		.history_count = in->history_count,
		.rules = rules,
		.rule_count = rules_of(in->cfg, rules),
		.base = in->base,
		.first = in->sources[0].ts,
		.last = in->sources[in->source_count - 1].ts,
		.analyse = analyst_analyse,
		.threads = threads,
		.progress = in->progress,
		.progress_ctx = in->progress_ctx};
	struct attribute_cache *cache =
		attribute_cache_new(in->attribute, in->attribute_ctx, in->cfg->memory / CACHE_PART);
	int r;

	if (!path || !cache) {
		attribute_cache_free(cache);
		return err_set(err, -ENOMEM, "out of memory");
	}
	config_hash(in->cfg, to.config_hash);
	r = analysts_init(&analysts, in->cfg, threads, attribute_cache_find, cache, in->stop, err);
	if (r == 0) {
		to.analyse_ctx = analysts.ctxs[0];
		to.more_ctxs = analysts.ctxs + 1;
		to.more_count = threads - 1;
		r = segment_write(path, &to, out, err);
	}
	analysts_release(&analysts);
	attribute_cache_free(cache);
	return r;
}

int compose_fold(const struct compose_input *in, const struct fold_input *from,
	const struct fold_output *fold, struct segment_output *out, struct err *err)
{
	struct fold_attributes attributes = fold_attributes(from, fold);
	struct compose_input all = *in;

	all.sources = fold->sources;
	all.source_count = fold->source_count;
	all.entries = fold->entries;
	all.entry_count = fold->entry_count;
	all.history = fold->history;
	all.history_count = fold->history_count;
	all.attribute = fold_attribute;
	all.attribute_ctx = &attributes;
	return compose(&all, out, err);
}

unsigned compose_threads(const struct config *cfg)
{
	long n = cfg->threads ? (long)cfg->threads : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned)n;
}
