/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Telling what was found. See finding.h.
 */
#include "finding.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_BYTES 1024

void finding_tell(const struct finding_listener *listener, enum finding_kind kind, const char *check,
		  const char *remedy, const char *format, ...)
{
	char text[TEXT_BYTES];
	const struct finding finding = { kind, check, text, remedy };
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	listener->visit(&finding, listener->context);
}

const char *finding_remedy(char remedy[FINDING_REMEDY_BYTES], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(remedy, FINDING_REMEDY_BYTES, format, args);
	va_end(args);
	return remedy;
}
