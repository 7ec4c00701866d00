/* SPDX-License-Identifier: MIT */
/* Unit test of launcher/request.h; run by `make check` as whoever calls it. */
#include "launcher/request.h"
#include "scratch.h"

static struct reason reason;

static struct settings *load(int dir)
{
	static const char text[] = "[app lab]\ncommand = true\n"
				   "[app own]\ncommand = true\n"
				   "[workers dask]\nworker = true\n"
				   "[workers own-kind]\nworker = true\n";
	char recipes[300], file[300];
	int fd = openat(dir, "conf", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	snprintf(recipes, sizeof(recipes), "%s/recipes", scratch_path);
	snprintf(file, sizeof(file), "%s/conf", scratch_path);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text) ||
	    close(fd) != 0 || mkdir(recipes, 0700) != 0)
		bail_out("conf");
	return settings_load_from(recipes, file, &reason);
}

int main(void)
{
	int dir = scratch_open();
	struct settings *settings = load(dir);

	if (settings == NULL)
		bail_out(reason.text);
	is_int(request_check(settings, NULL, NULL, &reason), 0, "nothing is always there");
	is_int(request_check(settings, "own", NULL, &reason), 0, "an app alone");
	is_int(request_check(settings, NULL, "own-kind,dask:2", &reason), 0, "workers alone");
	is_int(request_check(settings, "lab", "dask:2", &reason), 0, "both");
	fails_with(request_check(settings, "labb", "dask", &reason), ENOENT, "an unknown app");
	is_str(reason.text,
	       "--jupyter: no app \"labb\": give one of lab, own; or kernel[:KERNELSPEC] or "
	       "run:NOTEBOOK.ipynb",
	       "is told with those known");
	fails_with(request_check(settings, "lab", "dask:2,desk", &reason), ENOENT,
		   "an unknown kind");
	is_str(reason.text,
	       "--jupyter-workers: no kind of workers \"desk\": give one of dask, own-kind",
	       "is told with those known");
	fails_with(request_check(settings, NULL, "dask:0", &reason), EINVAL, "no list");
	ok(strstr(reason.text, "dask:0") != NULL, "is told");
	settings_destroy(settings);
	unlinkat(dir, "conf", 0);
	unlinkat(dir, "recipes", AT_REMOVEDIR);
	close(dir);
	rmdir(scratch_path);
	return done_testing();
}
