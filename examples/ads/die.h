/* SPDX-License-Identifier: Apache-2.0 */
/* examples/ads/die.h - how this program fails: it says why and ends. What it was writing stays under its
 * temporary name, which nothing reads and the next run sweeps. */
#ifndef FRESHET_ADS_DIE_H
#define FRESHET_ADS_DIE_H

enum { EXIT_USAGE = 64, EXIT_UNAVAILABLE = 69, EXIT_CANTCREAT = 73, EXIT_IOERR = 74 };

_Noreturn void die(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
