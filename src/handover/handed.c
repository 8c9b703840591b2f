/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The records are a file in memory, so that there may be any number of them and nobody has to read while they are written: the
 * writer's process is the reader's.
 */
#include "handover/handed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "lxenstored/handover_format.h"

enum { RECORDS_MAX = 1 << 20 };

struct handed_writer {
	struct buffer records;
	uint32_t n;
};

/* ---- reading ---- */

static int grow(void **array, size_t *capacity, size_t n, size_t size)
{
	if (n < *capacity)
		return 0;
	size_t wanted = *capacity ? 2 * *capacity : 64;
	void *grown = realloc(*array, wanted * size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*capacity = wanted;
	return 0;
}

static int add_socket(struct held_list *sockets, const struct handover_record *record)
{
	void *all = sockets->all;
	int error = grow(&all, &sockets->capacity, sockets->n, sizeof(*sockets->all));

	sockets->all = all;
	if (!error)
		sockets->all[sockets->n++] = (struct held){record->id, record->descriptor};
	return error;
}

static int add_port(struct inherited_ports *ports, const struct handover_record *record)
{
	void *all = ports->all;
	int error = grow(&all, &ports->capacity, ports->n, sizeof(*ports->all));

	ports->all = all;
	if (!error && record->id <= UINT16_MAX)
		ports->all[ports->n++] = (struct inherited_port){(uint16_t)record->id, record->value, record->remote};
	return error;
}

static int take(struct handed *handed, const struct handover_record *record)
{
	if (record->descriptor >= 0)
		fcntl(record->descriptor, F_SETFD, FD_CLOEXEC);
	switch (record->kind) {
	case HANDOVER_SOCKET:
		return add_socket(&handed->sockets, record);
	case HANDOVER_KEEPER:
		handed->keeper = record->descriptor;
		return 0;
	case HANDOVER_EVENTS:
		handed->events = record->descriptor;
		return 0;
	case HANDOVER_EXCEPTION:
		handed->ports.exception_port = record->value;
		return 0;
	case HANDOVER_PORT:
		return add_port(&handed->ports, record);
	case HANDOVER_POLLED:
		handed->polled = true;
		return 0;
	case HANDOVER_FAILED:
		handed->failed = true;
		return 0;
	default: /* of a newer program */
		if (record->descriptor > STDERR_FILENO)
			close(record->descriptor);
		return 0;
	}
}

static int read_all(int fd, struct handed *out)
{
	struct handover_header header;
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.magic, HANDOVER_MAGIC, sizeof(header.magic)) != 0 || header.version > HANDOVER_VERSION ||
	    header.n_records > RECORDS_MAX ||
	    (size_t)status.st_size != sizeof(header) + header.n_records * sizeof(struct handover_record))
		return -EPROTO;
	size_t len = header.n_records * sizeof(struct handover_record);
	struct handover_record *records = malloc(len + 1);
	if (!records)
		return -ENOMEM;
	int error = pread(fd, records, len, sizeof(header)) == (ssize_t)len ? 0 : -EPROTO;
	for (uint32_t i = 0; i < header.n_records && !error; i++)
		error = take(out, &records[i]);
	free(records);
	return error;
}

int handed_read(int fd, struct handed *out)
{
	*out = (struct handed){.keeper = -1, .events = -1};
	int error = read_all(fd, out);

	close(fd);
	if (error)
		handed_deinit(out);
	return error;
}

void handed_deinit(struct handed *handed)
{
	for (size_t i = 0; i < handed->sockets.n; i++)
		if (handed->sockets.all[i].fd >= 0)
			close(handed->sockets.all[i].fd);
	free(handed->sockets.all);
	free(handed->ports.all);
	if (handed->keeper >= 0)
		close(handed->keeper);
	if (handed->events >= 0)
		close(handed->events);
	*handed = (struct handed){.keeper = -1, .events = -1};
}

/* ---- writing ---- */

struct handed_writer *handed_writer_new(void)
{
	return calloc(1, sizeof(struct handed_writer));
}

void handed_writer_free(struct handed_writer *writer)
{
	buffer_deinit(&writer->records);
	free(writer);
}

static void add(struct handed_writer *writer, const struct handover_record *record)
{
	buffer_add(&writer->records, record, sizeof(*record));
	writer->n++;
}

void handed_add_descriptor(struct handed_writer *writer, unsigned kind, uint64_t id, int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
	add(writer, &(struct handover_record){.kind = kind, .descriptor = fd, .id = id});
}

void handed_add_port(struct handed_writer *writer, unsigned kind, const struct inherited_port *port)
{
	add(writer, &(struct handover_record){
			.kind = kind, .descriptor = -1, .id = port->domid, .value = port->port, .remote = port->remote_port});
}

void handed_add_all(struct handed_writer *writer, const struct handed *handed)
{
	if (handed->events >= 0)
		handed_add_descriptor(writer, HANDOVER_EVENTS, 0, handed->events);
	if (handed->ports.exception_port)
		handed_add_port(writer, HANDOVER_EXCEPTION, &(struct inherited_port){.port = handed->ports.exception_port});
	for (size_t i = 0; i < handed->ports.n; i++)
		handed_add_port(writer, HANDOVER_PORT, &handed->ports.all[i]);
	for (size_t i = 0; i < handed->sockets.n; i++)
		handed_add_descriptor(writer, HANDOVER_SOCKET, handed->sockets.all[i].id, handed->sockets.all[i].fd);
	if (handed->polled)
		handed_add_descriptor(writer, HANDOVER_POLLED, 0, -1);
}

int handed_finish(struct handed_writer *writer)
{
	struct handover_header header = {.magic = HANDOVER_MAGIC, .version = HANDOVER_VERSION, .n_records = writer->n};

	if (writer->records.failed)
		return -ENOMEM;
	int fd = memfd_create("lxenstored-handover", 0);
	if (fd < 0)
		return -errno;
	int error = file_write(fd, &header, sizeof(header));
	if (!error)
		error = file_write(fd, writer->records.bytes, writer->records.len);
	if (error)
		close(fd);
	return error ? error : fd;
}
