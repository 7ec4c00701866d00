/* SPDX-License-Identifier: MIT */
/* See kernel_dirs.h.  The names of functions in comments are jupyter_core.paths'. */
#include "launcher/kernel/kernel_dirs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/kernel/kernelspec.h"

enum { VENV_MAX = 65536 /* bytes of a pyvenv.cfg; venv's has 200 */ };

/* The server's Python. */
struct interpreter {
	char *prefix; /* sys.prefix; NULL: not known */
	bool venv;
	bool user_site; /* site.ENABLE_USER_SITE */
};

struct search {
	const struct env *environment;
	kernel_dirs_callback *callback;
	void *arg;
	bool ended;
	int error; /* ENOMEM */
};

/* A variable that is set and not empty. */
static const char *variable(const struct env *environment, const char *name)
{
	const char *value = env_get(environment, name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* envset() of a variable that is set. */
static bool is_true(const char *value)
{
	static const char *const no[] = {"no", "n", "false", "off", "0", "0.0"};

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		if (strcasecmp(value, no[i]) == 0)
			return false;
	}
	return true;
}

/* Cuts the last part of a path off; "/" stays. */
static void to_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash != NULL)
		slash[slash == path] = '\0';
}

/* What site.venv() reads of pyvenv.cfg: whether packages beside the environment count. */
static bool venv_is_open(const char *text)
{
	static const char key[] = "include-system-site-packages";
	bool open = true;

	while (*text != '\0') {
		const char *line = text + strspn(text, " \t");
		size_t length = strcspn(text, "\n");

		text += length + (text[length] == '\n');
		if (strncasecmp(line, key, strlen(key)) != 0)
			continue;
		line += strlen(key);
		line += strspn(line, " \t");
		if (*line != '=')
			continue;
		line += 1 + strspn(line + 1, " \t");
		open = strncasecmp(line, "true", 4) == 0 && strcspn(line + 4, " \t\r\n") == 0;
	}
	return open;
}

/* Whether DIRECTORY/pyvenv.cfg is there, and what it says. */
static bool venv_look(const char *directory, struct interpreter *interpreter)
{
	char path[PATH_MAX], *text = NULL;
	int fd = -1;

	if (snprintf(path, sizeof(path), "%s/pyvenv.cfg", directory) < (int) sizeof(path))
		fd = kernelspec_open(path);
	if (fd < 0)
		return false;
	interpreter->venv = true;
	if (fd_read_all(fd, VENV_MAX, &text, NULL) == 0 && !venv_is_open(text))
		interpreter->user_site = false;
	free(text);
	fd_close(&fd);
	return true;
}

/* What Python would find out about itself when it starts; see site.venv().  Without a virtual
 * environment links are followed, as Python looks for its library behind them. */
static void interpreter_look(struct interpreter *interpreter, const char *python,
			     const struct env *environment)
{
	char bin[PATH_MAX], above[PATH_MAX], real[PATH_MAX];

	*interpreter = (struct interpreter){
		.user_site = variable(environment, "PYTHONNOUSERSITE") == NULL};
	if (python == NULL || strlen(python) >= sizeof(bin))
		return;
	strcpy(bin, python);
	to_parent(bin);
	strcpy(above, bin);
	to_parent(above);
	if (!venv_look(bin, interpreter) && !venv_look(above, interpreter) &&
	    realpath(python, real) != NULL) {
		to_parent(real);
		to_parent(real);
		strcpy(above, real);
	}
	interpreter->prefix = strdup(above);
}

/* _do_i_own(), but for the name that the terminal's user may have besides. */
static bool is_own(const char *directory)
{
	struct stat status;

	return stat(directory, &status) == 0 && status.st_uid == geteuid();
}

/* Whether prefix begins with the path of the active conda environment. */
static bool in_conda(const char *prefix, const char *conda)
{
	char real_prefix[PATH_MAX], real_conda[PATH_MAX];

	return conda != NULL && realpath(prefix, real_prefix) != NULL &&
	       realpath(conda, real_conda) != NULL &&
	       strncmp(real_prefix, real_conda, strlen(real_conda)) == 0;
}

/* prefer_environment_over_user() */
static bool prefix_first(const struct interpreter *interpreter, const struct env *environment)
{
	const char *wish = env_get(environment, "JUPYTER_PREFER_ENV_PATH");
	const char *conda = env_get(environment, "CONDA_DEFAULT_ENV");

	if (wish != NULL)
		return is_true(wish);
	if (interpreter->prefix == NULL || !is_own(interpreter->prefix))
		return false;
	return interpreter->venv ||
	       (conda != NULL && strcmp(conda, "base") != 0 &&
		in_conda(interpreter->prefix, variable(environment, "CONDA_PREFIX")));
}

/* One of Jupyter's data directories, DIRECTORY/BELOW.  True when the search has ended. */
static bool look(struct search *search, const char *directory, size_t length, const char *below)
{
	char *kernels;

	if (search->ended || search->error != 0)
		return true;
	if (directory == NULL || *directory != '/')
		return false;
	if (asprintf(&kernels, "%.*s%s/kernels", (int) length, directory, below) < 0) {
		search->error = ENOMEM;
		return true;
	}
	search->ended = search->callback(kernels, search->arg);
	free(kernels);
	return search->ended;
}

static bool look_below(struct search *search, const char *directory, const char *below)
{
	return look(search, directory, directory != NULL ? strlen(directory) : 0, below);
}

/* Each directory of a list separated by ":". */
static bool look_each(struct search *search, const char *list, const char *below)
{
	while (list != NULL && *list != '\0') {
		size_t length = strcspn(list, ":");

		if (look(search, list, length, below))
			return true;
		list += length + (list[length] == ':');
	}
	return false;
}

/* jupyter_data_dir(), and with user_site what `pip install --user` has put there. */
static bool look_user(struct search *search, bool user_site)
{
	const char *data = variable(search->environment, "JUPYTER_DATA_DIR");
	const char *xdg = variable(search->environment, "XDG_DATA_HOME");
	const char *base = variable(search->environment, "PYTHONUSERBASE");
	const char *home = env_get(search->environment, "HOME");
	bool ended;

	if (data != NULL)
		ended = look_below(search, data, "");
	else if (xdg != NULL)
		ended = look_below(search, xdg, "/jupyter");
	else
		ended = look_below(search, home, "/.local/share/jupyter");
	if (ended || !user_site)
		return ended;
	return base != NULL ? look_below(search, base, "/share/jupyter")
			    : look_below(search, home, "/.local/share/jupyter");
}

/* The server's own prefix, unless that is one of the system's. */
static bool look_prefix(struct search *search, const char *prefix)
{
	if (prefix == NULL || strcmp(prefix, "/usr") == 0 || strcmp(prefix, "/usr/local") == 0)
		return false;
	return look_below(search, prefix, "/share/jupyter");
}

/* KernelSpecManager._kernel_dirs_default(): jupyter_path(), then IPython's directory. */
static void look_everywhere(struct search *search, const struct interpreter *interpreter)
{
	const struct env *environment = search->environment;
	const char *ipython = variable(environment, "IPYTHONDIR");

	if (look_each(search, env_get(environment, "JUPYTER_PATH"), ""))
		return;
	if (prefix_first(interpreter, environment)) {
		if (look_prefix(search, interpreter->prefix) ||
		    look_user(search, interpreter->user_site))
			return;
	} else if (look_user(search, interpreter->user_site) ||
		   look_prefix(search, interpreter->prefix)) {
		return;
	}
	if (look_each(search, "/usr/local/share/jupyter:/usr/share/jupyter", ""))
		return;
	if (ipython != NULL)
		look_below(search, ipython, "");
	else
		look_below(search, env_get(environment, "HOME"), "/.ipython");
}

char *kernel_dirs_prefix(const char *python, const struct env *environment)
{
	struct interpreter interpreter;

	interpreter_look(&interpreter, python, environment);
	return interpreter.prefix;
}

int kernel_dirs_each(const char *python, const struct env *environment,
		     kernel_dirs_callback *callback, void *arg)
{
	struct search search = {.environment = environment, .callback = callback, .arg = arg};
	struct interpreter interpreter;

	interpreter_look(&interpreter, python, environment);
	look_everywhere(&search, &interpreter);
	free(interpreter.prefix);
	errno = search.error;
	return search.error != 0 ? -1 : search.ended;
}
