/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which connections a listing shows: by state, service, source, direction. Kinds are joined by "and", states among
 * themselves by "or". Pure. A filter of zeros shows everything.
 */
#ifndef SYNKEEP_FLOW_FILTER_H
#define SYNKEEP_FLOW_FILTER_H

#include "flow_view.h"
#include "service_spec.h"

struct flow_filter {
	__u32 states; /* bits 1 << enum tcp_state; 0: any */
	bool has_service;
	struct service_spec service; /* only its address and port matter, and wildcards match any */
	__u8 source[16];
	__u8 source_family; /* 0: any */
	__u8 source_bits;   /* the prefix's length */
	bool has_direction;
	bool outgoing; /* if has_direction: those that this host opened, or the others */
};

/*
 * Adds a state by its name in RFC 9293 (FIN-WAIT-1), in the code (TCPS_FIN_WAIT_1) or in ss and netstat (estab,
 * syn-recv), or a group of ss (connected, synchronized, bucket, big, all); case does not matter. -EINVAL: unknown.
 */
int flow_filter_add_state(struct flow_filter *filter, const char *name);

/* Shows connections from an address or a prefix: 10.0.0.0/8, 2001:db8::1. -EINVAL: it is neither. */
int flow_filter_set_source(struct flow_filter *filter, const char *prefix);

/* Shows connections that this host opened ("out"), or the others ("in"). -EINVAL: it is neither. */
int flow_filter_set_direction(struct flow_filter *filter, const char *name);

bool flow_filter_matches(const struct flow_filter *filter, const struct flow_view *view);

#endif /* SYNKEEP_FLOW_FILTER_H */
