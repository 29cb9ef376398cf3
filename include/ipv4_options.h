/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IPv4 options (RFC 791, 3.1), as far as they decide who may answer a SYN: an answer without options is good where they
 * only ask to be recorded or noticed on the way. One that must go back along a source route, or carry a security label,
 * only the owner can write; so it is with kinds that are not known here, and with lengths that are illegal.
 */
#ifndef SYNKEEP_IPV4_OPTIONS_H
#define SYNKEEP_IPV4_OPTIONS_H

#include "base.h"

#define IPV4_OPTIONS_MAX_BYTES 40
/* What the verifier of Linux 6.1 knows of the place in the buffer that is read; the byte behind it is read too. */
#define IPV4_OPTIONS_INDEX_MASK 63
#define IPV4_OPTIONS_BUFFER_BYTES 72 /* readable, whatever the options' length is */

enum ipv4_option {
	IPV4_OPTION_EOL = 0,
	IPV4_OPTION_NOP = 1,
	IPV4_OPTION_RECORD_ROUTE = 7,
	IPV4_OPTION_TIMESTAMP = 68,
	IPV4_OPTION_LSRR = 131, /* loose and strict source route */
	IPV4_OPTION_SSRR = 137,
	IPV4_OPTION_ROUTER_ALERT = 148, /* RFC 2113 */
};

static __always_inline bool ipv4_option_needs_owner(__u8 kind)
{
	return kind != IPV4_OPTION_RECORD_ROUTE && kind != IPV4_OPTION_TIMESTAMP && kind != IPV4_OPTION_ROUTER_ALERT;
}

/* Whether a SYN behind the first length bytes of buffer is to be answered by its owner only. */
static __always_inline bool ipv4_options_need_owner(const __u8 *buffer, __u32 length)
{
	__u32 at = 0;

	if (length > IPV4_OPTIONS_MAX_BYTES)
		return true;
	for (int i = 0; i < IPV4_OPTIONS_MAX_BYTES && at < length; i++) {
		__u8 kind, option_length;

		at &= IPV4_OPTIONS_INDEX_MASK; /* for the verifier: below length, so no change */
		kind = buffer[at];
		if (kind == IPV4_OPTION_EOL)
			return false;
		if (kind == IPV4_OPTION_NOP) {
			at++;
			continue;
		}
		option_length = buffer[at + 1];
		if (ipv4_option_needs_owner(kind) || option_length < 2 || at + option_length > length)
			return true;
		at += option_length;
	}
	return false;
}

#endif /* SYNKEEP_IPV4_OPTIONS_H */
