/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file grows by whole steps. `allocated` bytes have blocks behind them; LMDB is told a map size of `allocated` less
 * `kept`, so that it says MDB_MAP_FULL early enough, and of all `allocated` only while one deletion runs. LMDB accepts a new
 * map size at any time that no write transaction is open; readers keep their snapshots, since they hold page numbers, but
 * memory that a reader handed out before is no longer valid.
 */
#include "store/room.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>

enum { MIB = 1 << 20 };

static const size_t first_step = 2 * MIB;
static const size_t largest_step = 64 * MIB;

size_t room_initial(size_t limit)
{
	return limit < first_step ? limit : first_step;
}

static size_t kept_of(size_t allocated)
{
	return allocated < 8 * MIB ? allocated / 8 : MIB;
}

static int reserve_blocks(int fd, size_t from, size_t to)
{
	/* Without KEEP_SIZE a full file system would leave a file that is longer than its blocks. */
	if (!fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)))
		return 0;
	return errno == EOPNOTSUPP ? -posix_fallocate(fd, (off_t)from, (off_t)(to - from)) : -errno;
}

static int set_map_size(struct room *room, struct MDB_env *env, size_t size)
{
	if (mdb_env_set_mapsize(env, size))
		return -ENOMEM;
	/* With MDB_WRITEMAP LMDB has just cut the file to this size, and the blocks behind it are gone. */
	if (size < room->allocated && reserve_blocks(room->fd, size, room->allocated))
		room->allocated = size;
	return 0;
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

int room_init(struct room *room, struct MDB_env *env, size_t limit)
{
	MDB_envinfo info;
	MDB_stat stat;
	int fd;

	if (mdb_env_get_fd(env, &fd) || mdb_env_info(env, &info) || mdb_env_stat(env, &stat))
		return -EIO;

	size_t used = (info.me_last_pgno + 1) * stat.ms_psize;
	size_t size = room_initial(limit);

	*room = (struct room){.fd = fd, .limit = limit};
	/* A store near its size at the last start must find room for its first commits without a replay. */
	while (size < used + used / 8 && size < limit)
		size += size < largest_step ? size : largest_step;
	if (size > limit && used <= limit)
		size = limit;
	if (size < used)
		size = used;
	int error = allocate(room, size);
	if (error && used <= room_initial(limit))
		return -ENOSPC;
	if (error)
		room->allocated = used;
	room->kept = kept_of(room->allocated);
	return set_map_size(room, env, room->allocated - room->kept);
}

int room_grow(struct room *room, struct MDB_env *env, bool for_deletion)
{
	size_t step = room->allocated / 8;

	if (step < first_step)
		step = first_step;
	if (step > largest_step)
		step = largest_step;
	if (room->allocated < room->limit) {
		size_t size = room->allocated + step < room->limit ? room->allocated + step : room->limit;
		if (!allocate(room, size)) {
			room->kept = kept_of(room->allocated);
			return set_map_size(room, env, room->allocated - room->kept);
		}
	}
	if (!for_deletion || room->lent)
		return -ENOSPC;
	room->lent = true;
	return set_map_size(room, env, room->allocated);
}

void room_return(struct room *room, struct MDB_env *env)
{
	if (!room->lent)
		return;
	room->lent = false;
	set_map_size(room, env, room->allocated - room->kept);
}
