/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeping the maps "services" and "ports" in step. See service_table.h.
 *
 * What follows from the services and the config - what concerns a port, and which wildcards belong together - is never
 * patched but reckoned anew, so it is right again after a command that was cut short.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "clocks.h"
#include "drain.h"
#include "monitored.h"
#include "service_counts.h"
#include "service_table.h"

struct entry {
	struct service_key key;
	struct service service;
};

struct table {
	size_t count;
	struct entry entries[SYNKEEP_SERVICES_MAX];
};

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };
static const ipv6_bytes any_address;

static bool is_any_address(const struct service_key *key)
{
	return !memcmp(key->address, any_address, sizeof(any_address));
}

static struct service_key make_key(const struct service_spec *spec, __u8 family)
{
	struct service_key key = { .port = spec->port, .family = family };

	memcpy(key.address, spec->address, sizeof(key.address));
	return key;
}

static int read_table(const struct device *device, struct table *table)
{
	static struct service_key keys[SYNKEEP_SERVICES_MAX];
	static struct service services[SYNKEEP_SERVICES_MAX];
	__u32 count = SYNKEEP_SERVICES_MAX, position;

	/* The end of the map is reported as ENOENT, with count set all the same. */
	if (bpf_map_lookup_batch(device->services_fd, NULL, &position, keys, services, &count, NULL) < 0 &&
	    errno != ENOENT)
		return -errno;
	table->count = count;
	for (__u32 i = 0; i < count; i++)
		table->entries[i] = (struct entry){ keys[i], services[i] };
	return 0;
}

/*
 * A service that sent cookies goes on taking them, with policy off, until the last is stale. To the user it is gone at
 * once; to the programs, when that time has passed. Then the next change of the table deletes it: only who holds the
 * lock does, so nobody deletes a service that is just being added again.
 */
static bool is_retired(const struct entry *entry)
{
	return entry->service.retired_ns != 0;
}

static bool is_expired(const struct entry *entry, __u64 now_ns)
{
	return is_retired(entry) && entry->service.retired_ns <= now_ns;
}

static const struct entry *find_entry(const struct table *table, const struct service_key *key)
{
	for (size_t i = 0; i < table->count; i++) {
		if (!memcmp(&table->entries[i].key, key, sizeof(*key)))
			return &table->entries[i];
	}
	return NULL;
}

/* The same wildcard of the other family, if it says the same. */
static const struct entry *find_twin(const struct table *table, const struct entry *entry)
{
	struct service_key key = entry->key;
	const struct entry *twin;

	if (!is_any_address(&key))
		return NULL;
	key.family = key.family == FAMILY_IPV4 ? FAMILY_IPV6 : FAMILY_IPV4;
	twin = find_entry(table, &key);
	if (!twin || is_retired(twin) || twin->service.policy != entry->service.policy ||
	    twin->service.owner != entry->service.owner || twin->service.gone != entry->service.gone ||
	    strcmp(twin->service.app, entry->service.app) ||
	    twin->service.passes_signed != entry->service.passes_signed ||
	    twin->service.msl_ms != entry->service.msl_ms || twin->service.half_open != entry->service.half_open ||
	    twin->service.flows_max != entry->service.flows_max ||
	    twin->service.share_percent != entry->service.share_percent ||
	    memcmp(&twin->service.limits, &entry->service.limits, sizeof(struct source_limits)) ||
	    memcmp(&twin->service.keepalive, &entry->service.keepalive, sizeof(struct keepalive)))
		return NULL;
	return twin;
}

static int refresh_twins(const struct device *device, const struct table *table, __u16 port)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct entry *entry = &table->entries[i];
		struct service service = entry->service;

		service.both_families = find_twin(table, entry) != NULL;
		if (is_retired(entry) || entry->key.port != port ||
		    service.both_families == entry->service.both_families)
			continue;
		if (bpf_map_update_elem(device->services_fd, &entry->key, &service, BPF_EXIST) < 0)
			return -errno;
	}
	return 0;
}

static int refresh_port(const struct device *device, __u16 port)
{
	__u64 now_ns = clocks_now_ns(device);
	struct table table;
	__u32 index = port;
	__u8 kinds = 0;
	int err;

	err = read_table(device, &table);
	if (err)
		return err;
	if (bpf_map_lookup_elem(device->ports_fd, &index, &kinds) < 0)
		return -errno;
	kinds &= PORT_DAEMON; /* it stays */
	if (!port && device->config.track_outgoing)
		kinds |= PORT_OUTGOING;
	for (size_t i = 0; i < table.count; i++) {
		const struct entry *entry = &table.entries[i];

		if (entry->key.port != port || is_expired(entry, now_ns))
			continue;
		kinds |= is_any_address(&entry->key) ? PORT_ANY_ADDRESS : PORT_EXACT;
		kinds |= entry->service.owner == FLOW_OWNER_DAEMON ? PORT_DAEMON : 0;
	}
	if (bpf_map_update_elem(device->ports_fd, &index, &kinds, BPF_ANY) < 0)
		return -errno;
	return refresh_twins(device, &table, port);
}

/* First the ports: who is cut short here finds the entries again. */
static int delete_expired(const struct device *device)
{
	__u64 now_ns = clocks_now_ns(device);
	struct table table;
	int err;

	err = read_table(device, &table);
	for (size_t i = 0; !err && i < table.count; i++) {
		const struct entry *entry = &table.entries[i];

		if (!is_expired(entry, now_ns))
			continue;
		err = refresh_port(device, entry->key.port);
		if (!err && bpf_map_delete_elem(device->services_fd, &entry->key) < 0)
			err = -errno;
	}
	return err;
}

static __u8 protected_families(const struct table *table)
{
	__u8 found = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct entry *entry = &table->entries[i];

		if (policy_answers(entry->service.policy))
			found |= entry->key.family == FAMILY_IPV4 ? PROTECTED_IPV4 : PROTECTED_IPV6;
	}
	return found;
}

static bool counts_flows(const struct table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		if (service_counts_flows(&table->entries[i].service))
			return true;
	}
	return false;
}

/*
 * Cookies that one service has sent may come back to another from now on, whose sentry does not know of them: a
 * wildcard's behind an address that is deleted, a new address's before its wildcard.
 */
static int begin_change(struct device *device)
{
	int err = device_config_read(device);

	if (err || device->config.phase == DEVICE_LOADING)
		return err;
	device->config.services_changed_ns = clocks_now_ns(device);
	return device_config_write(device);
}

/* What the programs remember of the services is stale from now on. */
static int announce(struct device *device)
{
	struct table table;
	int err = read_table(device, &table);

	if (!err)
		err = device_config_read(device);
	if (err)
		return err;
	device->config.protected_families = protected_families(&table);
	device->config.counts_flows = counts_flows(&table);
	device->config.services_generation++;
	return device_config_write(device);
}

/* The first error of those that were made on the way is the one to tell. */
static int finish_change(struct device *device, __u16 port, int err)
{
	int refresh_err = refresh_port(device, port), announce_err = announce(device);

	return err ? err : refresh_err ? refresh_err : announce_err;
}

int service_table_begin(const struct device *device)
{
	return refresh_port(device, 0);
}

/*
 * What is counted of a service begins with policy monitor and ends with it: begun before the programs see the policy,
 * ended after they have seen another.
 */
static int put_service(const struct device *device, const struct service_key *key, const struct service *service)
{
	struct service known = {};
	int err = 0;

	bpf_map_lookup_elem(device->services_fd, key, &known);
	if (service->policy == POLICY_MONITOR && known.policy != POLICY_MONITOR)
		err = monitored_begin(device, key);
	if (err)
		return err;
	if (bpf_map_update_elem(device->services_fd, key, service, BPF_ANY) < 0)
		return errno == E2BIG ? -ENOSPC : -errno;
	return service->policy == POLICY_MONITOR ? 0 : monitored_end(device, key);
}

/* Whether there is room for all of a service, as a "*:PORT" is not to be half there. 0 or -errno; -ENOSPC. */
static int check_room(const struct device *device, const struct service_spec *spec)
{
	struct table table;
	size_t wanted;
	int err;

	err = read_table(device, &table);
	if (err)
		return err;
	wanted = table.count;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct service_key key = make_key(spec, families[i]);

		if ((!spec->family || spec->family == families[i]) && !find_entry(&table, &key))
			wanted++;
	}
	return wanted > SYNKEEP_SERVICES_MAX ? -ENOSPC : 0;
}

/* Whether another service than the spec's has the sentry. */
static bool sentry_is_taken(const struct table *table, const struct service_spec *spec, __u32 sentry)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct entry *entry = &table->entries[i];
		struct service_key key = make_key(spec, entry->key.family);

		if (entry->service.sentry == sentry && memcmp(&key, &entry->key, sizeof(key)))
			return true;
	}
	return false;
}

/*
 * The sentry of a service: the one that it has, or that its other half has, if nobody else does; else a free one, which
 * begins with zeros. There are as many as entries of the table. 0 or -errno.
 */
static int find_sentry(const struct device *device, const struct service_spec *spec, __u32 *sentry)
{
	static const struct sentry zeros;
	struct table table;
	int err;

	err = read_table(device, &table);
	if (err)
		return err;
	for (size_t i = 0; i < table.count; i++) {
		struct service_key key = make_key(spec, table.entries[i].key.family);

		*sentry = table.entries[i].service.sentry;
		if (!memcmp(&key, &table.entries[i].key, sizeof(key)) && !sentry_is_taken(&table, spec, *sentry))
			return 0;
	}
	for (*sentry = 0; sentry_is_taken(&table, spec, *sentry);)
		++*sentry;
	return bpf_map_update_elem(device->sentries_fd, sentry, &zeros, BPF_ANY) < 0 ? -errno : 0;
}

/* Whether the entry, of another service, had what belongs to the key before that was there. */
static bool is_wider(const struct entry *entry, const struct service_key *key)
{
	const struct service_key *wide = &entry->key;

	return wide->family == key->family && memcmp(wide, key, sizeof(*key)) &&
	       (!wide->port || wide->port == key->port) &&
	       (is_any_address(wide) || !memcmp(wide->address, key->address, sizeof(key->address)));
}

/*
 * After a service was put that table, from before, has otherwise or not at all: what counted for it, or counted for
 * others what is now its own, counts from nothing. What a deleted service had goes to a wider one uncounted, and its
 * end may take from the count there.
 */
static int renew_counts(const struct device *device, const struct table *table, const struct service_key *key,
			const struct service *service)
{
	const struct entry *known = find_entry(table, key);
	bool is_new = !known || is_retired(known);
	int err = 0;

	if (is_new ? service_counts_flows(service) : service_counts_differ(&known->service, service))
		err = service_counts_reset(device, service->sentry);
	for (size_t i = 0; is_new && !err && i < table->count; i++) {
		const struct entry *entry = &table->entries[i];

		if (is_wider(entry, key) && service_counts_flows(&entry->service))
			err = service_counts_reset(device, entry->service.sentry);
	}
	return err;
}

/* Puts what is wanted of a service, for one family or both. */
static int put_families(const struct device *device, const struct service_spec *spec, const struct service *service)
{
	struct table before;
	int err;

	err = read_table(device, &before);
	for (size_t i = 0; i < ARRAY_LEN(families) && !err; i++) {
		struct service_key key = make_key(spec, families[i]);

		if (spec->family && spec->family != families[i])
			continue;
		err = put_service(device, &key, service);
		if (!err)
			err = renew_counts(device, &before, &key, service);
	}
	return err;
}

int service_table_add(struct device *device, const struct service_spec *spec)
{
	struct service service = {
		.policy = spec->policy,
		.owner = spec->owner,
		.passes_signed = spec->passes_signed,
		.gone = spec->gone,
		.msl_ms = spec->msl_ms,
		.half_open = spec->half_open ? spec->half_open : SENTRY_HALF_OPEN_DEFAULT,
		.limits = spec->limits,
		.share_percent = spec->share_percent,
		.flows_max = spec->flows_max,
		.keepalive = spec->keepalive,
	};
	int err;

	memcpy(service.app, spec->app, sizeof(service.app));
	err = delete_expired(device);
	if (!err && spec->share_percent)
		err = service_counts_share(device, spec->share_percent, &service.flows_max);
	if (!err)
		err = check_room(device, spec);
	if (!err)
		err = find_sentry(device, spec, &service.sentry);
	if (!err)
		err = begin_change(device);
	if (err)
		return err;
	err = put_families(device, spec, &service);
	return finish_change(device, spec->port, err);
}

/*
 * How long cookies of this service may still come back. With policy always or auto, a program may be about to send one;
 * with policy off, it may have had the other a moment ago, and all that is known is when the device last sent any.
 */
static int cookies_left_ns(const struct device *device, const struct service *service, __u64 *left_ns)
{
	*left_ns = DRAIN_NS;
	return policy_answers(service->policy) ? 0 : drain_remaining_ns(device, left_ns);
}

/* 0 or -errno; -ENOENT: not there, or deleted before. */
static int delete_entry(const struct device *device, const struct service_key *key)
{
	struct service service;
	__u64 left_ns;
	int err;

	if (bpf_map_lookup_elem(device->services_fd, key, &service) < 0)
		return -errno;
	if (service.retired_ns)
		return -ENOENT;
	err = cookies_left_ns(device, &service, &left_ns);
	if (err)
		return err;
	service.policy = POLICY_OFF;
	service.retired_ns = clocks_now_ns(device) + left_ns;
	if (left_ns)
		return put_service(device, key, &service);
	if (bpf_map_delete_elem(device->services_fd, key) < 0)
		return -errno;
	return monitored_end(device, key);
}

int service_table_delete(struct device *device, const struct service_spec *spec)
{
	bool found = false;
	int err;

	err = delete_expired(device);
	if (!err)
		err = begin_change(device);
	if (err)
		return err;
	for (size_t i = 0; i < ARRAY_LEN(families) && (!err || err == -ENOENT); i++) {
		struct service_key key = make_key(spec, families[i]);

		if (spec->family && spec->family != families[i])
			continue;
		err = delete_entry(device, &key);
		found |= !err;
	}
	if (!found)
		return err;
	return finish_change(device, spec->port, err == -ENOENT ? 0 : err);
}

int service_table_sockets_known(struct device *device)
{
	struct table table;
	int err;

	err = read_table(device, &table);
	for (size_t i = 0; !err && i < table.count; i++) {
		struct entry *entry = &table.entries[i];

		entry->service.sockets_known = true;
		if (bpf_map_update_elem(device->services_fd, &entry->key, &entry->service, BPF_EXIST) < 0)
			err = -errno;
	}
	return err ? err : announce(device);
}

static int compare_specs(const void *a, const void *b)
{
	const struct service_spec *first = a, *second = b;
	int order;

	if (first->family != second->family)
		return first->family < second->family ? -1 : 1;
	order = memcmp(first->address, second->address, sizeof(first->address));
	return order ? order : (int)first->port - (int)second->port;
}

static struct service_spec make_spec(const struct entry *entry)
{
	struct service_spec spec = {
		.family = entry->service.both_families ? 0 : entry->key.family,
		.port = entry->key.port,
		.has_policy = true,
		.policy = entry->service.policy,
		.owner = entry->service.owner,
		.passes_signed = entry->service.passes_signed,
		.gone = entry->service.gone,
		.keepalive = entry->service.keepalive,
		.msl_ms = entry->service.msl_ms,
		.half_open = entry->service.half_open,
		.limits = entry->service.limits,
		.share_percent = entry->service.share_percent,
		.flows_max = entry->service.flows_max,
		.sentry = entry->service.sentry,
	};

	memcpy(spec.address, entry->key.address, sizeof(spec.address));
	memcpy(spec.app, entry->service.app, sizeof(spec.app));
	return spec;
}

int service_table_list(const struct device *device, struct service_spec **specs)
{
	struct table table;
	int count = 0, err;

	err = read_table(device, &table);
	if (err)
		return err;
	*specs = calloc(table.count + 1, sizeof(**specs));
	if (!*specs)
		return -ENOMEM;
	for (size_t i = 0; i < table.count; i++) {
		const struct entry *entry = &table.entries[i];

		if (is_retired(entry))
			continue;
		if (!entry->service.both_families || entry->key.family == FAMILY_IPV4)
			(*specs)[count++] = make_spec(entry);
	}
	qsort(*specs, count, sizeof(**specs), compare_specs);
	return count;
}

int service_table_monitored(const struct device *device, const struct service_spec *spec, struct monitored *sum)
{
	int err = 0;

	*sum = (struct monitored){};
	for (size_t i = 0; i < ARRAY_LEN(families) && !err; i++) {
		struct service_key key = make_key(spec, families[i]);

		if (!spec->family || spec->family == families[i])
			err = monitored_add(device, &key, sum);
	}
	return err;
}
