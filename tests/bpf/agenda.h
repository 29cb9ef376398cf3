/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking the programs as the daemon's ager does: what is upcoming in a table, what is due for a record. The services on
 * PORT_ALWAYS have keepalive.
 */
#ifndef SYNKEEP_TEST_AGENDA_H
#define SYNKEEP_TEST_AGENDA_H

#include "ageing.h"
#include "shield.h"

#define HOUR_NS (3600 * NSEC_PER_SEC)
#define IDLE_MS 100000
#define INTERVAL_MS 10000
#define PROBES 3

extern const struct keepalive agenda_keepalive; /* of the services: these */
extern const __u8 agenda_families[2];
extern const enum flow_owner agenda_owners[2];

extern struct agenda agenda; /* as it was given to the programs, and came back */

/* cmocka's setup for each test: a clean state, keepalive, an agenda of zeros. */
int agenda_reset(void **state);

__u64 agenda_now_ns(void); /* as the programs reckon */
struct tuple agenda_tuple(__u8 family, __u16 remote_port);
void agenda_key_of(const struct tuple *t, struct flow6_key *key); /* of IPv4 in the place of one of IPv6 */

/* Silent for so long, with nothing in flight: the deadline is far. */
struct flow agenda_silent_flow(const struct tuple *t, __u32 silent_ms);

/* The flow was asked so often, the last time so long ago. */
void agenda_put_probed(const struct tuple *t, __u32 probes, __u32 probed_ago_ms);

void agenda_put_record(enum age_table table, const struct tuple *t, enum flow_owner owner, __u64 deadline_ns);
bool agenda_has_record(enum age_table table, const struct tuple *t);

#define UPCOMING_MAX SHIELD_FLOWS

struct upcoming {
	int count;
	struct upcoming6 of[UPCOMING_MAX];
};

/* What the table's iterator gives for the time before until_ns: until the next call. */
const struct upcoming *agenda_upcoming(enum age_table table, __u8 family, __u64 until_ns);

void agenda_ask(const struct tuple *t); /* puts it on the agenda */
void agenda_attend(enum age_table table, __u8 family);
const struct agenda_item *agenda_attend_one(enum age_table table, const struct tuple *t);

#endif /* SYNKEEP_TEST_AGENDA_H */
