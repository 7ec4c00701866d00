/* SPDX-License-Identifier: MIT */
/*
 * Unit test of launcher/recipe.h: argv, environment and program of a recipe; run by `make
 * check` as whoever calls it.
 */
#include "launcher/recipe.h"
#include "common/text.h"
#include "scratch.h"

static struct reason reason;

static const char *const variables[] = {
	"socket", "/run/a b/s'\"ock",	  "empty", "", "port", "8888", "utf8", "/home/é/$HOME",
	"loop",	  "${loop} $$ ${socket}", NULL};

/* A recipe with this command. */
static struct recipe with(const char *command)
{
	struct recipe recipe;

	if (recipe_init(&recipe, "lab", "/etc/lab.conf", "/usr/share/recipes") != 0)
		bail_out("recipe_init");
	reason.text[0] = '\0';
	if (command != NULL && recipe_set(&recipe, "command", command, &reason) != 0)
		bail_out(reason.text);
	return recipe;
}

/* A kind of workers without any key. */
static struct recipe workers(void)
{
	struct recipe recipe;

	if (recipe_init_workers(&recipe, "dask", "/etc/dask.conf", "/usr/share/recipes") != 0)
		bail_out("recipe_init_workers");
	reason.text[0] = '\0';
	return recipe;
}

/* The words, each in brackets.  argv is freed. */
static void are_words(char **argv, const char *expected, const char *name)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (stream == NULL)
		bail_out("open_memstream");
	for (char **word = argv; word != NULL && *word != NULL; word++)
		fprintf(stream, "[%s]", *word);
	fclose(stream);
	is_str(argv != NULL ? text : NULL, expected, "%s", name);
	free(text);
	text_words_free(argv);
}

static void is_argv(const char *command, const char *expected, const char *name)
{
	struct recipe recipe = with(command);

	are_words(recipe_argv(&recipe, variables, &reason), expected, name);
	recipe_clear(&recipe);
}

static void test_argv(void)
{
	struct recipe recipe = with("lab ${nothing}");
	char *huge = malloc(RECIPE_TEXT_MAX + 2);
	const char *const large[] = {"huge", huge, NULL};
	char **argv;

	is_argv("lab", "[lab]", "one word");
	is_argv("/opt/lab -x  --sock=${socket} \"two  words\" 'a\"b' c\\ d",
		"[/opt/lab][-x][--sock=/run/a b/s'\"ock][two  words][a\"b][c d]",
		"a value with blanks and quotes stays in its word");
	is_argv("lab '${port}' \"${port}\" a${port}b${port}c", "[lab][8888][8888][a8888b8888c]",
		"variables are put in inside quotes and words too");
	is_argv("lab ${empty} x${empty}", "[lab][][x]", "an empty value is a word");
	is_argv("lab ${utf8} é", "[lab][/home/é/$HOME][é]", "UTF-8, and no $HOME");
	is_argv("lab $$ $$HOME '$${port}' $$$$", "[lab][$][$HOME][${port}][$$]",
		"dollar signs");
	is_argv("lab ${loop}", "[lab][${loop} $$ ${socket}]", "a value is not expanded again");
	is_argv("lab ${recipes_dir}/x", "[lab][/usr/share/recipes/x]", "the recipes directory");
	is_argv("lab `id` $$(id) ; | > & * ~ #x", "[lab][`id`][$(id)][;][|][>][&][*][~][#x]",
		"no shell");
	is_argv("lab ''", "[lab][]", "an empty word");

	errno = 0;
	ok(recipe_argv(&recipe, variables, &reason) == NULL && errno == EINVAL,
	   "an unknown variable");
	is_str(reason.text,
	       "/etc/lab.conf: [app lab]: ${nothing} is not known: give one of ${recipes_dir}, "
	       "${libexec_dir}, ${socket}, ${empty}, ${port}, ${utf8}, ${loop}",
	       "is told with the known ones");
	recipe_clear(&recipe);

	recipe = with("lab x${huge}");
	if (huge == NULL)
		bail_out("malloc");
	memset(huge, 'x', RECIPE_TEXT_MAX + 1);
	huge[RECIPE_TEXT_MAX] = '\0';
	errno = 0;
	ok(recipe_argv(&recipe, large, &reason) == NULL && errno == E2BIG,
	   "a word longer than exec takes");
	is_str(reason.text,
	       "/etc/lab.conf: [app lab]: a text of more than 131071 bytes when its variables "
	       "are "
	       "put in",
	       "is told");
	huge[RECIPE_TEXT_MAX - 1] = '\0';
	argv = recipe_argv(&recipe, large, &reason);
	ok(argv != NULL && strlen(argv[1]) == RECIPE_TEXT_MAX, "the longest word");
	text_words_free(argv);
	recipe_clear(&recipe);
	free(huge);
}

/* Any command of a kind of workers. */
static void test_command(void)
{
	static const char *const known[] = {"python", "/opt/p y/python3", "id", "2.1", NULL};
	struct recipe recipe = workers();
	char **argv;

	are_words(recipe_command(&recipe, "${python} -m 'x  ${id}' $$1", known, &reason),
		  "[/opt/p y/python3][-m][x  2.1][$1]", "a command of workers");
	are_words(recipe_command(&recipe, "", known, &reason), "", "no word at all");
	errno = 0;
	ok(recipe_command(&recipe, "x ${index}", known, &reason) == NULL && errno == EINVAL,
	   "an unknown variable");
	is_str(reason.text,
	       "/etc/dask.conf: [workers dask]: ${index} is not known: give one of "
	       "${recipes_dir}, ${libexec_dir}, ${python}, ${id}",
	       "is told with the section and the known ones");
	errno = 0;
	ok(recipe_command(&recipe, "x 'y", known, &reason) == NULL && errno == EINVAL,
	   "an open quote, though nobody checked it");
	is_str(reason.text, "/etc/dask.conf: [workers dask]: \"x 'y\": Invalid argument",
	       "is told");
	argv = recipe_command(&recipe, "${libexec_dir}/x", known, &reason);
	ok(argv != NULL && argv[0][0] == '/' && argv[1] == NULL &&
		   strcmp(argv[0] + strlen(argv[0]) - strlen("/spank-jupyter/x"),
			  "/spank-jupyter/x") == 0,
	   "the directory of the package's programs");
	text_words_free(argv);
	recipe_clear(&recipe);
}

static void test_uses(void)
{
	ok(recipe_text_uses("${id}", "id") && recipe_text_uses("a $$ b${x}'${id}'", "id"),
	   "a variable that is used");
	ok(!recipe_text_uses("", "id") && !recipe_text_uses("id $${id} ${ids} ${i}", "id") &&
		   !recipe_text_uses("${id", "id") && !recipe_text_uses("$ {id}", "id"),
	   "one that is not");
	ok(recipe_text_uses("$id ${id}", "id"), "behind what is wrong");
}

static void is_expanded(const char *text, const char *expected)
{
	struct recipe recipe = with("lab");
	char *expanded;

	errno = 0;
	expanded = recipe_expand(&recipe, text, variables, &reason);
	if (expected == NULL)
		ok(expanded == NULL && errno == EINVAL, "refused: %s", text);
	else
		is_str(expanded, expected, "expanded: %s", text);
	free(expanded);
	recipe_clear(&recipe);
}

static void test_expand(void)
{
	is_expanded("", "");
	is_expanded("plain text", "plain text");
	is_expanded("${port}${port}", "88888888");
	is_expanded("$$", "$");
	is_expanded("$$$${port}", "$${port}");
	is_expanded("'${socket}' \"x", "'/run/a b/s'\"ock' \"x");
	is_expanded("$", NULL);
	is_expanded("a$b", NULL);
	is_expanded("${", NULL);
	is_expanded("${}", NULL);
	is_expanded("${port", NULL);
	is_expanded("${por t}", NULL);
	is_expanded("${port${port}}", NULL);
	is_expanded("${PORT}", NULL);
	is_expanded("${por}", NULL);
	is_expanded("${portx}", NULL);
	is_expanded("$(port)", NULL);
}

static const char app_keys[] =
	"not allowed here: give title, command, path, ready, guarded, "
	"jupyter_api, save, hub, url, hint, ready_timeout, env.NAME, prepend.NAME";

static void is_refused_in(struct recipe recipe, const char *key, const char *value,
			  const char *expected)
{
	char shown[40];

	errno = 0;
	ok(recipe_set(&recipe, key, value, &reason) == -1 && errno == EINVAL,
	   "refused: [%s] %s = %s", recipe_section_name(recipe.section), key,
	   text_excerpt(value, shown, sizeof(shown)));
	is_str(reason.text, expected, "and told why");
	recipe_clear(&recipe);
}

/* One line of an app that is refused. */
static void is_refused(const char *key, const char *value, const char *expected)
{
	is_refused_in(with(NULL), key, value, expected);
}

static void test_set(void)
{
	static const char command[] = "not allowed here: give a program's name or absolute "
				      "path, without \"$\", then its "
				      "words";
	static const char dollars[] =
		"not allowed here: give ${NAME} for a variable and $$ for a dollar sign";
	static const char path[] =
		"not allowed here: give absolute directories separated by \":\"";
	static const char url[] = "not allowed here: give a URL's path that begins with \"/\", "
				  "without white space, \"?\" and \"#\"";
	static const char ready[] =
		"not allowed here: give a URL's path that begins with \"/\", "
		"without white space";
	static const char timeout[] =
		"not allowed here: give a time as Slurm writes it (MINUTES, "
		"MINUTES:SECONDS, ...) from 0:01 to 1-0";
	static const char name[] =
		"not allowed here: give a name of letters, digits and \"_\" behind the dot";
	static const char one_line[] =
		"not allowed here: give one line: only command, path, hint, env.NAME and "
		"prepend.NAME may go on in lines that begin with white space";
	static const char value[] = "not allowed here: give a value, or leave the line out";

	is_refused("command", "", value);
	is_refused("command", "''", command);
	is_refused("command", " ", command);
	is_refused("command", "${port} x", command);
	is_refused("command", "bin/lab", command);
	is_refused("command", "./lab", command);
	is_refused("command", "lab 'x",
		   "not allowed here: give words with their quotes closed");
	is_refused("command", "lab x\\",
		   "not allowed here: give words with their quotes closed");
	is_refused("command", "lab $x", dollars);
	is_refused("command", "lab ${x", dollars);
	is_refused("path", "bin", path);
	is_refused("path", "/a:b", path);
	is_refused("path", ":", path);
	is_refused("path", "", value);
	is_refused("ready", "api", ready);
	is_refused("ready", "/a b", ready);
	is_refused("guarded", "api", ready);
	is_refused("guarded", "/a b", ready);
	is_refused("jupyter_api", "api", ready);
	is_refused("save", "api", ready);
	is_refused("hub", "true", "not allowed here: give no or yes");
	is_refused("url", "lab", url);
	is_refused("url", "/lab?token=x", url);
	is_refused("url", "/lab#x", url);
	is_refused("url", "/\nlab", one_line);
	is_refused("title", "a\nb", one_line);
	is_refused("ready_timeout", "0", timeout);
	is_refused("ready_timeout", "INFINITE", timeout);
	is_refused("ready_timeout", "1-0:00:01", timeout);
	is_refused("ready_timeout", "x", timeout);
	is_refused("env.", "x", name);
	is_refused("env.1A", "x", name);
	is_refused("env.A-B", "x", name);
	is_refused("env.A=B", "x", name);
	is_refused("env.\xc3\xa9", "x", name);
	is_refused("prepend.", "x", name);
	is_refused("prepend.PATH", "", value);
	is_refused("env.A", "$x", dollars);
	is_refused("env", "x", app_keys);
}

/* A line of workers that is taken. */
static void is_taken(const char *key, const char *value)
{
	struct recipe recipe = workers();

	is_int(recipe_set(&recipe, key, value, &reason), 0, "taken: %s = %s", key, value);
	recipe_clear(&recipe);
}

static void test_set_workers(void)
{
	static const char command[] = "not allowed here: give a program's name, absolute path "
				      "or ${python}, then its words";
	static const char dollars[] =
		"not allowed here: give ${NAME} for a variable and $$ for a dollar sign";
	static const char file[] = "not allowed here: give the absolute path of a Python file, "
				   "${NAME} for a variable and $$ for a dollar sign";
	static const char own[] =
		"not allowed here: give a text without ${index} and ${id}: only the worker "
		"command has them, and each worker SPANK_JUPYTER_WORKER in its environment";
	static const char quotes[] = "not allowed here: give words with their quotes closed";
	static const char value[] = "not allowed here: give a value, or leave the line out";
	static const char one_line[] =
		"not allowed here: give one line: only worker, controller, prepare, "
		"prepare_node, srun, path, hint, env.NAME and prepend.NAME may go on in lines "
		"that begin with white space";
	static const char keys[] =
		"not allowed here: give title, worker, preload, controller, prepare, "
		"prepare_node, start, srun, ports, count, restarts, resize, path, hint, "
		"ready_timeout, stop_timeout, env.NAME, prepend.NAME";
	static const struct {
		const char *key, *value, *expected;
	} wrong[] = {
		{"worker", "", value},
		{"worker", "''", command},
		{"worker", " ", command},
		{"worker", "bin/x", command},
		{"worker", "./x", command},
		{"worker", "${python}3", command},
		{"worker", "x${python}", command},
		{"worker", "${ip}/x", command},
		{"worker", "${recipes_dir}", command},
		{"worker", "$python x", dollars},
		{"worker", "x 'y", quotes},
		{"controller", "bin/x", command},
		{"prepare", "bin/x", command},
		{"prepare_node", "bin/x", command},
		{"controller", "x ${id}", own},
		{"prepare", "x ${index}", own},
		{"prepare_node", "x '${index}'", own},
		{"srun", "--label ${id}", own},
		{"preload", "${recipes_dir}/${id}", own},
		{"env.A", "${index}", own},
		{"prepend.A", "x${id}", own},
		{"preload", "", value},
		{"preload", "x.py", file},
		{"preload", "${kind}/x.py", file},
		{"preload", "/x/$y.py", file},
		{"preload", "/a\n/b", one_line},
		{"start", "step", "not allowed here: give agent or srun"},
		{"start", "", value},
		{"start", "Agent", "not allowed here: give agent or srun"},
		{"resize", "true", "not allowed here: give no or yes"},
		{"resize", "no\nyes", one_line},
		{"srun", "", value},
		{"srun", "'", quotes},
		{"srun", "$", dollars},
		{"ports", "9", "not allowed here: give 0..8"},
		{"ports", "-1", "not allowed here: give 0..8"},
		{"ports", "8\n8", one_line},
		{"count", "0", "not allowed here: give cpus or 1..1024"},
		{"count", "1025", "not allowed here: give cpus or 1..1024"},
		{"count", "-2", "not allowed here: give cpus or 1..1024"},
		{"count", "99999999999999999999", "not allowed here: give cpus or 1..1024"},
		{"count", "CPUs", "not allowed here: give cpus or 1..1024"},
		{"restarts", "1001", "not allowed here: give 0..1000"},
		{"restarts", "1 ", "not allowed here: give 0..1000"},
		{"stop_timeout", "0", "not allowed here: give seconds, 1..3600"},
		{"stop_timeout", "3601", "not allowed here: give seconds, 1..3600"},
		{"stop_timeout", "0:10", "not allowed here: give seconds, 1..3600"},
		{"ready_timeout", "1-0:00:01",
		 "not allowed here: give a time as Slurm writes it (MINUTES, MINUTES:SECONDS, "
		 "...) from 0:01 to 1-0"},
		{"env.A-B", "x",
		 "not allowed here: give a name of letters, digits and \"_\" behind the dot"},
		{"command", "x", keys},
		{"url", "/", keys},
		{"jupyter_api", "/", keys},
		{"save", "/", keys},
	};
	static const struct {
		const char *key, *value;
	} right[] = {
		{"worker", "x"},
		{"worker", "'x y' ${index} ${id}"},
		{"worker", "${python}"},
		{"worker", "'${python}' -m x"},
		{"worker", "/opt/${kind}/x"},
		{"worker", "${recipes_dir}/x"},
		{"worker", "${libexec_dir}/x"},
		{"worker", "${runtime_dir}/x"},
		{"worker", "${share}/x"},
		{"controller", "preload"},
		{"controller", "preload --this-is-a-program"},
		{"preload", "${recipes_dir}/a b.py"},
		{"preload", "/opt/$$5.py"},
		{"srun", "--mpi=${mpi}"},
		{"ports", "0"},
		{"ports", "8"},
		{"count", "1"},
		{"count", "1024"},
		{"restarts", "0"},
		{"restarts", "1000"},
		{"stop_timeout", "1"},
		{"stop_timeout", "3600"},
		{"ready_timeout", "0:01"},
		{"env.A", "$${id} ${ip}"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		is_refused_in(workers(), wrong[i].key, wrong[i].value, wrong[i].expected);
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		is_taken(right[i].key, right[i].value);
	is_refused("worker", "x", app_keys);
	is_refused("count", "2", app_keys);
	is_refused("command", "${recipes_dir}/x",
		   "not allowed here: give a program's name or absolute path, without \"$\", "
		   "then its words");
}

static void test_environment(void)
{
	char *vector[] = {"HOME=/home/é", "PATH=/usr/bin", "EMPTY=", NULL};
	struct env *env = env_create(vector);
	struct recipe recipe = with("lab");

	if (env == NULL || recipe_set(&recipe, "env.HOME", "/x${port}", NULL) != 0 ||
	    recipe_set(&recipe, "env.UNSET", "", NULL) != 0 ||
	    recipe_set(&recipe, "prepend.PATH", "/a\n/${port}", NULL) != 0 ||
	    recipe_set(&recipe, "prepend.EMPTY", "/e", NULL) != 0 ||
	    recipe_set(&recipe, "prepend.NEW", "/n", NULL) != 0)
		bail_out("the environment");
	is_int(recipe_environment(&recipe, env, variables, &reason), 0, "the environment");
	is_str(env_get(env, "HOME"), "/x8888", "a variable is replaced");
	is_str(env_get(env, "UNSET"), "", "or made empty");
	is_str(env_get(env, "PATH"), "/a:/8888:/usr/bin", "or put in front");
	is_str(env_get(env, "EMPTY"), "/e", "of nothing: no empty entry");
	is_str(env_get(env, "NEW"), "/n", "of one that is not there");
	if (recipe_set(&recipe, "env.LAST", "${nothing}", NULL) != 0)
		bail_out("the environment");
	errno = 0;
	ok(recipe_environment(&recipe, env, variables, &reason) == -1 && errno == EINVAL,
	   "an unknown variable");
	ok(strstr(reason.text, "${nothing} is not known") != NULL, "is told");
	env_destroy(env);
	recipe_clear(&recipe);
	recipe_clear(&recipe);
}

static void make(int dir, const char *name, mode_t mode)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

	if (fd < 0 || fchmod(fd, mode) != 0 || close(fd) != 0)
		bail_out(name);
}

/* The program found, without the scratch directory's path. */
static void is_found(struct recipe *recipe, const char *path, const char *expected,
		     const char *name)
{
	char *found = recipe_program(recipe, path, &reason);
	size_t length = strlen(scratch_path);

	is_str(found != NULL && strncmp(found, scratch_path, length) == 0 ? found + length
									  : found,
	       expected, "%s", name);
	free(found);
}

/* The program of any command, where "two/lab" is one and "one/lab" is not. */
static void test_program_of(void)
{
	struct recipe recipe = workers();
	char two[300], word[300], text[1200], *found;

	snprintf(two, sizeof(two), "%s/two", scratch_path);
	snprintf(word, sizeof(word), "%s/two/lab", scratch_path);
	if (recipe_set(&recipe, "hint", "pip install dask", NULL) != 0)
		bail_out("hint");
	found = recipe_program_of(&recipe, "lab", two, &reason);
	is_str(found, word, "a command's program in PATH");
	free(found);
	found = recipe_program_of(&recipe, word, NULL, &reason);
	is_str(found, word, "as an absolute path");
	free(found);
	errno = 0;
	ok(recipe_program_of(&recipe, "dask", two, &reason) == NULL && errno == ENOENT,
	   "one that is missing");
	snprintf(text, sizeof(text),
		 "dask: not found in the job's PATH (%s) nor in the recipe's path (no "
		 "directory): load the module or environment that has it in the job script or "
		 "in a file given with --jupyter-init; for all users the administrator sets "
		 "path in [workers dask] of spank-jupyter.conf; pip install dask",
		 two);
	is_str(reason.text, text, "is told with the section and the hint");
	snprintf(word, sizeof(word), "%s/one/lab", scratch_path);
	ok(recipe_program_of(&recipe, word, two, &reason) == NULL, "one that cannot be run");
	snprintf(text, sizeof(text),
		 "%s: no program there that you may run: the administrator sets the command in "
		 "[workers dask] of spank-jupyter.conf; pip install dask",
		 word);
	is_str(reason.text, text, "is told");
	errno = 0;
	ok(recipe_program_of(&recipe, "../two/lab", two, &reason) == NULL && errno == ENOENT,
	   "a relative path is nowhere");
	if (recipe_set(&recipe, "path", two, NULL) != 0)
		bail_out("path");
	found = recipe_program_of(&recipe, "lab", NULL, &reason);
	ok(found != NULL, "in the recipe's path");
	free(found);
	recipe_clear(&recipe);
}

static void test_program(int dir)
{
	struct recipe recipe = with("lab --x");
	char text[1200], path[1200], *many = NULL, *to;

	if (mkdirat(dir, "one", 0700) != 0 || mkdirat(dir, "two", 0700) != 0 ||
	    mkdirat(dir, "three", 0700) != 0 || mkdirat(dir, "three/lab", 0700) != 0)
		bail_out("mkdir");
	make(dir, "one/lab", 0600);
	make(dir, "two/lab", 0700);
	make(dir, "lab", 0700);
	snprintf(path, sizeof(path), "%s/three:%s/one:%s/two:%s", scratch_path, scratch_path,
		 scratch_path, scratch_path);
	is_found(&recipe, path, "/two/lab", "the first that can be run, directories are not");
	if (fchdir(dir) != 0)
		bail_out("fchdir");
	snprintf(path, sizeof(path), ":.:two:%s/nowhere:", scratch_path);
	errno = 0;
	is_found(&recipe, path, NULL, "empty and relative entries are passed over");
	is_int(errno, ENOENT, "ENOENT");
	snprintf(text, sizeof(text),
		 "lab: not found in the job's PATH (%s/nowhere) nor in the recipe's path (no "
		 "directory): load the module or environment that has it in the job script or "
		 "in a "
		 "file given with --jupyter-init; for all users the administrator sets path in "
		 "[app lab] of spank-jupyter.conf",
		 scratch_path);
	is_str(reason.text, text, "what was looked for, where, and what to do");
	is_found(&recipe, NULL, NULL, "no PATH at all");
	snprintf(text, sizeof(text), "%s/two", scratch_path);
	if (recipe_set(&recipe, "path", text, NULL) != 0 ||
	    recipe_set(&recipe, "hint", "pip install lab", NULL) != 0)
		bail_out("path");
	is_found(&recipe, path, "/two/lab", "the recipe's path");
	snprintf(path, sizeof(path), "%s", scratch_path);
	is_found(&recipe, path, "/lab", "comes behind the job's");
	recipe_clear(&recipe);

	recipe = with("lab");
	if (recipe_set(&recipe, "hint", "pip install lab", NULL) != 0)
		bail_out("hint");
	many = malloc(5000 * 7 + 300 + 1);
	if (many == NULL)
		bail_out("malloc");
	to = many;
	*to++ = '/';
	memset(to, 'y', 299);
	to += 299;
	for (int i = 0; i < 5000; i++)
		to += sprintf(to, ":/n%04d", i);
	is_found(&recipe, many, NULL, "5001 directories");
	ok(strstr(reason.text, "yyy..., /n0000, /n0001") != NULL &&
		   strstr(reason.text, " and 49") != NULL &&
		   strstr(reason.text, " more) nor in ") != NULL &&
		   strstr(reason.text, "spank-jupyter.conf; pip install lab") != NULL,
	   "are told in short, and the hint is there");
	free(many);
	recipe_clear(&recipe);

	snprintf(text, sizeof(text), "%s/two/lab x", scratch_path);
	recipe = with(text);
	is_found(&recipe, NULL, "/two/lab", "an absolute program");
	recipe_clear(&recipe);
	snprintf(text, sizeof(text), "%s/one/lab x", scratch_path);
	recipe = with(text);
	is_found(&recipe, scratch_path, NULL, "one that cannot be run");
	snprintf(text, sizeof(text),
		 "%s/one/lab: no program there that you may run: the administrator sets "
		 "command in "
		 "[app lab] of spank-jupyter.conf",
		 scratch_path);
	is_str(reason.text, text, "is told");
	recipe_clear(&recipe);
	test_program_of();
	unlinkat(dir, "one/lab", 0);
	unlinkat(dir, "two/lab", 0);
	unlinkat(dir, "lab", 0);
	unlinkat(dir, "three/lab", AT_REMOVEDIR);
	unlinkat(dir, "one", AT_REMOVEDIR);
	unlinkat(dir, "two", AT_REMOVEDIR);
	unlinkat(dir, "three", AT_REMOVEDIR);
}

int main(void)
{
	int dir = scratch_open();

	test_argv();
	test_command();
	test_uses();
	test_expand();
	test_set();
	test_set_workers();
	test_environment();
	test_program(dir);
	is_int(entries(dir), 0, "nothing is left");
	rmdir(scratch_path);
	return done_testing();
}
