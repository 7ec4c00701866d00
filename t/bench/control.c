/* SPDX-License-Identifier: MIT */
/*
 * Benchmark of the control plane: a head and N simulated agents, which are real ZeroMQ
 * connections with real CURVE handshakes and munge credentials, packed into a few processes
 * (control_pack.c).  Prints the time from the first connection until all have joined, the
 * processor time of the head and of everybody, and the head's resident memory.  Run by hand or
 * by t/bench, as anybody; starts a munged of its own.
 *
 *     control [--star] [N...]        default 1 10 100 256 257 1000 3000 10000
 *
 * Everything shares the machine: what 10,000 nodes do at once (their half of the handshakes,
 * making the credentials, being branches) is done by the same cores that the head runs on. What
 * cannot be saved of it is measured first, and printed as the floor (control_floor.c).
 */
#include <dirent.h>
#include <poll.h>

#include "bench/control.h"

enum { PACKS_MAX = 64, DEADLINE_S = 120 };

/* The bounds that a release is to keep: seconds and KiB for 10,000 agents, and how many times
 * the time of 1,000 they may take. */
static const double bound_s = 5, bound_kib = 64 * 1024, bound_growth = 12;

/* What the head says: where it and its branches are, and at the end when all have joined. */
struct word {
	bool done;
	struct place place;
	double seconds, cpu_s;
	long kib;
};

struct result {
	double seconds, head_cpu_s, cpu_s;
	long kib;
};

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

/* proc(5), schedstat of each thread: nanoseconds. */
double process_cpu(pid_t pid)
{
	char path[300];
	double seconds = 0;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		unsigned long long ns = 0;
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", (int) pid,
			 entry->d_name);
		file = fopen(path, "r");
		if (file && fscanf(file, "%llu", &ns) == 1)
			seconds += (double) ns / 1e9;
		if (file)
			fclose(file);
	}
	if (dir)
		closedir(dir);
	return seconds;
}

void allow_files(rlim_t count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		bail_out("getrlimit");
	if (limit.rlim_cur >= count)
		return;
	limit.rlim_cur = limit.rlim_max < count ? limit.rlim_max : count;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		bail_out("setrlimit");
}

static long resident_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

/* The head, in a process of its own. */

static size_t expected, joined;
static int report_fd;

static void report(const struct word *word)
{
	if (write(report_fd, word, sizeof(*word)) != sizeof(*word))
		exit(1);
}

static void on_joined(size_t rank, const char *node, void *arg)
{
	struct word word = {.done = true};

	(void) rank;
	(void) node;
	(void) arg;
	if (++joined < expected)
		return;
	word.seconds = now();
	word.cpu_s = process_cpu(getpid());
	word.kib = resident_kib();
	report(&word);
}

static void on_lost(size_t rank, const char *node, const char *reason, void *arg)
{
	(void) node;
	(void) arg;
	fprintf(stderr, "rank %zu is lost: %s\n", rank, reason);
	exit(1);
}

static void on_message(size_t rank, const char *type, const void *payload, size_t size,
		       void *arg)
{
	(void) rank;
	(void) type;
	(void) payload;
	(void) size;
	(void) arg;
}

static void on_rejected(const char *reason, void *arg)
{
	(void) arg;
	fprintf(stderr, "rejected: %s\n", reason);
}

static void say_place(size_t rank, const char *endpoint, const char *key, void *arg)
{
	struct word word = {.place = {.rank = rank}};

	(void) arg;
	snprintf(word.place.endpoint, sizeof(word.place.endpoint), "%s", endpoint);
	snprintf(word.place.key, sizeof(word.place.key), "%s", key);
	report(&word);
}

static _Noreturn void head_main(size_t agents, size_t span, int out)
{
	struct control_server_options options = {.ip = "127.0.0.1",
						 .job_id = JOB,
						 .uid = geteuid(),
						 .agents = agents,
						 .span = span};
	struct control_server_callbacks callbacks = {.joined = on_joined,
						     .lost = on_lost,
						     .message = on_message,
						     .rejected = on_rejected,
						     .branch = say_place};
	struct control_server *server;
	struct loop *loop = loop_create();
	struct reason reason;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	allow_files(agents + 400);
	expected = agents - 1; /* rank 0 is the head's own */
	report_fd = out;
	server = control_server_create(loop, &options, &callbacks, &reason);
	if (!server)
		bail_out(reason.text);
	say_place(0, control_server_endpoint(server), control_server_key(server), NULL);
	loop_run(loop);
	exit(0);
}

/* One run. */

static void take(int fd, void *data, size_t size)
{
	alarm(DEADLINE_S); /* ends us, and with us the children */
	if (read(fd, data, size) != (ssize_t) size)
		bail_out("a process of the benchmark ended");
	alarm(0);
}

struct run {
	pid_t head, packs[PACKS_MAX];
	size_t count; /* of packs */
	int report[2], ready[2], places[PACKS_MAX][2];
};

/* One for each core, or as many as the limit of open files needs: an agent takes two files, and
 * one of its branch. */
static size_t packs_for(size_t agents)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t packs = cores > 1 ? (size_t) cores : 2;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		bail_out("getrlimit");
	while (packs < PACKS_MAX && 4 * agents / packs + 1000 > limit.rlim_max)
		packs++;
	return packs < PACKS_MAX ? packs : PACKS_MAX;
}

static void run_begin(struct run *run, size_t agents, size_t span)
{
	char byte;

	run->count = packs_for(agents);
	if (pipe2(run->report, O_CLOEXEC) < 0 || pipe2(run->ready, O_CLOEXEC) < 0)
		bail_out("pipe2");
	run->head = fork();
	if (run->head == 0)
		head_main(agents, span, run->report[1]);
	for (size_t i = 0; i < run->count; i++) {
		struct pack pack = {.number = i,
				    .packs = run->count,
				    .agents = agents,
				    .span = span,
				    .ready = run->ready[1]};

		if (pipe2(run->places[i], O_CLOEXEC) < 0)
			bail_out("pipe2");
		pack.places = run->places[i][0];
		run->packs[i] = fork();
		if (run->packs[i] == 0)
			pack_main(&pack);
		take(run->ready[0], &byte, 1);
	}
	close(run->report[1]);
}

static void run_end(struct run *run)
{
	/* The head first, or it would tell that all are lost. */
	kill(run->head, SIGKILL);
	waitpid(run->head, NULL, 0);
	for (size_t i = 0; i < run->count; i++) {
		kill(run->packs[i], SIGKILL);
		waitpid(run->packs[i], NULL, 0);
		close(run->places[i][0]);
		close(run->places[i][1]);
	}
	close(run->report[0]);
	close(run->ready[0]);
	close(run->ready[1]);
}

static double run_cpu(const struct run *run, const struct munged *munged)
{
	double seconds = process_cpu(munged->pid);

	for (size_t i = 0; i < run->count; i++)
		seconds += process_cpu(run->packs[i]);
	return seconds;
}

static struct result measure(size_t count, bool star, const struct munged *munged)
{
	size_t agents = count + 1;
	struct result result;
	struct word word;
	struct run run;
	double begin = 0;

	run_begin(&run, agents, star ? 0 : control_span(agents, CONTROL_STAR_MAX));
	for (;;) {
		take(run.report[0], &word, sizeof(word));
		if (word.done)
			break;
		if (word.place.rank == 0) {
			result.cpu_s = run_cpu(&run, munged);
			result.head_cpu_s = process_cpu(run.head);
			begin = now();
		}
		for (size_t i = 0; i < run.count; i++)
			if (write(run.places[i][1], &word.place, sizeof(word.place)) < 0)
				bail_out("write");
	}
	result.seconds = word.seconds - begin;
	result.kib = word.kib;
	result.head_cpu_s = word.cpu_s - result.head_cpu_s;
	result.cpu_s = run_cpu(&run, munged) - result.cpu_s + result.head_cpu_s;
	run_end(&run);
	return result;
}

static const char *verdict(double value, double bound)
{
	return value <= bound ? "met" : "MISSED";
}

static void bounds_print(const struct result *result, const struct result *thousand,
			 double floor_s)
{
	printf("10,000 agents: %.2f s, bound: at most %.0f  %s (%.2f times the floor)\n",
	       result->seconds, bound_s, verdict(result->seconds, bound_s),
	       result->seconds / floor_s);
	printf("10,000 agents: head %.1f MiB, bound: under %.0f  %s\n",
	       (double) result->kib / 1024, bound_kib / 1024,
	       verdict((double) result->kib, bound_kib));
	if (thousand->seconds > 0)
		printf("10,000 agents: %.1f times the time of 1,000, bound: at most %.0f  %s\n",
		       result->seconds / thousand->seconds, bound_growth,
		       verdict(result->seconds / thousand->seconds, bound_growth));
}

int main(int argc, char **argv)
{
	static char *standard[] = {"1",	   "10",   "100",   "256", "257",
				   "1000", "3000", "10000", NULL};
	bool star = argc > 1 && strcmp(argv[1], "--star") == 0;
	char **sizes = argc > 1 + star ? argv + 1 + star : standard;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct result thousand = {.seconds = 0};
	struct munged munged;
	struct floor floor;

	munged_start(&munged);
	floor = floor_measure(&munged);
	printf("floor of one agent: handshake %.0f us (%.0f us without secret_memory.h), munge "
	       "%.0f us of processor; %ld cores\n",
	       floor.handshake * 1e6, floor.plain * 1e6, floor.munge * 1e6, cores);
	printf("%8s %6s %10s %10s %11s %10s %10s\n", "agents", "span", "joined_s", "floor_s",
	       "head_cpu_s", "all_cpu_s", "head_kib");
	for (; *sizes; sizes++) {
		size_t count = (size_t) strtoul(*sizes, NULL, 10);
		double floor_s =
			(double) count * (floor.handshake + floor.munge) / (double) cores;
		struct result result;

		if (count == 0)
			bail_out(*sizes);
		result = measure(count, star, &munged);
		printf("%8zu %6zu %10.3f %10.3f %11.3f %10.3f %10ld\n", count,
		       star ? 0 : control_span(count + 1, CONTROL_STAR_MAX), result.seconds,
		       floor_s, result.head_cpu_s, result.cpu_s, result.kib);
		fflush(stdout);
		if (count == 1000)
			thousand = result;
		if (count == 10000)
			bounds_print(&result, &thousand, floor_s);
	}
	munged_stop(&munged);
	return 0;
}
