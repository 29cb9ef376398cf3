/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A status in words, for people and for programs.
 */
#ifndef SYNKEEP_STATUS_PRINT_H
#define SYNKEEP_STATUS_PRINT_H

#include "json_out.h"
#include "status.h"

/* A paragraph on stdout. 0 or -errno. */
int status_print_text(const struct status *status);

/* The same as an object, for the caller to put. */
struct json_object *status_print_json(const struct status *status);

#endif /* SYNKEEP_STATUS_PRINT_H */
