/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Handing out turns. See pacer.h.
 */
#include "daemon/pacer.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/horizon.h"

#define PLACES 8 /* where a hash may be */
#define TIMES_MIN 1024U
#define TIMES_MAX (1U << 20)
#define HORIZON_S (HORIZON_NS / NSEC_PER_SEC + 1)

/* Times by hash. */
struct time_of {
	__u64 hash; /* 0: there is none */
	__u64 ns;
};

struct times {
	__u32 count; /* a power of two */
	struct time_of *list;
};

struct pacer {
	__u32 per_second;
	__u64 prefix_interval_ns;
	struct siphash_key key;
	__u64 present;	  /* the number of the slot that is now */
	__u64 full_until; /* the slots from present on to this one have no room */
	__u32 used[HORIZON_SLOTS];
	struct times turns;    /* of connections */
	struct times prefixes; /* get no other probe before */
};

/* --- times by hash ------------------------------------------------------------------------------------------------ */

static struct time_of *place(const struct times *times, __u64 hash, __u32 number)
{
	return &times->list[((hash >> 1) * PLACES + number) & (times->count - 1)];
}

static struct time_of *find(const struct times *times, __u64 hash)
{
	for (__u32 i = 0; i < PLACES; i++) {
		if (place(times, hash, i)->hash == hash)
			return place(times, hash, i);
	}
	return NULL;
}

/* One for this hash: its own, or one that is of no use since void_ns. NULL: there is none. */
static struct time_of *find_or_take(const struct times *times, __u64 hash, __u64 void_ns)
{
	struct time_of *found = find(times, hash);

	for (__u32 i = 0; i < PLACES && !found; i++) {
		struct time_of *time = place(times, hash, i);

		if (!time->hash || time->ns < void_ns)
			found = time;
	}
	return found;
}

/* --- slots -------------------------------------------------------------------------------------------------------- */

static __u64 number_of(__u64 ns)
{
	return ns >> HORIZON_SLOT_SHIFT;
}

/* How many turns there are before a slot, since the clock began. */
static __u64 turns_before(const struct pacer *pacer, __u64 number)
{
	return ((unsigned __int128)number << HORIZON_SLOT_SHIFT) * pacer->per_second / NSEC_PER_SEC;
}

static bool has_room(const struct pacer *pacer, __u64 number)
{
	return pacer->used[number % HORIZON_SLOTS] < turns_before(pacer, number + 1) - turns_before(pacer, number);
}

static void go_on(struct pacer *pacer, __u64 now_ns)
{
	__u64 number = number_of(now_ns);

	if (number >= pacer->present + HORIZON_SLOTS)
		memset(pacer->used, 0, sizeof(pacer->used));
	for (; pacer->present < number && number < pacer->present + HORIZON_SLOTS; pacer->present++)
		pacer->used[pacer->present % HORIZON_SLOTS] = 0;
	if (pacer->present < number)
		pacer->present = number;
	if (pacer->full_until < pacer->present)
		pacer->full_until = pacer->present;
}

/* The first slot from this one on that has room. Whether there is one within the horizon. */
static bool find_room(struct pacer *pacer, __u64 *number)
{
	const __u64 end = pacer->present + HORIZON_SLOTS - 1;

	while (pacer->full_until < end && !has_room(pacer, pacer->full_until))
		pacer->full_until++;
	if (*number < pacer->full_until)
		*number = pacer->full_until;
	while (*number < end && !has_room(pacer, *number))
		++*number;
	return *number < end;
}

/* --- beginning, asking, end --------------------------------------------------------------------------------------- */

static __u64 flow_hash(const struct pacer *pacer, const struct tuple *tuple)
{
	__u64 words[sizeof(*tuple) / sizeof(__u64)];

	memcpy(words, tuple, sizeof(words));
	return siphash24(&pacer->key, words, ARRAY_LEN(words)) | 1;
}

static __u64 prefix_hash(const struct pacer *pacer, const struct tuple *tuple)
{
	const bool is_ipv4 = tuple->family == FAMILY_IPV4;
	const __u64 words[] = {
		host32(tuple->remote[0]) & (is_ipv4 ? 0xffffff00U : 0xffffffffU),
		is_ipv4 ? 0 : host32(tuple->remote[1]) & 0xffff0000U,
		tuple->family,
	};

	return siphash24(&pacer->key, words, ARRAY_LEN(words)) | 1;
}

static __u64 later(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

/* Takes the first slot that both rates allow. Whether there is one, and a place to remember it. */
static bool take_turn(struct pacer *pacer, const struct tuple *tuple, __u64 now_ns, __u64 *number)
{
	__u64 hash = prefix_hash(pacer, tuple), earliest_ns;
	struct time_of *prefix = find_or_take(&pacer->prefixes, hash, now_ns);

	if (!prefix)
		return false;
	earliest_ns = prefix->hash == hash ? later(prefix->ns, now_ns) : now_ns;
	*number = number_of(earliest_ns);
	if (!find_room(pacer, number))
		return false;
	pacer->used[*number % HORIZON_SLOTS]++;
	*prefix = (struct time_of){
		.hash = hash,
		.ns = later(earliest_ns, *number << HORIZON_SLOT_SHIFT) + pacer->prefix_interval_ns,
	};
	return true;
}

enum pacer_answer pacer_ask(struct pacer *pacer, const struct tuple *tuple, __u64 now_ns, __u64 *turn_ns)
{
	__u64 hash = flow_hash(pacer, tuple), number;
	struct time_of *turn;

	go_on(pacer, now_ns);
	turn = find_or_take(&pacer->turns, hash, now_ns - PACER_GRACE_NS);
	if (!turn)
		return PACER_FULL;
	if (turn->hash == hash && turn->ns + PACER_GRACE_NS >= now_ns) {
		if (number_of(turn->ns) > pacer->present)
			return PACER_WAITS;
		turn->hash = 0;
		return PACER_NOW;
	}
	if (!take_turn(pacer, tuple, now_ns, &number))
		return PACER_FULL;
	if (number == pacer->present)
		return PACER_NOW;
	*turn_ns = number << HORIZON_SLOT_SHIFT;
	*turn = (struct time_of){ hash, *turn_ns };
	return PACER_LATER;
}

/* Twice as many as can be in use at a time, so that a place is hardly ever missing. */
static int make_times(struct times *times, __u32 per_second)
{
	__u64 wanted = 2 * HORIZON_S * per_second;

	times->count = TIMES_MIN;
	while (times->count < wanted && times->count < TIMES_MAX)
		times->count *= 2;
	times->list = calloc(times->count, sizeof(*times->list));
	return times->list ? 0 : -1;
}

struct pacer *pacer_new(__u32 per_second, __u32 per_prefix, const struct siphash_key *key, __u64 now_ns)
{
	struct pacer *pacer = calloc(1, sizeof(*pacer));

	if (!pacer)
		return NULL;
	pacer->per_second = per_second;
	pacer->prefix_interval_ns = NSEC_PER_SEC / per_prefix;
	pacer->key = *key;
	pacer->present = pacer->full_until = number_of(now_ns);
	if (!make_times(&pacer->turns, per_second) && !make_times(&pacer->prefixes, per_second))
		return pacer;
	pacer_free(pacer);
	return NULL;
}

void pacer_free(struct pacer *pacer)
{
	if (!pacer)
		return;
	free(pacer->turns.list);
	free(pacer->prefixes.list);
	free(pacer);
}
