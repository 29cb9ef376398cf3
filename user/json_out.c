/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Short names for what --json needs of json-c. json-c ends no program for lack of memory and says so by NULL, which it
 * takes itself as null: output is then short, not wrong.
 */
#include "json_out.h"

#include <errno.h>
#include <stdio.h>

static void add(struct json_object *object, const char *key, struct json_object *value)
{
	json_object_object_add_ex(object, key, value, JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT);
}

void json_out_text(struct json_object *object, const char *key, const char *text)
{
	add(object, key, text ? json_object_new_string(text) : NULL);
}

void json_out_number(struct json_object *object, const char *key, __u64 number)
{
	add(object, key, json_object_new_uint64(number));
}

void json_out_bool(struct json_object *object, const char *key, bool value)
{
	add(object, key, json_object_new_boolean(value));
}

struct json_object *json_out_member(struct json_object *object, const char *key, struct json_object *member)
{
	add(object, key, member);
	return member;
}

int json_out_print(struct json_object *value)
{
	const char *text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED);

	puts(text ? text : "null");
	json_object_put(value);
	return fflush(stdout) ? -EIO : 0;
}
