/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the sentries of services with policy auto say, for people and for programs. */
#ifndef SYNKEEP_SENTRY_PRINT_H
#define SYNKEEP_SENTRY_PRINT_H

#include <json-c/json.h>

#include "status.h"

struct sentry_cause_info {
	const char *name;
	const char *sentence;
};

/* Never NULL. */
const struct sentry_cause_info *sentry_print_cause(enum sentry_cause cause);

/* A table of the services with policy auto; nothing if there is none. 0, -ENOMEM or -EIO. */
int sentry_print_text(const struct status *status);

/* Of one service; null if its policy is another. */
struct json_object *sentry_print_json(const struct status_service *service, __u64 now_ns);

#endif /* SYNKEEP_SENTRY_PRINT_H */
