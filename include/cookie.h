/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The SYN cookie: what a SYN asked for, put into the SYN-ACK, so that nothing is stored until the peer shows that it
 * can read what is sent to its address. docs/cookie.md argues each choice.
 *
 *   initial sequence number                           TSval, where the SYN had timestamps
 *    31                    8 7   6 5      2 1  0       31                        5   4   3    0
 *   +-----------------------+-----+--------+--+--+    +---------------------------+---+------+
 *   |        MAC, 24        |mss 2|wscale 4|sk|ec|    |    milliseconds >> 5      |mss|MAC, 4|
 *   +-----------------------+-----+--------+--+--+    +---------------------------+---+------+
 *
 * wscale is 15 where the SYN had no window scale option; mss is an index into cookie_mss(), with its greatest bit in
 * TSval; sk: SACK permitted; ec: ECN. The MAC is SipHash-2-4 under the epoch's key over both addresses, both ports, the
 * client's initial sequence number, the epoch, every option bit, and what machines that share a key must agree on
 * (struct cookie_site). With timestamps it has 28 bits.
 *
 * An epoch is 64 s. Good are cookies of this epoch and the one before, and, in the last 5 s of an epoch, of the next: a
 * machine that shares the key may be ahead.
 *
 * Pure: the clock is an argument, cookie_clock_set() makes it from a time.
 */
#ifndef SYNKEEP_COOKIE_H
#define SYNKEEP_COOKIE_H

#include "flow.h"
#include "siphash.h"
#include "tcp_options.h"

#define COOKIE_EPOCH_NS (64 * NSEC_PER_SEC)
#define COOKIE_SKEW_NS (5 * NSEC_PER_SEC)
#define COOKIE_LIFETIME_NS (2 * COOKIE_EPOCH_NS) /* at the most; the skew comes on top */

static __always_inline __u32 cookie_epoch(__u64 time_ns)
{
	return (__u32)(time_ns / COOKIE_EPOCH_NS);
}

/* When (CLOCK_MONOTONIC) no cookie can be shown any more of a connection that was born in that second. */
static __always_inline __u64 cookie_stale_ns(__u32 born_s)
{
	return (born_s + 1) * NSEC_PER_SEC + COOKIE_LIFETIME_NS + COOKIE_SKEW_NS;
}

#define COOKIE_TSVAL_MAC_BITS 4
#define COOKIE_TSVAL_BITS 5 /* of data: a TSval is up to 31 ms behind the clock, and so is the first RTT sample */

#define COOKIE_MIN_MSS_IPV4 536 /* RFC 9293, 3.7.1, MUST-15: what no MSS option means */
#define COOKIE_MIN_MSS_IPV6 1220

static __always_inline __u16 cookie_min_mss(__u8 family)
{
	return family == FAMILY_IPV6 ? COOKIE_MIN_MSS_IPV6 : COOKIE_MIN_MSS_IPV4;
}

/* What a machine's SYN-ACKs say that no bit of the cookie carries: it is in the MAC instead. */
struct cookie_site {
	__u16 mss;	 /* what our SYN-ACKs offer to the packet's family, at least COOKIE_MIN_MSS_* */
	__u8 rcv_wscale; /* the shift of the windows that we send, 0..14 */
};

/* What the handshake agreed on: the SYN's wishes, less what the listener does not do. */
struct cookie_terms {
	__u16 mss;   /* bytes; making rounds it down to one that cookie_mss() has */
	__u8 wscale; /* 0..14, or TCP_WSCALE_NONE */
	bool sack;
	bool ecn;
	bool timestamps;
	__u8 rcv_wscale; /* the shift of the windows that we send, if there is wscale */
};

/*
 * What the keys of the epochs come from: master for from_epoch and those after it, former for those before. So a change
 * of the key takes effect with an epoch, and what was sent before it stays good for its time.
 */
struct cookie_keys {
	struct siphash_key master;
	struct siphash_key former; /* the same as master where there was none */
	__u32 from_epoch;
	__u32 generation; /* raised when a change is complete: what was derived before is stale; 0: no keys yet */
};

/* The time as cookies see it, and the keys that are good now. */
struct cookie_clock {
	__u32 epoch;
	__u32 generation;  /* of the keys */
	__u32 tsval_ms;	   /* the TSval clock, milliseconds */
	bool next_is_good; /* within COOKIE_SKEW_NS of the epoch's end */
	bool has_keys;	   /* keys[] are those of epoch - 1, epoch, epoch + 1 */
	struct siphash_key keys[3];
};

/* What the SYN-ACK carries. */
struct cookie {
	__u32 isn;
	__u32 tsval; /* if the terms have timestamps */
};

/* key(epoch) = SipHash(master, epoch, 0), SipHash(master, epoch, 1): one epoch's key tells nothing of another's. */
static __always_inline void cookie_key_derive(const struct siphash_key *master, __u32 epoch, struct siphash_key *key)
{
	const __u64 first[2] = { epoch, 0 }, second[2] = { epoch, 1 };

	key->k0 = siphash24(master, first, 2);
	key->k1 = siphash24(master, second, 2);
}

/* Epochs are compared as numbers: they have 32 bits, which last for 8,700 years. */
static __always_inline const struct siphash_key *cookie_master(const struct cookie_keys *keys, __u32 epoch)
{
	return epoch < keys->from_epoch ? &keys->former : &keys->master;
}

/*
 * Sets the clock to time_ns (nanoseconds that all machines with the key agree on); derives keys only in a new epoch,
 * and when they have changed.
 */
static __always_inline void cookie_clock_set(struct cookie_clock *clock, const struct cookie_keys *keys, __u64 time_ns)
{
	__u32 epoch = cookie_epoch(time_ns);
	__u32 generation = keys->generation; /* read first, written last: so what was derived is not newer than it */

	clock->tsval_ms = (__u32)(time_ns / NSEC_PER_MSEC);
	clock->next_is_good = time_ns % COOKIE_EPOCH_NS >= COOKIE_EPOCH_NS - COOKIE_SKEW_NS;
	if (clock->has_keys && clock->epoch == epoch && clock->generation == generation)
		return;
	/* Who interrupts here derives them too; the epoch is written last, so that a mixture is derived anew. */
	clock->has_keys = false;
	compiler_barrier();
	cookie_key_derive(cookie_master(keys, epoch - 1), epoch - 1, &clock->keys[0]);
	cookie_key_derive(cookie_master(keys, epoch), epoch, &clock->keys[1]);
	cookie_key_derive(cookie_master(keys, epoch + 1), epoch + 1, &clock->keys[2]);
	compiler_barrier();
	clock->epoch = epoch;
	clock->generation = generation;
	clock->has_keys = true;
}

/*
 * The MSS that index stands for. The greatest index is "at least what we offer", since no segment of ours will be
 * larger; the others are what PPPoE, tunnels, IPv6 gateways and the RFC's defaults lead to. IPv6 headers are 20 bytes
 * longer.
 */
static __always_inline __u16 cookie_mss(__u8 family, __u16 own_mss, bool timestamps, __u32 index)
{
	__u16 mss, shorter = family == FAMILY_IPV6 ? 20 : 0;

	if (timestamps) {
		switch (index & 7) {
		case 0:
			mss = 0;
			break;
		case 1:
			mss = 1300;
			break;
		case 2:
			mss = 1360;
			break;
		case 3:
			mss = 1400;
			break;
		case 4:
			mss = 1440;
			break;
		case 5:
			mss = 1452;
			break;
		case 6:
			mss = 1460;
			break;
		default:
			return own_mss;
		}
	} else {
		switch (index & 3) {
		case 0:
			mss = 0;
			break;
		case 1:
			mss = 1300;
			break;
		case 2:
			mss = own_mss > 1460 - shorter ? 1460 : 1440;
			break;
		default:
			return own_mss;
		}
	}
	if (mss == 0)
		return cookie_min_mss(family);
	return mss - shorter;
}

/* The index of the greatest MSS that is at most mss; 0 where even the first is greater. */
static __always_inline __u32 cookie_mss_index(__u8 family, __u16 own_mss, bool timestamps, __u16 mss)
{
	__u32 last = timestamps ? 7 : 3, index = 0;

	if (mss >= own_mss)
		return last;
	UNROLL_LOOP
	for (__u32 i = 1; i < 7; i++) {
		if (i < last && cookie_mss(family, own_mss, timestamps, i) <= mss)
			index = i;
	}
	return index;
}

/* Every option bit: the ISN's eight as the drawing has them, and above them TSval's bit of mss. */
static __always_inline __u32 cookie_pack(const struct cookie_terms *terms, __u32 mss_index)
{
	return mss_index << 6 | (__u32)(terms->wscale & 15) << 2 | (__u32)terms->sack << 1 | terms->ecn;
}

static __always_inline __u64 cookie_mac(const struct siphash_key *key, __u32 epoch, const struct tuple *t,
					__u32 client_isn, const struct cookie_site *site, __u32 option_bits,
					bool timestamps)
{
	__u64 ports_and_isn = (__u64)client_isn << 32 | (__u32)t->remote_port << 16 | t->local_port;
	__u64 context = (__u64)epoch << 32 | (__u64)site->mss << 16 | (__u64)(site->rcv_wscale & 15) << 12 |
			(__u64)timestamps << 11 | option_bits;

	if (t->family == FAMILY_IPV4) {
		const __u64 words[3] = { (__u64)t->remote[0] << 32 | t->local[0], ports_and_isn, context };

		return siphash24(key, words, 3);
	} else {
		const __u64 words[6] = {
			(__u64)t->remote[0] << 32 | t->remote[1],
			(__u64)t->remote[2] << 32 | t->remote[3],
			(__u64)t->local[0] << 32 | t->local[1],
			(__u64)t->local[2] << 32 | t->local[3],
			ports_and_isn,
			context,
		};

		return siphash24(key, words, 6);
	}
}

/* TSval: the clock with its lowest bits replaced, never ahead of the clock. */
static __always_inline __u32 cookie_tsval(__u32 clock_ms, __u32 data)
{
	__u32 mask = (1U << COOKIE_TSVAL_BITS) - 1;
	__u32 tsval = (clock_ms & ~mask) | data;

	return data > (clock_ms & mask) ? tsval - (mask + 1) : tsval;
}

static __always_inline __u32 cookie_isn_from_mac(__u64 mac, __u32 option_bits)
{
	return ((__u32)mac & 0xffffff00) | (option_bits & 0xff);
}

static __always_inline __u32 cookie_tsval_data_from_mac(__u64 mac, __u32 option_bits)
{
	return (option_bits >> 8) << COOKIE_TSVAL_MAC_BITS | (mac >> 32 & ((1U << COOKIE_TSVAL_MAC_BITS) - 1));
}

/*
 * The cookie for a SYN from t->remote with sequence number client_isn. terms->mss must be at least the family's
 * minimum; it is rounded down.
 */
static __always_inline struct cookie cookie_make(const struct cookie_clock *clock, const struct cookie_site *site,
						 const struct tuple *t, __u32 client_isn,
						 const struct cookie_terms *terms)
{
	__u32 index = cookie_mss_index(t->family, site->mss, terms->timestamps, terms->mss);
	__u32 bits = cookie_pack(terms, index);
	__u64 mac = cookie_mac(&clock->keys[1], clock->epoch, t, client_isn, site, bits, terms->timestamps);
	struct cookie cookie = {
		.isn = cookie_isn_from_mac(mac, bits),
		.tsval = cookie_tsval(clock->tsval_ms, cookie_tsval_data_from_mac(mac, bits)),
	};

	return cookie;
}

static __always_inline void cookie_unpack(struct cookie_terms *terms, const struct tuple *t,
					  const struct cookie_site *site, __u32 bits, bool timestamps)
{
	terms->mss = cookie_mss(t->family, site->mss, timestamps, bits >> 6);
	terms->wscale = bits >> 2 & 15;
	terms->sack = bits >> 1 & 1;
	terms->ecn = bits & 1;
	terms->timestamps = timestamps;
	terms->rcv_wscale = site->rcv_wscale;
}

/*
 * Whether isn (the ACK's acknowledgement number less one) is a cookie of ours for a SYN from t->remote with sequence
 * number client_isn (the ACK's sequence number less one). has_timestamps and tsecr are the ACK's. True: terms are the
 * handshake's.
 */
static __always_inline bool cookie_check(const struct cookie_clock *clock, const struct cookie_site *site,
					 const struct tuple *t, __u32 client_isn, __u32 isn, bool has_timestamps,
					 __u32 tsecr, struct cookie_terms *terms)
{
	__u32 tsval_data = tsecr & ((1U << COOKIE_TSVAL_BITS) - 1);
	__u32 bits = (isn & 0xff) | (has_timestamps ? tsval_data >> COOKIE_TSVAL_MAC_BITS << 8 : 0);
	bool good = false;

	UNROLL_LOOP
	for (int i = 0; i < 3; i++) {
		__u32 epoch = clock->epoch - 1 + i;
		__u64 mac;

		if (good || (i == 2 && !clock->next_is_good))
			continue;
		mac = cookie_mac(&clock->keys[i], epoch, t, client_isn, site, bits, has_timestamps);
		good = cookie_isn_from_mac(mac, bits) == isn &&
		       (!has_timestamps || cookie_tsval_data_from_mac(mac, bits) == tsval_data);
	}
	if (good)
		cookie_unpack(terms, t, site, bits, has_timestamps);
	return good;
}

#endif /* SYNKEEP_COOKIE_H */
