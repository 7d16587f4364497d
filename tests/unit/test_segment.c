/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "segment_sample.h"
#include "tap.h"

static struct sample sample;

static struct segment *write_and_open(struct sample *s, struct buf *bytes)
{
	struct segment_output out = {0};
	struct segment *seg = NULL;
	struct err err = ERR_INIT;

	buf_clear(bytes);
	check_int(segment_write_bytes(&s->in, bytes, &out, &err), 0);
	check_int(segment_open_bytes(&seg, buf_slice(bytes), "sample", &err), 0);
	check_int(out.bytes, bytes->len);
	check_str(err.message, "");
	return seg;
}

static void rows_read_back(void)
{
	OWNED_BUF bytes = {0}, record = {0};
	OWNED(segment) struct segment *seg = NULL;
	struct err err = ERR_INIT;

	sample_small(&sample);
	seg = write_and_open(&sample, &bytes);
	if (!seg)
		return;
	check_int(segment_verify_checksums(seg, &err), 0);
	check_int(segment_verify_structure(seg, &err), 0);
	check_str(err.message, "");
	check_int(segment_info(seg)->live, 3);
	check_int(segment_info(seg)->hidden, 1);
	check_int(segment_info(seg)->deleted, 2);
	for (uint32_t i = 0; i < sample.in.entry_count; i++) {
		const struct entry *want = &sample.entries[i];
		struct entry got;
		uint32_t n = 99;

		check_int(segment_entry(seg, i, &got, &err), 0);
		check(slice_eq(got.id, want->id) && slice_eq(got.group, want->group));
		check(slice_eq(got.version, want->version));
		check(got.state == want->state && got.source == want->source);
		check(got.line == want->line);
		buf_clear(&record);
		check_int(segment_record(seg, i, &record, &err), 0);
		check(slice_eq(buf_slice(&record), want->record));
		check_int(segment_find(seg, want->id, &n, &err), 1);
		check_int(n, i);
	}
	sample_release(&sample);
}

/* Random input against a model: for each term the entries whose records have it, counted the plain way. */

static uint64_t rng;

static uint32_t rnd(void)
{
	rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(rng >> 32);
}

#define MODEL_WORDS 40
static char model_words[MODEL_WORDS][32];
static uint32_t model_tf[MODEL_WORDS][SAMPLE_ROWS_MAX];

static void random_record(char *out, uint32_t row)
{
	unsigned count = rnd() % 30;
	size_t len = 0;

	out[0] = 0;
	for (unsigned i = 0; i < count; i++) {
		unsigned w = rnd() % (1 + rnd() % MODEL_WORDS);

		len += (size_t)sprintf(out + len, "%s ", model_words[w]);
		model_tf[w][row]++;
	}
	if (rnd() % 50 == 0)
		for (unsigned i = 0; i < 1000; i++)
			len += (size_t)sprintf(out + len, "%*s", 1 + (int)(rnd() % 40), "");
	if (rnd() % 10 == 0)
		strcpy(out + len, "!");
}

static void random_sample(uint32_t rows)
{
	static char record[64 * 1024];
	char id[80], group[32];

	sample_init(&sample);
	memset(model_tf, 0, sizeof(model_tf));
	for (unsigned w = 0; w < MODEL_WORDS; w++)
		snprintf(model_words[w], sizeof(model_words[w]),
			w % 4 ? "word%u" : "key:%u-with-a-long-value", w * 7919);
	for (uint32_t i = 0; i < rows; i++) {
		struct entry *e;

		snprintf(id, sizeof(id), "id-%06u%*s", i * 3, (int)(rnd() % 3 ? 1 : rnd() % 60), "x");
		snprintf(group, sizeof(group), "%u", rnd() % 100);
		random_record(record, i);
		e = sample_add(&sample, id, rnd() % 4 ? group : "", record);
		if (rnd() % 8 == 0)
			e->state = ENTRY_DELETED;
		if (rnd() % 4 == 0)
			e->version = sample_text(&sample, id + 4);
		if (e->state == ENTRY_DELETED || strchr(record, '!'))
			for (unsigned w = 0; w < MODEL_WORDS; w++)
				model_tf[w][i] = 0;
		if (rnd() % 4 == 0)
			sample_add_history(&sample, id, group, record);
	}
}

static void check_model_word(struct segment *seg, unsigned w, uint64_t *terms)
{
	char key[40] = {strchr(model_words[w], ':') ? 'k' : 'w'};
	OWNED_BUF ids = {0}, want = {0};
	uint32_t df = 0, n = (uint32_t)sample.in.entry_count, at = 0;
	struct postings p;
	struct dict_cursor c;
	struct err err = ERR_INIT;
	int r;

	strcpy(key + 1, model_words[w]);
	for (uint32_t i = 0; i < n; i++) {
		if (!model_tf[w][i])
			continue;
		df++;
		buf_add_slice(&want, sample.entries[i].id);
		buf_add_byte(&want, '\n');
	}
	check_int(dict_find(segment_dict(seg), slice_str(key), &c, &err), df > 0);
	if (!df)
		return;
	++*terms;
	check_int(c.term.df, df);
	check_int(segment_postings(seg, &c.term, &p, &err), 0);
	while ((r = postings_next(&p, &err)) == 1) {
		check_int(postings_tfs(&p, &err), 0);
		check_int(segment_add_ids(seg, p.docs, p.count, &ids, &err), 0);
		for (unsigned i = 0; i < p.count; i++, at++)
			check_int(p.tfs[i], model_tf[w][p.docs[i]]);
	}
	check_int(r, 0);
	check_int(at, df);
	check(slice_eq(buf_slice(&ids), buf_slice(&want)));
	check_int(c.term.ids_bytes, want.len);
	check_str(err.message, "");
}

/* Each group leads to the entries that it has, deleted ones not. Returns how many groups there are. */
static uint64_t check_groups(struct segment *seg)
{
	uint64_t found = 0;

	for (unsigned g = 0; g < 100; g++) {
		char key[8];
		struct dict_cursor c;
		struct postings p;
		uint32_t df = 0;

		snprintf(key, sizeof(key), "g%u", g);
		for (size_t i = 0; i < sample.in.entry_count; i++)
			df += slice_eq(sample.entries[i].group, slice_str(key + 1)) &&
			      sample.entries[i].state != ENTRY_DELETED;
		check_int(dict_find(segment_dict(seg), slice_str(key), &c, NULL), df > 0);
		if (!df)
			continue;
		found++;
		check_int(c.term.df, df);
		check_int(segment_postings(seg, &c.term, &p, NULL), 0);
		while (postings_next(&p, NULL) == 1)
			for (unsigned i = 0; i < p.count; i++)
				check(slice_eq(sample.entries[p.docs[i]].group, slice_str(key + 1)));
	}
	return found;
}

static void random_segments_hold_what_a_model_holds(void)
{
	for (uint32_t rows = 0; rows < 3000; rows = rows * 2 + 1) {
		OWNED_BUF bytes = {0}, record = {0};
		OWNED(segment) struct segment *seg = NULL;
		struct err err = ERR_INIT;
		uint64_t terms = 0;
		struct entry got;

		random_sample(rows);
		seg = write_and_open(&sample, &bytes);
		if (!seg)
			return;
		check_int(segment_verify_checksums(seg, &err), 0);
		check_int(segment_verify_structure(seg, &err), 0);
		check_str(err.message, "");
		for (unsigned w = 0; w < MODEL_WORDS; w++)
			check_model_word(seg, w, &terms);
		check_int(segment_info(seg)->terms, terms + check_groups(seg));
		for (uint32_t i = 0; i < sample.in.history_count; i++) {
			check_int(segment_history(seg, i, &got, &err), 0);
			check(slice_eq(got.id, sample.history[i].id));
			check(slice_eq(got.group, sample.history[i].group));
			buf_clear(&record);
			check_int(segment_history_record(seg, i, &record, &err), 0);
			check(slice_eq(buf_slice(&record), sample.history[i].record));
		}
		sample_release(&sample);
	}
}

static void any_number_of_threads_gives_the_same_bytes(void)
{
	OWNED_BUF one = {0}, many = {0};
	struct segment_output a, b;

	random_sample(2500);
	check_int(segment_write_bytes(&sample.in, &one, &a, NULL), 0);
	for (unsigned threads = 2; threads <= 5; threads++) {
		for (size_t i = 0; i < sample.in.entry_count; i++)
			if (sample.entries[i].state == ENTRY_HIDDEN)
				sample.entries[i].state = ENTRY_LIVE;
		sample.in.threads = threads;
		buf_clear(&many);
		check_int(segment_write_bytes(&sample.in, &many, &b, NULL), 0);
		check(slice_eq(buf_slice(&one), buf_slice(&many)));
		check(!memcmp(a.sha256, b.sha256, sizeof(a.sha256)));
	}
	sample_release(&sample);
}

/* Files */

static char dir[] = "/tmp/freshet-segment-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void a_file_holds_the_same_bytes_as_memory(void)
{
	OWNED_BUF bytes = {0};
	OWNED(segment) struct segment *seg = NULL;
	struct segment_output a, b;
	struct err err = ERR_INIT;
	uint8_t hash[SHA256_BYTES];

	sample_small(&sample);
	check_int(segment_write_bytes(&sample.in, &bytes, &a, &err), 0);
	sample.entries[2].state = ENTRY_LIVE;
	check_int(segment_write(in_dir("a.seg"), &sample.in, &b, &err), 0);
	check(!memcmp(a.sha256, b.sha256, sizeof(a.sha256)));
	check_int(sha256(buf_slice(&bytes), hash), 0);
	check(!memcmp(a.sha256, hash, sizeof(hash)));
	check_int(segment_open(&seg, in_dir("a.seg"), "a", &err), 0);
	check(segment_fd(seg) >= 0);
	check_int(segment_info(seg)->file_bytes, bytes.len);
	check_int(segment_verify_checksums(seg, &err), 0);
	check_int(segment_write(in_dir("a.seg"), &sample.in, &b, &err), -EEXIST);
	check_int(access(in_dir("a.seg"), F_OK), 0);
	unlink(in_dir("a.seg"));
	sample_release(&sample);
}

static int failing_analyse(void *ctx, struct slice record, struct invert *v, struct err *err)
{
	return err_set(err, -EBADMSG, "no record");
}

static void a_failed_write_leaves_no_file(void)
{
	struct segment_output out;
	struct err err = ERR_INIT;

	sample_small(&sample);
	sample.in.analyse = failing_analyse;
	sample.in.threads = 3;
	check_int(segment_write(in_dir("b.seg"), &sample.in, &out, &err), -EBADMSG);
	check_contains(err.message, "ad-1: no record");
	check_int(access(in_dir("b.seg"), F_OK), -1);
	check_int(segment_write(in_dir("no/b.seg"), &sample.in, &out, &err), -ENOENT);
	sample_release(&sample);
}

static void input_out_of_order_is_refused(void)
{
	OWNED_BUF bytes = {0};
	struct segment_output out;
	struct err err = ERR_INIT;

	sample_small(&sample);
	sample.entries[1].id = sample.entries[0].id;
	check_int(segment_write_bytes(&sample.in, &bytes, &out, &err), -EINVAL);
	sample_release(&sample);
	sample_small(&sample);
	sample.sources[0].ts = INT64_MAX;
	check_int(segment_write_bytes(&sample.in, &bytes, &out, &err), -EINVAL);
	check_contains(err.message, "source 1");
	sample_release(&sample);
}

static void opening_what_is_no_segment_says_so(void)
{
	struct segment *seg;
	struct err err = ERR_INIT;

	check_int(segment_open(&seg, in_dir("none"), "none.seg", &err), -ENOENT);
	check_int(segment_open(&seg, dir, "dir.seg", &err), -EBADMSG);
	check_contains(err.message, "dir.seg");
	check_int(segment_open_bytes(&seg, slice_str("FRSHSEG"), "tiny", &err), -EBADMSG);
	check_contains(err.message, "tiny: 7 bytes");
	check(!seg);
}

static uint64_t progress_done, progress_total;

static void note_progress(void *ctx, uint64_t done, uint64_t total)
{
	progress_done = done > progress_done ? done : progress_done;
	progress_total = total;
}

static void progress_ends_at_the_total(void)
{
	OWNED_BUF bytes = {0};
	struct segment_output out;

	random_sample(600);
	sample.in.progress = note_progress;
	check_int(segment_write_bytes(&sample.in, &bytes, &out, NULL), 0);
	check(progress_total > 0);
	check_int(progress_done, progress_total);
	sample_release(&sample);
}

/* Without the lines that depend on the libraries' versions. */
static void dump_stable(struct segment *seg, struct buf *out)
{
	char *text = NULL, *line, *save = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct err err = ERR_INIT;

	check_int(segment_dump(seg, f, &err), 0);
	fclose(f);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "versions ", 9) && strncmp(line, "section ", 8))
			buf_addf(out, "%s\n", line);
	free(text);
}

static void the_dump_of_a_small_segment_is_the_golden_one(void)
{
	OWNED_BUF bytes = {0}, got = {0}, want = {0};
	OWNED(segment) struct segment *seg = NULL;
	FILE *f = fopen(TESTS_DIR "/golden/segment_small.dump", "r");
	char chunk[4096];
	size_t n;

	sample_small(&sample);
	seg = write_and_open(&sample, &bytes);
	dump_stable(seg, &got);
	while (f && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&want, chunk, n);
	if (f)
		fclose(f);
	if (!slice_eq(buf_slice(&got), buf_slice(&want)))
		tap_fail("the dump is now:\n%s", buf_cstr(&got));
	sample_release(&sample);
}

int main(void)
{
	const char *seed = getenv("FRESHET_SEED");

	rng = seed ? strtoull(seed, NULL, 0) : 1;
	printf("# seed %llu\n", (unsigned long long)rng);
	if (!mkdtemp(dir))
		return 1;
	RUN(rows_read_back);
	RUN(random_segments_hold_what_a_model_holds);
	RUN(any_number_of_threads_gives_the_same_bytes);
	RUN(a_file_holds_the_same_bytes_as_memory);
	RUN(a_failed_write_leaves_no_file);
	RUN(input_out_of_order_is_refused);
	RUN(opening_what_is_no_segment_says_so);
	RUN(progress_ends_at_the_total);
	RUN(the_dump_of_a_small_segment_is_the_golden_one);
	rmdir(dir);
	return tap_done();
}
