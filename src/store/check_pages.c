/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pages of an LMDB file (0.9, 64 bits), read as bytes: LMDB itself trusts them, and what it does with a damaged one may be
 * seen only much later. Each page that can be reached from the newest state is what it says it is, holds keys in order and
 * between those that lead to it, and can be reached once; and there are as many as are counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lxenstored/store_format.h"
#include "store/check_walk.h"

enum {
	HEAD_SIZE = 16, /* of a page */
	NODE_HEAD_SIZE = 8,
	DEPTH_MAX = 32,
	PAGE_BRANCH = 1, /* and no other flag, which would be of a page that is being changed */
	PAGE_LEAF = 2,
	PAGE_OVERFLOW = 4,
	NODE_LARGE = 1,	     /* its data lie on pages of their own */
	FREE_FLAGS = 0x4008, /* of the list of free pages: keys are integers; the file is no directory */
	PAGE_SIZE_LEAST = 256,
	PAGE_SIZE_MOST = 65536
};

struct tree {
	uint32_t page_size; /* of the list of free pages: that of the file */
	uint16_t flags, depth;
	uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct meta {
	uint32_t magic, version;
	uint64_t address, map_size;
	struct tree trees[2]; /* the list of free pages; the records */
	uint64_t last_page, commit;
};

struct page_head {
	uint64_t number;
	uint16_t unused, flags;
	uint16_t lower, upper; /* what is free on it; of an overflow page together the number of pages */
};

struct node_head {
	uint16_t low, high, flags, key_len;
};

/* A key that lies on a page; NULL: none. */
struct bound {
	const unsigned char *bytes;
	size_t len;
};

struct pages_walk {
	int fd;
	uint64_t last_page;
	size_t page_size;
	unsigned char *seen; /* by page: reached already */
	bool is_free_list;
	struct tree found;
	char *text; /* the first problem */
	size_t text_size;
};

static bool wrong(struct pages_walk *walk, uint64_t page, const char *what)
{
	snprintf(walk->text, walk->text_size, "page %" PRIu64 " %s", page, what);
	return false;
}

static bool read_page(struct pages_walk *walk, uint64_t page, unsigned char *bytes)
{
	if (page < 2 || page > walk->last_page)
		return wrong(walk, page, "is none of the file's");
	if (walk->seen[page]++)
		return wrong(walk, page, "is used twice");
	if (pread(walk->fd, bytes, walk->page_size, (off_t)(page * walk->page_size)) != (ssize_t)walk->page_size)
		return wrong(walk, page, "cannot be read");
	return true;
}

static int compare(const struct pages_walk *walk, const struct bound *left, const struct bound *right)
{
	size_t len = left->len < right->len ? left->len : right->len;
	uint64_t numbers[2];

	if (walk->is_free_list) {
		memcpy(&numbers[0], left->bytes, sizeof(numbers[0]));
		memcpy(&numbers[1], right->bytes, sizeof(numbers[1]));
		return (numbers[0] > numbers[1]) - (numbers[0] < numbers[1]);
	}
	int order = memcmp(left->bytes, right->bytes, len);
	return order ? order : (left->len > right->len) - (left->len < right->len);
}

/* Data of a leaf's node that lie elsewhere. */
static bool walk_overflow(struct pages_walk *walk, uint64_t first, size_t data_len)
{
	struct page_head head;

	if (first < 2 || first > walk->last_page)
		return wrong(walk, first, "is none of the file's");
	if (pread(walk->fd, &head, sizeof(head), (off_t)(first * walk->page_size)) != sizeof(head))
		return wrong(walk, first, "cannot be read");
	uint64_t n = head.lower | (uint64_t)head.upper << 16;
	if (head.number != first || head.flags != PAGE_OVERFLOW || n != (HEAD_SIZE - 1 + data_len) / walk->page_size + 1 ||
	    n > walk->last_page - first + 1)
		return wrong(walk, first, "does not hold what it is to hold");
	for (uint64_t i = first; i < first + n; i++)
		if (walk->seen[i]++)
			return wrong(walk, i, "is used twice");
	walk->found.overflow_pages += n;
	return true;
}

/* One page's nodes, by index. */
struct opened {
	uint64_t page;
	const unsigned char *bytes;
	struct page_head head;
	bool is_leaf;
	size_t n;
};

/* The node's head and key; *data: what of a leaf's is on the page. False, and told: it does not lie within. */
static bool open_node(struct pages_walk *walk, const struct opened *page, size_t index, struct node_head *node, struct bound *key,
		      size_t *size)
{
	uint16_t at;

	memcpy(&at, page->bytes + HEAD_SIZE + 2 * index, sizeof(at));
	if (at < page->head.upper || at + (size_t)NODE_HEAD_SIZE > walk->page_size)
		return wrong(walk, page->page, "has a record that is not on it");
	memcpy(node, page->bytes + at, sizeof(*node));
	*size = NODE_HEAD_SIZE + (size_t)node->key_len;
	if (page->is_leaf)
		*size += node->flags & NODE_LARGE ? sizeof(uint64_t) : (node->low | (size_t)node->high << 16);
	*key = (struct bound){page->bytes + at + NODE_HEAD_SIZE, node->key_len};
	if (at + *size > walk->page_size)
		return wrong(walk, page->page, "has a record that is not on it");
	*size += *size & 1;
	if (page->is_leaf && node->flags & ~NODE_LARGE)
		return wrong(walk, page->page, "has a record of no kind");
	if (!page->is_leaf && !index)
		return true; /* its key counts for nothing */
	if (!node->key_len || node->key_len > STORE_KEY_MAX || (walk->is_free_list && node->key_len != sizeof(uint64_t)))
		return wrong(walk, page->page, "has a key that is none");
	return true;
}

static bool open_page(struct pages_walk *walk, uint64_t number, const unsigned char *bytes, struct opened *out)
{
	*out = (struct opened){.page = number, .bytes = bytes};
	memcpy(&out->head, bytes, sizeof(out->head));
	out->is_leaf = out->head.flags == PAGE_LEAF;
	if (out->head.number != number || (!out->is_leaf && out->head.flags != PAGE_BRANCH))
		return wrong(walk, number, "is not what it is to be");
	if (out->head.lower <= HEAD_SIZE || out->head.lower % 2 || out->head.lower > out->head.upper ||
	    out->head.upper > walk->page_size)
		return wrong(walk, number, "says nonsense of what is free on it");
	out->n = (size_t)(out->head.lower - HEAD_SIZE) / 2;
	return true;
}

static bool walk_page(struct pages_walk *walk, uint64_t number, unsigned depth, const struct bound *least,
		      const struct bound *below);

static bool walk_child(struct pages_walk *walk, const struct opened *page, size_t index, unsigned depth,
		       const struct bound *least, const struct bound *below)
{
	struct node_head node, next_node;
	struct bound key, next;
	size_t size;

	if (!open_node(walk, page, index, &node, &key, &size) ||
	    (index + 1 < page->n && !open_node(walk, page, index + 1, &next_node, &next, &size)))
		return false;
	uint64_t child = node.low | (uint64_t)node.high << 16 | (uint64_t)node.flags << 32;
	return walk_page(walk, child, depth + 1, index ? &key : least, index + 1 < page->n ? &next : below);
}

static bool walk_nodes(struct pages_walk *walk, const struct opened *page, const struct bound *least, const struct bound *below)
{
	struct bound before = *least, key;
	struct node_head node;
	size_t all = 0, size;
	uint64_t large;

	for (size_t i = 0; i < page->n; i++) {
		if (!open_node(walk, page, i, &node, &key, &size))
			return false;
		all += size;
		if (page->is_leaf || i) {
			int order = before.bytes ? compare(walk, &before, &key) : -1;
			/* The first key of a leaf may be the one that leads to it. */
			if (order > 0 || (!order && (i || !page->is_leaf)) || (below->bytes && compare(walk, &key, below) >= 0))
				return wrong(walk, page->page, "has keys that are not in order");
			before = key;
		}
		if (page->is_leaf && node.flags & NODE_LARGE) {
			memcpy(&large, key.bytes + key.len, sizeof(large));
			if (!walk_overflow(walk, large, node.low | (size_t)node.high << 16))
				return false;
		}
	}
	return all == walk->page_size - page->head.upper || wrong(walk, page->page, "has records that lie over each other");
}

static bool walk_page(struct pages_walk *walk, uint64_t number, unsigned depth, const struct bound *least,
		      const struct bound *below)
{
	unsigned char *bytes = depth < DEPTH_MAX ? malloc(walk->page_size) : NULL;
	struct opened page;
	bool good = bytes ? read_page(walk, number, bytes) : wrong(walk, number, "lies too deep");

	good = good && open_page(walk, number, bytes, &page) && walk_nodes(walk, &page, least, below);
	if (good && page.is_leaf) {
		walk->found.leaf_pages++;
		walk->found.entries += page.n;
		if (walk->found.depth && walk->found.depth != depth + 1)
			good = wrong(walk, number, "lies at another depth than others");
		walk->found.depth = (uint16_t)(depth + 1);
	}
	if (good && !page.is_leaf)
		walk->found.branch_pages++;
	for (size_t i = 0; good && !page.is_leaf && i < page.n; i++)
		good = walk_child(walk, &page, i, depth, least, below);
	free(bytes);
	return good;
}

static bool walk_tree(struct pages_walk *walk, const struct tree *tree, bool is_free_list)
{
	const struct bound none = {NULL, 0};

	walk->is_free_list = is_free_list;
	walk->found = (struct tree){0};
	if (tree->root != UINT64_MAX && !walk_page(walk, tree->root, 0, &none, &none))
		return false;
	if (walk->found.depth == tree->depth && walk->found.branch_pages == tree->branch_pages &&
	    walk->found.leaf_pages == tree->leaf_pages && walk->found.overflow_pages == tree->overflow_pages &&
	    walk->found.entries == tree->entries)
		return true;
	snprintf(walk->text, walk->text_size, "there are other numbers of pages than are counted");
	return false;
}

static bool read_meta(int fd, size_t page_size, int number, struct meta *out)
{
	return pread(fd, out, sizeof(*out), (off_t)(number * (off_t)page_size + HEAD_SIZE)) == sizeof(*out);
}

bool check_pages_of_file(int fd, char *text, size_t text_size)
{
	struct pages_walk walk = {.fd = fd, .text = text, .text_size = text_size};
	struct meta metas[2];
	struct stat file;

	*text = 0;
	if (fstat(fd, &file) || !read_meta(fd, 0, 0, &metas[0]))
		return true; /* others say what it is */
	walk.page_size = metas[0].trees[0].page_size;
	if (walk.page_size < PAGE_SIZE_LEAST || walk.page_size > PAGE_SIZE_MOST || walk.page_size & (walk.page_size - 1) ||
	    !read_meta(fd, walk.page_size, 1, &metas[1]) || metas[1].trees[0].page_size != walk.page_size) {
		snprintf(text, text_size, "its first pages are damaged");
		return false;
	}
	const struct meta *newest = &metas[metas[1].commit > metas[0].commit];
	walk.last_page = newest->last_page;
	if (newest->last_page < 1 || newest->last_page >= (uint64_t)file.st_size / walk.page_size) {
		snprintf(text, text_size, "a page lies behind the end of the file, which was cut short");
		return false;
	}
	if (newest->trees[0].flags & ~FREE_FLAGS || newest->trees[1].flags) {
		snprintf(text, text_size, "its first pages say nonsense of the others");
		return false;
	}
	walk.seen = calloc(walk.last_page + 1, 1);
	bool good = walk.seen && walk_tree(&walk, &newest->trees[0], true) && walk_tree(&walk, &newest->trees[1], false);
	if (!walk.seen)
		snprintf(text, text_size, "no memory to examine it");
	free(walk.seen);
	return good;
}
