// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/endpoints.h"

#include <errno.h>
#include <stdlib.h>

#include "tcp/tuple.h"

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

struct endpoint *endpoints_find(const struct endpoints *endpoints, const struct tuple *tuple)
{
	__u32 hash = (__u32)tuple_hash(&endpoints->key, tuple);

	for (struct endpoint *e = endpoints->buckets[hash & endpoints->mask]; e; e = e->next) {
		if (e->hash == hash && tuple_is_same(&e->tuple, tuple))
			return e;
	}
	return NULL;
}

void endpoints_add(struct endpoints *endpoints, struct endpoint *endpoint)
{
	struct endpoint **bucket;

	endpoint->hash = (__u32)tuple_hash(&endpoints->key, &endpoint->tuple);
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
