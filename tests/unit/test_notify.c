/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handover/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/suite.h"

static char directory[40];
static int manager;
static struct notify notify;

/* A manager that listens under this name, and NOTIFY_SOCKET names it. */
static void listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(name);

	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = 0;
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(manager, 0);
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

/* The next message is this one; returns the descriptor that came with it, or -1. */
static int expect(const char *text)
{
	char bytes[1024], control[CMSG_SPACE(sizeof(int))];
	struct iovec where = {bytes, sizeof(bytes) - 1};
	struct msghdr packet = {.msg_iov = &where, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(manager, &packet, MSG_DONTWAIT);
	int fd = -1;

	ck_assert_int_ge(len, 0);
	bytes[len] = 0;
	ck_assert_str_eq(bytes, text);
	if (CMSG_FIRSTHDR(&packet))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&packet)), sizeof(fd));
	return fd;
}

static void start(void)
{
	snprintf(directory, sizeof(directory), "/dev/shm/lxenstored-notify-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	manager = -1;
}

static void stop(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/socket", directory);
	unlink(path);
	rmdir(directory);
	if (manager >= 0)
		close(manager);
}

static const char *path_here(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/socket", directory);
	return path;
}

START_TEST(a_message_arrives_as_it_was_sent)
{
	listen_at(path_here());
	ck_assert_int_eq(notify_open(&notify), 0);
	ck_assert_int_eq(notify_send(&notify, -1, "READY=1\nMAINPID=%d", 17), 0);
	ck_assert_int_eq(expect("READY=1\nMAINPID=17"), -1);
	notify_close(&notify);
}
END_TEST

START_TEST(a_descriptor_comes_along)
{
	struct stat sent, came;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	listen_at(path_here());
	ck_assert_int_eq(notify_open(&notify), 0);
	ck_assert_int_eq(notify_send(&notify, ends[0], "FDSTORE=1"), 0);
	int fd = expect("FDSTORE=1");
	ck_assert(!fstat(ends[0], &sent) && !fstat(fd, &came));
	ck_assert_uint_eq(sent.st_ino, came.st_ino);
	notify_close(&notify);
	close(fd);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(a_name_that_is_no_files_is_understood)
{
	char name[64];

	snprintf(name, sizeof(name), "@lxenstored-test-%ld", (long)getpid());
	listen_at(name);
	notify_once("READY=1");
	ck_assert_int_eq(expect("READY=1"), -1);
}
END_TEST

START_TEST(nobody_is_told_where_nobody_asks)
{
	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(notify_open(&notify), -ENOENT);
	setenv("NOTIFY_SOCKET", "", 1);
	ck_assert_int_eq(notify_open(&notify), -ENOENT);
	notify_once("READY=1");
}
END_TEST

START_TEST(names_that_are_none_are_refused)
{
	char name[200];

	setenv("NOTIFY_SOCKET", "relative", 1);
	ck_assert_int_eq(notify_open(&notify), -EINVAL);
	memset(name, 'a', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = 0;
	setenv("NOTIFY_SOCKET", name, 1);
	ck_assert_int_eq(notify_open(&notify), -EINVAL);
}
END_TEST

START_TEST(a_message_that_is_too_long_is_not_cut)
{
	char text[1000];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = 0;
	listen_at(path_here());
	ck_assert_int_eq(notify_open(&notify), 0);
	ck_assert_int_eq(notify_send(&notify, -1, "STATUS=%s", text), -EMSGSIZE);
	notify_close(&notify);
}
END_TEST

START_TEST(a_manager_that_is_gone_is_an_error)
{
	listen_at(path_here());
	ck_assert_int_eq(notify_open(&notify), 0);
	close(manager);
	manager = -1;
	ck_assert_int_eq(notify_send(&notify, -1, "READY=1"), -ECONNREFUSED);
	notify_close(&notify);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("notify");
	TCase *tcase = tcase_create("notify");

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, a_message_arrives_as_it_was_sent);
	tcase_add_test(tcase, a_descriptor_comes_along);
	tcase_add_test(tcase, a_name_that_is_no_files_is_understood);
	tcase_add_test(tcase, nobody_is_told_where_nobody_asks);
	tcase_add_test(tcase, names_that_are_none_are_refused);
	tcase_add_test(tcase, a_message_that_is_too_long_is_not_cut);
	tcase_add_test(tcase, a_manager_that_is_gone_is_an_error);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
