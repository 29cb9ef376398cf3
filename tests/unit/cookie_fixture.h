/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Handshakes for the tests of the cookie, in both families, with timestamps and without.
 *
 * Keys, addresses and clocks are fixed, so each run judges the same cookies: a refusal never depends on luck.
 */
#ifndef SYNKEEP_COOKIE_FIXTURE_H
#define SYNKEEP_COOKIE_FIXTURE_H

#include "unit.h"
#include "cookie.h"

static const struct cookie_keys first_keys = { .master = { 0x1122334455667788ULL, 0x99aabbccddeeff00ULL } };
static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

/* Both ends of a handshake: what the SYN-ACK was made from, and what the ACK is checked against. */
struct handshake {
	struct cookie_clock clock;
	struct cookie_site site;
	struct tuple tuple;
	__u32 client_isn;
	struct cookie_terms terms;
};

static inline struct cookie_clock clock_at(__u64 time_ns)
{
	struct cookie_clock clock = { 0 };

	cookie_clock_set(&clock, &first_keys, time_ns);
	return clock;
}

/* The middle of an epoch, where neither neighbour is near. */
static inline __u64 mid_epoch_ns(__u64 epoch)
{
	return epoch * COOKIE_EPOCH_NS + COOKIE_EPOCH_NS / 2;
}

static inline struct handshake handshake_at(__u64 time_ns, __u8 family, bool timestamps)
{
	return (struct handshake){
		.clock = clock_at(time_ns),
		.site = { .mss = family == FAMILY_IPV4 ? 1460 : 1440, .rcv_wscale = 7 },
		.tuple = unit_tuple(family),
		.client_isn = 0xcafe0001,
		.terms = { .mss = 1400, .wscale = 9, .sack = true, .ecn = false, .timestamps = timestamps },
	};
}

static inline struct cookie make(const struct handshake *h)
{
	return cookie_make(&h->clock, &h->site, &h->tuple, h->client_isn, &h->terms);
}

static inline bool check_terms(const struct handshake *h, const struct cookie *c, struct cookie_terms *terms)
{
	return cookie_check(&h->clock, &h->site, &h->tuple, h->client_isn, c->isn, h->terms.timestamps, c->tsval,
			    terms);
}

static inline bool check(const struct handshake *h, const struct cookie *c)
{
	struct cookie_terms terms;

	return check_terms(h, c, &terms);
}

/* The families and both kinds of cookie, in the middle of an epoch. */
#define for_each_handshake(h)                                                                                          \
	for (int each_ = 0; each_ < 4; each_++)                                                                        \
		for (struct handshake h = handshake_at(mid_epoch_ns(1000), families[each_ & 1], each_ & 2),            \
				      *once_ = &h;                                                                     \
		     once_; once_ = NULL)

#endif /* SYNKEEP_COOKIE_FIXTURE_H */
