/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two clients add one to the same number at the same time, each in a transaction. The first to end commits. The other has
 * read what is no longer true, so its transaction is refused with EAGAIN and nothing of it remains; it tries again.
 *
 *     cc -o transaction transaction.c -lxenstore
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

static const char *const path = "/demo/counter";

static void add_one(struct xs_handle *client, xs_transaction_t transaction, const char *who)
{
	unsigned int len;
	char text[16];
	char *value = xs_read(client, transaction, path, &len);
	int number = value ? atoi(value) : 0;

	snprintf(text, sizeof(text), "%d", number + 1);
	if (!value || !xs_write(client, transaction, path, text, (unsigned int)strlen(text)))
		exit(EXIT_FAILURE);
	printf("%s reads %d, writes %d\n", who, number, number + 1);
	free(value);
}

static bool end(struct xs_handle *client, xs_transaction_t transaction, const char *who)
{
	bool done = xs_transaction_end(client, transaction, false);

	printf("%s %s\n", who, done ? "committed" : errno == EAGAIN ? "EAGAIN, so once more" : strerror(errno));
	return done;
}

int main(void)
{
	struct xs_handle *first = xs_open(0), *second = xs_open(0);

	if (!first || !second)
		return EXIT_FAILURE;
	xs_transaction_t one = xs_transaction_start(first), other = xs_transaction_start(second);
	add_one(first, one, "first: ");
	add_one(second, other, "second:");
	bool committed = end(first, one, "first: ");
	while (!end(second, other, "second:") && errno == EAGAIN) {
		other = xs_transaction_start(second);
		add_one(second, other, "second:");
	}
	xs_close(first);
	xs_close(second);
	return committed ? EXIT_SUCCESS : EXIT_FAILURE;
}
