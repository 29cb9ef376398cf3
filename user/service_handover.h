/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How the listeners of a service get its connections, why in this way, and what to do about it. Pure: a status goes in.
 */
#ifndef SYNKEEP_SERVICE_HANDOVER_H
#define SYNKEEP_SERVICE_HANDOVER_H

#include <stddef.h>

#include "status.h"

#define SERVICE_HANDOVERS_MAX 2 /* plain TCP listeners, MPTCP ones */

struct service_handover {
	enum handover_reason reason;
	int listeners; /* that get their connections so */
};

/* Their number; 0: nothing listens for the service, or its connections are the kernel's anyway (policy off). */
int service_handover_list(const struct status *status, const struct status_service *service,
			  struct service_handover handovers[SERVICE_HANDOVERS_MAX]);

/* What would give a better way: a few words, with the command if there is one; "" for the best. */
const char *service_handover_remedy(enum handover_reason reason);

/*
 * Writes what the way means for clients and what would give a better one, without a full stop. True: SYNs get to the
 * kernel that the shield should have answered. Nothing is written for the best way, of which there is nothing to say.
 */
bool service_handover_explain(const struct status *status, enum handover_reason reason, char *text, size_t size);

#endif /* SYNKEEP_SERVICE_HANDOVER_H */
