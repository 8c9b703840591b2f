/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations on domains: docs/misc/xenstore.txt, "Domain management and xenstored communications".
 */
#include "request/domain_change.h"
#include "request/introduce.h"
#include "request/release.h"
#include "request/request.h"
#include "wire/ring_page.h"

int request_domid(struct request *request, uint16_t *out)
{
	uint64_t number;
	int result = request_number(request, UINT16_MAX, &number);

	if (result)
		return result;
	*out = (uint16_t)number;
	return 0;
}

/* The only argument is the number of a domain. */
static int only_domid(struct request *request, uint16_t *out)
{
	int result = request_domid(request, out);

	return result ? result : request_end(request);
}

int operation_get_domain_path(struct request *request, struct reply *reply)
{
	uint16_t domid;
	int result = only_domid(request, &domid);

	if (result)
		return result;
	char *text = arena_alloc(&request->turn->arena, PATH_DOMAIN_BUFFER);
	if (!text)
		return STATUS_ENOMEM;
	reply_set(reply, text, path_of_domain(domid, text) + 1);
	return 0;
}

int operation_is_domain_introduced(struct request *request, struct reply *reply)
{
	uint16_t domid;
	int result = only_domid(request, &domid);

	if (result)
		return result;
	bool is_served = domid == DOMID_SELF_NUMBER || domain_is_served(domain_find(request->turn->domains, domid));
	reply_set_string(reply, is_served ? "T" : "F");
	return 0;
}

/* Arguments: domid, frame of the ring, event channel. The ring is found by its grant, so the frame is not looked at. */
int operation_introduce(struct request *request, struct reply *reply)
{
	size_t len;
	uint64_t port;
	uint16_t domid;
	int result = request_domid(request, &domid);

	(void)reply;
	if (!result && !reader_string(&request->arguments, &len))
		result = STATUS_EINVAL;
	if (!result)
		result = request_number(request, UINT32_MAX, &port);
	if (!result && (!port || domid == request->turn->domains->own))
		result = STATUS_EINVAL;
	return result ? result : introduce_domain(request->turn, domid, (uint32_t)port, &request->tree.changes);
}

/* The only argument is the number of a domain that has a ring, not the own nor the privileged one. */
static int only_introduced(struct request *request, struct domain **out)
{
	uint16_t domid;
	int result = only_domid(request, &domid);

	if (result)
		return result;
	if (domain_is_privileged(request->turn->domains, domid))
		return STATUS_EINVAL;
	*out = domain_find(request->turn->domains, domid);
	return *out && (*out)->introduced ? 0 : STATUS_ENOENT;
}

int operation_release(struct request *request, struct reply *reply)
{
	struct domain *domain;
	int result = only_introduced(request, &domain);

	(void)reply;
	return result ? result : release_domain(request->turn, domain, &request->tree.changes);
}

int operation_resume(struct request *request, struct reply *reply)
{
	struct domain *domain;
	int result = only_introduced(request, &domain);

	(void)reply;
	if (!result)
		result = domain_change_begin(request->turn, domain);
	if (result)
		return result;
	domain->shut_down = false;
	return domain_change_done(request->turn, domain);
}

/* Arguments: who may act, and for whom. */
int operation_set_target(struct request *request, struct reply *reply)
{
	struct domains *domains = request->turn->domains;
	uint16_t domid, target;
	int result = request_domid(request, &domid);

	(void)reply;
	if (!result)
		result = request_domid(request, &target);
	if (!result)
		result = request_end(request);
	if (result)
		return result;
	struct domain *domain = domain_find(domains, domid);
	if (!domain_is_served(domain) || !domain_is_served(domain_find(domains, target)))
		return STATUS_ENOENT;
	result = domain_change_begin(request->turn, domain);
	if (result)
		return result;
	domain_set_target(domains, domain, target);
	return domain_change_done(request->turn, domain);
}

/* Without argument the caller's; those of others are for the privileged. */
int operation_get_feature(struct request *request, struct reply *reply)
{
	struct domain *domain = request->client->domain;
	uint16_t domid;
	int result = 0;

	if (reader_left(&request->arguments)) {
		if (!domain->caller.privileged)
			return STATUS_EACCES;
		result = only_domid(request, &domid);
		if (!result)
			result = domain_of_xen(request->turn->domains, domid, &domain);
	}
	return result ? result : reply_set_number(reply, &request->turn->arena, domain->features);
}

/* What the ring offers can be chosen until there is one. */
int operation_set_feature(struct request *request, struct reply *reply)
{
	struct domain *domain;
	uint64_t features;
	uint16_t domid;
	int result = request_domid(request, &domid);

	(void)reply;
	if (!result)
		result = request_number(request, UINT32_MAX, &features);
	if (!result)
		result = request_end(request);
	if (!result)
		result = domain_of_xen(request->turn->domains, domid, &domain);
	if (!result && domain_is_served(domain))
		result = STATUS_EBUSY;
	if (!result && features & ~(uint64_t)RING_FEATURES)
		result = STATUS_EINVAL;
	if (!result)
		result = domain_change_begin(request->turn, domain);
	if (result)
		return result;
	domain->features = (uint32_t)features;
	return domain_change_done(request->turn, domain);
}
