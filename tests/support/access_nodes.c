/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domain 0 makes the state that a row describes, the caller asks, and domain 0 looks at what has become of it.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/access_check.h"

#define DEEP ACCESS_PARENT "/missing/node"

enum { PATH_SIZE = 64, TREE_DEPTH_MAX = 4 };

/* The subtree in words: path, value, permissions, and the names in each list. */
static void describe(const struct access_check *check, const char *path, int depth, struct buffer *out)
{
	static const uint32_t types[] = {MESSAGE_READ, MESSAGE_GET_PERMS, MESSAGE_DIRECTORY};
	char payload[PATH_SIZE], names[ACCESS_PAYLOAD_SIZE];
	struct access_answer answer = {0};

	ck_assert_int_lt(depth, TREE_DEPTH_MAX);
	snprintf(payload, sizeof(payload), "%s|", path);
	buffer_printf(out, "\n%s:", path);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		answer = access_ask(check, ACCESS_ROOT, types[i], 0, payload);
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
    {"the guest's", ACCESS_NODE, "n0", "n1", {MAY_ALL, OWNS, OWNS, NOTHING, NOTHING}},
    {"the guest's, the driver may read", ACCESS_NODE, "n0", "n1 r2", {MAY_ALL, OWNS, OWNS, READS, NOTHING}},
    {"the guest's, the driver may write", ACCESS_NODE, "n0", "n1 w2", {MAY_ALL, OWNS, OWNS, WRITES, NOTHING}},
    {"the guest's, the driver may both", ACCESS_NODE, "n0", "n1 b2", {MAY_ALL, OWNS, OWNS, READS_AND_WRITES, NOTHING}},
    {"the guest's, all may read", ACCESS_NODE, "n0", "r1", {MAY_ALL, OWNS, OWNS, READS, READS}},
    {"the driver's, the guest may read", ACCESS_NODE, "n0", "n2 r1", {MAY_ALL, READS, READS, OWNS, NOTHING}},
    {"the device model's", ACCESS_NODE, "n0", "n3", {MAY_ALL, NOTHING, OWNS, NOTHING, NOTHING}},
    {"the stranger's", ACCESS_NODE, "n0", "n4", {MAY_ALL, NOTHING, NOTHING, NOTHING, OWNS}},
    {"domain 0's", ACCESS_NODE, "n0", "n0", {MAY_ALL, NOTHING, NOTHING, NOTHING, NOTHING}},
    {"domain 0's, all may read", ACCESS_NODE, "n0", "r0", {MAY_ALL, READS, READS, READS, READS}},
    {"domain 0's, all may write", ACCESS_NODE, "n0", "w0", {MAY_ALL, WRITES, WRITES, WRITES, WRITES}},
    {"domain 0's, all may both",
     ACCESS_NODE,
     "n0",
     "b0",
     {MAY_ALL, READS_AND_WRITES, READS_AND_WRITES, READS_AND_WRITES, READS_AND_WRITES}},
    {"domain 0's, the guest may read", ACCESS_NODE, "n0", "n0 r1", {MAY_ALL, READS, READS, NOTHING, NOTHING}},
    {"domain 0's, the guest may write", ACCESS_NODE, "n0", "n0 w1", {MAY_ALL, WRITES, WRITES, NOTHING, NOTHING}},
    {"domain 0's, the device model may both", ACCESS_NODE, "n0", "n0 b3", {MAY_ALL, NOTHING, READS_AND_WRITES, NOTHING, NOTHING}},
    {"domain 0's, delegated to the driver", ACCESS_NODE, "n0", "n0 b2", {MAY_ALL, NOTHING, NOTHING, READS_AND_WRITES, NOTHING}},
    {"domain 0's, all but the guest may both",
     ACCESS_NODE,
     "n0",
     "b0 n1",
     {MAY_ALL, NOTHING, NOTHING, READS_AND_WRITES, READS_AND_WRITES}},
    {"the first entry that names one counts", ACCESS_NODE, "n0", "n0 r2 b2", {MAY_ALL, NOTHING, NOTHING, READS, NOTHING}},
    {"of one and its target too", ACCESS_NODE, "n0", "n0 r3 b1", {MAY_ALL, READS_AND_WRITES, READS, NOTHING, NOTHING}},
    {"hidden below what all may read", ACCESS_NODE, "r0", "n0", {MAY_ALL, NOTHING, NOTHING, NOTHING, NOTHING}},
    {"hidden below what all may write", ACCESS_NODE, "b0", "n0", {MAY_ALL, NOTHING, NOTHING, NOTHING, NOTHING}},

    {"missing below the guest's", ACCESS_NODE, "n1", NULL, {MAKES, MAKES, MAKES, NOTHING, NOTHING}},
    {"missing below the device model's", ACCESS_NODE, "n3", NULL, {MAKES, NOTHING, MAKES, NOTHING, NOTHING}},
    {"missing below domain 0's", ACCESS_NODE, "n0", NULL, {MAKES, NOTHING, NOTHING, NOTHING, NOTHING}},
    {"missing where all may read", ACCESS_NODE, "r0", NULL, {MAKES, SEES_NONE, SEES_NONE, SEES_NONE, SEES_NONE}},
    {"missing where all may write", ACCESS_NODE, "w0", NULL, {MAKES, MAKES_BLINDLY, MAKES_BLINDLY, MAKES_BLINDLY, MAKES_BLINDLY}},
    {"missing where all may both", ACCESS_NODE, "b0", NULL, {MAKES, MAKES, MAKES, MAKES, MAKES}},
    {"missing where the guest may read", ACCESS_NODE, "n0 r1", NULL, {MAKES, SEES_NONE, SEES_NONE, NOTHING, NOTHING}},
    {"missing where the driver may both", ACCESS_NODE, "n0 b2", NULL, {MAKES, NOTHING, NOTHING, MAKES, NOTHING}},
    {"missing where the driver may write", ACCESS_NODE, "n1 w2", NULL, {MAKES, MAKES, MAKES, MAKES_BLINDLY, NOTHING}},

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
};

/* What C xenstored 4.17 does not have. */
static const struct row new_rows[] = {
    {"domain 0's, any may read", ACCESS_NODE, "n0", "n0 r32757", {MAY_ALL, READS, READS, READS, READS}},
    {"any but the guest may write",
     ACCESS_NODE,
     "n0",
     "n0 b32757 r1",
     {MAY_ALL, READS, READS, READS_AND_WRITES, READS_AND_WRITES}},
    {"any, not all others", ACCESS_NODE, "n0", "b0 n32757", {MAY_ALL, NOTHING, NOTHING, NOTHING, NOTHING}},
    {"missing where any may both", ACCESS_NODE, "n0 b32757", NULL, {MAKES, MAKES, MAKES, MAKES, MAKES}},
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

static void format_payload(const struct row *row, enum operation operation, enum access_caller caller,
			   char out[ACCESS_PAYLOAD_SIZE])
{
	unsigned owner = owner_of(row->node), other = caller == ACCESS_ROOT ? ACCESS_GUEST_DOMID : access_domid(caller);
	int len = snprintf(out, ACCESS_PAYLOAD_SIZE, "%s|", row->path);
	char *rest = out + len;
	size_t room = ACCESS_PAYLOAD_SIZE - (size_t)len;

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
static void make_row(const struct access_check *check, const struct row *row)
{
	if (row->parent) {
		access_order(check, MESSAGE_RM, 0, ACCESS_TOP "|");
		access_make_node(check, 0, ACCESS_TOP, "n0");
		access_make_node(check, 0, ACCESS_PARENT, row->parent);
	}
	if (*row->path == '@')
		access_permit(check, 0, row->path, row->node);
	else if (row->node)
		access_make_node(check, 0, row->path, row->node);
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

/* All events for domain 0, which watches everything. */
static void take_events(const struct access_check *check, struct buffer *out)
{
	const char *event;

	buffer_clear(out);
	while ((event = check->driver->event(ACCESS_ROOT)))
		buffer_printf(out, " %s", event);
	buffer_add_nul(out);
}

/* What domain 0 sees of a row's nodes, and is told of them. */
struct sight {
	struct buffer state, events;
};

static void look(const struct access_check *check, const struct row *row, struct sight *sight)
{
	take_events(check, &sight->events);
	buffer_clear(&sight->state);
	describe(check, row->parent ? ACCESS_TOP : row->path, 0, &sight->state);
	buffer_add_nul(&sight->state);
}

/* Asks, in a transaction of its own if that is what is checked; false if what came is not what the row says. */
static bool ask_as_row_says(struct access_check *check, const struct row *row, enum access_caller caller,
			    enum operation operation, const char *expected)
{
	uint32_t transaction = check->in_transaction ? access_start(check, caller) : 0;
	char payload[ACCESS_PAYLOAD_SIZE], error[16];

	format_payload(row, operation, caller, payload);
	snprintf(error, sizeof(error), "%s", access_ask(check, caller, operation_types[operation], transaction, payload).error);
	if (transaction) {
		struct access_answer end = access_ask(check, caller, MESSAGE_TRANSACTION_END, transaction, "T|");
		ck_assert_msg(!*end.error, "TRANSACTION_END: %s", end.error);
	}
	if (!strcmp(error, expected))
		return true;
	buffer_printf(&check->problems, "%s, %s %s by %s: \"%s\" instead of \"%s\"\n", row->what,
		      message_type_name(operation_types[operation]), payload, access_caller_names[caller], error, expected);
	return false;
}

/* Returns whether the state is still that of the row, as it was seen before. */
static bool check_cell(struct access_check *check, const struct row *row, enum access_caller caller, enum operation operation,
		       const struct sight *before, struct sight *after)
{
	char letter = letter_of(row->answers[caller], (int)operation);
	bool changes = letter == '.' && changes_state(row, operation);
	bool right = ask_as_row_says(check, row, caller, operation, access_error(letter));

	look(check, row, after);
	bool changed = strcmp(before->state.bytes, after->state.bytes), told = *(const char *)after->events.bytes;
	if (right && (told != changes || changed != changes))
		buffer_printf(&check->problems, "%s, operation %d by %s: events:%s\nbefore:%s\nafter:%s\n", row->what,
			      (int)operation, access_caller_names[caller], (const char *)after->events.bytes,
			      (const char *)before->state.bytes, (const char *)after->state.bytes);
	return !changed;
}

static void check_row(struct access_check *check, const struct row *row, struct sight *before, struct sight *after)
{
	make_row(check, row);
	look(check, row, before);
	for (int caller = 0; caller < ACCESS_CALLERS; caller++) {
		for (int operation = 0; operation < OPERATIONS; operation++) {
			if (check_cell(check, row, (enum access_caller)caller, (enum operation)operation, before, after))
				continue;
			make_row(check, row);
			look(check, row, before);
		}
	}
}

static void check_rows(struct access_check *check, const struct row *row, size_t n)
{
	struct sight before, after;

	buffer_init(&before.state);
	buffer_init(&before.events);
	buffer_init(&after.state);
	buffer_init(&after.events);
	for (; n--; row++)
		check_row(check, row, &before, &after);
	buffer_deinit(&before.state);
	buffer_deinit(&before.events);
	buffer_deinit(&after.state);
	buffer_deinit(&after.events);
}

void access_check_nodes(const struct access_driver *driver, bool in_transaction)
{
	struct access_check check;

	access_begin(&check, driver, in_transaction);
	access_watch(&check, ACCESS_ROOT, "/|all");
	access_watch(&check, ACCESS_ROOT, "@introduceDomain|all");
	access_watch(&check, ACCESS_ROOT, "@releaseDomain|all");
	check_rows(&check, rows, sizeof(rows) / sizeof(rows[0]));
	if (!driver->is_old_c)
		check_rows(&check, new_rows, sizeof(new_rows) / sizeof(new_rows[0]));
	access_end(&check);
}
