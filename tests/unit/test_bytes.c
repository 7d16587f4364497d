/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"
#include "err.h"
#include "tap.h"

static void varints_read_back_at_every_length(void)
{
	OWNED_BUF b = {0};

	for (unsigned bits = 0; bits < 64; bits++) {
		uint64_t v = UINT64_C(1) << bits, values[] = {v - 1, v, v + 1, UINT64_MAX - v};

		for (size_t i = 0; i < 4; i++) {
			struct cursor c;

			buf_clear(&b);
			buf_add_varint(&b, values[i]);
			c = cursor_of(buf_slice(&b));
			check(cursor_varint(&c) == values[i]);
			check(cursor_ok(&c) && cursor_left(&c) == 0);
		}
	}
}

static void a_cursor_over_nothing_gives_nothing(void)
{
	struct cursor c = cursor_of(slice_of(NULL, 0));

	check_int(cursor_bytes(&c, 0).len, 0);
	check(cursor_ok(&c));
	check_int(cursor_u8(&c), 0);
	check(!cursor_ok(&c));
}

static void a_cursor_never_reads_past_its_end(void)
{
	struct cursor c = cursor_of(slice_str("abc"));

	check_int(cursor_le16(&c), 0x6261);
	check_int(cursor_le32(&c), 0);
	check(!cursor_ok(&c));
	check_int(cursor_u8(&c), 0); /* sticks, though one byte is left */
}

static void varints_over_64_bits_are_refused(void)
{
	struct cursor ten = cursor_of(slice_str("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
	struct cursor eleven = cursor_of(slice_str("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"));

	cursor_varint(&ten);
	cursor_varint(&eleven);
	check(ten.bad);
	check(eleven.bad);
}

static void a_failed_buffer_stays_failed(void)
{
	OWNED_BUF b = {0};

	buf_add_str(&b, "x");
	check(!buf_reserve(&b, SIZE_MAX - 1));
	buf_add_str(&b, "y");
	check_int(b.len, 1);
	check_int(buf_error(&b), -ENOMEM);
}

static void slices_sort_bytewise_and_shorter_first(void)
{
	check(slice_cmp(slice_str("a"), slice_str("ab")) < 0);
	check(slice_cmp(slice_str("\x7f"), slice_str("\x80")) < 0);
	check(slice_cmp(slice_of(NULL, 0), slice_str("")) == 0);
	check(slice_starts(slice_str("ab"), slice_of(NULL, 0)));
}

static void context_goes_in_front_of_an_error(void)
{
	struct err err = ERR_INIT;

	check_int(err_set(&err, -EBADMSG, "%d bytes", 3), -EBADMSG);
	check_int(err_context(&err, -EBADMSG, "segment %s", "x"), -EBADMSG);
	check_str(err.message, "segment x: 3 bytes");
	check_int(err_set(NULL, -EIO, "dropped"), -EIO);
}

static void arenas_give_aligned_memory_of_any_size(void)
{
	struct arena a = {0};

	for (size_t size = 0; size < (1u << 20); size = size * 2 + 1) {
		char *p = arena_alloc(&a, size);

		check(p && (uintptr_t)p % 16 == 0);
		memset(p, 0xee, size);
	}
	check_slice(arena_dup(&a, slice_str("kept")), "kept");
	arena_release(&a);
}

int main(void)
{
	RUN(varints_read_back_at_every_length);
	RUN(a_cursor_over_nothing_gives_nothing);
	RUN(a_cursor_never_reads_past_its_end);
	RUN(varints_over_64_bits_are_refused);
	RUN(a_failed_buffer_stays_failed);
	RUN(slices_sort_bytewise_and_shorter_first);
	RUN(context_goes_in_front_of_an_error);
	RUN(arenas_give_aligned_memory_of_any_size);
	return tap_done();
}
