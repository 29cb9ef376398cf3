/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every fuzzer needs: libFuzzer's entry point, a cursor over its bytes and an assertion that always counts.
 */
#ifndef SYNKEEP_FUZZ_H
#define SYNKEEP_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What holds for every input; otherwise the fuzzer stops and keeps the input. */
#define must(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

/* Fills the object from the input; what the input is too short for is 0. False: nothing was left. */
static inline bool fuzz_take(struct fuzz_input *in, void *object, size_t bytes)
{
	size_t available = in->left < bytes ? in->left : bytes;

	memset(object, 0, bytes);
	if (available)
		memcpy(object, in->data, available);
	in->data += available;
	in->left -= available;
	return available > 0;
}

#endif /* SYNKEEP_FUZZ_H */
