/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET_QUOTA and SET_QUOTA: limits of one domain, or those that hold for all that have none of their own. A soft one has "soft-"
 * before its name.
 */
#include <string.h>

#include "request/domain_change.h"
#include "request/request.h"

static const char soft_prefix[] = "soft-";

/* What the arguments name: a quota, of a domain or of all (NULL). */
struct quota_address {
	struct domain *domain;
	enum quota quota;
	bool soft;
};

static size_t count_strings(const struct request *request)
{
	const unsigned char *at = request->arguments.at;
	size_t n = 0;

	while ((at = memchr(at, 0, (size_t)(request->arguments.end - at)))) {
		at++;
		n++;
	}
	return n;
}

/* Takes "[<domid>|]<name>|". */
static int parse_address(struct request *request, bool with_domain, struct quota_address *out)
{
	uint16_t domid;
	size_t len;

	*out = (struct quota_address){0};
	if (with_domain) {
		int result = request_domid(request, &domid);
		if (!result)
			result = domain_of_xen(request->turn->domains, domid, &out->domain);
		if (result)
			return result;
	}
	const char *name = reader_string(&request->arguments, &len);
	if (!name)
		return STATUS_EINVAL;
	out->soft = !strncmp(name, soft_prefix, sizeof(soft_prefix) - 1);
	return quota_find(out->soft ? name + sizeof(soft_prefix) - 1 : name, out->soft, &out->quota);
}

static int reply_names(struct request *request, struct reply *reply)
{
	struct buffer text;

	buffer_init(&text);
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		buffer_printf(&text, "%s%s", text.len ? " " : "", quota_name(quota));
		if (quota_has_soft(quota))
			buffer_printf(&text, " %s%s", soft_prefix, quota_name(quota));
	}
	char *copy = text.failed ? NULL : arena_copy(&request->turn->arena, text.bytes, text.len);
	buffer_deinit(&text);
	if (!copy)
		return STATUS_ENOMEM;
	reply_set_string(reply, copy);
	return 0;
}

/* Arguments: none (the names of all), a name, or a domain and a name. */
int operation_get_quota(struct request *request, struct reply *reply)
{
	size_t n = count_strings(request);
	struct quota_address address;

	if (!reader_left(&request->arguments))
		return reply_names(request, reply);
	int result = parse_address(request, n > 1, &address);
	if (!result)
		result = request_end(request);
	if (result)
		return result;
	const struct quotas *quotas = address.domain ? &address.domain->quotas : &request->turn->domains->quotas;
	uint32_t value = (address.soft ? quotas->soft : quotas->hard)[address.quota];
	return reply_set_number(reply, &request->turn->arena, value);
}

static int set_of_domain(struct turn *turn, const struct quota_address *address, uint32_t value)
{
	struct domain *domain = address->domain;
	int fault = domain_change_begin(turn, domain);

	if (fault)
		return fault;
	quota_settings_set(&domain->own_quotas, address->quota, address->soft, value);
	domain_quotas_changed(turn->domains, domain);
	return domain_change_done(turn, domain);
}

/* Arguments: a name and a value, or a domain and these. */
int operation_set_quota(struct request *request, struct reply *reply)
{
	size_t n = count_strings(request);
	struct quota_address address;
	uint64_t value;

	(void)reply;
	if (n < 2)
		return STATUS_EINVAL;
	int result = parse_address(request, n > 2, &address);
	if (!result)
		result = request_number(request, INT32_MAX, &value);
	if (!result)
		result = request_end(request);
	if (result)
		return result;
	if (address.domain)
		return set_of_domain(request->turn, &address, (uint32_t)value);
	return domain_change_quota_of_all(request->turn, address.quota, address.soft, (uint32_t)value);
}
