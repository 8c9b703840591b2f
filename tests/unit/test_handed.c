/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is passed across exec: written, read by the same process, and not believed if it is something else. */
#include "handover/handed.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lxenstored/handover_format.h"
#include "support/suite.h"

static int new_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* A file of these bytes. */
static int file_of(const void *head, size_t head_len, const void *rest, size_t rest_len)
{
	int fd = memfd_create("test", 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, head, head_len), (ssize_t)head_len);
	ck_assert_int_eq(write(fd, rest, rest_len), (ssize_t)rest_len);
	return fd;
}

START_TEST(what_was_written_is_read)
{
	struct handed_writer *writer = handed_writer_new();
	int socket = new_descriptor(), keeper = new_descriptor(), events = new_descriptor();
	struct handed handed;

	handed_add_descriptor(writer, HANDOVER_SOCKET, 70000, socket);
	handed_add_descriptor(writer, HANDOVER_KEEPER, 0, keeper);
	handed_add_descriptor(writer, HANDOVER_EVENTS, 0, events);
	handed_add_port(writer, HANDOVER_EXCEPTION, &(struct inherited_port){.port = 9});
	handed_add_port(writer, HANDOVER_PORT, &(struct inherited_port){5, 11, 12});
	ck_assert_int_eq(fcntl(socket, F_GETFD), 0); /* it would be there after exec */
	int fd = handed_finish(writer);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), 0);
	handed_writer_free(writer);
	ck_assert_int_eq(handed_read(fd, &handed), 0);
	ck_assert(!is_open(fd));
	ck_assert_int_eq(fcntl(socket, F_GETFD), FD_CLOEXEC);
	ck_assert_uint_eq(handed.sockets.n, 1);
	ck_assert_uint_eq(handed.sockets.all[0].id, 70000);
	ck_assert_int_eq(handed.sockets.all[0].fd, socket);
	ck_assert_int_eq(handed.keeper, keeper);
	ck_assert_int_eq(handed.events, events);
	ck_assert_uint_eq(handed.ports.exception_port, 9);
	ck_assert_uint_eq(handed.ports.n, 1);
	ck_assert_uint_eq(handed.ports.all[0].domid, 5);
	ck_assert_uint_eq(handed.ports.all[0].port, 11);
	ck_assert_uint_eq(handed.ports.all[0].remote_port, 12);
	ck_assert(!handed.failed);
	handed.sockets.all[0].fd = -1; /* somebody has taken it */
	handed_deinit(&handed);
	ck_assert(is_open(socket) && !is_open(keeper) && !is_open(events));
	close(socket);
}
END_TEST

START_TEST(any_number_of_records_is_read)
{
	struct handed_writer *writer = handed_writer_new();
	struct handed handed;

	for (uint16_t i = 0; i < 5000; i++)
		handed_add_port(writer, HANDOVER_PORT, &(struct inherited_port){i, i + 1u, i + 2u});
	handed_add_descriptor(writer, HANDOVER_FAILED, 0, -1);
	ck_assert_int_eq(handed_read(handed_finish(writer), &handed), 0);
	handed_writer_free(writer);
	ck_assert_uint_eq(handed.ports.n, 5000);
	for (uint16_t i = 0; i < 5000; i++)
		ck_assert_uint_eq(handed.ports.all[i].port, i + 1u);
	ck_assert(handed.failed);
	handed_deinit(&handed);
}
END_TEST

START_TEST(descriptors_of_unknown_kinds_are_closed)
{
	int unknown = new_descriptor();
	const struct handover_header header = {HANDOVER_MAGIC, HANDOVER_VERSION, 1};
	const struct handover_record record = {.kind = 77, .descriptor = unknown};
	struct handed handed;

	ck_assert_int_eq(handed_read(file_of(&header, sizeof(header), &record, sizeof(record)), &handed), 0);
	ck_assert(!is_open(unknown));
	handed_deinit(&handed);
}
END_TEST

START_TEST(something_else_is_not_believed)
{
	const struct handover_record record = {.kind = HANDOVER_PORT, .descriptor = -1};
	const struct handover_header good = {HANDOVER_MAGIC, HANDOVER_VERSION, 1},
				     newer = {HANDOVER_MAGIC, HANDOVER_VERSION + 1, 1}, other = {"lxhandox", HANDOVER_VERSION, 1},
				     many = {HANDOVER_MAGIC, HANDOVER_VERSION, UINT32_MAX},
				     none = {HANDOVER_MAGIC, HANDOVER_VERSION, 0};
	const struct handover_header *const wrong[] = {&newer, &other, &many, &none};
	struct handed handed;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_int_eq(handed_read(file_of(wrong[i], sizeof(*wrong[i]), &record, sizeof(record)), &handed), -EPROTO);
	for (size_t len = 0; len < sizeof(good); len++)
		ck_assert_int_eq(handed_read(file_of(&good, len, "", 0), &handed), -EPROTO);
	for (size_t len = 0; len < sizeof(record); len++)
		ck_assert_int_eq(handed_read(file_of(&good, sizeof(good), &record, len), &handed), -EPROTO);
	ck_assert_int_lt(handed_read(-1, &handed), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {what_was_written_is_read, any_number_of_records_is_read,
				      descriptors_of_unknown_kinds_are_closed, something_else_is_not_believed};
	Suite *suite = suite_create("handed");
	TCase *cases = tcase_create("handed");

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
