/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words in which an explanation is told, for people and in JSON alike. Pure. */
#ifndef SYNKEEP_EXPLAIN_WORDS_H
#define SYNKEEP_EXPLAIN_WORDS_H

#include "explain.h"
#include "packet_craft.h"

const char *explain_words_kind(enum packet_kind kind);
const char *explain_words_action(__u32 xdp_action);
const char *explain_words_table(const struct flow_view *view); /* the map's name */
const char *explain_words_budget(__u32 reason);		       /* what it is for: enum budget_reason */
const char *explain_words_cause(enum sentry_cause cause);
const char *explain_words_listener(const struct listener_match *match);
const char *explain_words_unseen(const struct explanation *x); /* why a packet that leaves has no verdict */
const char *explain_words_listed(enum source_action action);

/* How the cookie's epoch stands to the time. */
const char *explain_words_epoch(const struct explanation *x);

/* How many handshakes of a service are calm. */
static inline __u32 explain_words_half_open(const struct service_spec *service)
{
	return service->half_open ? service->half_open : SENTRY_HALF_OPEN_DEFAULT;
}

#endif /* SYNKEEP_EXPLAIN_WORDS_H */
