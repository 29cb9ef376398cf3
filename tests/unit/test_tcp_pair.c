// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two TCPs against each other over links of all kinds: whatever is lost, doubled, late, out of order or corrupted, what
 * one application sends is what the other one reads, both ends close, and nothing is left.
 *
 *     test_tcp_pair                 every case
 *     test_tcp_pair SEED [COUNT]    from this seed on; a failure prints its own
 */
#include <sanitizer/common_interface_defs.h>

#include "tcp_sim.h"

#define SEEDS 4000
#define BORED_NS (48ULL * 3600 * NSEC_PER_SEC) /* simulated: nothing takes so long */
#define HOUR_MS 3600000

/* When an application says that it will send no more. */
enum closing {
	CLOSES_WHEN_SENT,   /* as soon as all is handed over */
	CLOSES_AFTER_PEER,  /* having read the peer's end */
	CLOSES_LATER,	    /* all is handed over, and some time has passed */
	CLOSES_AND_IS_GONE, /* CLOSE at once: the peer has nothing to say */
};

struct application {
	struct sim_end *end;
	struct tcb *tcb;
	struct memory_account service;
	__u64 baseline_bytes; /* of the end's account, before there was a connection */
	__u64 to_send, sent;
	__u64 to_read, read;
	__u32 send_piece, read_piece; /* bytes, at most */
	__u64 pause_ns;		      /* between two reads; 0: reads what comes */
	__u64 wake_ns;		      /* to do something, UINT64_MAX: nothing */
	enum closing closing;
	bool skips; /* reads by tcp_peek() and tcp_skip() */
	bool closes_at_end;
	bool has_shut_down, read_end, done;
};

static struct application applications[2];

static struct application *application_of(const struct tcb *tcb)
{
	return tcp_context(tcb);
}

/* The byte at a place of the stream that an end sends. */
static __u8 stream_byte(const struct sim *sim, int sender, __u64 at)
{
	return (__u8)((at * 2654435761U + sim->seed * 97 + (unsigned int)sender * 31) >> 11);
}

static void check_text(struct application *a, const __u8 *bytes, size_t length)
{
	struct sim *sim = a->end->sim;

	sim_must(sim, !a->read_end && a->read + length <= a->to_read);
	for (size_t i = 0; i < length; i++)
		sim_must(sim, bytes[i] == stream_byte(sim, !a->end->index, a->read + i));
	a->read += length;
}

static void shut_down(struct application *a)
{
	a->has_shut_down = true;
	if (a->closing == CLOSES_AND_IS_GONE) {
		tcp_close(a->tcb);
		a->tcb = NULL;
		a->done = true;
		return;
	}
	tcp_shutdown(a->tcb);
}

static void send_on(struct application *a)
{
	static __u8 bytes[1 << 16];
	struct sim *sim = a->end->sim;

	while (a->sent < a->to_send) {
		__u32 piece = 1 + chance_below(&sim->chance, a->send_piece);
		unsigned int flags = chance_one_in(&sim->chance, 8) ? TCP_SEND_PUSH : 0;
		ssize_t taken;

		if (piece > a->to_send - a->sent)
			piece = (__u32)(a->to_send - a->sent);
		for (__u32 i = 0; i < piece; i++)
			bytes[i] = stream_byte(sim, a->end->index, a->sent + i);
		taken = tcp_send(a->tcb, bytes, piece, flags);
		sim_must(sim, taken >= 0 && taken <= (ssize_t)piece);
		a->sent += (__u64)taken;
		if (taken < (ssize_t)piece)
			return;
	}
	if (a->has_shut_down)
		return;
	if (a->closing == CLOSES_WHEN_SENT || a->closing == CLOSES_AND_IS_GONE ||
	    (a->closing == CLOSES_AFTER_PEER && a->read_end))
		shut_down(a);
	else if (a->closing == CLOSES_LATER && a->wake_ns == UINT64_MAX)
		a->wake_ns = sim->now_ns + chance_below(&sim->chance, 20000) * NSEC_PER_MSEC;
}

/* Reads once. False: there is nothing more now. */
static bool read_piece(struct application *a)
{
	static __u8 bytes[1 << 16];
	struct sim *sim = a->end->sim;
	const __u8 *text = bytes;
	size_t piece = 1 + chance_below(&sim->chance, a->read_piece);
	ssize_t length = a->skips ? tcp_peek(a->tcb, &text) : tcp_recv(a->tcb, bytes, piece);

	if (length == -EAGAIN)
		return false;
	sim_must(sim, length >= 0);
	if (!length) {
		sim_must(sim, a->read == a->to_read);
		a->read_end = true;
		return false;
	}
	if (a->skips && length > (ssize_t)piece)
		length = (ssize_t)piece;
	sim_must(sim, length <= (ssize_t)piece);
	check_text(a, text, (size_t)length);
	if (a->skips)
		tcp_skip(a->tcb, (size_t)length);
	return true;
}

static void read_on(struct application *a)
{
	struct sim *sim = a->end->sim;

	if (a->pause_ns) {
		if (read_piece(a))
			a->wake_ns = sim->now_ns + a->pause_ns;
	} else {
		while (read_piece(a))
			;
	}
	if (!a->read_end)
		return;
	if (a->closing == CLOSES_AFTER_PEER && a->sent == a->to_send && !a->has_shut_down)
		shut_down(a);
	if (a->closes_at_end && a->has_shut_down && a->tcb) {
		tcp_close(a->tcb);
		a->tcb = NULL;
		a->done = true;
	}
}

static void on_accept(struct tcb *tcb)
{
	struct application *a = application_of(tcb);

	sim_must(a->end->sim, !a->done && (!a->tcb || a->tcb == tcb));
	a->tcb = tcb;
	send_on(a);
}

static void on_readable(struct tcb *tcb)
{
	struct application *a = application_of(tcb);

	if (!a->pause_ns || a->wake_ns == UINT64_MAX)
		read_on(a);
}

static void on_writable(struct tcb *tcb)
{
	send_on(application_of(tcb));
}

/*
 * A FIN whose acknowledgement is lost again and again outlives the other end's TIME-WAIT, and is reset then: nothing
 * that was sent is lost by that.
 */
static bool is_late_end(const struct application *a, int error)
{
	const struct application *peer = &applications[!a->end->index];

	return error == -ECONNRESET && peer->done && !tcp_counters(peer->end->tcp)->connections;
}

static void on_closed(struct tcb *tcb, int error)
{
	struct application *a = application_of(tcb);

	if (is_late_end(a, error))
		error = 0;
	if (error)
		print_error("seed %llu: end %d is told %d\n", a->end->sim->seed, a->end->index, error);
	sim_must(a->end->sim, error == 0);
	sim_must(a->end->sim, a->read_end && a->has_shut_down);
	a->tcb = NULL;
	a->done = true;
}

static const struct tcp_app app = {
	.name = "pair",
	.accept = on_accept,
	.readable = on_readable,
	.writable = on_writable,
	.closed = on_closed,
};

/* An application's own time has come. */
static void wake(struct application *a)
{
	a->wake_ns = UINT64_MAX;
	if (!a->tcb)
		return;
	if (a->pause_ns && !a->read_end)
		read_on(a);
	if (a->tcb && a->closing == CLOSES_LATER && !a->has_shut_down && a->sent == a->to_send) {
		if (a->pause_ns && !a->read_end && a->wake_ns != UINT64_MAX)
			return; /* it comes round again */
		shut_down(a);
		if (a->read_end)
			read_on(a);
	}
}

/* --- a random case ------------------------------------------------------------------------------------------------ */

/* From 2^low to below 2^high, all magnitudes alike. */
static __u32 magnitude(struct sim *sim, unsigned int low, unsigned int high)
{
	__u32 base = 1U << (low + chance_below(&sim->chance, high - low));

	return base + chance_below(&sim->chance, base);
}

/* A rate in a million: none, few or many. */
static __u32 rate(struct sim *sim, __u32 most)
{
	switch (chance_below(&sim->chance, 4)) {
	case 0:
	case 1:
		return 0;
	case 2:
		return chance_below(&sim->chance, most / 10);
	default:
		return chance_below(&sim->chance, most);
	}
}

static void choose_link(struct sim *sim, __u8 family)
{
	static const __u32 mtus[] = { 1500, 1500, 1280, 9000, 576, 296, 140 };
	struct sim_link *link = &sim->link;

	link->mtu = mtus[chance_below(&sim->chance, family == FAMILY_IPV4 ? 7 : 4)];
	link->drop = rate(sim, 200000);
	link->duplicate = rate(sim, 100000);
	link->reorder = rate(sim, 300000);
	link->corrupt = rate(sim, 50000);
	link->no_room = rate(sim, 100000);
	link->delay_ns = chance_below(&sim->chance, 300000) * 1000ULL;
	link->reorder_ns = chance_below(&sim->chance, 200000) * 1000ULL;
	if (chance_one_in(&sim->chance, 2)) {
		link->bytes_per_second = magnitude(sim, 13, 24);
		link->queue_ns = (20 + chance_below(&sim->chance, 2000)) * NSEC_PER_MSEC;
		link->marks = chance_one_in(&sim->chance, 2);
	}
}

static struct tcp_settings choose_settings(struct sim *sim)
{
	struct tcp_settings s = tcp_settings_default();

	s.recv_buffer_bytes = magnitude(sim, 8, 19);
	s.send_buffer_bytes = magnitude(sim, 8, 19);
	s.user_timeout_ms = s.syn_timeout_ms = s.fin_wait_2_ms = 10 * HOUR_MS;
	s.linger_ms = chance_one_in(&sim->chance, 4) ? 10 * HOUR_MS : -1;
	s.delayed_ack_ms = chance_one_in(&sim->chance, 3) ? 0 : chance_below(&sim->chance, 500);
	s.keepalive = chance_one_in(&sim->chance, 4);
	s.nagle = chance_one_in(&sim->chance, 2);
	s.window_scaling = !chance_one_in(&sim->chance, 3);
	s.timestamps = !chance_one_in(&sim->chance, 3);
	s.sack = !chance_one_in(&sim->chance, 3);
	s.ecn = chance_one_in(&sim->chance, 2);
	s.pacing = chance_one_in(&sim->chance, 2);
	return s;
}

static __u64 choose_bytes(struct sim *sim)
{
	if (chance_one_in(&sim->chance, 4))
		return 0;
	return chance_below(&sim->chance, chance_one_in(&sim->chance, 2) ? 2000 : 200 * sim->link.mtu);
}

static void choose_application(struct application *a, struct sim *sim, int index)
{
	*a = (struct application){ .end = &sim->ends[index], .wake_ns = UINT64_MAX };
	a->service = (struct memory_account){ .limit_bytes = 1ULL << 40, .parent = &sim->ends[index].account };
	if (chance_one_in(&sim->chance, 8)) /* pressure: less than the buffers that its settings allow */
		a->service.limit_bytes = magnitude(sim, 14, 17);
	a->to_send = choose_bytes(sim);
	a->send_piece = magnitude(sim, 0, 16);
	a->read_piece = magnitude(sim, 4, 16);
	if (chance_one_in(&sim->chance, 4)) {
		a->pause_ns = magnitude(sim, 10, 30);
		a->read_piece = magnitude(sim, 9, 16);
	}
	a->closing = chance_below(&sim->chance, 3);
	a->skips = chance_one_in(&sim->chance, 3);
	a->closes_at_end = chance_one_in(&sim->chance, 3);
}

static void choose_applications(struct sim *sim)
{
	struct application *a = applications;

	for (int i = 0; i < 2; i++)
		choose_application(&a[i], sim, i);
	if (a[0].closing == CLOSES_AFTER_PEER && a[1].closing == CLOSES_AFTER_PEER)
		a[1].closing = CLOSES_WHEN_SENT;
	for (int i = 0; i < 2; i++) {
		a[i].to_read = a[!i].to_send;
		if (!a[i].to_read && a[i].closing == CLOSES_WHEN_SENT && chance_one_in(&sim->chance, 3))
			a[i].closing = CLOSES_AND_IS_GONE;
	}
}

/* --- running it --------------------------------------------------------------------------------------------------- */

static void connect_end(struct sim *sim, int index)
{
	struct sim_end *end = &sim->ends[index];
	struct tcp_settings settings = choose_settings(sim);

	sim_must(sim, tcp_connect(end->tcp, &end->tuple, (__u32)index, &app, &applications[index], &settings,
				  &applications[index].service, sim->now_ns, &applications[index].tcb) == 0);
}

static void listen_end(struct sim *sim, int index)
{
	struct sim_end *end = &sim->ends[index];
	struct tcp_settings settings = choose_settings(sim);
	struct service_key key = { .port = end->tuple.local_port, .family = end->tuple.family };

	sim_must(sim, tcp_listen(end->tcp, &key, &app, &applications[index], &settings, &applications[index].service));
}

static void open_connection(struct sim *sim)
{
	__u64 msl_ns = (30 + chance_below(&sim->chance, 120)) * NSEC_PER_SEC;
	int active = (int)chance_below(&sim->chance, 2);
	bool simultaneous = chance_one_in(&sim->chance, 5);

	for (int i = 0; i < 2; i++)
		sim_start(sim, i, msl_ns);
	if (!simultaneous)
		listen_end(sim, !active);
	for (int i = 0; i < 2; i++)
		applications[i].baseline_bytes = sim->ends[i].account.used_bytes;
	connect_end(sim, active);
	if (simultaneous)
		connect_end(sim, !active);
	for (int i = 0; i < 2; i++)
		tcp_work(sim->ends[i].tcp, sim->now_ns);
}

static __u64 next_ns(const struct sim *sim)
{
	__u64 next = sim_next_ns(sim);

	for (int i = 0; i < 2; i++)
		next = applications[i].wake_ns < next ? applications[i].wake_ns : next;
	return next;
}

static bool is_over(const struct sim *sim)
{
	for (int i = 0; i < 2; i++) {
		if (!applications[i].done || tcp_counters(sim->ends[i].tcp)->connections)
			return false;
	}
	return true;
}

static void run_to_the_end(struct sim *sim)
{
	unsigned int idle = 0;

	while (!is_over(sim)) {
		__u64 next = next_ns(sim);

		sim_must(sim, next < BORED_NS);
		idle = next > sim->now_ns ? 0 : idle + 1;
		sim_must(sim, idle < SIM_IDLE_ROUNDS_MAX);
		sim->now_ns = next > sim->now_ns ? next : sim->now_ns;
		for (int i = 0; i < 2; i++) {
			if (applications[i].wake_ns <= sim->now_ns)
				wake(&applications[i]);
		}
		sim_happen(sim, next);
	}
}

/* 2MSL later there is no trace of the connection, and no timer. */
static void check_nothing_is_left(struct sim *sim)
{
	sim_run_until(sim, sim->now_ns + HOUR_MS * NSEC_PER_MSEC);
	sim_must(sim, !sim->packets && sim_next_ns(sim) == UINT64_MAX);
	for (int i = 0; i < 2; i++) {
		const struct tcp_counters *counters = tcp_counters(sim->ends[i].tcp);

		sim_must(sim, !counters->connections && !counters->connections_time_wait &&
				      !counters->connections_half_open);
		sim_must(sim, applications[i].service.used_bytes == 0);
		sim_must(sim, sim->ends[i].account.used_bytes == applications[i].baseline_bytes);
	}
}

static void run_seed(__u64 seed)
{
	__u8 family = seed & 1 ? FAMILY_IPV6 : FAMILY_IPV4;
	static struct sim sim;

	sim_init(&sim, seed, family);
	choose_link(&sim, family);
	choose_applications(&sim);
	open_connection(&sim);
	run_to_the_end(&sim);
	for (int i = 0; i < 2; i++) {
		sim_must(&sim, applications[i].sent == applications[i].to_send);
		sim_must(&sim, applications[i].closing == CLOSES_AND_IS_GONE ||
				       applications[i].read == applications[i].to_read);
	}
	check_nothing_is_left(&sim);
	sim_free(&sim);
	for (int i = 0; i < 2; i++)
		sim_must(&sim, sim.ends[i].account.used_bytes == 0);
}

static __u64 first_seed = 1, seed_count = SEEDS;

static void test_pair_any_link_delivers_every_byte_and_closes(void **state)
{
	(void)state;
	for (__u64 seed = first_seed; seed < first_seed + seed_count; seed++)
		run_seed(seed);
}

static void say_seed(void)
{
	if (sim_current)
		print_error("seed %llu, at %.6f s\n", sim_current->seed, (double)sim_current->now_ns * 1e-9);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pair_any_link_delivers_every_byte_and_closes),
	};

	__sanitizer_set_death_callback(say_seed);
	if (argc > 1) {
		first_seed = strtoull(argv[1], NULL, 10);
		seed_count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	}
	return cmocka_run_group_tests_name("tcp_pair", tests, NULL, NULL);
}
