/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An explanation as JSON. */
#ifndef SYNKEEP_EXPLAIN_JSON_H
#define SYNKEEP_EXPLAIN_JSON_H

#include <json-c/json.h>

#include "explain.h"

/* The arguments as explain_print() takes them. The object is the caller's. */
struct json_object *explain_json(__u64 number, __u32 missing_bytes, const struct explanation *x);

#endif /* SYNKEEP_EXPLAIN_JSON_H */
