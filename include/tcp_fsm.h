/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP state machine (RFC 9293, 3.3.2 and 3.10): one table, compiled into the XDP and TC programs and into user
 * space.
 *
 * A state is that of the owner's endpoint, the one on this machine, never the peer's: RCV is what the peer sent and the
 * owner took, SND is what the owner sent. Events are facts, not flag bits: sequence and acknowledgement numbers have
 * been judged (judge.h) before an event is raised, so a duplicate or a forged segment raises none. A segment that
 * carries two facts, as a FIN that acknowledges our FIN, raises two events in the RFC's order: the acknowledgement
 * (3.10.7.4, fifth), then the FIN (eighth).
 *
 * What a tracker beside the endpoint can not know, and how it is settled:
 *
 * A passive endpoint that is reset in SYN-RECEIVED goes back to LISTEN (3.10.7.4, second). A record is one connection,
 * so it becomes CLOSED; the listener is another socket.
 *
 * TIME-WAIT ends by its timer alone. A RST in it is ignored (RFC 1337, 3, fix F1); a FIN restarts the timer.
 */
#ifndef SYNKEEP_TCP_FSM_H
#define SYNKEEP_TCP_FSM_H

#include "base.h"

/* X(identifier, name as RFC 9293 prints it) */
#define TCP_STATES(X)                                                                                                  \
	X(CLOSED, "CLOSED")                                                                                            \
	X(LISTEN, "LISTEN")                                                                                            \
	X(SYN_SENT, "SYN-SENT")                                                                                        \
	X(SYN_RECEIVED, "SYN-RECEIVED")                                                                                \
	X(ESTABLISHED, "ESTABLISHED")                                                                                  \
	X(FIN_WAIT_1, "FIN-WAIT-1")                                                                                    \
	X(FIN_WAIT_2, "FIN-WAIT-2")                                                                                    \
	X(CLOSE_WAIT, "CLOSE-WAIT")                                                                                    \
	X(CLOSING, "CLOSING")                                                                                          \
	X(LAST_ACK, "LAST-ACK")                                                                                        \
	X(TIME_WAIT, "TIME-WAIT")

/* X(identifier, what has happened) */
#define TCP_EVENTS(X)                                                                                                  \
	X(OPEN_PASSIVE, "the application listens")                                                                     \
	X(SND_SYN, "a SYN was sent")                                                                                   \
	X(RCV_SYN, "a SYN without an acknowledgement of ours came")                                                    \
	X(RCV_SYN_ACK, "a SYN that acknowledges ours came")                                                            \
	X(RCV_ACK_OF_SYN, "our SYN was acknowledged")                                                                  \
	X(SND_FIN, "a FIN was sent")                                                                                   \
	X(RCV_FIN, "a FIN came, all before it received")                                                               \
	X(RCV_ACK_OF_FIN, "our FIN was acknowledged")                                                                  \
	X(SND_RST, "a RST was sent")                                                                                   \
	X(RCV_RST, "a valid RST came")                                                                                 \
	X(TIMEOUT, "the state's time is over")

enum tcp_state {
#define X(id, name) TCPS_##id,
	TCP_STATES(X)
#undef X
		TCPS_COUNT
} __attribute__((packed));

enum tcp_event {
#define X(id, sentence) TCPE_##id,
	TCP_EVENTS(X)
#undef X
		TCPE_COUNT
};

/* clang-format off */
#define CL TCPS_CLOSED
#define LI TCPS_LISTEN
#define SS TCPS_SYN_SENT
#define SR TCPS_SYN_RECEIVED
#define ES TCPS_ESTABLISHED
#define F1 TCPS_FIN_WAIT_1
#define F2 TCPS_FIN_WAIT_2
#define CW TCPS_CLOSE_WAIT
#define CG TCPS_CLOSING
#define LA TCPS_LAST_ACK
#define TW TCPS_TIME_WAIT

/* A cell that repeats its row's state: the event changes nothing there. */
static const __u8 tcp_fsm[TCPS_COUNT][TCPE_COUNT] = {
/*                     OPEN  SND  RCV  RCV      RCV_ACK  SND  RCV  RCV_ACK  SND  RCV  TIME
 *                     _PASV _SYN _SYN _SYN_ACK _OF_SYN  _FIN _FIN _OF_FIN  _RST _RST OUT   */
[TCPS_CLOSED]       = { LI,   SS,  CL,  CL,      CL,      CL,  CL,  CL,      CL,  CL,  CL },
[TCPS_LISTEN]       = { LI,   SS,  SR,  LI,      LI,      LI,  LI,  LI,      LI,  LI,  LI },
[TCPS_SYN_SENT]     = { SS,   SS,  SR,  ES,      SS,      SS,  SS,  SS,      SS,  CL,  CL },
[TCPS_SYN_RECEIVED] = { SR,   SR,  SR,  ES,      ES,      F1,  CW,  SR,      CL,  CL,  CL },
[TCPS_ESTABLISHED]  = { ES,   ES,  ES,  ES,      ES,      F1,  CW,  ES,      CL,  CL,  CL },
[TCPS_FIN_WAIT_1]   = { F1,   F1,  F1,  F1,      F1,      F1,  CG,  F2,      CL,  CL,  CL },
[TCPS_FIN_WAIT_2]   = { F2,   F2,  F2,  F2,      F2,      F2,  TW,  F2,      CL,  CL,  CL },
[TCPS_CLOSE_WAIT]   = { CW,   CW,  CW,  CW,      CW,      LA,  CW,  CW,      CL,  CL,  CL },
[TCPS_CLOSING]      = { CG,   CG,  CG,  CG,      CG,      CG,  CG,  TW,      CL,  CL,  CL },
[TCPS_LAST_ACK]     = { LA,   LA,  LA,  LA,      LA,      LA,  LA,  CL,      CL,  CL,  CL },
[TCPS_TIME_WAIT]    = { TW,   TW,  TW,  TW,      TW,      TW,  TW,  TW,      TW,  TW,  CL },
};
/*
 * The cells that are not obvious:
 * LISTEN, SND_SYN: SEND on a listener turns it active (3.10.2).
 * SYN-SENT, SND_RST: an unacceptable ACK is reset, and the SYN goes on (3.10.7.3, first); ABORT sends no RST (3.10.5).
 * SYN-SENT, RCV_SYN: simultaneous open (3.5, figure 7); both ends go on from SYN-RECEIVED.
 * SYN-RECEIVED, RCV_SYN_ACK: the second half of a simultaneous open; its ACK is what counts.
 * SYN-RECEIVED, SND_FIN: CLOSE before the handshake ended (3.10.4); the FIN goes out after the SYN is acknowledged.
 * FIN-WAIT-1, RCV_FIN: simultaneous close (3.6, figure 13); had the segment acknowledged our FIN, RCV_ACK_OF_FIN would
 *   have come first and the state would be FIN-WAIT-2 already.
 * CLOSED, all but the opens: the record stays as a tombstone until its cookie is stale.
 */
#undef CL
#undef LI
#undef SS
#undef SR
#undef ES
#undef F1
#undef F2
#undef CW
#undef CG
#undef LA
#undef TW
/* clang-format on */

/* The state after event in state; state itself where either is out of range. */
static __always_inline enum tcp_state tcp_fsm_next(enum tcp_state state, enum tcp_event event)
{
	__u32 row = state, column = event;

	make_opaque(row); /* clang-14 checks a copy otherwise */
	if (row >= TCPS_COUNT || column >= TCPE_COUNT)
		return state;
	return (enum tcp_state)tcp_fsm[row][column];
}

#ifndef __bpf__
static inline const char *tcp_state_name(enum tcp_state state)
{
	static const char *const names[] = {
#define X(id, name) name,
		TCP_STATES(X)
#undef X
	};
	return state < TCPS_COUNT ? names[state] : "?";
}

static inline const char *tcp_event_sentence(enum tcp_event event)
{
	static const char *const sentences[] = {
#define X(id, sentence) sentence,
		TCP_EVENTS(X)
#undef X
	};
	return event < TCPE_COUNT ? sentences[event] : "?";
}
#endif

#endif /* SYNKEEP_TCP_FSM_H */
