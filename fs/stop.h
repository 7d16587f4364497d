/* SPDX-License-Identifier: Apache-2.0 */
/* fs/stop.h - being asked to stop, by SIGINT or SIGTERM, in commands that end in order. */
#ifndef FRESHET_STOP_H
#define FRESHET_STOP_H

#include <stdatomic.h>

extern atomic_int stop;     /* the signal that asked for it; 0: none yet */
void stop_on_signals(void); /* from now on; and a reader of our output that goes away ends nothing */

#endif
