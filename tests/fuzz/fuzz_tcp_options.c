// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tcp_options.h: any bytes of any length. The parser must stay within its buffer, must not look behind length, and must
 * agree with a second parser that was written the simple way.
 */
#include "fuzz.h"
#include "tcp_options.h"

/* RFC 9293, 3.2, step by step, on a length that is right. */
static bool parse_simply(const uint8_t *bytes, size_t length, struct tcp_options *out)
{
	static const uint8_t legal[256] = { [2] = 4, [3] = 3, [4] = 2, [8] = 10, [19] = 18 };
	size_t at = 0;

	*out = TCP_OPTIONS_NONE;
	while (at < length && bytes[at] != TCP_OPTION_EOL) {
		const uint8_t *option = bytes + at;

		if (option[0] == TCP_OPTION_NOP) {
			at++;
			continue;
		}
		if (length - at < 2 || option[1] < 2 || option[1] > length - at)
			return false;
		if (legal[option[0]] && legal[option[0]] != option[1])
			return false;
		if (option[0] == TCP_OPTION_AO && option[1] < 4)
			return false;
		if (option[0] == TCP_OPTION_MSS)
			out->mss = option[2] * 256 + option[3];
		if (option[0] == TCP_OPTION_WSCALE)
			out->wscale = option[2] < 14 ? option[2] : 14;
		if (option[0] == TCP_OPTION_SACK_PERMITTED)
			out->sack_permitted = true;
		if (option[0] == TCP_OPTION_TIMESTAMPS) {
			out->has_timestamps = true;
			out->tsval = get_be32(option + 2);
			out->tsecr = get_be32(option + 6);
		}
		if (option[0] == TCP_OPTION_MD5 || option[0] == TCP_OPTION_AO)
			out->has_signature = true;
		at += option[1];
	}
	return true;
}

static bool options_equal(const struct tcp_options *a, const struct tcp_options *b)
{
	return a->mss == b->mss && a->wscale == b->wscale && a->sack_permitted == b->sack_permitted &&
	       a->has_timestamps == b->has_timestamps && a->has_signature == b->has_signature && a->tsval == b->tsval &&
	       a->tsecr == b->tsecr;
}

/* On the heap, where the sanitizer sees an access beyond the buffer. */
static bool parse_padded(const uint8_t *bytes, size_t size, uint32_t length, uint8_t padding, struct tcp_options *out)
{
	uint8_t *buffer = malloc(TCP_OPTIONS_BUFFER_BYTES);
	bool legal;

	must(buffer);
	memset(buffer, padding, TCP_OPTIONS_BUFFER_BYTES);
	if (size)
		memcpy(buffer, bytes, size < TCP_OPTIONS_BUFFER_BYTES ? size : TCP_OPTIONS_BUFFER_BYTES);
	legal = tcp_options_parse(buffer, length, out);
	free(buffer);
	return legal;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tcp_options got, again, want;
	uint32_t length = size;
	bool legal;

	legal = parse_padded(data, size, length, TCP_OPTION_EOL, &got);
	must(legal == parse_padded(data, size, length, TCP_OPTION_MSS, &again));
	must(options_equal(&got, &again));
	must(got.wscale <= TCP_WSCALE_MAX || got.wscale == TCP_WSCALE_NONE);
	if (length > TCP_OPTIONS_MAX_BYTES) {
		must(!legal);
		return 0;
	}
	must(legal == parse_simply(data, size, &want));
	must(options_equal(&got, &want));
	return 0;
}
