/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line is split at its spaces into words before anything in it is resolved, so a space in an argument is written "\s".
 */
#include "differences/script.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

enum { STEPS_CHUNK = 64 };

/* ---- names ---- */

void script_client_name(unsigned client, char out[SCRIPT_NAME])
{
	if (script_client_is_guest(client))
		snprintf(out, SCRIPT_NAME, "g%u", (unsigned)script_client_domid(client));
	else
		snprintf(out, SCRIPT_NAME, "s%u", client);
}

bool script_client_is_guest(unsigned client)
{
	return client >= SCRIPT_SOCKETS;
}

uint16_t script_client_domid(unsigned client)
{
	return (uint16_t)(client - SCRIPT_SOCKETS);
}

unsigned script_guest(uint16_t domid)
{
	return SCRIPT_SOCKETS + domid;
}

/* The whole word as a number below `below`. */
static bool number_of(const char *word, unsigned below, unsigned *out)
{
	char *end;
	unsigned long number = strtoul(word, &end, 10);

	*out = (unsigned)number;
	return isdigit((unsigned char)*word) && !*end && number < below;
}

static bool client_of(const char *word, unsigned *out)
{
	unsigned number;

	if (*word == 's' && number_of(word + 1, SCRIPT_SOCKETS, &number))
		*out = number;
	else if (*word == 'g' && number_of(word + 1, SCRIPT_GUESTS, &number))
		*out = script_guest((uint16_t)number);
	else
		return false;
	return true;
}

/* START and END stand for TRANSACTION_START and TRANSACTION_END; any number is a type. */
static bool type_of(const char *word, uint32_t *out)
{
	unsigned number;

	if (number_of(word, 1000, &number)) {
		*out = number;
		return true;
	}
	for (uint32_t type = 0; type < MESSAGE_TYPE_COUNT; type++) {
		const char *name = message_type_name(type);
		if (name && (!strcmp(name, word) || (!strncmp(name, "TRANSACTION_", 12) && !strcmp(name + 12, word)))) {
			*out = type;
			return true;
		}
	}
	return false;
}

/* ---- bytes ---- */

void script_show(const char *bytes, size_t len, struct buffer *out)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (byte == 0)
			buffer_add_string(out, "\\0");
		else if (byte == '\n')
			buffer_add_string(out, "\\n");
		else if (byte == '\\')
			buffer_add_string(out, "\\\\");
		else if (isprint(byte))
			buffer_add(out, &byte, 1);
		else
			buffer_printf(out, "\\x%02x", byte);
	}
}

/* One escape, after its backslash; how many characters it has, 0 if it is none. */
static size_t add_escaped(const char *at, struct buffer *out)
{
	static const char from[] = "0ns\\{", to[] = "\0\n \\{";
	const char *simple = *at ? strchr(from, *at) : NULL;
	unsigned byte;

	if (simple) {
		buffer_add(out, to + (simple - from), 1);
		return 1;
	}
	if (*at == 'x' && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]) && sscanf(at + 1, "%2x", &byte) == 1) {
		char one = (char)byte;
		buffer_add(out, &one, 1);
		return 3;
	}
	return 0;
}

/* "{text*count}", after its brace. */
static size_t add_repeated(const char *at, struct buffer *out)
{
	size_t text = strcspn(at, "*}"), count;
	int len;

	if (sscanf(at + text, "*%4zu}%n", &count, &len) != 1 || at[text + (size_t)len - 1] != '}')
		return 0;
	while (count--)
		buffer_add(out, at, text);
	return text + (size_t)len;
}

/* A word with its escapes resolved; false: there is a bad one. */
static bool add_word(const char *word, struct buffer *out)
{
	if (!strcmp(word, "\"\""))
		return true;
	while (*word) {
		size_t plain = strcspn(word, "\\{");

		buffer_add(out, word, plain);
		word += plain;
		if (*word) {
			size_t len = *word == '\\' ? add_escaped(word + 1, out) : add_repeated(word + 1, out);
			if (!len)
				return false;
			word += 1 + len;
		}
	}
	return true;
}

/* ---- steps ---- */

/* "s1" or "s1@t1" */
static const char *parse_asker(char *word, struct script_step *out)
{
	char *at = strchr(word, '@');

	if (at) {
		*at++ = 0;
		if (!*at || strlen(at) >= SCRIPT_NAME)
			return "no name of a transaction behind '@'";
		strcpy(out->transaction, at);
	}
	return client_of(word, &out->client) ? NULL : "no such client";
}

/* START's argument names the transaction here; the request itself has an empty string. */
static const char *parse_start(char *rest, struct script_step *out)
{
	if (!rest || !*rest || strchr(rest, ' ') || strlen(rest) >= SCRIPT_NAME)
		return "START needs a name for the transaction";
	strcpy(out->starts, rest);
	return NULL;
}

/*
 * Each word goes with a NUL, but the value of a WRITE. Requests without any argument have an empty string where Xen's own
 * clients send one.
 */
static const char *add_arguments(char *rest, uint32_t type, struct buffer *payload)
{
	size_t n = 0;

	for (char *word = rest ? strsep(&rest, " ") : NULL; word; word = strsep(&rest, " "), n++) {
		if (!*word)
			return "two spaces in a row, or one at the end";
		if (!add_word(word, payload))
			return "an escape that there is not";
		if (type != MESSAGE_WRITE || n != 1)
			buffer_add_nul(payload);
	}
	if (!n && (type == MESSAGE_TRANSACTION_START || type == MESSAGE_RESET_WATCHES))
		buffer_add_nul(payload);
	return NULL;
}

/* "READ /a", or with a colon the payload as it is: "READ: /a\0". */
static const char *parse_request(char *rest, struct script_step *out, struct buffer *payload)
{
	char *word = strsep(&rest, " ");
	size_t len = strlen(word);
	bool as_it_is = len && word[len - 1] == ':';
	const char *problem = NULL;

	if (as_it_is)
		word[len - 1] = 0;
	if (!type_of(word, &out->type))
		return "no such operation";
	if (as_it_is)
		return !rest || add_word(rest, payload) ? NULL : "an escape that there is not";
	if (out->type == MESSAGE_TRANSACTION_START) {
		problem = parse_start(rest, out);
		rest = NULL;
	}
	return problem ? problem : add_arguments(rest, out->type, payload);
}

static const char *parse_words(char *line, struct script_step *out, struct buffer *payload)
{
	static const char *const verbs[] = {
	    [SCRIPT_ASK] = "",		[SCRIPT_CLOSE] = "close",    [SCRIPT_CREATE] = "create", [SCRIPT_SHUTDOWN] = "shutdown",
	    [SCRIPT_RESUME] = "resume", [SCRIPT_DESTROY] = "destroy"};
	char *rest = line, *first = strsep(&rest, " ");
	unsigned domid;

	if (!rest)
		return "one word only";
	for (unsigned verb = SCRIPT_CLOSE; verb <= SCRIPT_DESTROY; verb++) {
		if (strcmp(first, verbs[verb]) != 0)
			continue;
		out->verb = verb;
		if (verb == SCRIPT_CLOSE)
			return client_of(rest, &out->client) && !script_client_is_guest(out->client) ? NULL : "no such client";
		if (!number_of(rest, SCRIPT_GUESTS, &domid))
			return "no such domain";
		out->domid = (uint16_t)domid;
		return NULL;
	}
	const char *problem = parse_asker(first, out);
	return problem ? problem : parse_request(rest, out, payload);
}

/* Returns the problem, or NULL. */
static const char *parse_step(const char *line, size_t len, struct script_step *out)
{
	struct buffer payload;
	char *words = strndup(line, len);

	buffer_init(&payload);
	out->text = strndup(line, len);
	const char *problem = words && out->text ? parse_words(words, out, &payload) : "no memory";
	free(words);
	buffer_add_nul(&payload);
	out->payload = payload.bytes;
	out->len = payload.len - 1;
	return problem ? problem : payload.failed ? "no memory" : NULL;
}

/* Another transaction that the same client has called so. */
static bool is_second_of_its_name(const struct script *script, const struct script_step *step)
{
	for (const struct script_step *before = script->steps; *step->starts && before < step; before++) {
		if (before->client == step->client && !strcmp(before->starts, step->starts))
			return true;
	}
	return false;
}

static const char *add_step(struct script *script, const char *line, size_t len, unsigned number)
{
	if (script->n % STEPS_CHUNK == 0) {
		struct script_step *more = realloc(script->steps, (script->n + STEPS_CHUNK) * sizeof(*more));
		if (!more)
			return "no memory";
		script->steps = more;
	}
	struct script_step *step = &script->steps[script->n++];
	*step = (struct script_step){.line = number};
	const char *problem = parse_step(line, len, step);
	if (!problem && is_second_of_its_name(script, step))
		problem = "this client has called another transaction so";
	return problem;
}

/* "1..10 STEP", with each "$i" of the step as the number. */
static const char *add_steps(struct script *script, const char *line, size_t len, unsigned number)
{
	unsigned from, to;
	int begin = 0;
	const char *problem = NULL;

	if (sscanf(line, "%u..%u %n", &from, &to, &begin) != 2 || !begin || to > from + 10000)
		return "not \"for 1..10 STEP\"";
	for (unsigned i = from; i <= to && !problem; i++) {
		struct buffer step;
		buffer_init(&step);
		for (size_t at = (size_t)begin; at < len; at++) {
			if (line[at] == '$' && line[at + 1] == 'i' && at++)
				buffer_printf(&step, "%u", i);
			else
				buffer_add(&step, line + at, 1);
		}
		problem = step.failed ? "no memory" : add_step(script, step.bytes, step.len, number);
		buffer_deinit(&step);
	}
	return problem;
}

static const char *set_options(struct script *script, const char *line, size_t len)
{
	char *words = strndup(line, len), *rest = words;
	size_t n = 0;

	for (char *word; words && (word = strsep(&rest, " ")) && n < SCRIPT_OPTIONS;)
		script->options[n++] = strdup(word);
	free(words);
	return words ? NULL : "no memory";
}

static const char *add_line(struct script *script, const char *line, size_t len, unsigned number)
{
	if (!strncmp(line, "options ", 8))
		return script->n ? "options behind the first step" : set_options(script, line + 8, len - 8);
	if (!strncmp(line, "for ", 4))
		return add_steps(script, line + 4, len - 4, number);
	return add_step(script, line, len, number);
}

int script_parse(const char *text, struct script *out, char **problem)
{
	const char *what = NULL;
	unsigned number = 0;

	*out = (struct script){0};
	*problem = NULL;
	for (size_t len; *text && !what; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		number++;
		if (!len || *text == '#')
			continue;
		what = add_line(out, text, len, number);
		if (what && asprintf(problem, "line %u: %s: %.*s", number, what, (int)len, text) < 0)
			*problem = NULL;
	}
	if (what)
		script_deinit(out);
	return what ? -EINVAL : 0;
}

void script_deinit(struct script *script)
{
	for (size_t i = 0; i < script->n; i++) {
		free(script->steps[i].payload);
		free(script->steps[i].text);
	}
	free(script->steps);
	for (size_t i = 0; i < SCRIPT_OPTIONS; i++)
		free(script->options[i]);
	*script = (struct script){0};
}
