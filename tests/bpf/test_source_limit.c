// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a source may have of a service, and a service of the flow table: who counts, what is dropped where, and that
 * every way in which a connection can end counts it down once.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agenda.h"
#include "listed.h"
#include "source_limit.h"
#include "sockets.h"
#include "steered.h"
#include "tests/bpf/sweep_now.skel.h"

#define ACK TCP_FLAG_ACK
#define FIN TCP_FLAG_FIN
#define RST TCP_FLAG_RST
#define OWNER_ISN 5000
#define NEVER 0

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

static const struct source_limits new_2 = { .new_per_second = 2, .prefix_ipv4 = 32, .prefix_ipv6 = 64 };
static const struct source_limits open_2 = { .open = 2, .prefix_ipv4 = 32, .prefix_ipv6 = 64 };

/* A peer of the usual source that has sent nothing yet, by its number. */
static struct talk peer(__u8 family, __u16 port, __u16 number)
{
	struct talk t;

	talk_init(&t, family, port);
	t.tuple.remote_port = 1000 + number;
	return t;
}

static struct outcome send_syn(const struct talk *t)
{
	struct packet_spec syn = talk_syn(t);

	return shield_receive_packet(&syn);
}

static struct outcome send_ack(const struct talk *t)
{
	struct packet_spec ack = talk_peer_segment(t, ACK, 0);

	return shield_receive_packet(&ack);
}

static struct outcome owner_sends(const struct talk *t, __u8 flags)
{
	struct packet_spec spec = talk_owner_segment(t, flags, 0);
	struct frame f;

	packet_build(&f, &spec);
	return shield_send(&f);
}

/* SYN and ACK of a cookie. */
static struct talk open_one(__u8 family, __u16 port, __u16 number)
{
	struct talk t = peer(family, port, number);

	talk_get_cookie(&t);
	assert_verdict(send_ack(&t), V_COOKIE_ACK);
	return t;
}

static bool has_flow(const struct talk *t)
{
	struct flow f;

	return shield_flow(&t->tuple, &f);
}

/* How many connections the source of the tuple has, by the map; -1: the source is not known. */
static int open_of(const struct tuple *t, const struct source_limits *limits)
{
	struct service_key service_key = { .port = t->local_port, .family = t->family };
	struct source_account_key key;
	struct source_account account;
	struct service service;

	memcpy(service_key.address, t->local, sizeof(service_key.address));
	assert_int_equal(bpf_map_lookup_elem(shield_map("services"), &service_key, &service), 0);
	source_account_key_set(&key, t, service.sentry, limits);
	return bpf_map_lookup_elem(shield_map("source_accounts"), &key, &account) ? -1 : account.open;
}

static int flows_of(const struct tuple *t)
{
	return shield_sentry(t->family, t->local_port).flows;
}

#define assert_counted(tuple, limits, count)                                                                           \
	do {                                                                                                           \
		assert_int_equal(open_of(tuple, limits), count);                                                       \
		assert_int_equal(flows_of(tuple), count);                                                              \
	} while (0)

static void assert_unknown(const struct tuple *t)
{
	assert_int_equal(open_of(t, &open_2), -1);
	assert_int_equal(flows_of(t), 0);
}

/* --- new connections a second ------------------------------------------------------------------------------------- */

static void test_no_limits_nothing_counted(void **state)
{
	struct talk t;
	struct flow f;

	(void)state;
	shield_set_limits(PORT_UNHEARD, &new_2, 0);
	t = open_one(FAMILY_IPV4, PORT_ALWAYS, 1);
	assert_true(shield_flow(&t.tuple, &f));
	assert_int_equal(f.flags & FLOW_COUNTED, 0);
	assert_unknown(&t.tuple);
}

static void test_rate_used_up_syn_dropped_until_its_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk third = peer(families[i], PORT_ALWAYS, 3);

		shield_reset(NULL);
		shield_set_limits(PORT_ALWAYS, &new_2, 0);
		open_one(families[i], PORT_ALWAYS, 1);
		open_one(families[i], PORT_ALWAYS, 2);
		assert_verdict(send_syn(&third), V_SYN_SOURCE_RATE);
		shield_advance(NSEC_PER_SEC / 2);
		open_one(families[i], PORT_ALWAYS, 3);
		assert_counted(&third.tuple, &new_2, 3);
		third.tuple.remote_port++;
		assert_verdict(send_syn(&third), V_SYN_SOURCE_RATE);
	}
}

/* None is verified yet when the others' SYNs come. */
static void test_rate_many_syns_at_once_handshakes_dropped(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk peers[3];

		shield_reset(NULL);
		shield_set_limits(PORT_ALWAYS, &new_2, 0);
		for (size_t n = 0; n < ARRAY_LEN(peers); n++) {
			peers[n] = peer(families[i], PORT_ALWAYS, n);
			talk_get_cookie(&peers[n]);
		}
		assert_verdict(send_ack(&peers[0]), V_COOKIE_ACK);
		assert_verdict(send_ack(&peers[1]), V_COOKIE_ACK);
		assert_verdict(send_ack(&peers[2]), V_SOURCE_RATE);
		assert_false(has_flow(&peers[2]));
		assert_counted(&peers[2].tuple, &new_2, 2);
		shield_advance(NSEC_PER_SEC / 2);
		assert_verdict(send_ack(&peers[2]), V_COOKIE_ACK);
		assert_true(has_flow(&peers[2]));
	}
}

/* What nobody has verified is no source: else anybody could use up what another has. */
static void test_syns_and_wrong_cookies_know_no_source(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t = peer(families[i], PORT_ALWAYS, 0);

		shield_reset(NULL);
		shield_set_limits(PORT_ALWAYS, &new_2, 0);
		shield_advance(200 * NSEC_PER_SEC); /* nobody is welcome any more but by a cookie */
		for (int n = 0; n < 10; n++) {
			t.tuple.remote_port++;
			talk_get_cookie(&t);
			t.peer_nxt = TALK_PEER_ISN + 1;
			t.own_nxt ^= 0x100;
			assert_verdict(send_ack(&t), V_NO_FLOW);
			t = peer(families[i], PORT_ALWAYS, n);
		}
		assert_unknown(&t.tuple);
	}
}

/* --- open connections --------------------------------------------------------------------------------------------- */

static void test_open_used_up_dropped_until_one_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk peers[3];
		struct talk late = peer(families[i], PORT_ALWAYS, 9);

		shield_reset(NULL);
		shield_set_limits(PORT_ALWAYS, &open_2, 0);
		for (size_t n = 0; n < ARRAY_LEN(peers); n++) {
			peers[n] = peer(families[i], PORT_ALWAYS, n);
			talk_get_cookie(&peers[n]);
		}
		assert_verdict(send_ack(&peers[0]), V_COOKIE_ACK);
		assert_verdict(send_ack(&peers[1]), V_COOKIE_ACK);
		assert_verdict(send_ack(&peers[2]), V_SOURCE_OPEN);
		assert_verdict(send_syn(&late), V_SYN_SOURCE_OPEN);
		assert_false(has_flow(&peers[2]));
		assert_counted(&late.tuple, &open_2, 2);
		owner_sends(&peers[0], RST);
		assert_counted(&late.tuple, &open_2, 1);
		assert_verdict(send_ack(&peers[2]), V_COOKIE_ACK);
		assert_counted(&late.tuple, &open_2, 2);
	}
}

/* A handshake that the owner has answered itself: its request stays, and the peer's next segment asks again. */
static void test_calm_open_used_up_last_ack_dropped(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk peers[3];
		struct half_open h;

		shield_reset(NULL);
		shield_set_limits(PORT_AUTO, &open_2, 0);
		for (size_t n = 0; n < ARRAY_LEN(peers); n++) {
			peers[n] = peer(families[i], PORT_AUTO, n);
			assert_verdict(send_syn(&peers[n]), V_SYN_CALM);
			peers[n].peer_nxt++;
			peers[n].own_nxt = OWNER_ISN;
			assert_verdict(owner_sends(&peers[n], TCP_FLAG_SYN | ACK), V_OWN_SYN_ACK);
			peers[n].own_nxt++;
		}
		assert_verdict(send_ack(&peers[0]), V_HALF_OPEN_ACK);
		assert_verdict(send_ack(&peers[1]), V_HALF_OPEN_ACK);
		assert_verdict(send_ack(&peers[2]), V_SOURCE_OPEN);
		assert_false(has_flow(&peers[2]));
		assert_true(shield_half_open(&peers[2].tuple, &h));
		owner_sends(&peers[0], RST);
		assert_verdict(send_ack(&peers[2]), V_HALF_OPEN_ACK);
		assert_counted(&peers[2].tuple, &open_2, 2);
	}
}

/* --- who is a source ---------------------------------------------------------------------------------------------- */

static void test_prefix_is_one_source_others_are_not(void **state)
{
	const struct source_limits limits = { .open = 1, .prefix_ipv4 = 24, .prefix_ipv6 = 48 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		bool is_ipv4 = families[i] == FAMILY_IPV4;
		struct talk near = peer(families[i], PORT_ALWAYS, 2), far = near;

		shield_reset(NULL);
		shield_set_limits(PORT_ALWAYS, &limits, 0);
		open_one(families[i], PORT_ALWAYS, 1);
		/* the last bit that does not count, and the last that does */
		near.tuple.remote[is_ipv4 ? 0 : 1] ^= net32(is_ipv4 ? 0x80 : 0x8000);
		far.tuple.remote[is_ipv4 ? 0 : 1] ^= net32(is_ipv4 ? 0x100 : 0x10000);
		assert_verdict(send_syn(&near), V_SYN_SOURCE_OPEN);
		assert_verdict(send_syn(&far), V_SYN_COOKIE);
	}
}

static void test_other_service_has_its_own_count(void **state)
{
	const struct source_limits limits = { .open = 1, .prefix_ipv4 = 32, .prefix_ipv6 = 64 };
	struct talk t = peer(FAMILY_IPV4, PORT_AUTO, 2);

	(void)state;
	shield_set_limits(PORT_ALWAYS, &limits, 0);
	shield_set_limits(PORT_AUTO, &limits, 0);
	open_one(FAMILY_IPV4, PORT_ALWAYS, 1);
	assert_verdict(send_syn(&t), V_SYN_CALM);
	t.tuple.local_port = PORT_ALWAYS;
	assert_verdict(send_syn(&t), V_SYN_SOURCE_OPEN);
}

static void test_allowed_source_counts_and_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct tuple source = shield_tuple(families[i], PORT_ALWAYS);
		struct talk t;

		shield_reset(NULL);
		shield_set_limits(PORT_ALWAYS, &open_2, 0);
		listed_put(&source, families[i] == FAMILY_IPV4 ? 32 : 128, SOURCE_ALLOW, NEVER);
		for (int n = 0; n < 4; n++)
			t = open_one(families[i], PORT_ALWAYS, n);
		assert_counted(&t.tuple, &open_2, 4);
	}
}

static void test_monitor_counts_and_passes(void **state)
{
	struct source_limits limits[] = { new_2, open_2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct talk third = peer(FAMILY_IPV4, PORT_ALWAYS, 3);

		shield_reset(NULL);
		limits[i].monitor = true;
		shield_set_limits(PORT_ALWAYS, &limits[i], 0);
		open_one(FAMILY_IPV4, PORT_ALWAYS, 1);
		open_one(FAMILY_IPV4, PORT_ALWAYS, 2);
		assert_int_equal(shield_count(V_SOURCE_MONITORED), i);
		talk_get_cookie(&third);
		assert_noted(send_ack(&third), V_SOURCE_MONITORED);
		assert_true(has_flow(&third));
		assert_counted(&third.tuple, &limits[i], 3);
	}
}

/* --- the ends of connections -------------------------------------------------------------------------------------- */

static void end_by_peers_rst(struct talk *t)
{
	struct packet_spec rst = talk_peer_segment(t, RST, 0);

	shield_receive_packet(&rst);
}

static void end_by_own_rst(struct talk *t)
{
	owner_sends(t, RST);
}

static void end_by_fins(struct talk *t)
{
	struct packet_spec fin;

	owner_sends(t, FIN | ACK);
	t->own_nxt++;
	fin = talk_peer_segment(t, FIN | ACK, 0);
	shield_receive_packet(&fin);
}

static struct sweep_now *sweep;

static void end_by_sweep(struct talk *t)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);

	(void)t;
	shield_advance(6 * 86400 * NSEC_PER_SEC);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(sweep->progs.sweep_now), &run), 0);
}

static void end_by_ager(struct talk *t)
{
	shield_advance(6 * 86400 * NSEC_PER_SEC);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t->tuple)->due, AGE_EXPIRED);
}

/* The socket is gone, and nobody has seen its RST. */
static void end_by_probes(struct talk *t)
{
	struct age_call call = { .family = t->tuple.family, .gone = true };
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &call, .ctx_size_in = sizeof(call));
	struct flow f;

	assert_true(shield_flow(&t->tuple, &f));
	f.probes = 3;
	shield_put_flow(&t->tuple, &f);
	agenda_key_of(&t->tuple, &call.key);
	assert_int_equal(bpf_prog_test_run_opts(shield_program("probe_over"), &run), 0);
}

/* The owner begins another connection on the tuple: it is this host's, and does not count. */
static void end_by_own_syn(struct talk *t)
{
	t->own_nxt += 1000000;
	owner_sends(t, TCP_FLAG_SYN);
}

/* A record whose time is over makes room for the next connection of its tuple, which ends too. */
static void end_by_next_connection(struct talk *t)
{
	shield_advance(6 * 86400 * NSEC_PER_SEC);
	*t = open_one(t->tuple.family, t->tuple.local_port, t->tuple.remote_port - 1000);
	assert_counted(&t->tuple, &open_2, 1);
	end_by_peers_rst(t);
}

static void test_each_end_counts_down_once(void **state)
{
	static void (*const ends[])(struct talk *) = { end_by_peers_rst, end_by_own_rst,	end_by_fins,
						       end_by_sweep,	 end_by_ager,		end_by_probes,
						       end_by_own_syn,	 end_by_next_connection };

	(void)state;
	sweep = sweep_now__open();
	assert_non_null(sweep);
	shield_share_maps(sweep->obj);
	assert_int_equal(sweep_now__load(sweep), 0);
	for (size_t i = 0; i < ARRAY_LEN(families) * ARRAY_LEN(ends); i++) {
		struct talk t, other;

		shield_reset(NULL);
		shield_set_limits(PORT_ALWAYS, &open_2, 0);
		t = open_one(families[i % 2], PORT_ALWAYS, 1);
		other = open_one(families[i % 2], PORT_ALWAYS, 2);
		assert_counted(&t.tuple, &open_2, 2);
		end_by_peers_rst(&other);
		assert_counted(&t.tuple, &open_2, 1);
		ends[i / 2](&t);
		assert_false(has_flow(&t));
		assert_counted(&t.tuple, &open_2, 0);
	}
	sweep_now__destroy(sweep);
}

/* Its record does not come about, and so does not count. */
static void test_table_full_not_counted(void **state)
{
	struct talk t = peer(FAMILY_IPV4, PORT_ALWAYS, 1);
	struct outcome o;

	(void)state;
	shield_set_limits(PORT_ALWAYS, &open_2, 0);
	talk_get_cookie(&t);
	shield_fill_flows();
	o = send_ack(&t);
	assert_verdict(o, V_COOKIE_ACK);
	assert_noted(o, V_FLOWS_FULL);
	assert_counted(&t.tuple, &open_2, 0);
}

/* Records from before the service counted are none of its. */
static void test_counted_anew_older_records_end_uncounted(void **state)
{
	struct talk old, young;

	(void)state;
	shield_set_limits(PORT_ALWAYS, &open_2, 0);
	old = open_one(FAMILY_IPV4, PORT_ALWAYS, 1);
	shield_advance(10 * NSEC_PER_SEC);
	shield_count_anew(FAMILY_IPV4, PORT_ALWAYS); /* as the command line does it when limits change */
	young = open_one(FAMILY_IPV4, PORT_ALWAYS, 2);
	assert_counted(&young.tuple, &open_2, 1);
	end_by_peers_rst(&old);
	assert_counted(&young.tuple, &open_2, 1);
	end_by_peers_rst(&young);
	assert_counted(&young.tuple, &open_2, 0);
}

/* Both CPUs show the same handshakes and resets to the same tuples. */
#define RACE_TUPLES 2
#define RACE_ROUNDS 10000
#define RACE_STAY 100

static struct frame race_acks[RACE_TUPLES], race_rsts[RACE_TUPLES];

static void race_on(int cpu, const struct talk *talks)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
	for (int i = 0; i < RACE_TUPLES * RACE_ROUNDS; i++) {
		int n = i % RACE_TUPLES;
		struct flow4_key key;

		shield_receive_uncounted(&race_acks[n]);
		shield_receive_uncounted(&race_rsts[n]);
		flow4_key_from_tuple(&key, &talks[n].tuple);
		bpf_map_delete_elem(shield_map("tw4"), &key); /* or its cookie would be a replay */
	}
}

/* But for the connections that stay: what is counted down twice is taken from them. */
static void test_two_cpus_at_the_same_tuples_each_counted_once(void **state)
{
	int cpu = sched_getcpu(), other = cpu ? 0 : 1, status;
	struct talk talks[RACE_TUPLES];
	pid_t child;

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		fprintf(stderr, "source_limit: two CPUs at once: not run, this machine has one\n");
		skip();
	}
	shield_set_limits(PORT_ALWAYS, &(struct source_limits){ .open = 1000000, .prefix_ipv4 = 32, .prefix_ipv6 = 64 },
			  0);
	for (int n = 0; n < RACE_STAY; n++)
		open_one(FAMILY_IPV4, PORT_ALWAYS, 1000 + n);
	for (int n = 0; n < RACE_TUPLES; n++) {
		struct packet_spec spec;

		talks[n] = peer(FAMILY_IPV4, PORT_ALWAYS, n);
		talk_get_cookie(&talks[n]);
		spec = talk_peer_segment(&talks[n], ACK, 0);
		packet_build(&race_acks[n], &spec);
		spec = talk_peer_segment(&talks[n], RST, 0);
		packet_build(&race_rsts[n], &spec);
	}
	child = fork();
	assert_true(child >= 0);
	if (!child)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	race_on(child ? cpu : other, talks);
	if (!child)
		_exit(0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (int n = 0; n < RACE_TUPLES; n++)
		shield_receive_uncounted(&race_rsts[n]);
	assert_counted(&talks[0].tuple, &open_2, RACE_STAY);
}

/* --- connections that are there already --------------------------------------------------------------------------- */

static void test_adopted_counts_whatever_the_limits(void **state)
{
	const struct source_limits limits = { .new_per_second = 1, .open = 1, .prefix_ipv4 = 32, .prefix_ipv6 = 64 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct connection c[2];
		struct talk t = peer(families[i], PORT_ALWAYS, 1);

		shield_reset(NULL);
		shield_set_limits(PORT_ALWAYS, &limits, 0);
		for (int n = 0; n < 2; n++) {
			struct packet_spec segment;

			c[n] = sockets_connect(shield_listener(families[i], PORT_ALWAYS), families[i], PORT_ALWAYS);
			t.tuple = c[n].tuple;
			sockets_numbers(c[n].local, &t.own_nxt, &t.peer_nxt);
			segment = talk_peer_segment(&t, ACK, 0);
			assert_verdict(shield_receive_packet(&segment), V_ADOPTED);
		}
		assert_counted(&t.tuple, &limits, 2);
		sockets_close(&c[0]);
		sockets_close(&c[1]);
	}
}

/* Its peer is no source: this host has opened it, from the service's port. */
static void test_own_connection_does_not_count(void **state)
{
	const struct half_open syn_sent = { .deadline_ns = ~0ULL,
					    .iss = OWNER_ISN,
					    .snd_nxt = OWNER_ISN + 1,
					    .flags = FLOW_OUTGOING,
					    .state = TCPS_SYN_SENT };
	struct talk t = peer(FAMILY_IPV4, PORT_ALWAYS, 1);
	struct packet_spec syn_ack;

	(void)state;
	shield_set_limits(PORT_ALWAYS, &open_2, 0);
	shield_put_half_open(&t.tuple, &syn_sent);
	t.own_nxt = OWNER_ISN + 1;
	syn_ack = talk_peer_segment(&t, TCP_FLAG_SYN | ACK, 0);
	assert_verdict(shield_receive_packet(&syn_ack), V_SYN_ACK);
	assert_true(has_flow(&t));
	assert_unknown(&t.tuple);
}

/* --- the share ---------------------------------------------------------------------------------------------------- */

static const struct source_limits no_limits;

static void test_share_used_up_connection_works_without_record(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk first, third = peer(families[i], PORT_ALWAYS, 3);
		struct journal_event event;
		struct outcome o;

		shield_reset(NULL);
		shield_set_limits(PORT_ALWAYS, &no_limits, 2);
		first = open_one(families[i], PORT_ALWAYS, 1);
		open_one(families[i], PORT_ALWAYS, 2);
		talk_get_cookie(&third);
		o = send_ack(&third);
		assert_verdict(o, V_COOKIE_ACK);
		assert_noted(o, V_FLOWS_SHARE);
		assert_false(o.noted[V_FLOWS_FULL]);
		assert_int_equal(o.hint, SHIELD_HINT_VERIFY);
		assert_false(has_flow(&third));
		assert_int_equal(flows_of(&third.tuple), 2);
		assert_int_equal(shield_sentry(families[i], PORT_ALWAYS).flows_full, 1);
		event = shield_last_event();
		assert_int_equal(event.kind, JOURNAL_SHARE_FULL);
		assert_int_equal(event.service.port, PORT_ALWAYS);
		assert_int_equal(event.service.family, families[i]);
		assert_int_equal(event.value, 2);
		end_by_peers_rst(&first);
		assert_verdict(send_ack(&third), V_COOKIE_ACK);
		assert_true(has_flow(&third));
	}
}

/* Its connection is none that the source is seen to have. */
static void test_share_used_up_source_not_counted(void **state)
{
	struct talk t = peer(FAMILY_IPV4, PORT_ALWAYS, 2);

	(void)state;
	shield_set_limits(PORT_ALWAYS, &open_2, 1);
	open_one(FAMILY_IPV4, PORT_ALWAYS, 1);
	talk_get_cookie(&t);
	assert_noted(send_ack(&t), V_FLOWS_SHARE);
	assert_counted(&t.tuple, &open_2, 1);
}

static void test_share_used_up_told_once_a_second(void **state)
{
	struct talk t = peer(FAMILY_IPV4, PORT_ALWAYS, 0);

	(void)state;
	shield_set_limits(PORT_ALWAYS, &no_limits, 1);
	open_one(FAMILY_IPV4, PORT_ALWAYS, 1);
	talk_get_cookie(&t);
	for (int n = 0; n < 3; n++)
		send_ack(&t);
	assert_int_equal(shield_last_event().number, 1);
	shield_advance(NSEC_PER_SEC);
	send_ack(&t);
	send_ack(&t);
	assert_int_equal(shield_last_event().number, 2);
	assert_int_equal(shield_sentry(FAMILY_IPV4, PORT_ALWAYS).flows_full, 5);
}

static void test_share_of_one_leaves_the_others_theirs(void **state)
{
	struct talk t;

	(void)state;
	shield_set_limits(PORT_ALWAYS, &no_limits, 1);
	open_one(FAMILY_IPV4, PORT_ALWAYS, 1);
	t = peer(FAMILY_IPV4, PORT_WILDCARD, 2);
	talk_get_cookie(&t);
	assert_verdict(send_ack(&t), V_COOKIE_ACK);
	assert_true(has_flow(&t));
}

/* --- connections of the daemon's ---------------------------------------------------------------------------------- */

static void release_record(const struct tuple *t)
{
	struct flow6_key key;
	struct release_call call = { .keys = (uintptr_t)&key, .count = 1, .family = t->family };
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &call, .ctx_size_in = sizeof(call));

	agenda_key_of(t, &key);
	assert_int_equal(bpf_prog_test_run_opts(shield_program("release"), &run), 0);
	assert_int_equal(run.retval, 0);
}

static void test_daemon_counted_until_released(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t = peer(families[i], PORT_DAEMON_ALWAYS, 1),
			    next = peer(families[i], PORT_DAEMON_ALWAYS, 2);
		struct outcome o;
		struct flow f;

		shield_reset(NULL);
		shield_set_limits(PORT_DAEMON_ALWAYS,
				  &(struct source_limits){ .open = 1, .prefix_ipv4 = 32, .prefix_ipv6 = 64 }, 0);
		talk_get_cookie(&t);
		talk_get_cookie(&next);
		o = send_ack(&t);
		steered_assert(&o, DAEMON_COOKIE_ACK);
		assert_int_equal(o.daemon.flags & FLOW_COUNTED, FLOW_COUNTED);
		assert_true(shield_flow(&t.tuple, &f));
		assert_int_equal(f.flags & FLOW_COUNTED, FLOW_COUNTED);
		assert_verdict(send_ack(&next), V_SOURCE_OPEN);
		assert_counted(&t.tuple, &open_2, 1);
		release_record(&next.tuple); /* it has none */
		release_record(&t.tuple);
		release_record(&t.tuple);
		assert_false(has_flow(&t));
		assert_counted(&t.tuple, &open_2, 0);
		o = send_ack(&next);
		steered_assert(&o, DAEMON_COOKIE_ACK);
	}
}

static void test_daemon_share_used_up_no_room(void **state)
{
	struct talk t = peer(FAMILY_IPV6, PORT_DAEMON_ALWAYS, 1), next = peer(FAMILY_IPV6, PORT_DAEMON_ALWAYS, 2);
	struct outcome o;

	(void)state;
	shield_set_limits(PORT_DAEMON_ALWAYS, &no_limits, 1);
	talk_get_cookie(&t);
	talk_get_cookie(&next);
	send_ack(&t);
	o = send_ack(&next);
	assert_verdict(o, V_DAEMON_NO_ROOM);
	assert_noted(o, V_FLOWS_SHARE);
}

/* Of the kernel's, it takes nothing away. */
static void test_release_leaves_the_kernels_records(void **state)
{
	struct talk t;

	(void)state;
	shield_set_limits(PORT_ALWAYS, &open_2, 0);
	t = open_one(FAMILY_IPV4, PORT_ALWAYS, 1);
	release_record(&t.tuple);
	assert_true(has_flow(&t));
	assert_counted(&t.tuple, &open_2, 1);
}

/* Policy auto: what the daemon's TCP completes itself, nobody would count. */
static void test_daemon_calm_with_limits_syn_gets_cookie(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t = peer(families[i], PORT_DAEMON_AUTO, 1);

		assert_verdict(send_syn(&t), V_DAEMON_SYN);
		shield_set_limits(PORT_DAEMON_AUTO, i ? &no_limits : &open_2, i);
		assert_verdict(send_syn(&t), V_SYN_COOKIE);
		shield_reset(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_limits_nothing_counted, shield_reset),
		cmocka_unit_test_setup(test_rate_used_up_syn_dropped_until_its_time, shield_reset),
		cmocka_unit_test_setup(test_rate_many_syns_at_once_handshakes_dropped, shield_reset),
		cmocka_unit_test_setup(test_syns_and_wrong_cookies_know_no_source, shield_reset),
		cmocka_unit_test_setup(test_open_used_up_dropped_until_one_ends, shield_reset),
		cmocka_unit_test_setup(test_calm_open_used_up_last_ack_dropped, shield_reset),
		cmocka_unit_test_setup(test_prefix_is_one_source_others_are_not, shield_reset),
		cmocka_unit_test_setup(test_other_service_has_its_own_count, shield_reset),
		cmocka_unit_test_setup(test_allowed_source_counts_and_passes, shield_reset),
		cmocka_unit_test_setup(test_monitor_counts_and_passes, shield_reset),
		cmocka_unit_test_setup(test_each_end_counts_down_once, shield_reset),
		cmocka_unit_test_setup(test_table_full_not_counted, shield_reset),
		cmocka_unit_test_setup(test_counted_anew_older_records_end_uncounted, shield_reset),
		cmocka_unit_test_setup(test_two_cpus_at_the_same_tuples_each_counted_once, shield_reset),
		cmocka_unit_test_setup(test_adopted_counts_whatever_the_limits, shield_reset),
		cmocka_unit_test_setup(test_own_connection_does_not_count, shield_reset),
		cmocka_unit_test_setup(test_share_used_up_connection_works_without_record, shield_reset),
		cmocka_unit_test_setup(test_share_used_up_source_not_counted, shield_reset),
		cmocka_unit_test_setup(test_share_used_up_told_once_a_second, shield_reset),
		cmocka_unit_test_setup(test_share_of_one_leaves_the_others_theirs, shield_reset),
		cmocka_unit_test_setup(test_daemon_counted_until_released, shield_reset),
		cmocka_unit_test_setup(test_daemon_share_used_up_no_room, shield_reset),
		cmocka_unit_test_setup(test_release_leaves_the_kernels_records, shield_reset),
		cmocka_unit_test_setup(test_daemon_calm_with_limits_syn_gets_cookie, shield_reset),
	};

	return shield_run_tests("source_limit", tests, ARRAY_LEN(tests));
}
