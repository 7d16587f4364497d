/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/bench_segment.c - the segment by itself: parsed JSON Lines in memory to a file, and back.
 *
 *     bench_segment CONFIG FILE.jsonl OUT.seg [ROUNDS] */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "reader.h"
#include "record.h"
#include "segment_format.h"
#include "segment_verify.h"
#include "segment_write.h"

static double cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what, const struct err *err)
{
	fprintf(stderr, "%s: %s\n", what, err ? err->message : "");
	exit(1);
}

static struct buf read_file(const char *path)
{
	struct buf b = {0};
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		die(path, NULL);
	while ((n = fread(buf_reserve(&b, 1 << 20), 1, 1 << 20, f)) > 0)
		b.len += n;
	fclose(f);
	memset(buf_reserve(&b, RECORD_PADDING), 0, RECORD_PADDING);
	return b;
}

struct bench {
	struct record_parser *parser;
	struct entry *entries;
	size_t count;
	bool words; /* give the terms to the inverter; else drop them */
};

static void add_term(void *ctx, enum term_class cls, const char *text, size_t len)
{
	invert_add(ctx, (char)cls, text, len);
}

static int analyse(void *ctx, struct slice record, struct invert *v, struct err *err)
{
	struct bench *b = ctx;

	return record_analyse(b->parser, record, add_term, v, err);
}

static int by_id(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return slice_cmp(x->id, y->id);
}

static void parse(struct bench *b, struct buf *text, struct arena *arena)
{
	struct err err = ERR_INIT;
	size_t cap = 0, n = 0;

	for (char *p = text->data, *end = p + text->len, *nl; p < end && (nl = memchr(p, '\n', end - p));
		p = nl + 1) {
		struct record rec = {0};

		if (n == cap)
			b->entries = realloc(b->entries, (cap = cap ? cap * 2 : 1024) * sizeof(*b->entries));
		if (record_parse(b->parser, slice_of(p, nl - p), slice_str(""), arena, &rec, &err) != 0)
			die("record", &err);
		b->entries[n++] = (struct entry){.id = rec.id,
			.group = rec.group,
			.version = rec.version,
			.line = n,
			.record = rec.json};
	}
	qsort(b->entries, n, sizeof(*b->entries), by_id);
	for (size_t i = 0; i < n; i++)
		if (!i || !slice_eq(b->entries[i].id, b->entries[b->count - 1].id))
			b->entries[b->count++] = b->entries[i];
}

static double write_once(struct bench *b, const char *path, unsigned threads, struct segment_output *out)
{
	struct source source = {.partition = slice_str("p"), .file = slice_str("f")};
	struct segment_input in = {.sources = &source,
		.source_count = 1,
		.entries = b->entries,
		.entry_count = b->count,
		.analyse = analyse,
		.analyse_ctx = b,
		.threads = threads};
	struct err err = ERR_INIT;
	double start;

	unlink(path);
	start = now();
	if (segment_write(path, &in, out, &err) < 0)
		die("segment_write", &err);
	return now() - start;
}

static void show_sections(const char *path)
{
	struct buf b = read_file(path);
	struct segment_header h;
	struct err err = ERR_INIT;

	if (segment_header_decode(&h, buf_slice(&b), &err) < 0)
		die(path, &err);
	for (unsigned i = 0; i < h.section_count; i++)
		printf("  %-22s %10llu bytes\n", section_name(h.sections[i].kind),
			(unsigned long long)h.sections[i].logical);
	buf_release(&b);
}

/* What a list's document numbers take: its bytes when every frequency is 1. */
static size_t document_bytes(struct segment *s, const struct dict_term *t, struct buf *out)
{
	static uint32_t docs[1 << 24], ones[1 << 24];
	static struct postings p;
	uint32_t n = 0;

	segment_postings(s, t, &p, NULL);
	while (postings_next(&p, NULL) == 1)
		for (unsigned i = 0; i < p.count && n < 1 << 24; i++, n++) {
			docs[n] = p.docs[i];
			ones[n] = 1;
		}
	buf_clear(out);
	postings_encode(docs, ones, n, out);
	return out->len;
}

/* All lists of at least `min` postings, documents only; by the CPU's time, since others may use the machine. */
static void decode(struct segment *s, uint32_t min, unsigned rounds)
{
	static struct dict_term terms[1 << 20];
	static struct postings p;
	struct dict_cursor c;
	size_t count = 0;
	uint64_t postings = 0, bytes = 0, document = 0;
	struct buf scratch = {0};
	double start, took;

	for (int r = dict_seek_ordinal(segment_dict(s), 0, &c, NULL); r == 1; r = dict_next(&c, NULL)) {
		if (c.term.is_inline || c.term.df < min || count == sizeof(terms) / sizeof(*terms))
			continue;
		terms[count++] = c.term;
		postings += c.term.df;
		bytes += c.term.length;
		document += document_bytes(s, &c.term, &scratch);
	}
	buf_release(&scratch);
	start = cpu_now();
	for (unsigned round = 0; round < rounds; round++)
		for (size_t i = 0; i < count; i++) {
			segment_postings(s, &terms[i], &p, NULL);
			while (postings_next(&p, NULL) == 1)
				;
		}
	took = (cpu_now() - start) / rounds;
	printf("lists of %u and more: %zu, %llu postings, %.2f bits a document number, %.2f with frequencies, %.2f G/s\n",
		min, count, (unsigned long long)postings, 8.0 * document / postings, 8.0 * bytes / postings,
		postings / took / 1e9);
}

static void render(struct segment *s, unsigned rounds)
{
	struct dict_cursor c;
	struct dict_term best = {0};
	struct postings p;
	struct buf out = {0};
	double start;

	for (int r = dict_seek_ordinal(segment_dict(s), 0, &c, NULL); r == 1; r = dict_next(&c, NULL))
		if (c.term.df > best.df)
			best = c.term;
	start = now();
	for (unsigned round = 0; round < rounds; round++) {
		buf_clear(&out);
		segment_postings(s, &best, &p, NULL);
		while (postings_next(&p, NULL) == 1)
			segment_add_ids(s, p.docs, p.count, &out, NULL);
	}
	printf("rendering %u ids, %zu bytes: %.1f us\n", best.df, out.len, (now() - start) / rounds * 1e6);
	buf_release(&out);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 4 ? (unsigned)atoi(argv[4]) : 7;
	struct bench b = {0};
	struct config *cfg = NULL;
	struct arena arena = {0};
	struct segment_output out = {0};
	struct segment *s = NULL;
	struct err err = ERR_INIT;
	struct buf text;
	double took, best, cpu;

	if (argc < 4)
		die("usage: bench_segment CONFIG FILE.jsonl OUT.seg [ROUNDS]", NULL);
	text = read_file(argv[2]);
	if (config_new(&cfg, &err) < 0 || config_parse_file(cfg, argv[1], &err) < 0 ||
		record_parser_new(&b.parser, cfg, &err) < 0)
		die("configuration", &err);
	took = now();
	parse(&b, &text, &arena);
	printf("parsing: %.1f ms\n", (now() - took) * 1e3);
	for (unsigned threads = 1; threads <= 2; threads++) {
		best = 1e9;
		cpu = cpu_now();
		for (unsigned i = 0; i < rounds; i++) {
			took = write_once(&b, argv[3], threads, &out);
			best = took < best ? took : best;
		}
		printf("writing with %u threads: best %.1f ms, %.0f MB/s of JSON; CPU %.1f ms a round\n",
			threads, best * 1e3, text.len / best / 1e6, (cpu_now() - cpu) / rounds * 1e3);
	}
	printf("%llu bytes, %.3f of the input; %llu entries, %llu terms, %llu postings\n",
		(unsigned long long)out.bytes, (double)out.bytes / text.len,
		(unsigned long long)out.info.entries, (unsigned long long)out.info.terms,
		(unsigned long long)out.info.postings);
	show_sections(argv[3]);
	if (segment_open(&s, argv[3], argv[3], &err) < 0 || segment_verify_checksums(s, &err) < 0 ||
		segment_verify_structure(s, &err) < 0)
		die("verify", &err);
	decode(s, 2, 20);
	decode(s, 128, 50);
	decode(s, 1280, 200);
	render(s, 200);
	segment_free(s);
	return 0;
}
