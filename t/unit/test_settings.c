/* SPDX-License-Identifier: MIT */
/*
 * Unit test of launcher/settings.h: the site's file and the recipes, right, wrong and hostile;
 * run by `make check` as whoever calls it.
 */
#include "settings_world.h"

static void test_defaults(void)
{
	struct settings *settings = load("");

	if (!ok(settings != NULL, "an empty file is a file"))
		return;
	ok(settings->network == NULL && settings->allow == NULL && settings->hub == NULL,
	   "no network, peers and hub by default");
	is_str(settings->tmpdir, "/tmp", "tmpdir by default");
	is_int(settings->port_first + settings->port_last, 0, "any port by default");
	is_int(settings->idle_default_s, 0, "idle by default");
	is_int(settings->idle_max_s, 0, "idle_max by default");
	is_int(settings->warn_default_s, 300, "warn by default");
	is_int(settings->init_timeout_s, 300, "init_timeout by default");
	is_int(settings->orphan_grace_s, 600, "orphan_grace by default");
	is_int(settings->server_restarts_max, 3, "restarts by default");
	is_int(settings->log_level, SETTINGS_LOG_INFO, "log by default");
	is_int(settings->log_max_bytes, 16 << 20, "log_size by default");
	is_int(settings->star_max, 256, "star_max by default");
	is_int(settings->app_count, 1, "the shipped app");
	is_int(settings->kind_count, 0, "no kind of workers");
	settings_destroy(settings);
	settings_destroy(NULL);
}

static void test_site(void)
{
	struct settings *settings = load("\xef\xbb\xbf# a comment with a byte order mark\r\n"
					 "\n"
					 "[site]\r\n"
					 "network = 10.1.0.0/16\r\n"
					 "allow = 10.0.0.0/8 ,2001:db8::/32,\n"
					 "\t192.168.1.1/32\n"
					 "  # a comment between\n"
					 "ports=40000-40999\n"
					 "tmpdir =   /local/scratch  \n"
					 "hub = https://hub.example.org:8081/hub/api\n"
					 "hub_user = jupyterhub\n"
					 "orphan_grace = 0:30\n"
					 "; another comment\n"
					 "idle = 1:00:00\n"
					 "idle_max = 1-0\n"
					 "warn = 0\n"
					 "init_timeout = 0:30\n"
					 "restarts = 0\n"
					 "log = debug\n"
					 "log_size = 64K\n"
					 "star_max = 1");

	if (!ok(settings != NULL, "every key of [site]")) {
		tap_note("%s", reason.text);
		return;
	}
	is_str(settings->network, "10.1.0.0/16", "network");
	is_str(settings->allow, "10.0.0.0/8,2001:db8::/32,192.168.1.1/32",
	       "allow, over two lines, without white space");
	is_int(settings->port_first, 40000, "the first port");
	is_int(settings->port_last, 40999, "the last port");
	is_str(settings->tmpdir, "/local/scratch", "tmpdir");
	is_str(settings->hub, "https://hub.example.org:8081/hub/api", "hub");
	is_str(settings->hub_user, "jupyterhub", "hub_user");
	is_int(settings->orphan_grace_s, 30, "orphan_grace");
	is_int(settings->idle_default_s, 3600, "idle");
	is_int(settings->idle_max_s, 86400, "idle_max");
	is_int(settings->warn_default_s, 0, "warn");
	is_int(settings->init_timeout_s, 30, "init_timeout");
	is_int(settings->server_restarts_max, 0, "restarts");
	is_int(settings->log_level, SETTINGS_LOG_DEBUG, "log");
	is_int(settings->log_max_bytes, 64 << 10, "log_size");
	is_int(settings->star_max, 1, "star_max");
	settings_destroy(settings);

	settings = load("[site]\nidle_max = 30\nlog_size = 1G\nports = 0\nhub = none\nrestarts "
			"= 100\nhub_user = 998\norphan_grace = off\n");
	if (!ok(settings != NULL, "other values"))
		return;
	is_int(settings->idle_default_s, 1800, "idle is idle_max where it is not given");
	is_int(settings->log_max_bytes, 1 << 30, "log_size in G");
	is_int(settings->port_last, 0, "ports 0");
	is_str(settings->hub, "none", "hub none");
	is_str(settings->hub_user, "998", "hub_user, a number");
	is_int(settings->orphan_grace_s, 0, "orphan_grace off");
	settings_destroy(settings);
}

/* One key of [site] with a wrong value, which is shown as it is. */
static void is_wrong_value(const char *key, const char *value, const char *allowed)
{
	char text[400], expected[REASON_MAX];

	snprintf(text, sizeof(text), "\n[site]\n%s = %s\n", key, value);
	snprintf(expected, sizeof(expected),
		 "/site.conf:3: [site] %s = \"%s\": not allowed here: give %s", key, value,
		 allowed);
	is_wrong(text, expected);
}

static void test_values(void)
{
	static const char network[] =
		"the network of the nodes' addresses as ADDRESS/BITS, 10.0.0.0/8";
	static const char allow[] = "networks as ADDRESS/BITS separated by \",\"";
	static const char ports[] = "FIRST-LAST with 1..65535, or 0 for any port";
	static const char tmpdir[] =
		"an absolute path of at most 36 bytes, on a disk of the node";
	static const char hub[] = "http://HOST[:PORT]/PATH, https://HOST[:PORT]/PATH, or none";
	static const char account[] = "the name or the uid of the account that the hub runs as";
	static const char grace[] =
		"a time as Slurm writes it (MINUTES, HOURS:MINUTES:SECONDS, ...), or off";
	static const char time[] =
		"a time as Slurm writes it (MINUTES, HOURS:MINUTES:SECONDS, ...), 0 for none";
	static const char wait[] =
		"a time as Slurm writes it (MINUTES, HOURS:MINUTES:SECONDS, ...) "
		"from 0:01 to 1-0";
	static const char size[] = "bytes, or a number with K, M or G, from 64K to 1G";
	static const struct {
		const char *key, *value, *allowed;
	} wrong[] = {
		{"network", "eth0", network},
		{"network", "10.0.0.0", network},
		{"network", "10.0.0.0/33", network},
		{"network", "", network},
		{"allow", "10.0.0.0/8,", allow},
		{"allow", ",", allow},
		{"allow", "10.0.0.0/8 10.1.0.0/16", allow},
		{"allow", "10. 0.0.0/8", allow},
		{"ports", "abc", ports},
		{"ports", "8000", ports},
		{"ports", "0-10", ports},
		{"ports", "10-9", ports},
		{"ports", "1-65536", ports},
		{"ports", "1 - 2", ports},
		{"ports", "-1-2", ports},
		{"ports", "00000000000001-2", ports},
		{"ports", "1-2-3", ports},
		{"tmpdir", "scratch", tmpdir},
		{"tmpdir", "/a23456789/b23456789/c23456789/d23456", tmpdir},
		{"hub", "hub.example.org", hub},
		{"hub", "https://hub/a b", hub},
		{"hub_user", "-x", account},
		{"hub_user", "a b", account},
		{"orphan_grace", "never", grace},
		{"orphan_grace", "-1", grace},
		{"idle", "soon", time},
		{"idle", "-1", time},
		{"idle_max", "1:2:3:4", time},
		{"warn", "99999999999999999999", time},
		{"init_timeout", "0", wait},
		{"init_timeout", "UNLIMITED", wait},
		{"init_timeout", "2-0", wait},
		{"restarts", "101", "0..100"},
		{"restarts", "0x1", "0..100"},
		{"log", "INFO", "error, warning, info or debug"},
		{"log_size", "63K", size},
		{"log_size", "65535", size},
		{"log_size", "2G", size},
		{"log_size", "1T", size},
		{"log_size", "1MB", size},
		{"log_size", "M", size},
		{"log_size", "99999999999999999999", size},
		{"log_size", "", size},
		{"star_max", "0", "1..65536 nodes"},
		{"star_max", "65537", "1..65536 nodes"},
		{"star_max", "many", "1..65536 nodes"},
	};
	struct settings *settings;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		is_wrong_value(wrong[i].key, wrong[i].value, wrong[i].allowed);
	settings = load("[site]\ntmpdir = /a23456789/b23456789/c23456789/d2345\n");
	ok(settings != NULL, "a tmpdir of 36 bytes");
	settings_destroy(settings);
	is_wrong("[site]\nidle_max = 1:00:00\nidle = 2:00:00\n",
		 "/site.conf:3: [site] idle: not allowed here: give a time that is not beyond "
		 "idle_max");
	is_wrong("[site]\nidle = 0\nidle_max = 1:00:00\n",
		 "/site.conf:2: [site] idle: not allowed here: give a time that is not beyond "
		 "idle_max");
	is_wrong("[site]\nwarn = 5\n  6\n",
		 "/site.conf:2: [site] warn = \"5\\x0a6\": not allowed here: give one line: of "
		 "this "
		 "section only allow may go on in lines that begin with white space");
}

static void test_form(void)
{
	is_wrong("[sight]\n", "/site.conf:1: [sight]: not known: give [site], [app NAME] or "
			      "[workers KIND]");
	is_wrong("[site ]\n", "/site.conf:1: [site ]: not known: give [site], [app NAME] or "
			      "[workers KIND]");
	is_wrong("[]\n", "/site.conf:1: []: not known: give [site], [app NAME] or "
			 "[workers KIND]");
	is_wrong("[workers]\n",
		 "/site.conf:1: [workers]: not known: give [site], [app NAME] or "
		 "[workers KIND]");
	is_wrong("[worker dask]\n",
		 "/site.conf:1: [worker dask]: not known: give [site], [app NAME] or "
		 "[workers KIND]");
	is_wrong("[workers x/y]\n",
		 "/site.conf:1: [workers x/y]: not a name: give at most 63 letters, digits and "
		 "\"._-\", not beginning with \".\" or \"-\"");
	is_wrong("[app x/y]\n", "/site.conf:1: [app x/y]: not a name: give at most 63 letters, "
				"digits and \"._-\", "
				"not beginning with \".\" or \"-\"");
	is_wrong("[app ]\n", "/site.conf:1: [app ]: not a name: give at most 63 letters, "
			     "digits and \"._-\", "
			     "not beginning with \".\" or \"-\"");
	is_wrong("[site]\nlogs = info\n",
		 "/site.conf:2: [site] logs: not known: give one of network, allow, ports, "
		 "tmpdir, "
		 "hub, hub_user, orphan_grace, idle, idle_max, warn, init_timeout, restarts, "
		 "log, log_size, star_max");
	is_wrong("[app x]\ncmd = x\n",
		 "/site.conf:2: [app x] cmd: not known: give one of "
		 "title, command, path, ready, "
		 "guarded, jupyter_api, save, hub, url, hint, ready_timeout, env.NAME, prepend.NAME");
	is_wrong("[site]\nlog = info\n\nlog = debug\n",
		 "/site.conf:4: [site] log: given on line 2 already: give it once");
	is_wrong("[app x]\nurl = /\nurl = /\n",
		 "/site.conf:3: [app x] url: given on line 2 already: give it once");
	is_wrong("[app x]\nenv.A = 1\nprepend.A = 1\n",
		 "/site.conf:3: [app x] prepend.A = \"1\": given twice: give it once");
	is_wrong("[site]\n[app x]\ncommand=x\n[site]\n",
		 "/site.conf:4: [site]: begun on line 1 already: give it once");
	is_wrong("[app x]\ncommand=x\n[app x]\ncommand=x\n",
		 "/site.conf:3: [app x]: this file has it already: give it once");
	is_wrong("log = info\n",
		 "/site.conf:1: log: in no section: begin with [site], [app NAME] or "
		 "[workers KIND]");
	is_wrong("[site]\nlog\n", "/site.conf:2: \"log\": not understood: give [SECTION], KEY "
				  "= VALUE, or a comment "
				  "that begins with \"#\"");
	is_wrong("[site]\nlog: info\n", "/site.conf:2: \"log: info\": not understood: give "
					"[SECTION], KEY = VALUE, or a "
					"comment that begins with \"#\"");
	is_wrong("[site]\n= info\n",
		 "/site.conf:2: [site] : not known: give one of network, allow, ports, tmpdir, "
		 "hub, hub_user, orphan_grace, "
		 "idle, idle_max, warn, init_timeout, restarts, log, log_size, star_max");
	is_wrong("[site\nlog = info\n", "/site.conf:1: \"[site\": no section: give [NAME] and "
					"nothing else on the line");
	is_wrong("[site] log\n", "/site.conf:1: \"[site] log\": no section: give [NAME] and "
				 "nothing else on the line");
	is_wrong("[site]]\n", "/site.conf:1: \"[site]]\": no section: give [NAME] and nothing "
			      "else on the line");
	is_wrong("[site]\nlog = info ; not debug\n",
		 "/site.conf:2: a \";\" behind a space begins a comment in an INI file: give "
		 "comments "
		 "lines of their own");
	is_wrong("  [site]\n", "/site.conf:1: a line that begins with white space continues a "
			       "value, and there is "
			       "none before it");
	is_wrong("[site]\n  log = info\n", "/site.conf:2: a line that begins with white space "
					   "continues a value, and there is "
					   "none before it");
	is_wrong("[site]\nlog = info\n  [site]\n",
		 "/site.conf:2: [site] log = \"info\\x0a[site]\": not allowed here: give one "
		 "line: of "
		 "this section only allow may go on in lines that begin with white space");
	is_wrong(
		"[app x]\ntitle = a\n",
		"/site.conf:1: [app x]: no command: give one, or the name of a shipped recipe");
}

static void test_recipes(void)
{
	struct settings *settings = load("[app studio]\n"
					 "title = RStudio é\n"
					 "command = rserver --x=${socket}\n"
					 "\t'a  b' $$5\n"
					 "path = /opt/a:\n"
					 "  /opt/b\n"
					 "ready = /health?full=1\n"
					 "url = /studio/\n"
					 "hint = module load\n"
					 "  rstudio\n"
					 "ready_timeout = 2\n"
					 "env.EMPTY =\n"
					 "env.A = ${port}\n"
					 "prepend.PATH = /x\n"
					 "  /y\n");
	const struct recipe *app;

	if (!ok(settings != NULL, "every key of [app]")) {
		tap_note("%s", reason.text);
		return;
	}
	app = settings_app(settings, "studio", &reason);
	if (!ok(app != NULL, "the site's app is there"))
		return;
	is_str(app->title, "RStudio é", "title");
	is_str(app->command, "rserver --x=${socket} 'a  b' $$5", "command over two lines");
	is_str(app->path, "/opt/a::/opt/b", "path over two lines");
	is_str(app->ready, "/health?full=1", "ready");
	is_str(app->url, "/studio/", "url");
	is_str(app->hint, "module load rstudio", "hint over two lines");
	is_int(app->ready_timeout_s, 120, "ready_timeout");
	is_int(app->env_count, 3, "environment lines");
	is_str(app->env[0].value, "", "an empty one");
	ok(!app->env[1].prepend && app->env[2].prepend, "env and prepend");
	is_str(app->env[2].value, "/x:/y", "prepend over two lines");
	ok(strstr(app->file, "/site.conf") != NULL, "its file");
	app = settings_app(settings, "lab", &reason);
	ok(app != NULL && strcmp(app->command, "jupyter-lab") == 0, "the shipped one is there");
	ok(app != NULL && strcmp(app->ready, "/") == 0 && strcmp(app->url, "/") == 0 &&
		   strcmp(app->title, "lab") == 0 &&
		   app->ready_timeout_s == RECIPE_READY_TIMEOUT,
	   "with its defaults");
	errno = 0;
	ok(settings_app(settings, "vim\n", &reason) == NULL && errno == ENOENT,
	   "an unknown app");
	is_str(reason.text, "no app \"vim\\x0a\": give one of lab, studio", "is told");
	settings_destroy(settings);

	settings = load("[app lab]\ncommand = my-lab\n");
	app = settings != NULL ? settings_app(settings, "lab", NULL) : NULL;
	ok(app != NULL && settings->app_count == 1 && strcmp(app->command, "my-lab") == 0 &&
		   app->env_count == 0 && app->hint == NULL,
	   "a section with a command replaces the shipped one");
	settings_destroy(settings);

	settings = load(
		"[app lab]\npath = /opt/lab/bin\nenv.A = 2\nenv.C = 3\nready_timeout = 9\n");
	app = settings != NULL ? settings_app(settings, "lab", NULL) : NULL;
	ok(app != NULL && settings->app_count == 1 &&
		   strcmp(app->command, "jupyter-lab") == 0 &&
		   strcmp(app->path, "/opt/lab/bin") == 0 && strcmp(app->hint, "pip") == 0 &&
		   app->ready_timeout_s == 540,
	   "a section without a command changes its own keys");
	ok(app != NULL && app->env_count == 3 && strcmp(app->env[0].value, "2") == 0 &&
		   strcmp(app->env[1].name, "B") == 0 && strcmp(app->env[2].name, "C") == 0,
	   "and environment lines");
	settings_destroy(settings);
}

static void test_recipe_files(void)
{
	struct settings *settings;

	write_recipe("zz.conf", "[app first]\ncommand = a\n[app second]\ncommand = b\n");
	write_recipe("aa.conf", "[app third]\ncommand = c\n");
	write_recipe(".hidden.conf", "junk");
	write_recipe("lab.conf~", "junk");
	write_recipe(".conf", "junk");
	settings = load("");
	ok(settings != NULL && settings->app_count == 4 &&
		   strcmp(settings->apps[0].name, "third") == 0 &&
		   strcmp(settings->apps[3].name, "second") == 0,
	   "recipe files in order of name, others left alone");
	settings_destroy(settings);
	write_recipe("zz.conf", "[app third]\ncommand = d\n");
	is_wrong("",
		 "/recipes/zz.conf:1: [app third]: /recipes/aa.conf has it already: give it "
		 "once");
	write_recipe("zz.conf", "[site]\n");
	is_wrong("",
		 "/recipes/zz.conf:1: [site]: not allowed in a recipe file: give [app NAME] or "
		 "[workers KIND]");
	write_recipe("zz.conf", "[other]\n");
	is_wrong("", "/recipes/zz.conf:1: [other]: not known: give [app NAME] or "
		     "[workers KIND]");
	write_recipe("zz.conf", "a = b\n");
	is_wrong("", "/recipes/zz.conf:1: a: in no section: begin with [app NAME] or "
		     "[workers KIND]");
	remove_recipe("zz.conf");
	remove_recipe("aa.conf");
	remove_recipe(".hidden.conf");
	remove_recipe("lab.conf~");
	remove_recipe(".conf");
	errno = 0;
	ok(settings_load_from("/nowhere", file, &reason) == NULL && errno == ENOENT,
	   "no recipes directory");
	is_str(reason.text, "/nowhere: the recipes cannot be read: No such file or directory",
	       "is told");
}

static int locked_child(int dir)
{
	(void) dir;
	if (chmod(file, 0) != 0 || become_nobody() != 0)
		return CANNOT;
	if (geteuid() == 0)
		return CANNOT;
	if (settings_load_from(recipes, file, &reason) != NULL || errno != EACCES)
		return 1;
	return strcmp(told(), "/site.conf: cannot be read: Permission denied") == 0 ? 0 : 2;
}

static void test_files(int dir)
{
	struct settings *settings;
	char link[320], deep[4000];

	settings = load("[site]\nlog = error\n");
	ok(settings != NULL, "a file that is there");
	settings_destroy(settings);
	is_child(in_child(locked_child, dir), "a file that cannot be read");
	chmod(file, 0600);
	snprintf(link, sizeof(link), "%s/link.conf", scratch_path);
	if (symlink("site.conf", link) != 0)
		bail_out(link);
	settings = settings_load_from(recipes, link, &reason);
	ok(settings != NULL && settings->log_level == SETTINGS_LOG_ERROR,
	   "a link is followed, as configuration management makes them");
	settings_destroy(settings);
	unlink(link);
	errno = 0;
	ok(settings_load_from(recipes, link, &reason) == NULL && errno == ENOENT,
	   "a file given that is missing");
	is_str(told(), "/link.conf: cannot be read: No such file or directory", "is told");
	if (mkfifo(link, 0600) != 0)
		bail_out(link);
	errno = 0;
	ok(settings_load_from(recipes, link, &reason) == NULL && errno == EINVAL,
	   "a FIFO that nobody writes");
	is_str(told(), "/link.conf: not a regular file", "is told, at once");
	unlink(link);
	ok(settings_load_from(recipes, recipes, &reason) == NULL, "a directory");
	is_str(told(), "/recipes: not a regular file", "is told");
	ok(settings_load_from(recipes, "/dev/zero", &reason) == NULL, "a device");
	is_str(told(), "/dev/zero: not a regular file", "is told");
	memset(deep, 'x', sizeof(deep));
	deep[0] = '/';
	deep[sizeof(deep) - 1] = '\0';
	ok(settings_load_from(recipes, deep, &reason) == NULL, "a path of 4 kB");
	ok(strlen(reason.text) < 400 && strncmp(reason.text, "...xxx", 6) == 0 &&
		   strstr(reason.text, "x: cannot be read: File name too long") != NULL,
	   "is cut at its front, so that the reason is seen");
}

/* Reads what text says count times behind a first line. */
static void is_wrong_many(const char *first, const char *text, size_t count,
			  const char *expected)
{
	char *whole = malloc(strlen(first) + strlen(text) * count + 1), *to;

	if (whole == NULL)
		bail_out("malloc");
	to = stpcpy(whole, first);
	for (size_t i = 0; i < count; i++)
		to = stpcpy(to, text);
	is_wrong(whole, expected);
	free(whole);
}

/* How long a line may be is libinih's to say; it is never cut. */
static void test_lines(void)
{
	static char text[1 << 20];
	int most = 0, length;
	struct settings *settings;

	memset(text, 'x', sizeof(text));
	text[0] = '#';
	write_file(file, text, sizeof(text));
	errno = 0;
	ok(settings_load_from(recipes, file, &reason) == NULL && errno == EINVAL,
	   "a line of 1 MB");
	is_int(sscanf(told(),
		      "/site.conf:1: a line of 1048576 bytes: at most %d are read: "
		      "continue the value on lines that begin with white space",
		      &most),
	       1, "is told");
	length = snprintf(text, sizeof(text), "[app x]\ncommand = x\n");
	memcpy(text + length, "title = xxx", 11);
	length += most;
	write_file(file, text, (size_t) length);
	settings = settings_load_from(recipes, file, &reason);
	ok(settings != NULL && (int) strlen(settings->apps[1].title) == most - 8,
	   "a line of %d bytes is read whole", most);
	settings_destroy(settings);
	text[length] = '\r';
	text[length + 1] = '\n';
	write_file(file, text, (size_t) length + 2);
	settings = settings_load_from(recipes, file, &reason);
	ok(settings != NULL && (int) strlen(settings->apps[1].title) == most - 8,
	   "also as MS-DOS ends it");
	settings_destroy(settings);
	text[length] = 'x';
	write_file(file, text, (size_t) length + 1);
	errno = 0;
	ok(settings_load_from(recipes, file, &reason) == NULL && errno == EINVAL,
	   "one byte more is refused");
}

static void test_hostile(void)
{
	struct settings *settings;
	char *sections = NULL, *text;
	size_t size;
	FILE *stream;

	write_file(file, "[site]\nlog = info\0\nlog = debug\n", 30);
	ok(settings_load_from(recipes, file, &reason) == NULL && errno == EINVAL, "a NUL byte");
	is_str(told(), "/site.conf:2: a byte 0x00: give text without control characters",
	       "is told");
	write_file(file, "\0", 1);
	ok(settings_load_from(recipes, file, &reason) == NULL, "nothing but a NUL byte");
	is_wrong("# \033[2J\n",
		 "/site.conf:1: a byte 0x1b: give text without control characters");
	is_wrong("[app x]\ntitle = \xff\xfe\n",
		 "/site.conf:2: \"\\xff\\xfe\": not allowed here: give printable UTF-8 text");
	is_wrong("[app x]\ntitle = a\tb\n",
		 "/site.conf:2: \"a\\x09b\": not allowed here: give printable UTF-8 text");
	is_wrong("[site]\n\xe2\x80\xae = b\n", "/site.conf:2: \"\\xe2\\x80\\xae\": not a key: "
					       "give at most 127 printable bytes");
	test_lines();
	is_wrong_many(
		"[site]\n", "k", 128,
		"/site.conf:2: \"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
		"kkkkkkkkkkkkkk...\": not understood: give [SECTION], KEY = VALUE, or a "
		"comment that begins with \"#\"");
	text = malloc((1 << 20) + 1);
	if (text == NULL)
		bail_out("malloc");
	memset(text, '\n', (1 << 20) + 1);
	write_file(file, text, (1 << 20) + 1);
	errno = 0;
	ok(settings_load_from(recipes, file, &reason) == NULL && errno == EFBIG,
	   "too large a file");
	is_str(told(), "/site.conf: longer than 1048576 bytes", "is told");
	write_file(file, text, 1 << 20);
	settings = settings_load_from(recipes, file, &reason);
	ok(settings != NULL, "the largest file");
	settings_destroy(settings);
	free(text);
	is_wrong_many("[app x]\ncommand = x\n", " xxxxxxxxx\n", 1700,
		      "/site.conf:1641: a value of more than 16383 bytes: give a shorter one");
	is_wrong_many(
		"[app x]\ncommand = a\n", "  b b b b\n", 64,
		"/site.conf:2: [app x] command = \"a\\x0ab b b b\\x0ab b b b\\x0ab b b b\\x0ab "
		"b b "
		"b\\x0ab b b b\\x0ab b b b\\x0ab b b...\": more than 256 words: give fewer");

	stream = open_memstream(&sections, &size);
	if (stream == NULL)
		bail_out("open_memstream");
	for (int i = 0; i < 10000; i++)
		fprintf(stream, "[app a%d]\ncommand = x\n", i);
	fclose(stream);
	is_wrong(sections, "/site.conf:511: [app a255]: more than 256 apps: give fewer");
	free(sections);
	stream = open_memstream(&sections, &size);
	if (stream == NULL)
		bail_out("open_memstream");
	for (int i = 0; i < 10000; i++)
		fprintf(stream, "[workers a%d]\nworker = x\n", i);
	fclose(stream);
	is_wrong(sections,
		 "/site.conf:513: [workers a256]: more than 256 kinds of workers: give fewer");
	free(sections);
	stream = open_memstream(&sections, &size);
	if (stream == NULL)
		bail_out("open_memstream");
	fprintf(stream, "[app a]\n");
	for (int i = 0; i < 200; i++)
		fprintf(stream, "env.V%d = x\n", i);
	fclose(stream);
	is_wrong(sections,
		 "/site.conf:130: [app a] env.V128 = \"x\": more than 128 variables: give "
		 "fewer");
	free(sections);
	stream = open_memstream(&sections, &size);
	if (stream == NULL)
		bail_out("open_memstream");
	fprintf(stream, "[app lab]\n");
	for (int i = 0; i < 127; i++)
		fprintf(stream, "env.V%d = x\n", i);
	fclose(stream);
	is_wrong(sections, "/site.conf:1: [app lab]: more than 128 variables together with the "
			   "shipped recipe's: give fewer");
	free(sections);
	is_wrong_many(
		"", "[app x]\n", 10000,
		"/site.conf:1: [app x]: no command: give one, or the name of a shipped recipe");
}

int main(void)
{
	int dir = world_open();

	test_defaults();
	test_site();
	test_values();
	test_form();
	test_recipes();
	test_recipe_files();
	test_files(dir);
	test_hostile();
	world_close(dir);
	return done_testing();
}
