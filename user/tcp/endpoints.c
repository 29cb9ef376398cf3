// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/endpoints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int endpoints_init(struct endpoints *endpoints, __u32 expected, const struct siphash_key *key)
{
	__u32 buckets = 64;

	while (buckets < expected && buckets < 1U << 30)
		buckets *= 2;
	endpoints->buckets = calloc(buckets, sizeof(*endpoints->buckets));
	endpoints->mask = buckets - 1;
	endpoints->key = *key;
	return endpoints->buckets ? 0 : -ENOMEM;
}

void endpoints_free(struct endpoints *endpoints)
{
	free(endpoints->buckets);
	endpoints->buckets = NULL;
}

static __u32 hash_of(const struct endpoints *endpoints, const struct tuple *t)
{
	__u64 words[5];
	__u32 count = t->family == FAMILY_IPV4 ? 1 : 4;

	if (t->family == FAMILY_IPV4) {
		words[0] = (__u64)t->remote[0] << 32 | t->local[0];
	} else {
		memcpy(words, t->remote, sizeof(t->remote));
		memcpy(words + 2, t->local, sizeof(t->local));
	}
	words[count] = (__u64)t->remote_port << 16 | t->local_port;
	return (__u32)siphash24(&endpoints->key, words, count + 1);
}

static bool is_same_tuple(const struct tuple *a, const struct tuple *b)
{
	return a->remote_port == b->remote_port && a->local_port == b->local_port && a->family == b->family &&
	       !memcmp(a->remote, b->remote, sizeof(a->remote)) && !memcmp(a->local, b->local, sizeof(a->local));
}

struct endpoint *endpoints_find(const struct endpoints *endpoints, const struct tuple *tuple)
{
	__u32 hash = hash_of(endpoints, tuple);

	for (struct endpoint *e = endpoints->buckets[hash & endpoints->mask]; e; e = e->next) {
		if (e->hash == hash && is_same_tuple(&e->tuple, tuple))
			return e;
	}
	return NULL;
}

void endpoints_add(struct endpoints *endpoints, struct endpoint *endpoint)
{
	struct endpoint **bucket;

	endpoint->hash = hash_of(endpoints, &endpoint->tuple);
	bucket = &endpoints->buckets[endpoint->hash & endpoints->mask];
	endpoint->next = *bucket;
	*bucket = endpoint;
}

void endpoints_remove(struct endpoints *endpoints, struct endpoint *endpoint)
{
	struct endpoint **link = &endpoints->buckets[endpoint->hash & endpoints->mask];

	while (*link && *link != endpoint)
		link = &(*link)->next;
	if (*link)
		*link = endpoint->next;
}
