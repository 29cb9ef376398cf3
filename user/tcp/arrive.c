// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* SEGMENT ARRIVES (RFC 9293, 3.10.7): from the frame to the part that the state asks for. */
#include "tcp/arrive.h"

#include "tcp/path_mtu.h"
#include "tcp/record.h"
#include "tcp/time_wait.h"

static enum tcp_verdict arrive_time_wait(struct tcp *tcp, struct time_wait *tw, struct arrival *a)
{
	__u32 iss = 0;
	enum tcp_verdict verdict = time_wait_arrives(tcp, tw, a, &iss);

	if (verdict != TCPV_TIME_WAIT_REUSED)
		return verdict;
	verdict = arrive_listen(tcp, a, iss);
	if (verdict == TCPV_SYN_RECEIVED)
		return TCPV_TIME_WAIT_REUSED;
	record_none(tcp, &a->packet.tuple); /* nothing came after it */
	return verdict;
}

static enum tcp_verdict arrive(struct tcp *tcp, struct arrival *a)
{
	struct endpoint *endpoint = endpoints_find(&tcp->endpoints, &a->packet.tuple);
	struct tcb *tcb = (struct tcb *)endpoint;

	if (!endpoint)
		return arrive_listen(tcp, a, 0);
	if (endpoint->is_time_wait)
		return arrive_time_wait(tcp, (struct time_wait *)endpoint, a);
	tcb->rcv_packets++;
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
