// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cookie.h: any handshake comes back from its own cookie, no cookie with a wrong bit or of a wrong epoch is taken, and
 * any numbers whatever that are taken for a cookie are just those that would have been made.
 *
 * libFuzzer sees comparisons, so with the key at hand it could solve for a MAC, were it not a MAC.
 */
#include "fuzz.h"
#include "cookie.h"

/* All that decides; the rest of the input is read in this order. */
struct handshake {
	struct cookie_keys keys; /* they change within the epochs that are judged, or not */
	__u64 time_ns;
	struct cookie_site site;
	struct tuple tuple;
	__u32 client_isn;
	struct cookie_terms terms;
};

static __u16 minimum_mss(const struct handshake *h)
{
	return h->tuple.family == FAMILY_IPV6 ? COOKIE_MIN_MSS_IPV6 : COOKIE_MIN_MSS_IPV4;
}

static bool take_handshake(struct fuzz_input *in, struct handshake *h)
{
	__u8 bits, shifts;

	if (!fuzz_take(in, &h->keys, sizeof(h->keys)))
		return false;
	fuzz_take(in, &h->time_ns, sizeof(h->time_ns));
	h->time_ns >>= 1; /* 146 years from where the clock begins; what comes later is added to it */
	h->keys.from_epoch = h->time_ns / COOKIE_EPOCH_NS + h->keys.from_epoch % 8 - 3;
	fuzz_take(in, &h->tuple.remote, sizeof(h->tuple.remote));
	fuzz_take(in, &h->tuple.local, sizeof(h->tuple.local));
	fuzz_take(in, &h->tuple.remote_port, sizeof(h->tuple.remote_port));
	fuzz_take(in, &h->tuple.local_port, sizeof(h->tuple.local_port));
	fuzz_take(in, &h->client_isn, sizeof(h->client_isn));
	fuzz_take(in, &h->site.mss, sizeof(h->site.mss));
	fuzz_take(in, &h->terms.mss, sizeof(h->terms.mss));
	fuzz_take(in, &bits, sizeof(bits));
	fuzz_take(in, &shifts, sizeof(shifts));
	h->tuple.family = bits & 1 ? FAMILY_IPV6 : FAMILY_IPV4;
	h->terms.timestamps = bits & 2;
	h->terms.sack = bits & 4;
	h->terms.ecn = bits & 8;
	h->terms.wscale = shifts & 15;
	h->site.rcv_wscale = (shifts >> 4) % (TCP_WSCALE_MAX + 1);
	/* the program answers no SYN below these, and the loader offers no less */
	if (h->site.mss < minimum_mss(h))
		h->site.mss = minimum_mss(h);
	if (h->terms.mss < minimum_mss(h))
		h->terms.mss = minimum_mss(h);
	return true;
}

static struct cookie_clock clock_of(const struct handshake *h, __u64 time_ns)
{
	struct cookie_clock clock = { 0 };

	cookie_clock_set(&clock, &h->keys, time_ns);
	return clock;
}

static bool check(const struct handshake *h, const struct cookie_clock *clock, const struct cookie *c, bool timestamps,
		  struct cookie_terms *terms)
{
	return cookie_check(clock, &h->site, &h->tuple, h->client_isn, c->isn, timestamps, c->tsval, terms);
}

/* The option bits that a cookie claims. */
static __u32 claimed_bits(const struct cookie *c, bool timestamps)
{
	return (c->isn & 0xff) | (timestamps ? (c->tsval >> COOKIE_TSVAL_MAC_BITS & 1) << 8 : 0);
}

/*
 * Whether any of the clock's epochs makes this very cookie for these terms. A guess of 24 bits is right now and then,
 * so being refused is not asserted of anything. Nor is it of a guess with an MSS index that making never writes, one
 * above our own.
 */
static bool would_be_made(const struct handshake *h, const struct cookie_clock *clock, const struct cookie *c,
			  const struct cookie_terms *terms)
{
	__u32 index = cookie_mss_index(h->tuple.family, h->site.mss, terms->timestamps, terms->mss);
	__u32 data = (1U << COOKIE_TSVAL_BITS) - 1;

	if (cookie_pack(terms, index) != claimed_bits(c, terms->timestamps))
		return true;
	for (int i = -1; i <= clock->next_is_good; i++) {
		struct cookie_clock other = { .epoch = clock->epoch + i, .tsval_ms = clock->tsval_ms };
		struct cookie made;

		cookie_key_derive(cookie_master(&h->keys, other.epoch), other.epoch, &other.keys[1]);
		made = cookie_make(&other, &h->site, &h->tuple, h->client_isn, terms);
		if (made.isn == c->isn && (!terms->timestamps || (made.tsval & data) == (c->tsval & data)))
			return true;
	}
	return false;
}

/* The handshake's own cookie, now and in the epoch after. */
static void round_trip(const struct handshake *h)
{
	struct cookie_clock clock = clock_of(h, h->time_ns), later = clock_of(h, h->time_ns + COOKIE_EPOCH_NS);
	struct cookie c = cookie_make(&clock, &h->site, &h->tuple, h->client_isn, &h->terms);
	struct cookie_terms got;

	must(check(h, &later, &c, h->terms.timestamps, &got));
	must(check(h, &clock, &c, h->terms.timestamps, &got));
	must(got.wscale == h->terms.wscale);
	must(got.sack == h->terms.sack);
	must(got.ecn == h->terms.ecn);
	must(got.timestamps == h->terms.timestamps);
	must(got.mss <= h->terms.mss);
	must(got.mss >= minimum_mss(h));
	must(got.mss == h->site.mss || h->terms.mss < h->site.mss);
	must(clock.tsval_ms - c.tsval < 1U << COOKIE_TSVAL_BITS);
}

/* Whether the cookie of one clock, with some bits flipped, is good by another, shown with a timestamp or without. */
static bool is_taken(const struct handshake *h, const struct cookie_clock *made, const struct cookie_clock *checked,
		     struct cookie flip, bool timestamps)
{
	struct cookie c = cookie_make(made, &h->site, &h->tuple, h->client_isn, &h->terms);
	struct cookie_terms terms;

	c.isn ^= flip.isn;
	c.tsval ^= flip.tsval;
	return check(h, checked, &c, timestamps, &terms);
}

/* A wrong cookie is taken for right once in 2^24 times; for two handshakes at once it is no luck. */
static void must_not_be_taken(const struct handshake *h, const struct cookie_clock *made,
			      const struct cookie_clock *checked, struct cookie flip, bool timestamps)
{
	struct handshake other = *h;

	other.client_isn = ~h->client_isn;
	must(!is_taken(h, made, checked, flip, timestamps) || !is_taken(&other, made, checked, flip, timestamps));
}

static void wrong_cookies(const struct handshake *h)
{
	const struct cookie_clock clock = clock_of(h, h->time_ns), next = clock_of(h, h->time_ns + COOKIE_EPOCH_NS);
	const struct cookie_clock stale = clock_of(h, h->time_ns + COOKIE_LIFETIME_NS);
	const struct cookie no_flip = { 0, 0 };

	for (int bit = 0; bit < 32; bit++)
		must_not_be_taken(h, &clock, &clock, (struct cookie){ 1U << bit, 0 }, h->terms.timestamps);
	for (int bit = 0; bit < COOKIE_TSVAL_BITS && h->terms.timestamps; bit++)
		must_not_be_taken(h, &clock, &clock, (struct cookie){ 0, 1U << bit }, true);
	must_not_be_taken(h, &clock, &clock, no_flip, !h->terms.timestamps);
	must_not_be_taken(h, &clock, &stale, no_flip, h->terms.timestamps);
	if (!clock.next_is_good)
		must_not_be_taken(h, &next, &clock, no_flip, h->terms.timestamps);
}

static void arbitrary_cookies(const struct handshake *h, struct fuzz_input *in)
{
	struct cookie_clock clock = clock_of(h, h->time_ns);
	struct cookie_terms terms;
	struct cookie c;

	while (fuzz_take(in, &c, sizeof(c))) {
		for (int timestamps = 0; timestamps < 2; timestamps++)
			if (check(h, &clock, &c, timestamps, &terms))
				must(would_be_made(h, &clock, &c, &terms));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct handshake h = { 0 };

	if (!take_handshake(&in, &h))
		return 0;
	round_trip(&h);
	wrong_cookies(&h);
	arbitrary_cookies(&h, &in);
	return 0;
}
