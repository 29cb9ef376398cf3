/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this machine's SYN-ACKs say that no bit of a cookie carries, for each owner and family. Pure.
 */
#ifndef SYNKEEP_COOKIE_SITE_H
#define SYNKEEP_COOKIE_SITE_H

#include "config.h"
#include "packet.h"

/* The MTU may be more than the daemon's buffers hold. */
static __always_inline __u16 cookie_site_daemon_mss(const struct config *conf, __u8 family, __u16 mss)
{
	__u32 ip_bytes = family == FAMILY_IPV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
	__u32 most = conf->daemon_frame_bytes - PACKET_IP_OFFSET_MAX - ip_bytes - TCP_HEADER_BYTES;

	return mss < most ? mss : most;
}

static __always_inline struct cookie_site cookie_site_for(const struct config *conf, __u8 family, enum flow_owner owner)
{
	struct cookie_site site = {
		.mss = family == FAMILY_IPV4 ? conf->mss_ipv4 : conf->mss_ipv6,
		.rcv_wscale = conf->rcv_wscale,
	};

	if (owner == FLOW_OWNER_DAEMON) {
		site.mss = cookie_site_daemon_mss(conf, family, site.mss);
		site.rcv_wscale = conf->daemon_terms.rcv_wscale;
	}
	return site;
}

#endif /* SYNKEEP_COOKIE_SITE_H */
