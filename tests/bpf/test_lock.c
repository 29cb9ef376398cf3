// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lock of a flow's record: two CPUs at once, a holder that does not come back, a record that is dead.
 */
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sockets.h"
#include "talk.h"

#define ACK TCP_FLAG_ACK
#define RACE_TURNS 50
#define RACE_RUNS 10000 /* of each hook, a turn */

/* Both ends' segments, over and over, on one CPU. */
static void race_on(int cpu, const struct frame *received, const struct frame *sent)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
	for (int turn = 0; turn < RACE_TURNS; turn++)
		shield_repeat(received, sent, RACE_RUNS);
}

/* Any CPU but the one that the process is on; -1: there is none. */
static int another_cpu(int cpu)
{
	for (int other = 0; other < sysconf(_SC_NPROCESSORS_ONLN); other++) {
		if (other != cpu)
			return other;
	}
	return -1;
}

/* Without the lock some of the counts would be lost, a few in a hundred. */
static void test_established_two_cpus_count_every_segment(void **state)
{
	int cpu = sched_getcpu(), other = another_cpu(cpu), status;
	struct packet_spec from_peer, from_owner;
	struct frame received, sent;
	struct flow before, after;
	struct talk t;
	pid_t child;

	(void)state;
	if (other < 0) {
		fprintf(stderr, "lock: two CPUs at once: not run, this machine has one\n");
		skip();
	}
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	from_peer = talk_peer_segment(&t, ACK, 0);
	from_owner = talk_owner_segment(&t, ACK, 0);
	packet_build(&received, &from_peer);
	packet_build(&sent, &from_owner);
	assert_true(shield_flow(&t.tuple, &before));
	child = fork();
	assert_true(child >= 0);
	race_on(child ? cpu : other, &received, &sent);
	if (!child)
		_exit(0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(shield_flow(&t.tuple, &after));
	assert_int_equal(after.lock, FLOW_LOCK_FREE);
	assert_int_equal(after.rcv_packets - before.rcv_packets, 2 * RACE_TURNS * RACE_RUNS);
	assert_int_equal(after.snd_packets - before.snd_packets, 2 * RACE_TURNS * RACE_RUNS);
	assert_int_equal(after.rcv_bytes - before.rcv_bytes,
			 2LL * RACE_TURNS * RACE_RUNS * (received.length - FRAME_ETH_BYTES));
	assert_int_equal(after.snd_nxt, before.snd_nxt);
	assert_state(after.state, TCPS_ESTABLISHED);
}

/* A record of a connection that is there, with a lock that nobody will give back. */
static struct connection connect_with_record(struct talk *t, enum flow_lock lock)
{
	struct connection c = sockets_connect(shield_listener(FAMILY_IPV4, PORT_ALWAYS), FAMILY_IPV4, PORT_ALWAYS);
	struct packet_spec first;
	struct flow f;

	talk_init(t, FAMILY_IPV4, PORT_ALWAYS);
	t->offer.has_timestamps = false;
	t->tuple = c.tuple;
	sockets_numbers(c.local, &t->own_nxt, &t->peer_nxt);
	first = talk_peer_segment(t, ACK, 0);
	assert_verdict(shield_receive_packet(&first), V_ADOPTED);
	assert_true(shield_flow(&t->tuple, &f));
	f.lock = lock;
	shield_put_flow(&t->tuple, &f);
	return c;
}

static void adopted_anew(enum flow_lock lock)
{
	struct talk t;
	struct connection c = connect_with_record(&t, lock);
	struct packet_spec next = talk_peer_segment(&t, ACK, 0);
	struct flow f;

	assert_verdict(shield_receive_packet(&next), V_ADOPTED);
	assert_true(shield_flow(&t.tuple, &f));
	assert_int_equal(f.lock, FLOW_LOCK_FREE);
	assert_int_equal(f.rcv_packets, 1);
	assert_verdict(shield_receive_packet(&next), V_SEGMENT);
	sockets_close(&c);
}

static void test_established_lock_never_given_back_adopted_anew(void **state)
{
	(void)state;
	adopted_anew(FLOW_LOCK_HELD);
}

static void test_established_record_dead_adopted_anew(void **state)
{
	(void)state;
	adopted_anew(FLOW_LOCK_DEAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_established_two_cpus_count_every_segment, shield_reset),
		cmocka_unit_test_setup(test_established_lock_never_given_back_adopted_anew, shield_reset),
		cmocka_unit_test_setup(test_established_record_dead_adopted_anew, shield_reset),
	};

	return shield_run_tests("lock", tests, ARRAY_LEN(tests));
}
