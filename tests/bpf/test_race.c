// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two CPUs at one tuple, the peer's segments on one and the owner's on the other, at the same time.
 *
 * Tens of thousands of times each side sends a few segments to a record in some state: what the record is then must be
 * what the segments make of it one after the other, in one of the orders that they can have come in. The orders are
 * gone through with include/judge.h.
 *
 * Then both sides do anything to a handful of tuples, handshakes and resets included, while time goes on and the sweep
 * runs on both: every record is sound in itself and knows no number of another tuple, for each has its own.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "talk.h"
#include "tests/bpf/sweep_now.skel.h"

#define ACK TCP_FLAG_ACK
#define FIN TCP_FLAG_FIN
#define RST TCP_FLAG_RST
#define SYN TCP_FLAG_SYN

#define SEGMENTS_MAX 3
#define ROUNDS 30000
#define ALIVE_NS (~0ULL >> 1)
#define ROUNDS_A_RESET 256 /* each on a tuple of its own */
#define CHAOS_TUPLES 4
#define CHAOS_TURNS 200
#define CHAOS_PACKETS 200 /* of each side, a turn */
#define CHAOS_SWEEP_ONE_IN 20

/* What both processes see. */
struct meeting {
	int turn; /* begun */
	int done; /* ended, by the owner's side */
	bool over;
	__u64 series; /* of random numbers */
	int count[2]; /* by direction */
	struct packet_spec specs[2][SEGMENTS_MAX];
};

static struct meeting *meeting;
static pid_t partner;

static __u32 chance(__u64 *series, __u32 below)
{
	*series = *series * 6364136223846793005ULL + 1442695040888963407ULL;
	return (__u32)(*series >> 32) % below;
}

/* --- the two sides --- */

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static int another_cpu(void)
{
	for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		if (cpu != sched_getcpu())
			return cpu;
	}
	return -1;
}

static void pass(const struct packet_spec *spec)
{
	struct frame f;

	packet_build(&f, spec);
	if (spec->direction == DIRECTION_RCV)
		shield_receive_uncounted(&f);
	else
		shield_send_uncounted(&f);
}

/* Spins, because both sides are to begin at once; a machine that has other things to do gets its turn. */
static void wait_for(const int *value, int wanted)
{
	for (int i = 1; __atomic_load_n(value, __ATOMIC_ACQUIRE) != wanted; i++) {
		if (i % 5000 == 0)
			sched_yield();
	}
}

/* What one side does in a turn. */
typedef void (*side_turn)(enum direction side);

/* Makes the partner, which does the owner's turns until it is over; skips where there is no second CPU. */
static void partner_start(side_turn take_turn)
{
	int cpu = another_cpu();

	if (cpu < 0) {
		fprintf(stderr, "race: not run: this machine has one CPU\n");
		skip();
	}
	meeting = mmap(NULL, sizeof(*meeting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(meeting, MAP_FAILED);
	partner = fork();
	assert_true(partner >= 0);
	if (partner)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves it behind */
	stay_on(cpu);
	for (int turn = 1;; turn++) {
		wait_for(&meeting->turn, turn);
		if (meeting->over)
			_exit(0);
		take_turn(DIRECTION_SND);
		__atomic_store_n(&meeting->done, turn, __ATOMIC_RELEASE);
	}
}

/* Both sides take one turn at the same time. */
static void meet(side_turn take_turn)
{
	int turn = meeting->turn + 1;

	__atomic_store_n(&meeting->turn, turn, __ATOMIC_RELEASE);
	take_turn(DIRECTION_RCV);
	wait_for(&meeting->done, turn);
}

static void partner_end(void)
{
	int status;

	meeting->over = true;
	__atomic_store_n(&meeting->turn, meeting->turn + 1, __ATOMIC_RELEASE);
	assert_int_equal(waitpid(partner, &status, 0), partner);
	assert_int_equal(status, 0);
	munmap(meeting, sizeof(*meeting));
}

/* --- some order --- */

static void send_specs(enum direction side)
{
	for (int i = 0; i < meeting->count[side]; i++)
		pass(&meeting->specs[side][i]);
}

/* The peer's next segments, or the owner's: t's numbers go on with them. */
static void make_specs(struct talk *t, enum direction side, __u64 *series)
{
	static const __u8 kinds[] = { ACK, ACK, ACK, ACK | FIN, ACK | FIN, RST };
	int count = 1 + chance(series, SEGMENTS_MAX);

	for (int i = 0; i < count; i++) {
		__u8 flags = kinds[chance(series, ARRAY_LEN(kinds))];
		__u32 bytes = flags == ACK ? chance(series, 2) * 100 : 0;
		struct talk sender = *t;

		/* of what the other side sends meanwhile, it may have seen nothing, or the first octets */
		if (side == DIRECTION_RCV) {
			sender.own_nxt += chance(series, 3);
			meeting->specs[side][i] = talk_peer_segment(&sender, flags, bytes);
			t->peer_nxt += bytes + !!(flags & FIN);
		} else {
			sender.peer_nxt += chance(series, 3);
			meeting->specs[side][i] = talk_owner_segment(&sender, flags, bytes);
			t->own_nxt += bytes + !!(flags & FIN);
		}
	}
	meeting->count[side] = count;
}

/* The flow after some of the segments of a connection's end: any state that a live record has. */
static struct flow begin_with(const struct talk *established, struct talk *t, __u64 *series)
{
	static const __u8 ends[] = { 0, 0, 1, 2, 3 }; /* whose FINs are there */
	__u8 end = ends[chance(series, ARRAY_LEN(ends))];

	*t = *established;
	for (int side = 0; side < 2; side++) {
		struct packet_spec fin;
		struct segment s;

		if (!(end >> side & 1))
			continue;
		fin = side == DIRECTION_RCV ? talk_peer_segment(t, ACK | FIN, 0) : talk_owner_segment(t, ACK | FIN, 0);
		s = packet_build_segment(&fin);
		if (side == DIRECTION_RCV)
			t->peer_nxt++;
		else
			t->own_nxt++;
		flow_judge(&t->model, &s, side, NSEC_PER_SEC, SHIELD_MSL_NS);
	}
	return t->model;
}

/* What is there after a turn. */
struct outcome_record {
	bool live;
	struct flow flow;
	bool has_ended;
	struct ended ended;
};

/* Times are not compared: which jiffy it was does not depend on the order. */
static bool equals(const struct outcome_record *got, struct flow f)
{
	const struct ended *e = &got->ended;

	if (flow_has_ended(&f))
		return !got->live && got->has_ended && e->state == f.state && e->irs == f.irs &&
		       e->handshake == f.iss - f.irs && e->rcv_nxt == f.rcv_nxt && e->snd_nxt == f.snd_nxt &&
		       e->flags == (__u8)f.flags;
	f.deadline_ns = got->flow.deadline_ns;
	f.rcv_seen_ms = got->flow.rcv_seen_ms;
	f.snd_seen_ms = got->flow.snd_seen_ms;
	return got->live && !got->has_ended && !memcmp(&f, &got->flow, sizeof(f));
}

/* Whether some order of the segments, from the i-th of the peer's and the j-th of the owner's on, leads there. */
static bool some_order_leads_to(const struct outcome_record *got, const struct flow *from, int i, int j)
{
	int next[2] = { [DIRECTION_RCV] = i, [DIRECTION_SND] = j };

	if (flow_has_ended(from) || (i == meeting->count[DIRECTION_RCV] && j == meeting->count[DIRECTION_SND]))
		return equals(got, *from);
	for (int side = 0; side < 2; side++) {
		struct flow f = *from;
		struct segment s;

		if (next[side] == meeting->count[side])
			continue;
		s = packet_build_segment(&meeting->specs[side][next[side]]);
		flow_judge(&f, &s, side, NSEC_PER_SEC, SHIELD_MSL_NS);
		if (some_order_leads_to(got, &f, i + (side == DIRECTION_RCV), j + (side == DIRECTION_SND)))
			return true;
	}
	return false;
}

static void test_any_state_two_sides_at_once_is_as_in_some_order(void **state)
{
	struct talk established, t;
	__u64 series = 1;

	(void)state;
	talk_init(&established, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&established);
	partner_start(send_specs);
	for (int round = 0; round < ROUNDS; round++) {
		struct outcome_record got = {};
		struct flow from;

		if (round % ROUNDS_A_RESET == 0)
			shield_reset(NULL);
		from = begin_with(&established, &t, &series);
		t.tuple.remote_port = 1 + round % ROUNDS_A_RESET;
		from.tag = flow_tag(&t.tuple);
		from.deadline_ns = ALIVE_NS;
		shield_put_flow(&t.tuple, &from);
		make_specs(&t, DIRECTION_RCV, &series);
		make_specs(&t, DIRECTION_SND, &series);
		for (int i = 0; i < SEGMENTS_MAX; i++)
			meeting->specs[0][i].tuple = meeting->specs[1][i].tuple = t.tuple;
		meet(send_specs);
		got.live = shield_flow(&t.tuple, &got.flow);
		got.has_ended = shield_ended(&t.tuple, &got.ended);
		if (!some_order_leads_to(&got, &from, 0, 0))
			fail_msg("round %d: from %s to %s in no order", round, tcp_state_name(from.state),
				 tcp_state_name(got.live ? got.flow.state : got.ended.state));
	}
	partner_end();
}

/* --- anything --- */

/* A number of the tuple's: the first four bits say which one it is, the next two which of its connections. */
static __u32 number_of(__u32 tuple, __u32 connection, __u32 offset)
{
	return tuple << 28 | connection << 26 | offset;
}

static struct tuple chaos_tuple(__u32 number)
{
	struct tuple t = shield_tuple(number % 2 ? FAMILY_IPV4 : FAMILY_IPV6, PORT_OFF);

	t.remote_port = 50000 + number;
	return t;
}

/* What either side may send: of few numbers, so that they fit together often. */
static struct packet_spec chaos_packet(enum direction side, __u64 *series)
{
	static const __u8 kinds[] = { ACK, ACK, ACK, ACK, ACK, ACK, ACK, ACK | FIN };
	__u32 tuple = chance(series, CHAOS_TUPLES), connection = chance(series, 2);
	struct packet_spec spec = {
		.tuple = chaos_tuple(tuple),
		.direction = side,
		.seq = number_of(tuple, connection, 1 + 100 * chance(series, 3)),
		.ack = number_of(tuple, connection, 1 + 100 * chance(series, 3)),
		.window = 1000,
		.flags = kinds[chance(series, ARRAY_LEN(kinds))],
		.payload_bytes = 100 * chance(series, 2),
	};

	if (chance(series, 6) == 0) /* a handshake */
		spec.flags = side == DIRECTION_SND ? SYN | ACK : ACK;
	else if (chance(series, 60) == 0)
		spec.flags = RST;
	if (spec.flags & SYN) {
		spec.seq = number_of(tuple, connection, 0);
		spec.ack = number_of(tuple, connection, 1);
		spec.payload_bytes = 0;
	}
	packet_build_timestamps(&spec, number_of(tuple, connection, 7), number_of(tuple, connection, 7));
	return spec;
}

static struct sweep_now *sweep;

static void sweep_once(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(sweep->progs.sweep_now), &run), 0);
}

static void send_anything(enum direction side)
{
	__u64 series = meeting->series + side;

	for (int i = 0; i < CHAOS_PACKETS; i++) {
		struct packet_spec spec = chaos_packet(side, &series);

		if (chance(&series, CHAOS_SWEEP_ONE_IN) == 0)
			sweep_once();
		pass(&spec);
	}
}

static void assert_of_tuple(__u32 number, __u32 tuple)
{
	assert_int_equal(number >> 28, tuple);
}

static void assert_flow_is_sound(const struct flow *f, __u32 tuple)
{
	const struct tuple t = chaos_tuple(tuple);
	bool own_fin = f->flags & FLOW_SND_FIN, peers_fin = f->flags & FLOW_RCV_FIN;

	assert_int_equal(f->lock, FLOW_LOCK_FREE);
	assert_int_equal(f->tag, flow_tag(&t));
	assert_true(f->state >= TCPS_SYN_RECEIVED && f->state < TCPS_TIME_WAIT);
	assert_int_equal(own_fin, f->state >= TCPS_FIN_WAIT_1 && f->state != TCPS_CLOSE_WAIT);
	assert_int_equal(peers_fin,
			 f->state == TCPS_CLOSE_WAIT || f->state == TCPS_CLOSING || f->state == TCPS_LAST_ACK);
	assert_false(seq_after(f->snd_una, f->snd_nxt));
	assert_false(seq_after(f->rcv_wup, f->rcv_nxt));
	assert_of_tuple(f->irs, tuple);
	assert_of_tuple(f->iss, tuple);
	assert_of_tuple(f->rcv_nxt, tuple);
	assert_of_tuple(f->rcv_wup, tuple);
	assert_of_tuple(f->rcv_edge, tuple);
	assert_of_tuple(f->snd_nxt, tuple);
	assert_of_tuple(f->snd_una, tuple);
	assert_of_tuple(f->rcv_tsval, tuple);
	assert_of_tuple(f->snd_tsval, tuple);
}

/* How many live records there are; all others are sound too. */
static int assert_all_is_sound(void)
{
	int live = 0;

	for (__u32 tuple = 0; tuple < CHAOS_TUPLES; tuple++) {
		struct tuple t = chaos_tuple(tuple);
		struct half_open h;
		struct ended e;
		struct flow f;

		if (shield_flow(&t, &f)) {
			assert_flow_is_sound(&f, tuple);
			live++;
		}
		if (shield_half_open(&t, &h)) {
			assert_of_tuple(h.irs, tuple);
			assert_of_tuple(h.iss, tuple);
		}
		if (shield_ended(&t, &e)) {
			assert_true(e.state == TCPS_TIME_WAIT || e.state == TCPS_CLOSED);
			assert_of_tuple(e.irs, tuple);
			assert_of_tuple(e.irs + e.handshake, tuple);
			assert_of_tuple(e.rcv_nxt, tuple);
			assert_of_tuple(e.snd_nxt, tuple);
		}
	}
	return live;
}

static void test_anything_at_once_records_are_sound(void **state)
{
	int live = 0, filled;

	(void)state;
	sweep = sweep_now__open();
	assert_non_null(sweep);
	shield_share_maps(sweep->obj);
	assert_int_equal(sweep_now__load(sweep), 0);
	partner_start(send_anything);
	for (int turn = 0; turn < CHAOS_TURNS; turn++) {
		meeting->series = turn * 1000;
		if (turn % 5 == 0)
			shield_advance(6 * 86400 * NSEC_PER_SEC); /* no record lives so long */
		meet(send_anything);
		live += assert_all_is_sound();
	}
	partner_end();
	sweep_now__destroy(sweep);
	assert_true(live > CHAOS_TURNS / 10); /* there was something to be sound */
	assert_true(shield_saw(V_FLOW_EXPIRED));
	live = assert_all_is_sound();
	filled = shield_fill_flows();
	assert_true(filled <= SHIELD_FLOWS && filled >= SHIELD_FLOWS - live); /* no slot is lost */
}

/* A record that was given to another tuple between look-up and lock: here for good, because nanoseconds are not waited
 * for. */
static void test_established_record_of_another_tuple_is_none(void **state)
{
	struct packet_spec from_peer, from_owner;
	struct flow put, got;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	assert_true(shield_flow(&t.tuple, &put));
	put.tag ^= 1;
	shield_put_flow(&t.tuple, &put);
	from_peer = talk_peer_segment(&t, ACK, 100);
	from_owner = talk_owner_segment(&t, ACK, 100);
	pass(&from_peer);
	pass(&from_owner);
	assert_true(shield_flow(&t.tuple, &got));
	assert_memory_equal(&got, &put, sizeof(got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_any_state_two_sides_at_once_is_as_in_some_order, shield_reset),
		cmocka_unit_test_setup(test_established_record_of_another_tuple_is_none, shield_reset),
		cmocka_unit_test_setup(test_anything_at_once_records_are_sound, shield_reset),
	};

	return shield_run_tests("race", tests, ARRAY_LEN(tests));
}
