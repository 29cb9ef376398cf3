// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "chance.h"
#include "conversation.h"

#define PACKETS_MAX 60
#define OPENED_MAX 3
#define IDLE_MAX 200 /* choices in a row that let this host see nothing */

/* --- the network --- */

static void link_put(struct conversation *c, struct link *l, const struct packet_spec *spec)
{
	if (l->length < CONVERSATION_QUEUE && !chance_one_in(&c->series, 12))
		l->packets[l->length++] = *spec;
}

/* Mostly the oldest; now and then another one, or one that comes again. */
static bool link_take(struct conversation *c, struct link *l, struct packet_spec *spec)
{
	int index = chance_one_in(&c->series, 6) && l->length ? chance_below(&c->series, l->length) : 0;

	if (!l->length)
		return false;
	*spec = l->packets[index];
	if (chance_one_in(&c->series, 20))
		return true;
	l->length--;
	memmove(&l->packets[index], &l->packets[index + 1], (l->length - index) * sizeof(*spec));
	return true;
}

/* --- the ends --- */

static __u32 random_isn(struct conversation *c)
{
	return chance_one_in(&c->series, 4) ? -chance_below(&c->series, 3000) : chance_next(&c->series);
}

static void random_end(struct conversation *c, struct end *e, const struct tuple *t)
{
	bool scales = !chance_one_in(&c->series, 4);

	*e = (struct end){
		.tuple = *t,
		.tsval = chance_next(&c->series),
		.buffer = 1000 + chance_below(&c->series, 60000),
		.offer = { .mss = 1460,
			   .wscale = scales ? chance_below(&c->series, END_WSCALE_MAX + 1) : TCP_WSCALE_NONE,
			   .sack_permitted = chance_below(&c->series, 2),
			   .has_timestamps = !chance_one_in(&c->series, 3) },
	};
}

void conversation_begin(struct conversation *c, __u64 seed, const struct tuple *t, enum conversation_kind kind)
{
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->series = seed;
	c->left = PACKETS_MAX;
	random_end(c, &c->peer, t);
	random_end(c, &c->owner, t);
	c->peer.direction = DIRECTION_RCV;
	c->peer.state = c->peer.closed = kind == OWNER_OPENS ? TCPS_LISTEN : TCPS_CLOSED;
	c->owner.direction = DIRECTION_SND;
	c->owner.state = c->owner.closed = kind == OWNER_OPENS ? TCPS_CLOSED : TCPS_LISTEN;
}

/*
 * The SYN of the end that opens, the first or another one. From TIME-WAIT a client opens with a number that is not old
 * (RFC 9293, 3.4.3); from CLOSED it knows no better.
 */
static bool opens(struct conversation *c, struct end *e, struct packet_spec *spec)
{
	if (e->closed == TCPS_LISTEN || (e->state != TCPS_CLOSED && e->state != TCPS_TIME_WAIT))
		return false;
	if (c->opened >= OPENED_MAX || (c->opened && !chance_one_in(&c->series, 3)))
		return false;
	if (c->kind == PEER_OPENS_BY_COOKIE)
		c->to_owner.length = c->to_peer.length = 0;
	end_open(e, e->state == TCPS_TIME_WAIT ? e->snd_nxt + 1 + chance_below(&c->series, 70000) : random_isn(c));
	c->opened++;
	*spec = end_send_syn(e);
	return true;
}

/* What an application or a timer makes a connected end send; false: nothing this time. */
static bool talks(struct conversation *c, struct end *e, struct packet_spec *spec)
{
	__u32 room = end_room(e), bytes = room ? 1 + chance_below(&c->series, room < 1400 ? room : 1400) : 0;

	switch (chance_below(&c->series, 16)) {
	case 0:
		if (!end_may_send(e) && e->state < TCPS_FIN_WAIT_1)
			return false;
		e->buffer = chance_below(&c->series, 60000);
		*spec = end_send_ack(e);
		return true;
	case 1:
	case 2:
		if (!room)
			return false;
		*spec = end_send_fin(e, chance_below(&c->series, 2) ? bytes - 1 : 0);
		return true;
	case 3:
		if (!end_may_send(e) || !chance_one_in(&c->series, 3))
			return false;
		*spec = end_send_abort(e);
		return true;
	case 4:
		if (!end_may_send(e))
			return false;
		*spec = end_send_probe(e);
		return true;
	case 5:
	case 6:
	case 7:
		if (e->state < TCPS_ESTABLISHED || !end_has_unacknowledged(e))
			return false;
		*spec = end_send_again(e, 1 + chance_below(&c->series, 1400));
		return true;
	default:
		if (!room)
			return false;
		*spec = end_send_data(e, bytes);
		return true;
	}
}

static struct packet_spec answer(struct end *e, enum end_answer answer)
{
	switch (answer) {
	case END_SYN_ACKS:
		return end_send_syn_ack(e);
	case END_RESETS:
		return end_send_reset(e);
	default:
		return end_send_ack(e);
	}
}

/* What an end does of itself; false: nothing this time. */
static bool end_acts(struct conversation *c, struct end *e, struct packet_spec *spec)
{
	bool by_cookie = c->kind == PEER_OPENS_BY_COOKIE && e == &c->owner;

	if (opens(c, e, spec))
		return true;
	if (e->state == TCPS_SYN_SENT && chance_one_in(&c->series, 2))
		*spec = end_send_syn(e); /* again */
	else if (e->state == TCPS_SYN_RECEIVED && !by_cookie && chance_one_in(&c->series, 4))
		*spec = end_send_syn_ack(e); /* again */
	else
		return talks(c, e, spec);
	return true;
}

static void peer_acts(struct conversation *c)
{
	struct packet_spec spec;

	if (end_acts(c, &c->peer, &spec))
		link_put(c, &c->to_owner, &spec);
}

/* A listener, or an end in TIME-WAIT, may have a connection to begin. */
static enum end_answer receives(struct conversation *c, struct end *e, const struct packet_spec *spec)
{
	if (e->state == e->closed || e->state == TCPS_TIME_WAIT)
		e->next_iss = random_isn(c);
	return end_receive(e, spec);
}

static void peer_receives(struct conversation *c)
{
	enum end_answer says;
	struct packet_spec spec;

	if (!link_take(c, &c->to_peer, &spec))
		return;
	says = receives(c, &c->peer, &spec);
	if (says == END_SAYS_NOTHING || (says == END_ACKS_LATER && chance_below(&c->series, 2)))
		return;
	spec = answer(&c->peer, says);
	link_put(c, &c->to_owner, &spec);
}

/* --- who does not see the connection --- */

static struct packet_spec forge(struct conversation *c)
{
	static const __u8 garbage[] = { 0,
					TCP_FLAG_FIN,
					TCP_FLAG_URG | TCP_FLAG_PSH,
					TCP_FLAG_SYN | TCP_FLAG_FIN,
					TCP_FLAG_SYN | TCP_FLAG_RST,
					TCP_FLAG_RST | TCP_FLAG_FIN | TCP_FLAG_ACK };
	const struct end *e = &c->owner;
	__u32 window = e->rcv_edge - e->rcv_nxt, near = 1 + chance_below(&c->series, window ? window : 1);
	struct packet_spec spec = {
		.tuple = e->tuple,
		.direction = DIRECTION_RCV,
		.seq = chance_below(&c->series, 2) ? e->rcv_nxt + near : chance_next(&c->series),
		.ack = e->snd_nxt + 1 + chance_below(&c->series, 1U << 30), /* never sent */
		.window = chance_next(&c->series),
	};

	switch (chance_below(&c->series, 5)) {
	case 0:
		/* what it would open anew, a socket would keep from the cookies of the connection before */
		if (c->kind == PEER_OPENS_BY_COOKIE && e->state == TCPS_TIME_WAIT)
			return spec;
		spec.flags = TCP_FLAG_SYN;
		spec.ack = 0;
		break;
	case 1:
		spec.flags = TCP_FLAG_RST;
		break;
	case 2:
		spec.flags = garbage[chance_below(&c->series, ARRAY_LEN(garbage))];
		break;
	case 3:
		spec.flags = TCP_FLAG_ACK | TCP_FLAG_FIN;
		break;
	default:
		spec.flags = TCP_FLAG_ACK;
		spec.payload_bytes = chance_below(&c->series, 500);
	}
	return spec;
}

/* --- what this host sees --- */

/* An answer that is due goes out before anything else happens; an acknowledgement may wait. */
static bool owner_answers(struct conversation *c, struct packet_spec *spec)
{
	enum end_answer owes = c->owner_owes;

	if (owes == END_SAYS_NOTHING || (owes == END_ACKS_LATER && !chance_one_in(&c->series, 3)))
		return false;
	c->owner_owes = END_SAYS_NOTHING;
	*spec = answer(&c->owner, owes);
	return true;
}

static bool owner_sends(struct conversation *c, struct packet_spec *spec)
{
	if (owner_answers(c, spec))
		return true;
	if (!chance_one_in(&c->series, 3))
		return false;
	return end_acts(c, &c->owner, spec);
}

/* One choice; true: this host has seen something. */
static bool happens(struct conversation *c, struct sighting *s)
{
	s->forged = false;
	if (owner_sends(c, &s->spec)) {
		link_put(c, &c->to_peer, &s->spec);
		return true;
	}
	switch (chance_below(&c->series, 8)) {
	case 0:
	case 1:
		peer_acts(c);
		return false;
	case 2:
	case 3:
	case 4:
		peer_receives(c);
		return false;
	case 5:
		s->forged = chance_one_in(&c->series, 6);
		if (s->forged)
			s->spec = forge(c);
		return s->forged;
	default:
		return link_take(c, &c->to_owner, &s->spec);
	}
}

bool conversation_next(struct conversation *c, struct sighting *s)
{
	if (!c->left--)
		return false;
	for (int i = 0; i < IDLE_MAX; i++) {
		if (happens(c, s))
			return true;
	}
	return false;
}

void conversation_arrives(struct conversation *c, const struct sighting *s)
{
	struct end *e = &c->owner;
	const struct packet_spec *p = &s->spec;
	enum end_answer owes;

	if (c->has_cookie && e->state == e->closed && p->seq == c->cookie_syn.seq + 1 &&
	    p->ack == c->cookie_syn_ack.seq + 1) {
		end_accept_cookie(e, &c->cookie_syn, &c->cookie_syn_ack);
		c->has_cookie = false;
	}
	owes = receives(c, e, p);
	if (owes > c->owner_owes || e->state == e->closed)
		c->owner_owes = owes;
}

void conversation_answer(struct conversation *c, const struct sighting *syn, const struct packet_spec *syn_ack)
{
	if (!syn->forged) {
		c->has_cookie = true;
		c->cookie_syn = syn->spec;
		c->cookie_syn_ack = *syn_ack;
	}
	link_put(c, &c->to_peer, syn_ack);
}
