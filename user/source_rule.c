/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading, writing and comparing prefixes. See source_rule.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "source_rule.h"

/* Of an error's text: what stands in a file may be anything, a terminal's orders too. */
#define SHOWN_BYTES 64

static const char *shown(char buffer[SHOWN_BYTES], const char *text)
{
	snprintf(buffer, SHOWN_BYTES, "%s", text);
	for (char *c = buffer; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	return buffer;
}

static int wrong_prefix(const char *text, char error[SOURCE_RULE_ERROR_BYTES])
{
	char buffer[SHOWN_BYTES];

	snprintf(error, SOURCE_RULE_ERROR_BYTES,
		 "\"%s\" is no prefix: 192.0.2.0/24, 2001:db8::/32 or a single address is wanted", shown(buffer, text));
	return -EINVAL;
}

/* Up to three digits, no more zeros than it needs; -1: something else. */
static int parse_length(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || digits > 3 || text[digits] || (digits > 1 && *text == '0'))
		return -1;
	return atoi(text);
}

/* The address in front of the slash, if there is one. */
static int parse_address(const char *text, size_t length, __u8 *family, __be32 address[4])
{
	char alone[INET6_ADDRSTRLEN];

	if (length >= sizeof(alone))
		return -EINVAL;
	memcpy(alone, text, length);
	alone[length] = 0;
	*family = strchr(alone, ':') ? FAMILY_IPV6 : FAMILY_IPV4;
	return inet_pton(*family, alone, address) == 1 ? 0 : -EINVAL;
}

/* Clears what is behind the prefix; whether there was anything. */
static bool clear_host_bits(struct source_key *key)
{
	bool had_any = false;

	for (__u32 byte = 0; byte < sizeof(key->address); byte++) {
		__u32 first = byte * 8;
		__u8 mask = first >= key->prefixlen	  ? 0
			    : first + 8 <= key->prefixlen ? 0xff
							  : (__u8)(0xff00 >> (key->prefixlen - first));

		had_any |= (key->address[byte] & ~mask) != 0;
		key->address[byte] &= mask;
	}
	return had_any;
}

int source_rule_parse_prefix(const char *text, struct source_rule *rule, char error[SOURCE_RULE_ERROR_BYTES])
{
	const char *slash = strchr(text, '/');
	char right[SOURCE_RULE_PREFIX_BYTES];
	__be32 address[4] = {};
	int length, most;
	__u8 family;

	if (parse_address(text, slash ? (size_t)(slash - text) : strlen(text), &family, address))
		return wrong_prefix(text, error);
	most = family == FAMILY_IPV4 ? 32 : 128;
	length = slash ? parse_length(slash + 1) : most;
	if (length < 0)
		return wrong_prefix(text, error);
	if (length > most) {
		snprintf(error, SOURCE_RULE_ERROR_BYTES, "%s: an IPv%d prefix has %d bits at most", text,
			 family == FAMILY_IPV4 ? 4 : 6, most);
		return -EINVAL;
	}
	source_key_of(&rule->key, family, address);
	rule->key.prefixlen -= most - length;
	if (family == FAMILY_IPV6 && source_key_is_ipv4(&rule->key)) {
		snprintf(error, SOURCE_RULE_ERROR_BYTES,
			 "%s: IPv4 within IPv6 is never on the wire; it is to be written as IPv4", text);
		return -EINVAL;
	}
	if (clear_host_bits(&rule->key)) {
		snprintf(error, SOURCE_RULE_ERROR_BYTES, "%s has bits behind the first %d: is it %s?", text, length,
			 source_rule_format_prefix(right, &rule->key));
		return -EINVAL;
	}
	rule->entry.prefixlen = (__u8)rule->key.prefixlen;
	return 0;
}

int source_rule_parse_timeout(const char *text, struct source_rule *rule, char error[SOURCE_RULE_ERROR_BYTES])
{
	char buffer[SHOWN_BYTES];
	__u64 ns;

	if (duration_parse_within(text, SOURCE_RULE_TIMEOUT_MIN_NS, SOURCE_RULE_TIMEOUT_MAX_NS, &ns)) {
		snprintf(error, SOURCE_RULE_ERROR_BYTES,
			 "\"%s\" is no time-out: it is a number and a unit, as 90s, 5m, 2h or 1d, from 1s to 3650d",
			 shown(buffer, text));
		return -EINVAL;
	}
	rule->entry.expires_ns = ns;
	return 0;
}

void source_rule_begin(struct source_rule *rules, size_t count, __u64 now_ns)
{
	for (size_t i = 0; i < count; i++)
		rules[i].entry.expires_ns += rules[i].entry.expires_ns ? now_ns : 0;
}

char *source_rule_format_prefix(char buffer[SOURCE_RULE_PREFIX_BYTES], const struct source_key *key)
{
	bool is_ipv4 = source_key_is_ipv4(key);
	char address[FORMAT_ADDRESS_BYTES];

	format_address(address, is_ipv4 ? FAMILY_IPV4 : FAMILY_IPV6, key->address + (is_ipv4 ? 12 : 0));
	if (key->prefixlen == SOURCE_ADDRESS_BITS)
		snprintf(buffer, SOURCE_RULE_PREFIX_BYTES, "%s", address);
	else
		snprintf(buffer, SOURCE_RULE_PREFIX_BYTES, "%s/%u", address,
			 key->prefixlen - (is_ipv4 ? SOURCE_IPV4_BITS : 0));
	return buffer;
}

__u64 source_rule_left_s(const struct source_rule *rule, __u64 now_ns)
{
	if (!rule->entry.expires_ns)
		return 0;
	if (rule->entry.expires_ns <= now_ns)
		return 1;
	return (rule->entry.expires_ns - now_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
}

int source_rule_compare(const void *a, const void *b)
{
	const struct source_key *one = &((const struct source_rule *)a)->key;
	const struct source_key *other = &((const struct source_rule *)b)->key;
	int families = source_key_is_ipv4(other) - source_key_is_ipv4(one);
	int addresses = families ? families : memcmp(one->address, other->address, sizeof(one->address));

	return addresses ? addresses : (int)one->prefixlen - (int)other->prefixlen;
}

size_t source_rule_sort(struct source_rule *rules, size_t count)
{
	size_t kept = 0;

	if (count)
		qsort(rules, count, sizeof(*rules), source_rule_compare);
	for (size_t i = 0; i < count; i++) {
		if (!kept || source_rule_compare(&rules[kept - 1], &rules[i]))
			rules[kept++] = rules[i];
	}
	return kept;
}

__u32 source_rule_filter_parts(const struct source_key *key, __u32 *first)
{
	bool is_ipv4 = source_key_is_ipv4(key);
	__u32 bits = key->prefixlen, skipped = is_ipv4 ? SOURCE_IPV4_BITS : SOURCE_FILTER_IPV6_SKIPPED;

	*first = source_filter_part(is_ipv4 ? FAMILY_IPV4 : FAMILY_IPV6,
				    (const __be32 *)(key->address + (is_ipv4 ? 12 : 0)));
	bits = bits > skipped ? bits - skipped : 0;
	return bits >= SOURCE_FILTER_BITS ? 1 : 1U << (SOURCE_FILTER_BITS - bits);
}
