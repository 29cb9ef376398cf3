// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* SEGMENT ARRIVES (RFC 9293, 3.10.7): from the frame to the part that the state asks for. */
#include "tcp/arrive.h"

#include "tcp/path_mtu.h"
#include "tcp/time_wait.h"

/* A SYN that may begin anew behind a connection in TIME-WAIT, whose numbers ended at snd_nxt. */
static enum tcp_verdict arrive_again(struct tcp *tcp, struct arrival *a, __u32 snd_nxt)
{
	enum tcp_verdict verdict = arrive_listen(tcp, a, time_wait_iss(tcp, &a->packet.tuple, snd_nxt));

	return verdict == TCPV_SYN_RECEIVED ? TCPV_TIME_WAIT_REUSED : verdict;
}

static enum tcp_verdict arrive_time_wait(struct tcp *tcp, struct time_wait *tw, struct arrival *a)
{
	enum tcp_verdict verdict = time_wait_arrives(tcp, tw, a);
	__u32 snd_nxt = tw->snd_nxt;

	if (verdict != TCPV_TIME_WAIT_REUSED)
		return verdict;
	time_wait_end(tcp, tw);
	return arrive_again(tcp, a, snd_nxt);
}

static enum tcp_verdict arrive(struct tcp *tcp, struct arrival *a)
{
	struct endpoint *endpoint = endpoints_find(&tcp->endpoints, &a->packet.tuple);
	struct tcb *tcb = (struct tcb *)endpoint;

	if (!endpoint && a->hint->kind == DAEMON_SYN_AGAIN)
		return arrive_again(tcp, a, a->hint->snd_nxt);
	if (!endpoint)
		return arrive_listen(tcp, a, 0);
	if (endpoint->is_time_wait)
		return arrive_time_wait(tcp, (struct time_wait *)endpoint, a);
	tcb->rcv_packets++;
	tcb->rcv_bytes += a->packet.segment.packet_bytes;
	return tcb->state == TCPS_SYN_SENT ? arrive_syn_sent(tcb, a) : arrive_checks(tcb, a);
}

enum tcp_verdict tcp_input(struct tcp *tcp, const struct daemon_hint *hint, const void *frame, __u32 bytes, __u32 path,
			   __u64 now_ns)
{
	struct arrival a;
	enum tcp_verdict verdict;

	tcp->now_ns = now_ns;
	if (hint->kind == DAEMON_ICMP) {
		verdict = path_mtu_icmp_arrives(tcp, frame, bytes);
	} else {
		a.path = path;
		a.hint = hint;
		verdict = arrival_parse(&a, frame, bytes);
		if (verdict == TCPV_TAKEN)
			verdict = arrive(tcp, &a);
	}
	tcp->counters.verdicts[verdict]++;
	return verdict;
}
