/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Batches, and what their answers ask for. See rounds.h.
 */
#include "daemon/rounds.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/horizon.h"

#define HORIZONS (2 * AGE_TABLES)

struct rounds {
	struct rounds_rim rim;
	struct agenda *agenda;
	struct pacer *pacer;
	struct ager_state *state;
	pthread_mutex_t lock;		    /* of the horizons */
	struct horizon *horizons[HORIZONS]; /* of each table, IPv4 then IPv6 */
	__u32 turn;			    /* which horizon is looked at next: none makes the others wait */
	__u8 keys[AGENDA_ITEMS * sizeof(struct flow6_key)];
};

_Static_assert(offsetof(struct upcoming4, key) == offsetof(struct upcoming6, key), "upcoming: read alike");
_Static_assert(sizeof(struct upcoming4) % sizeof(__u64) == 0 && sizeof(struct upcoming6) % sizeof(__u64) == 0,
	       "upcoming: they lie side by side");

static __u32 horizon_index(enum age_table table, __u8 family)
{
	return 2 * table + (family == FAMILY_IPV6);
}

static __u8 family_of(__u32 index)
{
	return index % 2 ? FAMILY_IPV6 : FAMILY_IPV4;
}

static __u32 key_bytes(__u8 family)
{
	return family == FAMILY_IPV4 ? sizeof(struct flow4_key) : sizeof(struct flow6_key);
}

/* --- the horizons, which two threads use -------------------------------------------------------------------------- */

__u64 rounds_add(struct rounds *rounds, enum age_table table, __u8 family, const void *upcoming, __u32 count,
		 __u64 now_ns)
{
	const size_t bytes = family == FAMILY_IPV4 ? sizeof(struct upcoming4) : sizeof(struct upcoming6);
	struct horizon *horizon = rounds->horizons[horizon_index(table, family)];
	__u64 first_ns = UINT64_MAX;

	pthread_mutex_lock(&rounds->lock);
	for (__u32 i = 0; i < count; i++) {
		const __u8 *entry = (const __u8 *)upcoming + i * bytes;
		__u64 due_ns = *(const __u64 *)entry;

		if (!horizon_add(horizon, entry + offsetof(struct upcoming4, key), due_ns, now_ns) && due_ns < first_ns)
			first_ns = due_ns;
	}
	pthread_mutex_unlock(&rounds->lock);
	return first_ns;
}

static void add_again(struct rounds *rounds, const struct agenda_item *item, __u64 due_ns, __u64 now_ns)
{
	__u32 index = horizon_index(rounds->agenda->table, rounds->agenda->family);

	pthread_mutex_lock(&rounds->lock);
	horizon_add(rounds->horizons[index], &item->key, due_ns, now_ns);
	pthread_mutex_unlock(&rounds->lock);
}

static __u32 hash_of(const __u8 *key, __u32 bytes)
{
	__u32 hash = 0, word;

	for (__u32 i = 0; i < bytes; i += sizeof(word)) {
		memcpy(&word, key + i, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b1U;
		hash ^= hash >> 15;
	}
	return hash;
}

/*
 * What is due again behind a probe may be told by a scan besides, and would ask for two turns at once. Returns how many
 * keys are left.
 */
static __u32 drop_repeated(__u8 *keys, __u32 bytes, __u32 count)
{
	__u16 places[2 * AGENDA_ITEMS] = {}; /* by hash: which of the keys, from 1 on; 0: none */
	__u32 kept = 0;

	for (__u32 i = 0; i < count; i++) {
		const __u8 *key = keys + i * bytes;
		__u32 place = hash_of(key, bytes) % ARRAY_LEN(places);

		while (places[place] && memcmp(keys + (places[place] - 1) * bytes, key, bytes))
			place = (place + 1) % ARRAY_LEN(places);
		if (places[place])
			continue;
		memmove(keys + kept * bytes, key, bytes);
		places[place] = ++kept;
	}
	return kept;
}

/* Fills the agenda with what is due in one table. How much there is. */
static __u32 take(struct rounds *rounds, __u32 index, __u64 now_ns)
{
	struct agenda *agenda = rounds->agenda;
	__u32 bytes = key_bytes(family_of(index)), count;

	pthread_mutex_lock(&rounds->lock);
	count = horizon_take(rounds->horizons[index], rounds->keys, AGENDA_ITEMS, now_ns);
	pthread_mutex_unlock(&rounds->lock);
	count = drop_repeated(rounds->keys, bytes, count);
	for (__u32 i = 0; i < count; i++)
		memcpy(&agenda->items[i].key, rounds->keys + i * bytes, bytes);
	agenda->count = count;
	agenda->family = family_of(index);
	agenda->table = index / 2;
	return count;
}

__u64 rounds_next_ns(struct rounds *rounds)
{
	__u64 next_ns = UINT64_MAX;

	pthread_mutex_lock(&rounds->lock);
	for (__u32 i = 0; i < HORIZONS; i++) {
		__u64 ns = horizon_next_ns(rounds->horizons[i]);

		next_ns = ns < next_ns ? ns : next_ns;
	}
	pthread_mutex_unlock(&rounds->lock);
	return next_ns;
}

__u64 rounds_waiting(struct rounds *rounds)
{
	__u64 sum = 0;

	pthread_mutex_lock(&rounds->lock);
	for (__u32 i = 0; i < HORIZONS; i++)
		sum += horizon_count(rounds->horizons[i]);
	pthread_mutex_unlock(&rounds->lock);
	return sum;
}

/* --- what is done ------------------------------------------------------------------------------------------------- */

static void send_probe(struct rounds *rounds, const struct agenda_item *item, const struct tuple *tuple, __u64 now_ns)
{
	struct ager_state *state = rounds->state;
	__u32 out = 0;

	switch (rounds->rim.probe(rounds->rim.context, tuple, &out)) {
	case ROUNDS_PROBE_SENT:
		state->probes_sent++;
		state->probes_unanswered += out > 1;
		add_again(rounds, item, now_ns + item->keepalive.interval_ms * NSEC_PER_MSEC, now_ns);
		break;
	case ROUNDS_PROBE_NO_ROOM:
		state->probes_put_off++;
		add_again(rounds, item, now_ns + ROUNDS_ROOM_NS, now_ns);
		break;
	case ROUNDS_PROBE_NO_PATH:
		state->no_path++;
		break;
	case ROUNDS_PROBE_GONE:
		break;
	}
}

static void probe_in_turn(struct rounds *rounds, const struct agenda_item *item, const struct tuple *tuple,
			  __u64 now_ns)
{
	__u64 turn_ns;

	switch (pacer_ask(rounds->pacer, tuple, now_ns, &turn_ns)) {
	case PACER_NOW:
		send_probe(rounds, item, tuple, now_ns);
		break;
	case PACER_LATER:
		rounds->state->probes_put_off++;
		add_again(rounds, item, turn_ns, now_ns);
		break;
	case PACER_WAITS: /* it is in the horizon with its turn: this is what a scan told of it meanwhile */
		break;
	case PACER_FULL: /* the next scan meets it again */
		rounds->state->probes_put_off++;
		break;
	}
}

/* Whether no socket is left. */
static bool close_dead(struct rounds *rounds, const struct tuple *tuple)
{
	struct ager_state *state = rounds->state;

	switch (rounds->rim.close(rounds->rim.context, tuple)) {
	case SOCK_DIAG_DESTROYED:
		state->dead_closed++;
		return true;
	case SOCK_DIAG_HEARD:
		state->dead_heard++;
		break;
	case SOCK_DIAG_NONE:
		state->dead_no_socket++;
		return true;
	case SOCK_DIAG_FAILED:
		state->destroy_failed++;
		break;
	}
	return false;
}

static void end_dead(struct rounds *rounds, const struct agenda_item *item, const struct tuple *tuple)
{
	bool gone = false;

	if (item->due == AGE_REFUSED)
		rounds->state->refused++;
	else
		rounds->state->probes_unanswered++;
	if (item->keepalive.dead == DEAD_CLOSE)
		gone = close_dead(rounds, tuple);
	else
		rounds->state->dead_reported++;
	rounds->rim.over(rounds->rim.context, tuple, gone);
}

/* What a hook has in its hands is due at once, and is left to it for a moment. */
static __u64 later_ns(__u64 due_ns, __u64 now_ns)
{
	return due_ns > now_ns ? due_ns : now_ns + ROUNDS_HANDS_NS;
}

static void answer(struct rounds *rounds, const struct agenda_item *item, __u64 now_ns)
{
	struct tuple tuple = {};

	if (rounds->agenda->family == FAMILY_IPV4)
		flow4_key_to_tuple((const struct flow4_key *)&item->key, &tuple);
	else
		flow6_key_to_tuple(&item->key, &tuple);
	switch (item->due) {
	case AGE_EXPIRED:
		ager_state_expired(rounds->state, rounds->agenda->table, item->late_ms);
		break;
	case AGE_PROBE:
		probe_in_turn(rounds, item, &tuple, now_ns);
		break;
	case AGE_DEAD:
	case AGE_REFUSED:
		end_dead(rounds, item, &tuple);
		break;
	case AGE_LATER:
		if (item->due_ns < __atomic_load_n(&rounds->agenda->until_ns, __ATOMIC_RELAXED))
			add_again(rounds, item, later_ns(item->due_ns, now_ns), now_ns);
		break;
	case AGE_GONE:
		break;
	}
}

bool rounds_batch(struct rounds *rounds, __u64 now_ns)
{
	struct agenda *agenda = rounds->agenda;
	__u32 count = 0;

	for (__u32 i = 0; i < HORIZONS && !count; i++)
		count = take(rounds, rounds->turn++ % HORIZONS, now_ns);
	if (!count)
		return false;
	if (rounds->rim.attend(rounds->rim.context, agenda)) {
		rounds->state->failures++;
		return true;
	}
	for (__u32 i = 0; i < count; i++)
		answer(rounds, &agenda->items[i], now_ns);
	return true;
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

struct rounds *rounds_new(const struct rounds_rim *rim, struct agenda *agenda, struct pacer *pacer,
			  struct ager_state *state, __u64 now_ns)
{
	struct rounds *rounds = calloc(1, sizeof(*rounds));
	bool complete = rounds;

	if (!rounds)
		return NULL;
	rounds->rim = *rim;
	rounds->agenda = agenda;
	rounds->pacer = pacer;
	rounds->state = state;
	pthread_mutex_init(&rounds->lock, NULL);
	for (__u32 i = 0; i < HORIZONS; i++) {
		rounds->horizons[i] = horizon_new(key_bytes(family_of(i)), now_ns);
		complete = complete && rounds->horizons[i];
	}
	if (complete)
		return rounds;
	rounds_free(rounds);
	return NULL;
}

void rounds_free(struct rounds *rounds)
{
	if (!rounds)
		return;
	for (__u32 i = 0; i < HORIZONS; i++)
		horizon_free(rounds->horizons[i]);
	pthread_mutex_destroy(&rounds->lock);
	free(rounds);
}
