/* SPDX-License-Identifier: Apache-2.0 */
/* parquet/confine.h - what this process may still do, should a file have the better of the code that reads it. */
#ifndef FRESHET_PARQUET_CONFINE_H
#define FRESHET_PARQUET_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

/* From now on, and never to be taken back: no privileges by running anything, no core, few descriptors, and `memory` bytes of address space
 * (0: no limit). */
void confine_resources(uint64_t memory);
/* Likewise, after confine_resources(): no file can be opened, made, removed or run but the one open as `fd`, read only, and what the kernel tells of
 * this process and of the machine (/proc/self, /proc/sys, /sys), read only; nor, where the kernel is able to, can a TCP connection be made or
 * another process be sent a signal. Descriptors that are open stay usable. Returns whether
 * the kernel does (Landlock: Linux 5.13 and up, where it is turned on); where it does not, nothing has changed. */
int confine_files(int fd);
/* Likewise: no socket of any kind can be made. Returns whether the kernel sees to that (seccomp, on x86-64 and arm64). */
bool confine_sockets(void);

#endif
