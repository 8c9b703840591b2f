/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzz target without libFuzzer: the files and folders given as arguments (none: tests/fuzz/corpus/<target>), then
 * FUZZ_RUNS inputs made of FUZZ_SEED, most of them files of the corpus with some bytes changed. Speaks TAP. An input that ends
 * the process has been written to the file that FUZZ_INPUT names, if it names one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "support/random.h"

enum { INPUTS_MAX = 4096, SIZE_MAX_OF_INPUT = 64 * 1024, RUNS = 3000 };

struct input {
	uint8_t *bytes;
	size_t size;
};

struct corpus {
	struct input inputs[INPUTS_MAX];
	size_t n;
};

/* ---- the corpus ---- */

static bool read_file(const char *path, struct input *input)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = -1;

	input->bytes = malloc(SIZE_MAX_OF_INPUT);
	if (fd >= 0 && input->bytes)
		len = read(fd, input->bytes, SIZE_MAX_OF_INPUT);
	if (fd >= 0)
		close(fd);
	if (len < 0) {
		free(input->bytes);
		return false;
	}
	input->size = (size_t)len;
	return true;
}

static bool add_file(struct corpus *corpus, const char *path)
{
	return corpus->n < INPUTS_MAX && read_file(path, &corpus->inputs[corpus->n]) && ++corpus->n;
}

static bool add_folder(struct corpus *corpus, const char *folder)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort);
	bool all = n >= 0;

	for (int i = 0; i < n; i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			all = add_file(corpus, path) && all;
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return all;
}

static bool add(struct corpus *corpus, const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return false;
	return S_ISDIR(status.st_mode) ? add_folder(corpus, path) : add_file(corpus, path);
}

/* The folder of the target that this program is: "fuzz_path" has "path". */
static bool add_own_folder(struct corpus *corpus)
{
	const char *sources = getenv("TOP_SRCDIR"), *name = strrchr(program_invocation_short_name, '_');
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", sources ? sources : ".", name ? name + 1 : "");
	return add(corpus, path);
}

static void corpus_free(struct corpus *corpus)
{
	for (size_t i = 0; i < corpus->n; i++)
		free(corpus->inputs[i].bytes);
	free(corpus);
}

/* ---- running ---- */

/* From memory of exactly its size, so that a sanitizer sees the first byte too many. */
static void run(const uint8_t *bytes, size_t size)
{
	const char *path = getenv("FUZZ_INPUT");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	uint8_t *copy = malloc(size);

	must(copy || !size);
	if (size)
		memcpy(copy, bytes, size);
	if (fd >= 0) {
		must(write(fd, bytes, size) == (ssize_t)size);
		close(fd);
	}
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

/* Replaces, repeats or leaves out some bytes. Returns the new size. */
static size_t change(struct random *random, uint8_t *bytes, size_t size)
{
	for (uint32_t i = 1 + random_below(random, 8); i && size; i--) {
		size_t at = random_below(random, (uint32_t)size);
		size_t len = 1 + random_below(random, 8);
		len = len < size - at ? len : size - at;
		switch (random_below(random, 4)) {
		case 0:
			memmove(bytes + at, bytes + at + len, size - at - len);
			size -= len;
			break;
		case 1:
			if (size + len > SIZE_MAX_OF_INPUT)
				break;
			memmove(bytes + at + len, bytes + at, size - at);
			size += len;
			break;
		default:
			bytes[at] = (uint8_t)random_below(random, 256);
			break;
		}
	}
	return size;
}

static size_t make_input(struct random *random, const struct corpus *corpus, uint8_t *bytes)
{
	size_t size = random_below(random, 300);

	if (corpus->n && random_below(random, 8)) {
		const struct input *input = &corpus->inputs[random_below(random, (uint32_t)corpus->n)];
		memcpy(bytes, input->bytes, input->size);
		return change(random, bytes, input->size);
	}
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)random_below(random, 256);
	return size;
}

static void run_random(const struct corpus *corpus, unsigned long runs)
{
	uint8_t *bytes = malloc(SIZE_MAX_OF_INPUT);
	struct random random;

	must(bytes);
	random_begin(&random, "FUZZ_SEED");
	for (unsigned long i = 0; i < runs; i++)
		run(bytes, make_input(&random, corpus, bytes));
	free(bytes);
}

int main(int argc, char **argv)
{
	const char *wanted = getenv("FUZZ_RUNS");
	unsigned long runs = wanted ? strtoul(wanted, NULL, 10) : RUNS;
	struct corpus *corpus = calloc(1, sizeof(*corpus));

	must(corpus);
	bool all = argc > 1 || add_own_folder(corpus);
	for (int i = 1; i < argc; i++)
		all = add(corpus, argv[i]) && all;
	printf("1..3\n%sok 1 - the corpus can be read\n", all ? "" : "not ");
	fflush(stdout);
	for (size_t i = 0; i < corpus->n; i++)
		run(corpus->inputs[i].bytes, corpus->inputs[i].size);
	printf("ok 2 - %zu files of the corpus\n", corpus->n);
	run_random(corpus, runs);
	printf("ok 3 - %lu random inputs\n", runs);
	corpus_free(corpus);
	return all ? EXIT_SUCCESS : EXIT_FAILURE;
}
