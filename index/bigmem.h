/* SPDX-License-Identifier: Apache-2.0 */
/* index/bigmem.h - arrays of megabytes in huge pages where the kernel gives them: the inverter's random access
 * misses the TLB otherwise, and it takes a page fault for every 4 KiB of fresh memory. */
#ifndef FRESHET_BIGMEM_H
#define FRESHET_BIGMEM_H

#include "bytes.h"

/* Zero-initialised is empty. */
struct bigmem {
	void *data; /* owned */
	size_t size;
	bool mapped; /* else from malloc: small ones */
};
/* At least `size` bytes, all zero; what was there is freed. false when memory is out; then nothing changes. */
bool bigmem_renew(struct bigmem *m, size_t size);
/* Grows to at least `size` bytes and keeps what is there; new bytes have any value. false as above. */
bool bigmem_grow(struct bigmem *m, size_t size);
void bigmem_release(struct bigmem *m);

#endif
