/* SPDX-License-Identifier: MIT */
/*
 * The keys of [site], private to settings.c; see settings.h for where it is used.
 */
#ifndef LAUNCHER_SETTINGS_SITE_H
#define LAUNCHER_SETTINGS_SITE_H

#include "common/reason.h"
#include "launcher/settings.h"

/* Each value's default; 0, or -1 with ENOMEM and nothing to free. */
int site_init(struct settings *settings);
void site_clear(struct settings *settings);

/* The key's number, 0 and up, below SITE_KEYS; -1 when there is no such key. */
enum { SITE_KEYS = 15, SITE_KEYS_TEXT_MAX = 256 };
int site_key(const char *key);

/* All keys in one line, for people; text of SITE_KEYS_TEXT_MAX bytes.  Returns text. */
const char *site_keys(char *text);

/*
 * Stores one value; newlines in it stand where the file continues it.  0, or -1 with EINVAL or
 * ENOMEM and a reason that says what is allowed, without file, section and key.
 */
int site_set(struct settings *settings, int key, const char *value, struct reason *reason);

/*
 * What can be checked only when all keys are known; given tells which were (bit 1 << key).  0,
 * or -1 with EINVAL, the key that is wrong in *key, and a reason likewise.
 */
int site_check(struct settings *settings, unsigned given, const char **key,
	       struct reason *reason);

#endif
