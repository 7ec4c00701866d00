/* SPDX-License-Identifier: MIT */
/*
 * Tests of what --jupyter-init has changed, kept for others of the node
 * (launcher/agent/init_change.h).  Run by `make check`, as anybody.
 */
#include "launcher/agent/init_change.h"

#include "common/fd.h"
#include "scratch.h"

int main(void)
{
	char *const before[] = {"KEPT=1", "CHANGED=old", "GONE=x", "EMPTY=full", NULL};
	char *const after[] = {"KEPT=1", "CHANGED=a=b\nc", "NEW=", "EMPTY=", NULL};
	char *const task[] = {"KEPT=its own", "CHANGED=old", "GONE=x",
			      "EMPTY=full",   "PMIX_RANK=3", NULL};
	struct reason reason = {""};
	struct stat status;

	int dir = scratch_open();
	struct env *old = env_create(before), *new = env_create(after),
		   *other = env_create(task);
	if (!old || !new || !other)
		bail_out("env_create");
	is_int(init_change_apply(scratch_path, other, &reason), -1, "nothing kept is an error");
	ok(strstr(reason.text, "init.changes: No such file") != NULL, "with its reason");
	is_int(init_change_write(dir, old, new), 0, "changes are kept");
	ok(fstatat(dir, "init.changes", &status, 0) == 0 && (status.st_mode & 0777) == 0600,
	   "for nobody else");
	is_int(init_change_apply(scratch_path, other, &reason), 0, "and applied elsewhere");
	is_str(env_get(other, "KEPT"), "its own", "what was not changed stays");
	is_str(env_get(other, "CHANGED"), "a=b\nc", "what was changed is");
	is_str(env_get(other, "NEW"), "", "what was set is");
	is_str(env_get(other, "EMPTY"), "", "also to nothing");
	ok(!env_get(other, "GONE"), "what was unset is");
	is_str(env_get(other, "PMIX_RANK"), "3", "and the task's own stays");
	env_destroy(old);
	env_destroy(new);
	env_destroy(other);
	close(dir);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
