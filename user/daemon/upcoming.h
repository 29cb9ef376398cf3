/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading the tables: the pinned iterators "upcoming_*", which give what is due before agenda.until_ns.
 */
#ifndef SYNKEEP_DAEMON_UPCOMING_H
#define SYNKEEP_DAEMON_UPCOMING_H

#include "device.h"

struct upcoming {
	int links[2 * AGE_TABLES]; /* of each table, IPv4 then IPv6; -1: not open */
};

/* 0 or -errno; upcoming_close() is due in any case. */
int upcoming_open(struct upcoming *upcoming, const struct device *device);
void upcoming_close(struct upcoming *upcoming);

/* Takes count of struct upcoming4 or upcoming6, by the family. False: it wants no more. */
typedef bool (*upcoming_take)(void *context, enum age_table table, __u8 family, const void *list, __u32 count);

/* Reads all tables. 0 or -errno. */
int upcoming_read(const struct upcoming *upcoming, upcoming_take take, void *context);

#endif /* SYNKEEP_DAEMON_UPCOMING_H */
