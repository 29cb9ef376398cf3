// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>

#include "comparison.h"

#define FINDINGS_MAX 100

/* A difference that is not listed, and where it comes first. */
struct finding {
	struct difference difference;
	__u64 times;
	struct comparison shortest;
};

static struct finding findings[FINDINGS_MAX];
static int findings_count;
static bool met[DIFFERENCES_MAX]; /* of those that are listed */

void comparison_begin(struct comparison *c, const struct tuple *t, const char *name, __u64 seed)
{
	*c = (struct comparison){ .tuple = *t, .name = name, .seed = seed };
}

/* --- what each of them thinks --- */

static void read_record(struct comparison *c, bool rst)
{
	bool had_record = c->record != TCPS_CLOSED;
	struct half_open h;
	struct ended e;
	struct flow f;

	if (shield_flow(&c->tuple, &f)) {
		c->record = f.state;
		c->peers_fin_acked = (f.flags & FLOW_RCV_FIN) && seq_after(f.rcv_wup, f.rcv_max);
	} else if (shield_half_open(&c->tuple, &h)) {
		c->record = h.state;
	} else {
		c->record = shield_ended(&c->tuple, &e) ? e.state : TCPS_CLOSED;
	}
	if (c->record == TCPS_CLOSED && had_record)
		c->entry_left = rst ? TCP_CONNTRACK_CLOSE : TCP_CONNTRACK_TIME_WAIT;
}

/*
 * The record's state in conntrack's words. It has one state for both ends: FIN_WAIT with the first FIN, CLOSE_WAIT with
 * its acknowledgement, LAST_ACK with the other end's, TIME_WAIT with the last acknowledgement, wherever each came from.
 */
static enum tcp_conntrack entry_expected(const struct comparison *c)
{
	switch (c->record) {
	case TCPS_SYN_SENT:
		return TCP_CONNTRACK_SYN_SENT;
	case TCPS_SYN_RECEIVED:
		return TCP_CONNTRACK_SYN_RECV;
	case TCPS_ESTABLISHED:
		return TCP_CONNTRACK_ESTABLISHED;
	case TCPS_FIN_WAIT_1:
		return TCP_CONNTRACK_FIN_WAIT;
	case TCPS_FIN_WAIT_2:
		return TCP_CONNTRACK_CLOSE_WAIT;
	case TCPS_CLOSE_WAIT:
		return c->peers_fin_acked ? TCP_CONNTRACK_CLOSE_WAIT : TCP_CONNTRACK_FIN_WAIT;
	case TCPS_CLOSING:
	case TCPS_LAST_ACK:
		return TCP_CONNTRACK_LAST_ACK;
	case TCPS_TIME_WAIT:
		return TCP_CONNTRACK_TIME_WAIT;
	default:
		return c->entry_left;
	}
}

struct outcome comparison_show(struct comparison *c, const struct sighting *s, bool counted)
{
	struct outcome o;
	struct frame f;

	packet_build(&f, &s->spec);
	if (s->spec.direction == DIRECTION_RCV)
		o = counted ? shield_receive(&f) : shield_receive_uncounted(&f);
	else
		o = counted ? shield_send(&f) : shield_send_uncounted(&f);
	comparison_show_answer(c, s);
	return o;
}

void comparison_show_answer(struct comparison *c, const struct sighting *s)
{
	c->packets++;
	c->entry = conntrack_pass(&s->spec);
	read_record(c, s->spec.flags & TCP_FLAG_RST);
}

/* --- whether they agree --- */

static void find(const struct comparison *c, const struct difference *d)
{
	struct finding *f = findings;

	while (f < findings + findings_count && !difference_is(&f->difference, d))
		f++;
	if (f == findings + findings_count) {
		if (findings_count == FINDINGS_MAX)
			return;
		findings_count++;
		*f = (struct finding){ .difference = *d, .shortest = *c };
	}
	f->times++;
	if (c->packets < f->shortest.packets)
		f->shortest = *c;
}

static void judge(struct comparison *c, const struct difference *d, bool agree)
{
	bool begins = !agree && !c->differs[d->witness];
	int listed;

	c->differs[d->witness] = !agree;
	if (!begins)
		return;
	listed = difference_find(d);
	if (listed < 0)
		find(c, d);
	else
		met[listed] = true;
}

void comparison_judge(struct comparison *c, const struct sighting *s, enum tcp_state owner)
{
	struct difference d = {
		.witness = WITNESS_CONNTRACK,
		.begun_by = difference_stimulus(s),
		.record = c->record,
		.witnessed = c->entry,
	};

	judge(c, &d, c->entry == entry_expected(c));
	if (owner == TCPS_COUNT)
		return;
	d.witness = WITNESS_OWNER;
	d.witnessed = owner == TCPS_LISTEN ? TCPS_CLOSED : owner;
	judge(c, &d, d.witnessed == (int)c->record);
}

/* --- what is said of it --- */

void comparison_trace(const struct comparison *c, const struct sighting *s, enum verdict verdict, enum tcp_state owner)
{
	static const char letters[] = "FSRPAUEC";
	const struct packet_spec *p = &s->spec;
	char flags[sizeof(letters)] = "";
	int length = 0;

	for (int bit = 0; bit < 8; bit++) {
		if (p->flags >> bit & 1)
			flags[length++] = letters[bit];
	}
	printf("%3d %-15s %-3s seq %10u len %4u ack %10u win %5u  %-17s record %-12s conntrack %-11s owner %s\n",
	       c->packets, difference_stimulus_name(difference_stimulus(s)), flags, p->seq, p->payload_bytes, p->ack,
	       p->window, shield_verdict_name(verdict), tcp_state_name(c->record), conntrack_state_name(c->entry),
	       tcp_state_name(owner));
}

static void print_difference(const struct difference *d)
{
	printf("%s: record %s, %s %s", difference_stimulus_name(d->begun_by), tcp_state_name(d->record),
	       difference_witness_name(d->witness), difference_state_name(d->witness, d->witnessed));
}

int comparison_print_findings(void)
{
	int found = findings_count;

	findings_count = 0;
	for (int i = 0; i < found; i++) {
		const struct finding *f = &findings[i];

		printf("not listed, %llu times: ", f->times);
		print_difference(&f->difference);
		if (f->shortest.name)
			printf("; packet %d of %s\n", f->shortest.packets, f->shortest.name);
		else
			printf("; packet %d of --trace --count 1 --seed %llu\n", f->shortest.packets, f->shortest.seed);
	}
	return found;
}

int comparison_print_unmet(void)
{
	int unmet = 0;

	for (int i = 0; i < differences_count; i++) {
		if (met[i])
			continue;
		printf("listed, but never met: ");
		print_difference(&differences[i]);
		printf("\n");
		unmet++;
	}
	return unmet;
}
