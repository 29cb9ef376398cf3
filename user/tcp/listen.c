// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* OPEN, passive (RFC 9293, 3.10.1). There are few listeners, and only a new connection asks for one: a list will do. */
#include "tcp/listen.h"

#include <stdlib.h>
#include <string.h>

#include "tcp/origin.h"

static const ipv6_bytes any_address;

static bool is_same_key(const struct service_key *a, const struct service_key *b)
{
	return a->family == b->family && a->port == b->port && !memcmp(a->address, b->address, sizeof(a->address));
}

/* How exactly a key names the local end, as the services map has it: address before port; 0: not at all. */
static int exactness(const struct service_key *key, const struct tuple *t)
{
	bool any_port = !key->port, any = !memcmp(key->address, any_address, sizeof(any_address));
	size_t bytes = t->family == FAMILY_IPV4 ? 4 : 16;

	if (key->family != t->family || (!any_port && key->port != t->local_port) ||
	    (!any && memcmp(key->address, t->local, bytes)))
		return 0;
	return 1 + 2 * !any + !any_port;
}

struct tcp_listener *listen_find(struct tcp *tcp, const struct tuple *tuple)
{
	struct tcp_listener *best = NULL;
	int best_exactness = 0;

	for (struct list *link = tcp->listeners.next; link != &tcp->listeners; link = link->next) {
		struct tcp_listener *listener = list_entry(link, struct tcp_listener, link);
		int exact = exactness(&listener->key, tuple);

		if (exact > best_exactness) {
			best = listener;
			best_exactness = exact;
		}
	}
	return best;
}

struct tcp_listener *tcp_listen(struct tcp *tcp, const struct service_key *key, const struct tcp_app *app,
				void *context, const struct tcp_settings *settings, struct memory_account *account)
{
	struct tcp_listener *listener;

	if (!tcp_settings_are_valid(settings))
		return NULL;
	for (struct list *link = tcp->listeners.next; link != &tcp->listeners; link = link->next) {
		if (is_same_key(&list_entry(link, struct tcp_listener, link)->key, key))
			return NULL;
	}
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return NULL;
	listener->key = *key;
	listener->context = context;
	listener->origin = origin_make(tcp, app, settings, account);
	if (!listener->origin) {
		free(listener);
		return NULL;
	}
	list_append(&tcp->listeners, &listener->link);
	return listener;
}

__u64 tcp_listener_completed(const struct tcp_listener *listener)
{
	return listener->origin->completed;
}

void tcp_unlisten(struct tcp *tcp, struct tcp_listener *listener)
{
	(void)tcp;
	list_remove(&listener->link);
	origin_release(listener->origin);
	free(listener);
}
