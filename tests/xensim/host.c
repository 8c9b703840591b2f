/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files, the lock and the domains of the simulated hypervisor.
 */
#include "xensim/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint64_t magic = 0x6d69736e65780001;

enum { PATH_ROOM = 160 };

static int make_file(const char *directory, const char *name, size_t size)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int error = ftruncate(fd, (off_t)size) ? -errno : 0;
	close(fd);
	return error;
}

/* What Linux shows of domain 0's own ring. */
static int make_proc(const char *directory)
{
	char path[PATH_ROOM], pages[PATH_ROOM];

	snprintf(path, sizeof(path), "%s/proc", directory);
	if (mkdir(path, 0700))
		return -errno;
	snprintf(pages, sizeof(pages), "%s/pages", directory);
	snprintf(path, sizeof(path), "%s/proc/xsd_kva", directory);
	if (link(pages, path))
		return -errno;
	snprintf(path, sizeof(path), "%s/proc/xsd_port", directory);
	FILE *port = fopen(path, "we");
	if (!port)
		return -errno;
	fprintf(port, "%d", HOST_STORE_PORT_OF_0);
	return fclose(port) ? -errno : 0;
}

static void init_lock(struct host_state *state)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&state->lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
	for (size_t i = 0; i < HOST_RULES; i++) {
		sem_init(&state->rules[i].reached, 1, 0);
		sem_init(&state->rules[i].opened, 1, 0);
	}
}

int host_make(const char *directory)
{
	struct host host;
	int error = make_file(directory, "host", sizeof(struct host_state));

	if (!error)
		error = make_file(directory, "pages", 0);
	if (!error)
		error = make_proc(directory);
	if (!error)
		error = host_open(&host, directory);
	if (error)
		return error;
	init_lock(host.state);
	host.state->ports_end = host.state->free_from = HOST_DEVICE_PORTS;
	host.state->last_frame = HOST_FIRST_FRAME;
	host.state->magic = magic;
	error = host_domain_create(&host, 0, false);
	host_close(&host);
	return error;
}

static int open_file(const char *directory, const char *name)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int host_open(struct host *host, const char *directory)
{
	*host = (struct host){.pages = -1};
	if (strlen(directory) >= sizeof(host->directory))
		return -ENAMETOOLONG;
	strcpy(host->directory, directory);
	for (size_t i = 0; i < HOST_FIFOS; i++)
		host->fifos[i].fd = -1;
	host->pages = open_file(directory, "pages");
	if (host->pages < 0)
		return host->pages;
	int fd = open_file(directory, "host");
	void *state = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(struct host_state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int error = state == MAP_FAILED ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (error) {
		close(host->pages);
		return error;
	}
	host->state = state;
	return 0;
}

void host_close(struct host *host)
{
	for (size_t i = 0; i < HOST_FIFOS; i++) {
		if (host->fifos[i].fd >= 0)
			close(host->fifos[i].fd);
	}
	close(host->pages);
	munmap(host->state, sizeof(struct host_state));
	*host = (struct host){.pages = -1};
}

void host_lock(struct host *host)
{
	int error = pthread_mutex_lock(&host->state->lock);

	if (error == EOWNERDEAD)
		error = pthread_mutex_consistent(&host->state->lock);
	if (error) {
		fprintf(stderr, "xensim: the lock cannot be had: %s\n", strerror(error));
		abort();
	}
}

void host_unlock(struct host *host)
{
	pthread_mutex_unlock(&host->state->lock);
}

struct host_domain *host_domain(struct host *host, uint32_t domid)
{
	return domid < host->state->domains_end && host->state->domains[domid].exists ? &host->state->domains[domid] : NULL;
}

struct host_port *host_port(struct host *host, uint32_t domid, uint32_t port)
{
	if (!domid)
		return port && port < HOST_PORTS_OF_0 ? &host->state->ports[port] : NULL;
	return domid < HOST_DOMAINS && port && port < HOST_PORTS ? &host->state->domains[domid].ports[port] : NULL;
}

int host_domain_create(struct host *host, uint16_t domid, bool hvm)
{
	int error = 0;

	if (domid >= HOST_DOMAINS)
		return -EINVAL;
	host_lock(host);
	struct host_state *state = host->state;
	struct host_domain *domain = &state->domains[domid];
	if (domain->exists)
		error = -EEXIST;
	else if (ftruncate(host->pages, (off_t)HOST_PAGE * (state->pages + 1)))
		error = -errno;
	if (!error) {
		domain->dying = domain->shutdown = domain->paused = false;
		domain->hvm = hvm;
		domain->granted = true;
		domain->frame = ++state->last_frame;
		domain->page = state->pages++;
		if (getrandom(domain->handle, sizeof(domain->handle), 0) < 0 || !domid)
			memset(domain->handle, 0, sizeof(domain->handle));
		domain->exists = true;
		if (state->domains_end <= domid)
			state->domains_end = domid + 1U;
	}
	host_unlock(host);
	return error;
}

void host_domain_dying(struct host *host, uint16_t domid)
{
	struct host_domain *domain = host_domain(host, domid);

	if (!domain)
		return;
	domain->dying = true;
	domain->granted = false;
	for (uint32_t port = 1; domid && port < HOST_PORTS; port++)
		host_close_port(host, domid, port);
}

void host_domain_gone(struct host *host, uint16_t domid)
{
	struct host_domain *domain = host_domain(host, domid);

	host_domain_dying(host, domid);
	if (domain)
		domain->exists = false;
}

void *host_map(const struct host *host, uint32_t page, int protection)
{
	void *at = mmap(NULL, HOST_PAGE, protection, MAP_SHARED, host->pages, (off_t)HOST_PAGE * page);

	return at == MAP_FAILED ? NULL : at;
}
