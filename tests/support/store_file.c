/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Before each change the room is made that it may need, since here no turn runs it again.
 */
#include "support/store_file.h"

#include <dirent.h>
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/node.h"

static void need(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "store_file: %s: %s\n", what, strerror(errno));
		abort();
	}
}

void store_file_open(struct store_file *file)
{
	struct store_options options = {
	    .path = file->path,
	    .size_limit = (size_t)256 << 20,
	    .boot_id = STORE_FILE_BOOT_ID,
	    .log = &file->log,
	};

	need(!store_open(&options, &file->store), "open");
}

void store_file_close(struct store_file *file)
{
	store_close(file->store);
	file->store = NULL;
}

void store_file_init(struct store_file *file)
{
	*file = (struct store_file){.directory = "/dev/shm/lxenstored-file.XXXXXX"};
	log_init(&file->log, true);
	file->log.level = LOG_LEVEL_ERROR;
	need(mkdtemp(file->directory) != NULL, "mkdtemp");
	snprintf(file->path, sizeof(file->path), "%s/store.mdb", file->directory);
	store_file_open(file);
}

void store_file_deinit(struct store_file *file)
{
	DIR *directory = *file->directory ? opendir(file->directory) : NULL;
	const struct dirent *entry;
	char path[sizeof(file->directory) + 260];

	store_file_close(file);
	while (directory && (entry = readdir(directory))) {
		snprintf(path, sizeof(path), "%s/%s", file->directory, entry->d_name);
		if (entry->d_name[0] != '.')
			remove(path);
	}
	if (directory)
		closedir(directory);
	rmdir(file->directory);
	*file = (struct store_file){0};
}

/* Commits what `error` is the result of; false: there was no room for it, and now there is. */
static int commit(struct store_file *file, int error)
{
	if (!error)
		error = store_commit(file->store);
	if (!error)
		return 1;
	store_abort(file->store);
	need(error == -ENOSPC && !store_make_room(file->store), "change");
	return 0;
}

void store_file_create(struct store_file *file, const char *path, const char *permissions, const void *value, size_t len)
{
	struct path node = {path, strlen(path)};
	struct permission list[8];
	char text[128];
	size_t n, text_len = (size_t)snprintf(text, sizeof(text), "%s", permissions ? permissions : "n0") + 1;

	for (size_t i = 0; i < text_len; i++)
		text[i] = text[i] == ' ' ? 0 : text[i];
	need(!permissions_parse(text, text_len, list, 8, &n), "permissions");
	while (!commit(file, node_create(file->store, &node, list, n, value, len)))
		;
}

void store_file_remove(struct store_file *file, const char *path)
{
	struct path node = {path, strlen(path)};

	while (!commit(file, node_remove(file->store, &node)))
		;
}

void store_file_put(struct store_file *file, const void *key, size_t key_len, const void *record, size_t len)
{
	MDB_val name = {key_len, (void *)(uintptr_t)key}, data = {len, (void *)(uintptr_t)record};
	MDB_txn *txn;
	int code;

	do {
		txn = store_writable(file->store);
		need(txn != NULL, "begin");
		code = record ? mdb_put(txn, file->store->dbi, &name, &data, 0) : mdb_del(txn, file->store->dbi, &name, NULL);
		if (code)
			code = store_failed(file->store, code);
	} while (!commit(file, code));
}

unsigned char *store_file_get(struct store_file *file, const void *key, size_t key_len, size_t *len)
{
	MDB_val name = {key_len, (void *)(uintptr_t)key}, data;
	MDB_txn *txn = store_view(file->store);

	need(txn && !mdb_get(txn, file->store->dbi, &name, &data), "get");
	unsigned char *copy = malloc(data.mv_size + 1);
	need(copy != NULL, "memory");
	memcpy(copy, data.mv_data, data.mv_size);
	*len = data.mv_size;
	return copy;
}

unsigned char *store_file_bytes(const char *path, size_t *len)
{
	FILE *file = fopen(path, "re");
	long size = 0;

	need(file && !fseek(file, 0, SEEK_END) && (size = ftell(file)) >= 0 && !fseek(file, 0, SEEK_SET), path);
	unsigned char *bytes = malloc((size_t)size + 1);
	need(bytes && fread(bytes, 1, (size_t)size, file) == (size_t)size, path);
	fclose(file);
	*len = (size_t)size;
	return bytes;
}

void store_file_write(const char *path, const void *bytes, size_t len)
{
	FILE *file = fopen(path, "we");

	need(file && fwrite(bytes, 1, len, file) == len && !fclose(file), path);
}

size_t store_file_replace(unsigned char *bytes, size_t len, const void *from, const void *to, size_t size)
{
	unsigned char *at = bytes;
	size_t n = 0;

	while ((at = memmem(at, len - (size_t)(at - bytes), from, size))) {
		memcpy(at, to, size);
		at += size;
		n++;
	}
	return n;
}
