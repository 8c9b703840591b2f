/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads and writes that go on after a part and after a signal, until all is done. */
#include "base/file.h"

#include <errno.h>
#include <unistd.h>

int file_read_at(int fd, void *to, size_t len, size_t from)
{
	unsigned char *bytes = to;

	while (len) {
		ssize_t n = pread(fd, bytes, len, (off_t)from);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		bytes += n;
		from += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int file_write(int fd, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	while (len) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}
