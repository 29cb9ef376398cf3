/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From services to listeners. See listeners.h.
 */
#include "daemon/listeners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/apps.h"

struct served {
	struct served *next;
	struct service_key key;
	const struct tcp_app *app;
	__u32 msl_ms;
	struct keepalive keepalive;
	__u32 sentry; /* its number, if has_sentry: the policy is auto */
	__u32 half_open;
	bool has_sentry;
	__u64 told;		       /* handshakes that were completed, as its sentry was told */
	struct tcp_listener *listener; /* NULL: it is gone, and connections of it may be there yet */
	struct memory_account memory;
	bool wanted;
};

struct listeners {
	struct tcp *tcp;
	struct memory_account *memory;
	struct tcp_settings settings;
	struct served *served;
};

struct listeners *listeners_new(struct tcp *tcp, struct memory_account *memory, const struct tcp_settings *settings)
{
	struct listeners *listeners = calloc(1, sizeof(*listeners));

	if (listeners)
		*listeners = (struct listeners){ .tcp = tcp, .memory = memory, .settings = *settings };
	return listeners;
}

void listeners_free(struct listeners *listeners)
{
	if (!listeners)
		return;
	while (listeners->served) {
		struct served *served = listeners->served;

		listeners->served = served->next;
		free(served);
	}
	free(listeners);
}

/* What is listened for as the service says; whatever has changed in it makes another listener. */
static struct served *find(const struct listeners *listeners, const struct service_key *key,
			   const struct service_spec *spec)
{
	const struct tcp_app *app = apps_find(spec->app);

	for (struct served *served = listeners->served; served; served = served->next) {
		if (served->listener && served->app == app && !memcmp(&served->key, key, sizeof(*key)) &&
		    served->msl_ms == spec->msl_ms &&
		    !memcmp(&served->keepalive, &spec->keepalive, sizeof(spec->keepalive)))
			return served;
	}
	return NULL;
}

static struct tcp_settings make_settings(const struct listeners *listeners, const struct service_spec *spec)
{
	struct tcp_settings settings = listeners->settings;

	settings.msl_ms = spec->msl_ms;
	settings.keepalive = spec->keepalive.idle_ms;
	if (settings.keepalive) {
		settings.keepalive_idle_ms = spec->keepalive.idle_ms;
		settings.keepalive_interval_ms = spec->keepalive.interval_ms;
		settings.keepalive_probes = spec->keepalive.probes;
	}
	return settings;
}

/* What concerns its sentry may change under a listener that stays. */
static void set_sentry(struct served *served, const struct service_spec *spec)
{
	served->wanted = true;
	served->sentry = spec->sentry;
	served->half_open = spec->half_open;
	served->has_sentry = spec->policy == POLICY_AUTO && spec->half_open && spec->sentry < SYNKEEP_SERVICES_MAX;
}

/* One service is to leave something for the others: a quarter of all memory is never its. */
static int begin(struct listeners *listeners, const struct service_key *key, const struct service_spec *spec)
{
	const struct tcp_settings settings = make_settings(listeners, spec);
	__u64 all_bytes = listeners->memory->limit_bytes;
	struct served *served = calloc(1, sizeof(*served));

	if (!served)
		return -ENOMEM;
	*served = (struct served){
		.next = listeners->served,
		.key = *key,
		.app = apps_find(spec->app),
		.msl_ms = spec->msl_ms,
		.keepalive = spec->keepalive,
		.memory = { .limit_bytes = all_bytes - all_bytes / 4, .parent = listeners->memory },
	};
	set_sentry(served, spec);
	served->listener = tcp_listen(listeners->tcp, key, served->app, NULL, &settings, &served->memory);
	if (!served->listener) {
		free(served);
		return -ENOMEM;
	}
	listeners->served = served;
	return 0;
}

/* What was listened for and is not wanted ends; its account stays until nothing is charged to it. */
static void end_unwanted(struct listeners *listeners)
{
	for (struct served **link = &listeners->served; *link;) {
		struct served *served = *link;

		if (served->listener && !served->wanted) {
			tcp_unlisten(listeners->tcp, served->listener);
			served->listener = NULL;
		}
		if (served->listener || served->memory.used_bytes) {
			link = &served->next;
			continue;
		}
		*link = served->next;
		free(served);
	}
}

static struct service_key make_key(const struct service_spec *spec, __u8 family)
{
	struct service_key key = { .port = spec->port, .family = family };

	memcpy(key.address, spec->address, sizeof(key.address));
	return key;
}

static bool is_ours(const struct service_spec *spec)
{
	return spec->owner == FLOW_OWNER_DAEMON && apps_find(spec->app);
}

/* What ends is ended first: a service may have got another application, or other times. */
int listeners_follow(struct listeners *listeners, const struct service_spec *specs, int count)
{
	static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };
	int err = 0;

	for (struct served *served = listeners->served; served; served = served->next)
		served->wanted = false;
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < 2 * count; i++) {
			const struct service_spec *spec = &specs[i / 2];
			struct service_key key = make_key(spec, families[i % 2]);
			struct served *served;

			if (!is_ours(spec) || (spec->family && spec->family != key.family))
				continue;
			served = find(listeners, &key, spec);
			if (served)
				set_sentry(served, spec);
			else if (pass == 1 && begin(listeners, &key, spec))
				err = -ENOMEM;
		}
		end_unwanted(listeners);
	}
	return err;
}

void listeners_relieve(struct listeners *listeners, struct sentry *sentries, __u64 now_ns)
{
	for (struct served *served = listeners->served; served; served = served->next) {
		__u64 completed = served->listener ? tcp_listener_completed(served->listener) : served->told;

		if (served->has_sentry && completed != served->told)
			sentry_relieve(&sentries[served->sentry], served->half_open, completed - served->told, now_ns);
		served->told = completed;
	}
}

void listeners_press(struct listeners *listeners, struct sentry *sentries, __u64 now_ns)
{
	for (struct served *served = listeners->served; served; served = served->next) {
		if (served->has_sentry)
			sentry_press_hard(&sentries[served->sentry], now_ns);
	}
}
