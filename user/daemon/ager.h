/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ager: takes a device's records away when their time has come, and asks silent peers whether they are there
 * (ageing.h). Two threads:
 *
 *   the scanner   reads the iterators "upcoming_*" now and then (scan_plan.h), and puts what they tell into the horizon
 *   the ager      sleeps until something there is due, and sees to it (rounds.h)
 *
 * Deadlines are in the records alone, so an ager that is killed loses nothing: the next one's first scan finds what
 * fell due. After a time in which it or the machine stood still it begins anew to count unanswered probes
 * (standstill.h).
 *
 * Probes leave through an outbox, for a worker to send.
 */
#ifndef SYNKEEP_DAEMON_AGER_H
#define SYNKEEP_DAEMON_AGER_H

#include "daemon/outbox.h"
#include "device.h"

struct ager_options {
	const struct device *device; /* open; must outlive the ager, which reads no config of it */
	struct outbox *outbox;	     /* must outlive the ager */
	__u32 probes_per_second;
	__u32 probes_per_prefix;
};

/* What follows from the device's config and services, and may change. */
struct ager_terms {
	__u64 shortest_ns;     /* scan_plan_shortest_ns() */
	__u64 test_advance_ns; /* of the config */
	__u64 services_generation;
};

struct ager;

/* 0 and *out, or -errno; -ENOENT: the device was loaded without the programs for it. */
int ager_open(const struct ager_options *options, const struct ager_terms *terms, struct ager **out);

/* 0 or -errno; then ager_close() is due all the same. */
int ager_start(struct ager *ager);

/* From the thread that looks after the device: where the terms have changed, the tables are read at once. */
void ager_follow(struct ager *ager, const struct ager_terms *terms);

/* Ends its threads. Takes NULL. */
void ager_close(struct ager *ager);

#endif /* SYNKEEP_DAEMON_AGER_H */
