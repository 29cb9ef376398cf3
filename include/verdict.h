/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every reason for which a program lets a packet go, answers it or drops it: one list, one counter each.
 *
 * The programs leave through a verdict only; the command line prints from this list and the tests assert on it.
 */
#ifndef SYNKEEP_VERDICT_H
#define SYNKEEP_VERDICT_H

#include "base.h"

enum verdict_action {
	VERDICT_PASS,	  /* XDP_PASS, or TC_ACT_UNSPEC: the next filter decides */
	VERDICT_TX,	  /* XDP_TX */
	VERDICT_DROP,	  /* XDP_DROP, TC_ACT_SHOT */
	VERDICT_REDIRECT, /* XDP_REDIRECT, to the daemon's AF_XDP socket */
	VERDICT_NOTE,	  /* no packet leaves by it: an event that is worth a counter */
};

enum verdict_severity {
	VERDICT_NORMAL,	 /* daily business */
	VERDICT_ATTACK,	 /* what a flood or a scan looks like */
	VERDICT_TROUBLE, /* something is too small, wrong or missing: an operator should look */
};

/* X(identifier, action, severity, sentence). New ones go at the end of their group. */
#define VERDICTS(X)                                                                                                    \
	/* xdp_ingress: what is not ours */                                                                            \
	X(OTHER, PASS, NORMAL, "not TCP over Ethernet and IP")                                                         \
	X(NO_SERVICE, PASS, NORMAL, "TCP for an address and port that no service names")                               \
	X(TRANSIT, PASS, NORMAL, "TCP for a wildcard service, but for an address that this host only forwards to")     \
	X(FRAGMENT, PASS, NORMAL, "fragment that may be for a service: the kernel reassembles it")                     \
	X(NOT_UNDERSTOOD, PASS, NORMAL,                                                                                \
	  "SYN behind a source route or AH, which only its owner can answer, or headers that may hide one")            \
	X(UNVERIFIED_OVER_BUDGET, DROP, ATTACK, "unverified packet beyond what may be passed in a second")             \
	X(MALFORMED, DROP, ATTACK, "TCP header that contradicts itself or the packet's length")                        \
	X(BAD_FLAGS, DROP, ATTACK, "flags that TCP never sends together: SYN with FIN or RST, FIN with RST, or none")  \
	X(BAD_OPTIONS, DROP, ATTACK, "SYN with an option of an illegal length")                                        \
	X(IMPOSSIBLE_ADDRESS, DROP, ATTACK,                                                                            \
	  "SYN from or to broadcast, multicast, loopback, an IPv4 address in IPv6, or from its own destination")       \
	X(MONITORED, PASS, NORMAL,                                                                                     \
	  "packet that policy always would have answered or dropped, passed: its service is only monitored")           \
	X(DENIED, DROP, ATTACK, "packet from a source that `synkeep deny` names, of no connection that is there")      \
	X(DENY_MONITORED, NOTE, ATTACK, "packet from a source that is denied with --monitor: it goes its way")         \
	/* xdp_ingress: SYNs */                                                                                        \
	X(SYN_COOKIE, TX, NORMAL, "SYN answered with a cookie")                                                        \
	X(SYN_OFF, PASS, NORMAL, "SYN passed: the service's policy is off")                                            \
	X(SYN_CALM, PASS, NORMAL, "SYN passed: the service's policy is auto, and it is calm")                          \
	X(SYN_DRAINING, PASS, NORMAL, "SYN passed: the shield is being unloaded")                                      \
	X(SYN_LIVE, PASS, NORMAL, "SYN on a tuple that is live or in TIME-WAIT: its owner decides")                    \
	X(SYN_NO_LISTENER, PASS, TROUBLE, "SYN passed: nothing listens there")                                         \
	X(SYN_KERNEL_COOKIE, TX, NORMAL, "SYN answered with a cookie of the kernel's own")                             \
	X(SYN_NO_COOKIE, PASS, TROUBLE,                                                                                \
	  "SYN passed: the kernel makes no cookie while this listener's queues have room, or its accept queue none")   \
	X(SYN_SYSCTL, PASS, TROUBLE, "SYN passed: net.ipv4.tcp_syncookies is 0, which forbids every handover")         \
	X(SYN_UNANSWERED, PASS, NORMAL, "SYN passed: loaded with --handover pass")                                     \
	X(SYN_SMALL_MSS, PASS, NORMAL, "SYN passed: its MSS is below what a cookie can keep")                          \
	X(SYN_SIGNED, PASS, NORMAL, "SYN passed: it is signed (MD5 or AO), which only the socket can check")           \
	X(SYN_SIGNED_REFUSED, DROP, TROUBLE,                                                                           \
	  "SYN dropped: it is signed (MD5 or AO); md5=pass behind the service passes such SYNs")                       \
	X(SYN_QUEUE_FULL, DROP, TROUBLE, "SYN dropped, as the kernel would: the accept queue of its listener is full") \
	X(SYN_NO_ROOM, DROP, TROUBLE,                                                                                  \
	  "SYN, or segment in TIME-WAIT, dropped: the frame could not be made into an answer")                         \
	/* xdp_ingress: segments */                                                                                    \
	X(SEGMENT, PASS, NORMAL, "segment of a flow, in order or repeated")                                            \
	X(OUT_OF_WINDOW, PASS, NORMAL, "segment of a flow outside its window, or an old one: the socket is the judge") \
	X(CHALLENGED, PASS, NORMAL, "SYN or inexact RST on a flow: the socket challenges it (RFC 5961)")               \
	X(BAD_ACK, PASS, NORMAL, "segment of a flow that acknowledges what was never sent")                            \
	X(NO_ACK_BIT, PASS, NORMAL, "segment of a flow without ACK, SYN or RST")                                       \
	X(HALF_OPEN_ACK, PASS, NORMAL, "handshake that the owner answered itself is complete")                         \
	X(HALF_OPEN_SEGMENT, PASS, NORMAL, "segment of a handshake under way that does not complete it")               \
	X(TIME_WAIT_SEGMENT, PASS, NORMAL, "segment of a connection in TIME-WAIT")                                     \
	X(SYN_ACK, PASS, NORMAL, "SYN-ACK that completes a handshake that this host began")                            \
	X(PROBE_ANSWER, DROP, NORMAL,                                                                                  \
	  "answer to a keepalive probe of Synkeep's: the socket did not ask, and need not see it")                     \
	/* xdp_ingress: ACKs without a flow */                                                                         \
	X(COOKIE_ACK, PASS, NORMAL, "right cookie: the source is verified and a flow made")                            \
	X(KERNEL_COOKIE_ACK, PASS, NORMAL, "right cookie of the kernel's own: the source is verified")                 \
	X(COOKIE_REPLAY, DROP, ATTACK, "cookie of a connection that has ended")                                        \
	X(ADOPTED, PASS, NORMAL, "connection met in mid-life: its record was made from the socket")                    \
	X(SOCKET, PASS, NORMAL, "segment for a socket that has no record: handshake under way, or TIME-WAIT")          \
	X(SOCKET_NO_ROOM, PASS, NORMAL, "segment of a connection that has no record: the flow table is full")          \
	X(ENDED_SEGMENT, PASS, NORMAL, "segment of a connection that this host has reset: it is reset again")          \
	X(STRANGER, PASS, NORMAL, "segment without a flow, passed to the kernel within the budget")                    \
	X(NO_SOCKET, PASS, NORMAL, "segment without a flow where nothing listens: reset, or forwarded elsewhere")      \
	X(NO_FLOW, DROP, ATTACK, "segment for a listener without a flow or a right cookie")                            \
	/* xdp_ingress: services and connections of the daemon's; redirected in the order of enum daemon_frame */      \
	X(DAEMON_SEGMENT, REDIRECT, NORMAL, "segment of a connection of the daemon's: its TCP is the judge")           \
	X(DAEMON_SYN, REDIRECT, NORMAL, "SYN for the daemon to answer: by its policy, or its tuple is live")           \
	X(DAEMON_COOKIE_ACK, REDIRECT, NORMAL,                                                                         \
	  "right cookie for a service of the daemon's: the source is verified and a flow made")                        \
	X(DAEMON_STRANGER, REDIRECT, NORMAL,                                                                           \
	  "segment without a record for a service with policy off: a young connection's, or it is reset")              \
	X(DAEMON_SYN_AGAIN, REDIRECT, NORMAL,                                                                          \
	  "SYN for the daemon that may begin anew behind a connection in TIME-WAIT")                                   \
	X(DAEMON_ICMP, REDIRECT, NORMAL, "ICMP error about a segment that the daemon sent")                            \
	X(DAEMON_GONE, DROP, TROUBLE, "packet for the daemon, but none serves this receive queue: `synkeep run` does") \
	X(DAEMON_GONE_REFUSED, TX, TROUBLE,                                                                            \
	  "SYN refused: no daemon serves this receive queue, and the service says gone=refuse")                        \
	X(DAEMON_FRAGMENT, DROP, ATTACK, "fragment for the daemon, which reassembles none")                            \
	X(DAEMON_FRAME_TOO_LARGE, DROP, TROUBLE,                                                                       \
	  "frame for the daemon that is longer than its buffers: the device's MTU is too great")                       \
	X(DAEMON_NO_METADATA, DROP, TROUBLE, "packet for the daemon, but the driver has no room to say what it is")    \
	X(DAEMON_NO_ROOM, DROP, TROUBLE,                                                                               \
	  "right cookie for a service of the daemon's, but the flow table is full: it needs a record")                 \
	X(TIME_WAIT_ACK, TX, NORMAL, "segment of a daemon's connection in TIME-WAIT, acknowledged in its place")       \
	X(TIME_WAIT_SILENT, DROP, NORMAL,                                                                              \
	  "segment of the same that asks for no answer: two ends would go on for ever")                                \
	X(TIME_WAIT_RST, DROP, NORMAL, "RST on the same: it does not end TIME-WAIT (RFC 1337)")                        \
	X(TIME_WAIT_NO_TIMESTAMP, DROP, NORMAL, "segment of the same without the timestamp agreed on (RFC 7323, 3.2)") \
	/* tc_ingress */                                                                                               \
	X(HANDOVER, NOTE, NORMAL, "connection handed to the listening socket")                                         \
	X(HANDOVER_AGAIN, NOTE, NORMAL, "packet sent behind the one that makes its connection, to come back")          \
	X(HANDOVER_LOST, NOTE, TROUBLE,                                                                                \
	  "handed-over connection that the listener never got: dropped by the firewall, or its accept queue "          \
	  "overflowed")                                                                                                \
	X(HANDOVER_STALE, PASS, NORMAL,                                                                                \
	  "cookie gone stale while the accept queue was full: the kernel resets the peer")                             \
	X(HANDOVER_EARLY, DROP, NORMAL,                                                                                \
	  "segment that came before the one that makes the connection: it will be repeated")                           \
	X(HANDOVER_NO_LISTENER, PASS, TROUBLE, "listener gone between SYN and ACK: the kernel resets the peer")        \
	X(HANDOVER_REFUSED, DROP, TROUBLE, "the kernel refused a handover: the peer will repeat")                      \
	/* tc_egress */                                                                                                \
	X(OWN_SEGMENT, PASS, NORMAL, "segment that this host sent on a flow")                                          \
	X(OWN_SYN_ACK, PASS, NORMAL, "SYN-ACK that the owner sent itself")                                             \
	X(OWN_ADOPTED, PASS, NORMAL, "own segment of a connection met in mid-life: its record was made")               \
	X(OWN_UNTRACKED, PASS, NORMAL, "own segment without a flow: a reset, a challenge, TIME-WAIT, table full")      \
	X(OWN_SYN, PASS, NORMAL, "SYN that this host sent: it opens a connection")                                     \
	/* records */                                                                                                  \
	X(FLOWS_FULL, NOTE, TROUBLE, "connection without a record: the flow table is full; it works all the same")     \
	X(FLOW_CLOSED, NOTE, NORMAL, "connection that both ends closed")                                               \
	X(FLOW_RESET, NOTE, NORMAL, "connection that either end reset")                                                \
	X(FLOW_PROBE_RESET, NOTE, NORMAL,                                                                              \
	  "connection whose peer reset it when a keepalive probe asked: it has rebooted")                              \
	X(FLOW_EXPIRED, NOTE, NORMAL, "flow whose time was over, slot taken back")                                     \
	X(FLOW_REPLACED, NOTE, NORMAL, "stale flow replaced by a new connection on the same tuple")                    \
	X(ENDED_EVICTED, NOTE, TROUBLE,                                                                                \
	  "ended connection whose record made room for another before its time: a larger --flows keeps it")            \
	X(PROBE_ANSWERED, NOTE, NORMAL, "peer that was asked by a keepalive probe showed that it lives")               \
	X(PROBE_REFUSED, NOTE, NORMAL, "ICMP error that answered a keepalive probe: nobody is there")                  \
	X(WATCH_LOST, NOTE, NORMAL, "event that a watcher of `synkeep flows --watch` was too slow to take")

enum verdict {
#define X(id, action, severity, sentence) V_##id,
	VERDICTS(X)
#undef X
		VERDICT_COUNT
};

/* Of each verdict, per CPU. */
struct verdict_counter {
	__u64 packets;
	__u64 bytes; /* of frames, of those that are none of ours as far as their first buffer goes; 0 for notes */
};

static __always_inline enum verdict_action verdict_action(enum verdict verdict)
{
	static const __u8 actions[] = {
#define X(id, action, severity, sentence) VERDICT_##action,
		VERDICTS(X)
#undef X
	};
	return (enum verdict_action)(verdict < VERDICT_COUNT ? actions[verdict] : VERDICT_PASS);
}

#ifndef __bpf__
struct verdict_info {
	const char *name;
	enum verdict_action action;
	enum verdict_severity severity;
	const char *sentence;
};

static inline const struct verdict_info *verdict_info(enum verdict verdict)
{
	static const struct verdict_info infos[] = {
#define X(id, action, severity, sentence) { #id, VERDICT_##action, VERDICT_##severity, sentence },
		VERDICTS(X)
#undef X
	};
	return verdict < VERDICT_COUNT ? &infos[verdict] : NULL;
}
#endif

#endif /* SYNKEEP_VERDICT_H */
