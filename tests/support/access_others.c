/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is not about a node, and who is told of changes to nodes.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/access_check.h"

/* ---- other operations ---- */

/*
 * The answers of domain 0 and of all others. What is privileged is refused before anything is said of its arguments, so that
 * none can be told from another: which domains there are, which features, quotas and commands.
 */
static const struct other {
	uint32_t type;
	const char *payload;
	char root, others; /* letters */
} others[] = {
    {MESSAGE_CONTROL, "help|", '.', 'A'},
    {MESSAGE_CONTROL, "check|", '.', 'A'},
    {MESSAGE_CONTROL, "memreport|", '-', 'A'},
    {MESSAGE_CONTROL, "quota|1|", '.', 'A'},
    {MESSAGE_CONTROL, "no-such-command|", 'V', 'A'},
    {MESSAGE_CONTROL, "", 'V', 'A'},
    {MESSAGE_INTRODUCE, "9|1|1|", '-', 'A'},
    {MESSAGE_INTRODUCE, "1|1|1|", '-', 'A'},
    {MESSAGE_INTRODUCE, "no domain", 'V', 'A'},
    {MESSAGE_RELEASE, "9|", 'N', 'A'},
    {MESSAGE_RELEASE, "4|", '-', 'A'},
    {MESSAGE_RELEASE, "no domain", 'V', 'A'},
    {MESSAGE_RESUME, "9|", 'N', 'A'},
    {MESSAGE_RESUME, "1|", '-', 'A'},
    {MESSAGE_SET_TARGET, "9|1|", 'N', 'A'},
    {MESSAGE_SET_TARGET, "4|1|", '-', 'A'},
    {MESSAGE_SET_TARGET, "1|4|", '-', 'A'},
    {MESSAGE_IS_DOMAIN_INTRODUCED, "1|", '.', 'A'},
    {MESSAGE_IS_DOMAIN_INTRODUCED, "9|", '.', 'A'},
    {MESSAGE_IS_DOMAIN_INTRODUCED, "no domain", 'V', 'A'},
    {MESSAGE_GET_DOMAIN_PATH, "4|", '.', '.'},
    {MESSAGE_GET_DOMAIN_PATH, "9|", '.', '.'},
    {MESSAGE_GET_DOMAIN_PATH, "no domain", 'V', 'V'},
    {MESSAGE_TRANSACTION_END, "T|", 'N', 'N'},
    {MESSAGE_UNWATCH, "/|none|", 'N', 'N'},
    {MESSAGE_WATCH, "/no/node|token|", '.', '.'},
    {MESSAGE_WATCH, "@introduceDomain|token|", '.', '.'},
    {MESSAGE_RESET_WATCHES, "|", '.', '.'},
    {MESSAGE_WATCH_EVENT, "/|token|", 'S', 'S'},
    {MESSAGE_ERROR, "EINVAL|", 'S', 'S'},
    {20, "|", 'S', 'S'},
    {MESSAGE_TYPE_COUNT, "|", 'S', 'S'},
    {UINT32_MAX, "|", 'S', 'S'},
};

/* What C xenstored 4.17 does not have. */
static const struct other new_others[] = {
    {MESSAGE_GET_FEATURE, "", '.', '.'},	 {MESSAGE_GET_FEATURE, "1|", '.', 'A'},
    {MESSAGE_GET_FEATURE, "9|", 'N', 'A'},	 {MESSAGE_GET_FEATURE, "no domain", 'V', 'A'},
    {MESSAGE_SET_FEATURE, "1|0|", '-', 'A'},	 {MESSAGE_GET_QUOTA, "", '.', 'A'},
    {MESSAGE_GET_QUOTA, "nodes|", '.', 'A'},	 {MESSAGE_GET_QUOTA, "1|nodes|", '.', 'A'},
    {MESSAGE_GET_QUOTA, "9|nodes|", 'N', 'A'},	 {MESSAGE_SET_QUOTA, "nodes|5|", '-', 'A'},
    {MESSAGE_SET_QUOTA, "1|nodes|5|", '-', 'A'},
};

static void check_others(struct access_check *check, const struct other *other, size_t n)
{
	for (; n--; other++) {
		for (int caller = 0; caller < ACCESS_CALLERS; caller++) {
			char letter = caller == ACCESS_ROOT ? other->root : other->others;
			if (letter == '-')
				continue;
			struct access_answer answer =
			    access_ask(check, (enum access_caller)caller, other->type, 0, other->payload);
			if (strcmp(answer.error, access_error(letter)) != 0)
				buffer_printf(&check->problems, "type %u %s by %s: \"%s\" instead of \"%s\"\n", other->type,
					      other->payload, access_caller_names[caller], answer.error, access_error(letter));
		}
	}
}

void access_check_others(const struct access_driver *driver)
{
	struct access_check check;

	access_begin(&check, driver, false);
	check_others(&check, others, sizeof(others) / sizeof(others[0]));
	if (!driver->is_old_c)
		check_others(&check, new_others, sizeof(new_others) / sizeof(new_others[0]));
	access_end(&check);
}

/* ---- events ---- */

enum change { CHANGE_VALUE, CREATE, REMOVE, REMOVE_PARENT, CHANGE_PERMISSIONS };

/*
 * Everybody watches the root and exactly the node. What each has to be told: 'n' of the node, once by each watch; 'p' of its
 * parent, by the watch on the root; of a node that goes with its parent only the watch on this very node is told ('e').
 */
struct event_row {
	const char *what;
	const char *parent, *before, *after; /* permissions; `before` NULL: there is no node; `after` NULL: as before */
	enum change change;
	const char *told[ACCESS_CALLERS];
};

static const struct event_row event_rows[] = {
    /* what, parent, before, after, change, {domain 0, guest, its device model, driver domain, stranger} */
    {"a write of what nobody may read", "n0", "n0", NULL, CHANGE_VALUE, {"n", "", "", "", ""}},
    {"a write of what one may only write", "n0", "w0", NULL, CHANGE_VALUE, {"n", "", "", "", ""}},
    {"a write of the guest's", "n0", "n1", NULL, CHANGE_VALUE, {"n", "n", "n", "", ""}},
    {"a write of the device model's", "n0", "n3", NULL, CHANGE_VALUE, {"n", "", "n", "", ""}},
    {"a write of what the driver may read", "n0", "n1 r2", NULL, CHANGE_VALUE, {"n", "n", "n", "n", ""}},
    {"a write of what all may read", "n0", "r0", NULL, CHANGE_VALUE, {"n", "n", "n", "n", "n"}},
    {"a write of what all but the guest may read", "n0", "r0 n1", NULL, CHANGE_VALUE, {"n", "", "", "n", "n"}},
    {"a write below what the driver may read", "n0 r2", "n4", NULL, CHANGE_VALUE, {"n", "", "", "n", "n"}},
    {"a write below what all may write", "w0", "n0", NULL, CHANGE_VALUE, {"n", "", "", "", ""}},
    {"a write of what any may read", "n0", "n0 r32757", NULL, CHANGE_VALUE, {"n", "n", "n", "n", "n"}},
    {"a write of what any but the guest may read", "n0", "n0 r32757 w1", NULL, CHANGE_VALUE, {"n", "", "", "n", "n"}},
    {"a creation of what nobody may read", "n0", NULL, "n0", CREATE, {"n", "", "", "", ""}},
    {"a creation of the guest's", "n0", NULL, "n1", CREATE, {"n", "n", "n", "", ""}},
    {"a creation below the guest's", "n1", NULL, "n4", CREATE, {"n", "n", "n", "", "n"}},
    {"a creation below what the driver may read", "n0 r2", NULL, "n0", CREATE, {"n", "", "", "n", ""}},
    {"a removal of what nobody may read", "n0", "n0", NULL, REMOVE, {"n", "", "", "", ""}},
    {"a removal of the guest's", "n0", "n1", NULL, REMOVE, {"n", "n", "n", "", ""}},
    {"a removal below what the driver may read", "n0 r2", "n4", NULL, REMOVE, {"n", "", "", "n", "n"}},
    {"a removal with the parent of the guest's", "n0", "n1", NULL, REMOVE_PARENT, {"pe", "e", "e", "", ""}},
    {"a removal with the guest's parent", "n1", "n4", NULL, REMOVE_PARENT, {"pe", "pe", "pe", "", "e"}},
    {"a removal with a parent that nobody may read", "n0", "n0", NULL, REMOVE_PARENT, {"pe", "", "", "", ""}},
    {"the driver is let in", "n0", "n1", "n1 r2", CHANGE_PERMISSIONS, {"n", "n", "n", "n", ""}},
    {"the driver is let in to write", "n0", "n1", "n1 w2", CHANGE_PERMISSIONS, {"n", "n", "n", "", ""}},
    {"the driver is shut out", "n0", "n1 b2", "n1", CHANGE_PERMISSIONS, {"n", "n", "n", "n", ""}},
    {"all are shut out", "n0", "r0", "n0", CHANGE_PERMISSIONS, {"n", "n", "n", "n", "n"}},
    {"all are let in", "n0", "n0", "r0", CHANGE_PERMISSIONS, {"n", "n", "n", "n", "n"}},
    {"the guest's is given to the stranger", "n0", "n1", "n4", CHANGE_PERMISSIONS, {"n", "n", "n", "", "n"}},
    {"permissions change out of sight", "n0", "n4", "n2", CHANGE_PERMISSIONS, {"n", "", "", "n", "n"}},
};

static void make_change(const struct access_check *check, const struct event_row *row)
{
	uint32_t transaction = check->in_transaction || row->change == CREATE ? access_start(check, ACCESS_ROOT) : 0;

	switch (row->change) {
	case CHANGE_VALUE:
		access_order(check, MESSAGE_WRITE, transaction, ACCESS_NODE "|changed");
		break;
	case CREATE:
		access_make_node(check, transaction, ACCESS_NODE, row->after);
		break;
	case REMOVE:
		access_order(check, MESSAGE_RM, transaction, ACCESS_NODE "|");
		break;
	case REMOVE_PARENT:
		access_order(check, MESSAGE_RM, transaction, ACCESS_PARENT "|");
		break;
	case CHANGE_PERMISSIONS:
		access_permit(check, transaction, ACCESS_NODE, row->after);
		break;
	}
	if (transaction)
		access_order(check, MESSAGE_TRANSACTION_END, transaction, "T|");
}

/* Of C xenstored 4.17: it has no entries for any domain, and in a transaction loses sight of who could read what it removes. */
static bool old_c_does_other(const struct access_check *check, const struct event_row *row)
{
	bool removes = row->change == REMOVE || row->change == REMOVE_PARENT;

	return (row->before && strstr(row->before, "32757")) || (check->in_transaction && removes);
}

/* Compares events with letters, in whatever order they came. */
static void check_told(struct access_check *check, const struct event_row *row, enum access_caller caller)
{
	static const char *const told[][3] = {{"n", ACCESS_NODE "|node", ACCESS_NODE "|root"},
					      {"p", ACCESS_PARENT "|root", NULL},
					      {"e", ACCESS_NODE "|node", NULL}};
	struct buffer expected, got;
	const char *event;
	size_t n_expected = 0, n_got = 0;
	bool right = true;

	buffer_init(&expected);
	buffer_init(&got);
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		for (size_t k = 1; k < 3 && told[i][k] && strchr(row->told[caller], *told[i][0]); k++, n_expected++)
			buffer_printf(&expected, " %s", told[i][k]);
	}
	buffer_add_nul(&expected);
	while ((event = check->driver->event(caller))) {
		n_got++;
		right = right && strstr(expected.bytes, event);
		buffer_printf(&got, " %s", event);
	}
	buffer_add_nul(&got);
	if (!right || n_got != n_expected)
		buffer_printf(&check->problems, "%s is told to %s by%s instead of%s\n", row->what, access_caller_names[caller],
			      (const char *)got.bytes, (const char *)expected.bytes);
	buffer_deinit(&expected);
	buffer_deinit(&got);
}

void access_check_events(const struct access_driver *driver, bool in_transaction)
{
	struct access_check check;

	access_begin(&check, driver, in_transaction);
	for (int caller = 0; caller < ACCESS_CALLERS; caller++) {
		access_watch(&check, (enum access_caller)caller, "/|root");
		access_watch(&check, (enum access_caller)caller, ACCESS_NODE "|node");
	}
	access_make_node(&check, 0, ACCESS_TOP, "n0");
	for (size_t i = 0; i < sizeof(event_rows) / sizeof(event_rows[0]); i++) {
		const struct event_row *row = &event_rows[i];
		if (driver->is_old_c && old_c_does_other(&check, row))
			continue;
		access_order(&check, MESSAGE_RM, 0, ACCESS_PARENT "|");
		access_make_node(&check, 0, ACCESS_PARENT, row->parent);
		if (row->before)
			access_make_node(&check, 0, ACCESS_NODE, row->before);
		access_forget_events(&check);
		make_change(&check, row);
		for (int caller = 0; caller < ACCESS_CALLERS; caller++)
			check_told(&check, row, (enum access_caller)caller);
	}
	access_end(&check);
}
