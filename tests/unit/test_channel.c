/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handover/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/suite.h"

enum { MORE_THAN_IT_TAKES = 100000 };

static int ends[2];
static struct channel_message message;

static void start(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
}

static void stop(void)
{
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
}

START_TEST(what_is_sent_is_received)
{
	struct channel_message sent = {.kind = CHANNEL_SERVING, .text_len = 5, .id = UINT64_C(1) << 40, .text = "/path"};
	int fd;

	ck_assert_int_eq(channel_send(ends[0], &sent, -1), 0);
	ck_assert_int_eq(channel_send_short(ends[0], CHANNEL_PING, 7, -1), 0);
	ck_assert_int_eq(channel_receive(ends[1], &message, &fd), 0);
	ck_assert_int_eq(fd, -1);
	ck_assert_uint_eq(message.kind, CHANNEL_SERVING);
	ck_assert_uint_eq(message.id, UINT64_C(1) << 40);
	ck_assert_str_eq(message.text, "/path");
	ck_assert_int_eq(channel_receive(ends[1], &message, &fd), 0);
	ck_assert_uint_eq(message.kind, CHANNEL_PING);
	ck_assert_uint_eq(message.id, 7);
	ck_assert_str_eq(message.text, "");
}
END_TEST

START_TEST(a_descriptor_outlives_the_one_that_was_sent)
{
	struct stat sent, came;
	int pair[2], fd;

	ck_assert_int_eq(pipe(pair), 0);
	ck_assert_int_eq(fstat(pair[0], &sent), 0);
	ck_assert_int_eq(channel_send_short(ends[0], CHANNEL_HOLD, 1, pair[0]), 0);
	close(pair[0]);
	close(pair[1]);
	close(ends[0]);
	ck_assert_int_eq(channel_receive(ends[1], &message, &fd), 0);
	ck_assert_int_eq(fstat(fd, &came), 0);
	ck_assert_uint_eq(sent.st_ino, came.st_ino);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	close(fd);
	ends[0] = dup(ends[1]);
}
END_TEST

START_TEST(the_end_of_the_other_side_is_told)
{
	int fd;

	close(ends[1]);
	ends[1] = -1;
	ck_assert_int_eq(channel_receive(ends[0], &message, &fd), -EPIPE);
	ck_assert_int_eq(channel_send_short(ends[0], CHANNEL_DROP, 1, -1), -EPIPE);
}
END_TEST

START_TEST(who_does_not_read_is_not_waited_for_without_end)
{
	const struct timeval limit = {.tv_usec = 1000};
	int error = 0;

	ck_assert_int_eq(setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
	for (int i = 0; i < MORE_THAN_IT_TAKES && !error; i++)
		error = channel_send_short(ends[0], CHANNEL_DROP, 1, -1);
	ck_assert_int_eq(error, -EAGAIN);
}
END_TEST

START_TEST(what_is_no_message_is_refused_and_its_descriptor_closed)
{
	static const uint32_t wrong_length[] = {CHANNEL_DROP, 17, 0, 0};
	int fd;

	ck_assert_int_eq(send(ends[0], "short", 5, 0), 5);
	ck_assert_int_eq(channel_receive(ends[1], &message, &fd), -EPROTO);
	ck_assert_int_eq(send(ends[0], wrong_length, sizeof(wrong_length), 0), (int)sizeof(wrong_length));
	ck_assert_int_eq(channel_receive(ends[1], &message, &fd), -EPROTO);
	ck_assert_int_eq(fd, -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("channel");
	TCase *tcase = tcase_create("channel");

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, what_is_sent_is_received);
	tcase_add_test(tcase, a_descriptor_outlives_the_one_that_was_sent);
	tcase_add_test(tcase, the_end_of_the_other_side_is_told);
	tcase_add_test(tcase, who_does_not_read_is_not_waited_for_without_end);
	tcase_add_test(tcase, what_is_no_message_is_refused_and_its_descriptor_closed);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
