/* SPDX-License-Identifier: MIT */
/*
 * Tests of what workers get of a node: CPUs (launcher/workers/cpus.h) and GPUs
 * (launcher/workers/gpus.h), with nodes of several makes.  Run by `make check`, as anybody.
 */
#include "launcher/workers/cpus.h"

#include "common/fd.h"
#include "launcher/workers/gpus.h"
#include "scratch.h"

static int dir;
static char numbers[4096];

static void write_topology(int cpu, const char *name, const char *text)
{
	char path[128];

	for (int depth = 0; depth < 5; depth++) {
		static const char *const parts[] = {"devices", "devices/system",
						    "devices/system/cpu"};
		if (depth < 3)
			snprintf(path, sizeof(path), "%s", parts[depth]);
		else
			snprintf(path, sizeof(path), "devices/system/cpu/cpu%d%s", cpu,
				 depth == 4 ? "/topology" : "");
		mkdirat(dir, path, 0755);
	}
	int at = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || file_replace(at, name, 0644, text, strlen(text)) < 0)
		bail_out(path);
	close(at);
}

/* A node of 2 sockets of 2 cores of 2 threads, numbered as machines do: first threads first,
 * sockets in turn. */
static void make_node(void)
{
	for (int cpu = 0; cpu < 8; cpu++) {
		char text[32];
		snprintf(text, sizeof(text), "%d\n", cpu % 2);
		write_topology(cpu, "physical_package_id", text);
		snprintf(text, sizeof(text), "%d,%d\n", cpu % 4, cpu % 4 + 4);
		write_topology(cpu, "core_cpus_list", text);
	}
	/* An older kernel, and one whose files are not what they should be. */
	write_topology(20, "thread_siblings_list", "20-21\n");
	write_topology(21, "thread_siblings_list", "20-21\n");
	write_topology(22, "core_cpus_list", "nonsense\n");
	write_topology(23, "core_cpus_list", "99999999999999999999\n");
}

/* "0,4 2,6" for two workers. */
static const char *shares(const struct cpus *cpus, unsigned count)
{
	size_t used = 0;

	numbers[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		const unsigned *list = NULL;
		size_t size = cpus_share(cpus, i, count, &list);
		used += (size_t) snprintf(numbers + used, sizeof(numbers) - used, "%s",
					  i ? " " : "");
		for (size_t j = 0; j < size; j++)
			used += (size_t) snprintf(numbers + used, sizeof(numbers) - used,
						  "%s%u", j ? "," : "", list[j]);
	}
	return numbers;
}

static struct cpus find(const char *per_node, size_t rank, const unsigned *affinity,
			size_t count)
{
	struct cpus cpus;

	if (cpus_find_in(&cpus, per_node, rank, affinity, count, scratch_path) < 0)
		bail_out("cpus_find_in");
	return cpus;
}

static const unsigned whole[] = {0, 1, 2, 3, 4, 5, 6, 7};

static void test_shares(void)
{
	struct cpus cpus = find("8", 0, whole, 8);

	is_int(cpus.count, 8, "a node of 8 CPUs");
	is_int(cpus.core_count, 4, "has 4 cores");
	is_str(shares(&cpus, 1), "0,4,2,6,1,5,3,7",
	       "one worker has them all, by socket and core");
	is_str(shares(&cpus, 2), "0,4,2,6 1,5,3,7", "two have a socket each");
	is_str(shares(&cpus, 3), "0,4 2,6 1,5,3,7", "three have whole cores");
	is_str(shares(&cpus, 4), "0,4 2,6 1,5 3,7", "four have a core each");
	is_str(shares(&cpus, 5), "0 4,2 6 1,5 3,7", "five have CPUs in a row");
	is_str(shares(&cpus, 8), "0 4 2 6 1 5 3 7", "eight have one each");
	is_str(shares(&cpus, 10), "0 4 2 6 1 5 3 7 0 4", "more take turns");

	/* Every CPU is somebody's, whatever the number. */
	bool all = true;
	for (unsigned count = 1; count <= 8; count++) {
		unsigned used = 0;
		for (unsigned i = 0; i < count; i++) {
			const unsigned *list;
			size_t size = cpus_share(&cpus, i, count, &list);
			all = all && size > 0;
			for (size_t j = 0; j < size; j++) {
				all = all && !(used & (1U << list[j]));
				used |= 1U << list[j];
			}
		}
		all = all && used == 0xff;
	}
	ok(all, "no CPU is nobody's, and none is two workers' before it must");
	const unsigned *list;
	is_int(cpus_share(&cpus, 0, 0, &list), 0, "of no workers there is no share");
	is_int(cpus_share(&cpus, 9, 4, &list), 2, "an index beyond is in turn");
	cpus_clear(&cpus);
	cpus_clear(&cpus);
}

static void test_slurm(void)
{
	static const struct {
		const char *text;
		size_t rank;
		unsigned count;
	} cases[] = {
		{"4", 0, 4},
		{"4(x2),8", 0, 4},
		{"4(x2),8", 1, 4},
		{"4(x2),8", 2, 8},
		{"4(x2),8", 3, 1},
		{"1,2,3", 1, 2},
		{"72(x1000)", 999, 72},
		{"", 0, 1},
		{NULL, 0, 1},
		{"4(x", 0, 1},
		{"4(", 0, 1},
		{"4(x)", 0, 1},
		{"4(x0)", 0, 1},
		{"x", 0, 1},
		{"-4", 0, 1},
		{"0", 0, 1},
		{"4;8", 0, 1},
		{"4(x2", 1, 1},
		{"4(y2)", 1, 1},
		{"999999999", 0, 1},
		{"4(x2)8", 0, 1},
		{"99999999999999999999", 0, 1},
		{"4,,8", 1, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cpus cpus = find(cases[i].text, cases[i].rank, NULL, 0);
		is_int(cpus.count, cases[i].count, "SLURM_JOB_CPUS_PER_NODE=%s of node %zu",
		       cases[i].text ? cases[i].text : "(NULL)", cases[i].rank);
		cpus_clear(&cpus);
	}
}

static void test_disagreement(void)
{
	static const unsigned core[] = {2, 6}, some[] = {3, 1}, odd[] = {20, 21, 22, 23};
	struct cpus cpus = find("4", 0, whole, 8);

	is_int(cpus.count, 4, "Slurm counts cores");
	is_str(shares(&cpus, 4), "0,4 2,6 1,5 3,7", "and the affinity is as many");
	cpus_clear(&cpus);
	cpus = find("2", 0, whole, 8);
	is_int(cpus.count, 2, "Slurm gives less than the affinity");
	is_str(shares(&cpus, 2), " ", "so nobody knows which: no worker is bound");
	cpus_clear(&cpus);
	cpus = find("4", 0, some, 2);
	is_int(cpus.count, 4, "Slurm gives more than the affinity");
	is_str(shares(&cpus, 4), "1 3 1 3", "workers share what there is");
	cpus_clear(&cpus);
	cpus = find(NULL, 0, core, 2);
	is_int(cpus.count, 2, "Slurm says nothing: the affinity counts");
	is_str(shares(&cpus, 2), "2 6", "and is divided");
	cpus_clear(&cpus);
	cpus = find("4", 0, odd, 4);
	is_int(cpus.core_count, 3, "an older kernel's files are read, odd ones not believed");
	is_str(shares(&cpus, 3), "20,21 22 23", "and every CPU has its place");
	cpus_clear(&cpus);
}

static void test_here(void)
{
	struct cpus cpus;
	cpu_set_t *all = CPU_ALLOC(CPUS_MAX);
	size_t size = CPU_ALLOC_SIZE(CPUS_MAX), set_size = 0;

	is_int(cpus_find(&cpus, NULL, 0), 0, "this machine has CPUs");
	sched_getaffinity(0, size, all);
	is_int(cpus.count, CPU_COUNT_S(size, all), "as many as it has");
	cpu_set_t *set = cpus_set(cpus.numbers, cpus.number_count, &set_size);
	ok(set && CPU_COUNT_S(set_size, set) == (int) cpus.count, "as a set");
	is_int(sched_setaffinity(0, set_size, set), 0, "that Linux takes");
	ok(!cpus_set(NULL, 0, &set_size), "of none there is no set");
	CPU_FREE(set);
	CPU_FREE(all);
	cpus_clear(&cpus);
}

static void is_gpus(const char *devices, unsigned index, unsigned count, const char *expected)
{
	char *share = gpus_share(devices, index, count);

	is_str(share ? share : "(none)", expected, "GPU %u of %u of \"%s\"", index, count,
	       devices ? devices : "(NULL)");
	free(share);
}

static void test_gpus(void)
{
	is_gpus("0,1,2,3", 0, 1, "0,1,2,3");
	is_gpus("0,1,2,3", 0, 2, "0,1");
	is_gpus("0,1,2,3", 1, 2, "2,3");
	is_gpus("0,1,2,3", 0, 3, "0");
	is_gpus("0,1,2,3", 2, 3, "2,3");
	is_gpus("0,1,2,3", 3, 4, "3");
	is_gpus("0,1", 2, 4, "0");
	is_gpus("0,1", 3, 4, "1");
	is_gpus("5", 7, 8, "5");
	is_gpus("GPU-8f6a,MIG-1b/2/3", 1, 2, "MIG-1b/2/3");
	static const char *const none[] = {NULL, "", "NoDevFiles", "-1"};
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		errno = 0;
		ok(!gpus_share(none[i], 0, 2) && errno == ENOENT, "\"%s\" is left as it is",
		   none[i] ? none[i] : "(NULL)");
	}
	is_gpus("0,1", 0, 0, "(none)");
}

int main(void)
{
	dir = scratch_open();
	make_node();
	test_shares();
	test_slurm();
	test_disagreement();
	test_here();
	test_gpus();
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
