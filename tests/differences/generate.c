/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every step is drawn from a table of operations with weights. What is remembered of earlier steps only makes it likelier that a
 * step does something: that transactions are ended, that domains live.
 */
#include "differences/generate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

enum { SOCKETS = 3, GUESTS = 3, OPEN_MAX = 6 };

struct open_transaction {
	char client[4];
	unsigned number; /* "t12" */
};

struct generator {
	struct random *random;
	struct buffer *out;
	struct open_transaction open[OPEN_MAX];
	unsigned n_open;
	unsigned last_transaction;
	bool exists[GUESTS + 1], introduced[GUESTS + 1]; /* as far as one can tell */
	const char *client;				 /* of the step that is written */
	char guest[4];
};

#define PICK(random, list) ((list)[random_below((random), sizeof(list) / sizeof((list)[0]))])

static bool chance(struct generator *generator, unsigned percent)
{
	return random_below(generator->random, 100) < percent;
}

/* ---- arguments ---- */

/* Likely to be there; some are more than others. */
static const char *const nodes[] = {"/a",
				    "/a",
				    "/a/x",
				    "/a/x/y",
				    "/a/z",
				    "/b",
				    "/b/x",
				    "/b/x/y/z",
				    "/shared",
				    "/shared/x",
				    "/shared/x",
				    "/shared/x/y",
				    "/shared/w",
				    "/shared/w/v",
				    "/local/domain/1",
				    "/local/domain/1/k",
				    "/local/domain/1/d/k",
				    "/local/domain/2",
				    "/local/domain/2/k",
				    "/local/domain/1/d",
				    "/local/domain/2/d",
				    "/open/x",
				    "/open/y",
				    "/open/x/y"};

static const char *path(struct generator *generator)
{
	static const char *const relative[] = {"k", "d", "d/k", "d/l"};
	static const char *const odd[] = {
	    "/",	  "/tool", "/local",   "/local/domain", "@releaseDomain", "@introduceDomain",
	    "/a/",	  "//",	   "\"\"",     "/a\\sb",	"@other",	  "/a//x",
	    "/nowhere/x", "/b/@x", "/a/x/y/z", "{/p*40}",	"/{n*260}",	  "/local/domain/9/x"};

	if (chance(generator, 10))
		return PICK(generator->random, odd);
	if (chance(generator, *generator->client == 'g' ? 30 : 2))
		return PICK(generator->random, relative);
	return PICK(generator->random, nodes);
}

static const char *value(struct generator *generator)
{
	static const char *const values[] = {"\"\"", "1", "2", "a\\svalue", "{v*90}", "\\x00\\xff\\0"};

	return PICK(generator->random, values);
}

static const char *permissions(struct generator *generator)
{
	static const char *const lists[] = {"n0",    "n0 r1", "n0 b1 r2", "b0",	      "r0",    "n1",	  "n1 r2",    "n2",
					    "n2 b1", "b1 n2", "n0 r7",	  "n7",	      "n1 r1", "w0 r1",	  "n0 r1 b1", "x0",
					    "\"\"",  "n",     "n0 r",	  "n0 n1 n2", "r2",    "n0 r3 b3"};

	return PICK(generator->random, lists);
}

static const char *token(struct generator *generator)
{
	static const char *const tokens[] = {"t", "u", "t", "\"\"", "a\\stoken"};

	return PICK(generator->random, tokens);
}

/* ---- steps ---- */

/* "s1 " or, if it has one open and by chance, "s1@t4 ". */
static void begin_step(struct generator *generator, bool in_transaction)
{
	buffer_add_string(generator->out, generator->client);
	if (in_transaction && chance(generator, 1))
		buffer_add_string(generator->out, "@77");
	for (unsigned i = 0; in_transaction && i < generator->n_open; i++) {
		if (!strcmp(generator->open[i].client, generator->client) && chance(generator, 75)) {
			buffer_printf(generator->out, "@t%u", generator->open[i].number);
			break;
		}
	}
	buffer_add_string(generator->out, " ");
}

static void on_path(struct generator *generator, const char *operation)
{
	begin_step(generator, true);
	buffer_printf(generator->out, "%s %s", operation, path(generator));
}

static void add_read(struct generator *generator)
{
	on_path(generator, "READ");
}

static void add_directory(struct generator *generator)
{
	on_path(generator, "DIRECTORY");
}

static void add_directory_part(struct generator *generator)
{
	static const char *const offsets[] = {"0", "0", "0", "2", "4", "100", "x", "-1", "\"\""};

	on_path(generator, "DIRECTORY_PART");
	buffer_printf(generator->out, " %s", PICK(generator->random, offsets));
}

static void add_get_perms(struct generator *generator)
{
	on_path(generator, "GET_PERMS");
}

static void add_write(struct generator *generator)
{
	on_path(generator, "WRITE");
	buffer_printf(generator->out, " %s", value(generator));
}

static void add_mkdir(struct generator *generator)
{
	on_path(generator, "MKDIR");
}

static void add_rm(struct generator *generator)
{
	on_path(generator, "RM");
}

static void add_set_perms(struct generator *generator)
{
	const char *list = permissions(generator);
	const char *at = path(generator);

	/* When the owner of the root ends, all is over. */
	begin_step(generator, true);
	buffer_printf(generator->out, "SET_PERMS %s %s", at, strcmp(at, "/") != 0 ? list : "r0");
}

static void add_watch(struct generator *generator)
{
	begin_step(generator, false);
	buffer_printf(generator->out, "WATCH %s %s", chance(generator, 8) ? "@releaseDomain" : path(generator), token(generator));
}

static void add_unwatch(struct generator *generator)
{
	begin_step(generator, false);
	buffer_printf(generator->out, "UNWATCH %s %s", path(generator), token(generator));
}

static void add_reset_watches(struct generator *generator)
{
	buffer_printf(generator->out, "%s RESET_WATCHES", generator->client);
}

static void add_start(struct generator *generator)
{
	begin_step(generator, chance(generator, 5));
	buffer_printf(generator->out, "START t%u", ++generator->last_transaction);
	if (generator->n_open < OPEN_MAX) {
		struct open_transaction *open = &generator->open[generator->n_open++];
		strcpy(open->client, generator->client);
		open->number = generator->last_transaction;
	}
}

static void add_end(struct generator *generator)
{
	static const char *const ways[] = {"T", "T", "T", "T", "F", "F", "x", "\"\"", "T T"};

	if (!generator->n_open) {
		buffer_printf(generator->out, "%s END T", generator->client);
		return;
	}
	unsigned which = random_below(generator->random, generator->n_open);
	struct open_transaction *open = &generator->open[which];
	const char *way = PICK(generator->random, ways);
	buffer_printf(generator->out, "%s@t%u END %s", open->client, open->number, way);
	if (!strcmp(way, "T") || !strcmp(way, "F"))
		*open = generator->open[--generator->n_open];
}

static void add_question(struct generator *generator)
{
	static const char *const questions[] = {
	    "GET_DOMAIN_PATH 1",      "GET_DOMAIN_PATH 9",	"GET_DOMAIN_PATH 1x",	  "IS_DOMAIN_INTRODUCED 1",
	    "IS_DOMAIN_INTRODUCED 2", "IS_DOMAIN_INTRODUCED 3", "IS_DOMAIN_INTRODUCED 9", "16 x",
	    "CONTROL help x"};

	buffer_printf(generator->out, "%s %s", generator->client, PICK(generator->random, questions));
}

/* Payloads that are not what the operation wants. */
static void add_nonsense(struct generator *generator)
{
	static const char *const operations[] = {
	    "READ",  "WRITE",	"MKDIR", "RM",	      "DIRECTORY", "DIRECTORY_PART",  "GET_PERMS", "SET_PERMS",
	    "WATCH", "UNWATCH", "END",	 "INTRODUCE", "RELEASE",   "GET_DOMAIN_PATH", "RESUME",	   "SET_TARGET"};
	static const char *const payloads[] = {" /a", " /a\\0/b\\0", " /a\\0x\\0y\\0", " \\0", " 1", " /a\\0n0", " /a\\0x"};

	begin_step(generator, true);
	buffer_printf(generator->out, "%s:%s", PICK(generator->random, operations), PICK(generator->random, payloads));
}

static void add_domain(struct generator *generator)
{
	unsigned domid = 1 + random_below(generator->random, GUESTS), percent = random_below(generator->random, 100);

	if (!generator->exists[domid]) {
		buffer_printf(generator->out, "create %u", domid);
		generator->exists[domid] = true;
	} else if (!generator->introduced[domid] || percent < 10) {
		buffer_printf(generator->out, "%s INTRODUCE %u $page $port", generator->client, domid);
		generator->introduced[domid] |= *generator->client == 's';
	} else if (percent < 40) {
		buffer_printf(generator->out, "destroy %u", domid);
		generator->exists[domid] = generator->introduced[domid] = false;
	} else if (percent < 55) {
		buffer_printf(generator->out, "%s RELEASE %u", generator->client, domid);
		generator->introduced[domid] &= *generator->client != 's';
	} else if (percent < 70) {
		buffer_printf(generator->out, "shutdown %u", domid);
	} else if (percent < 80) {
		buffer_printf(generator->out, "resume %u", domid);
	} else if (percent < 95) {
		buffer_printf(generator->out, "%s RESUME %u", generator->client, domid);
	} else {
		buffer_printf(generator->out, "%s SET_TARGET %u %u", generator->client, domid, domid % GUESTS + 1);
	}
}

static void add_close(struct generator *generator)
{
	buffer_printf(generator->out, "close s%u", 1 + random_below(generator->random, SOCKETS));
}

static const struct {
	unsigned weight;
	void (*add)(struct generator *generator);
} operations[] = {
    {100, add_read}, {60, add_directory}, {25, add_directory_part}, {50, add_get_perms}, {150, add_write},	 {50, add_mkdir},
    {80, add_rm},    {90, add_set_perms}, {60, add_watch},	    {30, add_unwatch},	 {3, add_reset_watches}, {45, add_start},
    {80, add_end},   {12, add_question},  {8, add_nonsense},	    {15, add_domain},	 {3, add_close},
};

static void add_step(struct generator *generator)
{
	unsigned total = 0, at = 0;

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		total += operations[i].weight;
	unsigned drawn = random_below(generator->random, total);
	while (drawn >= operations[at].weight)
		drawn -= operations[at++].weight;
	operations[at].add(generator);
	buffer_add_string(generator->out, "\n");
}

/* By whom the step is. */
static void choose_client(struct generator *generator)
{
	static const char *const sockets[] = {"s1", "s1", "s2", "s3", "g0"};
	unsigned domid = 1 + random_below(generator->random, GUESTS);

	generator->client = PICK(generator->random, sockets);
	if (chance(generator, 50) && generator->introduced[domid]) {
		strcpy(generator->guest, "g0");
		generator->guest[1] = (char)('0' + domid);
		generator->client = generator->guest;
	}
}

/* All that there may be is looked at once more. */
static void look_at_all(struct buffer *out)
{
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		buffer_printf(out, "s0 READ %s\ns0 GET_PERMS %s\ns0 DIRECTORY %s\n", nodes[i], nodes[i], nodes[i]);
	buffer_add_string(out, "s0 DIRECTORY /\ns0 GET_PERMS /\ns0 DIRECTORY /local/domain\n");
}

char *generate_script(struct random *random, size_t n)
{
	static const char quotas[] = "options -E 4 -A 3\n";
	static const char beginning[] = "s0 WATCH / all\ns0 WATCH @introduceDomain i\ns0 WATCH @releaseDomain r\n"
					"create 1\ncreate 2\n"
					"s1 INTRODUCE 1 $page $port\ns1 INTRODUCE 2 $page $port\n"
					"s1 MKDIR /local/domain/1\ns1 SET_PERMS /local/domain/1 n1\n"
					"s1 MKDIR /local/domain/2\ns1 SET_PERMS /local/domain/2 n2 r1\n"
					"s1 WRITE /shared\ns1 SET_PERMS /shared b0\n"
					"s1 WRITE /open 1\ns1 SET_PERMS /open r0 b1\n";
	struct buffer out;
	struct generator generator = {
	    .random = random, .out = &out, .exists = {false, true, true}, .introduced = {false, true, true}};

	buffer_init(&out);
	if (chance(&generator, 25))
		buffer_add_string(&out, quotas);
	buffer_add_string(&out, beginning);
	for (size_t i = 0; i < n; i++) {
		choose_client(&generator);
		add_step(&generator);
	}
	look_at_all(&out);
	buffer_add_nul(&out);
	if (out.failed)
		abort();
	return out.bytes;
}
