// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The same packets through Synkeep's programs and through the kernel's nf_conntrack, the states compared after each:
 * random conversations, thousands of them, and captures of real ones. In a conversation the record is also compared
 * with the owner's end itself.
 *
 * A difference that is not in difference.c fails, and so does one in it that never occurs.
 */
#include <getopt.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "comparison.h"

#define FLUSH_EVERY 1000 /* conversations: the next thousand may use their tuples again */
#define FIRST_PORT 1024
#define PORT_EPHEMERAL 50000 /* no service */

static const char usage[] = "usage: test_differential [option]... [CAPTURE]...\n"
			    "  --seed N    the first conversation (1)\n"
			    "  --count N   how many (%d); with any other number, the list may hold more than is met\n"
			    "  --trace     print every packet, and the states after it\n"
			    "A CAPTURE is a pcap file of Ethernet frames.\n";

#define COUNT_DEFAULT 4000

static struct {
	__u64 seed;
	__u64 count;
	bool trace;
	char **captures;
} options = { .seed = 1, .count = COUNT_DEFAULT };

static __u64 packets;

/* --- conversations --- */

/* What the programs answered themselves: a cookie, on its way to the peer. */
static void take_cookie(struct conversation *c, struct comparison *cmp, const struct sighting *syn,
			const struct outcome *o)
{
	struct sighting answer = { .spec = { .tuple = syn->spec.tuple, .direction = DIRECTION_SND } };
	struct packet_view view;

	assert_null(packet_build_read(&view, &o->frame));
	answer.spec.seq = view.seq;
	answer.spec.ack = view.ack;
	answer.spec.window = view.window;
	answer.spec.flags = view.flags;
	packet_build_options(&answer.spec, LAYOUT_LINUX, &view.options);
	comparison_show_answer(cmp, &answer);
	if (options.trace)
		comparison_trace(cmp, &answer, o->verdict, c->owner.state);
	comparison_judge(cmp, &answer, c->owner.state);
	conversation_answer(c, syn, &answer.spec);
}

/* The programs ask the sockets of this host about a SYN, and the owner is none: they are not asked if it has the tuple.
 */
static bool is_for_the_owners_socket(const struct conversation *c, const struct sighting *s)
{
	return c->kind == PEER_OPENS_BY_COOKIE && c->owner.state != TCPS_LISTEN &&
	       (s->spec.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
}

/* Whether the kernel resets what has passed: its cookie was good once, but of a connection that the owner has reset. */
static bool is_reset(const struct conversation *c, const struct comparison *cmp, const struct sighting *s)
{
	return c->kind == PEER_OPENS_BY_COOKIE && c->owner.state == TCPS_LISTEN && cmp->record == TCPS_CLOSED &&
	       !(s->spec.flags & TCP_FLAG_SYN);
}

static void see(struct conversation *c, struct comparison *cmp, const struct sighting *s)
{
	bool received = s->spec.direction == DIRECTION_RCV;
	struct outcome o = { .verdict = V_SYN_LIVE, .action = XDP_PASS };

	if (received && is_for_the_owners_socket(c, s))
		comparison_show_answer(cmp, s);
	else
		o = comparison_show(cmp, s, options.trace);
	if (received && o.action == XDP_PASS && !is_reset(c, cmp, s))
		conversation_arrives(c, s);
	if (options.trace)
		comparison_trace(cmp, s, o.verdict, c->owner.state);
	comparison_judge(cmp, s, c->owner.state);
	if (o.action == XDP_TX)
		take_cookie(c, cmp, s, &o);
	packets++;
}

/* Both families, each kind. */
static void converse(__u64 seed)
{
	static const __u16 ports[] = {
		[PEER_OPENS] = PORT_OFF,
		[PEER_OPENS_BY_COOKIE] = PORT_ALWAYS,
		[OWNER_OPENS] = PORT_EPHEMERAL,
	};
	enum conversation_kind kind = seed % CONVERSATION_KINDS;
	struct tuple t = shield_tuple(seed / CONVERSATION_KINDS % 2 ? FAMILY_IPV4 : FAMILY_IPV6, ports[kind]);
	static struct conversation c;
	struct comparison cmp;
	struct sighting s;

	t.remote_port = FIRST_PORT + seed % FLUSH_EVERY;
	shield_reset(NULL);
	shield_track_outgoing(true);
	conversation_begin(&c, seed, &t, kind);
	comparison_begin(&cmp, &t, NULL, seed);
	while (conversation_next(&c, &s))
		see(&c, &cmp, &s);
}

static void test_conversations_differ_as_listed(void **unused)
{
	bool all = options.seed == 1 && options.count == COUNT_DEFAULT;

	(void)unused;
	for (__u64 i = 0; i < options.count; i++) {
		converse(options.seed + i);
		if (i % FLUSH_EVERY == FLUSH_EVERY - 1)
			conntrack_flush();
	}
	for (int i = 0; all && i < differences_count; i++) {
		if (differences[i].seed)
			converse(differences[i].seed);
	}
	conntrack_flush();
	print_message("%llu conversations from seed %llu on, %llu packets\n", options.count, options.seed, packets);
	assert_int_equal(comparison_print_findings(), 0);
	assert_true(!all || comparison_print_unmet() == 0);
}

/* --- captures --- */

static void replay(const char *path)
{
	static struct comparison comparisons[CAPTURE_CONNECTIONS_MAX];
	struct capture capture;
	const char *wrong = capture_read(&capture, path);

	if (wrong)
		fail_msg("%s: %s", path, wrong);
	shield_reset(NULL);
	for (int i = 0; i < capture.packets; i++) {
		struct captured *packet = &capture.packet[i];
		struct comparison *cmp = &comparisons[packet->connection];
		struct sighting s = { .spec = packet->spec };
		struct outcome o;

		s.spec.tuple = shield_tuple(packet->spec.tuple.family, PORT_OFF);
		s.spec.tuple.remote_port = FIRST_PORT + packet->connection;
		if (memcmp(&cmp->tuple, &s.spec.tuple, sizeof(cmp->tuple)) || cmp->name != path)
			comparison_begin(cmp, &s.spec.tuple, path, 0);
		o = comparison_show(cmp, &s, options.trace);
		if (options.trace)
			comparison_trace(cmp, &s, o.verdict, TCPS_COUNT);
		comparison_judge(cmp, &s, TCPS_COUNT);
	}
	print_message("%s: %d packets of %d connections\n", path, capture.packets, capture.connections);
	assert_true(capture.packets > 0);
	capture_free(&capture);
	conntrack_flush();
}

static void test_captures_differ_as_listed(void **unused)
{
	(void)unused;
	for (char **path = options.captures; *path; path++)
		replay(*path);
	assert_int_equal(comparison_print_findings(), 0);
}

/* --- */

static int set_up(void **state)
{
	int err = conntrack_open();

	(void)state;
	if (err)
		fprintf(stderr, "differential: not run: no conntrack to compare with: %s\n", strerror(-err));
	return err;
}

static int tear_down(void **state)
{
	(void)state;
	conntrack_close();
	return 0;
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seed", 1, NULL, 's' }, { "count", 1, NULL, 'c' }, { "trace", 0, NULL, 't' }, {}
	};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 's':
			options.seed = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			options.count = strtoull(optarg, NULL, 0);
			break;
		case 't':
			options.trace = true;
			break;
		default:
			fprintf(stderr, usage, COUNT_DEFAULT);
			exit(2);
		}
	}
	options.captures = argv + optind;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_conversations_differ_as_listed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_captures_differ_as_listed, set_up, tear_down),
	};

	parse_options(argc, argv);
	return shield_run_tests("differential", tests, ARRAY_LEN(tests));
}
