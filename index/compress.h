/* SPDX-License-Identifier: Apache-2.0 */
/* index/compress.h - zstd and zlib behind one door: streams of untrusted input, blocks of our own. */
#ifndef FRESHET_COMPRESS_H
#define FRESHET_COMPRESS_H

#include "bytes.h"
#include "err.h"
#include "feed.h"

/* Streaming decompression; PACKING_NONE copies. */
struct unpack;
int unpack_new(struct unpack **out, enum feed_packing packing, struct err *err);
/* Consumes from in[0..*in_len) and fills out[0..*out_len); both are set to what was used. `at_end`: no
 * more input will come. Returns 1 more to do, 0 all frames ended and all input used (with at_end), or
 * -EBADMSG (damaged, or ended early). */
int unpack_step(struct unpack *u, const void *in, size_t *in_len, void *out, size_t *out_len, bool at_end,
	struct err *err);
void unpack_free(struct unpack *u);
DEFINE_FREEP(unpack)

/* Blocks: one zstd frame with its content size. One context per thread. */
struct packer;
struct packer *packer_new(void); /* NULL when memory is out */
void packer_free(struct packer *p);
DEFINE_FREEP(packer)
size_t packer_bound(size_t len);
/* Returns the packed length, or -ENOMEM, -EIO. */
int64_t packer_pack(struct packer *p, struct slice in, void *out, size_t out_cap);
/* Unpacks one frame that must give exactly `out_len` bytes; anything else is -EBADMSG. */
int packer_unpack(struct packer *p, struct slice in, void *out, size_t out_len, struct err *err);
const char *packer_version(void); /* of zstd: "1.5.4" */

#endif
