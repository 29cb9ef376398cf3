/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is wrong with a loaded device, and what to do about it, in sentences. Pure: a status goes in.
 */
#ifndef SYNKEEP_ADVICE_H
#define SYNKEEP_ADVICE_H

#include "status.h"

enum advice_kind {
	ADVICE_PROBLEM, /* the shield does not do its work, wholly or for a service */
	ADVICE_NOTE,	/* it does; someone may want to know all the same */
};

typedef void (*advice_visit)(enum advice_kind kind, const char *sentence, void *context);

/* Visits every problem and note; the sentence, without a full stop, is valid during the call. */
void advice_give(const struct status *status, advice_visit visit, void *context);

/* Without those about the host's sysctls, for who judges these anyway. */
void advice_give_on_shield(const struct status *status, advice_visit visit, void *context);

/* Only those about the services, their listeners and what decides how these get their connections. */
void advice_give_on_services(const struct status *status, advice_visit visit, void *context);

#endif /* SYNKEEP_ADVICE_H */
