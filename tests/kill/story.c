/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line becomes a request, its answer, what it makes of the tree, and an event for each watch that it fires. In a transaction
 * the events come with its end; of this the model knows that nobody else changes what it has looked at.
 */
#include "kill/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 6, PATH_SIZE = 128, CHANGED_MAX = 16 };

/* A request while it is put together. */
struct asking {
	struct cast *cast;
	struct party *party;
	struct asked *asked;
	unsigned number;
	char *words[WORDS_MAX];
	size_t n_words;
};

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static char *copy(const void *bytes, size_t len)
{
	char *made = must(malloc(len + 1));

	memcpy(made, bytes, len);
	made[len] = 0;
	return made;
}

/* ---- telling ---- */

static void tell(struct cast *cast, const struct party *to, const struct party *because_of, struct told told)
{
	struct told_queue *queue = &cast->told[to - cast->parties][because_of - cast->parties];

	if (queue->n == queue->capacity) {
		queue->capacity = queue->capacity ? 2 * queue->capacity : 32;
		queue->all = must(realloc(queue->all, queue->capacity * sizeof(*queue->all)));
	}
	queue->all[queue->n++] = told;
}

/* May the party know of what happens to a node with these permissions? */
static bool may_know(const struct party *party, const char *permissions)
{
	char entry[16];

	if (!party->domid)
		return true;
	snprintf(entry, sizeof(entry), "%u", party->domid);
	if (permissions[0] == 'r' || permissions[0] == 'b' || !strncmp(permissions + 1, entry, strcspn(permissions + 1, " ")))
		return true;
	snprintf(entry, sizeof(entry), " r%u", party->domid);
	return strstr(permissions, entry);
}

static void home_of(const struct party *party, char out[PATH_SIZE])
{
	snprintf(out, PATH_SIZE, "/local/domain/%u", party->domid);
}

static void tell_event(struct asking *asking, const struct cast_watch *watch, const char *path)
{
	char payload[PATH_SIZE + 64], home[PATH_SIZE];

	home_of(watch->party, home);
	int len =
	    snprintf(payload, sizeof(payload), "%s%c%s", watch->is_relative ? path + strlen(home) + 1 : path, 0, watch->token);
	tell(asking->cast, watch->party, asking->party,
	     (struct told){.number = asking->number, .payload = copy(payload, (size_t)len + 1), .len = (size_t)len + 1});
}

/* `exactly`: only watches on this path itself. */
static void fire(struct asking *asking, const char *path, const char *permissions, bool exactly)
{
	struct cast *cast = asking->cast;

	for (size_t i = 0; i < cast->n_watches; i++) {
		const struct cast_watch *watch = &cast->watches[i];
		if (watch->removed_by || !(exactly ? !strcmp(path, watch->path) : is_in(path, watch->path)) ||
		    !may_know(watch->party, permissions))
			continue;
		if (watch->party != asking->party && watch->phase == cast->phase)
			abort(); /* the story does not say which is first */
		tell_event(asking, watch, path);
	}
}

/* ---- paths and values ---- */

static void absolute(const struct asking *asking, const char *path, char out[PATH_SIZE])
{
	char home[PATH_SIZE];

	home_of(asking->party, home);
	if (*path == '/' || *path == '@')
		snprintf(out, PATH_SIZE, "%s", path);
	else
		snprintf(out, PATH_SIZE, "%.60s/%.60s", home, path);
}

/* "*1500" stands for so many bytes that are no others' than this request's. */
static char *value_of(const struct asking *asking, const char *word, size_t *len)
{
	if (*word != '*') {
		*len = strlen(word);
		return copy(word, *len);
	}
	*len = strtoul(word + 1, NULL, 10);
	char *value = must(malloc(*len + 1));
	for (size_t i = 0; i < *len; i++)
		value[i] = (char)('a' + (asking->number + i / 16) % 26);
	value[*len] = 0;
	return value;
}

static void set_payload(struct asking *asking, uint32_t type, const void *bytes, size_t len)
{
	asking->asked->type = type;
	asking->asked->payload = copy(bytes, len);
	asking->asked->len = len;
}

/* Words from the second on, each with its NUL. */
static void set_words(struct asking *asking, uint32_t type)
{
	char payload[256];
	size_t len = 0;

	for (size_t i = 1; i < asking->n_words; i++)
		len += (size_t)snprintf(payload + len, sizeof(payload) - len, "%s", asking->words[i]) + 1;
	set_payload(asking, type, payload, len);
}

static void set_answer(struct asking *asking, const void *bytes, size_t len)
{
	free(asking->asked->answer);
	asking->asked->answer = copy(bytes, len);
	asking->asked->answer_len = len;
}

/* ---- transactions: the paths that the one that is open has changed, of the party that has it ---- */

struct open_transaction {
	unsigned first;
	struct nodes before;
	char changed[CHANGED_MAX][PATH_SIZE];
	size_t n_changed;
};

/* The story opens one at a time. */
static struct open_transaction open_now;

static void note_changed(struct asking *asking, const char *path)
{
	const struct plain_node *node = nodes_find(&asking->cast->tree, path);

	if (!open_now.first) {
		fire(asking, path, node->permissions, false);
		return;
	}
	for (size_t i = 0; i < open_now.n_changed; i++)
		if (!strcmp(open_now.changed[i], path))
			return;
	if (open_now.n_changed == CHANGED_MAX)
		abort();
	snprintf(open_now.changed[open_now.n_changed++], PATH_SIZE, "%s", path);
}

static void ask_begin(struct asking *asking)
{
	open_now.first = asking->number;
	open_now.n_changed = 0;
	nodes_copy(&asking->cast->tree, asking->party->places, asking->party->n_places, &open_now.before);
	set_payload(asking, MESSAGE_TRANSACTION_START, "", 1);
}

static void ask_end(struct asking *asking)
{
	unsigned first = open_now.first;

	set_payload(asking, MESSAGE_TRANSACTION_END, "T", 2);
	open_now.first = 0;
	nodes_free(&open_now.before);
	for (size_t i = 0; i < open_now.n_changed; i++) {
		nodes_find(&asking->cast->tree, open_now.changed[i])->by = asking->number;
		note_changed(asking, open_now.changed[i]);
	}
	asking->asked->first_of = first;
	asking->asked->is_end = true;
}

/* ---- nodes ---- */

static void ask_to_write(struct asking *asking)
{
	char path[PATH_SIZE], *payload;
	size_t len, path_len = strlen(asking->words[1]) + 1;
	char *value = value_of(asking, asking->words[2], &len);

	absolute(asking, asking->words[1], path);
	payload = must(malloc(path_len + len));
	memcpy(payload, asking->words[1], path_len);
	memcpy(payload + path_len, value, len);
	set_payload(asking, MESSAGE_WRITE, payload, path_len + len);
	node_is_written(nodes_make(&asking->cast->tree, path, asking->number), value, len, asking->number);
	note_changed(asking, path);
	free(payload);
	free(value);
}

static void ask_to_make(struct asking *asking)
{
	char path[PATH_SIZE];

	absolute(asking, asking->words[1], path);
	set_words(asking, MESSAGE_MKDIR);
	if (nodes_find(&asking->cast->tree, path))
		return;
	nodes_make(&asking->cast->tree, path, asking->number);
	note_changed(asking, path);
}

static void remove_node(struct asking *asking, const char *path)
{
	struct nodes *tree = &asking->cast->tree;

	for (size_t i = tree->n; i-- > 0;) {
		const struct plain_node *node = &tree->all[i];
		if (is_in(node->path, path) && strcmp(node->path, path) != 0)
			fire(asking, node->path, node->permissions, true);
	}
	fire(asking, path, nodes_find(tree, path)->permissions, false);
	nodes_remove(tree, path);
}

static void ask_to_remove(struct asking *asking)
{
	char path[PATH_SIZE];

	absolute(asking, asking->words[1], path);
	set_words(asking, MESSAGE_RM);
	if (open_now.first)
		abort();
	remove_node(asking, path);
}

static void ask_to_permit(struct asking *asking)
{
	char path[PATH_SIZE], permissions[128] = "";
	size_t len = 0;

	absolute(asking, asking->words[1], path);
	set_words(asking, MESSAGE_SET_PERMS);
	for (size_t i = 2; i < asking->n_words; i++)
		len += (size_t)snprintf(permissions + len, sizeof(permissions) - len, "%s%s", len ? " " : "", asking->words[i]);
	if (*path == '@')
		return;
	node_is_permitted(nodes_find(&asking->cast->tree, path), permissions, asking->number);
	note_changed(asking, path);
}

static void ask_to_read(struct asking *asking)
{
	char path[PATH_SIZE];

	absolute(asking, asking->words[1], path);
	set_words(asking, MESSAGE_READ);
	const struct plain_node *node = nodes_find(&asking->cast->tree, path);
	set_answer(asking, node->value, node->len);
}

/* Of nodes that were made in the order of their names. */
static void ask_to_list(struct asking *asking)
{
	const struct nodes *tree = &asking->cast->tree;
	char path[PATH_SIZE], names[512];
	size_t len = 0;

	absolute(asking, asking->words[1], path);
	set_words(asking, MESSAGE_DIRECTORY);
	for (size_t i = 0; i < tree->n; i++) {
		const char *name = tree->all[i].path + strlen(path) + 1;
		if (is_in(tree->all[i].path, path) && strcmp(tree->all[i].path, path) != 0 && !strchr(name, '/'))
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s", name) + 1;
	}
	set_answer(asking, names, len);
}

/* ---- watches and domains ---- */

/* It has its first event behind the answer. */
static void ask_to_watch(struct asking *asking)
{
	struct cast *cast = asking->cast;

	if (cast->n_watches == CAST_WATCHES)
		abort();
	struct cast_watch *watch = &cast->watches[cast->n_watches++];
	*watch = (struct cast_watch){.party = asking->party, .set_by = asking->number, .phase = cast->phase};
	char path[PATH_SIZE];
	absolute(asking, asking->words[1], path);
	snprintf(watch->path, sizeof(watch->path), "%.63s", path);
	watch->is_relative = strcmp(path, asking->words[1]) != 0;
	snprintf(watch->token, sizeof(watch->token), "%.31s", asking->words[2]);
	set_words(asking, MESSAGE_WATCH);
}

static void ask_to_unwatch(struct asking *asking)
{
	struct cast *cast = asking->cast;
	char path[PATH_SIZE];

	absolute(asking, asking->words[1], path);
	set_words(asking, MESSAGE_UNWATCH);
	for (size_t i = 0; i < cast->n_watches; i++) {
		struct cast_watch *watch = &cast->watches[i];
		if (watch->party == asking->party && !watch->removed_by && !strcmp(watch->path, path) &&
		    !strcmp(watch->token, asking->words[2]))
			watch->removed_by = asking->number;
	}
}

static struct party *party_of(struct cast *cast, const char *domid)
{
	for (size_t i = 0; i < cast->n; i++)
		if (cast->parties[i].is_ring && cast->parties[i].domid == strtoul(domid, NULL, 10))
			return &cast->parties[i];
	abort();
}

static void ask_to_introduce(struct asking *asking)
{
	char payload[64];
	uint16_t domid = (uint16_t)strtoul(asking->words[1], NULL, 10);
	int len = snprintf(payload, sizeof(payload), "%u%c%lu%c%u", domid, 0, sim_frame(asking->cast->sim, domid), 0,
			   sim_port(asking->cast->sim, domid));

	set_payload(asking, MESSAGE_INTRODUCE, payload, (size_t)len + 1);
	party_of(asking->cast, asking->words[1])->is_there = true;
	fire(asking, "@introduceDomain", "r0", false);
}

/* Its watches go, and its home with events. */
static void ask_to_release(struct asking *asking)
{
	struct party *gone = party_of(asking->cast, asking->words[1]);
	char home[PATH_SIZE];

	set_words(asking, MESSAGE_RELEASE);
	for (size_t i = 0; i < asking->cast->n_watches; i++)
		if (asking->cast->watches[i].party == gone)
			asking->cast->watches[i].removed_by = 1;
	gone->is_there = false;
	home_of(gone, home);
	remove_node(asking, home);
	fire(asking, "@releaseDomain", "r0", false);
}

/* ---- live update ---- */

static void ask_to_name_program(struct asking *asking)
{
	char payload[512];
	int len = snprintf(payload, sizeof(payload), "live-update%c-f%c%s", 0, 0, asking->cast->program);

	if (len >= (int)sizeof(payload))
		abort();
	set_payload(asking, MESSAGE_CONTROL, payload, (size_t)len + 1);
	asking->asked->is_control = true;
}

static void ask_to_update(struct asking *asking)
{
	static const char payload[] = "live-update\0-s";

	set_payload(asking, MESSAGE_CONTROL, payload, sizeof(payload));
	asking->asked->is_control = true;
}

/* ---- lines ---- */

static void ask_which(struct asking *asking)
{
	static const struct {
		const char *word;
		void (*ask)(struct asking *asking);
	} kinds[] = {
	    {"write", ask_to_write},
	    {"mkdir", ask_to_make},
	    {"rm", ask_to_remove},
	    {"permit", ask_to_permit},
	    {"read", ask_to_read},
	    {"list", ask_to_list},
	    {"watch", ask_to_watch},
	    {"unwatch", ask_to_unwatch},
	    {"begin", ask_begin},
	    {"end", ask_end},
	    {"introduce", ask_to_introduce},
	    {"release", ask_to_release},
	    {"program", ask_to_name_program},
	    {"update", ask_to_update},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(kinds[i].word, asking->words[0])) {
			kinds[i].ask(asking);
			return;
		}
	}
	abort();
}

static struct asked *new_asked(struct party *party)
{
	if (party->n_asked == party->capacity) {
		party->capacity = party->capacity ? 2 * party->capacity : 32;
		party->asked = must(realloc(party->asked, party->capacity * sizeof(*party->asked)));
	}
	party->asked[party->n_asked] = (struct asked){0};
	return &party->asked[party->n_asked++];
}

void cast_ask(struct cast *cast, struct party *party, const char *line)
{
	struct asking asking = {.cast = cast, .party = party};
	char text[128], *rest = text;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word; asking.n_words < WORDS_MAX && (word = strsep(&rest, " "));)
		asking.words[asking.n_words++] = word;
	asking.asked = new_asked(party);
	asking.number = party->n_asked;
	set_answer(&asking, "OK", 3);
	ask_which(&asking);
	struct asked *asked = asking.asked;
	if (open_now.first)
		asked->first_of = open_now.first;
	if (!asked->first_of || asked->is_end)
		tell(cast, party, party,
		     (struct told){.number = asking.number, .is_answer = true, .payload = copy(line, strlen(line))});
	if (asked->type == MESSAGE_WATCH)
		tell_event(&asking, &cast->watches[cast->n_watches - 1], cast->watches[cast->n_watches - 1].path);
	if (open_now.first)
		nodes_copy(&open_now.before, party->places, party->n_places, &asked->after);
	else
		nodes_copy(&cast->tree, party->places, party->n_places, &asked->after);
}

bool cast_play_line(struct cast *cast, const struct story_line *line)
{
	bool is_of_update = !strcmp(line->what, "program") || !strcmp(line->what, "update");

	if (!line->who) {
		return false;
	} else if (!strcmp(line->what, "deaf") || !strcmp(line->what, "hear")) {
		cast_set_deaf(cast_find(cast, line->who), *line->what == 'd');
	} else if (cast->updated || !is_of_update) {
		cast_ask(cast, cast_find(cast, line->who), line->what);
	}
	return true;
}
