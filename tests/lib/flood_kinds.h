/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kinds of a flood: a row each, of which flood_template.h, and nobody else, makes the template. What varies besides
 * is in flood.h.
 */
#ifndef SYNKEEP_TESTS_FLOOD_KINDS_H
#define SYNKEEP_TESTS_FLOOD_KINDS_H

#include <string.h>

#include "flood.h"
#include "judge.h"

/* What of the packet is sent. */
enum flood_piece {
	FLOOD_WHOLE,
	FLOOD_FIRST_FRAGMENT, /* all that there is of it; more are announced */
	FLOOD_LATER_FRAGMENT, /* the same bytes, as if 1480 came before them */
};

struct flood_kind {
	const char *name;
	const char *what;
	__u8 flags[FLOOD_TURNS]; /* enum tcp_flag */
	__u8 turns;		 /* how many of them there are; 0: one */
	__u8 text_bytes;	 /* a multiple of four, as option_bytes */
	__u16 window;
	enum flood_piece piece;
	const char *options;
	__u8 option_bytes;
	__u8 words_at[FLOOD_WORDS]; /* random words, from the beginning of the TCP header; 0: none */
};

#define FLOOD_ACK_AT 8 /* SEG.ACK */

/* Options as they stand in a segment. An odd MSS is none that a cookie keeps as it is. */
#define NOP "\x01"
#define NOP4 NOP NOP NOP NOP
#define MSS "\x02\x04\x05\xb4"
#define ODD_MSS "\x02\x04\x05\x3b"
#define SMALL_MSS "\x02\x04\x01\x00"
#define WSCALE "\x03\x03\x07"
#define SACK_PERMITTED "\x04\x02"
#define TIMESTAMPS "\x08\x0a\0\0\0\0\0\0\0\0"
#define MD5 "\x13\x12\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define AO "\x1d\x10\x01\x01\0\0\0\0\0\0\0\0\0\0\0\0"
#define MPTCP "\x1e\x04\x01\x81"
#define FAST_OPEN "\x22\x0a\x53\x59\x4e\x6b\x65\x65\x70\x21"
#define UNKNOWN "\xfd\x02" /* RFC 4727: for experiments */
#define UNKNOWN4 UNKNOWN UNKNOWN UNKNOWN UNKNOWN
#define TOO_LONG "\xfd\x28"

#define OPTIONS(text) .options = (text), .option_bytes = sizeof(text) - 1
#define SYN .flags = { TCP_FLAG_SYN }, .window = 64240
#define ACK .flags = { TCP_FLAG_ACK }, .words_at = { FLOOD_ACK_AT }
#define DATA .flags = { TCP_FLAG_PSH | TCP_FLAG_ACK }, .words_at = { FLOOD_ACK_AT }, .text_bytes = 28, .window = 501

static const struct flood_kind flood_kinds[] = {
	{ "syn", "SYN as Linux sends it", SYN, OPTIONS(MSS SACK_PERMITTED TIMESTAMPS NOP WSCALE), .words_at = { 28 } },
	{ "syn-bare", "SYN without options", SYN },
	{ "syn-nops", "SYN whose options are one byte long, but the last", SYN,
	  OPTIONS(NOP4 NOP4 NOP4 NOP4 NOP4 NOP ODD_MSS NOP TIMESTAMPS NOP NOP SACK_PERMITTED), .words_at = { 48 } },
	{ "syn-unknown", "SYN with as many unknown options as there is room for", SYN,
	  OPTIONS(UNKNOWN4 UNKNOWN4 UNKNOWN4 UNKNOWN4 UNKNOWN SACK_PERMITTED ODD_MSS) },
	{ "syn-mptcp", "SYN that asks for MPTCP", SYN, OPTIONS(MSS SACK_PERMITTED TIMESTAMPS NOP WSCALE MPTCP),
	  .words_at = { 28 } },
	{ "syn-fast-open", "SYN with a fast-open cookie and text", SYN,
	  OPTIONS(MSS SACK_PERMITTED TIMESTAMPS NOP WSCALE FAST_OPEN NOP NOP), .words_at = { 28 }, .text_bytes = 4 },
	{ "syn-small-mss", "SYN with an MSS that no cookie keeps", SYN, OPTIONS(SMALL_MSS) },
	{ "syn-md5", "SYN that is signed by MD5", SYN, OPTIONS(MSS MD5 NOP NOP) },
	{ "syn-ao", "SYN that is signed by AO", SYN, OPTIONS(MSS SACK_PERMITTED TIMESTAMPS AO) },
	{ "syn-bad-options", "SYN with an option that is longer than the header", SYN, OPTIONS(MSS NOP NOP TOO_LONG) },
	{ "ack", "ACK", ACK, .window = 501 },
	{ "ack-timestamps", "ACK with timestamps", .flags = { TCP_FLAG_ACK }, .window = 501,
	  OPTIONS(NOP NOP TIMESTAMPS), .words_at = { FLOOD_ACK_AT, 28 } },
	{ "ack-window-0", "ACK that offers no window", ACK, .window = 0 },
	{ "ack-window-1", "ACK that offers one byte", ACK, .window = 1 },
	{ "syn-ack", "SYN-ACK", .flags = { TCP_FLAG_SYN | TCP_FLAG_ACK }, .words_at = { FLOOD_ACK_AT }, .window = 65160,
	  OPTIONS(MSS) },
	{ "rst", "RST", .flags = { TCP_FLAG_RST } },
	{ "rst-ack", "RST with an acknowledgement", .flags = { TCP_FLAG_RST | TCP_FLAG_ACK },
	  .words_at = { FLOOD_ACK_AT } },
	{ "fin", "FIN, without ACK and with it", .flags = { TCP_FLAG_FIN, TCP_FLAG_FIN | TCP_FLAG_ACK }, .turns = 2,
	  .words_at = { FLOOD_ACK_AT }, .window = 501 },
	{ "psh-ack", "data", DATA },
	{ "urg", "urgent data", .flags = { TCP_FLAG_URG | TCP_FLAG_PSH | TCP_FLAG_ACK }, .words_at = { FLOOD_ACK_AT },
	  .text_bytes = 28, .window = 501 },
	{ "first-fragment", "data, the first fragment of it", DATA, .piece = FLOOD_FIRST_FRAGMENT },
	{ "later-fragment", "data, a later fragment, without ports", DATA, .piece = FLOOD_LATER_FRAGMENT },
	{ "illegal", "flags that TCP never sends together, in turn", .window = 64240, .turns = 8,
	  .flags = { 0, TCP_FLAG_SYN | TCP_FLAG_FIN, TCP_FLAG_SYN | TCP_FLAG_RST, TCP_FLAG_FIN | TCP_FLAG_RST,
		     TCP_FLAG_PSH | TCP_FLAG_URG, TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_ACK, 0x3f, 0xff } },
};

/* NULL: there is none of that name. */
static inline const struct flood_kind *flood_kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(flood_kinds); i++) {
		if (!strcmp(flood_kinds[i].name, name))
			return &flood_kinds[i];
	}
	return NULL;
}

#endif /* SYNKEEP_TESTS_FLOOD_KINDS_H */
