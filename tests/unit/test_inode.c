/* SPDX-License-Identifier: Apache-2.0 */
#include "inode.h"
#include "tap.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static struct node *get(struct inode_table *t, enum node_kind kind, uint64_t generation, const char *text)
{
	struct inode_key key = {.kind = kind, .generation = generation, .text = slice_str(text)};
	struct inode_parts parts = {.fd = -1, .size = strlen(text)};

	return inode_get(t, &key, &parts);
}

static void the_first_node_is_the_root(void)
{
	struct inode_table *t = inode_table_new(INODE_ROOT + 1);

	check_int(get(t, NODE_ROOT, 0, "")->ino, INODE_ROOT);
	inode_table_free(t);
}

static void the_same_key_is_the_same_node_until_forgotten(void)
{
	struct inode_table *t = inode_table_new(INODE_ROOT + 1);
	struct node *a = get(t, NODE_TERM, 1, "wcoffee");
	uint64_t ino = a->ino;

	check(get(t, NODE_TERM, 1, "wcoffee") == a);
	check_int(a->lookups, 2);
	check(!inode_forget(t, ino, 1));
	check(inode_find(t, ino) == a);
	check(inode_forget(t, ino, 1));
	check(inode_find(t, ino) == NULL);
	check(get(t, NODE_TERM, 1, "wcoffee")->ino != ino);
	inode_table_free(t);
}

static void keys_differ_by_kind_place_generation_and_text(void)
{
	struct inode_table *t = inode_table_new(INODE_ROOT + 1);
	struct inode_key pinned = {.kind = NODE_TERMS, .place = PLACE_PINNED, .generation = 1};
	struct inode_parts parts = {.fd = -1};
	struct node *a = get(t, NODE_TERMS, 1, "");

	check(inode_get(t, &pinned, &parts) != a);
	check(get(t, NODE_DOCS, 1, "") != a);
	check(get(t, NODE_TERMS, 2, "") != a);
	check(get(t, NODE_TERMS, 1, "x") != a);
	check_int(inode_count(t), 5);
	inode_table_free(t);
}

static void forgetting_more_than_was_looked_up_or_what_is_unknown_does_no_harm(void)
{
	struct inode_table *t = inode_table_new(INODE_ROOT + 1);
	struct node *a = get(t, NODE_TERM, 1, "wa");
	uint64_t ino = a->ino;

	check(!inode_forget(t, 12345, 1));
	check(inode_forget(t, ino, 1000));
	check(!inode_forget(t, ino, 1));
	check_int(inode_count(t), 0);
	inode_table_free(t);
}

static void parts_are_taken_over_also_when_the_node_is_there_already(void)
{
	struct inode_table *t = inode_table_new(INODE_ROOT + 1);
	struct inode_key key = {.kind = NODE_SEGMENT, .text = slice_str("name")};
	struct buf bytes = {0};
	struct blob *blob = blob_take(&bytes); /* of nothing: only who holds it counts here */
	struct inode_parts first = {.fd = dup(0), .blob = blob_ref(blob)};
	struct inode_parts second = {.fd = dup(0), .blob = blob_ref(blob)};
	int first_fd = first.fd, second_fd = second.fd;
	struct node *n = inode_get(t, &key, &first);

	check_int(blob->refs, 3);
	check(inode_get(t, &key, &second) == n);
	check_int(blob->refs, 2);
	check_int(n->fd, first_fd);
	check(fcntl(first_fd, F_GETFD) >= 0);
	check(fcntl(second_fd, F_GETFD) < 0);
	inode_forget(t, n->ino, 2);
	check(fcntl(first_fd, F_GETFD) < 0);
	check_int(blob->refs, 1);
	blob_unref(blob);
	inode_table_free(t);
}

/* Random lookups and forgets against a plain array; whatever happens, a number means one key for ever. */
#define KEYS 500
#define STEPS 200000

static void no_number_is_used_twice(void)
{
	static struct {
		uint64_t ino, lookups;
	} model[KEYS];
	struct inode_table *t = inode_table_new(INODE_ROOT + 1);
	const char *given = getenv("FRESHET_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	uint64_t highest = 0;
	size_t live = 0;
	char text[16];

	printf("# FRESHET_SEED=%u\n", seed);
	srandom(seed);
	memset(model, 0, sizeof(model));
	for (int step = 0; step < STEPS && !tap_bad; step++) {
		unsigned k = (unsigned)random() % KEYS;

		snprintf(text, sizeof(text), "w%u", k);
		if (random() % 2) {
			struct node *n = get(t, NODE_TERM, 1, text);

			if (model[k].lookups) {
				check_int(n->ino, model[k].ino);
			} else {
				check(n->ino > highest);
				highest = n->ino;
				live++;
			}
			model[k].ino = n->ino;
			model[k].lookups++;
			check_slice(node_text(n), text);
		} else if (model[k].lookups) {
			uint64_t many = 1 + (uint64_t)random() % model[k].lookups;

			model[k].lookups -= many;
			check_int(inode_forget(t, model[k].ino, many), model[k].lookups == 0);
			live -= model[k].lookups == 0;
			check(model[k].lookups || !inode_find(t, model[k].ino));
		}
	}
	check_int(inode_count(t), live);
	inode_table_free(t);
}

static struct node *directory(struct inode_table *t, struct generation *g, uint64_t number)
{
	struct inode_key key = {.kind = NODE_TERMS, .generation = number};
	struct inode_parts parts = {.fd = -1, .generation = generation_ref(g)};

	return inode_get(t, &key, &parts);
}

static bool is_wanted(void *ctx, const struct node *dir)
{
	return dir == ctx;
}

/* How many names of `dir` are known, all of which start so. */
static size_t names_of(struct inode_table *t, struct node *dir, const char *start)
{
	OWNED_BUF names = {0};
	size_t count = 0;
	uint64_t ino;

	inode_gone_names(t, is_wanted, dir, &names);
	for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1, count++) {
		memcpy(&ino, names.data + at, sizeof(ino));
		at += sizeof(ino);
		check_int(ino, dir->ino);
		check(!strncmp(names.data + at, start, strlen(start)));
	}
	return count;
}

static void names_are_known_until_one_of_the_two_goes(void)
{
	struct inode_table *t = inode_table_new(INODE_ROOT + 1);
	struct generation g = {.refs = 100}; /* never the last */
	struct node *root = get(t, NODE_ROOT, 0, ""), *a = directory(t, &g, 1), *b = directory(t, &g, 2);
	struct node *file = get(t, NODE_TERM, 1, "wcoffee"), *other = get(t, NODE_TERM, 1, "wtea");
	char text[24];

	inode_told(t, root, file, "of no generation");
	inode_told(t, a, file, "coffee");
	inode_told(t, a, file, "coffee");
	inode_told(t, a, file, "coffeE");
	inode_told(t, b, file, "coffee");
	inode_told(t, a, other, "tea");
	check_int(names_of(t, a, ""), 3);
	check_int(names_of(t, b, "coffee"), 1);
	check_int(names_of(t, root, ""), 0);
	check(inode_forget(t, other->ino, 1));
	check_int(names_of(t, a, "coffe"), 2);
	check(inode_forget(t, b->ino, 1));
	check_int(names_of(t, a, "coffe"), 2);
	for (int i = 0; i < 3 * INODE_NAMES_MAX; i++) {
		snprintf(text, sizeof(text), "coffee %d", i);
		inode_told(t, a, file, text);
	}
	check_int(names_of(t, a, "coffe"), INODE_NAMES_MAX);
	check(inode_forget(t, file->ino, 1));
	check_int(names_of(t, a, ""), 0);
	inode_told(t, a, get(t, NODE_TERM, 1, "wtea"), "tea");
	check_int(names_of(t, a, "tea"), 1);
	inode_table_free(t);
	check_int(g.refs, 100);
}

int main(void)
{
	RUN(the_first_node_is_the_root);
	RUN(the_same_key_is_the_same_node_until_forgotten);
	RUN(keys_differ_by_kind_place_generation_and_text);
	RUN(forgetting_more_than_was_looked_up_or_what_is_unknown_does_no_harm);
	RUN(parts_are_taken_over_also_when_the_node_is_there_already);
	RUN(no_number_is_used_twice);
	RUN(names_are_known_until_one_of_the_two_goes);
	return tap_done();
}
