// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Departs from RFC 9293, 3.9.2.2 (SHLD-26), with RFC 5461: hard errors end a connection only before it stands. Behind
 * that they are soft, for anybody on the path can send them. Where the peer's own host says of a keepalive probe that
 * nobody is there, the connection is over all the same: a forger would have to hit one number of 2^32, at that time.
 */
#include "tcp/path_mtu.h"

#include <errno.h>

#include "icmp.h"
#include "tcp/inet_checksum.h"

#define MTU_MIN_IPV4 552	 /* what is less is no link's but an attacker's (RFC 5927, 7.3) */
#define MTU_MIN_IPV6 1280	 /* RFC 8200, 5 */
#define BLACK_HOLE_TIMEOUTS 3	 /* of the same segment, before a smaller one is tried */
#define BLACK_HOLE_MTU_IPV4 1064 /* text of 1024; the next is the minimum */

/* RFC 1191, 7.1: what to try where a router does not say, the next below the packet that was too big. */
static __u32 plateau_below(__u32 mtu)
{
	static const __u16 plateaus[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006, MTU_MIN_IPV4 };

	for (size_t i = 0; i < ARRAY_LEN(plateaus); i++) {
		if (plateaus[i] < mtu)
			return plateaus[i];
	}
	return MTU_MIN_IPV4;
}

static __u32 mtu_min(const struct tcb *tcb)
{
	return tcb->endpoint.tuple.family == FAMILY_IPV6 ? MTU_MIN_IPV6 : MTU_MIN_IPV4;
}

/* What is in flight goes again, in smaller pieces: it was not congestion that lost it (RFC 1191, 6.5). */
static void shrink(struct tcb *tcb, __u32 mtu)
{
	if (mtu < mtu_min(tcb))
		mtu = mtu_min(tcb);
	if (mtu >= tcb->mtu)
		return;
	tcb_set_mtu(tcb, mtu);
	sent_time_out(&tcb->sent);
	tcb_touch(tcb);
}

void path_mtu_suspect_black_hole(struct tcb *tcb)
{
	const struct sent_segment *first = sent_first(&tcb->sent);
	__u32 headers = tcb->mtu > tcb->snd_mss ? tcb->mtu - tcb->snd_mss : 0;

	if (!first || tcb->retransmissions < BLACK_HOLE_TIMEOUTS || tcb->retransmissions % BLACK_HOLE_TIMEOUTS ||
	    first->end - first->seq + headers <= mtu_min(tcb))
		return;
	shrink(tcb, tcb->mtu > BLACK_HOLE_MTU_IPV4 ? BLACK_HOLE_MTU_IPV4 : MTU_MIN_IPV4);
}

static int error_of(enum icmp_error_kind kind)
{
	return kind == ICMP_ERROR_HARD ? -ECONNREFUSED : -EHOSTUNREACH;
}

/* MUST-47, MUST-56: the application hears of it, and the connection goes on. */
static void advise(struct tcb *tcb, int error)
{
	tcb->error_number = (__u8)-error;
	tcb->flags |= TCB_TELL_ADVICE;
	tcb_touch(tcb);
}

static void refuse(struct tcb *tcb)
{
	tcb_step(tcb, TCPE_TIMEOUT);
	tcb_finish(tcb, -ECONNREFUSED);
}

/* 3.8.4: it stands before what is in flight, where nothing is, and takes no number. */
static bool is_about_keepalive(const struct tcb *tcb, const struct icmp_error *e)
{
	return tcb->keepalive_unanswered && tcb->snd_una == tcb->snd_nxt && e->seq == tcb->snd_nxt - 1;
}

/* No link's packets are too small for it. */
static enum tcp_verdict take_error_of_keepalive(struct tcb *tcb, const struct icmp_error *e)
{
	if (e->kind != ICMP_ERROR_HARD && e->kind != ICMP_ERROR_SOFT)
		return TCPV_ICMP_IGNORED;
	if (e->is_refusal) {
		tcb->origin->tcp->counters.keepalives_refused++;
		refuse(tcb);
	} else {
		advise(tcb, error_of(e->kind));
	}
	return TCPV_ICMP_TAKEN;
}

static enum tcp_verdict take_error(struct tcb *tcb, const struct icmp_error *e)
{
	if (is_about_keepalive(tcb, e))
		return take_error_of_keepalive(tcb, e);
	/* RFC 5927, 4.1: only what is about a segment that is in flight can be true */
	if (tcb->snd_una == tcb->snd_nxt || seq_before(e->seq, tcb->snd_una) || !seq_before(e->seq, tcb->snd_nxt))
		return TCPV_ICMP_IGNORED;
	switch (e->kind) {
	case ICMP_ERROR_QUENCH: /* MUST-55 */
		return TCPV_ICMP_IGNORED;
	case ICMP_ERROR_TOO_BIG:
		shrink(tcb, e->mtu ? e->mtu : plateau_below(tcb->mtu));
		return TCPV_ICMP_TAKEN;
	case ICMP_ERROR_HARD:
		if (tcb->state != TCPS_SYN_SENT)
			break;
		refuse(tcb);
		return TCPV_ICMP_TAKEN;
	case ICMP_ERROR_SOFT:
		break;
	}
	advise(tcb, error_of(e->kind));
	return TCPV_ICMP_TAKEN;
}

/* ICMPv6's checksum has a pseudo-header like TCP's (RFC 4443, 2.3), with another protocol number. */
static bool checksum_is_right(const struct packet *p, const __u8 *frame)
{
	__u32 bytes = p->segment.packet_bytes - (p->tcp_offset - p->ip_offset);
	__u64 sum = 0;

	if (p->tuple.family == FAMILY_IPV6)
		sum = inet_checksum_pseudo(&p->tuple, bytes, IPPROTO_ICMPV6);
	return inet_checksum(frame + p->tcp_offset, bytes, sum) == 0;
}

enum tcp_verdict path_mtu_icmp_arrives(struct tcp *tcp, const void *frame, __u32 bytes)
{
	const struct frame f = {
		.data = (void *)(uintptr_t)frame,
		.end = (__u8 *)(uintptr_t)frame + bytes,
		.direction = DIRECTION_RCV,
	};
	struct packet p = { 0 };
	struct icmp_error error;
	struct tcb *tcb;

	if (packet_parse(&p, &f) != PACKET_ICMP || p.ip_offset + p.segment.packet_bytes > bytes ||
	    p.ip_offset + p.segment.packet_bytes < p.tcp_offset || !icmp_parse(&p, &f, &error))
		return TCPV_MALFORMED;
	if (!checksum_is_right(&p, frame))
		return TCPV_BAD_CHECKSUM;
	tcb = tcb_find(tcp, &error.tuple);
	return tcb ? take_error(tcb, &error) : TCPV_ICMP_IGNORED;
}
