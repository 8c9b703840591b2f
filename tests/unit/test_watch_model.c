/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The index of watches against a plain list of them, which is searched from its front to its end for everything. */
#include "watch/watch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "support/random.h"
#include "support/suite.h"

enum { OWNERS = 4, MODEL_MAX = 400, STEPS = 6000 };

static struct watch_index *watches;
static struct watch_owner *owners[OWNERS];

/* Watches hit by the last match. */
static struct watch *hits[MODEL_MAX];
static size_t n_hits;

struct model_watch {
	struct watch *watch;
	size_t owner;
	uint64_t serial;
	int depth;
	char path[64], token[4];
};

static struct model_watch model[MODEL_MAX];
static size_t n_model;
static struct random random_numbers;

static struct watch_owner *owner_new(size_t i)
{
	struct watch_owner *owner;

	ck_assert_int_eq(watch_owner_new(watches, 10 * (i ^ 2), NULL, NULL, NULL, &owner), 0);
	return owner;
}

static void setup(void)
{
	watches = watch_index_new();
	ck_assert_ptr_nonnull(watches);
	for (size_t i = 0; i < OWNERS; i++)
		owners[i] = owner_new(i);
}

static void teardown(void)
{
	for (size_t i = 0; i < OWNERS; i++)
		watch_owner_free(owners[i]);
	watch_index_free(watches);
}

static struct path path_of(const char *text)
{
	return (struct path){text, strlen(text)};
}

static int may(void *context, const struct watch_owner *owner)
{
	(void)context;
	(void)owner;
	return 1;
}

static int note_hit(void *context, struct watch *watch)
{
	(void)context;
	if (n_hits == MODEL_MAX)
		ck_abort_msg("more hits than watches");
	hits[n_hits++] = watch;
	return 0;
}

static void match(const char *text, bool exact)
{
	struct path path = path_of(text);

	n_hits = 0;
	if (watch_match(watches, &path, exact, may, note_hit, NULL))
		ck_abort_msg("%s cannot be matched", text);
}

static uint32_t draw(uint32_t below)
{
	return random_below(&random_numbers, below);
}

/* A path of few names, so that they meet. */
static void random_path(char out[64])
{
	static const char *const specials[] = {"@x", "@x/1", "@x/2", "@y", "@y/1", "@xy"};
	static const char *const names[] = {"a", "b", "ab", "@x"};
	size_t len = 0, levels = draw(5);

	if (!draw(6)) {
		strcpy(out, specials[draw(6)]);
		return;
	}
	strcpy(out, "/");
	for (size_t i = 0; i < levels; i++)
		len += (size_t)sprintf(out + len, "/%s", names[draw(4)]);
}

/* Does a change of `text` fire a watch on `watched`? */
static bool model_fires(const char *watched, int depth, const char *text, bool exact)
{
	size_t len = strlen(watched);
	int levels = 0;

	if (!strcmp(watched, text))
		return true;
	if (exact)
		return false;
	if (text[0] == '@')
		return !strncmp(text, watched, len) && text[len] == '/' && depth >= 1;
	if (!strcmp(watched, "/"))
		len = 0;
	if (watched[0] == '@' || strncmp(text, watched, len) != 0 || text[len] != '/')
		return false;
	for (const char *at = text + len; *at; at++)
		levels += *at == '/';
	return depth < 0 || levels <= depth;
}

static int by_owner_and_serial(const void *left, const void *right)
{
	const struct model_watch *a = *(const struct model_watch *const *)left, *b = *(const struct model_watch *const *)right;

	if (a->owner != b->owner)
		return owners[a->owner]->order < owners[b->owner]->order ? -1 : 1;
	return a->serial < b->serial ? -1 : 1;
}

static void check_match(void)
{
	const struct model_watch *expected[MODEL_MAX];
	size_t n = 0;
	char text[64];
	bool exact = !draw(4);

	random_path(text);
	for (size_t i = 0; i < n_model; i++) {
		if (model_fires(model[i].path, model[i].depth, text, exact))
			expected[n++] = &model[i];
	}
	qsort(expected, n, sizeof(expected[0]), by_owner_and_serial);
	match(text, exact);
	if (n_hits != n)
		ck_abort_msg("%s%s fires %zu, not %zu", text, exact ? " exactly" : "", n_hits, n);
	for (size_t i = 0; i < n; i++)
		if (hits[i] != expected[i]->watch)
			ck_abort_msg("hit %zu of %s is not that of %s", i, text, expected[i]->path);
}

static int note_model(void *context, const struct path *path)
{
	bool *found = context;
	size_t n = 0;

	for (size_t i = 0; i < n_model; i++) {
		if (strlen(model[i].path) != path->len || memcmp(model[i].path, path->text, path->len) != 0)
			continue;
		if (found[i])
			ck_abort_msg("%s was found twice", model[i].path);
		found[i] = true;
		n++;
	}
	if (!n)
		ck_abort_msg("%.*s is not watched", (int)path->len, path->text);
	return 0;
}

static void check_below(void)
{
	bool found[MODEL_MAX] = {false};
	char text[64];

	random_path(text);
	struct path path = path_of(text);
	size_t len = strcmp(text, "/") ? path.len : 0;
	if (watch_below(watches, &path, note_model, found))
		ck_abort_msg("what is below %s cannot be had", text);
	for (size_t i = 0; i < n_model; i++) {
		bool below = strcmp(model[i].path, text) != 0 && !strncmp(model[i].path, text, len) && model[i].path[len] == '/';
		if (found[i] != below)
			ck_abort_msg("%s below %s", model[i].path, text);
	}
}

static void step_add(void)
{
	struct model_watch *added = &model[n_model];
	int expected = 0;

	random_path(added->path);
	sprintf(added->token, "%u", draw(3));
	added->owner = draw(OWNERS);
	added->depth = (int)draw(6) - 1;
	for (size_t i = 0; i < n_model; i++) {
		if (model[i].owner == added->owner && !strcmp(model[i].path, added->path) &&
		    !strcmp(model[i].token, added->token))
			expected = STATUS_EEXIST;
	}
	struct watch_description description = {path_of(added->path), 0, added->token, strlen(added->token), added->depth, 0};
	if (watch_add(owners[added->owner], &description, NULL, &added->watch) != expected)
		ck_abort_msg("%s of %zu with token %s", added->path, added->owner, added->token);
	if (expected)
		return;
	added->serial = added->watch->serial;
	if (n_model && added->serial <= model[n_model - 1].serial)
		ck_abort_msg("a serial was used twice");
	n_model++;
}

static void step_remove(size_t i)
{
	struct path path = path_of(model[i].path);
	struct watch *found = NULL;

	if (watch_find(owners[model[i].owner], &path, model[i].token, strlen(model[i].token), &found) || found != model[i].watch)
		ck_abort_msg("%s is not found", model[i].path);
	watch_free(found);
	memmove(&model[i], &model[i + 1], (n_model - i - 1) * sizeof(model[0]));
	n_model--;
}

static void step_clear(size_t owner)
{
	size_t kept = 0;

	watch_owner_free(owners[owner]);
	owners[owner] = owner_new(owner);
	for (size_t i = 0; i < n_model; i++) {
		if (model[i].owner != owner)
			model[kept++] = model[i];
	}
	n_model = kept;
}

START_TEST(the_index_answers_like_a_list)
{
	random_begin(&random_numbers, "WATCH_SEED");
	n_model = 0;
	for (int i = 0; i < STEPS; i++) {
		uint32_t what = draw(1000);
		if (what == 0)
			step_clear(draw(OWNERS));
		else if (n_model == MODEL_MAX || (n_model && what < 350))
			step_remove(draw((uint32_t)n_model));
		else
			step_add();
		check_match();
		check_below();
		size_t counted = 0;
		for (size_t owner = 0; owner < OWNERS; owner++)
			counted += owners[owner]->count;
		if (watch_count(watches) != n_model || counted != n_model)
			ck_abort_msg("%zu watches are counted, %zu there", watch_count(watches), n_model);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("watch model");
	TCase *list = tcase_create("list");

	tcase_add_checked_fixture(list, setup, teardown);
	tcase_set_timeout(list, 60);
	tcase_add_test(list, the_index_answers_like_a_list);
	suite_add_tcase(suite, list);
	return suite_run(suite);
}
