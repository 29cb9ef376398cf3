// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The presence filter: a SYN is looked up among the sockets only where its tuple's bit is set, so everything that may
 * have a socket must have its bit, and keep it for as long as it may.
 */
#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#include "sockets.h"
#include "talk.h"

#define ACK TCP_FLAG_ACK
#define SWEEP_PATIENCE_S 13 /* two turns of the sweep, one every 5 s */
#define PERIOD_NS (72 * NSEC_PER_SEC)

/* In which bitmaps a tuple has its bit. */
enum { FIRST = 1 << 0, SECOND = 1 << 1, LASTING = 1 << 2 };

static int bitmaps_of(const struct tuple *t)
{
	__u64 hash = presence_hash(&shield_config.presence_key, t);
	int found = 0;

	for (__u32 bitmap = 0; bitmap < 3; bitmap++) {
		__u32 index = bitmap * SHIELD_PRESENCE_WORDS + presence_word_index(hash, SHIELD_PRESENCE_WORDS);
		__u64 word;

		assert_int_equal(bpf_map_lookup_elem(shield_map("presence"), &index, &word), 0);
		found |= (word & presence_bits(hash)) == presence_bits(hash) ? 1 << bitmap : 0;
	}
	return found;
}

static int know_sockets(void **state)
{
	shield_reset(state);
	shield_know_sockets(FAMILY_IPV4, PORT_ALWAYS, true);
	shield_know_sockets(FAMILY_IPV6, PORT_ALWAYS, true);
	shield_know_sockets(FAMILY_IPV4, PORT_OFF, true);
	return 0;
}

static int forget_sockets(void **state)
{
	(void)state;
	shield_know_sockets(FAMILY_IPV4, PORT_ALWAYS, false);
	shield_know_sockets(FAMILY_IPV6, PORT_ALWAYS, false);
	shield_know_sockets(FAMILY_IPV4, PORT_OFF, false);
	return 0;
}

static enum verdict verdict_of_syn(const struct tuple *t)
{
	struct packet_spec syn;
	struct talk talk;

	talk_init(&talk, t->family, t->local_port);
	talk.tuple = *t;
	syn = talk_syn(&talk);
	return shield_receive_packet(&syn).verdict;
}

/* The first SYN of a jiffy asks for the listener, and is looked up whatever its tuple: another tuple's goes before. */
static enum verdict verdict_of_second_syn(const struct tuple *t)
{
	struct tuple other = *t;

	other.remote_port ^= 1;
	verdict_of_syn(&other);
	return verdict_of_syn(t);
}

static struct connection connect_unseen(__u8 family)
{
	return sockets_connect(shield_listener(family, PORT_ALWAYS), family, PORT_ALWAYS);
}

static void run_seed(void)
{
	int link = bpf_link_create(shield_program("seed"), 0, BPF_TRACE_ITER, NULL), fd = bpf_iter_create(link);
	char none;

	assert_true(link >= 0 && fd >= 0);
	assert_int_equal(read(fd, &none, 1), 0);
	close(fd);
	close(link);
}

/* --- which SYNs are looked up --- */

static void test_syn_without_its_bit_is_not_looked_up(void **state)
{
	struct connection c = connect_unseen(FAMILY_IPV4);
	enum verdict verdict = V_SYN_LIVE;

	for (int tries = 0; tries < 5 && verdict == V_SYN_LIVE; tries++) { /* a jiffy may end between the two */
		know_sockets(state);
		verdict = verdict_of_second_syn(&c.tuple);
	}
	assert_int_equal(verdict, V_SYN_COOKIE); /* wrong, were there no seed */
	sockets_close(&c);
}

static void test_syn_of_a_service_that_is_not_seeded_is_looked_up(void **state)
{
	struct connection c = connect_unseen(FAMILY_IPV4);

	shield_know_sockets(FAMILY_IPV4, PORT_ALWAYS, false);
	assert_int_equal(verdict_of_second_syn(&c.tuple), V_SYN_LIVE);
	sockets_close(&c);
	know_sockets(state);
}

static void seed_shows_what_is_connected(__u8 family)
{
	struct connection live = connect_unseen(family), waiting = connect_unseen(family);

	sockets_close_to_time_wait(&waiting);
	run_seed();
	assert_int_equal(verdict_of_second_syn(&live.tuple), V_SYN_LIVE);
	assert_int_equal(verdict_of_second_syn(&waiting.tuple), V_SYN_LIVE);
	sockets_close(&live);
}

static void test_seeded_sockets_established_and_time_wait_are_looked_up(void **state)
{
	(void)state;
	seed_shows_what_is_connected(FAMILY_IPV4);
	seed_shows_what_is_connected(FAMILY_IPV6);
}

/* --- who sets a bit --- */

static void test_cookie_ack_sets_the_bit(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_get_cookie(&t);
	assert_int_equal(bitmaps_of(&t.tuple), 0);
	assert_verdict(talk_peer_sends(&t, ACK, 0), V_COOKIE_ACK);
	assert_int_equal(bitmaps_of(&t.tuple), FIRST | SECOND);
}

static void test_owners_syn_ack_sets_the_bit(void **state)
{
	struct packet_spec syn_ack;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_OFF);
	t.peer_nxt++;
	syn_ack = talk_owner_segment(&t, TCP_FLAG_SYN | ACK, 0);
	packet_build(&f, &syn_ack);
	assert_verdict(shield_send(&f), V_OWN_SYN_ACK);
	assert_int_equal(bitmaps_of(&t.tuple), FIRST | SECOND);
}

/* Its peer's SYN may cross it. */
static void test_own_syn_sets_the_bit(void **state)
{
	struct packet_spec syn;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_OFF);
	syn = talk_owner_segment(&t, TCP_FLAG_SYN, 0);
	packet_build(&f, &syn);
	shield_send(&f);
	assert_int_equal(bitmaps_of(&t.tuple), FIRST | SECOND);
}

static void test_segment_for_a_socket_without_record_sets_the_bit(void **state)
{
	struct connection c = connect_unseen(FAMILY_IPV4);
	struct packet_spec ack;
	struct talk t;

	(void)state;
	sockets_close_to_time_wait(&c);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	t.tuple = c.tuple;
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_SOCKET);
	assert_int_equal(bitmaps_of(&t.tuple), FIRST | SECOND);
}

static void test_full_table_sets_the_bit_for_good(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	shield_fill_flows();
	ack = talk_peer_segment(&t, ACK, 0);
	assert_noted(shield_receive_packet(&ack), V_FLOWS_FULL);
	assert_int_equal(bitmaps_of(&t.tuple), FIRST | SECOND | LASTING);
}

/* --- how long a bit holds --- */

static struct tuple tuple_of(__u8 family, __u16 remote_port)
{
	struct tuple t = shield_tuple(family, PORT_ALWAYS);

	t.remote_port = remote_port;
	return t;
}

/* Two turns of the sweep, a period after the last: the bitmaps change places, and one is wiped. The bit of a tuple that
 * nothing reminds of shows it. */
static void sweep_after_a_period(void)
{
	const struct tuple witness = tuple_of(FAMILY_IPV4, 9);
	__u64 hash = presence_hash(&shield_config.presence_key, &witness);
	__u64 bits = presence_bits(hash);

	for (__u32 bitmap = 0; bitmap < 2; bitmap++) {
		__u32 index = bitmap * SHIELD_PRESENCE_WORDS + presence_word_index(hash, SHIELD_PRESENCE_WORDS);

		assert_int_equal(bpf_map_update_elem(shield_map("presence"), &index, &bits, BPF_ANY), 0);
	}
	shield_advance(PERIOD_NS);
	for (int s = 0; s < SWEEP_PATIENCE_S && bitmaps_of(&witness) == (FIRST | SECOND); s++)
		sleep(1);
	assert_true(bitmaps_of(&witness) == FIRST || bitmaps_of(&witness) == SECOND);
}

static void test_bits_of_live_records_outlast_the_bitmaps(void **state)
{
	const struct tuple live = tuple_of(FAMILY_IPV4, 1), half = tuple_of(FAMILY_IPV6, 2);
	const struct tuple waiting = tuple_of(FAMILY_IPV4, 3), silent = tuple_of(FAMILY_IPV6, 4);
	const struct tuple refused = tuple_of(FAMILY_IPV4, 5), reset = tuple_of(FAMILY_IPV6, 6);
	struct flow f = { .state = TCPS_ESTABLISHED, .deadline_ns = ~0ULL };
	struct half_open h = { .state = TCPS_SYN_RECEIVED, .deadline_ns = ~0ULL };
	struct ended e = { .state = TCPS_TIME_WAIT, .deadline_ms = shield_now_ms() + 1000000 };

	(void)state;
	shield_put_flow(&live, &f);
	shield_put_half_open(&half, &h);
	shield_put_ended(&waiting, &e);
	e.state = TCPS_CLOSED; /* its cookie may be shown again */
	shield_put_ended(&reset, &e);
	f.deadline_ns = 1; /* expired, though its owner may still have it */
	shield_put_flow(&silent, &f);
	f.flags = FLOW_HANDOVER; /* expired, and no owner has ever had it */
	shield_put_flow(&refused, &f);
	shield_start_sweep();
	sweep_after_a_period();
	sweep_after_a_period(); /* what was current is gone now */
	assert_int_equal(bitmaps_of(&live), FIRST | SECOND);
	assert_int_equal(bitmaps_of(&half), FIRST | SECOND);
	assert_int_equal(bitmaps_of(&waiting), FIRST | SECOND);
	assert_int_equal(bitmaps_of(&reset), FIRST | SECOND);
	assert_int_equal(bitmaps_of(&silent), FIRST | SECOND | LASTING);
	assert_int_equal(bitmaps_of(&refused), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, know_sockets, forget_sockets)
	const struct CMUnitTest tests[] = {
		TEST(test_syn_without_its_bit_is_not_looked_up),
		TEST(test_syn_of_a_service_that_is_not_seeded_is_looked_up),
		TEST(test_seeded_sockets_established_and_time_wait_are_looked_up),
		TEST(test_cookie_ack_sets_the_bit),
		TEST(test_owners_syn_ack_sets_the_bit),
		TEST(test_own_syn_sets_the_bit),
		TEST(test_segment_for_a_socket_without_record_sets_the_bit),
		TEST(test_full_table_sets_the_bit_for_good),
		TEST(test_bits_of_live_records_outlast_the_bitmaps),
	};

	return shield_run_tests("presence", tests, ARRAY_LEN(tests));
}
