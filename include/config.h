/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the loader tells the programs, and the shape of the pinned maps: the contract between versions.
 */
#ifndef SYNKEEP_CONFIG_H
#define SYNKEEP_CONFIG_H

#include "base.h"
#include "cookie.h"
#include "flow.h"
#include "sentry.h"
#include "handover.h"
#include "presence.h"

/* Raised whenever the shape or the meaning of a pinned map changes: a program of another layout refuses the pins. */
#define SYNKEEP_LAYOUT_VERSION 5

#define SYNKEEP_FLOWS_DEFAULT 262144
#define SYNKEEP_HALF_OPEN_MAX 65536
#define SYNKEEP_SERVICES_MAX 1024
#define SYNKEEP_BUDGET_DEFAULT 10000	/* unverified packets a second and CPU */
#define SYNKEEP_ANSWERS_DEFAULT 25000	/* to one prefix of unverified sources, a second and CPU */
#define SYNKEEP_DAEMON_FRAME_BYTES 3840 /* what a page as an AF_XDP chunk has behind the kernel's headroom */

/*
 * With how many records in it an LRU hash of so many counts as full. It sets up to 128 free elements aside for each
 * CPU, at most half of them for all; a CPU that has none left takes those in use that were not used for the longest
 * time, whatever the others have.
 */
#define CONFIG_LRU_SPARE 128

static inline __u32 config_ended_full_at(__u32 records, __u32 cpus)
{
	__u64 spare = (__u64)CONFIG_LRU_SPARE * cpus;

	return records - (spare < records / 2 ? (__u32)spare : records / 2);
}

enum device_phase {
	DEVICE_LOADING, /* pins are being made: a crash here leaves a half-load that the next load clears */
	DEVICE_ACTIVE,
	DEVICE_DRAINING, /* no new cookies; those that are out are still taken */
} __attribute__((packed));

enum device_xdp_mode {
	DEVICE_XDP_NATIVE,
	DEVICE_XDP_GENERIC,
} __attribute__((packed));

/* What the daemon's TCP does: no more is promised to who gets a cookie for a service of its. */
struct daemon_terms {
	__u16 flags;	 /* enum flow_flag: FLOW_WSCALE, FLOW_SACK, FLOW_TIMESTAMPS, FLOW_ECN */
	__u16 window;	 /* what a SYN-ACK offers, bytes: never shifted (RFC 7323, 2.2) */
	__u8 rcv_wscale; /* the shift of all windows after it, 0..14 */
};

/* Map "config", one element. Written by the command line, read by the programs. */
struct config {
	/* The head, the same in every layout: enough to refuse the rest, and to take away what a device has of it. */
	__u32 layout_version;
	__u32 ifindex;
	__u64 netns_inode; /* of the namespace that has the device */
	/* The rest. */
	enum device_phase phase;
	enum device_xdp_mode xdp_mode;
	bool made_clsact; /* the qdisc was not there before: unload removes it, if it is ours alone */
	__u8 rcv_wscale;  /* what our SYN-ACKs offer, from net.ipv4.tcp_rmem as the kernel reckons it */
	__u16 mss_ipv4;	  /* what our SYN-ACKs offer, from the device's MTU */
	__u16 mss_ipv6;
	__u32 budget_per_second;	 /* unverified packets passed a second and CPU, for each reason; 0: none */
	__u32 answers_per_prefix;	 /* to unverified sources, a second and CPU; 0: no limit */
	__u8 protected_families;	 /* enum protected_family: those that have a service whose policy answers */
	enum handover_way best_handover; /* that a listener may get */
	bool track_outgoing;		 /* the programs read PORT_OUTGOING instead, which follows from it */
	bool counts_flows;		 /* some service has a share, or limits */
	struct cookie_keys keys;
	bool key_is_shared;	     /* other machines have it too: cookies may come back here that another one sent */
	__u64 cookie_time_offset_ns; /* TAI less this is the cookies' time: TAI's offset from UTC when the key was set
				      */
	__u64 loaded_at_ns;	     /* CLOCK_MONOTONIC */
	__u64 msl_ns;
	__u64 try_until_ns;	   /* CLOCK_MONOTONIC; not 0: a trial, which from then on drains by itself */
	__u32 services_generation; /* raised with every change of the services: what is remembered of them is stale */
	__u64 services_changed_ns; /* CLOCK_MONOTONIC; since the load, 0: not yet. Another may take a service's cookies
				    */
	__u32 presence_words;	   /* of each of the presence filter's bitmaps, whole blocks; 0: there is no filter */
	struct presence_key presence_key;
	__u32 daemon_frame_bytes; /* the longest frame that the daemon's sockets take */
	struct daemon_terms daemon_terms;
	__u64 test_advance_ns; /* added to every clock that the programs read; 0 but in tests, which expect it at the
				  end */
};

/* No new cookies, while those that are out are taken: an unload is under way, or nobody has kept a trial in time. */
static __always_inline bool config_is_draining(const struct config *conf, __u64 now_ns)
{
	return conf->phase == DEVICE_DRAINING || (conf->try_until_ns && conf->try_until_ns <= now_ns);
}

/* Of config.protected_families. */
enum protected_family {
	PROTECTED_IPV4 = 1 << 0,
	PROTECTED_IPV6 = 1 << 1,
};

enum service_policy {
	POLICY_OFF,	/* track, never answer */
	POLICY_ALWAYS,	/* answer every SYN with a cookie */
	POLICY_MONITOR, /* track, never answer, and count what "always" would have done */
	POLICY_AUTO,	/* "off" in calm, "always" under flood (sentry.h) */
} __attribute__((packed));

/* Whether SYNs may be answered. */
static inline bool policy_answers(enum service_policy policy)
{
	return policy == POLICY_ALWAYS || policy == POLICY_AUTO;
}

/* What becomes of a SYN for a service of the daemon's while no daemon serves the receive queue that it came by. */
enum service_gone {
	GONE_DROP,
	GONE_REFUSE, /* answered with a RST */
} __attribute__((packed));

/* Map "services". A wildcard address is all zeros, a wildcard port is 0. */
struct service_key {
	ipv6_bytes address; /* IPv4: the first four bytes */
	__u16 port;
	__u8 family; /* FAMILY_IPV4 or FAMILY_IPV6 */
	__u8 zero;
};

/* What becomes of a connection whose peer was found dead by keepalive. */
enum service_dead {
	DEAD_CLOSE,  /* its owner closes it, and tells the application */
	DEAD_REPORT, /* it is counted and shown, nothing else */
} __attribute__((packed));

/* RFC 9293, 3.8.4, RFC 1122, 4.2.3.6: when a silent peer is asked whether it is there. */
struct keepalive {
	__u32 idle_ms;	   /* of silence before the first probe; 0: off (MUST-25) */
	__u32 interval_ms; /* between probes */
	__u8 probes;	   /* that stay unanswered before the peer counts as dead (MUST-29) */
	enum service_dead dead;
	__u8 reserved[2];
};

/* The values of keepalive=on (MUST-28). */
#define KEEPALIVE_IDLE_S 7200
#define KEEPALIVE_INTERVAL_S 75
#define KEEPALIVE_PROBES 10

#define SERVICE_APP_BYTES 32 /* the longest name of an application, with its 0 */

/* What one source, a prefix of addresses, may have of a service. Only verified peers count, and are counted. */
struct source_limits {
	__u32 new_per_second; /* connections; 0: no limit */
	__u32 open;	      /* at a time; 0: no limit */
	__u8 prefix_ipv4;     /* bits, 32 by default */
	__u8 prefix_ipv6;     /* 64 by default */
	bool monitor;	      /* what is over a limit is counted, and passes */
	__u8 reserved;
};

struct service {
	enum service_policy policy;
	enum flow_owner owner;
	__u8 both_families; /* half of a "*:PORT", whose other half is under the other family */
	bool sockets_known; /* the presence filter has every socket of it; else each SYN's tuple is looked up */
	bool passes_signed; /* SYNs with MD5 or AO, to the socket, within the budget */
	enum service_gone gone;
	__u8 share_percent; /* what flows_max was reckoned from; 0: it was given as a number */
	__u8 reserved;
	__u32 msl_ms;	 /* of its connections; 0: config.msl_ns */
	__u32 sentry;	 /* its element in the map "sentries"; the two halves of a "*:PORT" have the same */
	__u32 half_open; /* how many handshakes are calm, if the policy is auto; never 0 */
	__u32 flows_max; /* how many records it may have, its share; 0: as many as there is room for */
	struct source_limits limits;
	struct keepalive keepalive;
	char app[SERVICE_APP_BYTES]; /* the daemon's application, by its name; read by the daemon only */
	__u64 retired_ns; /* CLOCK_MONOTONIC; 0: stays. Deleted, and gone when no cookie of it can come back any more */
};

/* Policy off has no limits: it drops nothing. */
static __always_inline bool service_has_limits(const struct service *service)
{
	return (service->limits.new_per_second || service->limits.open) && service->policy != POLICY_OFF;
}

/* Whether its connections count: for its share, or for their sources. */
static __always_inline bool service_counts_flows(const struct service *service)
{
	return service->flows_max || service_has_limits(service);
}

/*
 * Map "ports", an array by port: which kinds of service name this port, so that a packet for none costs one array
 * access. Element 0 is for what concerns any port.
 */
enum port_kind {
	PORT_EXACT = 1 << 0, /* address and port */
	PORT_ANY_ADDRESS = 1 << 1,
	PORT_OUTGOING = 1 << 2, /* in element 0: connections that this host opens are tracked */
	/*
	 * Connections of the daemon's may be on it. The command line sets it with a service of the daemon's and leaves
	 * it set, for its connections outlive the service; the daemon sets it, before it opens a connection, on the
	 * port that it opens it from, and clears it there if no TIME-WAIT is left.
	 */
	PORT_DAEMON = 1 << 3,
};

/*
 * Map "clocks", one element a CPU: the time, read once a jiffy, and what follows from it. Written by its own CPU only.
 */
struct cpu_clock {
	__u64 jiffies; /* when the rest was read */
	__u64 now_ns;  /* CLOCK_MONOTONIC */
	bool tw4_full; /* an ended connection's record only finds room by the going of another */
	bool tw6_full;
	__u32 answer_cost_ns; /* a second divided by config.answers_per_prefix; 0: no limit */
	__u64 strange_ns; /* when this CPU last met more segments of nobody's than it may look up: the now_ns then */
	__u64 cookie_sent_ns; /* when this CPU last sent a cookie; 0: never. Two lifetimes later none can come back */
	__u64 fill_seen_ns;   /* when this CPU last looked how full the tables are */
	struct cookie_clock cookie;
};

/*
 * Map "budgets", one element a CPU for each reason to pass an unverified packet to a service that is protected; behind
 * these BUDGET_COUNT as many again, with which it is reckoned what would be passed for services with policy monitor.
 */
enum budget_reason {
	BUDGET_STRANGER,  /* a segment without a flow, while it may be of a connection that the kernel knows */
	BUDGET_NO_SOCKET, /* one where nothing listens: it may be forwarded */
	BUDGET_HALF_OPEN, /* one of a handshake that it does not complete */
	BUDGET_SOCKET,	  /* one for a socket that is not connected, and has no record */
	BUDGET_ENDED,	  /* one of a connection that the owner has reset */
	BUDGET_LOOK_UP,	  /* one that the presence filter does not know: it is looked up, and passed only if found */
	BUDGET_FRAGMENT,
	BUDGET_NOT_UNDERSTOOD,
	BUDGET_SYN_LIVE,
	BUDGET_SYN_NO_LISTENER,
	BUDGET_SYN_SIGNED,
	BUDGET_COUNT
};

struct budget {
	__u64 refilled_ns; /* CLOCK_MONOTONIC */
	__u64 left_ns;	   /* in time: a packet costs a second divided by budget_per_second */
};

#endif /* SYNKEEP_CONFIG_H */
