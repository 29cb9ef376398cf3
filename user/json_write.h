/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes a JSON object member by member, for listings so long that building each element first (json_out.h) is most of
 * the time. Keys must need no escape.
 */
#ifndef SYNKEEP_JSON_WRITE_H
#define SYNKEEP_JSON_WRITE_H

#include <stdbool.h>
#include <stdio.h>

#include "base.h"

struct json_write {
	FILE *out;	/* its errors are the caller's to look for; no other thread writes to it */
	bool separates; /* a member precedes */
};

void json_write_begin(struct json_write *w, FILE *out);
void json_write_text(struct json_write *w, const char *key, const char *text); /* UTF-8 */
void json_write_number(struct json_write *w, const char *key, __u64 number);
void json_write_bool(struct json_write *w, const char *key, bool value);
void json_write_end(struct json_write *w);

#endif /* SYNKEEP_JSON_WRITE_H */
