/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long a record lives without a segment that it accepts, by state.
 *
 * A record that expires too early costs a socket look-up, at its next segment, to make it again; one that expires too
 * late costs a slot. So states that only wait for the network are short, and those that wait for an application long.
 */
#ifndef SYNKEEP_TIMEOUTS_H
#define SYNKEEP_TIMEOUTS_H

#include "tcp_fsm.h"

/* How long a client may keep a connection in reserve that neither end has used yet: browsers do so for minutes. */
#define TCP_UNUSED_TIMEOUT_NS (900 * NSEC_PER_SEC)

#define TCP_MSL_DEFAULT_S 60 /* RFC 9293, 3.4.2 says 120; what stacks use is 30 to 60 */
#define TCP_MSL_MAX_S 3600   /* two of them must fit into 2^31 ms: struct ended */

static __always_inline __u64 tcp_state_timeout_ns(enum tcp_state state, __u64 msl_ns)
{
	switch (state) {
	case TCPS_SYN_SENT:
	case TCPS_SYN_RECEIVED:
		return 128 * NSEC_PER_SEC; /* Linux gives up a SYN after 127 s */
	case TCPS_ESTABLISHED:
		return 5 * 86400 * NSEC_PER_SEC;
	case TCPS_FIN_WAIT_2: /* half-closed, either way: an application may take its time */
	case TCPS_CLOSE_WAIT:
		return 86400 * NSEC_PER_SEC;
	case TCPS_FIN_WAIT_1:
	case TCPS_CLOSING:
	case TCPS_LAST_ACK:
		return 300 * NSEC_PER_SEC; /* a FIN is sent again for about two minutes on Linux */
	case TCPS_TIME_WAIT:
		return 2 * msl_ns;
	default:
		return 0;
	}
}

#endif /* SYNKEEP_TIMEOUTS_H */
