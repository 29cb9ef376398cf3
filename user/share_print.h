/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What services have of the flow table, of those whose connections are counted.
 */
#ifndef SYNKEEP_SHARE_PRINT_H
#define SYNKEEP_SHARE_PRINT_H

#include "json_out.h"
#include "status.h"

/* A table of them; nothing if there is none. 0, -ENOMEM or -EIO. */
int share_print_text(const struct status *status);

/* Of one service; null if nothing is counted. */
struct json_object *share_print_json(const struct status_service *service);

#endif /* SYNKEEP_SHARE_PRINT_H */
