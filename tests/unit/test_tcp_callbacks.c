// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an application may do within a callback: anything, to this connection and to any other (tcp.h). A TCP talks to
 * itself over a link that loses segments and has no frame at times, and at each callback calls are made by chance. No
 * connection is used after its end, none is told anything behind tcp_close(), each ends, all memory is given back, and
 * time goes on.
 */
#include <stdlib.h>

#include "tcp_wire.h"

#include "tcp/tcb.h"

#define SEEDS 200
#define CONNECTIONS_MAX 16
#define TURNS 400
#define QUEUE 4096
#define SPIN_MAX 1000
#define END_NS (3600 * NSEC_PER_SEC)

struct packet_in_flight {
	__u8 *frame;
	__u32 bytes;
};

static struct {
	__u64 random;
	__u64 now_ns;
	struct tcp *tcp;
	struct memory_account account;
	struct tcb *live[2 * CONNECTIONS_MAX]; /* those that the application may use */
	__u32 live_count;
	__u16 port;
	__u8 *room;
	struct packet_in_flight queue[QUEUE];
	__u32 head, count;
	bool is_quiet; /* the application only closes */
} c;

static __u32 chance(__u32 below)
{
	c.random = c.random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (__u32)(c.random >> 33) % below;
}

/* --- the link ----------------------------------------------------------------------------------------------------- */

static __u8 *link_frame(void *context, __u32 path, __u32 bytes)
{
	(void)context;
	(void)path;
	if (!c.is_quiet && !chance(10))
		return NULL;
	free(c.room);
	c.room = malloc(WIRE_ETH_BYTES + 2 + bytes);
	assert_non_null(c.room);
	return c.room + WIRE_ETH_BYTES + 2;
}

static void link_send(void *context, __u32 bytes, bool to_unverified)
{
	struct packet_in_flight *packet = &c.queue[(c.head + c.count) % QUEUE];

	(void)context;
	(void)to_unverified;
	if (!chance(20) || c.count == QUEUE)
		return;
	*packet = (struct packet_in_flight){ c.room, WIRE_ETH_BYTES + bytes };
	c.room = NULL;
	c.count++;
}

static __u32 link_mtu(void *context, __u32 path)
{
	(void)context;
	(void)path;
	return 1500;
}

static void link_report(void *context, const struct tuple *tuple, const struct tcp_record *record)
{
	(void)context;
	(void)tuple;
	(void)record;
}

static void link_advise(void *context, __u32 path, bool reachable)
{
	(void)context;
	(void)path;
	(void)reachable;
}

static void deliver_all(void)
{
	for (__u32 count = c.count; count; count--) {
		struct packet_in_flight *packet = &c.queue[c.head];
		__u8 *frame = packet->frame + 2;
		const struct tuple tuple = unit_tuple(FAMILY_IPV4);
		__u8 flags;
		struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = DAEMON_STRANGER };

		wire_put_ethernet(frame, &tuple);
		flags = frame[WIRE_ETH_BYTES + 20 + 13];
		if ((flags & (SYN | ACK)) == SYN)
			hint.kind = DAEMON_SYN;
		tcp_input(c.tcp, &hint, frame, packet->bytes, 0, c.now_ns);
		free(packet->frame);
		c.head = (c.head + 1) % QUEUE;
		c.count--;
	}
}

/* --- the application ---------------------------------------------------------------------------------------------- */

static bool is_live(const struct tcb *tcb)
{
	for (__u32 i = 0; i < c.live_count; i++) {
		if (c.live[i] == tcb)
			return true;
	}
	return false;
}

static void forget(const struct tcb *tcb)
{
	for (__u32 i = 0; i < c.live_count; i++) {
		if (c.live[i] == tcb)
			c.live[i] = c.live[--c.live_count];
	}
}

static void read_some(struct tcb *tcb)
{
	__u8 bytes[3000];

	while (tcp_recv(tcb, bytes, 1 + chance(sizeof(bytes))) > 0 && chance(4))
		;
}

static void change(struct tcb *tcb)
{
	struct tcp_settings settings = *tcp_settings(tcb);

	settings.keepalive = chance(2);
	settings.nagle = chance(2);
	settings.recv_buffer_bytes = 64 << chance(12);
	settings.send_buffer_bytes = 64 << chance(12);
	settings.linger_ms = (__s32)chance(3) - 1;
	settings.delayed_ack_ms = chance(2) ? 0 : 40;
	assert_int_equal(tcp_change(tcb, &settings), 0);
}

static const struct tcp_app app;

static void open_one(void)
{
	struct tcp_settings settings = tcp_settings_default();
	struct tuple tuple = unit_tuple(FAMILY_IPV4);
	struct tcb *tcb;

	if (c.is_quiet || c.live_count >= CONNECTIONS_MAX)
		return;
	tuple.local_port = 10000 + c.port++;
	tuple.remote_port = 7;
	if (!tcp_connect(c.tcp, &tuple, 0, &app, NULL, &settings, &c.account, c.now_ns, &tcb))
		c.live[c.live_count++] = tcb;
}

static void do_anything_to(struct tcb *tcb)
{
	static const __u8 text[5000];

	switch (chance(c.is_quiet ? 2 : 10)) {
	case 0:
		tcp_close(tcb);
		forget(tcb);
		break;
	case 1:
		tcp_abort(tcb);
		forget(tcb);
		break;
	case 2:
		tcp_shutdown(tcb);
		break;
	case 3:
		change(tcb);
		break;
	case 4:
		open_one();
		break;
	case 5:
	case 6:
		read_some(tcb);
		break;
	default:
		tcp_send(tcb, text, 1 + chance(sizeof(text)), chance(8));
	}
}

/* This connection, and others. */
static void do_anything(struct tcb *tcb)
{
	for (__u32 i = 0; i < 3 && c.live_count; i++) {
		if (chance(2) && is_live(tcb))
			do_anything_to(tcb);
		else if (!chance(3) && c.live_count)
			do_anything_to(c.live[chance(c.live_count)]);
	}
	if (is_live(tcb))
		read_some(tcb);
}

static void on_accept(struct tcb *tcb)
{
	if (!is_live(tcb))
		c.live[c.live_count++] = tcb;
	do_anything(tcb);
}

static void on_event(struct tcb *tcb)
{
	assert_true(is_live(tcb));
	do_anything(tcb);
}

static void on_advise(struct tcb *tcb, int error)
{
	assert_true(error < 0);
	on_event(tcb);
}

static void on_closed(struct tcb *tcb, int error)
{
	assert_true(error <= 0);
	on_event(tcb);
	forget(tcb);
}

static const struct tcp_app app = {
	.name = "anything",
	.accept = on_accept,
	.readable = on_event,
	.writable = on_event,
	.closed = on_closed,
	.urgent = on_event,
	.advise = on_advise,
};

/* --- a run -------------------------------------------------------------------------------------------------------- */

static void turn(void)
{
	deliver_all();
	tcp_work(c.tcp, c.now_ns);
}

/* Without an application that begins anything all is over some day. */
static void end_all(void)
{
	__u64 end_ns = c.now_ns + END_NS;
	__u32 idle = 0;

	c.is_quiet = true;
	while (c.live_count) {
		tcp_close(c.live[0]);
		forget(c.live[0]);
	}
	while (tcp_counters(c.tcp)->connections || tcp_counters(c.tcp)->connections_time_wait || c.count) {
		__u64 next_ns = c.count ? c.now_ns + NSEC_PER_MSEC : tcp_next_ns(c.tcp);

		idle = next_ns > c.now_ns ? 0 : idle + 1;
		assert_true(idle < SPIN_MAX && next_ns < end_ns);
		c.now_ns = next_ns > c.now_ns ? next_ns : c.now_ns;
		turn();
	}
	assert_int_equal(tcp_counters(c.tcp)->connections_half_open, 0);
	assert_int_equal(c.account.used_bytes, 0);
	tcp_work(c.tcp, c.now_ns + NSEC_PER_SEC);
	assert_true(tcp_next_ns(c.tcp) == UINT64_MAX);
}

static void run_seed(__u64 seed)
{
	/* Some begin just before milliseconds, or ticks, wrap around. */
	static const __u64 starts_ns[] = { 1000 * NSEC_PER_SEC, (NSEC_PER_MSEC << 32) - NSEC_PER_SEC,
					   (1ULL << (32 + TIMER_WHEEL_TICK_SHIFT)) - NSEC_PER_SEC };
	const struct tcp_settings settings = tcp_settings_default();
	const struct service_key key = { .port = 7, .family = FAMILY_IPV4 };
	const struct tcp_config config = {
		.rim = { .frame = link_frame,
			 .send = link_send,
			 .mtu = link_mtu,
			 .report = link_report,
			 .advise = link_advise },
		.isn_key = { seed, 2 },
		.msl_ns = NSEC_PER_SEC,
		.connections_max = 2 * CONNECTIONS_MAX,
		.syn_received_max = CONNECTIONS_MAX / 2,
		.time_wait_max = CONNECTIONS_MAX,
		.account = &c.account,
	};

	memset(&c, 0, sizeof(c));
	c.random = seed * 0x9e3779b97f4a7c15ULL;
	c.now_ns = starts_ns[seed % ARRAY_LEN(starts_ns)];
	c.account.limit_bytes = 1 << (17 + chance(8));
	c.tcp = tcp_new(&config, c.now_ns);
	assert_non_null(tcp_listen(c.tcp, &key, &app, NULL, &settings, &c.account));
	for (int i = 0; i < TURNS; i++) {
		__u64 next_ns = tcp_next_ns(c.tcp), later_ns = c.now_ns + chance(20) * NSEC_PER_MSEC;

		open_one();
		if (c.live_count && !chance(3))
			do_anything_to(c.live[chance(c.live_count)]);
		c.now_ns = c.count || next_ns == UINT64_MAX || next_ns < later_ns ? later_ns : next_ns;
		turn();
	}
	if (chance(2))
		end_all();
	c.is_quiet = false;
	tcp_free(c.tcp);
	assert_int_equal(c.account.used_bytes, 0);
	for (; c.count; c.count--, c.head = (c.head + 1) % QUEUE)
		free(c.queue[c.head].frame);
	free(c.room);
}

static void test_callbacks_any_call_on_any_connection_is_allowed(void **state)
{
	(void)state;
	for (__u64 seed = 1; seed <= SEEDS; seed++)
		run_seed(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_callbacks_any_call_on_any_connection_is_allowed),
	};

	return cmocka_run_group_tests_name("tcp_callbacks", tests, NULL, NULL);
}
