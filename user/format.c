/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How times, sizes and addresses are printed for people.
 *
 * A listing of a million flows formats ten million cells, so decimal numbers are written by hand: snprintf() would take
 * most of the command's time.
 */
#include <arpa/inet.h>
#include <string.h>

#include "format.h"

static char *put_text(char *at, const char *text)
{
	size_t length = strlen(text);

	memcpy(at, text, length + 1);
	return at + length;
}

/* At least min_digits digits; returns the place of the terminating zero. */
static char *put_decimal(char *at, __u64 value, int min_digits)
{
	char digits[20];
	int count = 0;

	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value || count < min_digits);
	while (count)
		*at++ = digits[--count];
	*at = '\0';
	return at;
}

static void put_two_units(char *at, __u64 major, const char *major_unit, __u64 minor, int minor_digits,
			  const char *minor_unit)
{
	at = put_decimal(at, major, 1);
	at = put_text(at, major_unit);
	at = put_decimal(at, minor, minor_digits);
	put_text(at, minor_unit);
}

char *format_duration(char buffer[FORMAT_DURATION_BYTES], __u64 ns)
{
	__u64 seconds = ns / NSEC_PER_SEC, minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (days)
		put_two_units(buffer, days, "d", hours % 24, 1, "h");
	else if (hours)
		put_two_units(buffer, hours, "h", minutes % 60, 2, "m");
	else if (minutes)
		put_two_units(buffer, minutes, "m", seconds % 60, 2, "s");
	else if (seconds || ns < NSEC_PER_MSEC)
		put_text(put_decimal(buffer, seconds, 1), "s");
	else
		put_text(put_decimal(buffer, ns / NSEC_PER_MSEC, 1), "ms");
	return buffer;
}

/* value in the largest of the units that it fills, each base times the one before; one decimal below 10. */
static void put_scaled(char *at, __u64 value, __u64 base, const char *const units[])
{
	__u64 unit = 1;
	int index = 0;

	while (value / unit >= base) {
		unit *= base;
		index++;
	}
	at = put_decimal(at, value / unit, 1);
	if (index && value / unit < 10) {
		at = put_text(at, ".");
		at = put_decimal(at, value % unit * 10 / unit, 1);
	}
	put_text(at, units[index]);
}

char *format_count(char buffer[FORMAT_SIZE_BYTES], __u64 count)
{
	static const char *const units[] = { "", "k", "M", "G", "T", "P", "E" };

	put_scaled(buffer, count, 1000, units);
	return buffer;
}

char *format_bytes(char buffer[FORMAT_SIZE_BYTES], __u64 bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };

	put_scaled(buffer, bytes, 1024, units);
	return buffer;
}

static char *put_ipv4(char *at, const __u8 *address)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*at++ = '.';
		at = put_decimal(at, address[i], 1);
	}
	return at;
}

char *format_address(char buffer[FORMAT_ADDRESS_BYTES], __u8 family, const __u8 *address)
{
	if (family == FAMILY_IPV6)
		inet_ntop(AF_INET6, address, buffer, FORMAT_ADDRESS_BYTES);
	else
		put_ipv4(buffer, address);
	return buffer;
}

char *format_endpoint(char buffer[FORMAT_ENDPOINT_BYTES], __u8 family, const __u8 *address, __u16 port)
{
	char *at = buffer;

	if (family == FAMILY_IPV6)
		*at++ = '[';
	format_address(at, family, address);
	at += strlen(at);
	at = put_text(at, family == FAMILY_IPV6 ? "]:" : ":");
	put_decimal(at, port, 1);
	return buffer;
}

static char *put_word(char *buffer, char *at, const char *word)
{
	if (at != buffer)
		*at++ = ' ';
	return put_text(at, word);
}

char *format_options(char buffer[FORMAT_OPTIONS_BYTES], __u16 flags, __u8 snd_wscale, __u8 rcv_wscale, __u16 mss)
{
	char *at = buffer;

	*at = '\0';
	if (flags & FLOW_TIMESTAMPS)
		at = put_word(buffer, at, "ts");
	if (flags & FLOW_SACK)
		at = put_word(buffer, at, "sack");
	if (flags & FLOW_ECN)
		at = put_word(buffer, at, "ecn");
	if (flags & FLOW_WSCALE) {
		at = put_word(buffer, at, "wscale:");
		at = put_decimal(at, snd_wscale, 1);
		at = put_text(at, ",");
		at = put_decimal(at, rcv_wscale, 1);
	}
	if (mss) {
		at = put_word(buffer, at, "mss:");
		at = put_decimal(at, mss, 1);
	}
	if (flags & FLOW_COOKIE)
		at = put_word(buffer, at, "cookie");
	if (flags & FLOW_HANDOVER)
		at = put_word(buffer, at, "handover");
	if (flags & FLOW_ADOPTED)
		put_word(buffer, at, "adopted");
	return buffer;
}
