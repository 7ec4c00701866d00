/* SPDX-License-Identifier: MIT */
/* See cpus.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/workers/cpus.h"

enum { TOPOLOGY_MAX = 4096 /* bytes of a file of /sys, one page */ };

/* Where a CPU is. */
struct place {
	unsigned number, socket, core; /* core: the lowest number of its threads */
};

static int by_place(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	if (a->socket != b->socket)
		return a->socket < b->socket ? -1 : 1;
	if (a->core != b->core)
		return a->core < b->core ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

/* The number that the file begins with, or fallback. */
static unsigned read_topology(int sys, unsigned cpu, const char *name, unsigned fallback)
{
	char path[128], *text = NULL;
	unsigned long number;

	snprintf(path, sizeof(path), "devices/system/cpu/cpu%u/topology/%s", cpu, name);
	if (file_read(sys, path, TOPOLOGY_MAX, &text, NULL) < 0)
		return fallback;
	text[strspn(text, "0123456789")] = '\0';
	bool is_number = text_to_ulong(text, 0, CPUS_MAX, &number) == 0;
	free(text);
	return is_number ? (unsigned) number : fallback;
}

static struct place find_place(int sys, unsigned cpu)
{
	struct place place = {.number = cpu};

	place.socket = read_topology(sys, cpu, "physical_package_id", 0);
	/* The file's name before Linux 5.3. */
	place.core = read_topology(sys, cpu, "core_cpus_list",
				   read_topology(sys, cpu, "thread_siblings_list", cpu));
	return place;
}

/* Takes "4" or "4(x2)" from *text; 0 when it is neither. */
static unsigned long take_counts(const char **text, unsigned long *times)
{
	unsigned long count = strtoul(*text, NULL, 10);

	*text += strspn(*text, "0123456789");
	*times = 1;
	if (!strncmp(*text, "(x", 2)) {
		size_t digits = strspn(*text + 2, "0123456789");

		*times = strtoul(*text + 2, NULL, 10);
		if ((*text)[2 + digits] != ')')
			return 0;
		*text += 3 + digits;
	}
	return *times > 0 && count <= CPUS_MAX ? count : 0;
}

/* What SLURM_JOB_CPUS_PER_NODE has for the node; 0 when that cannot be told. */
static unsigned slurm_count(const char *text, size_t rank)
{
	while (text && *text >= '0' && *text <= '9') {
		unsigned long times, count = take_counts(&text, &times);

		if (!count || (*text && *text != ','))
			return 0;
		if (rank < times)
			return (unsigned) count;
		rank -= times;
		text += *text == ',';
	}
	return 0;
}

static int order(struct cpus *cpus, const unsigned *affinity, size_t count, int sys)
{
	struct place *places = calloc(count, sizeof(*places));

	cpus->numbers = calloc(count, sizeof(*cpus->numbers));
	cpus->cores = calloc(count + 1, sizeof(*cpus->cores));
	if (!places || !cpus->numbers || !cpus->cores) {
		free(places);
		return -1;
	}
	for (size_t i = 0; i < count; i++)
		places[i] = find_place(sys, affinity[i]);
	qsort(places, count, sizeof(*places), by_place);
	for (size_t i = 0; i < count; i++) {
		cpus->numbers[i] = places[i].number;
		if (i == 0 || places[i].core != places[i - 1].core ||
		    places[i].socket != places[i - 1].socket)
			cpus->cores[cpus->core_count++] = i;
	}
	cpus->cores[cpus->core_count] = count;
	cpus->number_count = count;
	free(places);
	return 0;
}

int cpus_find_in(struct cpus *cpus, const char *per_node, size_t rank, const unsigned *affinity,
		 size_t affinity_count, const char *sys)
{
	unsigned slurms = slurm_count(per_node, rank);
	struct cpus found = {.count = slurms};
	int rc = 0;

	if (affinity_count) {
		int fd = open(sys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = order(&found, affinity, affinity_count, fd);
		fd_close(&fd);
	}
	if (rc < 0) {
		cpus_clear(&found);
		errno = ENOMEM;
		return -1;
	}
	if (!slurms)
		found.count = affinity_count ? (unsigned) affinity_count : 1;
	else if (affinity_count > slurms && found.core_count != slurms)
		found.number_count = found.core_count = 0;
	*cpus = found;
	return 0;
}

int cpus_find(struct cpus *cpus, const char *per_node, size_t rank)
{
	unsigned *affinity = calloc(CPUS_MAX, sizeof(*affinity));
	cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
	size_t size = CPU_ALLOC_SIZE(CPUS_MAX), count = 0;
	int rc = -1;

	if (affinity && set) {
		CPU_ZERO_S(size, set);
		if (sched_getaffinity(0, size, set) == 0)
			for (unsigned i = 0; i < CPUS_MAX; i++)
				if (CPU_ISSET_S(i, size, set))
					affinity[count++] = i;
		rc = cpus_find_in(cpus, per_node, rank, affinity, count, "/sys");
	}
	if (set)
		CPU_FREE(set);
	free(affinity);
	return rc;
}

void cpus_clear(struct cpus *cpus)
{
	free(cpus->numbers);
	free(cpus->cores);
	*cpus = (struct cpus){0};
}

size_t cpus_share(const struct cpus *cpus, unsigned index, unsigned count,
		  const unsigned **numbers)
{
	size_t begin, end;

	if (!cpus->number_count || !count)
		return 0;
	/* One that was started when there were more. */
	index %= count;
	if (count <= cpus->core_count) {
		begin = cpus->cores[index * cpus->core_count / count];
		end = cpus->cores[(index + 1) * cpus->core_count / count];
	} else if (count <= cpus->number_count) {
		begin = index * cpus->number_count / count;
		end = (index + 1) * cpus->number_count / count;
	} else {
		begin = index % cpus->number_count;
		end = begin + 1;
	}
	*numbers = cpus->numbers + begin;
	return end - begin;
}

cpu_set_t *cpus_set(const unsigned *numbers, size_t count, size_t *size)
{
	unsigned most = 0;

	for (size_t i = 0; i < count; i++)
		most = numbers[i] > most ? numbers[i] : most;
	cpu_set_t *set = count ? CPU_ALLOC(most + 1) : NULL;
	if (!set)
		return NULL;
	*size = CPU_ALLOC_SIZE(most + 1);
	CPU_ZERO_S(*size, set);
	for (size_t i = 0; i < count; i++)
		CPU_SET_S(numbers[i], *size, set);
	return set;
}
