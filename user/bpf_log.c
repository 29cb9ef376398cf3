/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tail of libbpf's and libxdp's messages. See bpf_log.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "bpf_log.h"

#define TAIL_BYTES 4096

static char tail[TAIL_BYTES]; /* ends with 0 */
static bool to_stderr;

static void keep(const char *message)
{
	size_t length = strlen(message), used = strlen(tail);

	/* libxdp tries whether the kernel takes its dispatcher, and does without if not: that is no failure of ours. */
	if (strstr(message, "xdp-dispatcher.o'")) {
		tail[0] = '\0';
		return;
	}
	if (length >= sizeof(tail)) {
		message += length - (sizeof(tail) - 1);
		length = sizeof(tail) - 1;
	}
	if (used + length >= sizeof(tail)) {
		size_t too_much = used + length - (sizeof(tail) - 1);

		memmove(tail, tail + too_much, used - too_much + 1);
		used -= too_much;
	}
	memcpy(tail + used, message, length + 1);
}

static int take(bool in_earnest, const char *format, va_list args)
{
	char *message;

	if (!in_earnest && !to_stderr)
		return 0;
	if (vasprintf(&message, format, args) < 0)
		return 0;
	if (to_stderr)
		fputs(message, stderr);
	if (in_earnest)
		keep(message);
	free(message);
	return 0;
}

static int take_from_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	return take(level == LIBBPF_WARN, format, args);
}

static int take_from_libxdp(enum libxdp_print_level level, const char *format, va_list args)
{
	return take(level == LIBXDP_WARN, format, args);
}

void bpf_log_capture(bool verbose)
{
	to_stderr = verbose;
	libbpf_set_print(take_from_libbpf);
	libxdp_set_print(take_from_libxdp);
}

const char *bpf_log_last_lines(int count)
{
	const char *start = tail + strlen(tail);

	while (start > tail) {
		if (start[-1] == '\n' && *start && count-- == 1)
			break;
		start--;
	}
	return start;
}
