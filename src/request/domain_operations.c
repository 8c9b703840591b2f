/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations on domains: docs/misc/xenstore.txt, "Domain management and xenstored interaction".
 */
#include <string.h>

#include "request/request.h"

static int domid_argument(struct request *request, uint16_t *out)
{
	uint64_t number;
	int result = request_number(request, UINT16_MAX, &number);

	if (result)
		return result;
	*out = (uint16_t)number;
	return 0;
}

int operation_get_domain_path(struct request *request, struct reply *reply)
{
	uint16_t domid;
	int result = domid_argument(request, &domid);

	if (!result)
		result = request_end(request);
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
	int result = domid_argument(request, &domid);

	if (!result)
		result = request_end(request);
	if (result)
		return result;
	reply_set_string(reply, domid == DOMID_SELF_NUMBER || domain_exists(request->turn->domains, domid) ? "T" : "F");
	return 0;
}

/* INTRODUCE needs rings: there is no domain to be had without. Arguments: domid, frame of the ring, event channel. */
int operation_introduce(struct request *request, struct reply *reply)
{
	size_t len;
	uint64_t port;
	uint16_t domid;
	int result = domid_argument(request, &domid);

	(void)reply;
	if (!result && !reader_string(&request->arguments, &len))
		result = STATUS_EINVAL;
	if (!result)
		result = request_number(request, UINT32_MAX, &port);
	if (!result && domain_is_privileged(request->turn->domains, domid))
		result = STATUS_EINVAL;
	return result ? result : STATUS_ENOENT;
}

/* RELEASE and RESUME: of another domain than the daemon's own, of which there is none. */
int operation_on_domain(struct request *request, struct reply *reply)
{
	uint16_t domid;
	int result = domid_argument(request, &domid);

	(void)reply;
	if (!result)
		result = request_end(request);
	if (!result && domain_is_privileged(request->turn->domains, domid))
		result = STATUS_EINVAL;
	return result ? result : STATUS_ENOENT;
}

int operation_set_target(struct request *request, struct reply *reply)
{
	uint16_t domid, target;
	int result = domid_argument(request, &domid);

	(void)reply;
	if (!result)
		result = domid_argument(request, &target);
	if (!result)
		result = request_end(request);
	return result ? result : STATUS_ENOENT;
}
