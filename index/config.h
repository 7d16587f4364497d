/* SPDX-License-Identifier: Apache-2.0 */
/* index/config.h - freshet.ini: every key, its default, and the text form that is kept in the catalog.
 *
 * Unknown sections and keys, values out of range, keys given twice in one file, and lines that the
 * parser would cut (config_parse checks lengths before inih sees the text) are errors that name file,
 * line and key. Later sources override earlier ones: defaults, file, --set. Lists are comma-separated,
 * blanks trimmed, empty elements refused. For people: docs/configuration.md.
 *
 * A value may go on in indented lines, joined by one blank each; that is how values longer than inih's
 * lines (198 bytes as Debian builds it) are written. Comments have lines of their own. So no value
 * holds a control character (tabs but), or a blank with ";" or "#" behind it, and none is longer than
 * CONFIG_RUN_MAX bytes without a blank to break it at: what is accepted can always be dumped. */
#ifndef FRESHET_CONFIG_H
#define FRESHET_CONFIG_H

#include "err.h"
#include "expr.h"
#include "string_list.h"
#include "timefmt.h"

enum complete_rule { COMPLETE_RATE, COMPLETE_MARKER, COMPLETE_BOTH };
enum lag_policy { POLICY_LATEST, POLICY_NEWEST, POLICY_REPLAY };
enum refresh_mode { REFRESH_LAZY, REFRESH_EAGER, REFRESH_MANUAL };
enum columns_rule { COLUMNS_ALL, COLUMNS_CONFIGURED };
enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

enum s3_signature { SIGNATURE_AUTO, SIGNATURE_V2, SIGNATURE_V4 };
enum s3_style { STYLE_AUTO, STYLE_PATH, STYLE_VIRTUAL };

#define ATTRIBUTES_MAX 64

/* [attribute.NAME]: records that are no documents and change documents. Strings are owned. */
struct attribute_rule {
	char *name;        /* letters, digits, "_" and "-" */
	struct expr *when; /* the records that it takes */
	char *when_text;
	char *key;       /* field of them that says which one it is */
	char *on;        /* field of documents that must equal it */
	char *version;   /* field of them; NULL: none */
	unsigned expire; /* 0: holds until deleted or covered; 1: leaves as documents do */
};

/* All strings are owned, never NULL unless said so. Durations in nanoseconds. */
struct config {
	/* [feed] */
	char *url;                   /* NULL: not given */
	char *partition;             /* template, default dt=%Y-%m-%d/hour=%H/minute=%M */
	int64_t cadence;             /* 5m; > 0 */
	enum complete_rule complete; /* rate */
	int64_t settle;              /* 0s */
	int64_t quiet;               /* 2s */
	char *marker;                /* _SUCCESS */
	enum columns_rule columns;   /* all: what records have of the columns of a Parquet file */
	/* [lag] */
	enum lag_policy policy; /* latest */
	int64_t window;         /* 5h; TIME_FOREVER for `all` */
	int64_t overlap;        /* TIME_FOREVER for `all`; below 0: not given, then it is the window */
	int64_t gap_timeout;    /* 1h */
	/* [document]; an absent `id` means the configuration-free default of section 6 */
	char *id;             /* NULL: field "id" where present, else PARTITION/FILE:LINE */
	char *group;          /* NULL: each document its own group, under no name */
	char *op;             /* field that may say "delete"; default "op" */
	char *version;        /* NULL: none */
	bool text_is_default; /* `text` not configured: every string field except id, group, op, version is text */
	struct string_list text;
	struct string_list keyword;
	struct expr *drop_if; /* NULL: nothing is hidden */
	char *drop_if_text;   /* NULL with it */
	/* [attribute.NAME], in the order given; complete after config_check() */
	struct attribute_rule *attributes; /* owned */
	size_t attribute_count;
	/* [index], in thousandths; for ranking only: a change is seen by the next generation, and needs no new segment */
	unsigned k1; /* 1200 */
	unsigned b;  /* 750 */
	/* [build] */
	unsigned threads;        /* 0 (default): as many as CPUs */
	double max_reject_ratio; /* 0.01 */
	uint64_t memory;         /* 1GiB: what building a base may take */
	double max_change; /* 2: so many times more or fewer documents may a base have than the last one */
	unsigned keep;     /* 8 generations */
	int64_t keep_for;  /* 1h */
	unsigned keep_max; /* 64 */
	int64_t lock_wait; /* 0s */
	int64_t stall_timeout; /* 10m; > 0 */
	/* [mount] */
	enum refresh_mode refresh; /* lazy */
	int64_t poll;              /* 1s */
	int64_t wait;              /* 2s */
	int64_t feed_timeout;      /* 10s; > 0 */
	enum log_level log_level;  /* info */
	unsigned passthrough;      /* 0: no; 1: yes */
	int64_t max_age;           /* TIME_FOREVER: what is published is served, however old; > 0 */
	uint64_t cache_size;       /* 64GiB: what a follower may hold of other generations' segments */
	/* [publish] */
	char *dest; /* a directory or s3://…: where builds publish to; NULL: nowhere */
	unsigned
		sole_writer; /* 1: nobody else publishes there, so that a store that cannot tell is good enough */
	/* [s3] */
	char *s3_endpoint; /* http[s]://HOST[:PORT]; NULL: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's, else Amazon's */
	char *s3_region;  /* NULL: AWS_REGION, AWS_DEFAULT_REGION, the profile's, else us-east-1 */
	char *s3_profile; /* of ~/.aws; NULL: AWS_PROFILE, else "default" */
	enum s3_signature s3_signature; /* auto: what the bucket takes */
	enum s3_style s3_style;         /* auto: path with an endpoint, virtual without */
	int64_t s3_timeout;             /* 30s: for one request, all its attempts together; > 0 */
};

#define CONFIG_HASH_BYTES 16
#define CONFIG_VALUE_MAX 65536    /* bytes of one value, and more than any needs */
#define CONFIG_TEXT_MAX (1 << 20) /* bytes of a file */
#define CONFIG_RUN_MAX 170
#define SECTION_NAME_MAX ((size_t)49) /* bytes, also of a key: what inih keeps of a name */

int config_new(struct config **out, struct err *err); /* the defaults */
void config_free(struct config *c);                   /* NULL is fine */
DEFINE_FREEP(config)
/* Sets one key from its text, as every source does. `which` (or NULL) tells the key's number, below
 * CONFIG_KEYS_MAX, also after an error in the value. Returns 0, -EINVAL or -ENOMEM; then `err` names the key. */
int config_assign(struct config *c, struct slice section, struct slice key, struct slice value,
	unsigned *which, struct err *err);
#define CONFIG_KEYS_MAX (64 + 8 * ATTRIBUTES_MAX)
/* Takes note of a section: an attribute is there from its section on, so that one without keys is missed by config_check(). Returns 0,
 * -EINVAL or -ENOMEM. */
int config_section(struct config *c, struct slice section, struct err *err);
/* Reads one ini text over `c`; `origin` is named in errors. Returns 0 or -EINVAL, -ENOMEM; after an
 * error `c` may be half changed: free it. */
int config_parse(struct config *c, const char *origin, struct slice text, struct err *err);
/* The same from a file; other errors are those of opening and reading it. */
int config_parse_file(struct config *c, const char *path, struct err *err);
/* One "section.key=value", as from --set. Returns 0, -EINVAL or -ENOMEM. */
int config_set(struct config *c, const char *assignment, struct err *err);
/* One key of [mount] as a mount option writes it: "refresh", "eager". Returns 1 set, 0 no such key of
 * [mount], or -EINVAL. */
int config_set_mount_option(struct config *c, const char *key, const char *value, struct err *err);
/* Does the attribute of that id (record.h) leave as documents do? */
bool config_expires(const struct config *c, struct slice attribute_id);
/* What no single key can tell: every attribute has `when`, `key` and `on`, and no list of fields names one as a field. Call it once all sources are read.
 * Returns 0 or -EINVAL. */
int config_check(const struct config *c, struct err *err);
/* Appends the whole configuration as canonical ini text: reading it back gives the same, and equal
 * configurations give equal bytes. Defaults are written out, absent keys are not. */
void config_dump(const struct config *c, struct buf *out);
/* Identity of what decides about documents and terms ([document], [attribute.*]): a
 * segment built under another hash would hold other terms. XXH3-128 of those sections' canonical text. */
void config_hash(const struct config *c, uint8_t out[CONFIG_HASH_BYTES]);
/* Is what has this hash made by the same rules? */
bool config_has_hash(const struct config *c, const uint8_t hash[CONFIG_HASH_BYTES]);
/* Are so many refused of so many records a sign of something wrong with all of them? By max_reject_ratio; ten of many never are, and
 * all of them always. */
bool config_refuses(const struct config *c, uint64_t refused, uint64_t records);

#endif
