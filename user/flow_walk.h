/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads every tracked connection of a device, in chunks, while the programs go on changing the tables.
 *
 * The walk is no snapshot. Tables are read in the order in which connections go through them, so one that moves on
 * meanwhile may be seen twice, in both states, but is not missed. Records that count as absent are left out.
 */
#ifndef SYNKEEP_FLOW_WALK_H
#define SYNKEEP_FLOW_WALK_H

#include "device.h"
#include "flow_view.h"

/* Called for each connection; the view is valid during the call. Not 0 ends the walk, which then returns that. */
typedef int (*flow_walk_visit)(const struct flow_view *view, void *context);

/* 0, -errno, or what visit returned. */
int flow_walk(const struct device *device, flow_walk_visit visit, void *context);

#endif /* SYNKEEP_FLOW_WALK_H */
