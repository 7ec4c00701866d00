/* SPDX-License-Identifier: MIT */
/* Unit test of common/options.h; run by `make check` as whoever calls it. */
#include "common/options.h"
#include "common/text.h"
#include "tap.h"

enum { LARGE = 100 * 1000 };

static struct options options;
static struct reason reason;

static int set(const char *name, const char *value)
{
	reason.text[0] = '\0';
	return options_set(&options, name, value, &reason);
}

/* One readable line that names the option. */
static void is_told(const char *name)
{
	if (!ok(strncmp(reason.text, "--", 2) == 0 &&
			strncmp(reason.text + 2, name, strlen(name)) == 0 &&
			text_printable(reason.text) && strlen(reason.text) < 400,
		"and told in a line that names the option"))
		tap_note("%s", reason.text);
}

static void refused(const char *name, const char *value, const char *what)
{
	fails_with(set(name, value), EINVAL, "%s: %s is refused", name, what);
	is_told(name);
}

static void test_table(void)
{
	static const char *const names[] = {"jupyter",	     "jupyter-workers", "jupyter-hub",
					    "jupyter-init",  "jupyter-start",	"jupyter-idle",
					    "jupyter-warn",  "jupyter-dir",	"jupyter-param",
					    "jupyter-output"};
	size_t count = 0;

	for (; options_table[count].name != NULL && count < 100; count++) {
		const struct option_spec *spec = &options_table[count];

		is_str(spec->name, names[count < 10 ? count : 9], "option %zu", count);
		ok(spec->optional_value == (count == 0), "only --jupyter may go without value");
		ok(spec->repeated == (strcmp(spec->name, "jupyter-param") == 0),
		   "only --jupyter-param counts each time");
		ok(*spec->arginfo != '\0' && text_printable(spec->usage), "--help has a line");
	}
	is_int(count, 10, "the options of the design, and those of a notebook");
}

static void test_app(void)
{
	static const char *const good[] = {"lab",	 "notebook",  "server",
					   "kernel",	 "kernel:ir", "kernel:python3.11",
					   "singleuser", "site-app_2"};
	static const char *const bad[] = {
		"kernel:",
		"kernel:a b",
		"kernel:a:b",
		"kernel:../x",
		"kernel:-x",
		"lab:x",
		":",
		":lab",
		"run",
		"run:",
		"run:a\nb",
		"run:\xff",
		"ran:nb.ipynb",
		"/bin/sh",
		"../lab",
		"-lab",
		".lab",
		"my lab",
		"lab\n",
		"lab;id",
		"$(id)",
		"läb",
		"\xff",
		"lab,notebook",
		"jupyter=lab",
		"(null) ",
		"0123456789012345678901234567890123456789012345678901234567890123",
	};
	char name[OPTIONS_NAME_MAX];

	is_int(set("jupyter", NULL), 0, "no value is taken");
	is_str(options.app, "lab", "as lab");
	set("jupyter", "notebook");
	is_int(set("jupyter", ""), 0, "an empty value is taken");
	is_str(options.app, "lab", "as lab");
	set("jupyter", "notebook");
	is_int(set("jupyter", "(null)"), 0, "Slurm's (null) is taken");
	is_str(options.app, "lab", "as lab");
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		is_int(set("jupyter", good[i]), 0, "app %s is taken", good[i]);
		is_str(options.app, good[i], "as given");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused("jupyter", bad[i], "a wrong app");
	is_str(options.app, "site-app_2", "what is refused changes nothing");
	options_app_name(&options, name);
	is_str(name, "site-app_2", "an app's name");
	set("jupyter", "kernel:ir");
	options_app_name(&options, name);
	is_str(name, "kernel", "without its kernel");
	options_clear(&options);
	options_app_name(&options, name);
	is_str(name, "", "without an app");
}

static void test_notebook(void)
{
	char name[OPTIONS_NAME_MAX];

	options_init(&options);
	is_int(set("jupyter", "run:my dir/nb:1.ipynb"), 0, "a notebook is taken");
	is_str(options_notebook(&options), "my dir/nb:1.ipynb", "as it is given");
	options_app_name(&options, name);
	is_str(name, "run", "and its app is run");
	set("jupyter", "kernel:run");
	ok(options_notebook(&options) == NULL, "a kernel has none");
	is_int(set("jupyter-output", "out/%j.ipynb"), 0, "an output is taken");
	is_str(options.output, "out/%j.ipynb", "as given");
	refused("jupyter-output", "a\tb", "a control character");
	options_clear(&options);
	ok(options_notebook(&options) == NULL, "nor has what is not given");
}

static void test_params(void)
{
	static const char *const bad[] = {"",	   "a",	     "=1",     "1a=2",
					  "a-b=1", "a b=1",  " a=1",   "a =1",
					  "a.b=1", "a=x\ny", "a=\xff", "\xc3\xa4=1"};
	struct options_param param;
	struct options decoded;
	const char *at = NULL;
	char large[OPTIONS_VALUE_MAX + 8];
	char *encoded;

	options_init(&options);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused("jupyter-param", bad[i], "a wrong parameter");
	ok(options.params == NULL, "and nothing is kept");
	is_int(set("jupyter-param", "alpha=0.1"), 0, "a parameter is taken");
	is_int(set("jupyter-param", "_b2=[1, \"x=&%y\"]"), 0, "and another");
	is_int(set("jupyter-param", "empty="), 0, "and an empty text");
	is_int(set("jupyter-param", "alpha=0.2"), 0, "and one again");
	is_str(options.params, "_b2=[1, \"x=&%y\"]\nempty=\nalpha=0.2", "whose last counts");
	ok(options_param_next(options.params, &at, &param), "they are stepped through");
	ok(param.name_length == 3 && memcmp(param.name, "_b2", 3) == 0, "by name");
	is_int((long) param.value_length, 12, "and value");
	ok(options_param_next(options.params, &at, &param) && param.value_length == 0,
	   "also an empty one");
	ok(options_param_next(options.params, &at, &param) &&
		   memcmp(param.value, "0.2", 4) == 0,
	   "to the last");
	ok(!options_param_next(options.params, &at, &param), "and no further");
	at = NULL;
	ok(!options_param_next(NULL, &at, &param), "none are none");
	encoded = options_encode(&options);
	is_int(options_decode(encoded, &decoded, &reason), 0, "encoded, they are read again");
	is_str(decoded.params, options.params, "as they were");
	free(encoded);
	options_clear(&decoded);
	memset(large, 'x', sizeof(large));
	large[1] = '=';
	large[OPTIONS_VALUE_MAX - 1] = '\0';
	options_clear(&options);
	for (char name = 'a'; name < 'd'; name++) {
		large[0] = name;
		set("jupyter-param", large);
	}
	is_int(set("jupyter-param", large), 0, "the same again is no more");
	large[0] = 'd';
	is_int(set("jupyter-param", large), 0, "as much as there is room for");
	large[0] = 'e';
	fails_with(set("jupyter-param", large), EMSGSIZE, "too much of them is refused");
	is_told("jupyter-param");
	large[OPTIONS_VALUE_MAX - 1] = 'x';
	large[OPTIONS_VALUE_MAX] = '\0';
	fails_with(set("jupyter-param", large), EMSGSIZE, "and one that is too long");
	options_clear(&options);
}

static void test_workers(void)
{
	static const char *const good[] = {
		"dask",		"dask:2", "dask:2,mpi", "mpi:1024", "ipyparallel,dask:1,mpi",
		"my-kind_2.0:7"};
	static const char *const bad[] = {
		",",
		"dask,",
		",dask",
		"dask,,mpi",
		"dask:",
		":2",
		"dask:0",
		"dask:-1",
		"dask:+1",
		"dask:1025",
		"dask:1x",
		"dask: 1",
		"dask:1:2",
		"dask:1.5",
		"dask:0x2",
		"dask:99999999999999999999",
		"dask:18446744073709551617",
		"dask, mpi",
		"dask mpi",
		"dask\n",
		"dask;mpi",
		"dask,dask",
		"dask:1,mpi,dask:2",
		"da/sk",
		"-dask",
		"dask=2",
		"däsk",
		"(null)",
	};
	char kinds[1024] = "";

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		is_int(set("jupyter-workers", good[i]), 0, "workers %s are taken", good[i]);
		is_str(options.workers, good[i], "as given");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused("jupyter-workers", bad[i], "a wrong list");
	refused("jupyter-workers", NULL, "no value");
	refused("jupyter-workers", "", "an empty value");
	is_str(options.workers, good[5], "what is refused changes nothing");
	for (int i = 0; i < 32; i++)
		snprintf(kinds + strlen(kinds), sizeof(kinds) - strlen(kinds), "%skind%d",
			 i > 0 ? "," : "", i);
	is_int(set("jupyter-workers", kinds), 0, "32 kinds are taken");
	strcat(kinds, ",more");
	refused("jupyter-workers", kinds, "a 33rd");
	memset(kinds, 'k', 63);
	kinds[63] = '\0';
	is_int(set("jupyter-workers", kinds), 0, "a kind of 63 bytes is taken");
	kinds[63] = 'k';
	kinds[64] = '\0';
	refused("jupyter-workers", kinds, "a kind of 64");
}

static void test_worker_list(void)
{
	static const struct {
		const char *value, *told;
	} cases[] = {
		{"dask:0",
		 "--jupyter-workers: \"dask:0\" has a wrong number of workers: give 1 to "
		 "1024 for each node, as in dask:2"},
		{"dask:-1",
		 "--jupyter-workers: \"dask:-1\" has a wrong number of workers: give 1 "
		 "to 1024 for each node, as in dask:2"},
		{"mpi,dask:99999999999", "--jupyter-workers: \"mpi,dask:99999999999\" has a "
					 "wrong number of workers: give "
					 "1 to 1024 for each node, as in dask:2"},
		{"dask,mpi,dask", "--jupyter-workers: \"dask,mpi,dask\" has a kind twice: give "
				  "each kind once, with the sum"},
		{"da sk", "--jupyter-workers: \"da sk\" is not a list of workers: give "
			  "KIND[:N][,KIND[:N]...] with N from 1 to 1024, as in dask:2,mpi"},
	};
	struct options_workers list[3];

	is_int(options_worker_list(NULL, list, 3), 0, "no workers are none");
	is_int(options_worker_list("dask:2,mpi,a.b:1024", list, 3), 3, "three kinds");
	is_str(list[0].kind, "dask", "the first");
	is_int(list[0].count, 2, "with its number");
	is_str(list[1].kind, "mpi", "the second");
	is_int(list[1].count, 0, "without one");
	is_str(list[2].kind, "a.b", "the third");
	is_int(list[2].count, 1024, "with the most");
	fails_with(options_worker_list("a,b,c,d", list, 3), E2BIG, "more than there is room");
	fails_with(options_worker_list("a,b,a", list, 3), EEXIST, "one twice");
	fails_with(options_worker_list("a:1025", list, 3), ERANGE, "too many");
	fails_with(options_worker_list("a:", list, 3), ERANGE, "no number");
	fails_with(options_worker_list("", list, 3), EINVAL, "nothing");
	fails_with(options_worker_list("a,", list, 3), EINVAL, "an open end");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		refused("jupyter-workers", cases[i].value, cases[i].value);
		is_str(reason.text, cases[i].told, "the line says it all");
	}
}

static void test_hub(void)
{
	static const char *const good[] = {
		"none",
		"http://hub",
		"https://hub/",
		"https://hub.example.org:8081/hub/api",
		"http://10.0.0.1:8081/hub/api",
		"https://[2001:db8::1]:443/hub/api",
		"http://[::1]",
		"http://[::]",
		"https://hub/a%20b/~c;d=1,e",
		"http://a:65535",
	};
	static const char *const bad[] = {
		"None",
		"hub",
		"hub:8081",
		"//hub",
		"ftp://hub",
		"file:///etc/passwd",
		"HTTP://hub",
		"http:/hub",
		"http://",
		"http:///path",
		"http://:80",
		"http://hub:",
		"http://hub:0",
		"http://hub:65536",
		"http://hub:100000",
		"http://hub:000080",
		"http://hub:99999999999999999999",
		"http://hub:8a",
		"http://hub:-1",
		"http://hub: 80",
		"http://hu b",
		"http://hub/a b",
		"http://hub/\n",
		"http://hub\r\nX: y",
		"http://hub/\t",
		"http://hub/\x1b[2J",
		"http://hüb/",
		"http://hub/ü",
		"http://hub\\x",
		"http://hub\"",
		"http://hub/'x\"",
		"http://hub/<x>",
		"http://[::1",
		"http://::1]/",
		"http://[]/",
		"http://[hub]x/",
		"http://-hub/",
		"http://.hub",
		"http://$(id)/",
		"http://[::1]x",
		"http://hub/{x}",
		"(null)",
	};
	static const char *const secret[] = {
		"http://user:S3cret@hub/api",
		"https://S3cret@hub",
		"http://hub/api?token=S3cret",
		"http://hub/api?x=1&TOKEN=S3cret",
		"http://hub/#token=S3cret",
		"http://hub/?S3cret",
		"http://hub/;token=S3cret",
		"user:S3cret@hub",
		"ftp://user:S3cret@hub",
		"token=S3cret",
		"http://user:S3cret%40hub",
		"http://hub/%3Fx=S3cret",
		"http://user:S3cret@hub\n",
		"http://user:S3cret@",
		"@S3cret",
		"?S3cret",
	};
	char host[512];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		is_int(set("jupyter-hub", good[i]), 0, "hub %s is taken", good[i]);
		is_str(options.hub, good[i], "as given");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused("jupyter-hub", bad[i], "a wrong URL");
	refused("jupyter-hub", NULL, "no value");
	refused("jupyter-hub", "", "an empty value");
	for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++) {
		refused("jupyter-hub", secret[i], "a secret");
		if (!ok(strstr(reason.text, "S3cret") == NULL &&
				strstr(reason.text, "a secret is never an option's value") !=
					NULL,
			"and not shown"))
			tap_note("%s", reason.text);
	}
	is_str(options.hub, "http://a:65535", "what is refused changes nothing");
	snprintf(host, sizeof(host), "http://%0255d/", 0);
	is_int(set("jupyter-hub", host), 0, "a host of 255 bytes is taken");
	snprintf(host, sizeof(host), "http://%0256d/", 0);
	refused("jupyter-hub", host, "a host of 256");
}

static void test_path(const char *name, char **field)
{
	static const char *const good[] = {
		"/a",	  "relative/../path", "~/x",   "/a b/\"c\"/'d'", "/Grüße/数据/🙂",
		"-x",	  "$HOME/`x`",	      "/a\\b", "/a%20b&c=d",	 "(null)",
		"/a//b/",
	};
	static const char *const bad[] = {"/a\nb",    "/a\rb",	     "\t",
					  "/\x1b[2J", "/\x7f",	     "/\xc2\x9b",
					  "/\xff",    "/gr\xfc\xdf", "\n"};
	char longest[OPTIONS_VALUE_MAX + 1];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		is_int(set(name, good[i]), 0, "%s: path %s is taken", name, good[i]);
		is_str(*field, good[i], "as given");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused(name, bad[i], "an unprintable path");
	refused(name, "", "an empty path");
	refused(name, NULL, "no path");
	is_str(*field, "/a//b/", "what is refused changes nothing");
	memset(longest, 'x', sizeof(longest));
	longest[OPTIONS_VALUE_MAX] = '\0';
	fails_with(set(name, longest), EMSGSIZE, "%s: 4096 bytes are refused", name);
	is_told(name);
	ok(strstr(reason.text, "the value of 4096 bytes is too long: give at most 4095") !=
		   NULL,
	   "with the bound");
	longest[OPTIONS_VALUE_MAX - 1] = '\0';
	is_int(set(name, longest), 0, "%s: 4095 are taken", name);
}

static void test_start(void)
{
	static const char *const bad[] = {"later",     "Now", "now ",	" now",
					  "nowmanual", "1",   "(null)", "now\n"};

	is_int(set("jupyter-start", "manual"), 0, "start manual is taken");
	ok(options.start_manual, "as manual");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused("jupyter-start", bad[i], "another start");
	refused("jupyter-start", "", "an empty start");
	refused("jupyter-start", NULL, "no start");
	ok(options.start_manual, "what is refused changes nothing");
	is_int(set("jupyter-start", "now"), 0, "start now is taken");
	ok(!options.start_manual, "and the last one wins");
	set("jupyter-start", "later");
	is_str(reason.text, "--jupyter-start: \"later\" is not allowed: give now or manual",
	       "the line says it all");
}

static void test_time(const char *name, const long *field)
{
	static const char *const bad[] = {
		"",	   "x",	  "-1",	   "+1",     "1h",
		"1:2:3:4", "1-",  ":",	   "1.5",    " 5",
		"5 ",	   "5\n", "367-0", "(null)", "99999999999999999999",
		"1-2-3",   "now"};

	is_int(*field, OPTIONS_TIME_UNSET, "%s is not given", name);
	is_int(set(name, "90"), 0, "%s: minutes are taken", name);
	is_int(*field, 5400, "as seconds");
	is_int(set(name, "1-2:3:4"), 0, "days too");
	is_int(*field, 93784, "as seconds");
	is_int(set(name, "UNLIMITED"), 0, "and UNLIMITED");
	is_int(*field, 0, "as 0");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused(name, bad[i], "a wrong time");
	set(name, "1h");
	ok(strstr(reason.text, ": \"1h\" is not a time: give minutes, M:S, ") != NULL,
	   "what is no time gets the formats");
	set(name, "367-0");
	ok(strstr(reason.text, ": \"367-0\" is too long: give at most 366 days") != NULL,
	   "what is too long the bound");
	refused(name, NULL, "no time");
	is_int(*field, 0, "what is refused changes nothing");
}

static void test_unknown(void)
{
	static const char *const names[] = {
		"",	   "jupyte",	"jupyter-",	   "jupyter-x",
		"JUPYTER", "--jupyter", "jupyter\n\x1b[2J"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		fails_with(set(names[i], "x"), EINVAL, "unknown option %zu is refused", i);
		fails_with(set(names[i], NULL), EINVAL, "also without a value");
		ok(text_printable(reason.text), "in one line");
	}
}

/* 100 kB of several kinds to every option. */
static void test_large(void)
{
	static const char *const fills[] = {"a", "\n", "\xff", "é", "\"", "a,", "1:", "%"};
	char *large = malloc(LARGE + 1);

	if (large == NULL)
		bail_out("malloc");
	for (size_t f = 0; f < sizeof(fills) / sizeof(*fills); f++) {
		for (size_t i = 0; i < LARGE; i++)
			large[i] = fills[f][i % strlen(fills[f])];
		large[LARGE] = '\0';
		for (size_t i = 0; options_table[i].name != NULL; i++) {
			fails_with(set(options_table[i].name, large), EMSGSIZE,
				   "%s: 100 kB are too long", options_table[i].name);
			is_told(options_table[i].name);
			large[OPTIONS_VALUE_MAX - 1] = '\0';
			if (set(options_table[i].name, large) != 0)
				is_told(options_table[i].name);
			large[OPTIONS_VALUE_MAX - 1] = fills[f][0];
		}
		fails_with(set(large, "x"), EINVAL, "a name of 100 kB is refused");
		ok(strlen(reason.text) < 400, "in one line");
		fails_with(options_decode(large, &options, &reason), EMSGSIZE, "nor decoded");
		ok(strlen(reason.text) < 400 && text_printable(reason.text), "in one line");
	}
	free(large);
	options_clear(&options);
}

static void round_trip(const char *what)
{
	char *word = options_encode(&options), *again = NULL;
	struct options decoded;

	if (word == NULL)
		bail_out("options_encode");
	ok(strspn(word,
		  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/:,%&=") ==
		   strlen(word),
	   "%s: encoded as a plain word", what);
	if (is_int(options_decode(word, &decoded, &reason), 0, "%s: decoded", what)) {
		again = options_encode(&decoded);
		is_str(again, word, "%s: as it was", what);
		ok(options.idle_s == decoded.idle_s && options.warn_s == decoded.warn_s &&
			   options.start_manual == decoded.start_manual,
		   "%s: with its times", what);
		if (options.dir != NULL)
			is_str(decoded.dir, options.dir, "%s: and its path", what);
		options_clear(&decoded);
	} else {
		tap_note("%s", reason.text);
	}
	free(word);
	free(again);
}

static void test_code(void)
{
	char every[OPTIONS_VALUE_MAX], *word;

	options_clear(&options);
	round_trip("nothing");
	set("jupyter", NULL);
	round_trip("an app");
	set("jupyter", "lab");
	set("jupyter-idle", "60");
	word = options_encode(&options);
	is_str(word, "jupyter=lab&jupyter-idle=3600", "the form that the header shows");
	free(word);
	set("jupyter", "kernel:ir");
	set("jupyter-workers", "dask:2,mpi");
	set("jupyter-hub", "https://[::1]:8081/hub/api");
	set("jupyter-init", "/a b/\"c\"&d=e%25'f'\\g");
	set("jupyter-start", "manual");
	set("jupyter-idle", "366-0");
	set("jupyter-warn", "0");
	set("jupyter-dir", "/Grüße/数据/🙂 +\"'$`");
	round_trip("all");
	for (size_t i = 0; i < sizeof(every) - 1; i++)
		every[i] = (char) (' ' + i % 95);
	every[sizeof(every) - 1] = '\0';
	set("jupyter-dir", every);
	round_trip("every printable byte");
	memset(every, ' ', sizeof(every) - 1);
	set("jupyter-dir", every);
	set("jupyter-init", every);
	round_trip("paths that triple");
	options_clear(&options);
}

static void test_decode(void)
{
	static const char *const bad[] = {
		"&",
		"jupyter",
		"jupyter=",
		"=lab",
		"=",
		"jupyter=lab&",
		"&jupyter=lab",
		"jupyter=lab&&jupyter-idle=1",
		"jupyter=lab&jupyter=lab",
		"jupyter-idle=1&jupyter-idle=2",
		"unknown=1",
		"jupyter-=1",
		"Jupyter=lab",
		"jupyter =lab",
		" jupyter=lab",
		"jupyter=lab ",
		"jupyter=lab\n",
		"jupyter=l b",
		"jupyter=%",
		"jupyter=%6",
		"jupyter=%6&jupyter-idle=1",
		"jupyter=%zz",
		"jupyter=%6z",
		"jupyter=%00",
		"jupyter=lab%00x",
		"jupyter=%0a",
		"jupyter=l%2fb",
		"jupyter=\xc3\xa9",
		"jupyter-idle=01:00",
		"jupyter-idle=-1",
		"jupyter-idle=1h",
		"jupyter-idle=UNLIMITED",
		"jupyter-idle=",
		"jupyter-start=later",
		"jupyter-start=",
		"jupyter-workers=dask:0",
		"jupyter-hub=ftp://x",
		"jupyter-dir=%0a",
		"jupyter-dir=%ff",
		"jupyter-dir=a+b",
		"jupyter-dir=a=b",
		"jupyter-hub=http%3A//u:p%40h/",
		"jupyter==lab",
		"jupyter=lab=x",
	};
	struct options before;
	char *word;

	options_init(&before);
	options_set(&before, "jupyter", "notebook", NULL);
	options = before;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		fails_with(options_decode(bad[i], &options, &reason), EINVAL,
			   "word %zu is refused", i);
		if (!ok(strncmp(reason.text, "the encoded --jupyter options: ", 31) == 0 &&
				text_printable(reason.text),
			"and told in one line"))
			tap_note("%s", reason.text);
	}
	fails_with(options_decode("jupyter-idle=31622401", &options, NULL), ERANGE,
		   "a time of more than 366 days is refused");
	ok(options.app == before.app && options.idle_s == OPTIONS_TIME_UNSET,
	   "a failure leaves the output");
	options_clear(&options);
	is_int(options_decode("", &options, &reason), 0, "nothing is decoded");
	ok(options.app == NULL && options.idle_s == OPTIONS_TIME_UNSET &&
		   options.warn_s == OPTIONS_TIME_UNSET && !options.start_manual,
	   "as nothing given");
	is_int(options_decode("jupyter=l%61b&jupyter-dir=%2f%2F%6a%6F", &options, &reason), 0,
	       "more escapes than needed are taken");
	is_str(options.dir, "//jo", "in either case");
	options_clear(&options);

	word = malloc(OPTIONS_ENCODED_MAX);
	if (word == NULL)
		bail_out("malloc");
	for (int size = OPTIONS_VALUE_MAX - 1; size < OPTIONS_VALUE_MAX + 4; size++) {
		snprintf(word, OPTIONS_ENCODED_MAX, "jupyter-dir=%0*d&jupyter=lab", size, 0);
		if (size < OPTIONS_VALUE_MAX) {
			is_int(options_decode(word, &options, &reason), 0,
			       "%d bytes are decoded", size);
			is_int(strlen(options.dir), size, "all of them");
			options_clear(&options);
		} else {
			fails_with(options_decode(word, &options, &reason), EMSGSIZE,
				   "%d bytes are too long", size);
		}
	}
	free(word);

	/* The largest there can be: every text of 4095 bytes that triple. */
	options.app = options.workers = options.hub = options.init = options.dir = NULL;
	word = malloc(OPTIONS_ENCODED_MAX);
	if (word == NULL)
		bail_out("malloc");
	memset(word, ' ', OPTIONS_ENCODED_MAX - 1);
	word[OPTIONS_ENCODED_MAX - 1] = '\0';
	options.dir = word;
	ok(options_encode(&options) == NULL && errno == EMSGSIZE,
	   "what is too long is not encoded");
	options_clear(&options);
}

int main(void)
{
	struct options zeroed = {0};

	options_init(&options);
	test_table();
	test_app();
	test_notebook();
	test_params();
	test_workers();
	test_worker_list();
	test_hub();
	test_path("jupyter-init", &options.init);
	test_path("jupyter-dir", &options.dir);
	test_start();
	options_clear(&options);
	test_time("jupyter-idle", &options.idle_s);
	test_time("jupyter-warn", &options.warn_s);
	test_unknown();
	test_large();
	test_code();
	test_decode();
	errno = EMFILE;
	options_clear(&zeroed);
	options_clear(&zeroed);
	is_int(errno, EMFILE, "options_clear takes a zeroed struct, twice, and keeps errno");
	return done_testing();
}
