/* SPDX-License-Identifier: Apache-2.0 */
#include "sink.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BEGIN_EVERY ((uint64_t)4 << 20) /* bytes */

int sink_open(struct sink *s, const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	*s = (struct sink){.path = path, .fd = fd};
	return fd < 0 ? err_sys(err, -errno, "%s", path) : 0;
}

void sink_open_buf(struct sink *s, struct buf *buf)
{
	*s = (struct sink){.fd = -1, .buf = buf};
}

static int write_all(struct sink *s, struct slice bytes, uint64_t at, struct err *err)
{
	while (bytes.len) {
		ssize_t n = pwrite(s->fd, bytes.data, bytes.len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, -errno, "%s: writing %zu bytes at %llu", s->path, bytes.len,
				(unsigned long long)at);
		bytes.data += n;
		bytes.len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

int sink_add(struct sink *s, struct slice bytes, struct err *err)
{
	int r = 0;

	if (!s->buf)
		r = write_all(s, bytes, s->at, err);
	else if (buf_add_slice(s->buf, bytes), s->buf->failed)
		r = err_set(err, -ENOMEM, "out of memory at byte %llu", (unsigned long long)s->at);
	s->at += bytes.len;
	if (s->at - s->begun >= BEGIN_EVERY)
		sink_begin_sync(s);
	return r;
}

void sink_begin_sync(struct sink *s)
{
	if (!s->buf)
		sync_file_range(s->fd, (off_t)s->begun, (off_t)(s->at - s->begun), SYNC_FILE_RANGE_WRITE);
	s->begun = s->at;
}

int sink_add_zeros(struct sink *s, uint64_t len, struct err *err)
{
	static const char zeros[4096];
	int r = 0;

	while (r == 0 && len) {
		size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		r = sink_add(s, slice_of(zeros, n), err);
		len -= n;
	}
	return r;
}

int sink_patch_start(struct sink *s, struct slice bytes, struct err *err)
{
	if (!s->buf)
		return write_all(s, bytes, 0, err);
	memcpy(s->buf->data, bytes.data, bytes.len);
	return 0;
}

int sink_map(struct sink *s, struct slice *out, struct err *err)
{
	void *p;

	if (s->buf) {
		*out = buf_slice(s->buf);
		return 0;
	}
	p = mmap(NULL, s->at, PROT_READ, MAP_SHARED | MAP_POPULATE, s->fd, 0);
	if (p == MAP_FAILED)
		return err_sys(err, -errno, "%s: mapping %llu bytes", s->path, (unsigned long long)s->at);
	*out = slice_of(p, s->at);
	return 0;
}

void sink_unmap(struct sink *s, struct slice mapped)
{
	if (!s->buf && mapped.data)
		munmap((void *)mapped.data, mapped.len);
}

int sink_sync(struct sink *s, struct err *err)
{
	if (!s->buf && fsync(s->fd) < 0)
		return err_sys(err, -errno, "%s: fsync", s->path);
	return 0;
}

void sink_close(struct sink *s, bool keep)
{
	if (s->fd < 0)
		return;
	if (!keep)
		unlink(s->path);
	close(s->fd);
	s->fd = -1;
}
