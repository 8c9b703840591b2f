/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* All of `len` bytes of a file, from offset `from`. 0; -EIO: it ends before; or another -errno. */
int file_read_at(int fd, void *to, size_t len, size_t from);

/* All of `len` bytes, where the file stands. 0 or -errno. */
int file_write(int fd, const void *bytes, size_t len);
