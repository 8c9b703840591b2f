/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file grows by whole steps: `allocated` bytes have blocks behind them, and that is the map size that LMDB is told. It
 * accepts a new one at any time that no write transaction is open; readers keep their snapshots, since they hold page numbers,
 * but memory that a reader handed out before is no longer valid. With MDB_WRITEMAP the file is cut or extended to the map size,
 * without it the file ends with the last page written and has blocks behind its end.
 */
#include "store/room.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MIB = 1 << 20, META_PAGES = 2, FREE_PAGES_MIN = 16, STAT_BLOCK = 512 };

static const size_t first_step = 2 * MIB;
static const size_t largest_step = 64 * MIB;

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static int reserve_blocks(int fd, size_t from, size_t to)
{
	/* Without KEEP_SIZE a full file system would leave a file that is longer than its blocks. */
	if (!fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)))
		return 0;
	return errno == EOPNOTSUPP ? -posix_fallocate(fd, (off_t)from, (off_t)(to - from)) : -errno;
}

static int allocate(struct room *room, size_t size)
{
	if (size <= room->allocated)
		return 0;
	int error = reserve_blocks(room->fd, room->allocated, size);
	if (!error)
		room->allocated = size;
	return error;
}

/* What the file system says that it has left; it may not know. */
static size_t left_in_file_system(const struct room *room)
{
	struct statvfs system;

	if (fstatvfs(room->fd, &system) || !system.f_blocks)
		return SIZE_MAX;
	return (size_t)system.f_bavail * system.f_frsize;
}

/* As much up to `size` as there is: at each step half of what is left to be tried. */
static void allocate_some(struct room *room, size_t size)
{
	size_t left = left_in_file_system(room);

	if (left < size - room->allocated)
		size = room->allocated + left - left % room->page_size;
	for (size_t step = size - room->allocated; step >= room->page_size && room->allocated < size; step /= 2) {
		step -= step % room->page_size;
		allocate(room, smaller(room->allocated + step, size));
	}
}

static int set_map_size(const struct room *room, struct MDB_env *env)
{
	return mdb_env_set_mapsize(env, room->allocated) ? -ENOMEM : 0;
}

size_t room_to_open(const char *path, size_t limit)
{
	size_t size = smaller(first_step, limit);
	struct stat file;

	if (stat(path, &file))
		return size;
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	size_t had = larger((size_t)file.st_size, (size_t)file.st_blocks * STAT_BLOCK);
	return larger(size, smaller(had - had % page_size, limit));
}

static size_t blocks_of(int fd)
{
	struct stat file;

	return fstat(fd, &file) ? 0 : (size_t)file.st_blocks * STAT_BLOCK;
}

int room_init(struct room *room, struct MDB_env *env, size_t limit, bool was_reserved)
{
	MDB_envinfo info;
	MDB_stat stat;
	int fd;

	if (mdb_env_get_fd(env, &fd) || mdb_env_info(env, &info) || mdb_env_stat(env, &stat))
		return -EIO;

	size_t used = (info.me_last_pgno + 1) * stat.ms_psize;
	size_t first = smaller(first_step, limit), size = larger(first, smaller(info.me_mapsize, limit));

	*room = (struct room){.fd = fd, .limit = limit, .page_size = stat.ms_psize};
	/* A store near its size at the last start must find room for its first commits without a replay. */
	while (size < used + used / 8 && size < limit)
		size += smaller(size, largest_step);
	size = larger(size > limit ? limit : size, used);
	if (was_reserved && blocks_of(fd) >= size)
		room->allocated = size;
	if (allocate(room, size)) {
		if (allocate(room, used))
			return -ENOSPC;
		allocate_some(room, size);
	}
	return set_map_size(room, env);
}

int room_grow(struct room *room, struct MDB_env *env)
{
	size_t step = smaller(larger(room->allocated / 8, first_step), largest_step);

	if (room->allocated >= room->limit)
		return -ENOSPC;
	size_t before = room->allocated, size = smaller(before + step - step % room->page_size, room->limit);
	allocate_some(room, size);
	return room->allocated > before ? set_map_size(room, env) : -ENOSPC;
}

size_t room_for_records(const struct room *room)
{
	size_t pages = room->allocated / room->page_size;
	size_t free = smaller(larger(pages / 8, FREE_PAGES_MIN), MIB / room->page_size);

	return pages - smaller(pages, free + META_PAGES);
}

int room_for_locks(const char *path, size_t size)
{
	char name[4096];

	if (snprintf(name, sizeof(name), "%s-lock", path) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int error = reserve_blocks(fd, 0, size);
	close(fd);
	return error;
}
