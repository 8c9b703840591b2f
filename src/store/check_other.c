/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records that are no nodes. What a domain may be, and who may have a watch, is known only to a daemon; here it is seen that what
 * is recorded can be so.
 */
#include <string.h>

#include "store/check_walk.h"
#include "store/record.h"
#include "store/watch_record.h"
#include "wire/permissions.h"

/* Says what is wrong with the lengths. */
static void wrong_lengths(struct check_walk *walk, const char *what)
{
	check_problem(walk, "%s has a key of %zu bytes and a record of %zu", what, walk->records->key_len,
		      walk->records->record_len);
}

void check_account(struct check_walk *walk)
{
	const struct reader_walk *records = walk->records;
	struct store_account account;
	uint16_t domid;

	if (!record_domid(records->key, records->key_len, &domid) || records->record_len != sizeof(account)) {
		wrong_lengths(walk, "an account");
		return;
	}
	memcpy(&account, records->record, sizeof(account));
	walk->owned[domid] -= account.nodes;
}

/* ---- domains and quotas ---- */

static bool are_quotas(const struct store_quotas *quotas)
{
	return !(quotas->hard_set >> STORE_QUOTAS) && !(quotas->soft_set >> STORE_QUOTAS);
}

void check_domain(struct check_walk *walk)
{
	const struct reader_walk *records = walk->records;
	struct store_domain domain;
	uint16_t domid;

	if (!record_domid(records->key, records->key_len, &domid) || records->record_len != sizeof(domain)) {
		wrong_lengths(walk, "a domain");
		return;
	}
	memcpy(&domain, records->record, sizeof(domain));
	if (domid >= DOMID_FIRST_RESERVED_NUMBER)
		check_problem(walk, "domain %u has a number that none can have", domid);
	if (domain.flags & ~(STORE_DOMAIN_INTRODUCED | STORE_DOMAIN_SHUT_DOWN) || domain.reserved)
		check_problem(walk, "domain %u has flags of no meaning", domid);
	if (domain.target >= DOMID_FIRST_RESERVED_NUMBER && domain.target != DOMID_NONE)
		check_problem(walk, "domain %u has domain %u as target, which none can be", domid, domain.target);
	if (!are_quotas(&domain.quotas))
		check_problem(walk, "domain %u has quotas of no meaning", domid);
}

void check_quotas(struct check_walk *walk)
{
	const struct reader_walk *records = walk->records;
	struct store_quotas quotas;

	if (records->key_len != 1 || records->record_len != sizeof(quotas)) {
		wrong_lengths(walk, "the record of quotas");
		return;
	}
	memcpy(&quotas, records->record, sizeof(quotas));
	if (!are_quotas(&quotas))
		check_problem(walk, "the record of quotas has some of no meaning");
}

/* ---- watches ---- */

static bool is_path(const char *text, size_t len)
{
	char buffer[PATH_BUFFER];
	struct path path;

	return len <= PATH_ABSOLUTE_MAX && !path_canonicalize(text, len, 0, true, 0, buffer, &path) && path.len == len;
}

/* What the path of an event may leave out: all up to the directory of the watch's domain. */
static bool is_hidden_part(const struct watch_record *watch)
{
	char directory[PATH_DOMAIN_BUFFER];
	size_t len = path_of_domain(watch->domid, directory);

	return !watch->hidden || (watch->hidden == len + 1 && watch->path_len > len && !memcmp(watch->path, directory, len) &&
				  watch->path[len] == '/');
}

void check_watch(struct check_walk *walk)
{
	const struct reader_walk *records = walk->records;
	struct watch_record watch;

	if (!watch_record_decode(records->key, records->key_len, records->record, records->record_len, &watch)) {
		wrong_lengths(walk, "a watch");
		return;
	}
	if (!is_path(watch.path, watch.path_len))
		check_problem(walk, "a watch of domain %u has a path that is none", watch.domid);
	else if (!is_hidden_part(&watch))
		check_problem(walk, "a watch of domain %u leaves out a part of its path that is no directory of the domain",
			      watch.domid);
	if (watch.depth < -1)
		check_problem(walk, "a watch of domain %u has a depth of %d", watch.domid, watch.depth);
	if (memchr(watch.token, 0, watch.token_len))
		check_problem(walk, "a watch of domain %u has a token with a NUL", watch.domid);
	if (watch.connection <= UINT16_MAX && watch.connection != watch.domid)
		check_problem(walk, "the ring of domain %u has a watch of domain %u", (unsigned)watch.connection, watch.domid);
}
