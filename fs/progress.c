/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define BAR_WIDTH 40

static void draw(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
	struct progress *p = ctx;
	char bar[BAR_WIDTH + 1];
	double share = total ? (double)done / (double)total : 0;
	int filled;

	if (share > 1)
		share = 1;
	filled = (int)(share * BAR_WIDTH);
	memset(bar, ' ', BAR_WIDTH);
	memset(bar, '=', (size_t)filled);
	bar[BAR_WIDTH] = 0;
	pthread_mutex_lock(&p->lock);
	if (total)
		fprintf(stderr, "\r%-10s [%s] %3d %%\033[K", phase, bar, (int)(share * 100));
	else
		fprintf(stderr, "\r%-10s\033[K", phase);
	fflush(stderr);
	p->is_shown = true;
	pthread_mutex_unlock(&p->lock);
}

void progress_init(struct progress *p)
{
	*p = (struct progress){.hook = {draw, p}};
	pthread_mutex_init(&p->lock, NULL);
}

const struct build_progress *progress_hook(struct progress *p)
{
	return isatty(STDERR_FILENO) ? &p->hook : NULL;
}

void progress_clear(struct progress *p)
{
	if (p->is_shown)
		fputs("\r\033[K", stderr);
	p->is_shown = false;
}

void progress_pulse(void)
{
	if (write(STDOUT_FILENO, ".", 1) < 0)
		errno = 0;
}
