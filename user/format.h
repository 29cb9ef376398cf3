/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How times, sizes and addresses are printed for people. Pure: each function writes into the caller's buffer, which has
 * room for the longest result, and returns it. Machine-readable output takes plain numbers instead.
 */
#ifndef SYNKEEP_FORMAT_H
#define SYNKEEP_FORMAT_H

#include "flow.h"

#define FORMAT_DURATION_BYTES 24
#define FORMAT_SIZE_BYTES 24
#define FORMAT_ADDRESS_BYTES 46
#define FORMAT_ENDPOINT_BYTES (FORMAT_ADDRESS_BYTES + 9) /* brackets, colon, port */
#define FORMAT_OPTIONS_BYTES 80

/* 20ms, 3s, 2m05s, 4h12m, 1d3h: the two largest units, cut, not rounded. */
char *format_duration(char buffer[FORMAT_DURATION_BYTES], __u64 ns);

/* 812, 1.2k, 34k, 5.6M: powers of 1000, cut. */
char *format_count(char buffer[FORMAT_SIZE_BYTES], __u64 count);

/* 812B, 1.2KiB, 34KiB, 5.6MiB: powers of 1024, cut. */
char *format_bytes(char buffer[FORMAT_SIZE_BYTES], __u64 bytes);

/* An address of the family as inet_ntop() writes it; for IPv4 the first four bytes. */
char *format_address(char buffer[FORMAT_ADDRESS_BYTES], __u8 family, const __u8 *address);

/* 10.0.0.2:80, [2001:db8::2]:443. */
char *format_endpoint(char buffer[FORMAT_ENDPOINT_BYTES], __u8 family, const __u8 *address, __u16 port);

/* What a flow's handshake agreed on and how its record came to be: "ts sack ecn wscale:7,7 mss:1460 cookie". */
char *format_options(char buffer[FORMAT_OPTIONS_BYTES], __u16 flags, __u8 snd_wscale, __u8 rcv_wscale, __u16 mss);

#endif /* SYNKEEP_FORMAT_H */
