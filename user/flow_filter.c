/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which connections a listing shows: by state, service, source, direction.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow_filter.h"

#define STATE_NAME_BYTES 24
#define BIT(state) (1U << TCPS_##state)
#define ALL_STATES ((1U << TCPS_COUNT) - 1)

/* Names beside the RFC's, as plain_name() has them. */
static const struct {
	const char *name;
	__u32 states;
} other_names[] = {
	{ "ESTAB", BIT(ESTABLISHED) },
	{ "SYNRECV", BIT(SYN_RECEIVED) },
	{ "CLOSE", BIT(CLOSED) },
	{ "ALL", ALL_STATES },
	{ "CONNECTED", ALL_STATES & ~(BIT(LISTEN) | BIT(CLOSED)) },
	{ "SYNCHRONIZED", ALL_STATES & ~(BIT(LISTEN) | BIT(CLOSED) | BIT(SYN_SENT)) },
	{ "BUCKET", BIT(SYN_RECEIVED) | BIT(TIME_WAIT) },
	{ "BIG", ALL_STATES & ~(BIT(SYN_RECEIVED) | BIT(TIME_WAIT)) },
};

/* A state's name in capitals, without hyphens, underscores and TCPS: what all spellings have in common. */
static void plain_name(char plain[STATE_NAME_BYTES], const char *name)
{
	size_t length = 0;

	if (strncasecmp(name, "TCPS_", 5) == 0)
		name += 5;
	for (; *name && length < STATE_NAME_BYTES - 1; name++) {
		if (*name != '-' && *name != '_')
			plain[length++] = (char)toupper((unsigned char)*name);
	}
	plain[length] = '\0';
}

int flow_filter_add_state(struct flow_filter *filter, const char *name)
{
	char wanted[STATE_NAME_BYTES], known[STATE_NAME_BYTES];

	plain_name(wanted, name);
	for (size_t i = 0; i < ARRAY_LEN(other_names); i++) {
		if (strcmp(wanted, other_names[i].name) == 0) {
			filter->states |= other_names[i].states;
			return 0;
		}
	}
	for (enum tcp_state state = 0; state < TCPS_COUNT; state++) {
		plain_name(known, tcp_state_name(state));
		if (strcmp(wanted, known) == 0) {
			filter->states |= 1U << state;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_bits(const char *text, long max, __u8 *bits)
{
	char *end;
	long value;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	value = strtol(text, &end, 10);
	if (*end || value > max)
		return -EINVAL;
	*bits = (__u8)value;
	return 0;
}

int flow_filter_set_source(struct flow_filter *filter, const char *prefix)
{
	const char *slash = strchrnul(prefix, '/');
	char address[INET6_ADDRSTRLEN];
	size_t length = (size_t)(slash - prefix);
	__u8 max_bits;

	if (length >= sizeof(address))
		return -EINVAL;
	memcpy(address, prefix, length);
	address[length] = '\0';
	if (inet_pton(AF_INET, address, filter->source) == 1)
		filter->source_family = FAMILY_IPV4;
	else if (inet_pton(AF_INET6, address, filter->source) == 1)
		filter->source_family = FAMILY_IPV6;
	else
		return -EINVAL;
	max_bits = filter->source_family == FAMILY_IPV4 ? 32 : 128;
	filter->source_bits = max_bits;
	return *slash ? parse_bits(slash + 1, max_bits, &filter->source_bits) : 0;
}

int flow_filter_set_direction(struct flow_filter *filter, const char *name)
{
	filter->outgoing = !strcmp(name, flow_view_direction(FLOW_OUTGOING));
	if (!filter->outgoing && strcmp(name, flow_view_direction(0)))
		return -EINVAL;
	filter->has_direction = true;
	return 0;
}

static bool prefix_covers(const __u8 *prefix, __u8 bits, const __u8 *address)
{
	__u8 whole = bits / 8, rest = bits % 8;

	if (memcmp(prefix, address, whole) != 0)
		return false;
	return rest == 0 || (prefix[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static bool service_covers(const struct service_spec *service, const struct flow_view *view)
{
	static const __u8 any[16];

	if ((service->family && service->family != view->family) ||
	    (service->port && service->port != view->local_port))
		return false;
	return memcmp(service->address, any, sizeof(any)) == 0 ||
	       memcmp(service->address, view->local, sizeof(view->local)) == 0;
}

bool flow_filter_matches(const struct flow_filter *filter, const struct flow_view *view)
{
	if (filter->states && !(filter->states & 1U << view->state))
		return false;
	if (filter->has_direction && filter->outgoing != !!(view->flags & FLOW_OUTGOING))
		return false;
	if (filter->source_family && (filter->source_family != view->family ||
				      !prefix_covers(filter->source, filter->source_bits, view->remote)))
		return false;
	return !filter->has_service || service_covers(&filter->service, view);
}
