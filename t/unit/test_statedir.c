/* SPDX-License-Identifier: MIT */
/* Unit test of common/statedir.h; run by `make check` as whoever calls it. */
#include <limits.h>
#include <pwd.h>

#include "common/fd.h"
#include "common/session.h"
#include "common/statedir.h"
#include "common/text.h"
#include "scratch.h"

static struct reason reason;

static void set_env(const char *name, const char *value)
{
	if (value != NULL ? setenv(name, value, 1) : unsetenv(name))
		bail_out(name);
}

/* The base for these two variables, NULL for not set; "" on an error. */
static const char *base(const char *state, const char *home)
{
	static char text[PATH_MAX];
	char *path;

	set_env("XDG_STATE_HOME", state);
	set_env("HOME", home);
	reason.text[0] = '\0';
	path = statedir_base(&reason);
	snprintf(text, sizeof(text), "%s", path != NULL ? path : "");
	free(path);
	return text;
}

static int no_passwd_child(int dir)
{
	(void) dir;
	/* A uid that no password database has. */
	if (setuid(1234567) != 0)
		return CANNOT;
	errno = 0;
	if (*base(NULL, NULL) != '\0' || errno != ENOENT)
		return 1;
	return strstr(reason.text, "HOME") != NULL ? 0 : 2;
}

static void test_base(void)
{
	static char large[100001];
	struct passwd *entry = getpwuid(geteuid());
	char expected[PATH_MAX] = "", *path;

	is_str(base("/state", "/home/u"), "/state/spank-jupyter", "XDG_STATE_HOME comes first");
	is_str(base(NULL, "/home/u"), "/home/u/.local/state/spank-jupyter", "then HOME");
	is_str(base("", "/home/u"), "/home/u/.local/state/spank-jupyter",
	       "an empty one is not set");
	is_str(base("state", "/home/u"), "/home/u/.local/state/spank-jupyter",
	       "a relative one is ignored");
	is_str(base("/a b/Grüße", NULL), "/a b/Grüße/spank-jupyter",
	       "spaces and UTF-8 are a path");
	if (entry != NULL)
		snprintf(expected, sizeof(expected), "%s/.local/state/spank-jupyter",
			 entry->pw_dir);
	is_str(base(NULL, NULL), expected, "then the password database");
	is_str(base(NULL, ""), expected, "also for an empty HOME");
	is_str(base(NULL, "relative"), expected, "and a relative one");
	is_child(in_child(no_passwd_child, -1), "without any home it says what to set");
	is_str(base("/a\nb", "/home/u"), "", "a newline in the path is refused");
	ok(strstr(reason.text, "XDG_STATE_HOME") != NULL && text_printable(reason.text),
	   "and told in one line");
	is_str(base(NULL, "/\x1b[2J"), "", "as is an ESC");
	memset(large, 'x', sizeof(large) - 1);
	large[0] = '/';
	is_str(base(large, NULL), "", "100 kB are no path");
	is_int(errno, ENAMETOOLONG, "but too long");
	is_str(base(NULL, large), "", "as HOME neither");

	set_env("XDG_STATE_HOME", "/state");
	path = statedir_path("123", &reason);
	is_str(path, "/state/spank-jupyter/123", "a job's path");
	free(path);
}

static void test_ids(void)
{
	static const char *const bad[] = {
		"",	      "0",	     "01",
		"-1",	      "+1",	     " 1",
		"1 ",	      "1\n",	     "a",
		"1a",	      "..",	     ".",
		"1/2",	      "../1",	     "1_2",
		"4294967296", "99999999999", "123456789012345678901234567890",
		"\x1b[2J"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ok(statedir_path(bad[i], &reason) == NULL && errno == EINVAL,
		   "id %zu is no job's number", i);
		fails_with(statedir_open(bad[i], 1, &reason), EINVAL, "nor made");
		ok(text_printable(reason.text) && strlen(reason.text) < 200,
		   "told in one line");
	}
}

static int open_mode(const char *job_id, int create)
{
	reason.text[0] = '\0';
	return statedir_open(job_id, create, &reason);
}

/* The directory itself, for looking at its mode. */
static mode_t mode_of(int dir, const char *name)
{
	struct stat status;

	return fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_mode : 0;
}

/* Whether a refused directory was refused with this error and its path named. */
static void refused(const char *job_id, int error, const char *what)
{
	fails_with(open_mode(job_id, 0), error, "%s is refused", what);
	fails_with(open_mode(job_id, 1), error, "%s is refused, also to make", what);
	ok(strstr(reason.text, scratch_path) != NULL, "and the path is named");
}

static void test_open(int dir)
{
	mode_t mask = umask(0);
	char home[300];
	int fd;

	snprintf(home, sizeof(home), "%s/home", scratch_path);
	mkdirat(dir, "home", 0755);
	set_env("XDG_STATE_HOME", NULL);
	set_env("HOME", home);
	fails_with(open_mode("12", 0), ENOENT, "what is missing is not opened");
	ok(strstr(reason.text, home) != NULL, "the path is named");
	is_int(mode_of(dir, "home/.local"), 0, "and nothing made");
	fd = open_mode("12", 1);
	ok(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, "it is made, close-on-exec");
	fd_close(&fd);
	is_int(mode_of(dir, "home/.local"), S_IFDIR | 0700, "each part with mode 0700");
	is_int(mode_of(dir, "home/.local/state"), S_IFDIR | 0700, "each part with mode 0700");
	is_int(mode_of(dir, "home/.local/state/spank-jupyter"), S_IFDIR | 0700, "ours too");
	is_int(mode_of(dir, "home/.local/state/spank-jupyter/12"), S_IFDIR | 0700,
	       "and the job's");
	umask(mask);
	fd = open_mode("12", 1);
	ok(fd >= 0, "made again it is opened");
	fd_close(&fd);
	fd = open_mode("12", 0);
	ok(fd >= 0, "and opened");
	fd_close(&fd);

	fchmodat(dir, "home/.local/state/spank-jupyter/12", 0770, 0);
	refused("12", EPERM, "a directory that the group may write");
	fchmodat(dir, "home/.local/state/spank-jupyter/12", 0700, 0);
	fchmodat(dir, "home/.local/state/spank-jupyter", 0777, 0);
	refused("12", EPERM, "a base that all may write");
	ok(strstr(reason.text, "others can write to it") != NULL, "and told why");
	fchmodat(dir, "home/.local/state/spank-jupyter", 0700, 0);
	fchmodat(dir, "home/.local/state", 0777, 0);
	fd = open_mode("12", 0);
	ok(fd >= 0, "what is not ours is not judged");
	fd_close(&fd);
	if (symlinkat("12", dir, "home/.local/state/spank-jupyter/13") != 0)
		bail_out("symlinkat");
	refused("13", ENOTDIR, "a link");
	ok(strstr(reason.text, "it is a link or no directory") != NULL, "and told what it is");
	if (renameat(dir, "home/.local/state/spank-jupyter", dir, "home/real") != 0 ||
	    symlinkat("../../real", dir, "home/.local/state/spank-jupyter") != 0)
		bail_out("symlinkat");
	refused("12", ENOTDIR, "a base that is a link");
	unlinkat(dir, "home/.local/state/spank-jupyter", 0);
	if (geteuid() == 0) {
		mkdirat(dir, "home/.local/state/spank-jupyter", 0700);
		fchownat(dir, "home/.local/state/spank-jupyter", NOBODY, NOBODY, 0);
		refused("12", EPERM, "a base of another's");
		unlinkat(dir, "home/.local/state/spank-jupyter", AT_REMOVEDIR);
		renameat(dir, "home/real", dir, "home/.local/state/spank-jupyter");
		fchownat(dir, "home/.local/state/spank-jupyter/12", NOBODY, NOBODY, 0);
		refused("12", EPERM, "a directory of another's");
	} else {
		skip("needs root");
	}
	dir_remove(dir, "home");
	if (symlinkat("home", dir, "linked") != 0)
		bail_out("symlinkat");
	mkdirat(dir, "home", 0700);
	snprintf(home, sizeof(home), "%s/linked", scratch_path);
	set_env("HOME", home);
	fd = open_mode("12", 1);
	ok(fd >= 0, "a home may be a link");
	fd_close(&fd);
	dir_remove(dir, "home");
	unlinkat(dir, "linked", 0);

	fd = openat(dir, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	fd_close(&fd);
	snprintf(home, sizeof(home), "%s/file", scratch_path);
	set_env("HOME", home);
	fails_with(open_mode("12", 1), ENOTDIR, "a file as home is told");
	unlinkat(dir, "file", 0);
}

static int unwritable_child(int dir)
{
	char home[300];

	if (become_nobody() != 0)
		return CANNOT;
	if (mkdirat(dir, "home", 0500) != 0)
		return 1;
	snprintf(home, sizeof(home), "%s/home", scratch_path);
	set_env("HOME", home);
	if (open_mode("12", 1) != -1 || errno != EACCES || strstr(reason.text, home) == NULL)
		return 2;
	fchmodat(dir, "home", 0, 0);
	if (open_mode("12", 0) != -1 || errno != EACCES || open_mode("12", 1) != -1)
		return 3;
	set_env("XDG_STATE_HOME", "/nowhere/at/all");
	if (open_mode("12", 1) != -1 || errno != EACCES)
		return 4;
	return dir_remove(dir, "home") == 0 ? 0 : 5;
}

static int full_child(int dir)
{
	int fd;

	(void) dir;
	dir = own_mounts();
	if (dir < 0 || mkdirat(dir, "home", 0777) != 0)
		return CANNOT;
	strcat(scratch_path, "/home");
	/* The root of the file system takes one of the inodes. */
	if (mount("none", scratch_path, "tmpfs", 0, "nr_inodes=3,size=64k") != 0)
		return CANNOT;
	set_env("HOME", scratch_path);
	if (open_mode("12", 1) != -1 || errno != ENOSPC)
		return 1;
	if (strstr(reason.text, "No space left") == NULL)
		return 2;
	umount(scratch_path);
	if (mount("none", scratch_path, "tmpfs", 0, "nr_inodes=5,size=64k") != 0)
		return CANNOT;
	fd = open_mode("12", 1); /* .local, state, spank-jupyter, 12: all there is room for */
	if (fd < 0)
		return 3;
	if (open_mode("12", 1) < 0 || open_mode("13", 1) != -1 || errno != ENOSPC)
		return 4;
	/* What exists is opened on a read-only file system too. */
	if (mount("none", scratch_path, "none", MS_REMOUNT | MS_RDONLY, NULL) != 0)
		return 5;
	if (open_mode("12", 1) < 0 || open_mode("13", 1) != -1 || errno != EROFS)
		return 6;
	close(fd);
	return 0;
}

/* Writes a session; array and task may be NULL. */
static void add(const char *job, const char *array, const char *task, enum session_state state)
{
	struct session *session = session_create();
	int fd = statedir_open(job, 1, &reason);

	if (session == NULL || fd < 0)
		bail_out("add");
	session_set(&session->job_id, job);
	session_set(&session->array_job_id, array);
	session_set(&session->array_task_id, task);
	session->state = state;
	if (session_write(session, fd) != 0)
		bail_out("session_write");
	session_destroy(session);
	close(fd);
}

/* The raw job that an id finds, "" and a reason when there is none. */
static const char *find(const char *id)
{
	static char found[32];
	char *job_id = NULL;
	int fd, error;

	reason.text[0] = '\0';
	errno = 0;
	fd = statedir_find(id, &job_id, &reason);
	error = errno;
	found[0] = '\0';
	if (fd >= 0) {
		struct stat by_fd, by_path;
		char path[PATH_MAX];

		snprintf(found, sizeof(found), "%s", job_id);
		snprintf(path, sizeof(path), "%s/spank-jupyter/%s", getenv("XDG_STATE_HOME"),
			 job_id);
		if (fstat(fd, &by_fd) != 0 || stat(path, &by_path) != 0 ||
		    by_fd.st_ino != by_path.st_ino || (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
			strcat(found, "?");
		close(fd);
	}
	free(job_id);
	errno = error;
	return found;
}

static void missing(const char *id, const char *told)
{
	is_str(find(id), "", "%s finds nothing", id != NULL ? id : "no id");
	is_int(errno, ENOENT, "as ENOENT");
	is_str(reason.text, told, "with what there is");
}

static const char *list(void)
{
	static char text[1024];
	char **ids = NULL;
	size_t count = 99;

	if (statedir_list(&ids, &count, &reason) != 0)
		return reason.text;
	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		if (strlen(text) + strlen(ids[i]) + 2 < sizeof(text)) {
			strcat(text, ids[i]);
			strcat(text, " ");
		}
		free(ids[i]);
	}
	if (ids == NULL)
		return "NULL";
	free(ids);
	return text;
}

static void put_record(const char *job, const char *text)
{
	int fd = statedir_open(job, 1, &reason);

	if (fd < 0 || file_replace(fd, "session.json", 0600, text, strlen(text)) != 0)
		bail_out("put_record");
	close(fd);
}

static void test_find(int dir)
{
	static const char *const bad[] = {"",
					  "_",
					  "1_",
					  "_1",
					  "1_2_3",
					  "a",
					  "1_a",
					  "1_-1",
					  "01",
					  "1_02",
					  "1_00",
					  "0_1",
					  "1__2",
					  " 1",
					  "1 _2",
					  "1_[0-3]",
					  "1+0",
					  "1.0",
					  "../1",
					  "1_4294967296",
					  "123456789012_1",
					  "99999999999999999999999999",
					  "1\n",
					  "\x1b[2J"};
	char state[300], job[16], *large;

	snprintf(state, sizeof(state), "%s/state", scratch_path);
	set_env("XDG_STATE_HOME", state);
	is_str(list(), "", "there are no sessions");
	missing(NULL, "no session is running: you have no sessions");
	missing("12", "there is no session of job 12: you have no sessions");
	is_int(mode_of(dir, "state"), 0, "and looking makes nothing");

	add("9", NULL, NULL, SESSION_SERVING);
	add("100", NULL, NULL, SESSION_ENDED);
	add("20", NULL, NULL, SESSION_STARTING);
	is_str(list(), "100 20 9 ", "sessions are listed, the newest first");
	is_str(find(NULL), "20", "without an id: the newest that has not ended");
	is_str(find("9"), "9", "by a job's number");
	is_str(find("100"), "100", "also one that has ended");
	missing("10", "there is no session of job 10, but of 100, 20, 9");
	add("20", NULL, NULL, SESSION_FAILED);
	is_str(find(NULL), "9", "one that failed has ended");
	add("9", NULL, NULL, SESSION_ENDED);
	missing(NULL, "no session is running; there are those of 100, 20, 9");

	add("201", "200", "0", SESSION_SERVING);
	add("202", "200", "1", SESSION_SERVING);
	add("300", "203", "10", SESSION_SERVING);
	add("301", "203", "11", SESSION_READY);
	is_str(find("200_0"), "201", "by array and task");
	is_str(find("200_1"), "202", "another task");
	is_str(find("201"), "201", "a task by its own number");
	is_str(find("203_10"), "300", "a task of another array");
	missing("200", "job 200 is an array: give one of its tasks: 200_0, 200_1");
	missing("200_2", "there is no session of job 200_2, but of 200_0, 200_1");
	missing("203_1", "there is no session of job 203_1, but of 203_10, 203_11");
	missing("9_0", "there is no session of job 9_0, but of 301, 300, 202, 201, 100, 20, 9");
	add("200", "200", "2", SESSION_SERVING);
	is_str(find("200"), "200", "the array's own number is a task's when it has a session");
	is_str(find("200_2"), "200", "which the task finds too");
	is_str(find(NULL), "301", "the newest of all");

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		is_str(find(bad[i]), "", "id %zu is refused", i);
		ok(errno == EINVAL && text_printable(reason.text) && strlen(reason.text) < 200,
		   "and told in one line");
	}
	large = malloc(100001);
	if (large == NULL)
		bail_out("malloc");
	memset(large, '1', 100000);
	large[100000] = '\0';
	is_str(find(large), "", "an id of 100 kB is refused");
	ok(errno == EINVAL && strlen(reason.text) < 200, "and told in one line");
	free(large);

	/* Strangers in the directory. */
	put_record("400", "{\"version\":1,");
	put_record("401", "{\"version\":2}");
	mkdirat(dir, "state/spank-jupyter/402", 0700);
	mkdirat(dir, "state/spank-jupyter/403", 0777);
	fchmodat(dir, "state/spank-jupyter/403", 0777, 0);
	mkdirat(dir, "state/spank-jupyter/x", 0700);
	mkdirat(dir, "state/spank-jupyter/0404", 0700);
	if (symlinkat("9", dir, "state/spank-jupyter/404") != 0 ||
	    mkfifoat(dir, "state/spank-jupyter/405", 0700) != 0)
		bail_out("state");
	is_str(list(), "403 402 401 400 301 300 202 201 200 100 20 9 ",
	       "only directories with a job's number are sessions");
	is_str(find(NULL), "301", "what cannot be read is passed over");
	is_str(find("203_11"), "301", "by tasks too");
	is_str(find("400"), "400", "a damaged one is found by its number");
	is_str(find("402"), "402", "as is one without a record");
	is_str(find("403"), "", "but not one that others can write");
	is_int(errno, EPERM, "which is refused");
	is_str(find("404"), "", "nor a link");
	missing("7_1", "there is no session of job 7_1, but of 403, 402, 401, 400, 301, 300, "
		       "202, 201, "
		       "200, 100 and 2 more (3 of them cannot be read)");

	for (int i = 1000; i < 1012; i++) {
		snprintf(job, sizeof(job), "%d", i);
		add(job, "999", job + 1, SESSION_ENDED);
	}
	/* Tasks are not written with leading zeros, but a record may hold them. */
	missing("999", "job 999 is an array: give one of its tasks: 999_000, 999_001, 999_002, "
		       "999_003, "
		       "999_004, 999_005, 999_006, 999_007, 999_008, 999_009 and 2 more");
	fchmodat(dir, "state/spank-jupyter", 0777, 0);
	ok(strstr(list(), "others can write") != NULL,
	   "a base that all may write is not listed");
	is_str(find(NULL), "", "nor searched");
	is_int(errno, EPERM, "but refused");
	fchmodat(dir, "state/spank-jupyter", 0700, 0);
	dir_remove(dir, "state");
}

int main(void)
{
	int dir = scratch_open();

	test_base();
	test_ids();
	test_open(dir);
	set_env("XDG_STATE_HOME", NULL);
	is_child(in_child(unwritable_child, dir), "an unwritable home is told");
	is_child(in_child(full_child, dir), "a full disk is told");
	dir_remove(dir, "home");
	test_find(dir);
	is_int(entries(dir), 0, "nothing is left");
	close(dir);
	rmdir(scratch_path);
	return done_testing();
}
