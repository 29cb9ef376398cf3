/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading and writing SPEC. See service_spec.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "service_spec.h"

#define SPEC_TEXT_MAX 256
#define KNOWN_KEYS "policy=always|monitor|off, owner=kernel, md5=pass|drop"

static const char *const policy_names[] = {
	[POLICY_OFF] = "off",
	[POLICY_ALWAYS] = "always",
	[POLICY_MONITOR] = "monitor",
};
static const char *const owner_names[] = { [FLOW_OWNER_KERNEL] = "kernel", [FLOW_OWNER_DAEMON] = "daemon" };
static const char *const signed_names[] = { [false] = "drop", [true] = "pass" };

struct complaint {
	char *text;
	size_t size;
};

static int __attribute__((format(printf, 2, 3))) complain(const struct complaint *complaint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(complaint->text, complaint->size, format, args);
	va_end(args);
	return -EINVAL;
}

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(word, words[i]))
			return true;
	}
	return false;
}

static int parse_policy(const char *value, enum service_policy *policy, const struct complaint *complaint)
{
	for (size_t i = 0; i < ARRAY_LEN(policy_names); i++) {
		if (!strcmp(value, policy_names[i])) {
			*policy = (enum service_policy)i;
			return 0;
		}
	}
	if (!strcmp(value, "auto"))
		return complain(complaint, "policy \"%s\" is not there yet: always, monitor and off are", value);
	return complain(complaint, "policy \"%.40s\" is unknown: it is always, monitor or off", value);
}

static int parse_owner(const char *value, enum flow_owner *owner, const struct complaint *complaint)
{
	static const char *const later[] = { "daemon", "gateway" };

	if (!strcmp(value, owner_names[FLOW_OWNER_KERNEL])) {
		*owner = FLOW_OWNER_KERNEL;
		return 0;
	}
	if (is_one_of(value, later, ARRAY_LEN(later)))
		return complain(complaint, "owner \"%s\" is not there yet: kernel is", value);
	return complain(complaint, "owner \"%.40s\" is unknown: it is kernel", value);
}

static int parse_signed(const char *value, bool *passes_signed, const struct complaint *complaint)
{
	for (int pass = 0; pass < (int)ARRAY_LEN(signed_names); pass++) {
		if (!strcmp(value, signed_names[pass])) {
			*passes_signed = pass;
			return 0;
		}
	}
	return complain(complaint, "md5 \"%.40s\" is unknown: it is pass or drop", value);
}

/* Which keys a SPEC had so far: none may come twice. */
struct keys_seen {
	bool owner;
	bool md5;
};

static int parse_key(char *text, struct service_spec *spec, struct keys_seen *seen, const struct complaint *complaint)
{
	char *value = strchr(text, '=');

	if (!value)
		return complain(complaint, "\"%.40s\" is not key=value; known keys: " KNOWN_KEYS, text);
	*value++ = '\0';
	if (!strcmp(text, "policy")) {
		if (spec->has_policy)
			return complain(complaint, "policy is given twice");
		spec->has_policy = true;
		return parse_policy(value, &spec->policy, complaint);
	}
	if (!strcmp(text, "owner")) {
		if (seen->owner)
			return complain(complaint, "owner is given twice");
		seen->owner = true;
		return parse_owner(value, &spec->owner, complaint);
	}
	if (!strcmp(text, "md5")) {
		if (seen->md5)
			return complain(complaint, "md5 is given twice");
		seen->md5 = true;
		return parse_signed(value, &spec->passes_signed, complaint);
	}
	return complain(complaint, "key \"%.40s\" is unknown; known keys: " KNOWN_KEYS, text);
}

static int parse_port(const char *text, __u16 *port, const struct complaint *complaint)
{
	unsigned int number = 0;

	if (!strcmp(text, "*")) {
		*port = 0;
		return 0;
	}
	for (const char *digit = text; *digit && number <= 65535; digit++) {
		if (*digit < '0' || *digit > '9')
			return complain(complaint, "port \"%.40s\" is not a number, nor * for any port", text);
		number = number * 10 + (*digit - '0');
	}
	if (number == 0 || number > 65535)
		return complain(complaint, "port \"%.40s\" is not in 1..65535, nor * for any port", text);
	*port = number;
	return 0;
}

static int check_ipv4(const __u8 *address, const char *text, const struct complaint *complaint)
{
	if (address[0] >= 224)
		return complain(complaint, "%s is multicast, broadcast or reserved: TCP has no service there", text);
	return 0;
}

static int check_ipv6(const __u8 *address, const char *text, const struct complaint *complaint)
{
	static const __u8 mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (address[0] == 0xff)
		return complain(complaint, "%s is multicast: TCP has no service there", text);
	if (!memcmp(address, mapped, sizeof(mapped)))
		return complain(complaint, "%s is an IPv4 address on the wire: write %u.%u.%u.%u", text, address[12],
				address[13], address[14], address[15]);
	return 0;
}

static int parse_address(char *text, struct service_spec *spec, const struct complaint *complaint)
{
	size_t length = strlen(text);

	if (!strcmp(text, "*")) {
		spec->family = 0;
		return 0;
	}
	if (text[0] == '[' && text[length - 1] == ']') {
		text[length - 1] = '\0';
		text++;
		spec->family = FAMILY_IPV6;
		if (inet_pton(AF_INET6, text, spec->address) != 1)
			return complain(complaint, "\"%.64s\" is not an IPv6 address", text);
		return check_ipv6(spec->address, text, complaint);
	}
	spec->family = FAMILY_IPV4;
	if (inet_pton(AF_INET, text, spec->address) == 1)
		return check_ipv4(spec->address, text, complaint);
	if (strchr(text, ':'))
		return complain(complaint, "\"%.64s\": an IPv6 address stands in brackets, as in [2001:db8::2]:443",
				text);
	return complain(complaint, "\"%.64s\" is not an IP address, nor * for all of them; names are not looked up",
			text);
}

int service_spec_parse(const char *text, struct service_spec *spec, char *error, size_t size)
{
	const struct complaint complaint = { error, size };
	char copy[SPEC_TEXT_MAX], *rest = copy, *place, *port, *key;
	struct keys_seen seen = {};
	int err;

	*spec = (struct service_spec){ .policy = POLICY_ALWAYS, .owner = FLOW_OWNER_KERNEL };
	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return complain(&complaint, "longer than any service: \"%.40s...\"", text);
	place = strsep(&rest, ",");
	port = strrchr(place, ':');
	if (!port || (place[0] == '[' && strchr(port, ']')))
		return complain(&complaint, "\"%.64s\" has no port: ADDR:PORT is wanted, * for any", place);
	*port++ = '\0';
	err = parse_address(place, spec, &complaint);
	if (!err)
		err = parse_port(port, &spec->port, &complaint);
	while (!err && (key = strsep(&rest, ",")))
		err = parse_key(key, spec, &seen, &complaint);
	return err;
}

int service_spec_parse_policy(const char *text, enum service_policy *policy, char *error, size_t size)
{
	const struct complaint complaint = { error, size };

	return parse_policy(text, policy, &complaint);
}

void service_spec_format(const struct service_spec *spec, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN] = "*", port[8] = "*";

	if (spec->family)
		inet_ntop(spec->family, spec->address, address, sizeof(address));
	if (spec->port)
		snprintf(port, sizeof(port), "%u", spec->port);
	snprintf(text, size, spec->family == FAMILY_IPV6 ? "[%s]:%s" : "%s:%s", address, port);
}

const char *service_spec_policy_name(enum service_policy policy)
{
	return policy < ARRAY_LEN(policy_names) ? policy_names[policy] : "unknown";
}

const char *service_spec_owner_name(enum flow_owner owner)
{
	return owner < ARRAY_LEN(owner_names) ? owner_names[owner] : "unknown";
}

const char *service_spec_signed_name(bool passes_signed)
{
	return signed_names[passes_signed];
}
