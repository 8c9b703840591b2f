/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of subtrees: all of it, nothing else, in the order of DIRECTORY. */
#include "store/image.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/key.h"
#include "store/listing.h"
#include "support/random.h"
#include "support/store_file.h"
#include "support/suite.h"

enum { NAME_MAX_LEN = 700 };

static struct store_file file;
static struct reader_env reader;
static struct image image;
static bool one_moment; /* it is */

static void setup(void)
{
	store_file_init(&file);
	store_file_create(&file, "/a", NULL, "", 0);
}

static void teardown(void)
{
	image_deinit(&image);
	reader_close(&reader);
	store_file_deinit(&file);
}

static int read_slowly(const char *text, unsigned int milliseconds, reader_pause *pause, void *context)
{
	char problem[READER_TEXT_SIZE];
	struct path path = {text, strlen(text)};

	image_deinit(&image);
	reader_close(&reader);
	ck_assert_int_eq(reader_open(file.path, false, &reader, problem), READER_SOUND);
	struct reader_walk records = {.reader = &reader, .milliseconds = milliseconds, .pause = pause, .context = context};
	ck_assert_int_eq(reader_walk_begin(&records), 0);
	int result = image_read(&records, &path, &image);
	one_moment = records.one_moment;
	reader_walk_end(&records);
	/* What is shown afterwards needs no file. */
	reader_close(&reader);
	return result;
}

static int read_image(const char *path)
{
	return read_slowly(path, 60000, NULL, NULL);
}

/* The paths in order, each followed by a blank; orphans have a '?' before them. The caller frees it. */
static char *paths(void)
{
	struct buffer text = {0};
	struct image_node node;

	for (size_t i = 0; i < image.n_nodes; i++) {
		image_node(&image, i, &node);
		buffer_printf(&text, "%s%.*s ", node.orphan ? "?" : "", (int)node.path.len, node.path.text);
	}
	buffer_add_nul(&text);
	ck_assert(!text.failed);
	return text.bytes;
}

static void expect_paths(const char *expected)
{
	char *text = paths();

	ck_assert_str_eq(text, expected);
	free(text);
}

/* ---- order ---- */

START_TEST(siblings_are_in_the_order_of_their_creation_each_with_all_below)
{
	store_file_create(&file, "/a/z", NULL, "", 0);
	store_file_create(&file, "/a/b", NULL, "", 0);
	store_file_create(&file, "/a/z/y", NULL, "", 0);
	store_file_create(&file, "/a/b/x", NULL, "", 0);
	store_file_create(&file, "/a/z/b", NULL, "", 0);
	ck_assert_int_eq(read_image("/a"), 0);
	expect_paths("/a /a/z /a/z/y /a/z/b /a/b /a/b/x ");
	ck_assert(one_moment);
	ck_assert_uint_eq(image.n_orphans + image.n_damaged, 0);
}
END_TEST

START_TEST(the_whole_ends_with_the_special_nodes)
{
	ck_assert_int_eq(read_image("/"), 0);
	expect_paths("/ /tool /tool/xenstored /a @introduceDomain @releaseDomain ");
}
END_TEST

START_TEST(a_special_node_is_found_by_its_name)
{
	ck_assert_int_eq(read_image("@releaseDomain"), 0);
	expect_paths("@releaseDomain ");
	ck_assert_int_eq(read_image("@other"), STATUS_ENOENT);
}
END_TEST

START_TEST(neighbours_whose_names_begin_alike_are_left_out)
{
	static const char *const names[] = {"/a-", "/a-b", "/aa", "/a/b", "/a/b-", "/a/b/c", "/a/b-/c", "/a/bb", "/a0", "/A"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		store_file_create(&file, names[i], NULL, "", 0);
	ck_assert_int_eq(read_image("/a"), 0);
	expect_paths("/a /a/b /a/b/c /a/b- /a/b-/c /a/bb ");
	ck_assert_int_eq(read_image("/a/b"), 0);
	expect_paths("/a/b /a/b/c ");
	ck_assert_int_eq(read_image("/a/b/c"), 0);
	expect_paths("/a/b/c ");
	ck_assert_int_eq(read_image("/a-"), 0);
	expect_paths("/a- ");
}
END_TEST

START_TEST(a_missing_node_is_missing)
{
	char path[PATH_BUFFER];

	ck_assert_int_eq(read_image("/b"), STATUS_ENOENT);
	ck_assert_int_eq(read_image("/a/b"), STATUS_ENOENT);
	snprintf(path, sizeof(path), "/a/%0*d", NAME_MAX_LEN, 1);
	ck_assert_int_eq(read_image(path), STATUS_ENOENT);
}
END_TEST

/* Made before others or after them, with long keys or short ones. */
START_TEST(nodes_with_long_keys_have_their_places_among_the_others)
{
	char first[800], below[820], last[800], expected[8000];

	snprintf(first, sizeof(first), "/a/%0*d", NAME_MAX_LEN, 9);
	snprintf(below, sizeof(below), "%s/x", first);
	snprintf(last, sizeof(last), "/a/%0*d", NAME_MAX_LEN, 1);
	store_file_create(&file, first, NULL, "", 0);
	store_file_create(&file, "/a/short", NULL, "", 0);
	store_file_create(&file, last, NULL, "", 0);
	store_file_create(&file, below, NULL, "", 0);
	snprintf(expected, sizeof(expected), "/a %s %s /a/short %s ", first, below, last);
	ck_assert_int_eq(read_image("/a"), 0);
	expect_paths(expected);
	snprintf(expected, sizeof(expected), "%s %s ", first, below);
	ck_assert_int_eq(read_image(first), 0);
	expect_paths(expected);
	ck_assert_int_eq(read_image("/tool"), 0);
	expect_paths("/tool /tool/xenstored ");
}
END_TEST

/* ---- against DIRECTORY's own order ---- */

/* Adds the path and all below it as a walk by DIRECTORY meets them. */
static void walk_listing(const char *text, struct buffer *out)
{
	struct path path = {text, strlen(text)};
	struct MDB_txn *txn = store_view(file.store);
	const struct listing *listing;
	struct node node;
	char child[PATH_BUFFER];

	buffer_printf(out, "%s ", text);
	ck_assert_int_eq(node_get(file.store, txn, &path, &node), 0);
	ck_assert_int_eq(listing_get(file.store, txn, &path, &node, 0, &listing), 0);
	char *names = malloc(listing->len + 1);
	ck_assert_ptr_nonnull(names);
	memcpy(names, listing->names, listing->len);
	size_t len = listing->len;
	for (char *name = names; name < names + len; name += strlen(name) + 1) {
		snprintf(child, sizeof(child), "%s/%s", path.len > 1 ? text : "", name);
		walk_listing(child, out);
	}
	free(names);
}

static void expect_order_of_listings(const char *path)
{
	struct buffer expected = {0};

	walk_listing(path, &expected);
	if (!strcmp(path, "/"))
		buffer_add_string(&expected, "@introduceDomain @releaseDomain ");
	buffer_add_nul(&expected);
	ck_assert_int_eq(read_image(path), 0);
	expect_paths(expected.bytes);
	buffer_deinit(&expected);
}

/* A child of the node, with a name that is short, or long enough that keys become long sooner or later. */
static bool append_name(char path[PATH_BUFFER], struct random *random)
{
	static const unsigned widths[] = {1, 1, 2, 2, 3, 100, 300, 480, 490, 500, 520, NAME_MAX_LEN};
	unsigned width = widths[random_below(random, sizeof(widths) / sizeof(widths[0]))];
	size_t len = strlen(path);

	if (len + 1 + width > PATH_ABSOLUTE_MAX)
		return false;
	snprintf(path + len, PATH_BUFFER - len, "%s%0*u", len > 1 ? "/" : "", (int)width, random_below(random, 10));
	return true;
}

START_TEST(random_trees_are_in_the_order_of_their_listings)
{
	static char all[400][PATH_BUFFER];
	struct random random;
	struct node node;
	size_t n = 1;

	random_begin(&random, "LXENSTORED_IMAGE_SEED");
	strcpy(all[0], "/");
	for (int i = 0; i < 600 && n < 400; i++) {
		char path[PATH_BUFFER];
		strcpy(path, all[random_below(&random, (uint32_t)n)]);
		struct path above = {path, strlen(path)};
		if (node_get(file.store, store_view(file.store), &above, &node) || !append_name(path, &random))
			continue;
		struct path whole = {path, strlen(path)};
		if (!node_get(file.store, store_view(file.store), &whole, &node)) {
			if (random_below(&random, 4) == 0)
				store_file_remove(&file, path);
			continue;
		}
		store_file_create(&file, path, NULL, "", 0);
		strcpy(all[n++], path);
	}
	expect_order_of_listings("/");
	for (size_t i = 0; i < n; i += 1 + n / 40) {
		struct path path = {all[i], strlen(all[i])};
		if (!node_get(file.store, store_view(file.store), &path, &node))
			expect_order_of_listings(all[i]);
	}
}
END_TEST

/* ---- what the nodes are ---- */

START_TEST(a_node_is_as_in_the_store)
{
	static const char value[] = "with\0NUL\xff";
	struct path path = {"/a/b", 4};
	struct image_node shown;
	struct node node;

	store_file_create(&file, "/a/b", "n7 r0 w65535", value, sizeof(value));
	store_file_create(&file, "/a/b/c", NULL, "", 0);
	ck_assert_int_eq(node_get(file.store, store_view(file.store), &path, &node), 0);
	ck_assert_int_eq(node_set_value(file.store, &path, &node, "x", 1), 0);
	ck_assert_int_eq(store_commit(file.store), 0);
	ck_assert_int_eq(node_get(file.store, store_view(file.store), &path, &node), 0);
	ck_assert_int_eq(node_set_value(file.store, &path, &node, value, sizeof(value)), 0);
	ck_assert_int_eq(store_commit(file.store), 0);
	ck_assert_int_eq(node_get(file.store, store_view(file.store), &path, &node), 0);

	ck_assert_int_eq(read_image("/a/b"), 0);
	image_node(&image, 0, &shown);
	ck_assert_uint_eq(shown.node.created, node.created);
	ck_assert_uint_eq(shown.node.value_generation, node.value_generation);
	ck_assert_uint_gt(shown.node.value_generation, node.created);
	ck_assert_uint_eq(shown.node.permissions_generation, node.permissions_generation);
	ck_assert_uint_eq(shown.node.children_generation, node.children_generation);
	ck_assert_uint_gt(shown.node.children_generation, node.created);
	ck_assert_uint_eq(shown.node.n_permissions, 3);
	ck_assert_mem_eq(shown.node.permissions, node.permissions, 3 * sizeof(struct permission));
	ck_assert_uint_eq(shown.node.value_len, sizeof(value));
	ck_assert_mem_eq(shown.node.value, value, sizeof(value));
	image_node(&image, 1, &shown);
	ck_assert_uint_eq(shown.node.value_len, 0);
}
END_TEST

/* ---- damage ---- */

static void put(const char *text, const void *record, size_t len)
{
	struct path path = {text, strlen(text)};
	struct key key;

	key_of_path(file.store->meta.hash_key, &path, &key);
	store_file_put(&file, key.bytes, key.len, record, len);
}

START_TEST(nodes_whose_parent_is_missing_come_last)
{
	store_file_create(&file, "/a/b", NULL, "", 0);
	store_file_create(&file, "/a/b/c", NULL, "", 0);
	store_file_create(&file, "/a/b/c/d", NULL, "", 0);
	store_file_create(&file, "/a/z", NULL, "", 0);
	put("/a/b", NULL, 0);
	ck_assert_int_eq(read_image("/"), 0);
	expect_paths("/ /tool /tool/xenstored /a /a/z @introduceDomain @releaseDomain ?/a/b/c /a/b/c/d ");
	ck_assert_uint_eq(image.n_orphans, 1);
	ck_assert_int_eq(read_image("/a"), 0);
	expect_paths("/a /a/z ?/a/b/c /a/b/c/d ");
	ck_assert_int_eq(read_image("/a/b"), STATUS_ENOENT);
}
END_TEST

START_TEST(without_the_root_the_others_are_there)
{
	put("/", NULL, 0);
	ck_assert_int_eq(read_image("/"), 0);
	expect_paths("@introduceDomain @releaseDomain ?/tool /tool/xenstored ?/a ");
	ck_assert_uint_eq(image.n_orphans, 2);
}
END_TEST

START_TEST(records_that_are_no_nodes_are_left_out_and_counted)
{
	static char large[STORE_RECORD_MAX + 1] = {[32] = 1};
	char path[PATH_BUFFER];
	struct path node = {"/a", 2};
	struct key key;
	size_t len;

	key_of_path(file.store->meta.hash_key, &node, &key);
	unsigned char *record = store_file_get(&file, key.bytes, key.len, &len);
	put("/a/short", "", 0);
	put("/a/large", large, sizeof(large));
	store_file_put(&file, "n\1a\0b\033[2J", 9, record, len);
	store_file_put(&file, "n\1a\1b", 5, record, len);
	store_file_put(&file, "n", 1, record, len);
	snprintf(path, sizeof(path), "/a/%0*d", NAME_MAX_LEN, 1);
	store_file_create(&file, path, NULL, "", 0);
	node = (struct path){path, strlen(path)};
	key_of_path(file.store->meta.hash_key, &node, &key);
	unsigned char *long_record = store_file_get(&file, key.bytes, key.len, &len);
	/* Another hash. */
	key.bytes[5] ^= 1;
	store_file_put(&file, key.bytes, key.len, long_record, len);
	put(path, NULL, 0);
	ck_assert_int_eq(read_image("/"), 0);
	expect_paths("/ /tool /tool/xenstored /a @introduceDomain @releaseDomain ");
	ck_assert_uint_eq(image.n_damaged, 6);
	free(record);
	free(long_record);
}
END_TEST

START_TEST(what_was_read_before_the_damage_is_there)
{
	char name[32];
	size_t len;

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "/a/n%03d", i);
		store_file_create(&file, name, NULL, "", 0);
	}
	store_file_close(&file);
	unsigned char *bytes = store_file_bytes(file.path, &len);
	ck_assert_uint_gt(store_file_replace(bytes, len, "n200", "n100", 4), 0);
	store_file_write(file.path, bytes, len);
	free(bytes);
	ck_assert_int_eq(read_image("/a"), -EIO);
	ck_assert_uint_eq(image.n_nodes, 201);
}
END_TEST

/* ---- in several transactions ---- */

static void create_many(void)
{
	char name[32];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "/a/n%03d", 299 - i);
		store_file_create(&file, name, NULL, "", 0);
		snprintf(name, sizeof(name), "/a/n%03d/below", 299 - i);
		store_file_create(&file, name, NULL, "", 0);
	}
}

static void count_pause(void *context, uint64_t n_records)
{
	size_t *n = context;

	(void)n_records;
	++*n;
}

START_TEST(an_unchanged_store_read_in_pieces_is_of_one_moment)
{
	size_t n_pauses = 0;

	create_many();
	ck_assert_int_eq(read_image("/"), 0);
	char *at_once = paths();
	ck_assert_int_eq(read_slowly("/", 0, count_pause, &n_pauses), 0);
	ck_assert_uint_ge(n_pauses, 5);
	expect_paths(at_once);
	ck_assert(one_moment);
	free(at_once);
}
END_TEST

/* Somebody removes directories, makes them anew, and adds to them. */
static void change(void *context, uint64_t n_records)
{
	size_t *n = context;
	char name[32];

	(void)n_records;
	snprintf(name, sizeof(name), "/a/n%03zu", *n % 300);
	store_file_remove(&file, name);
	snprintf(name, sizeof(name), "/a/n%03zu", (*n + 150) % 300);
	store_file_remove(&file, name);
	store_file_create(&file, name, NULL, "", 0);
	strcat(name, "/new");
	store_file_create(&file, name, NULL, "", 0);
	*n += 1;
}

START_TEST(a_store_that_changes_meanwhile_is_copied_and_it_is_told)
{
	struct image_node node;
	size_t n = 0;

	create_many();
	ck_assert_int_eq(read_slowly("/a", 0, change, &n), 0);
	ck_assert_uint_ge(n, 5);
	ck_assert(!one_moment);
	ck_assert_uint_gt(image.n_nodes, 500);
	ck_assert_uint_eq(image.n_damaged, 0);
	for (size_t i = 0; i < image.n_nodes; i++) {
		image_node(&image, i, &node);
		ck_assert_mem_eq(node.path.text, "/a", 2);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    siblings_are_in_the_order_of_their_creation_each_with_all_below,
	    the_whole_ends_with_the_special_nodes,
	    a_special_node_is_found_by_its_name,
	    neighbours_whose_names_begin_alike_are_left_out,
	    a_missing_node_is_missing,
	    nodes_with_long_keys_have_their_places_among_the_others,
	    random_trees_are_in_the_order_of_their_listings,
	    a_node_is_as_in_the_store,
	    nodes_whose_parent_is_missing_come_last,
	    without_the_root_the_others_are_there,
	    records_that_are_no_nodes_are_left_out_and_counted,
	    what_was_read_before_the_damage_is_there,
	    an_unchanged_store_read_in_pieces_is_of_one_moment,
	    a_store_that_changes_meanwhile_is_copied_and_it_is_told,
	};
	Suite *suite = suite_create("image");
	TCase *cases = tcase_create("image");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_set_timeout(cases, 120);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
