/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Executing a program to find out what it is may be the end of this daemon: another xenstored would take its socket. So the file
 * is looked at first. What it says is not trusted any further than to be read within bounds; that it is true shows when the
 * program has proved it.
 */
#include "handover/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "lxenstored/handover_format.h"

enum { SECTIONS_MAX = 4096 };

static bool read_at(int fd, void *to, size_t len, uint64_t from)
{
	return from <= INT64_MAX - len && pread(fd, to, len, (off_t)from) == (ssize_t)len;
}

static bool read_header(int fd, ElfW(Ehdr) * out)
{
	return read_at(fd, out, sizeof(*out), 0) && !memcmp(out->e_ident, ELFMAG, SELFMAG);
}

/* Of the same processor, word size and byte order as this very program. */
static bool is_for_this_machine(const ElfW(Ehdr) * header)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) own;

	if (fd < 0)
		return true; /* then the kernel says so when it is executed */
	bool is_known = read_header(fd, &own);
	close(fd);
	return !is_known || (header->e_ident[EI_CLASS] == own.e_ident[EI_CLASS] &&
			     header->e_ident[EI_DATA] == own.e_ident[EI_DATA] && header->e_machine == own.e_machine);
}

static bool has_name(int fd, const ElfW(Shdr) * names, const ElfW(Shdr) * section)
{
	char name[sizeof(PROGRAM_SECTION)];

	return section->sh_name < names->sh_size && names->sh_size - section->sh_name >= sizeof(name) &&
	       names->sh_offset <= UINT64_MAX - section->sh_name &&
	       read_at(fd, name, sizeof(name), names->sh_offset + section->sh_name) &&
	       !memcmp(name, PROGRAM_SECTION, sizeof(name));
}

static bool read_section(int fd, const ElfW(Ehdr) * header, unsigned index, ElfW(Shdr) * out)
{
	return header->e_shoff <= UINT64_MAX - SECTIONS_MAX * sizeof(*out) &&
	       read_at(fd, out, sizeof(*out), header->e_shoff + index * sizeof(*out));
}

static bool read_formats(int fd, const ElfW(Ehdr) * header, struct program_formats *out)
{
	ElfW(Shdr) names, section;

	if (header->e_shentsize != sizeof(section) || header->e_shnum > SECTIONS_MAX || header->e_shstrndx >= header->e_shnum ||
	    !read_section(fd, header, header->e_shstrndx, &names))
		return false;
	for (unsigned i = 0; i < header->e_shnum; i++) {
		if (!read_section(fd, header, i, &section))
			return false;
		if (section.sh_type == SHT_PROGBITS && section.sh_size >= sizeof(*out) && has_name(fd, &names, &section))
			return read_at(fd, out, sizeof(*out), section.sh_offset) &&
			       !memcmp(out->magic, PROGRAM_MAGIC, sizeof(PROGRAM_MAGIC));
	}
	return false;
}

static enum program_kind refuse(struct program *program, char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	program_close(program);
	program->kind = PROGRAM_REFUSED;
	return program->kind;
}

enum program_kind program_open(const char *path, struct program *out, char *why, size_t size)
{
	struct stat status;
	ElfW(Ehdr) header;

	*out = (struct program){.kind = PROGRAM_OTHER, .fd = -1};
	snprintf(why, size, "%s is not lxenstored.", path);
	/* The words of C xenstored, for who looks for them. */
	if (stat(path, &status))
		return refuse(out, why, size, "File not accessible.");
	if (!S_ISREG(status.st_mode) || !(status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
		return refuse(out, why, size, "File not executable.");
	out->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (out->fd < 0)
		return refuse(out, why, size, "File not accessible.");
	if (!read_header(out->fd, &header))
		return refuse(out, why, size, "File is not a program (no ELF file).");
	if (!is_for_this_machine(&header))
		return refuse(out, why, size, "File is a program for another kind of machine.");
	if (read_formats(out->fd, &header, &out->formats))
		out->kind = PROGRAM_LXENSTORED;
	return out->kind;
}

void program_close(struct program *program)
{
	if (program->fd >= 0)
		close(program->fd);
	program->fd = -1;
}

int program_understands(const struct program_formats *formats, unsigned store_version, unsigned ledger_version, char *why,
			size_t size)
{
	if (formats->handover < HANDOVER_VERSION)
		snprintf(why, size, "The new program understands handovers up to format %u, this one needs %u.",
			 formats->handover, (unsigned)HANDOVER_VERSION);
	else if (store_version < formats->store_oldest || store_version > formats->store_newest)
		snprintf(why, size, "The new program understands stores of the formats %u to %u, this one has format %u.",
			 formats->store_oldest, formats->store_newest, store_version);
	else if (ledger_version < formats->ledger_oldest || ledger_version > formats->ledger_newest)
		snprintf(why, size, "The new program understands ledgers of the formats %u to %u, this one has format %u.",
			 formats->ledger_oldest, formats->ledger_newest, ledger_version);
	else
		return 0;
	return STATUS_EINVAL;
}
