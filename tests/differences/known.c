/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table. Entries are tried in this order, each on what those before have left. */
#include "differences/known.h"

#include <string.h>

#include "differences/known_entries.h"

bool known_topic_exists(const char *document, const char *topic)
{
	size_t len = strlen(topic);

	for (const char *at = document; (at = strstr(at, topic)); at += len) {
		if (at - document >= 3 && !strncmp(at - 3, "\n| ", 3) && !strncmp(at + len, " |", 2))
			return true;
	}
	return false;
}

const struct known_difference known_differences[] = {
    {"death by bad path", "bad path", true, explain_death_by_bad_path},
    {"bad path", "bad path", false, explain_bad_path},
    {"bad number", "bad number", false, explain_bad_number},
    {"number of no domain", "bad number", false, explain_bad_domain},
    {"long path", "length of a path", false, explain_long_path},
    {"one more than the quota", "the most a quota allows", true, explain_one_more},
    {"size of names", "size of a node", true, explain_size_of_names},
    {"new operations", "GET_FEATURE, SET_FEATURE, GET_QUOTA, SET_QUOTA", false, explain_new_operations},
    {"depth of a watch", "WATCH with a depth", true, explain_depth},
    {"special nodes", "permissions of special nodes", false, explain_special},
    {"owner of a special node", "SET_PERMS of special nodes", true, explain_owner_of_special},
    {"special node that counts", "SET_PERMS of special nodes", true, explain_special_counted},
    {"event of a special node", "SET_PERMS of special nodes", false, explain_event_of_special},
    {"@releaseDomain for all", "`@releaseDomain`", false, explain_release_for_all},
    {"texts of CONTROL", "texts of CONTROL", false, explain_control},
    {"generation", "generation count of DIRECTORY_PART", false, explain_generation},
    {"event of each watch", "two watches of one client with one token", false, explain_event_of_each_watch},

    {"entries for domains that are not there", "permissions of a domain that is not there", false, explain_dropped_entries},
    {"stopped ring", "a connection that was stopped, then INTRODUCE", true, explain_stopped_ring},
    {"rights of the one before", "domid used again at once", true, explain_old_rights},
    {"introduction of domain 0", "INTRODUCE of domain 0", false, explain_introduction_of_own},
    {"order at RELEASE", "events of RELEASE", false, explain_order_of_release},
    {"several ends", "several domains that end at once", false, explain_several_ends},
    {"end of a target", "end of a domain that others act for (SET_TARGET)", true, explain_end_of_target},
    {"owner of the root", "the root or a special node, whose owner dies", true, explain_owner_of_root},
    {"entries of a domain that has ended", "permission entries of a domain that dies", false, explain_stripped_entries},

    {"conflict", "conflict", false, explain_conflict_of_stock},
    {"conflict that C does not see", "what a transaction reads", false, explain_conflict_of_ours},
    {"snapshot", "what a transaction reads", false, explain_snapshot},
    {"nothing to change", "transaction that has nothing to change", true, explain_nothing_changed},
    {"node quota in a transaction", "quota reached inside a transaction", false, explain_nodes_in_transaction},
    {"room made in a transaction", "quota reached inside a transaction", true, explain_room_in_transaction},
    {"end without room", "quota reached inside a transaction", true, explain_end_without_room},
    {"run again among other domains", "domain that ends during a transaction", true, explain_other_domains},
    {"changed, then removed", "events of a transaction", false, explain_changed_then_removed},
    {"rights at the end", "who hears of a transaction", false, explain_rights_at_end},
    {"order of events", "events of a transaction", false, explain_order_of_events},
    {"special node in a transaction", "SET_PERMS of special nodes", true, explain_special_in_transaction},
};
const size_t n_known_differences = sizeof(known_differences) / sizeof(known_differences[0]);
