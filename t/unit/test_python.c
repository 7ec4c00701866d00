/* SPDX-License-Identifier: MIT */
/*
 * Unit test of launcher/workers/python.h: the kernel's Python in made-up trees, with
 * kernelspecs and scripts right, wrong and hostile; run by `make check` as whoever calls it.
 */
#include "launcher/workers/python.h"

#include <sys/stat.h>

#include "common/env.h"
#include "scratch.h"

static struct reason reason;
static struct env *environment;
static char server[300];

/* A path below the scratch directory; the last four stay. */
static const char *at(const char *name)
{
	static char paths[4][600];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s%s", scratch_path, name);
	return path;
}

/* Removes it with all that is in it. */
static void gone(const char *name)
{
	char command[700];

	snprintf(command, sizeof(command), "rm -rf '%s'", at(name));
	if (system(command) != 0)
		bail_out(command);
}

static void make_parents(const char *path)
{
	char part[600];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part + strlen(scratch_path) + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			bail_out(part);
		*slash = '/';
	}
}

static void put(const char *name, const void *data, size_t size, mode_t mode)
{
	const char *path = at(name);
	int fd;

	make_parents(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t) size || fchmod(fd, mode) != 0 ||
	    close(fd) != 0)
		bail_out(path);
}

static void put_text(const char *name, const char *text)
{
	put(name, text, strlen(text), 0644);
}

static void put_program(const char *name)
{
	put(name, "\177ELF", 4, 0755);
}

/* A script with these lines; "~" in them is the scratch directory. */
static void put_script(const char *name, const char *lines)
{
	char text[2000], *to = text;

	for (; *lines != '\0'; lines++) {
		if (*lines == '~')
			to = stpcpy(to, scratch_path);
		else
			*to++ = *lines;
	}
	put(name, text, (size_t) (to - text), 0755);
}

/* DIRECTORY/kernels/python3/kernel.json, which starts this program. */
static void put_spec(const char *directory, const char *program)
{
	char name[300], text[700];

	snprintf(name, sizeof(name), "%s/kernels/python3/kernel.json", directory);
	snprintf(text, sizeof(text),
		 "{\"argv\": [\"%s\", \"-m\", \"ipykernel_launcher\", \"-f\", "
		 "\"{connection_file}\"], \"display_name\": \"Python 3\"}",
		 program);
	put_text(name, text);
}

static void set(const char *name, const char *value)
{
	if (value == NULL)
		env_unset(environment, name);
	else if (env_set(environment, name, value) != 0)
		bail_out(name);
}

/* What is found, without the scratch directory's path. */
static void is_python(const char *expected, const char *name)
{
	char *found;
	size_t length = strlen(scratch_path);

	errno = 0;
	reason.text[0] = '\0';
	found = workers_python(server, environment, &reason);
	if (expected == NULL) {
		ok(found == NULL && errno == ENOENT && reason.text[0] != '\0', "%s", name);
		if (found != NULL)
			tap_note("got %s", found);
	} else {
		is_str(found != NULL && strncmp(found, scratch_path, length) == 0
			       ? found + length
			       : found,
		       expected, "%s", name);
		if (found == NULL)
			tap_note("%s", reason.text);
	}
	free(found);
}

/* A user whose home is empty and who has a server in a virtual environment. */
static void begin(void)
{
	static char *const empty[] = {NULL};
	static const char *const programs[] = {
		"/venv/bin/python",   "/home/.local/bin/python3.9", "/other/bin/python3",
		"/path/bin/python3",  "/path/bin/python",	    "/path/bin/pypy3",
		"/usual/bin/python3",
	};

	env_destroy(environment);
	environment = env_create(empty);
	if (environment == NULL)
		bail_out("env_create");
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		put_program(programs[i]);
	put_text("/venv/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\n");
	put_script("/venv/bin/jupyter-lab", "#!~/venv/bin/python\nimport sys\n");
	set("HOME", at("/home"));
	set("PATH", at("/path/bin"));
}

static void end(void)
{
	gone("/venv");
	gone("/home");
	gone("/other");
	gone("/path");
	gone("/usual");
	gone("/conda");
	gone("/a");
	gone("/b");
}

/* Whether this machine has a kernelspec of its own, which is found where no other is. */
static bool machine_has_spec(void)
{
	return access("/usr/share/jupyter/kernels/python3/kernel.json", F_OK) == 0 ||
	       access("/usr/local/share/jupyter/kernels/python3/kernel.json", F_OK) == 0;
}

/* Puts an empty directory over those, for this process, where it is let. */
static void hide_specs(void)
{
	static const char *const directories[] = {"/usr/share/jupyter",
						  "/usr/local/share/jupyter"};
	int dir = own_mounts();

	if (dir < 0)
		return;
	close(dir);
	for (size_t i = 0; i < 2; i++)
		(void) mount("none", directories[i], "tmpfs", MS_RDONLY, NULL);
}

/* The directories in Jupyter's order: each is taken away once it has been found. */
static void test_order(void)
{
	static const char *const no[] = {"No", "n", "false", "OFF", "0.0"};
	char list[1300];

	begin();
	set("JUPYTER_PATH", "relative::/nowhere");
	put_spec("/venv/share/jupyter", at("/other/bin/python3"));
	put_spec("/home/.local/share/jupyter", at("/home/.local/bin/python3.9"));
	is_python("/other/bin/python3", "one's own virtual environment comes before the user");
	set("JUPYTER_PREFER_ENV_PATH", "0");
	is_python("/home/.local/bin/python3.9", "JUPYTER_PREFER_ENV_PATH=0: the user first");
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		set("JUPYTER_PREFER_ENV_PATH", no[i]);
		is_python("/home/.local/bin/python3.9", no[i]);
	}
	set("JUPYTER_PREFER_ENV_PATH", "");
	is_python("/other/bin/python3", "the empty value is a yes, as jupyter_core has it");
	set("JUPYTER_PREFER_ENV_PATH", NULL);
	gone("/venv/pyvenv.cfg");
	is_python("/home/.local/bin/python3.9", "without a virtual environment the user first");
	set("JUPYTER_PREFER_ENV_PATH", "1");
	is_python("/other/bin/python3", "but JUPYTER_PREFER_ENV_PATH=1");
	set("JUPYTER_PREFER_ENV_PATH", NULL);
	put_spec("/a", at("/path/bin/pypy3"));
	put_spec("/b", at("/usual/bin/python3"));
	set("JUPYTER_DATA_DIR", at("/b"));
	is_python("/usual/bin/python3", "JUPYTER_DATA_DIR is the user's directory");
	snprintf(list, sizeof(list), "relative:%s/nowhere/::%s", scratch_path, at("/a/"));
	set("JUPYTER_PATH", list);
	is_python("/path/bin/pypy3", "JUPYTER_PATH before all");
	set("JUPYTER_PATH", NULL);
	set("JUPYTER_DATA_DIR", at("/nowhere"));
	is_python("/home/.local/bin/python3.9", "what pip has installed for the user, too");
	set("PYTHONNOUSERSITE", "1");
	is_python("/other/bin/python3", "but not with PYTHONNOUSERSITE");
	set("PYTHONNOUSERSITE", NULL);
	gone("/home/.local/share");
	put_spec("/b/share/jupyter", at("/path/bin/python"));
	set("PYTHONUSERBASE", at("/b"));
	is_python("/path/bin/python", "PYTHONUSERBASE is where pip does that");
	set("PYTHONUSERBASE", NULL);
	set("JUPYTER_DATA_DIR", NULL);
	put_spec("/a/jupyter", at("/path/bin/python"));
	set("XDG_DATA_HOME", at("/a"));
	is_python("/path/bin/python", "XDG_DATA_HOME");
	set("XDG_DATA_HOME", "a");
	is_python("/other/bin/python3", "not a relative one");
	set("XDG_DATA_HOME", NULL);
	end();

	begin();
	put_text("/venv/pyvenv.cfg", "Include-System-Site-Packages =TRUE \r\n");
	set("JUPYTER_DATA_DIR", at("/nowhere"));
	put_spec("/home/.local/share/jupyter", at("/home/.local/bin/python3.9"));
	is_python("/home/.local/bin/python3.9",
		  "a virtual environment that is open for the user's packages");
	put_text("/venv/pyvenv.cfg", "include-system-site-packages = truely\n");
	if (machine_has_spec())
		skip("this machine has a kernelspec");
	else
		is_python("/venv/bin/python", "one that is not");
	end();
}

/* A conda environment: told by the shell's variables, found behind links. */
static void test_conda(void)
{
	begin();
	put_program("/conda/envs/x/bin/python3.12");
	if (symlink("python3.12", at("/conda/envs/x/bin/python")) != 0)
		bail_out("symlink");
	put_script("/venv/bin/jupyter-lab", "#!~/conda/envs/x/bin/python\n");
	put_spec("/conda/envs/x/share/jupyter", at("/other/bin/python3"));
	put_spec("/home/.local/share/jupyter", at("/home/.local/bin/python3.9"));
	is_python("/home/.local/bin/python3.9", "an environment that is not active");
	set("CONDA_PREFIX", at("/conda/envs/x"));
	is_python("/home/.local/bin/python3.9", "or has no name");
	set("CONDA_DEFAULT_ENV", "base");
	is_python("/home/.local/bin/python3.9", "or is the root environment");
	set("CONDA_DEFAULT_ENV", "x");
	is_python("/other/bin/python3", "an active environment comes before the user");
	set("CONDA_PREFIX", at("/venv"));
	is_python("/home/.local/bin/python3.9", "not one that the server is not of");
	gone("/home/.local/share");
	is_python("/other/bin/python3", "it is looked at all the same");
	put_spec("/conda/envs/x/share/jupyter", "python3.12");
	is_python("/conda/envs/x/bin/python", "its version's name is its own");
	end();
}

/* What the kernelspec starts. */
static void test_program(void)
{
	static const char spec[] = "/home/.local/share/jupyter";

	begin();
	set("JUPYTER_PREFER_ENV_PATH", "0");
	put_spec(spec, "python");
	is_python("/venv/bin/python", "\"python\" is the server's own");
	put_spec(spec, "python3");
	is_python("/venv/bin/python", "so is \"python3\"");
	put_spec(spec, "pypy3");
	is_python("/path/bin/pypy3", "another name is looked for in PATH");
	put_spec(spec, "python2.7");
	is_python("/venv/bin/python", "one that is not there: the server's own");
	put_spec(spec, "/nowhere/python3");
	is_python("/venv/bin/python", "a path that is not there: the server's own");
	put("/other/bin/python3", "", 0, 0644);
	put_spec(spec, at("/other/bin/python3"));
	is_python("/venv/bin/python", "one that may not be run: the server's own");
	gone("/other/bin/python3");
	put_program("/other/bin/python3/bin");
	is_python("/venv/bin/python", "a directory: the server's own");
	put_spec(spec, "/bin/sh");
	is_python("/venv/bin/python", "a wrapper is no Python: the server's own");
	put_spec(spec, "bin/python3");
	is_python("/venv/bin/python", "nor is a path that depends on where one is");
	put_spec(spec, "python3\\u001b[2J");
	is_python("/venv/bin/python", "nor a name that turns a terminal over");
	gone("/venv/bin/python");
	put_spec(spec, "python");
	is_python("/path/bin/python3", "without a server's own: python3 in PATH");
	end();
}

/* Kernelspecs that nobody can have meant. */
static void test_hostile(void)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"null",
		"{\"argv\": \"python3\"}",
		"{\"argv\": []}",
		"{\"argv\": {}}",
		"{\"argv\": [1]}",
		"{\"argv\": [\"\"]}",
		"{\"argv\": [\"pypy3\", null]}",
		"{\"argv\": [[\"python3\"]]}",
		"{\"argv\": [\"py\\u0000thon3\"]}",
		"{\"argv\": [\"python\xff\"]}",
		"\xef\xbb\xbf{\"argv\": [\"python3\"]}",
		"{\"argv\": [\"pypy3\"]} x",
	};
	static const char file[] = "/home/.local/share/jupyter/kernels/python3/kernel.json";
	enum { HUGE = 1 << 20 };
	char *huge = malloc(HUGE);

	if (huge == NULL)
		bail_out("malloc");
	begin();
	set("JUPYTER_PREFER_ENV_PATH", "0");
	put_spec("/home/.local/share/jupyter", "pypy3");
	is_python("/path/bin/pypy3", "a right one");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put_text(file, texts[i]);
		is_python("/venv/bin/python", "no kernelspec: the server's own");
	}
	memset(huge, ' ', HUGE);
	memcpy(huge, "{\"argv\": [\"pypy3\"]}", 19);
	put(file, huge, 65536, 0644);
	is_python("/path/bin/pypy3", "one of 64 KiB");
	put(file, huge, 65537, 0644);
	is_python("/venv/bin/python", "a byte more");
	put(file, huge, HUGE, 0644);
	is_python("/venv/bin/python", "a huge one");
	memset(huge, '[', HUGE);
	put(file, huge, 65536, 0644);
	is_python("/venv/bin/python", "65536 brackets");
	free(huge);

	/* Jupyter passes over what is no file, and looks on. */
	put_spec("/venv/share/jupyter", "pypy3");
	gone(file);
	put_text("/home/.local/share/jupyter/kernels/python3/kernel.json/x", "");
	is_python("/path/bin/pypy3", "a directory of that name");
	gone(file);
	if (mkfifo(at(file), 0600) != 0)
		bail_out("mkfifo");
	is_python("/path/bin/pypy3", "a FIFO that nobody writes");
	gone(file);
	if (symlink("kernel.json", at(file)) != 0)
		bail_out("symlink");
	is_python("/path/bin/pypy3", "a link to itself");
	gone(file);
	if (symlink("/dev/zero", at(file)) != 0)
		bail_out("symlink");
	is_python("/path/bin/pypy3", "a link to a device");
	gone(file);
	if (symlink(at("/venv/share/jupyter/kernels/python3/kernel.json"), at(file)) != 0)
		bail_out("symlink");
	gone("/venv/share/jupyter/kernels/python3/kernel.json");
	put_spec("/venv/share/jupyter", "pypy3");
	is_python("/path/bin/pypy3", "a link to a right one");
	end();
}

/* The server's own interpreter, where no kernelspec says otherwise. */
static void test_script(void)
{
	static const struct {
		const char *lines, *expected, *name;
	} scripts[] = {
		{"#!~/venv/bin/python\n", "/venv/bin/python", "a plain path"},
		{"#! ~/venv/bin/python -s -E\n", "/venv/bin/python", "with blanks and words"},
		{"#!/usr/bin/env python3\n", "/path/bin/python3", "env"},
		{"#!/usr/bin/env -S python3 -s\n", "/path/bin/python3", "env -S"},
		{"#!/usr/bin/env ~/other/bin/python3\n", "/other/bin/python3",
		 "env with a path"},
		{"#!/bin/sh\n'''exec' ~/venv/bin/python \"$0\" \"$@\"\n' '''\nimport re\n",
		 "/venv/bin/python", "the lines of pip for a long path"},
		{"#!/bin/sh\n'''exec' \"~/other/bin/python3\" \"$0\" \"$@\" #'''\n",
		 "/other/bin/python3", "those of conda"},
		{"#!/bin/sh\n'''exec' '~/other/bin/python3' \"$0\" \"$@\"\n' '''\n",
		 "/other/bin/python3", "in other quotes"},
		{"#!/bin/sh\n'''exec' \"$(dirname -- \"$0\")\"/'python' \"$0\" \"$@\"\n",
		 "/usual/bin/python3", "of uv, which finds it beside the script: so do we"},
		{"#!/bin/sh\nexec ~/venv/bin/python -m jupyterlab\n", "/usual/bin/python3",
		 "a shell script, which may do anything: python3 beside it"},
		{"#!/nowhere/python3\n", "/usual/bin/python3", "an interpreter that is gone"},
		{"#!/bin/sh\n", "/usual/bin/python3", "an interpreter that is no Python"},
		{"#!python3\n", "/usual/bin/python3", "a relative one"},
		{"#!/usr/bin/env\n", "/usual/bin/python3", "env without a program"},
		{"#!\n", "/usual/bin/python3", "nothing behind the mark"},
		{"#!~/venv/bin/python", "/usual/bin/python3", "a line without an end"},
		{"\177ELF\n", "/usual/bin/python3", "a program"},
		{"", "/usual/bin/python3", "an empty file"},
	};
	char text[2000];

	begin();
	/* So that no kernelspec of this machine counts. */
	put_spec("/home/.local/share/jupyter", "python");
	snprintf(server, sizeof(server), "%s", at("/usual/bin/jupyter-lab"));
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		put_script("/usual/bin/jupyter-lab", scripts[i].lines);
		is_python(scripts[i].expected, scripts[i].name);
	}
	memset(text, 'x', sizeof(text));
	memcpy(text, "#!/", 3);
	put("/usual/bin/jupyter-lab", text, sizeof(text), 0755);
	is_python("/usual/bin/python3", "a first line of 2000 bytes");
	memset(text, 0, sizeof(text));
	put("/usual/bin/jupyter-lab", text, sizeof(text), 0755);
	is_python("/usual/bin/python3", "NUL bytes");
	gone("/usual/bin/jupyter-lab");
	is_python("/usual/bin/python3", "no such server");
	if (mkfifo(server, 0700) != 0)
		bail_out("mkfifo");
	is_python("/usual/bin/python3", "a FIFO that nobody writes");
	gone("/usual/bin/jupyter-lab");
	if (symlink(at("/venv/bin/jupyter-lab"), server) != 0)
		bail_out("symlink");
	is_python("/venv/bin/python", "a link to the script, as pipx makes");
	gone("/usual");
	is_python("/path/bin/python3", "nothing beside it: PATH");
	snprintf(server, sizeof(server), "%s", at("/venv/bin/jupyter-lab"));
	end();
}

static void test_path(void)
{
	char list[1000], *found;

	begin();
	put_spec("/home/.local/share/jupyter", "python");
	gone("/venv/bin");
	if (chdir(at("/path")) != 0)
		bail_out("chdir");
	snprintf(list, sizeof(list), ":.:bin:%s/nowhere:%s", scratch_path, at("/path/bin"));
	set("PATH", list);
	is_python("/path/bin/python3", "in PATH");
	found = workers_python(NULL, environment, &reason);
	ok(found != NULL && strcmp(found, at("/path/bin/python3")) == 0, "without a server");
	free(found);
	set("PATH", ":.:bin:");
	is_python(NULL, "relative and empty entries are passed over");
	snprintf(list, sizeof(list),
		 "no Python for the workers: %s/home/.local/share/jupyter/kernels/python3/"
		 "kernel.json starts \"python\", no Python that you may run; the first line of "
		 "%s names none that you may run; there is no python3 beside it, nor in PATH "
		 "(:.:bin:): load the module or environment that has one in the job script or "
		 "in a file given with --jupyter-init",
		 scratch_path, server);
	is_str(reason.text, list, "and it is told what was looked for");
	set("PATH", NULL);
	is_python(NULL, "no PATH");
	put_text("/home/.local/share/jupyter/kernels/python3/kernel.json", "{\n\"argv\": 1}");
	is_python(NULL, "a kernelspec that is none");
	ok(strstr(reason.text, "kernel.json: its argv is not a list of words; ") != NULL,
	   "is told");
	put_text("/home/.local/share/jupyter/kernels/python3/kernel.json", "{\n\"argv\" 1}");
	is_python(NULL, "one that is not JSON");
	ok(strstr(reason.text, "kernel.json: not JSON: line 2: ") != NULL, "is told");
	set("HOME", "home");
	if (machine_has_spec())
		skip("this machine has a kernelspec");
	else
		is_python(NULL, "a relative HOME");
	set("HOME", NULL);
	set("IPYTHONDIR", at("/a"));
	put_spec("/a", at("/other/bin/python3"));
	if (machine_has_spec())
		skip("this machine has a kernelspec");
	else
		is_python("/other/bin/python3", "IPython's directory is the last one");
	if (chdir("/") != 0)
		bail_out("chdir");
	end();
}

int main(void)
{
	int dir = scratch_open();

	alarm(60); /* whatever blocks has failed */
	if (machine_has_spec())
		hide_specs();
	snprintf(server, sizeof(server), "%s/venv/bin/jupyter-lab", scratch_path);
	test_order();
	test_conda();
	test_program();
	test_hostile();
	test_script();
	test_path();
	env_destroy(environment);
	is_int(entries(dir), 0, "nothing is left");
	rmdir(scratch_path);
	return done_testing();
}
