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

/*
 * The ledger: what comes from unverified sources, and what leaves for them, so that it can be seen that the host makes
 * no flood of another one bigger. Verified is who has shown that it is where its packets say: by a right cookie, or by
 * the last ACK of a handshake. What is dropped before anybody asks who sent it counts as unverified.
 */
enum verdict_ledger {
	LEDGER_NONE,	 /* no packet, one that a verdict before has counted, or none of a service's */
	LEDGER_VERIFIED, /* of a verified peer, or to one */
	LEDGER_IN,	 /* from an unverified source */
	LEDGER_OUT,	 /* to one */
};

/* X(identifier, action, ledger, severity, sentence). New ones go at the end of their group. */
#define VERDICTS(X)                                                                                                    \
	/* xdp_ingress: what is not ours */                                                                            \
	X(OTHER, PASS, NONE, NORMAL, "not TCP over Ethernet and IP")                                                   \
	X(NO_SERVICE, PASS, NONE, NORMAL, "TCP for an address and port that no service names")                         \
	X(TRANSIT, PASS, NONE, NORMAL,                                                                                 \
	  "TCP for a wildcard service, but for an address that this host only forwards to")                            \
	X(FRAGMENT, PASS, IN, NORMAL, "fragment that may be for a service: the kernel reassembles it")                 \
	X(NOT_UNDERSTOOD, PASS, IN, NORMAL,                                                                            \
	  "SYN behind a source route or AH, which only its owner can answer, or headers that may hide one")            \
	X(UNVERIFIED_OVER_BUDGET, DROP, IN, ATTACK, "unverified packet beyond what may be passed in a second")         \
	X(MALFORMED, DROP, IN, ATTACK, "TCP header that contradicts itself or the packet's length")                    \
	X(BAD_FLAGS, DROP, IN, ATTACK,                                                                                 \
	  "flags that TCP never sends together: SYN with FIN or RST, FIN with RST, or none")                           \
	X(BAD_OPTIONS, DROP, IN, ATTACK, "SYN with an option of an illegal length")                                    \
	X(IMPOSSIBLE_ADDRESS, DROP, IN, ATTACK,                                                                        \
	  "SYN from or to broadcast, multicast, loopback, an IPv4 address in IPv6, or from its own destination")       \
	X(MONITORED, PASS, IN, NORMAL,                                                                                 \
	  "packet that policy always would have answered or dropped, passed: its service is only monitored")           \
	X(DENIED, DROP, IN, ATTACK, "packet from a source that `synkeep deny` names, of no connection that is there")  \
	X(DENY_MONITORED, NOTE, NONE, ATTACK, "packet from a source that is denied with --monitor: it goes its way")   \
	/* xdp_ingress: SYNs */                                                                                        \
	X(SYN_COOKIE, TX, IN, NORMAL, "SYN answered with a cookie")                                                    \
	X(SYN_OFF, PASS, IN, NORMAL, "SYN passed: the service's policy is off")                                        \
	X(SYN_CALM, PASS, IN, NORMAL, "SYN passed: the service's policy is auto, and it is calm")                      \
	X(SYN_DRAINING, PASS, IN, NORMAL, "SYN passed: the shield is being unloaded")                                  \
	X(SYN_LIVE, PASS, IN, NORMAL, "SYN on a tuple that is live or in TIME-WAIT: its owner decides")                \
	X(SYN_NO_LISTENER, PASS, IN, TROUBLE, "SYN passed: nothing listens there")                                     \
	X(SYN_KERNEL_COOKIE, TX, IN, NORMAL, "SYN answered with a cookie of the kernel's own")                         \
	X(SYN_NO_COOKIE, PASS, IN, TROUBLE,                                                                            \
	  "SYN passed: the kernel makes no cookie while this listener's queues have room, or its accept queue none")   \
	X(SYN_SYSCTL, PASS, IN, TROUBLE, "SYN passed: net.ipv4.tcp_syncookies is 0, which forbids every handover")     \
	X(SYN_UNANSWERED, PASS, IN, NORMAL, "SYN passed: loaded with --handover pass")                                 \
	X(SYN_SIGNED, PASS, IN, NORMAL, "SYN passed: it is signed (MD5 or AO), which only the socket can check")       \
	X(SYN_SIGNED_REFUSED, DROP, IN, TROUBLE,                                                                       \
	  "SYN dropped: it is signed (MD5 or AO); md5=pass behind the service passes such SYNs")                       \
	X(SYN_QUEUE_FULL, DROP, IN, TROUBLE,                                                                           \
	  "SYN dropped, as the kernel would: the accept queue of its listener is full")                                \
	X(SYN_SOURCE_RATE, DROP, IN, ATTACK,                                                                           \
	  "SYN dropped: its source has made as many connections as it may in a second (new=)")                         \
	X(SYN_SOURCE_OPEN, DROP, IN, ATTACK, "SYN dropped: its source has as many connections as it may have (open=)") \
	X(SYN_NO_ROOM, DROP, IN, TROUBLE,                                                                              \
	  "SYN, or segment in TIME-WAIT, dropped: the frame could not be made into an answer")                         \
	X(SYN_PREFIX_OVER_BUDGET, DROP, IN, ATTACK,                                                                    \
	  "SYN not answered: its source's prefix, /24 or /48, has had all the answers that it may get in a second")    \
	X(SYN_ANSWER, NOTE, OUT, NORMAL, "answer that a SYN got here: a cookie, or a reset")                           \
	/* xdp_ingress: segments */                                                                                    \
	X(SEGMENT, PASS, VERIFIED, NORMAL, "segment of a flow, in order or repeated")                                  \
	X(OUT_OF_WINDOW, PASS, VERIFIED, NORMAL,                                                                       \
	  "segment of a flow outside its window, or an old one: the socket is the judge")                              \
	X(CHALLENGED, PASS, VERIFIED, NORMAL, "SYN or inexact RST on a flow: the socket challenges it (RFC 5961)")     \
	X(BAD_ACK, PASS, VERIFIED, NORMAL, "segment of a flow that acknowledges what was never sent")                  \
	X(NO_ACK_BIT, PASS, VERIFIED, NORMAL, "segment of a flow without ACK, SYN or RST")                             \
	X(HALF_OPEN_ACK, PASS, VERIFIED, NORMAL, "handshake that the owner answered itself is complete")               \
	X(HALF_OPEN_SEGMENT, PASS, IN, NORMAL, "segment of a handshake under way that does not complete it")           \
	X(TIME_WAIT_SEGMENT, PASS, VERIFIED, NORMAL, "segment of a connection in TIME-WAIT")                           \
	X(SYN_ACK, PASS, VERIFIED, NORMAL, "SYN-ACK that completes a handshake that this host began")                  \
	X(PROBE_ANSWER, DROP, VERIFIED, NORMAL,                                                                        \
	  "answer to a keepalive probe of Synkeep's: the socket did not ask, and need not see it")                     \
	/* xdp_ingress: ACKs without a flow */                                                                         \
	X(COOKIE_ACK, PASS, VERIFIED, NORMAL, "right cookie: the source is verified and a flow made")                  \
	X(KERNEL_COOKIE_ACK, PASS, VERIFIED, NORMAL, "right cookie of the kernel's own: the source is verified")       \
	X(COOKIE_REPLAY, DROP, IN, ATTACK, "cookie of a connection that has ended")                                    \
	X(ADOPTED, PASS, VERIFIED, NORMAL, "connection met in mid-life: its record was made from the socket")          \
	X(SOCKET, PASS, IN, NORMAL, "segment for a socket that has no record: handshake under way, or TIME-WAIT")      \
	X(SOCKET_NO_ROOM, PASS, VERIFIED, NORMAL,                                                                      \
	  "segment of a connection that has no record: the flow table is full")                                        \
	X(ENDED_SEGMENT, PASS, IN, NORMAL, "segment of a connection that this host has reset: it is reset again")      \
	X(STRANGER, PASS, IN, NORMAL, "segment without a flow, passed to the kernel within the budget")                \
	X(NO_SOCKET, PASS, IN, NORMAL, "segment without a flow where nothing listens: reset, or forwarded elsewhere")  \
	X(SOURCE_RATE, DROP, VERIFIED, ATTACK,                                                                         \
	  "handshake not completed: its source has made as many connections as it may in a second (new=)")             \
	X(SOURCE_OPEN, DROP, VERIFIED, ATTACK,                                                                         \
	  "handshake not completed: its source has as many connections as it may have (open=)")                        \
	X(NO_FLOW, DROP, IN, ATTACK, "segment for a listener without a flow or a right cookie")                        \
	/* xdp_ingress: services and connections of the daemon's; redirected in the order of enum daemon_frame */      \
	X(DAEMON_SEGMENT, REDIRECT, VERIFIED, NORMAL, "segment of a connection of the daemon's: its TCP is the judge") \
	X(DAEMON_SYN, REDIRECT, IN, NORMAL, "SYN for the daemon to answer: by its policy, or its tuple is live")       \
	X(DAEMON_COOKIE_ACK, REDIRECT, VERIFIED, NORMAL,                                                               \
	  "right cookie for a service of the daemon's: the source is verified and a flow made")                        \
	X(DAEMON_STRANGER, REDIRECT, IN, NORMAL,                                                                       \
	  "segment without a record for a service that is calm or off: a young connection's, or it is reset")          \
	X(DAEMON_SYN_AGAIN, REDIRECT, IN, NORMAL,                                                                      \
	  "SYN for the daemon that may begin anew behind a connection in TIME-WAIT")                                   \
	X(DAEMON_ICMP, REDIRECT, NONE, NORMAL, "ICMP error about a segment that the daemon sent")                      \
	X(DAEMON_UNVERIFIED, REDIRECT, IN, NORMAL,                                                                     \
	  "segment of a handshake with the daemon, or of a connection that it has ended: its TCP is the judge")        \
	X(DAEMON_GONE, DROP, IN, TROUBLE,                                                                              \
	  "packet for the daemon, but none serves this receive queue: `synkeep run` does")                             \
	X(DAEMON_GONE_REFUSED, TX, IN, TROUBLE,                                                                        \
	  "SYN refused: no daemon serves this receive queue, and the service says gone=refuse")                        \
	X(DAEMON_FRAGMENT, DROP, IN, ATTACK, "fragment for the daemon, which reassembles none")                        \
	X(DAEMON_FRAME_TOO_LARGE, DROP, IN, TROUBLE,                                                                   \
	  "frame for the daemon that is longer than its buffers: the device's MTU is too great")                       \
	X(DAEMON_NO_METADATA, DROP, IN, TROUBLE,                                                                       \
	  "packet for the daemon, but the driver has no room to say what it is")                                       \
	X(DAEMON_NO_ROOM, DROP, VERIFIED, TROUBLE,                                                                     \
	  "right cookie for a service of the daemon's, but the flow table is full: it needs a record")                 \
	X(TIME_WAIT_ACK, TX, VERIFIED, NORMAL,                                                                         \
	  "segment of a daemon's connection in TIME-WAIT, acknowledged in its place")                                  \
	X(TIME_WAIT_SILENT, DROP, VERIFIED, NORMAL,                                                                    \
	  "segment of the same that asks for no answer: two ends would go on for ever")                                \
	X(TIME_WAIT_RST, DROP, VERIFIED, NORMAL, "RST on the same: it does not end TIME-WAIT (RFC 1337)")              \
	X(TIME_WAIT_NO_TIMESTAMP, DROP, VERIFIED, NORMAL,                                                              \
	  "segment of the same without the timestamp agreed on (RFC 7323, 3.2)")                                       \
	/* tc_ingress */                                                                                               \
	X(HANDOVER, NOTE, NONE, NORMAL, "connection handed to the listening socket")                                   \
	X(HANDOVER_AGAIN, NOTE, NONE, NORMAL, "packet sent behind the one that makes its connection, to come back")    \
	X(HANDOVER_LOST, NOTE, NONE, TROUBLE,                                                                          \
	  "handed-over connection that the listener never got: dropped by the firewall, or its accept queue "          \
	  "overflowed")                                                                                                \
	X(HANDOVER_STALE, PASS, NONE, NORMAL,                                                                          \
	  "cookie gone stale while the accept queue was full: the kernel resets the peer")                             \
	X(HANDOVER_EARLY, DROP, NONE, NORMAL,                                                                          \
	  "segment that came before the one that makes the connection: it will be repeated")                           \
	X(HANDOVER_NO_LISTENER, PASS, NONE, TROUBLE, "listener gone between SYN and ACK: the kernel resets the peer")  \
	X(HANDOVER_REFUSED, DROP, NONE, TROUBLE, "the kernel refused a handover: the peer will repeat")                \
	/* tc_egress */                                                                                                \
	X(OWN_SEGMENT, PASS, VERIFIED, NORMAL, "segment that this host sent on a flow")                                \
	X(OWN_SYN_ACK, PASS, OUT, NORMAL, "SYN-ACK that the owner sent itself")                                        \
	X(OWN_ADOPTED, PASS, VERIFIED, NORMAL, "own segment of a connection met in mid-life: its record was made")     \
	X(OWN_UNTRACKED, PASS, VERIFIED, NORMAL, "own segment without a flow: TIME-WAIT, table full, or no service")   \
	X(OWN_SYN, PASS, NONE, NORMAL, "SYN that this host sent: it opens a connection")                               \
	X(OWN_ANSWER, PASS, OUT, NORMAL, "own answer to nobody's segment: a reset, or a challenge in a handshake")     \
	/* records */                                                                                                  \
	X(FLOWS_FULL, NOTE, NONE, TROUBLE,                                                                             \
	  "connection without a record: the flow table is full; it works all the same")                                \
	X(FLOWS_SHARE, NOTE, NONE, TROUBLE,                                                                            \
	  "connection that found its service's share of the flow table used up; the kernel's work without a record")   \
	X(SOURCE_MONITORED, NOTE, NONE, ATTACK,                                                                        \
	  "connection beyond what its source may have, which limits=monitor lets pass")                                \
	X(FLOW_CLOSED, NOTE, NONE, NORMAL, "connection that both ends closed")                                         \
	X(FLOW_RESET, NOTE, NONE, NORMAL, "connection that either end reset")                                          \
	X(FLOW_PROBE_RESET, NOTE, NONE, NORMAL,                                                                        \
	  "connection whose peer reset it when a keepalive probe asked: it has rebooted")                              \
	X(FLOW_EXPIRED, NOTE, NONE, NORMAL, "flow whose time was over, slot taken back")                               \
	X(FLOW_REPLACED, NOTE, NONE, NORMAL, "stale flow replaced by a new connection on the same tuple")              \
	X(ENDED_EVICTED, NOTE, NONE, TROUBLE,                                                                          \
	  "ended connection whose record made room for another before its time: a larger --flows keeps it")            \
	X(PROBE_ANSWERED, NOTE, NONE, NORMAL, "peer that was asked by a keepalive probe showed that it lives")         \
	X(PROBE_REFUSED, NOTE, NONE, NORMAL, "ICMP error that answered a keepalive probe: nobody is there")            \
	X(WATCH_LOST, NOTE, NONE, NORMAL, "event that a watcher of `synkeep flows --watch` was too slow to take")

enum verdict {
#define X(id, action, ledger, severity, sentence) V_##id,
	VERDICTS(X)
#undef X
		VERDICT_COUNT
};

/* Of each verdict, per CPU. */
struct verdict_counter {
	__u64 packets;
	__u64 bytes; /* of frames, of those that are none of ours as far as their first buffer goes; see verdict_bytes()
		      */
};

/*
 * What a frame counts: without its checksum, and no less than what Ethernet puts on the wire. A veth or a tc hook shows
 * short frames without their padding, a NIC those that it receives with it.
 */
#define ETH_MIN_FRAME_BYTES 60

static __always_inline __u32 verdict_bytes(__u32 frame_bytes)
{
	return frame_bytes > ETH_MIN_FRAME_BYTES ? frame_bytes : ETH_MIN_FRAME_BYTES;
}

static __always_inline enum verdict_action verdict_action(enum verdict verdict)
{
	static const __u8 actions[] = {
#define X(id, action, ledger, severity, sentence) VERDICT_##action,
		VERDICTS(X)
#undef X
	};
	return (enum verdict_action)(verdict < VERDICT_COUNT ? actions[verdict] : VERDICT_PASS);
}

static __always_inline enum verdict_ledger verdict_ledger(enum verdict verdict)
{
	static const __u8 ledgers[] = {
#define X(id, action, ledger, severity, sentence) LEDGER_##ledger,
		VERDICTS(X)
#undef X
	};
	return (enum verdict_ledger)(verdict < VERDICT_COUNT ? ledgers[verdict] : LEDGER_NONE);
}

#ifndef __bpf__
struct verdict_info {
	const char *name;
	enum verdict_action action;
	enum verdict_ledger ledger;
	enum verdict_severity severity;
	const char *sentence;
};

static inline const struct verdict_info *verdict_info(enum verdict verdict)
{
	static const struct verdict_info infos[] = {
#define X(id, action, ledger, severity, sentence)                                                                      \
	{ #id, VERDICT_##action, LEDGER_##ledger, VERDICT_##severity, sentence },
		VERDICTS(X)
#undef X
	};
	return verdict < VERDICT_COUNT ? &infos[verdict] : NULL;
}
#endif

#endif /* SYNKEEP_VERDICT_H */
