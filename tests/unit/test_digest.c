/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"
#include "tap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_sha256(struct slice s, const char *want)
{
	uint8_t raw[SHA256_BYTES];
	char hex[SHA256_HEX];

	check_int(sha256(s, raw), 0);
	check_str(hex_text(raw, sizeof(raw), hex), want);
}

/* FIPS 180-4 examples, from NIST's "SHA256.pdf" and "SHA2_Additional.pdf". */
static void sha256_gives_the_published_digests(void)
{
	static const char a64[] = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
	static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	char *million = malloc(1000000), zeros[64] = {0};

	check_sha256(slice_of(NULL, 0), empty);
	check_sha256(slice_str("a"), a64);
	check_sha256(slice_str("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check_sha256(slice_str("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	check_sha256(slice_str("\xbd"), "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
	check_sha256(slice_of(zeros, 55), "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
	check_sha256(slice_of(zeros, 64), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
	memset(million, 'a', 1000000);
	check_sha256(slice_of(million, 1000000),
		"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

static void a_file_is_hashed_whole_wherever_its_offset_is(void)
{
	enum { SIZE = 100001 };
	uint8_t from_fd[SHA256_BYTES], from_memory[SHA256_BYTES];
	struct err err = ERR_INIT;
	int fd = memfd_create("digest", MFD_CLOEXEC);
	char *bytes = malloc(SIZE);

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 2654435761u >> 13);
	check(fd >= 0);
	check_int(write(fd, bytes, SIZE), SIZE);
	check_int(sha256_fd(fd, from_fd, &err), 0);
	check_int(sha256(slice_of(bytes, SIZE), from_memory), 0);
	check(memcmp(from_fd, from_memory, SHA256_BYTES) == 0);
	check_int(lseek(fd, 0, SEEK_CUR), SIZE);
	check_int(ftruncate(fd, 0), 0);
	check_int(sha256_fd(fd, from_fd, &err), 0);
	check_int(sha256(slice_of(NULL, 0), from_memory), 0);
	check(memcmp(from_fd, from_memory, SHA256_BYTES) == 0);
	close(fd);
	free(bytes);
}

static void a_file_that_cannot_be_read_says_why(void)
{
	struct err err = ERR_INIT;
	uint8_t raw[SHA256_BYTES];
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	check_int(sha256_fd(fd, raw, &err), -EISDIR);
	check_contains(err.message, "directory");
	close(fd);
}

static void hex_reads_back_and_refuses_other_spellings(void)
{
	static const uint8_t raw[4] = {0x00, 0x9f, 0xa0, 0xff};
	uint8_t back[4] = {1, 1, 1, 1};
	char text[9];

	check_str(hex_text(raw, 4, text), "009fa0ff");
	check_int(hex_parse(slice_str(text), back, 4), 1);
	check(memcmp(raw, back, 4) == 0);
	memset(back, 7, 4);
	check_int(hex_parse(slice_str("009FA0FF"), back, 4), 0);
	check_int(hex_parse(slice_str("009fa0f"), back, 4), 0);
	check_int(hex_parse(slice_str("009fa0ff0"), back, 4), 0);
	check_int(hex_parse(slice_str("009fa0ff00"), back, 4), 0);
	check_int(hex_parse(slice_str("009fa0fg"), back, 4), 0);
	check_int(hex_parse(slice_str("0x9fa0ff"), back, 4), 0);
	check_int(back[0], 7); /* nothing is written by a refusal */
	check_int(hex_parse(slice_of(NULL, 0), back, 0), 1);
}

/* Values of xxHash's own sanity checks for the empty input with seed 0. */
static void xxh3_gives_the_published_digests(void)
{
	uint8_t raw[16];
	char hex[33];

	check(xxh64(slice_of(NULL, 0)) == UINT64_C(0x2d06800538d394c2));
	xxh128(slice_of(NULL, 0), raw); /* low half 6001c324468d497f, high half 99aa06d3014798d8 */
	check_str(hex_text(raw, 16, hex), "7f498d4624c30160d8984701d306aa99");
}

static void a_stream_gives_the_digest_of_the_whole(void)
{
	OWNED(xxh_stream) struct xxh_stream *x = xxh_stream_new();
	uint8_t piecewise[16], whole[16];
	char bytes[3000];
	size_t at = 0;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 31 >> 2);
	for (size_t n = 0; at + n <= sizeof(bytes); n++) {
		xxh_stream_add(x, slice_of(bytes + at, n));
		at += n;
		xxh_stream_get(x, piecewise);
		xxh128(slice_of(bytes, at), whole);
		check(memcmp(piecewise, whole, 16) == 0);
	}
	check(at > 2900);
	xxh_stream_free(NULL);
}

int main(void)
{
	RUN(sha256_gives_the_published_digests);
	RUN(a_file_is_hashed_whole_wherever_its_offset_is);
	RUN(a_file_that_cannot_be_read_says_why);
	RUN(hex_reads_back_and_refuses_other_spellings);
	RUN(xxh3_gives_the_published_digests);
	RUN(a_stream_gives_the_digest_of_the_whole);
	return tap_done();
}
