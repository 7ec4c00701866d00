/* SPDX-License-Identifier: MIT */
/* Unit test of common/env.h; run by `make check` as whoever calls it. */
#include <time.h>
#include <unistd.h>

#include "common/env.h"
#include "tap.h"

/* The environment as one text, in order. */
static const char *joined(struct env *env)
{
	static char text[1024];
	char *const *vector = env_vector(env);

	text[0] = '\0';
	for (; vector != NULL && *vector != NULL; vector++) {
		strcat(text, *vector);
		strcat(text, "|");
	}
	return text;
}

static void test_create(void)
{
	static char *const vector[] = {"A=1",
				       "no equals",
				       "B=",
				       "=C",
				       "=::=::\\",
				       "D=x=y",
				       "",
				       "A=2",
				       "E=a\nb",
				       "F= ",
				       "BASH_FUNC_m%%=() { :; }",
				       "B=last",
				       NULL};
	static char *const none[] = {NULL};
	struct env *env = env_create(vector);

	is_str(joined(env), "A=2|B=last|D=x=y|E=a\nb|F= |BASH_FUNC_m%%=() { :; }|",
	       "the last of a name wins, in the first's place; what is no variable is dropped");
	is_str(env_get(env, "A"), "2", "a value");
	is_str(env_get(env, "D"), "x=y", "may hold an equals sign");
	is_str(env_get(env, "E"), "a\nb", "and a newline");
	is_str(env_get(env, "a"), NULL, "names have their case");
	is_str(env_get(env, ""), NULL, "there is no empty name");
	is_str(env_get(env, "D=x"), NULL, "nor one with an equals sign");
	env_destroy(env);
	env = env_create(NULL);
	is_str(joined(env), "", "NULL is the empty environment");
	is_str(env_get(env, "A"), NULL, "which has nothing");
	env_unset(env, "A");
	env_destroy(env);
	env = env_create(none);
	ok(env_vector(env)[0] == NULL, "as is an empty vector");
	errno = EMFILE;
	env_destroy(env);
	env_destroy(NULL);
	is_int(errno, EMFILE, "env_destroy keeps errno and accepts NULL");
}

static void test_set(void)
{
	struct env *env = env_create(NULL);
	char *large = malloc(200001);

	if (env == NULL || large == NULL)
		bail_out("malloc");
	is_int(env_set(env, "A", "1"), 0, "a variable is set");
	is_int(env_set(env, "B", ""), 0, "to nothing too");
	is_int(env_set(env, "A", "2"), 0, "and again");
	is_str(joined(env), "A=2|B=|", "in its place");
	is_int(env_set(env, "B", env_get(env, "A")), 0, "from another");
	is_int(env_set(env, "A", env_get(env, "A")), 0, "and from itself");
	is_str(joined(env), "A=2|B=2|", "as it was");
	fails_with(env_set(env, "", "x"), EINVAL, "no empty name");
	fails_with(env_set(env, "A=B", "x"), EINVAL, "no name with an equals sign");
	fails_with(env_set(env, NULL, "x"), EINVAL, "no name");
	fails_with(env_set(env, "A", NULL), EINVAL, "no value");
	is_str(joined(env), "A=2|B=2|", "a failure leaves all");
	memset(large, 'x', 200000);
	large[200000] = '\0';
	is_int(env_set(env, "LARGE", large), 0, "200 kB");
	is_str(env_get(env, "LARGE"), large, "are kept");
	is_int(env_set(env, large, "x"), 0, "as a name too");
	is_str(env_get(env, large), "x", "and found");
	env_unset(env, "A");
	env_unset(env, "A");
	env_unset(env, "missing");
	is_str(env_get(env, "A"), NULL, "a variable is unset");
	env_set(env, "A", "3");
	ok(strcmp(env_vector(env)[3], "A=3") == 0 && env_vector(env)[4] == NULL,
	   "and comes back at the end");
	for (int i = 0; i < 100000; i++) {
		env_unset(env, "A");
		env_set(env, "A", "4");
	}
	is_str(env_get(env, "A"), "4", "100,000 times");
	free(large);
	env_destroy(env);
}

static bool begins_with(const char *name, void *arg)
{
	return strncmp(name, arg, strlen(arg)) == 0;
}

static int count_until(const char *name, const char *value, void *arg)
{
	int *count = arg;

	(void) value;
	return ++*count == 3 ? 33 : strcmp(name, "never") == 0;
}

static int compare(const char *name, const char *value, void *arg)
{
	return strcmp(env_get(arg, name), value) != 0;
}

static void test_each(void)
{
	static char *const vector[] = {"SLURM_A=1", "PATH=/bin", "SLURM_B=2",
				       "XSLURM=3",  "SLURM_=4",	 NULL};
	struct env *env = env_create(vector);
	int count = 0;

	is_int(env_each(env, count_until, &count), 33,
	       "env_each stops with the callback's result");
	is_int(count, 3, "where it says so");
	is_int(env_each(env, compare, env), 0, "and else sees every name and value");
	env_remove(env, begins_with, "SLURM_");
	is_str(joined(env), "PATH=/bin|XSLURM=3|", "env_remove removes what matches");
	count = 0;
	is_int(env_each(env, count_until, &count), 0, "and no more is there");
	is_int(count, 2, "than two");
	env_remove(env, begins_with, "");
	is_str(joined(env), "", "or all");
	env_destroy(env);
}

/* What COUNT variables of 100 bytes take to be kept, halved and doubled, in processor time
 * (seconds), since others use the machine too. */
static double large(int count)
{
	enum { SIZE = 108 };
	char *block = malloc((size_t) count * SIZE),
	     **vector = malloc(((size_t) count + 1) * sizeof(*vector));
	clock_t start;
	struct env *env;
	bool all = true;
	char name[24];
	int left = 0;

	if (block == NULL || vector == NULL)
		bail_out("malloc");
	for (int i = 0; i < count; i++) {
		vector[i] = block + (size_t) i * SIZE;
		snprintf(vector[i], SIZE, "NAME_%d=%090d", i, i);
	}
	vector[count] = NULL;
	start = clock();
	env = env_create(vector);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "NAME_%d", i);
		all &= env_get(env, name) != NULL && atoi(env_get(env, name)) == i;
	}
	ok(all, "an environment of %d variables is kept", count);
	for (int i = 0; i < count; i += 2) {
		snprintf(name, sizeof(name), "NAME_%d", i);
		env_unset(env, name);
	}
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "OTHER_%d", i);
		all &= env_set(env, name, "x") == 0;
	}
	for (char *const *entry = env_vector(env); *entry != NULL; entry++)
		left++;
	clock_t end = clock();
	ok(all && left == count / 2 + count, "halved and doubled");
	env_destroy(env);
	free(vector);
	free(block);
	return (double) (end - start) / CLOCKS_PER_SEC;
}

/* 20,000 of them are 2 MB, Linux' default for arguments and environment together.  A list would
 * need 256 times as long for 16 times as many. */
static void test_large(void)
{
	double few = large(1250), many = large(20000);

	ok(many < 64 * few, "16 times as many take %.1f times as long", many / few);
}

/* What it is for. */
static void test_exec(void)
{
	static char *const vector[] = {"A=1", "B=two words", NULL};
	struct env *env = env_create(vector);
	char *const command[] = {"/usr/bin/env", NULL};
	char got[64] = "";
	int ends[2];

	if (env == NULL || pipe2(ends, 0) != 0)
		bail_out("pipe2");
	env_set(env, "A", "3");
	if (fork() == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		execve(command[0], command, env_vector(env));
		_exit(127);
	}
	close(ends[1]);
	for (size_t used = 0; used < sizeof(got) - 1;) {
		ssize_t part = read(ends[0], got + used, sizeof(got) - 1 - used);

		if (part <= 0)
			break;
		used += (size_t) part;
	}
	close(ends[0]);
	is_str(got, "A=3\nB=two words\n", "execve takes it");
	env_destroy(env);
}

int main(void)
{
	test_create();
	test_set();
	test_each();
	test_large();
	test_exec();
	return done_testing();
}
