/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What clients with transactions see of each other, step by step. The language is that of support/stage.h: "A write /a 1" is
 * client A writing 1 to /a; A to D are privileged, 1 to 4 are guests. A step answers OK unless "=>" says otherwise; behind
 * "|" is the answer where the transactions read the newest state, their snapshots being gone (doc/transactions.md, validated
 * mode). More words:
 *
 *   A page /a     ls, answered with "same" or "changed": is the generation that of A's last list?
 *   events        what the step before told watches, in its order; "=/a" only to those set on /a itself
 *   watch /a      somebody watches /a
 *   limit 5       no guest may own more nodes
 *   size 40       no guest may make larger nodes
 *   { ... }       one turn of the daemon: one commit for all
 *
 * Every script is played three times: with snapshots; with those of open transactions dropped just before each end; and
 * dropped right after each start.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/snapshot.h"
#include "support/stage.h"
#include "support/suite.h"

enum mode { SNAPSHOTS, DROPPED_LATE, DROPPED_EARLY, MODES };

static const char *const mode_names[MODES] = {"with snapshots", "without, from the end on", "without, from the start on"};

struct script {
	const char *name;
	const char *steps;
};

static struct stage stage;

static void setup(void)
{
	stage_open(&stage, 0);
}

static void teardown(void)
{
	const char *problem = stage_problem(&stage);

	if (*problem)
		ck_abort_msg("%s", problem);
	stage_close(&stage);
}

/* ---- playing ---- */

static const char *page(const char *step)
{
	struct stage_client *client = stage_client(&stage, step[0]);
	uint64_t before = client->list_generation;
	char words[STAGE_TEXT];

	snprintf(words, sizeof(words), "%c ls %s", step[0], step + sizeof("A page ") - 1);
	const char *answer = stage_say(&stage, words);
	if (!strncmp(answer, "E", 1))
		return answer;
	return client->list_generation == before ? "same" : "changed";
}

/* Words of this test; NULL: it is a step of the stage. */
static const char *extra(const char *step)
{
	static char events[STAGE_EVENTS];

	if (!strcmp(step, "events")) {
		snprintf(events, sizeof(events), "%s", *stage.events ? stage.events : "(none)");
		return events;
	}
	if (!strcmp(step, "{") || !strcmp(step, "}")) {
		stage.together = *step == '{';
		return stage.together ? "OK" : stage_say(&stage, "commit");
	}
	if (!strncmp(step, "watch ", 6)) {
		stage_watch(&stage, step + 6);
		return "OK";
	}
	if (!strncmp(step, "limit ", 6) || !strncmp(step, "size ", 5)) {
		uint32_t number = (uint32_t)atoi(strchr(step, ' '));
		if (*step == 'l')
			stage.limits.nodes = number;
		else
			stage.limits.node_size = number;
		return "OK";
	}
	return step[0] && !strncmp(step + 1, " page ", 6) ? page(step) : NULL;
}

static bool is_verb(const char *step, const char *verb)
{
	return step[0] && step[1] == ' ' && !strcmp(step + 2, verb);
}

static const char *play_step(const char *step, enum mode mode)
{
	const char *answer = extra(step);

	if (mode == DROPPED_LATE && is_verb(step, "end"))
		snapshots_drop_all(stage.store);
	if (!answer)
		answer = stage_say(&stage, step);
	if (mode == DROPPED_EARLY && is_verb(step, "start"))
		snapshots_drop_all(stage.store);
	return answer;
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \n\t");
	for (len = strlen(text); len && strchr(" \n\t", text[len - 1]); len--)
		text[len - 1] = 0;
	return text;
}

/* Cuts `text` at the first `mark`; what is behind, or NULL. */
static char *cut(char *text, const char *mark)
{
	char *at = text ? strstr(text, mark) : NULL;

	if (!at)
		return NULL;
	*at = 0;
	return trim(at + strlen(mark));
}

static void play(const struct script *script, enum mode mode)
{
	char *steps = strdup(script->steps), *at = steps;
	size_t number = 0;

	for (char *step; (step = strsep(&at, ";"));) {
		char *expected = cut(step, "=>"), *early = cut(expected, "|");
		step = trim(step);
		if (!*step)
			continue;
		number++;
		const char *wanted = expected ? trim(expected) : "OK";
		if (early && mode == DROPPED_EARLY)
			wanted = early;
		const char *answer = play_step(step, mode);
		if (strcmp(answer, wanted))
			ck_abort_msg("%s, %s: step %zu, \"%s\", answered %s instead of %s", script->name, mode_names[mode],
				     number, step, answer, wanted);
	}
	free(steps);
}

static void play_in_all_modes(const struct script *script)
{
	for (enum mode mode = SNAPSHOTS; mode < MODES; mode++) {
		stage.limits = (struct tree_limits){UINT32_MAX, UINT32_MAX, UINT32_MAX, 0};
		stage.n_watched = 0;
		stage_clear(&stage);
		play(script, mode);
		ck_assert_str_eq(stage_problem(&stage), "");
	}
}

/* ---- what conflicts with what ---- */

/*
 * The tree: /d, which all may read and write, and in it /d/p, which belongs to guest 1, with a child /d/p/k. There is no /d/q.
 * While a transaction that has done something is open, another client makes one of these changes.
 */
static const char scene[] =
    "A mkdir /d; A chmod /d b0; A write /d/p 1; A chmod /d/p b1; A write /d/p/k 1; A mkdir /mark; A chmod /mark b0";

static const struct {
	char letter;
	const char *steps;
} others[] = {
    {'v', "B write /d/p 2"},
    {'o', "B chmod /d/p b1,r4"},
    {'c', "B mkdir /d/p/n"},
    {'k', "B rm /d/p/k"},
    {'K', "B write /d/p/k 2"},
    {'x', "B rm /d/p"},
    {'X', "B rm /d/p; B write /d/p 1; B chmod /d/p b1; B write /d/p/k 1"},
    {'s', "B mkdir /d/s"},
    {'q', "B mkdir /d/q"},
    {'Q', "B mkdir /d/q; B rm /d/q"},
    {'b', "B write /d/q/r 1"},
    {'w', "B write /d 2"},
    {'P', "B chmod /d b0,r4"},
    {'D', "B rm /d; B mkdir /d; B chmod /d b0; B write /d/p 1; B chmod /d/p b1; B write /d/p/k 1"},
};

/* What a transaction does, and with which of these changes it is in conflict: all others leave it alone. */
struct row {
	char client;
	const char *does; /* each with the client before it */
	const char *conflicts;
};

static const struct row rows[] = {
    /* The node is there. */
    {'A', "read /d/p => 1", "vxXD"},
    {'1', "read /d/p => 1", "ovxXD"},
    {'A', "perms /d/p => b1", "oxXD"},
    {'1', "perms /d/p => b1", "oxXD"},
    {'A', "ls /d/p => k", "ckxXD"},
    {'1', "ls /d/p => k", "ockxXD"},
    {'A', "write /d/p 5", "xXD"},
    {'1', "write /d/p 5", "oxXD"},
    {'A', "mkdir /d/p", "xXD"},
    {'1', "mkdir /d/p", "oxXD"},
    {'A', "rm /d/p", "xXD"},
    {'1', "rm /d/p", "oxXD"},
    {'A', "chmod /d/p r1", "oxXD"},
    {'1', "chmod /d/p r1", "oxXD"},
    {'2', "chmod /d/p r1 => EACCES", "oxXD"},
    {'1', "chmod /d/p r2 => EPERM", "oxXD"},

    /* It is missing, its parent is there. */
    {'A', "read /d/q => ENOENT", "qbD"},
    {'1', "read /d/q => ENOENT", "qbPD"},
    {'A', "perms /d/q => ENOENT", "qbD"},
    {'1', "perms /d/q => ENOENT", "qbPD"},
    {'A', "ls /d/q => ENOENT", "qbD"},
    {'1', "ls /d/q => ENOENT", "qbPD"},
    {'A', "write /d/q 5", "qbPD"},
    {'1', "write /d/q 5", "qbPD"},
    {'A', "mkdir /d/q", "qbPD"},
    {'1', "mkdir /d/q", "qbPD"},
    {'A', "rm /d/q", "qbD"},
    {'1', "rm /d/q", "qbPD"},
    {'A', "chmod /d/q r1 => ENOENT", "qbD"},
    {'1', "chmod /d/q r1 => ENOENT", "qbPD"},

    /* Its parent is missing too: who creates has only to find the node itself missing at the end. */
    {'A', "read /d/q/r => ENOENT", "qbD"},
    {'1', "read /d/q/r => ENOENT", "qbPD"},
    {'A', "ls /d/q/r => ENOENT", "qbD"},
    {'A', "perms /d/q/r => ENOENT", "qbD"},
    {'A', "rm /d/q/r => ENOENT", "qbD"},
    {'1', "rm /d/q/r => ENOENT", "qbPD"},
    {'A', "chmod /d/q/r r1 => ENOENT", "qbD"},
    {'A', "write /d/q/r 5", "bPD"},
    {'1', "write /d/q/r 5", "bPD"},
    {'A', "mkdir /d/q/r", "bPD"},
    {'1', "mkdir /d/q/r", "bPD"},
    {'1', "mkdir /d/q/r/s", "PD"},

    /* It was created here: nothing more is observed. */
    {'A', "write /d/q 5; read /d/q => 5", "qbPD"},
    {'1', "write /d/q 5; write /d/q 6; read /d/q => 6", "qbPD"},
    {'1', "write /d/q 5; perms /d/q => b1", "qbPD"},
    {'A', "write /d/q 5; ls /d/q => (none)", "qbPD"},
    {'1', "write /d/q 5; mkdir /d/q", "qbPD"},
    {'1', "write /d/q 5; chmod /d/q r1", "qbPD"},
    {'A', "write /d/q 5; rm /d/q", "qbPD"},
    {'A', "write /d/q 5; read /d/q/r => ENOENT", "qbPD"},
    {'A', "write /d/q 5; rm /d/q; read /d/q => ENOENT", "qbPD"},
    {'A', "write /d/q 5; rm /d/q; write /d/q 6", "qbPD"},

    /* It was ensured here: from the moment that an answer shows it, it must be this transaction's own. */
    {'A', "write /d/q/r 5; write /d/q 6", "bPD"},
    {'1', "write /d/q/r 5; mkdir /d/q", "bPD"},
    {'1', "write /d/q/r 5; mkdir /d/q/s", "bPD"},
    {'1', "write /d/q/r 5; rm /d/q/r", "bPD"},
    {'A', "write /d/q/r 5; rm /d/q/s", "bPD"},
    {'A', "write /d/q/r 5; read /d/q => (empty)", "qbPD"},
    {'A', "write /d/q/r 5; read /d/q/r => 5", "qbPD"},
    {'1', "write /d/q/r 5; read /d/q/s => ENOENT", "qbPD"},
    {'A', "write /d/q/r 5; ls /d/q => r", "qbPD"},
    {'1', "write /d/q/r 5; perms /d/q/r => b1", "qbPD"},
    {'A', "write /d/q/r 5; chmod /d/q n0", "qbPD"},
    {'1', "write /d/q/r 5; chmod /d/q/r n1", "qbPD"},
    {'A', "write /d/q/r 5; rm /d/q", "qbPD"},
    {'A', "write /d/q/r 5; ls /d => p q", "xXsqQbPD"},

    /* It was removed here, as much as the removal has observed. */
    {'A', "rm /d/p; read /d/p => ENOENT", "xXD"},
    {'1', "rm /d/p; read /d/p/k => ENOENT", "oxXPD"},
    {'A', "rm /d/p; rm /d/p", "xXD"},
    {'A', "rm /d/p; rm /d/p/k => ENOENT", "xXD"},
    {'A', "rm /d/p; write /d/p 5", "xXPD"},
    {'1', "rm /d/p; write /d/p 5; read /d/p => 5", "oxXPD"},
    {'A', "rm /d/p; mkdir /d/p; ls /d/p => (none)", "xXPD"},
    {'A', "rm /d/p; write /d/p/k 5; ls /d/p => k; read /d/p/k => 5", "xXPD"},
    {'A', "rm /d/p; write /d/p/n 5; read /d/p/k => ENOENT; perms /d/p => b0", "xXPD"},
    {'A', "rm /d/p; ls /d => (none)", "xXsqQbD"},

    /* It was changed here: what was set is no more observed. */
    {'A', "write /d/p 5; read /d/p => 5", "xXD"},
    {'A', "write /d/p 5; perms /d/p => b1", "oxXD"},
    {'A', "write /d/p 5; ls /d/p => k", "ckxXD"},
    {'A', "mkdir /d/p/n; ls /d/p => k n", "ockxXD"},
    {'A', "mkdir /d/p/n", "ocxXD"},
    {'A', "rm /d/p/k", "kxXD"},
    {'A', "rm /d; ls /d => ENOENT", "D"},
};

/* Plays one row against one change. `first`: the change comes before the transaction does anything. */
static void play_row(const struct row *row, size_t other, enum mode mode, bool first)
{
	char does[512], steps[2048], name[512], *to = does, *copy = strdup(row->does), *at = copy;
	const char *outcome = strchr(row->conflicts, others[other].letter) ? "EAGAIN" : "OK";

	for (char *step; (step = strsep(&at, ";"));)
		to += sprintf(to, "%c %s; ", row->client, trim(step));
	free(copy);
	/* A change that has not been seen makes sure that the end has something to do. */
	sprintf(to, "%c write /mark 1", row->client);
	snprintf(steps, sizeof(steps), "%s; %c start; %s; %s; %c end => %s", scene, row->client,
		 first ? others[other].steps : does, first ? does : others[other].steps, row->client, outcome);
	snprintf(name, sizeof(name), "%c: %s, while %s%s", row->client, row->does, others[other].steps,
		 first ? " comes first" : "");
	stage_clear(&stage);
	play(&(struct script){name, steps}, mode);
}

START_TEST(a_transaction_conflicts_with_just_what_its_answers_have_shown)
{
	for (size_t other = 0; other < sizeof(others) / sizeof(others[0]); other++) {
		for (enum mode mode = SNAPSHOTS; mode < MODES; mode++)
			play_row(&rows[_i], other, mode, false);
		/* With a snapshot it is the same when the change comes first, answers included. */
		play_row(&rows[_i], other, SNAPSHOTS, true);
	}
}
END_TEST

/* ---- stories ---- */

static const struct script scripts[] = {
    {"a transaction reads the state of its start",
     "A write /a 1; A start; B write /a 2; A read /a => 1 | 2; A read /a => 1 | 2; B rm /a;"
     "A read /a => 1 | ENOENT; A end => OK | EAGAIN"},
    {"a transaction reads its own changes, others do not",
     "A start; A write /a 1; A read /a => 1; B read /a => ENOENT; A end; B read /a => 1"},
    {"a transaction that is forgotten has done nothing", "A write /a 1; A start; A write /a 2; A rm /tool; A mkdir /b/c; A "
							 "forget; events => (none); A read /a => 1; A ls / => tool a"},
    {"without changes there is no conflict", "A write /a 1; A start; A read /a => 1; B write /a 2; A end; A end => ENOENT"},
    {"forgetting works for a transaction that cannot win any more",
     "A write /a 1; A start; A read /a => 1; A write /b 1; B write /a 2; A read /a => 1 | 2; A forget; A read /b => ENOENT"},
    {"a transaction that cannot win sees the newest state and its own changes",
     "A write /a 1; A start; A write /b 1; B write /a 2; A read /a => 1 | 2; B write /a 3; A read /a => 1 | 3; A read /b => 1; A "
     "end => EAGAIN"},
    {"a transaction that has lost the ground under what it made goes on",
     "A mkdir /d; A start; A mkdir /d/x; B rm /d; A write /d/x/y/z 1; A rm /d/x; A rm /d; A mkdir /d/x/y/z; A read /d/x/y => "
     "(empty); A end => EAGAIN;"
     "A ls / => tool"},
    {"there is one transaction within a transaction", "A start; A start => EBUSY; A forget"},

    /* Writers */
    {"of two blind writers both commit and the later wins",
     "A write /a 0; A start; B start; A write /a 1; B write /a 2; B end; A end; C read /a => 1"},
    {"of two who read before they write one has to try again",
     "A write /a 1; A start; B start; A read /a => 1; B read /a => 1; A write /a 2; B write /a 2; A end; B end => EAGAIN; C read "
     "/a => 2"},
    {"read-write skew: each reads what the other writes", "A write /x 0; A write /y 0; A start; B start; A read /x => 0; B read "
							  "/y => 0; A write /y 1; B write /x 1; A end; B end => EAGAIN;"
							  "C read /x => 0; C read /y => 1"},
    {"read-write skew in a ring of three",
     "A write /x 0; A write /y 0; A write /z 0; A start; B start; C start; A read /x => 0; B read /y => 0; C read /z => 0;"
     "A write /y 1; B write /z 1; C write /x 1; A end; B end => EAGAIN; C end; D read /z => 0"},
    {"skew of absence: each creates what the other found missing",
     "A start; B start; A read /x => ENOENT; B read /y => ENOENT; A write /y 1; B write /x 1; A end; B end => EAGAIN"},
    {"a reader that nobody disturbs commits after a writer",
     "A write /x 0; A write /y 0; A start; B start; A read /x => 0; A write /r 1; B write /y 1; B end; A end"},
    {"a single request counts like a transaction",
     "A write /x 0; A start; A read /x => 0; A write /y 1; B write /x 0; A end => EAGAIN"},
    {"earlier requests of the same turn count",
     "A write /x 0; A start; A read /x => 0; A write /y 1; { ; B write /x 1; A end => EAGAIN; } ; A read /y => ENOENT"},
    {"of two transactions that end in the same turn the second sees the first",
     "A write /x 0; A start; B start; A read /x => 0; B read /x => 0; A write /x 1; B write /x 2; { ; A end; B end => EAGAIN; } "
     "; C read /x => 1"},
    {"the ends of transactions in a turn that fails are undone with it",
     "A start; A write /a 1; B start; B write /b 1; B forget; { ; A end; C write /c 1; B end => ENOENT; abort; }; A read /a => "
     "1; C read /c => ENOENT;"
     "{ ; A end; B start; B read /a => 1; B forget; } ; A read /a => 1"},
    {"a removal in a turn that fails has not happened", "A write /a 1; A start; A write /b 1; { ; C rm /a; abort; } ; B write /x "
							"1; A read /a => 1; A rm /a; { ; A end; abort; }; A read /a => ENOENT;"
							"A end; C read /a => ENOENT"},

    /* Lists */
    {"siblings do not conflict", "A mkdir /d; A start; B start; C start; A write /d/a 1; B write /d/b 1; C write /d/c 1; C end; "
				 "A end; B end; A ls /d => c a b"},
    {"siblings that come and go do not conflict",
     "A write /d/x 1; A write /d/y 1; A start; B start; A rm /d/x; B rm /d/y; A write /d/z 1; A end; B end; A ls /d => z"},
    {"who has seen the list conflicts with who changes it",
     "A mkdir /d; A start; A ls /d => (none); B mkdir /d/x; A mkdir /d/y; A end => EAGAIN"},
    {"... not with who changes what is in the list",
     "A write /d/x 1; A start; A ls /d => x; B write /d/x 2; B mkdir /d/x/y; A mkdir /e; A end"},
    {"a name that comes and goes has changed the list",
     "A mkdir /d; A start; A ls /d => (none); B mkdir /d/x; B rm /d/x; A mkdir /e; A end => EAGAIN"},
    {"a name that comes and goes within a transaction has not",
     "A mkdir /d; A start; A ls /d => (none); B start; B mkdir /d/x; B rm /d/x; B mkdir /e; B end; A mkdir /f; A end"},
    {"names are in the order of creation",
     "A mkdir /d/z; A mkdir /d/m; A mkdir /d/a; A start; A mkdir /d/y; A rm /d/m; A mkdir /d/b; A ls /d => z a y b; A mkdir /d/m;"
     "A ls /d => z a y b m; A end; A ls /d => z a y b m"},
    {"what is created meanwhile comes before what the transaction creates",
     "A mkdir /d; A start; A mkdir /d/x; B mkdir /d/y; A end; A ls /d => y x"},
    {"what was removed and made again is last",
     "A mkdir /d/x; A mkdir /d/y; A start; A rm /d/x; A mkdir /d/x; A ls /d => y x; A end; A ls /d => y x"},
    {"a list made here is all new", "A write /d/x 1; A write /d/y 1; A start; A rm /d; A ls /d => ENOENT; A mkdir /d; A ls /d => "
				    "(none); A write /d/y 2; A write /d/a 2; A ls /d => y a;"
				    "A read /d/x => ENOENT; A end; A ls /d => y a; A read /d/y => 2"},
    {"a name made by two is in the list once", "A mkdir /d; A start; A mkdir /d/x; B mkdir /d/x; A ls /d => x; A end => EAGAIN"},

    /* DIRECTORY_PART */
    {"pages belong together as long as the list is the same",
     "A mkdir /d/x; A page /d => changed; A page /d => same; A write /d/x 1; A write /d 1; A mkdir /d/x/y; A chmod /d r0; A page "
     "/d => same;"
     "A mkdir /d/y; A page /d => changed; A page /d => same; A rm /d/x; A page /d => changed"},
    {"the pages of a snapshot are the same whatever others do",
     "A mkdir /d/x; A start; A page /d => changed; B mkdir /d/y; A page /d => same | changed; A page /d => same; A end => OK | "
     "EAGAIN"},
    {"pages change with the transaction's own list", "A mkdir /d/x; A start; A page /d => changed; A mkdir /d/y; A page /d => "
						     "changed; A page /d => same; A rm /d/x; A page /d => changed;"
						     "A rm /d/y; A page /d => changed; A rm /d/y; A page /d => same"},
    {"... and not with its other changes", "A mkdir /d/x; A mkdir /e; A start; A mkdir /d/y; A page /d => changed; A mkdir /e/y; "
					   "A rm /e; A write /d/x 1; A write /d 1; A mkdir /d/x/z;"
					   "A page /d => same; A forget"},
    {"a directory that is made again has other pages", "A mkdir /d/x; A start; A mkdir /e; A page /e => changed; A rm /e; A "
						       "mkdir /e; A page /e => changed; A page /d => changed; A rm /d;"
						       "A mkdir /d; A page /d => changed; A page /d => same; A forget"},
    {"pages of an own list change when others change what is below it",
     "A mkdir /d/x; A start; A mkdir /d/y; A page /d => changed; B mkdir /d/z; A page /d => same | changed; A page /d => same; A "
     "end => EAGAIN"},

    /* Absence */
    {"what was missing must still be", "A start; A read /x => ENOENT; A write /y 1; B write /x 1; A end => EAGAIN"},
    {"... or again", "A start; A read /x => ENOENT; A write /y 1; B write /x 1; B rm /x; A end"},
    {"what was missing and is looked at again after it came and went",
     "A start; B write /x 1; B rm /x; A read /x => ENOENT; A write /y 1; A end => OK | EAGAIN"},
    {"the topmost missing node counts, not those below",
     "A start; A read /x/y/z => ENOENT; A write /r 1; B mkdir /x; A end => EAGAIN; A rm /x; A start; A read /x/y/z => ENOENT; A "
     "write /r 2; B mkdir /w; A end"},
    {"removal of what is missing: the parent decides",
     "A rm /x; A rm /x/y => ENOENT; A start; A rm /x; A rm /x/y => ENOENT; B mkdir /x; A write /r 1; A end => EAGAIN"},
    {"a node that another creates first", "A start; B start; A write /x 1; B write /x 2; B end; A end => EAGAIN; A read /x => 2"},
    {"a node that another made and removed meanwhile", "A start; A write /x 1; B write /x 2; B rm /x; A end; A read /x => 1"},

    /* Permissions */
    {"permissions decide about the unprivileged, so they count",
     "A mkdir /g; A chmod /g n1; A write /x 1; A chmod /x r0; 1 start; 1 read /x => 1; B chmod /x n0; B chmod /x r0; 1 write "
     "/g/y 1; 1 end => EAGAIN"},
    {"... and not for the privileged", "A write /x 1; A start; A read /x => 1; B chmod /x n3; A write /y 1; A end"},
    {"GET_PERMS shows them to all", "A mkdir /x; A start; A perms /x => n0; B chmod /x n3; A write /y 1; A end => EAGAIN"},
    {"... as they were at the start", "A mkdir /x; A start; B chmod /x n3; A perms /x => n0 | n3; A end => OK | EAGAIN"},
    {"SET_PERMS is never blind",
     "A mkdir /x; A start; B start; A chmod /x n1; B chmod /x n2; A end; B end => EAGAIN; A perms /x => n1"},
    {"a refusal is an answer", "A mkdir /g; A chmod /g n1; A write /x 1; 1 start; 1 read /x => EACCES; 1 write /g/y 1; B chmod "
			       "/x r0; 1 end => EAGAIN; 1 read /x => 1"},
    {"... of a write too",
     "A mkdir /g; A chmod /g n1; A write /x 1; 1 start; 1 write /x 2 => EACCES; 1 write /g/y 1; B chmod /x b0; 1 end => EAGAIN"},
    {"... of a creation, which a node made above would have allowed",
     "A mkdir /g; A chmod /g n1; A mkdir /r; A chmod /r r0; 1 start; 1 write /r/n/x 1 => EACCES; 1 write /g/y 1; B mkdir /r/n; B "
     "chmod /r/n b0;"
     "1 end => EAGAIN; 1 write /r/n/x 1"},
    {"a missing node is ENOENT to who may read the nearest above, else EACCES",
     "A mkdir /r; A chmod /r r0; A mkdir /s; 1 start; 1 read /r/x/y => ENOENT; 1 read /s/x/y => EACCES; 1 ls /s/x => EACCES; 1 "
     "perms /r/x => ENOENT;"
     "1 write /r/x 1 => EACCES; 1 mkdir /r/x => EACCES; 1 rm /r/x => EACCES; 1 rm /r/x/y => EACCES; 1 chmod /r/x n1 => EACCES; 1 "
     "forget"},
    {"a guest that could not see whether a node is there conflicts with its coming",
     "A mkdir /g; A chmod /g n1; A mkdir /s; 1 start; 1 read /s/x => EACCES; 1 write /g/y 1; B mkdir /s/x; 1 end => EAGAIN"},
    {"a guest gives its rights up and back",
     "A mkdir /g; A chmod /g n1; 1 write /g/x 1; 2 start; 2 read /g/x => EACCES; 2 forget; 1 start; 1 chmod /g/x r1; 1 perms "
     "/g/x => r1; 2 read /g/x => EACCES;"
     "1 end; 2 read /g/x => 1; 1 start; 1 chmod /g/x n2 => EPERM; 1 chmod /g/x n1,b2; 1 end; 2 write /g/x 2"},
    {"who creates inherits, and the unprivileged own what they create",
     "A mkdir /d; A chmod /d b3,r4; 1 start; 1 write /d/x/y 1; 1 perms /d/x => b1,r4; 1 perms /d/x/y => b1,r4; 1 end; A perms "
     "/d/x/y => b1,r4;"
     "A start; A write /d/z 1; A perms /d/z => b3,r4; A end; A perms /d/z => b3,r4"},
    {"what is inherited is what the parent had then, not what it got later",
     "A mkdir /d; A start; A mkdir /d/x; A mkdir /d/x/y; A chmod /d/x n3; A mkdir /d/x/z; A perms /d/x/y => n0; A perms /d/x/z "
     "=> n3; A end;"
     "A perms /d/x => n3; A perms /d/x/y => n0; A perms /d/x/z => n3"},
    {"... and what the transaction gave it before",
     "A mkdir /d; A start; A mkdir /d/x; A chmod /d n3; A mkdir /d/y; A perms /d/x => n0; A perms /d/y => n3; A end; A perms "
     "/d/x => n0; A perms /d/y => n3"},

    /* Parents that are made for something deeper */
    {"a new directory is made by three at once",
     "A mkdir /d; A chmod /d b0; 1 start; 2 start; A start; 1 write /d/n/1/x 1; 2 write /d/n/2/x 2; A write /d/n/3/x 3; 2 end; 1 "
     "end; A end;"
     "A ls /d/n => 2 1 3; A perms /d/n => b2; A perms /d/n/1 => b1; A perms /d/n/3 => b2"},
    {"... unless it belongs to one who lets nobody else write",
     "A mkdir /d; A chmod /d n0,b1,b2; 1 start; 2 start; 1 write /d/n/1 1; 2 write /d/n/2 2; 1 chmod /d/n n1; 1 end; 2 end => "
     "EAGAIN; 2 write /d/n/2 2 => EACCES"},
    {"what is made below a directory of another inherits from that",
     "A mkdir /d; A start; A write /d/n/m/x 1; B mkdir /d/n; B chmod /d/n n3,r4; A end; A perms /d/n => n3,r4; A perms /d/n/m => "
     "n3,r4; A perms /d/n/m/x => n3,r4;"
     "A ls /d/n => m"},
    {"... a guest's with the guest as owner", "A mkdir /d; A chmod /d b0; 1 start; 1 write /d/n/m/x 1; B mkdir /d/n; B chmod "
					      "/d/n b3,r4; 1 end; A perms /d/n/m/x => b1,r4"},
    {"... down to where another has made more", "A mkdir /d; A start; A write /d/n/m/x 1; B mkdir /d/n; B chmod /d/n n3; B mkdir "
						"/d/n/m; B chmod /d/n/m n4; A end; A perms /d/n => n3; A perms /d/n/m/x => n4"},
    {"a directory that the transaction also wrote to is kept, with the value",
     "A mkdir /d; A start; A write /d/n/x 1; A write /d/n 5; B write /d/n 6; B chmod /d/n n3; A end; events => /d/n/x /d/n; A "
     "read /d/n => 5; A perms /d/n => n3"},
    {"what was shown of it must be its own",
     "A mkdir /d; A start; A write /d/n/x 1; A read /d/n/x => 1; B mkdir /d/n; A end => EAGAIN"},
    {"what was missing in it was not shown by it alone",
     "A mkdir /d; A start; A write /d/n/x 1; A rm /d/n/y; B write /d/n/y 1; A end => EAGAIN"},
    {"a guest asks below it for what it may not read in another's",
     "A mkdir /d; A chmod /d b0; 1 start; 1 write /d/n/x 1; 1 read /d/n/y => ENOENT; B mkdir /d/n; B chmod /d/n w0; 1 end => "
     "EAGAIN; 1 read /d/n/y => EACCES"},
    {"a guest that may only write there need not have seen more",
     "A mkdir /d; A chmod /d b0; 1 start; 1 write /d/n/x 1; B mkdir /d/n; B chmod /d/n w0; 1 end; 1 read /d/n/x => 1; 1 ls /d/n "
     "=> EACCES"},
    {"a directory made and removed with what is above it need not be its own",
     "A mkdir /d; A start; A write /d/n/x 1; A rm /d; B mkdir /d/n; A end; A read /d => ENOENT"},
    {"... but what would have been refused there counts",
     "A mkdir /d; A chmod /d b0; 1 start; 1 write /d/n/x 1; 1 rm /d; B mkdir /d/n; B chmod /d/n n0; 1 end => EAGAIN"},
    {"one that was removed by itself must be", "A mkdir /d; A start; A write /d/n/x 1; A rm /d/n; B mkdir /d/n; A end => EAGAIN"},
    {"what came and went below a directory that is made here",
     "A mkdir /d; A start; A write /d/n/x 1; B write /d/n/y 1; B rm /d/n; A read /d/n/y => ENOENT; A end => OK | EAGAIN"},
    {"a directory that came and went is made",
     "A mkdir /d; A start; A write /d/n/x 1; B mkdir /d/n; B rm /d/n; A end; A ls /d/n => x"},

    /* Removals */
    {"what is created below goes with the subtree",
     "A write /d/x 1; A start; A rm /d; B write /d/y/z 1; B write /d/x 2; A end; A read /d/y/z => ENOENT; A ls / => tool"},
    {"... also what another transaction creates, whichever ends first",
     "A write /d/x 1; A start; B start; A rm /d; B write /d/y 1; B end; A end; A ls /d => ENOENT; A write /d/x 1; A start; B "
     "start; A rm /d; B write /d/y 1; A end;"
     "B end => EAGAIN; A read /d/y => ENOENT"},
    {"two remove the same", "A write /d/x 1; A start; B start; A rm /d; B rm /d; A end; B end => EAGAIN"},
    {"two remove one below the other", "A write /d/x 1; A start; B start; A rm /d; B rm /d/x; B end; A end; A ls / => tool"},
    {"... the upper first", "A write /d/x 1; A start; B start; A rm /d; B rm /d/x; A end; B end => EAGAIN"},
    {"deleted and created again by another is another node",
     "A write /d/x 1; A start; A write /d/x 2; B rm /d/x; B write /d/x 1; A end => EAGAIN; A read /d/x => 1"},
    {"deleted and created again here",
     "A write /d/x/k 1; A start; A rm /d/x; A write /d/x 2; A end; A read /d/x => 2; A read /d/x/k => ENOENT"},
    {"... is another node for others",
     "A write /d/x 1; B start; B write /d/x 3; A start; A rm /d/x; A write /d/x 2; A end; B end => EAGAIN"},
    {"created and removed here is nothing",
     "A start; A write /x/y 1; A rm /x/y; A rm /x; A write /z 1; A end; events => /z; A ls / => tool z"},
    {"created below what was removed here", "A write /d/x/k 1; A write /d/y 1; A start; A rm /d; A write /d/x/n 2; A ls /d => x; "
					    "A ls /d/x => n; A read /d/x/k => ENOENT; A read /d/y => ENOENT;"
					    "B write /d/x/k 3; A end; A ls /d/x => n; A ls /d => x"},
    {"removed, made and removed again", "A write /d/x 1; A start; A rm /d; A write /d/y 1; A rm /d; A read /d/y => ENOENT; A "
					"mkdir /d/z; A rm /d/z; A ls /d => (none); A end; A ls /d => (none)"},
    {"a parent made again below a removal is nobody else's", "A mkdir /g; A chmod /g b0; A mkdir /g/d/x; A chmod /g/d/x n0; 1 "
							     "start; 1 rm /g/d; 1 write /g/d/x/y 1; 1 end; A perms /g/d/x => b1"},
    {"many removals", "A write /d/a/x 1; A write /d/b/x 1; A start; A rm /d/a/x; A rm /d/b; A rm /d/a; A mkdir /d/b; A ls /d => "
		      "b; A end; A ls /d => b"},
    {"the root stays", "A start; A rm / => EINVAL; A write /x 1; A end; 1 rm / => EACCES"},

    /* Special nodes */
    {"special nodes are read and changed like nodes",
     "A start; 1 perms @releaseDomain => n0,r32757; A chmod @releaseDomain n0,r1; A perms @releaseDomain => n0,r1; 1 perms "
     "@releaseDomain => n0,r32757; A end;"
     "events => @releaseDomain; 1 perms @releaseDomain => n0,r1; A chmod @releaseDomain n0,r32757"},
    {"... and conflict alone",
     "A start; B start; A perms @introduceDomain => n0; B chmod @introduceDomain n0,r1; A write /x 1; B end; A end => EAGAIN;"
     "A start; A perms @introduceDomain => n0,r1; A write /x 1; B mkdir /y; A end; A chmod @introduceDomain n0"},
    {"the unprivileged do not change them",
     "1 chmod @releaseDomain n1 => EACCES; 1 perms @introduceDomain => EACCES; 1 perms @nothing => ENOENT"},

    /* Quotas */
    {"a guest that owns too much at the end gets nothing",
     "limit 3; A mkdir /d; A chmod /d b0; 1 write /d/x 1; 1 start; 1 write /d/y 1; 2 start; 2 write /d/z 1; 1 end; 1 start; 1 "
     "write /d/1 1; 2 end; B write /d/o 1;"
     "B chmod /d/o b1; 1 end => ENOSPC; A ls /d => x y z o"},
    {"exactly the number is allowed", "limit 3; A mkdir /d; A chmod /d b0; 1 start; 1 write /d/x/y 1; 1 write /d/z 1; 1 write "
				      "/d/1 1 => ENOSPC; 1 mkdir /d/2 => ENOSPC; 1 end; A ls /d => x z;"
				      "1 write /d/1 1 => ENOSPC"},
    {"what a creation that was refused would have made above is not there",
     "limit 3; A mkdir /d; A chmod /d b0; 1 start; 1 write /d/1/2/3/4 1 => ENOSPC; 1 ls /d => (none); 1 write /d/x 1; 1 end; A "
     "ls /d => x"},
    {"what it gives back counts", "limit 3; A mkdir /d; A chmod /d b0; 1 write /d/x 1; 1 write /d/y 1; 1 write /d/z 1; 1 start; "
				  "1 write /d/1 1 => ENOSPC; 1 rm /d/x; 1 write /d/1 1;"
				  "1 write /d/2 1 => ENOSPC; 1 end; A ls /d => y z 1"},
    {"who owns too much may change one node for another",
     "A mkdir /d; A chmod /d b0; 1 mkdir /d/x; 1 mkdir /d/y; limit 1; 1 start; 1 rm /d/x; 1 mkdir /d/z; 1 mkdir /d/1 => ENOSPC; "
     "1 end; A ls /d => y z"},
    {"what another has made of it need not be paid", "limit 2; A mkdir /d; A chmod /d b0; 1 start; 1 write /d/n/x 1; B mkdir "
						     "/d/n; B write /d/o 1; B chmod /d/o b1; 1 end; A ls /d/n => x"},
    {"the privileged create for a guest without limit",
     "limit 1; A mkdir /d; A chmod /d n1; A start; A write /d/x/y/z 1; A perms /d/x => n1; A end; A ls /d/x => y"},
    {"changes need no quota",
     "limit 1; A write /d 1; A chmod /d b1; 1 start; 1 write /d 2; 1 chmod /d r1; 1 end; A read /d => 2"},
    {"a node that has grown too large by what it inherits is refused",
     "size 20; A mkdir /d; A chmod /d b0; 1 start; 1 write /d/n/x 123456789012; 1 write /d/y 1234567890123 => ENOSPC; B mkdir "
     "/d/n; B chmod /d/n b0,r3; 1 end => ENOSPC"},

    /* Events */
    {"one event for each changed node in the order of the first change",
     "A write /x 0; A start; A write /d/y 1; A write /x 1; A write /d/y 2; A chmod /x n1; A mkdir /z; A write /x 2; A end; "
     "events => /d/y /x /z"},
    {"none for what is only looked at or was there",
     "A mkdir /d; A start; A read /d => (empty); A mkdir /d; A rm /d/x; A write /y 1; A end; events => /y"},
    {"none for parents made on the way", "A start; A write /a/b/c 1; A mkdir /a; A end; events => /a/b/c"},
    {"a parent made on the way and then written to is changed",
     "A start; A write /a/b/c 1; A write /a/b 1; A end; events => /a/b/c /a/b"},
    {"a removal tells of watched nodes below, leaf first",
     "watch /d/x/k; watch /d/x; watch /d/y; watch /e; A write /d/x/k 1; A write /d/y 1; A start; A write /z 1; A rm /d; A end; "
     "events => /z =/d/x/k =/d/x =/d/y /d"},
    {"a subtree made again has one event for each node",
     "watch /d/x; watch /d/y; A write /d/x 1; A write /d/y 1; A start; A rm /d; A write /d/x 2; A end; events => /d/x =/d/y /d"},
    {"removed and made again is one event", "A write /d 1; A start; A rm /d; A write /d 2; A end; events => /d"},
    {"a removal within a removal", "watch /d/x; A write /d/x 1; A start; A rm /d/x; A rm /d; A end; events => =/d/x /d"},
    {"a transaction that fails tells nothing",
     "A write /x 1; A start; A read /x => 1; A write /y 1; B write /x 2; A end => EAGAIN; events => (none)"},
    {"requests without a transaction tell the same",
     "watch /d/x; A write /d/x 1; events => /d/x; A chmod /d n1; events => /d; A mkdir /d; events => (none); A rm /d/q; events "
     "=> (none); A rm /d; events => =/d/x /d"},
};

START_TEST(a_story_goes_as_told)
{
	play_in_all_modes(&scripts[_i]);
}
END_TEST

START_TEST(the_nodes_that_one_transaction_looks_at_are_limited_for_the_unprivileged)
{
	static const struct script script = {"limit", "A mkdir /d; A chmod /d b0; A write /d/x 1; A chmod /d/x b0; 1 start; 1 "
						      "read /d/x => 1; 1 read /d => (empty); 1 read /d/x => 1;"
						      "1 write /d/y 1 => ENOSPC; 1 ls /d => x; 1 end; 1 start; 1 write /d/z 1; 1 "
						      "write /d/z 2; 1 read /d/x => ENOSPC; 1 rm /d/z; 1 end;"
						      "1 start; 1 write /d/n/y 1 => ENOSPC; 1 ls /d => x; 1 end; A start; A read "
						      "/d/x => 1; A write /e/f/g 1; A read / => (empty); A end"};

	stage.limits.transaction_nodes = 2;
	play(&script, SNAPSHOTS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("interleavings");
	TCase *of_one = tcase_create("one operation"), *of_many = tcase_create("stories");

	tcase_add_checked_fixture(of_one, setup, teardown);
	tcase_add_loop_test(of_one, a_transaction_conflicts_with_just_what_its_answers_have_shown, 0,
			    sizeof(rows) / sizeof(rows[0]));
	tcase_set_timeout(of_one, 60);
	suite_add_tcase(suite, of_one);
	tcase_add_checked_fixture(of_many, setup, teardown);
	tcase_add_loop_test(of_many, a_story_goes_as_told, 0, sizeof(scripts) / sizeof(scripts[0]));
	tcase_add_test(of_many, the_nodes_that_one_transaction_looks_at_are_limited_for_the_unprivileged);
	tcase_set_timeout(of_many, 60);
	suite_add_tcase(suite, of_many);
	return suite_run(suite);
}
