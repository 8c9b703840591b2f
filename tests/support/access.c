/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domain 0 makes the state that a row describes, the caller asks, and domain 0 looks at what has become of it. Wrong answers are
 * collected, so that one run shows all of them.
 */
#include "support/access.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "wire/message.h"

#define PARENT "/access/parent"
#define NODE PARENT "/node"
#define DEEP PARENT "/missing/node"

enum { PATH_SIZE = 64, PAYLOAD_SIZE = 256, TREE_DEPTH_MAX = 4 };

static const char *const caller_names[ACCESS_CALLERS] = {"domain 0", "the guest", "its device model", "the driver domain",
							 "a stranger"};

struct check {
	const struct access_driver *driver;
	bool in_transaction;
	struct buffer problems;
};

uint16_t access_domid(enum access_caller caller)
{
	static const uint16_t domids[ACCESS_CALLERS] = {0, ACCESS_GUEST_DOMID, ACCESS_MODEL_DOMID, ACCESS_DRIVER_DOMID,
							ACCESS_STRANGER_DOMID};

	return domids[caller];
}

static void check_init(struct check *check, const struct access_driver *driver, bool in_transaction)
{
	*check = (struct check){.driver = driver, .in_transaction = in_transaction};
	buffer_init(&check->problems);
}

static void check_end(struct check *check)
{
	buffer_add_nul(&check->problems);
	ck_assert(!check->problems.failed);
	ck_assert_msg(check->problems.len == 1, "%.2000s", (const char *)check->problems.bytes);
	buffer_deinit(&check->problems);
}

/* ---- asking ---- */

/* In `payload` '|' stands for NUL; none is added. */
static struct access_answer ask(const struct check *check, enum access_caller caller, uint32_t type, uint32_t transaction,
				const char *payload)
{
	char bytes[PAYLOAD_SIZE];
	size_t len = strlen(payload);

	ck_assert_uint_lt(len, sizeof(bytes));
	for (size_t i = 0; i < len; i++)
		bytes[i] = payload[i] == '|' ? 0 : payload[i];
	return check->driver->ask(caller, type, transaction, bytes, len);
}

/* Of domain 0, which must succeed. */
static struct access_answer order(const struct check *check, uint32_t type, uint32_t transaction, const char *payload)
{
	struct access_answer answer = ask(check, ACCESS_ROOT, type, transaction, payload);

	ck_assert_msg(!*answer.error, "%s %s by domain 0: %s", message_type_name(type), payload, answer.error);
	return answer;
}

static uint32_t start(const struct check *check, enum access_caller caller)
{
	struct access_answer answer = ask(check, caller, MESSAGE_TRANSACTION_START, 0, "|");

	ck_assert_msg(!*answer.error, "TRANSACTION_START: %s", answer.error);
	return (uint32_t)strtoul(answer.bytes, NULL, 10);
}

static void set_permissions(const struct check *check, uint32_t transaction, const char *path, const char *permissions)
{
	char payload[PAYLOAD_SIZE];
	int len = snprintf(payload, sizeof(payload), "%s|%s|", path, permissions);

	for (int i = 0; i < len; i++)
		payload[i] = payload[i] == ' ' ? '|' : payload[i];
	order(check, MESSAGE_SET_PERMS, transaction, payload);
}

static void make_node(const struct check *check, uint32_t transaction, const char *path, const char *permissions)
{
	char payload[PAYLOAD_SIZE];

	snprintf(payload, sizeof(payload), "%s|value", path);
	order(check, MESSAGE_WRITE, transaction, payload);
	set_permissions(check, transaction, path, permissions);
}

/* Watches by domain 0 and by all others: nothing that has happened before counts. */
static void forget_events(const struct check *check)
{
	for (int caller = 0; caller < ACCESS_CALLERS; caller++) {
		ask(check, (enum access_caller)caller, MESSAGE_GET_DOMAIN_PATH, 0, "0|");
		while (check->driver->event((enum access_caller)caller))
			;
	}
}

static void watch(const struct check *check, enum access_caller caller, const char *watch)
{
	char payload[PAYLOAD_SIZE];

	snprintf(payload, sizeof(payload), "%s|", watch);
	struct access_answer answer = ask(check, caller, MESSAGE_WATCH, 0, payload);
	ck_assert_msg(!*answer.error, "WATCH %s by %s: %s", watch, caller_names[caller], answer.error);
}

/* The subtree in words: path, value, permissions, and the names in each list. */
static void describe(const struct check *check, const char *path, int depth, struct buffer *out)
{
	static const uint32_t types[] = {MESSAGE_READ, MESSAGE_GET_PERMS, MESSAGE_DIRECTORY};
	char payload[PATH_SIZE], names[PAYLOAD_SIZE];
	struct access_answer answer = {0};

	ck_assert_int_lt(depth, TREE_DEPTH_MAX);
	snprintf(payload, sizeof(payload), "%s|", path);
	buffer_printf(out, "\n%s:", path);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		answer = ask(check, ACCESS_ROOT, types[i], 0, payload);
		if (*path == '@' && types[i] != MESSAGE_GET_PERMS)
			continue;
		buffer_printf(out, " %s ", answer.error);
		for (size_t k = 0; k < answer.len; k++)
			buffer_add(out, answer.bytes[k] ? &answer.bytes[k] : ",", 1);
	}
	if (*answer.error)
		return;
	ck_assert_uint_le(answer.len, sizeof(names));
	memcpy(names, answer.bytes, answer.len);
	for (size_t len = answer.len, at = 0; at < len; at += strlen(names + at) + 1) {
		char child[PATH_SIZE];
		snprintf(child, sizeof(child), "%s/%s", path[1] ? path : "", names + at);
		describe(check, child, depth + 1, out);
	}
}

/* ---- operations on nodes ---- */

enum operation { READ, DIRECTORY, DIRECTORY_PART, GET_PERMS, WRITE, MKDIR, RM, SET_PERMS, GIVE, OPERATIONS };

/* An operation each, SET_PERMS with the owner as it is, and with another one. */
static const uint32_t operation_types[OPERATIONS] = {
    [READ] = MESSAGE_READ,   [DIRECTORY] = MESSAGE_DIRECTORY, [DIRECTORY_PART] = MESSAGE_DIRECTORY_PART,
    [WRITE] = MESSAGE_WRITE, [GET_PERMS] = MESSAGE_GET_PERMS, [MKDIR] = MESSAGE_MKDIR,
    [RM] = MESSAGE_RM,	     [SET_PERMS] = MESSAGE_SET_PERMS, [GIVE] = MESSAGE_SET_PERMS,
};

/*
 * A letter for each operation, in the order of their enum: '.' done, A EACCES, N ENOENT, P EPERM, V EINVAL. On a node that is
 * there:
 */
#define MAY_ALL "....  ...  .."
#define OWNS "....  ...  .P"
#define READS "....  AAA  AA"
#define WRITES "AAAA  ...  AA"
#define READS_AND_WRITES "....  ...  AA"
#define NOTHING "AAAA  AAA  AA"
/* Where there is none, with rights on the nearest node above it: */
#define MAKES "NNNN  ...  NN"
#define SEES_NONE "NNNN  AAA  AA"
#define MAKES_BLINDLY "AAAA  ...  NN"
/* ... and where there is no parent either: */
#define MAKES_DEEP "NNNN  ..N  NN"
#define MAKES_DEEP_BLINDLY "AAAA  ..N  NN"

struct row {
	const char *what;
	const char *path;
	const char *parent, *node; /* permissions; NULL: there is no such node */
	const char *answers[ACCESS_CALLERS];
};

static const struct row rows[] = {
    /* what, path, parent, node, {domain 0, guest, its device model, driver domain, stranger} */
    {"the guest's", NODE, "n0", "n1", {MAY_ALL, OWNS, OWNS, NOTHING, NOTHING}},
    {"the guest's, the driver may read", NODE, "n0", "n1 r2", {MAY_ALL, OWNS, OWNS, READS, NOTHING}},
    {"the guest's, the driver may write", NODE, "n0", "n1 w2", {MAY_ALL, OWNS, OWNS, WRITES, NOTHING}},
    {"the guest's, the driver may both", NODE, "n0", "n1 b2", {MAY_ALL, OWNS, OWNS, READS_AND_WRITES, NOTHING}},
    {"the guest's, all may read", NODE, "n0", "r1", {MAY_ALL, OWNS, OWNS, READS, READS}},
    {"the driver's, the guest may read", NODE, "n0", "n2 r1", {MAY_ALL, READS, READS, OWNS, NOTHING}},
    {"the device model's", NODE, "n0", "n3", {MAY_ALL, NOTHING, OWNS, NOTHING, NOTHING}},
    {"the stranger's", NODE, "n0", "n4", {MAY_ALL, NOTHING, NOTHING, NOTHING, OWNS}},
    {"domain 0's", NODE, "n0", "n0", {MAY_ALL, NOTHING, NOTHING, NOTHING, NOTHING}},
    {"domain 0's, all may read", NODE, "n0", "r0", {MAY_ALL, READS, READS, READS, READS}},
    {"domain 0's, all may write", NODE, "n0", "w0", {MAY_ALL, WRITES, WRITES, WRITES, WRITES}},
    {"domain 0's, all may both",
     NODE,
     "n0",
     "b0",
     {MAY_ALL, READS_AND_WRITES, READS_AND_WRITES, READS_AND_WRITES, READS_AND_WRITES}},
    {"domain 0's, the guest may read", NODE, "n0", "n0 r1", {MAY_ALL, READS, READS, NOTHING, NOTHING}},
    {"domain 0's, the guest may write", NODE, "n0", "n0 w1", {MAY_ALL, WRITES, WRITES, NOTHING, NOTHING}},
    {"domain 0's, the device model may both", NODE, "n0", "n0 b3", {MAY_ALL, NOTHING, READS_AND_WRITES, NOTHING, NOTHING}},
    {"domain 0's, delegated to the driver", NODE, "n0", "n0 b2", {MAY_ALL, NOTHING, NOTHING, READS_AND_WRITES, NOTHING}},
    {"domain 0's, all but the guest may both",
     NODE,
     "n0",
     "b0 n1",
     {MAY_ALL, NOTHING, NOTHING, READS_AND_WRITES, READS_AND_WRITES}},
    {"the first entry that names one counts", NODE, "n0", "n0 r2 b2", {MAY_ALL, NOTHING, NOTHING, READS, NOTHING}},
    {"of one and its target too", NODE, "n0", "n0 r3 b1", {MAY_ALL, READS_AND_WRITES, READS, NOTHING, NOTHING}},
    {"hidden below what all may read", NODE, "r0", "n0", {MAY_ALL, NOTHING, NOTHING, NOTHING, NOTHING}},
    {"hidden below what all may write", NODE, "b0", "n0", {MAY_ALL, NOTHING, NOTHING, NOTHING, NOTHING}},

    {"missing below the guest's", NODE, "n1", NULL, {MAKES, MAKES, MAKES, NOTHING, NOTHING}},
    {"missing below the device model's", NODE, "n3", NULL, {MAKES, NOTHING, MAKES, NOTHING, NOTHING}},
    {"missing below domain 0's", NODE, "n0", NULL, {MAKES, NOTHING, NOTHING, NOTHING, NOTHING}},
    {"missing where all may read", NODE, "r0", NULL, {MAKES, SEES_NONE, SEES_NONE, SEES_NONE, SEES_NONE}},
    {"missing where all may write", NODE, "w0", NULL, {MAKES, MAKES_BLINDLY, MAKES_BLINDLY, MAKES_BLINDLY, MAKES_BLINDLY}},
    {"missing where all may both", NODE, "b0", NULL, {MAKES, MAKES, MAKES, MAKES, MAKES}},
    {"missing where the guest may read", NODE, "n0 r1", NULL, {MAKES, SEES_NONE, SEES_NONE, NOTHING, NOTHING}},
    {"missing where the driver may both", NODE, "n0 b2", NULL, {MAKES, NOTHING, NOTHING, MAKES, NOTHING}},
    {"missing where the driver may write", NODE, "n1 w2", NULL, {MAKES, MAKES, MAKES, MAKES_BLINDLY, NOTHING}},

    {"two levels missing below the guest's", DEEP, "n1", NULL, {MAKES_DEEP, MAKES_DEEP, MAKES_DEEP, NOTHING, NOTHING}},
    {"two levels missing below domain 0's", DEEP, "n0", NULL, {MAKES_DEEP, NOTHING, NOTHING, NOTHING, NOTHING}},
    {"two levels missing where all may read", DEEP, "r0", NULL, {MAKES_DEEP, SEES_NONE, SEES_NONE, SEES_NONE, SEES_NONE}},
    {"two levels missing where the driver may write",
     DEEP,
     "n0 w2",
     NULL,
     {MAKES_DEEP, NOTHING, NOTHING, MAKES_DEEP_BLINDLY, NOTHING}},

    {"the root", "/", NULL, "n0", {"....  ..V  ..", NOTHING, NOTHING, NOTHING, NOTHING}},
    {"the root, all may write",
     "/",
     NULL,
     "w0",
     {"....  ..V  ..", "AAAA  ..V  AA", "AAAA  ..V  AA", "AAAA  ..V  AA", "AAAA  ..V  AA"}},
    {"@introduceDomain",
     "@introduceDomain",
     NULL,
     "n0",
     {"VVV.  VVV  ..", "VVVA  VVV  AA", "VVVA  VVV  AA", "VVVA  VVV  AA", "VVVA  VVV  AA"}},
    {"@introduceDomain, the driver may read",
     "@introduceDomain",
     NULL,
     "n0 r2",
     {"VVV.  VVV  ..", "VVVA  VVV  AA", "VVVA  VVV  AA", "VVV.  VVV  AA", "VVVA  VVV  AA"}},
    {"@releaseDomain, all may read",
     "@releaseDomain",
     NULL,
     "r0",
     {"VVV.  VVV  ..", "VVV.  VVV  AA", "VVV.  VVV  AA", "VVV.  VVV  AA", "VVV.  VVV  AA"}},
    {"@releaseDomain, the guest may read",
     "@releaseDomain",
     NULL,
     "n0 r1",
     {"VVV.  VVV  ..", "VVV.  VVV  AA", "VVV.  VVV  AA", "VVVA  VVV  AA", "VVVA  VVV  AA"}},
};

static unsigned owner_of(const char *permissions)
{
	return permissions ? (unsigned)strtoul(permissions + 1, NULL, 10) : ACCESS_GUEST_DOMID;
}

static void format_payload(const struct row *row, enum operation operation, enum access_caller caller, char out[PAYLOAD_SIZE])
{
	unsigned owner = owner_of(row->node), other = caller == ACCESS_ROOT ? ACCESS_GUEST_DOMID : access_domid(caller);
	int len = snprintf(out, PAYLOAD_SIZE, "%s|", row->path);
	char *rest = out + len;
	size_t room = PAYLOAD_SIZE - (size_t)len;

	switch (operation) {
	case DIRECTORY_PART:
		snprintf(rest, room, "0|");
		break;
	case WRITE:
		snprintf(rest, room, "changed");
		break;
	case SET_PERMS:
		snprintf(rest, room, "n%u|b%u|r%u|", owner, ACCESS_DRIVER_DOMID, ACCESS_STRANGER_DOMID);
		break;
	case GIVE:
		snprintf(rest, room, "n%u|", owner ? 0 : other);
		break;
	default:
		break;
	}
}

/* Makes the state of the row, whatever was there before. */
static void make_row(const struct check *check, const struct row *row)
{
	if (row->parent) {
		order(check, MESSAGE_RM, 0, "/access|");
		make_node(check, 0, "/access", "n0");
		make_node(check, 0, PARENT, row->parent);
	}
	if (*row->path == '@')
		set_permissions(check, 0, row->path, row->node);
	else if (row->node)
		make_node(check, 0, row->path, row->node);
}

static const char *error_of_letter(char letter)
{
	switch (letter) {
	case 'A':
		return "EACCES";
	case 'N':
		return "ENOENT";
	case 'P':
		return "EPERM";
	case 'S':
		return "ENOSYS";
	case 'V':
		return "EINVAL";
	default:
		return "";
	}
}

/* The operation's letter: spaces only part the columns. */
static char letter_of(const char *letters, int operation)
{
	while (*letters == ' ' || operation-- > 0)
		letters++;
	return *letters;
}

static bool changes_state(const struct row *row, enum operation operation)
{
	bool is_there = row->node;

	switch (operation) {
	case WRITE:
	case SET_PERMS:
	case GIVE:
		return true;
	case RM:
		return is_there;
	case MKDIR:
		return !is_there;
	default:
		return false;
	}
}

static bool tell_all_events(const struct check *check, struct buffer *out)
{
	const char *event;
	bool any = false;

	ask(check, ACCESS_ROOT, MESSAGE_GET_DOMAIN_PATH, 0, "0|");
	while ((event = check->driver->event(ACCESS_ROOT))) {
		buffer_printf(out, " %s", event);
		any = true;
	}
	return any;
}

/* Asks, in a transaction of its own if that is what is checked; false if what came is not what the row says. */
static bool ask_as_row_says(struct check *check, const struct row *row, enum access_caller caller, enum operation operation,
			    const char *expected)
{
	uint32_t transaction = check->in_transaction ? start(check, caller) : 0;
	char payload[PAYLOAD_SIZE], error[16];

	format_payload(row, operation, caller, payload);
	snprintf(error, sizeof(error), "%s", ask(check, caller, operation_types[operation], transaction, payload).error);
	if (transaction) {
		struct access_answer end = ask(check, caller, MESSAGE_TRANSACTION_END, transaction, "T|");
		ck_assert_msg(!*end.error, "TRANSACTION_END: %s", end.error);
	}
	if (!strcmp(error, expected))
		return true;
	buffer_printf(&check->problems, "%s, %s %s by %s: \"%s\" instead of \"%s\"\n", row->what,
		      message_type_name(operation_types[operation]), payload, caller_names[caller], error, expected);
	return false;
}

/* Returns whether the state is still that of the row. */
static bool check_cell(struct check *check, const struct row *row, enum access_caller caller, enum operation operation)
{
	const char *top = row->parent ? "/access" : row->path;
	char letter = letter_of(row->answers[caller], (int)operation);
	bool changes = letter == '.' && changes_state(row, operation);
	struct buffer before, after, events;

	buffer_init(&before);
	buffer_init(&after);
	buffer_init(&events);
	describe(check, top, 0, &before);
	forget_events(check);
	bool right = ask_as_row_says(check, row, caller, operation, error_of_letter(letter));
	bool told = tell_all_events(check, &events);
	describe(check, top, 0, &after);
	buffer_add_nul(&before);
	buffer_add_nul(&after);
	buffer_add_nul(&events);
	bool changed = strcmp(before.bytes, after.bytes);
	if (right && (told != changes || changed != changes))
		buffer_printf(&check->problems, "%s, operation %d by %s: events:%s\nbefore:%s\nafter:%s\n", row->what,
			      (int)operation, caller_names[caller], (const char *)events.bytes, (const char *)before.bytes,
			      (const char *)after.bytes);
	buffer_deinit(&before);
	buffer_deinit(&after);
	buffer_deinit(&events);
	return !changed;
}

void access_check_nodes(const struct access_driver *driver, bool in_transaction)
{
	struct check check;

	check_init(&check, driver, in_transaction);
	watch(&check, ACCESS_ROOT, "/|all");
	watch(&check, ACCESS_ROOT, "@introduceDomain|all");
	watch(&check, ACCESS_ROOT, "@releaseDomain|all");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_row(&check, &rows[i]);
		for (int caller = 0; caller < ACCESS_CALLERS; caller++) {
			for (int operation = 0; operation < OPERATIONS; operation++) {
				if (!check_cell(&check, &rows[i], (enum access_caller)caller, (enum operation)operation))
					make_row(&check, &rows[i]);
			}
		}
	}
	check_end(&check);
}

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

void access_check_others(const struct access_driver *driver)
{
	struct check check;

	check_init(&check, driver, false);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const struct other *other = &others[i];
		for (int caller = 0; caller < ACCESS_CALLERS; caller++) {
			char letter = caller == ACCESS_ROOT ? other->root : other->others;
			if (letter == '-')
				continue;
			struct access_answer answer = ask(&check, (enum access_caller)caller, other->type, 0, other->payload);
			if (strcmp(answer.error, error_of_letter(letter)) != 0)
				buffer_printf(&check.problems, "type %u %s by %s: \"%s\" instead of \"%s\"\n", other->type,
					      other->payload, caller_names[caller], answer.error, error_of_letter(letter));
		}
	}
	check_end(&check);
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

static void make_change(const struct check *check, const struct event_row *row)
{
	uint32_t transaction = check->in_transaction || row->change == CREATE ? start(check, ACCESS_ROOT) : 0;

	switch (row->change) {
	case CHANGE_VALUE:
		order(check, MESSAGE_WRITE, transaction, NODE "|changed");
		break;
	case CREATE:
		make_node(check, transaction, NODE, row->after);
		break;
	case REMOVE:
		order(check, MESSAGE_RM, transaction, NODE "|");
		break;
	case REMOVE_PARENT:
		order(check, MESSAGE_RM, transaction, PARENT "|");
		break;
	case CHANGE_PERMISSIONS:
		set_permissions(check, transaction, NODE, row->after);
		break;
	}
	if (transaction)
		order(check, MESSAGE_TRANSACTION_END, transaction, "T|");
}

/* Compares events with letters, in whatever order they came. */
static void check_told(struct check *check, const struct event_row *row, enum access_caller caller)
{
	static const char *const told[][3] = {
	    {"n", NODE "|node", NODE "|root"}, {"p", PARENT "|root", NULL}, {"e", NODE "|node", NULL}};
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
	ask(check, caller, MESSAGE_GET_DOMAIN_PATH, 0, "0|");
	while ((event = check->driver->event(caller))) {
		n_got++;
		right = right && strstr(expected.bytes, event);
		buffer_printf(&got, " %s", event);
	}
	buffer_add_nul(&got);
	if (!right || n_got != n_expected)
		buffer_printf(&check->problems, "%s is told to %s by%s instead of%s\n", row->what, caller_names[caller],
			      (const char *)got.bytes, (const char *)expected.bytes);
	buffer_deinit(&expected);
	buffer_deinit(&got);
}

void access_check_events(const struct access_driver *driver, bool in_transaction)
{
	struct check check;

	check_init(&check, driver, in_transaction);
	for (int caller = 0; caller < ACCESS_CALLERS; caller++) {
		watch(&check, (enum access_caller)caller, "/|root");
		watch(&check, (enum access_caller)caller, NODE "|node");
	}
	make_node(&check, 0, "/access", "n0");
	for (size_t i = 0; i < sizeof(event_rows) / sizeof(event_rows[0]); i++) {
		const struct event_row *row = &event_rows[i];
		order(&check, MESSAGE_RM, 0, PARENT "|");
		make_node(&check, 0, PARENT, row->parent);
		if (row->before)
			make_node(&check, 0, NODE, row->before);
		forget_events(&check);
		make_change(&check, row);
		for (int caller = 0; caller < ACCESS_CALLERS; caller++)
			check_told(&check, row, (enum access_caller)caller);
	}
	check_end(&check);
}
