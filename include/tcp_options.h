/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP options (RFC 9293, 3.2; RFC 7323; RFC 2018), parsed from a copy of the option bytes.
 *
 * The parser is pure: bytes in, options out. It accepts options in any order and at any alignment (MUST-5, MUST-64),
 * skips the unknown by their length octet (MUST-6, MUST-68) and refuses an illegal length (MUST-7).
 */
#ifndef SYNKEEP_TCP_OPTIONS_H
#define SYNKEEP_TCP_OPTIONS_H

#include "base.h"

/* The data offset field counts up to 15 words, five of which are the fixed header. */
#define TCP_OPTIONS_MAX_BYTES 40
#define TCP_WSCALE_MAX 14  /* RFC 7323, 2.3: a greater shift is taken as 14 */
#define TCP_WSCALE_NONE 15 /* the option was absent */

enum tcp_option_kind {
	TCP_OPTION_EOL = 0,
	TCP_OPTION_NOP = 1,
	TCP_OPTION_MSS = 2,
	TCP_OPTION_WSCALE = 3,
	TCP_OPTION_SACK_PERMITTED = 4,
	TCP_OPTION_TIMESTAMPS = 8,
	TCP_OPTION_MD5 = 19,
	TCP_OPTION_AO = 29,
	TCP_OPTION_MPTCP = 30,
	TCP_OPTION_FAST_OPEN = 34,
};

struct tcp_options {
	__u32 tsval; /* valid if has_timestamps */
	__u32 tsecr;
	__u16 mss;   /* 0: the option was absent */
	__u8 wscale; /* 0..14, or TCP_WSCALE_NONE */
	bool sack_permitted;
	bool has_timestamps;
	bool has_signature; /* MD5 (RFC 2385) or AO (RFC 5925) */
	bool has_mptcp;	    /* RFC 8684 */
	bool has_fast_open; /* RFC 7413: a cookie, or the wish for one */
};

#define TCP_OPTIONS_NONE ((struct tcp_options){ .wscale = TCP_WSCALE_NONE })

/* One option of a legal length whose body starts at body[0]; a known kind with a wrong length is refused. */
static __always_inline bool tcp_options_take(struct tcp_options *out, __u8 kind, __u8 length, const __u8 *body)
{
	switch (kind) {
	case TCP_OPTION_MSS:
		if (length != 4)
			return false;
		out->mss = get_be16(body);
		return true;
	case TCP_OPTION_WSCALE:
		if (length != 3)
			return false;
		out->wscale = body[0] > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : body[0];
		return true;
	case TCP_OPTION_SACK_PERMITTED:
		if (length != 2)
			return false;
		out->sack_permitted = true;
		return true;
	case TCP_OPTION_TIMESTAMPS:
		if (length != 10)
			return false;
		out->has_timestamps = true;
		out->tsval = get_be32(body);
		out->tsecr = get_be32(body + 4);
		return true;
	case TCP_OPTION_MD5: /* RFC 2385, 3.0 */
		if (length != 18)
			return false;
		out->has_signature = true;
		return true;
	case TCP_OPTION_AO: /* RFC 5925, 2.2 */
		if (length < 4)
			return false;
		out->has_signature = true;
		return true;
	case TCP_OPTION_MPTCP:
		out->has_mptcp = true;
		return true;
	case TCP_OPTION_FAST_OPEN:
		out->has_fast_open = true;
		return true;
	default:
		return true;
	}
}

/*
 * All that the verifier of Linux 6.1 knows of the place in the buffer that is read is this mask; beyond it is room for
 * the longest option that is looked into.
 */
#define TCP_OPTIONS_INDEX_MASK 63
#define TCP_OPTIONS_BUFFER_BYTES 80

/*
 * Parses the first length (0..40) bytes of buffer, which has TCP_OPTIONS_BUFFER_BYTES readable bytes whatever length
 * is. False: an option has an illegal length, or runs past the end; out then holds what came before it.
 */
static __always_inline bool tcp_options_parse(const __u8 *buffer, __u32 length, struct tcp_options *out)
{
	__u32 at = 0;

	*out = TCP_OPTIONS_NONE;
	if (length > TCP_OPTIONS_MAX_BYTES)
		return false;
	for (int i = 0; i < TCP_OPTIONS_MAX_BYTES; i++) {
		__u8 kind, option_length;

		if (at >= length)
			return true;
		at &= TCP_OPTIONS_INDEX_MASK; /* for the verifier: below length, so no change */
		kind = buffer[at];
		if (kind == TCP_OPTION_EOL)
			return true;
		if (kind == TCP_OPTION_NOP) {
			at++;
			continue;
		}
		if (at + 2 > length)
			return false;
		option_length = buffer[at + 1];
		if (option_length < 2 || at + option_length > length)
			return false;
		if (!tcp_options_take(out, kind, option_length, buffer + at + 2))
			return false;
		at += option_length;
	}
	return at >= length;
}

#endif /* SYNKEEP_TCP_OPTIONS_H */
