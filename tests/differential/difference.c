// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "difference.h"

/* "It" is nf_conntrack, as in Linux 6.18. */
#define UNVERIFIED "nothing is stored for an unverified source: the owner's answer, or a right cookie, makes the record"
#define OPENS_ANEW "its entry opens anew with any SYN; the record waits for what the owner says to it"
#define ANY_ACK_OF_SYN                                                                                                 \
	"it takes any acknowledgement in its window for that of the SYN; the record wants the right number"
#define ANY_ACK_OF_FIN "it takes any segment with ACK, from either end, for the acknowledgement of a FIN"
#define FIN_AGAIN "it takes a FIN that is sent again for the other end's"
#define FIN_AHEAD "it takes a FIN that came before data that is still missing"
#define WAITS_FOR_ACK "TIME-WAIT begins at the owner with the peer's FIN; it waits for the owner's acknowledgement"
#define INEXACT_RST                                                                                                    \
	"once a FIN was seen, or before the handshake's end, it takes a RST with any number; RFC 5961 wants "          \
	"the exact one"
#define RST_AFTER_END                                                                                                  \
	"it takes a RST for an ended connection; the owner's TIME-WAIT takes none (RFC 1337), and of CLOSED "          \
	"nothing is left"
#define RST_DENIED "it wants a RST's number to be what the other end acknowledged last; an abort is at SND.NXT"
#define STALE_ACK                                                                                                      \
	"a RST is judged by its sequence number alone (RFC 9293, 3.10.7.4, second); it refuses one whose "             \
	"acknowledgement is stale"
#define OTHERS_RST "it has ended the handshake by the RST of an older connection, or a forged one, and stays with that"
#define OWN_WINDOW "what it let pass beyond its window has moved the window, and the right segment is outside"
#define NO_MAP "the record keeps no map of what came out of order: the owner's next acknowledgement says what it has"
#define RST_AT_ACK                                                                                                     \
	"a RST exactly where the owner acknowledged last ends the record, though data may have come since: "           \
	"RFC 5961 would challenge it. A record that ends too early is made again from the socket"
#define ANY_SYN_ACK "it takes any SYN-ACK for the answer to a SYN; the record wants the right number"
#define CLOSED_ENTRY "an entry in CLOSE opens anew with the answer to a SYN, not with the SYN"
#define WAITS_FOR_OWN_ACK "a client is ESTABLISHED with the SYN-ACK; it waits for the acknowledgement of that"
#define RST_OF_SYN_SENT                                                                                                \
	"in SYN_SENT it takes any RST, the owner's answer to a forged segment too; the owner goes on with its SYN"
#define SIMULTANEOUS                                                                                                   \
	"a SYN that crosses the owner's leads to SYN-RECEIVED; it follows such an opening otherwise, or not at all"

#define CONNTRACK(stimulus, record, entry, reason, seed)                                                               \
	{                                                                                                              \
		WITNESS_CONNTRACK, STIMULUS_##stimulus, TCPS_##record, TCP_CONNTRACK_##entry, reason, seed             \
	}
#define OWNER(stimulus, record, owner, reason, seed)                                                                   \
	{                                                                                                              \
		WITNESS_OWNER, STIMULUS_##stimulus, TCPS_##record, TCPS_##owner, reason, seed                          \
	}

/* clang-format off */
const struct difference differences[] = {
	/*        begun by        record        conntrack    reason             seed, if it is rare */
	CONNTRACK(PEER_SYN,       CLOSED,       SYN_SENT,    UNVERIFIED,        0),
	CONNTRACK(FORGED_SYN,     CLOSED,       SYN_SENT,    UNVERIFIED,        0),
	CONNTRACK(PEER_SYN,       TIME_WAIT,    SYN_SENT,    OPENS_ANEW,        0),
	CONNTRACK(FORGED_SYN,     TIME_WAIT,    SYN_SENT,    OPENS_ANEW,        0),
	CONNTRACK(PEER_SEGMENT,   SYN_RECEIVED, ESTABLISHED, ANY_ACK_OF_SYN,    0),
	CONNTRACK(PEER_FIN,       SYN_RECEIVED, FIN_WAIT,    ANY_ACK_OF_SYN,    15494),
	CONNTRACK(PEER_SEGMENT,   FIN_WAIT_1,   CLOSE_WAIT,  ANY_ACK_OF_FIN,    0),
	CONNTRACK(PEER_SEGMENT,   CLOSE_WAIT,   CLOSE_WAIT,  ANY_ACK_OF_FIN,    0),
	CONNTRACK(PEER_SEGMENT,   CLOSING,      TIME_WAIT,   ANY_ACK_OF_FIN,    0),
	CONNTRACK(PEER_SEGMENT,   LAST_ACK,     TIME_WAIT,   ANY_ACK_OF_FIN,    0),
	CONNTRACK(OWNER_SEGMENT,  FIN_WAIT_1,   CLOSE_WAIT,  ANY_ACK_OF_FIN,    0),
	CONNTRACK(OWNER_SEGMENT,  CLOSING,      TIME_WAIT,   ANY_ACK_OF_FIN,    0),
	CONNTRACK(OWNER_SEGMENT,  LAST_ACK,     TIME_WAIT,   ANY_ACK_OF_FIN,    0),
	CONNTRACK(PEER_FIN,       CLOSE_WAIT,   LAST_ACK,    FIN_AGAIN,         0),
	CONNTRACK(OWNER_FIN,      FIN_WAIT_1,   LAST_ACK,    FIN_AGAIN,         0),
	CONNTRACK(PEER_FIN,       ESTABLISHED,  FIN_WAIT,    FIN_AHEAD,         0),
	CONNTRACK(PEER_FIN,       FIN_WAIT_1,   LAST_ACK,    FIN_AHEAD,         0),
	CONNTRACK(PEER_FIN,       FIN_WAIT_2,   LAST_ACK,    FIN_AHEAD,         0),
	CONNTRACK(PEER_FIN,       TIME_WAIT,    LAST_ACK,    WAITS_FOR_ACK,     0),
	CONNTRACK(PEER_RST,       SYN_RECEIVED, CLOSE,       INEXACT_RST,       0),
	CONNTRACK(PEER_RST,       FIN_WAIT_1,   CLOSE,       INEXACT_RST,       0),
	CONNTRACK(PEER_RST,       FIN_WAIT_2,   CLOSE,       INEXACT_RST,       0),
	CONNTRACK(PEER_RST,       CLOSE_WAIT,   CLOSE,       INEXACT_RST,       0),
	CONNTRACK(FORGED_RST,     SYN_RECEIVED, CLOSE,       INEXACT_RST,       0),
	CONNTRACK(FORGED_RST,     FIN_WAIT_1,   CLOSE,       INEXACT_RST,       0),
	CONNTRACK(FORGED_RST,     FIN_WAIT_2,   CLOSE,       INEXACT_RST,       0),
	CONNTRACK(FORGED_RST,     CLOSE_WAIT,   CLOSE,       INEXACT_RST,       0),
	CONNTRACK(FORGED_RST,     CLOSING,      CLOSE,       INEXACT_RST,       0),
	CONNTRACK(FORGED_RST,     LAST_ACK,     CLOSE,       INEXACT_RST,       0),
	CONNTRACK(PEER_RST,       LAST_ACK,     CLOSE,       INEXACT_RST,       8166),
	CONNTRACK(PEER_RST,       CLOSING,      CLOSE,       INEXACT_RST,       10848),
	CONNTRACK(PEER_RST,       TIME_WAIT,    CLOSE,       RST_AFTER_END,     0),
	CONNTRACK(PEER_RST,       CLOSED,       CLOSE,       RST_AFTER_END,     0),
	CONNTRACK(FORGED_RST,     TIME_WAIT,    CLOSE,       RST_AFTER_END,     0),
	CONNTRACK(FORGED_RST,     CLOSED,       CLOSE,       RST_AFTER_END,     0),
	CONNTRACK(OWNER_RST,      CLOSED,       CLOSE,       RST_AFTER_END,     0),
	CONNTRACK(OWNER_RST,      CLOSED,       ESTABLISHED, RST_DENIED,        0),
	CONNTRACK(PEER_RST,       CLOSED,       ESTABLISHED, RST_DENIED,        39387),
	CONNTRACK(PEER_RST,       CLOSED,       SYN_RECV,    STALE_ACK,         0),
	CONNTRACK(PEER_SEGMENT,   ESTABLISHED,  CLOSE,       OTHERS_RST,        0),
	CONNTRACK(PEER_SEGMENT,   ESTABLISHED,  SYN_RECV,    OWN_WINDOW,        0),
	CONNTRACK(OWNER_FIN,      FIN_WAIT_1,   ESTABLISHED, OWN_WINDOW,        9077),
	CONNTRACK(PEER_SYN,       ESTABLISHED,  SYN_SENT,    OWN_WINDOW,        0),
	CONNTRACK(PEER_SYN,       SYN_SENT,     SYN_RECV,    ANY_SYN_ACK,       0),
	CONNTRACK(OWNER_SYN,      CLOSED,       SYN_RECV,    CLOSED_ENTRY,      0),
	CONNTRACK(OWNER_SYN,      SYN_SENT,     CLOSE,       CLOSED_ENTRY,      0),
	CONNTRACK(PEER_SYN,       ESTABLISHED,  SYN_RECV,    WAITS_FOR_OWN_ACK, 0),
	CONNTRACK(OWNER_RST,      SYN_SENT,     CLOSE,       RST_OF_SYN_SENT,   0),
	CONNTRACK(OWNER_RST,      SYN_SENT,     NONE,        RST_OF_SYN_SENT,   0),
	CONNTRACK(PEER_RST,       SYN_SENT,     CLOSE,       RST_OF_SYN_SENT,   0),
	CONNTRACK(PEER_RST,       SYN_SENT,     NONE,        RST_OF_SYN_SENT,   0),
	CONNTRACK(FORGED_RST,     SYN_SENT,     NONE,        RST_OF_SYN_SENT,   0),
	CONNTRACK(FORGED_RST,     SYN_SENT,     CLOSE,       RST_OF_SYN_SENT,   25112),
	CONNTRACK(FORGED_SYN,     SYN_RECEIVED, SYN_SENT2,   SIMULTANEOUS,      0),
	CONNTRACK(FORGED_SYN,     SYN_RECEIVED, SYN_SENT,    SIMULTANEOUS,      0),
	CONNTRACK(FORGED_GARBAGE, SYN_RECEIVED, SYN_SENT,    SIMULTANEOUS,      0),
	CONNTRACK(OWNER_SEGMENT,  SYN_RECEIVED, ESTABLISHED, SIMULTANEOUS,      0),
	/*        begun by        record        the owner    reason             seed, if it is rare */
	OWNER(    PEER_SEGMENT,   ESTABLISHED,  CLOSE_WAIT,  NO_MAP,            0),
	OWNER(    PEER_SEGMENT,   FIN_WAIT_1,   CLOSING,     NO_MAP,            0),
	OWNER(    PEER_SEGMENT,   FIN_WAIT_2,   TIME_WAIT,   NO_MAP,            0),
	OWNER(    PEER_FIN,       FIN_WAIT_1,   CLOSING,     NO_MAP,            0),
	OWNER(    PEER_FIN,       FIN_WAIT_2,   TIME_WAIT,   NO_MAP,            0),
	OWNER(    PEER_RST,       FIN_WAIT_2,   CLOSED,      NO_MAP,            0),
	OWNER(    PEER_FIN,       ESTABLISHED,  CLOSE_WAIT,  NO_MAP,            0),
	OWNER(    PEER_RST,       CLOSED,       ESTABLISHED, RST_AT_ACK,        0),
	OWNER(    PEER_RST,       CLOSED,       FIN_WAIT_1,  RST_AT_ACK,        0),
	OWNER(    PEER_RST,       CLOSED,       FIN_WAIT_2,  RST_AT_ACK,        0),
};
/* clang-format on */

const int differences_count = ARRAY_LEN(differences);
_Static_assert(ARRAY_LEN(differences) <= DIFFERENCES_MAX, "differences");

enum difference_stimulus difference_stimulus(const struct sighting *s)
{
	__u8 flags = s->spec.flags;
	bool syn = flags & TCP_FLAG_SYN, fin = flags & TCP_FLAG_FIN, rst = flags & TCP_FLAG_RST;

	if (s->forged && (syn + fin + rst > 1 || !(flags & (TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK))))
		return STIMULUS_FORGED_GARBAGE;
	if (s->forged)
		return syn   ? STIMULUS_FORGED_SYN
		       : rst ? STIMULUS_FORGED_RST
		       : fin ? STIMULUS_FORGED_FIN
			     : STIMULUS_FORGED_SEGMENT;
	if (s->spec.direction == DIRECTION_RCV)
		return syn   ? STIMULUS_PEER_SYN
		       : rst ? STIMULUS_PEER_RST
		       : fin ? STIMULUS_PEER_FIN
			     : STIMULUS_PEER_SEGMENT;
	return syn ? STIMULUS_OWNER_SYN : rst ? STIMULUS_OWNER_RST : fin ? STIMULUS_OWNER_FIN : STIMULUS_OWNER_SEGMENT;
}

const char *difference_stimulus_name(enum difference_stimulus stimulus)
{
	static const char *const names[] = {
#define X(id, name) name,
		STIMULI(X)
#undef X
	};

	return names[stimulus];
}

const char *difference_witness_name(enum difference_witness witness)
{
	return witness == WITNESS_CONNTRACK ? "conntrack" : "the owner";
}

const char *difference_state_name(enum difference_witness witness, int state)
{
	return witness == WITNESS_CONNTRACK ? conntrack_state_name(state) : tcp_state_name(state);
}

bool difference_is(const struct difference *d, const struct difference *other)
{
	return d->witness == other->witness && d->begun_by == other->begun_by && d->record == other->record &&
	       d->witnessed == other->witnessed;
}

int difference_find(const struct difference *d)
{
	for (int i = 0; i < differences_count; i++) {
		if (difference_is(&differences[i], d))
			return i;
	}
	return -1;
}
