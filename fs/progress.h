/* SPDX-License-Identifier: Apache-2.0 */
/* fs/progress.h - a bar on stderr that shows how far a build is, where stderr is a terminal; and the pulse that a mount feels. */
#ifndef FRESHET_PROGRESS_H
#define FRESHET_PROGRESS_H

#include <pthread.h>

#include "build.h"

struct progress {
	struct build_progress hook; /* private */
	pthread_mutex_t lock;       /* of the line on the terminal */
	bool is_shown;
};

void progress_init(struct progress *p);
/* What build_options take: NULL where stderr is no terminal. */
const struct build_progress *progress_hook(struct progress *p);
/* Takes the bar away, before anything else is printed. */
void progress_clear(struct progress *p);
/* A byte on stdout, for the mount that started this process: something has moved. Nobody has to read it: what cannot be written is let go. */
void progress_pulse(void);

#endif
