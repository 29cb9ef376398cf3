// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tcp_input(): a connection in any state, then segments, ICMP errors, calls of the application and time, as the input
 * has them. The segments' checksums are right, and their numbers lie near those that matter, or anywhere; frames may be
 * cut, and bytes of them changed.
 *
 * Whatever comes, nothing is read or written beyond its place (the sanitizers), the TCB stays sound, what leaves is
 * well-formed and no answer to a reset, and all memory is given back.
 */
#include <errno.h>
#include <netinet/in.h>

#include "addresses.h"
#include "fuzz.h"
#include "tcp/tcb.h"

#define MTU 1500
#define MSL_NS (30 * NSEC_PER_SEC)
#define ETH_BYTES 14
#define STEPS_MAX 64
#define BUFFER_MAX (1U << 17) /* that any settings here have; what is there stays when they shrink */
#define ROUNDS_MAX 1000

enum action {
	SEGMENT,
	SEGMENT_CUT,
	SEGMENT_CHANGED,
	ICMP,
	RAW,
	TIME,
	SEND,
	RECEIVE,
	SHUT_DOWN,
	CLOSE,
	ABORT,
	CHANGE,
	NO_FRAMES,
	ACTIONS
};

/* One step; numbers count from a place that `near` chooses. */
struct step {
	__u8 action;
	__u8 flags;
	__u8 near;
	__u8 option_bytes;
	__u16 window;
	__s16 seq_offset;
	__s16 ack_offset;
	__u16 bytes;
	__u16 urgent;
	__u8 kind; /* of the hint */
	__u8 tos;
	__u32 wild;
};

static struct fuzz {
	struct tuple tuple;
	struct memory_account account;
	struct tcp *tcp;
	struct tcb *tcb; /* while the application may use it */
	struct tcp_listener *listener;
	__u64 now_ns;
	bool no_frames, answers_reset;
	__u8 room[MTU + 4] __attribute__((aligned(4)));
	__u32 iss, irs; /* of the last SYNs, for the handshake */
} f;

/* --- the rim ------------------------------------------------------------------------------------------------------ */

static __u8 *give_frame(void *context, __u32 path, __u32 bytes)
{
	(void)context;
	must(path == 3 && bytes >= 40 && bytes <= MTU);
	return f.no_frames ? NULL : f.room;
}

static __u32 sum(__u32 sum, const __u8 *bytes, __u32 length)
{
	for (__u32 i = 0; i < length; i++) {
		sum += i & 1 ? bytes[i] : (__u32)bytes[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static __u16 tcp_checksum(const __u8 *ip, const __u8 *tcp, __u32 bytes, __u8 protocol)
{
	__u32 s = sum(protocol + bytes, tcp, bytes);

	return (__u16) ~(ip[0] >> 4 == 4 ? sum(s, ip + 12, 8) : sum(s, ip + 8, 32));
}

static __u32 ip_bytes(void)
{
	return f.tuple.family == FAMILY_IPV4 ? 20 : 40;
}

static void take_frame(void *context, __u32 bytes, bool to_unverified)
{
	const __u8 *tcp = f.room + ip_bytes();

	(void)context;
	(void)to_unverified;
	must(bytes >= ip_bytes() + 20 && bytes <= MTU);
	must(f.room[0] >> 4 == (f.tuple.family == FAMILY_IPV4 ? 4 : 6));
	must(tcp_checksum(f.room, tcp, bytes - ip_bytes(), IPPROTO_TCP) == 0);
	must((tcp[12] >> 4) >= 5 && (tcp[12] >> 4) * 4U <= bytes - ip_bytes());
	must(!(f.answers_reset && (tcp[13] & TCP_FLAG_RST)));
	if (tcp[13] & TCP_FLAG_SYN)
		f.iss = get_be32(tcp + 4);
}

static __u32 tell_mtu(void *context, __u32 path)
{
	(void)context;
	(void)path;
	return MTU;
}

static void take_report(void *context, const struct tuple *tuple, const struct tcp_record *record)
{
	(void)context;
	must(tuple->family == f.tuple.family);
	must(record->kind <= TCP_RECORD_NONE);
}

static void take_advice(void *context, __u32 path, bool reachable)
{
	(void)context;
	(void)path;
	(void)reachable;
}

/* Each event says something new, and an end is one. */
static void take_change(void *context, const struct flow_event *event)
{
	bool is_over = event->state == TCPS_CLOSED || event->state == TCPS_TIME_WAIT;

	(void)context;
	must(event->before < TCPS_COUNT && event->state < TCPS_COUNT && event->end < FLOW_END_COUNT);
	must(event->before != event->state);
	must(is_over == (event->end != FLOW_END_NONE));
	must(event->state != TCPS_LISTEN && event->before != TCPS_LISTEN);
}

/* --- the application ---------------------------------------------------------------------------------------------- */

static void on_accept(struct tcb *tcb)
{
	if (f.tcb && f.tcb != tcb)
		tcp_close(f.tcb); /* it is over and was not read to its end, and its tuple is in use again */
	f.tcb = tcb;
}

static void on_event(struct tcb *tcb)
{
	must(f.tcb == tcb);
}

static void on_closed(struct tcb *tcb, int error)
{
	must(f.tcb == tcb && error <= 0);
	f.tcb = NULL;
}

static void on_advise(struct tcb *tcb, int error)
{
	must(f.tcb == tcb && error < 0);
}

static const struct tcp_app app = {
	.name = "fuzz",
	.accept = on_accept,
	.readable = on_event,
	.writable = on_event,
	.closed = on_closed,
	.urgent = on_event,
	.advise = on_advise,
};

/* --- frames that come --------------------------------------------------------------------------------------------- */

static void put16(__u8 *at, __u32 value)
{
	at[0] = (__u8)(value >> 8);
	at[1] = (__u8)value;
}

static void put32(__u8 *at, __u32 value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static void put_ip(__u8 *frame, __u8 protocol, __u32 bytes, __u8 tos)
{
	__u8 *ip = frame + ETH_BYTES;

	memset(frame, 0, ETH_BYTES + ip_bytes());
	if (f.tuple.family == FAMILY_IPV6) {
		put16(frame + 12, 0x86dd);
		put32(ip, 6U << 28 | (__u32)tos << 20);
		put16(ip + 4, bytes);
		ip[6] = protocol;
		ip[7] = 64;
		memcpy(ip + 8, f.tuple.remote, 16);
		memcpy(ip + 24, f.tuple.local, 16);
		return;
	}
	put16(frame + 12, 0x0800);
	ip[0] = 0x45;
	ip[1] = tos;
	put16(ip + 2, 20 + bytes);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, f.tuple.remote, 4);
	memcpy(ip + 16, f.tuple.local, 4);
	put16(ip + 10, (__u16)~sum(0, ip, 20));
}

static void tcp_header(__u8 *tcp, __u32 seq, __u32 ack, __u8 words, const struct step *step)
{
	memset(tcp, 0, 20);
	put16(tcp, f.tuple.remote_port);
	put16(tcp + 2, f.tuple.local_port);
	put32(tcp + 4, seq);
	put32(tcp + 8, ack);
	tcp[12] = (__u8)(words << 4);
	tcp[13] = step->flags;
	put16(tcp + 14, step->window);
	put16(tcp + 18, step->urgent);
}

static __u32 near_seq(const struct step *step)
{
	const struct tcb *t = tcb_find(f.tcp, &f.tuple);

	if (!t || (step->near & 7) == 7)
		return (step->near & 8 ? f.irs : step->wild) + (__u32)step->seq_offset;
	const __u32 seqs[] = { t->rcv_nxt, t->rcv_nxt, t->rcv_edge, t->rcv_wup, t->irs, t->rcv_fin, t->rcv_nxt - 1 };

	return seqs[step->near & 7] + (step->near & 8 ? (__u32)step->seq_offset : 0);
}

static __u32 near_ack(const struct step *step)
{
	const struct tcb *t = tcb_find(f.tcp, &f.tuple);

	if (!t)
		return f.iss + 1 + (step->near & 128 ? (__u32)step->ack_offset : 0);
	const __u32 acks[] = { t->snd_nxt,     t->snd_nxt, t->snd_una, t->iss,
			       t->snd_una + 1, step->wild, t->recover, t->snd_up };

	return acks[step->near >> 4 & 7] + (step->near & 128 ? (__u32)step->ack_offset : 0);
}

/* Hands a frame over in memory that ends where it ends; IP's header is aligned to four. */
static void input(const struct daemon_hint *hint, const __u8 *frame, __u32 bytes)
{
	__u8 *exact = malloc(bytes + 2);

	must(exact);
	memcpy(exact + 2, frame, bytes);
	must(tcp_input(f.tcp, hint, exact + 2, bytes, 3, f.now_ns) < TCPV_COUNT);
	free(exact);
}

static void segment_comes(struct fuzz_input *in, const struct step *step)
{
	static __u8 frame[4096];
	__u8 options = step->option_bytes % 41 & ~3;
	__u32 text = step->bytes % 1600, header = 20U + options, total = header + text;
	__u8 *ip = frame + ETH_BYTES, *tcp = ip + ip_bytes();
	struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = (enum daemon_frame)(step->kind % DAEMON_ICMP) };
	__u32 bytes = ETH_BYTES + ip_bytes() + total;

	hint.snd_wscale = step->kind >> 4 & 7;
	hint.rcv_wscale = 7;
	hint.flags = FLOW_WSCALE | (step->kind & 128 ? FLOW_SACK | FLOW_TIMESTAMPS : 0);
	hint.mss = step->window;
	put_ip(frame, IPPROTO_TCP, total, step->tos);
	tcp_header(tcp, near_seq(step), near_ack(step), (__u8)(header / 4), step);
	hint.irs = get_be32(tcp + 4) - 1 - step->near;
	fuzz_take(in, tcp + 20, options);
	memset(tcp + header, 'x', text);
	put16(tcp + 16, tcp_checksum(ip, tcp, total, IPPROTO_TCP));
	if (step->flags & TCP_FLAG_SYN)
		f.irs = get_be32(tcp + 4);
	if (step->action % ACTIONS == SEGMENT_CUT)
		bytes = step->wild % bytes;
	else if (step->action % ACTIONS == SEGMENT_CHANGED)
		frame[step->wild % bytes] ^= (__u8)(step->wild >> 24);
	f.answers_reset = step->action % ACTIONS == SEGMENT && (step->flags & TCP_FLAG_RST) && !f.tcb;
	input(&hint, frame, bytes);
	f.answers_reset = false;
}

static void icmp_comes(const struct step *step)
{
	static __u8 frame[256];
	__u8 *ip = frame + ETH_BYTES, *icmp = ip + ip_bytes(), *quoted = icmp + 8;
	__u32 total = 8 + ip_bytes() + 8;
	struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = DAEMON_ICMP };
	bool v6 = f.tuple.family == FAMILY_IPV6;
	struct tuple t = f.tuple;

	memcpy(f.tuple.remote, t.local, sizeof(t.local));
	memcpy(f.tuple.local, t.remote, sizeof(t.remote));
	put_ip(quoted - ETH_BYTES, IPPROTO_TCP, 20, 0);
	f.tuple = t;
	put_ip(frame, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, total, 0);
	memset(icmp, 0, 8);
	icmp[0] = step->kind;
	icmp[1] = step->flags;
	put32(icmp + 4, step->wild);
	put16(quoted + ip_bytes(), t.local_port);
	put16(quoted + ip_bytes() + 2, t.remote_port);
	put32(quoted + ip_bytes() + 4, near_ack(step));
	put16(icmp + 2, v6 ? tcp_checksum(ip, icmp, total, IPPROTO_ICMPV6) : (__u16)~sum(0, icmp, total));
	input(&hint, frame, ETH_BYTES + ip_bytes() + total);
}

static void raw_comes(struct fuzz_input *in, const struct step *step)
{
	__u8 frame[200];
	__u32 bytes = step->bytes % sizeof(frame);
	struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = (enum daemon_frame)(step->kind % (DAEMON_ICMP + 1)) };

	fuzz_take(in, frame, sizeof(frame));
	input(&hint, frame, bytes);
}

/* --- what is so at any time --------------------------------------------------------------------------------------- */

static void tcb_is_sound(void)
{
	const struct tcb *t = tcb_find(f.tcp, &f.tuple);

	must(f.account.used_bytes <= f.account.limit_bytes);
	must(tcp_next_ns(f.tcp) >= 1);
	if (!t)
		return;
	must(t->state != TCPS_CLOSED && t->state != TCPS_TIME_WAIT);
	must(!seq_after(t->snd_una, t->snd_nxt));
	if (t->state <= TCPS_SYN_RECEIVED)
		return;
	must(!seq_after(t->rcv_wup, t->rcv_nxt));
	must(!seq_after(t->rcv_nxt, t->rcv_edge));
	must(t->rcv.ring.used <= BUFFER_MAX && t->snd.used <= BUFFER_MAX);
	must(t->congestion.cwnd >= 1 && t->snd_mss >= 1);
	if (t->state == TCPS_FIN_WAIT_2 || t->state == TCPS_CLOSING || t->state == TCPS_LAST_ACK ||
	    t->state == TCPS_FIN_WAIT_1)
		must(t->flags & TCB_FIN_SENT);
	if (t->state == TCPS_CLOSE_WAIT || t->state == TCPS_CLOSING || t->state == TCPS_LAST_ACK)
		must(t->flags & TCB_FIN_RECEIVED);
}

/* Time goes on, timer by timer, as many as are of interest; it may not stand still. */
static void time_passes(__u64 ns)
{
	__u64 end_ns = f.now_ns + ns;
	int idle = 0;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		__u64 next = tcp_next_ns(f.tcp);

		if (next > end_ns || f.no_frames) /* without room it tries again and again */
			break;
		idle = next > f.now_ns ? 0 : idle + 1;
		must(idle < ROUNDS_MAX / 2);
		if (next > f.now_ns)
			f.now_ns = next;
		tcp_work(f.tcp, f.now_ns);
		tcb_is_sound();
	}
	if (f.now_ns < end_ns)
		f.now_ns = end_ns;
}

static void change_settings(const struct step *step)
{
	struct tcp_settings s = *tcp_settings(f.tcb);

	s.nagle = step->flags & 1;
	s.keepalive = step->flags & 2;
	s.keepalive_idle_ms = 1000U + step->window;
	s.delayed_ack_ms = step->bytes;
	s.user_timeout_ms = step->wild;
	s.recv_buffer_bytes = step->near * 256U;
	s.send_buffer_bytes = step->kind * 256U;
	s.linger_ms = step->seq_offset;
	s.ttl = step->tos;
	tcp_change(f.tcb, &s);
}

static void call(const struct step *step)
{
	static char text[4096];

	if (!f.tcb)
		return;
	switch (step->action % ACTIONS) {
	case SEND:
		must(tcp_send(f.tcb, text, step->bytes % sizeof(text), step->flags & 7) <= (ssize_t)sizeof(text));
		break;
	case RECEIVE:
		must(tcp_recv(f.tcb, text, step->bytes % sizeof(text)) <= (ssize_t)sizeof(text));
		break;
	case SHUT_DOWN:
		tcp_shutdown(f.tcb);
		break;
	case CHANGE:
		change_settings(step);
		break;
	case CLOSE:
	case ABORT:
		if (step->action % ACTIONS == CLOSE)
			tcp_close(f.tcb);
		else
			tcp_abort(f.tcb);
		f.tcb = NULL;
		break;
	}
}

static void take_step(struct fuzz_input *in, const struct step *step)
{
	switch (step->action % ACTIONS) {
	case SEGMENT:
	case SEGMENT_CUT:
	case SEGMENT_CHANGED:
		segment_comes(in, step);
		break;
	case ICMP:
		icmp_comes(step);
		break;
	case RAW:
		raw_comes(in, step);
		break;
	case TIME:
		time_passes((step->flags & 1 ? 1000ULL : 1) * step->window * NSEC_PER_MSEC / 8);
		break;
	case NO_FRAMES:
		f.no_frames = step->flags & 1;
		break;
	default:
		call(step);
	}
	if (step->tos & 1)
		tcp_work(f.tcp, f.now_ns); /* else several come in a batch */
	tcb_is_sound();
}

/* --- the states --------------------------------------------------------------------------------------------------- */

static void simple_segment(__u8 flags, __u8 near)
{
	struct fuzz_input nothing = { (const uint8_t *)"", 0 };
	const struct step step = { .flags = flags, .near = near, .window = 5000, .wild = 1000, .kind = DAEMON_SEGMENT };
	struct step syn = step;

	syn.kind = (flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN ? DAEMON_SYN : DAEMON_SEGMENT;
	segment_comes(&nothing, &syn);
	tcp_work(f.tcp, f.now_ns);
}

static void open_connection(const struct tcp_settings *settings, bool passive)
{
	struct service_key key = { .port = f.tuple.local_port, .family = f.tuple.family };

	f.listener = tcp_listen(f.tcp, &key, &app, NULL, settings, &f.account);
	must(f.listener);
	if (passive) {
		simple_segment(TCP_FLAG_SYN, 7);
		return;
	}
	must(!tcp_connect(f.tcp, &f.tuple, 3, &app, NULL, settings, &f.account, f.now_ns, &f.tcb));
	tcp_work(f.tcp, f.now_ns);
}

/* Into one of the states, by the shortest way. */
static void go_to(__u8 state, const struct tcp_settings *settings)
{
	bool passive = state & 16;

	state %= 10;
	if (!state)
		return;
	open_connection(settings, passive);
	if (state == 1)
		return;
	simple_segment(passive ? TCP_FLAG_ACK : TCP_FLAG_SYN | TCP_FLAG_ACK, passive ? 0 : 7);
	if (state >= 3 && state != 5 && state != 8 && f.tcb)
		tcp_shutdown(f.tcb);
	tcp_work(f.tcp, f.now_ns);
	if (state == 4 || state == 9)
		simple_segment(TCP_FLAG_ACK, 0);
	if (state == 5 || state == 8 || state == 9)
		simple_segment(TCP_FLAG_ACK | TCP_FLAG_FIN, 0);
	if (state == 6)
		simple_segment(TCP_FLAG_ACK | TCP_FLAG_FIN, 0x20);
	if (state == 8 && f.tcb)
		tcp_shutdown(f.tcb);
	tcp_work(f.tcp, f.now_ns);
}

static void begin(__u8 choices)
{
	struct tcp_config config = {
		.rim = { NULL, give_frame, take_frame, tell_mtu, take_report, take_advice, take_change },
		.isn_key = { 1, 2 },
		.msl_ns = MSL_NS,
		.connections_max = 8,
		.syn_received_max = 4,
		.time_wait_max = 4,
		.time_wait_ns = choices & 16 ? 50 * NSEC_PER_MSEC : 0,
	};

	memset(&f, 0, sizeof(f));
	f.tuple = (struct tuple){ .remote_port = 40000,
				  .local_port = 7,
				  .family = choices & 1 ? FAMILY_IPV6 : FAMILY_IPV4 };
	f.tuple.remote[0] = net32(choices & 1 ? 0x20010db8 : 0xc6336407);
	f.tuple.local[0] = net32(choices & 1 ? 0x20010db8 : 0xcb007105);
	f.tuple.remote[3] = choices & 1 ? net32(7) : 0;
	f.tuple.local[3] = choices & 1 ? net32(5) : 0;
	f.account.limit_bytes = choices & 2 ? 1 << 16 : 1 << 24;
	f.now_ns = 1000 * NSEC_PER_SEC;
	config.account = &f.account;
	f.tcp = tcp_new(&config, f.now_ns);
	must(f.tcp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct tcp_settings settings = tcp_settings_default();
	struct step step;
	__u8 choices[2];

	fuzz_take(&in, choices, sizeof(choices));
	begin(choices[0]);
	settings.recv_buffer_bytes = settings.send_buffer_bytes = choices[0] & 4 ? 4096 : BUFFER_MAX;
	settings.delayed_ack_ms = choices[0] & 8 ? 0 : 40;
	go_to(choices[1], &settings);
	for (int i = 0; i < STEPS_MAX && fuzz_take(&in, &step, sizeof(step)); i++)
		take_step(&in, &step);
	tcp_free(f.tcp);
	must(f.account.used_bytes == 0);
	return 0;
}
