/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One end of a TCP connection as RFC 9293 and RFC 5961 have it and Linux builds it: what it takes, what it answers,
 * what it sends. It is written from the documents, not from include/judge.h, which is compared with it.
 *
 * It has no timers and no congestion control: when something is sent again is for others to say. What it has received
 * is read at once. It buffers what comes out of order, delays acknowledgements or not, and offers any window.
 */
#ifndef SYNKEEP_TEST_END_H
#define SYNKEEP_TEST_END_H

#include "packet_build.h"

#define END_STREAM_BYTES 8192 /* what one end sends at the most, its FIN included */
#define END_WSCALE_MAX 8

/* What is to be sent in answer to what came. */
enum end_answer {
	END_SAYS_NOTHING,
	END_ACKS_LATER,
	END_ACKS, /* out of the window, out of order, or a challenge: at once */
	END_SYN_ACKS,
	END_RESETS,
};

struct end {
	enum tcp_state state;
	enum tcp_state closed;	  /* where it is without a connection: LISTEN, or CLOSED */
	enum direction direction; /* of what it sends */
	struct tuple tuple;
	__u32 next_iss; /* of the connection that a listener will take */
	__u32 iss;
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 snd_edge; /* the right edge that the other end offered */
	__u32 irs;
	__u32 rcv_nxt;
	__u32 rcv_wup;	/* the last acknowledgement sent */
	__u32 rcv_edge; /* the right edge offered */
	__u32 buffer;	/* bytes it offers */
	__u8 rcv_wscale;
	__u8 snd_wscale;
	struct tcp_options offer; /* of its SYN or SYN-ACK */
	bool timestamps;	  /* in use */
	bool sack;
	__u32 tsval; /* its clock */
	__u32 ts_recent;
	bool fin_sent;
	__u32 fin;
	bool peers_fin_known; /* it came, though perhaps before other things */
	__u32 peers_fin;
	struct packet_spec cause;	 /* of the reset that END_RESETS asks for */
	bool received[END_STREAM_BYTES]; /* by distance from irs + 1 */
};

/* Begins a connection; the SYN is to be sent. */
void end_open(struct end *e, __u32 iss);

/* Takes what the other end, or a forger, sent. */
enum end_answer end_receive(struct end *e, const struct packet_spec *spec);

/* The connection that a cookie makes of a listener, with the numbers and options of its SYN-ACK. */
void end_accept_cookie(struct end *e, const struct packet_spec *syn, const struct packet_spec *syn_ack);

/* What it sends; those that change its state say so by their names. */
struct packet_spec end_send_syn(struct end *e);
struct packet_spec end_send_syn_ack(struct end *e); /* SYN-RECEIVED */
struct packet_spec end_send_ack(struct end *e);
struct packet_spec end_send_reset(const struct end *e); /* as end_receive() asked for */
struct packet_spec end_send_data(struct end *e, __u32 bytes);
struct packet_spec end_send_fin(struct end *e, __u32 bytes);   /* closes, with the last bytes */
struct packet_spec end_send_again(struct end *e, __u32 bytes); /* from snd_una on, the FIN if it comes to it */
struct packet_spec end_send_abort(struct end *e);	       /* CLOSED */
struct packet_spec end_send_probe(struct end *e);

/* How many bytes it may send now. */
__u32 end_room(const struct end *e);
bool end_may_send(const struct end *e); /* it has not closed */
bool end_has_unacknowledged(const struct end *e);

#endif /* SYNKEEP_TEST_END_H */
