/* SPDX-License-Identifier: Apache-2.0 */
/* fs/tree_names.c - the fixed names of the root, and which of them a generation's directory has, too. */
#include "tree_private.h"

const struct tree_name tree_names[TREE_NAMES] = {
	{"README", NODE_TEXT, ROOTFILE_README, HOLDS_FOREVER, false},
	{"complete_through", NODE_TEXT, ROOTFILE_COMPLETE_THROUGH, HOLDS_POINTER, false},
	{"docs", NODE_DOCS, 0, HOLDS_POINTER, true},
	{"generation", NODE_TEXT, ROOTFILE_GENERATION, HOLDS_POINTER, false},
	{"generations", NODE_GENERATIONS, 0, HOLDS_FOREVER, false},
	{"groups", NODE_GROUPS, 0, HOLDS_POINTER, true},
	{"metrics", NODE_TEXT, ROOTFILE_METRICS, HOLDS_NOT, false},
	{"partitions", NODE_MIRROR_DIR, MIRROR_PARTITIONS, HOLDS_FOREVER, false},
	{"partitions.tsv", NODE_TABLE, 0, HOLDS_NOT, false},
	{"postings", NODE_POSTINGS, 0, HOLDS_POINTER, true},
	{"prefix", NODE_PREFIXES, 0, HOLDS_POINTER, true},
	{"query", NODE_QUERIES, 0, HOLDS_POINTER, true},
	{"rank", NODE_RANKS, 0, HOLDS_POINTER, true},
	{"rejects", NODE_MIRROR_DIR, MIRROR_REJECTS, HOLDS_FOREVER, false},
	{"segments", NODE_SEGMENTS, 0, HOLDS_POINTER, true},
	{"status", NODE_TEXT, ROOTFILE_STATUS, HOLDS_NOT, false},
	{"status.html", NODE_TEXT, ROOTFILE_STATUS_HTML, HOLDS_NOT, false},
	{"status.json", NODE_TEXT, ROOTFILE_STATUS_JSON, HOLDS_NOT, false},
	{"terms", NODE_TERMS, 0, HOLDS_POINTER, true},
	{"watermark", NODE_TEXT, ROOTFILE_WATERMARK, HOLDS_POINTER, true},
};

const char *const tree_pointers[] = {"complete_through", "docs", "groups", "postings", "prefix", "query",
	"rank", "segments", "terms", "watermark", "generation", NULL};

const struct tree_name *tree_name_find(const char *name)
{
	for (size_t i = 0; i < TREE_NAMES; i++) {
		if (!strcmp(tree_names[i].name, name))
			return &tree_names[i];
	}
	return NULL;
}
