/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Short names for what --json needs of json-c. Keys must be literals: they are not copied.
 */
#ifndef SYNKEEP_JSON_OUT_H
#define SYNKEEP_JSON_OUT_H

#include <json-c/json.h>
#include <stdbool.h>
#include "base.h"

void json_out_text(struct json_object *object, const char *key, const char *text); /* NULL: null */
void json_out_number(struct json_object *object, const char *key, __u64 number);
void json_out_bool(struct json_object *object, const char *key, bool value);

/* A member that is an object or an array: owned by object, returned for convenience. */
struct json_object *json_out_member(struct json_object *object, const char *key, struct json_object *member);

/* Prints the value, indented, and a newline on stdout, and frees it. 0 or -EIO. */
int json_out_print(struct json_object *value);

#endif /* SYNKEEP_JSON_OUT_H */
