/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "json_write.h"

void json_write_begin(struct json_write *w, FILE *out)
{
	*w = (struct json_write){ .out = out };
	putc_unlocked('{', out);
}

static void write_key(struct json_write *w, const char *key)
{
	fputs_unlocked(w->separates ? ",\"" : "\"", w->out);
	fputs_unlocked(key, w->out);
	fputs_unlocked("\":", w->out);
	w->separates = true;
}

/* RFC 8259, 7: quotation mark, reverse solidus and control characters. */
void json_write_text(struct json_write *w, const char *key, const char *text)
{
	write_key(w, key);
	putc_unlocked('"', w->out);
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20)
			fprintf(w->out, "\\u%04x", *text);
		else if (*text == '"' || *text == '\\')
			fprintf(w->out, "\\%c", *text);
		else
			putc_unlocked(*text, w->out);
	}
	putc_unlocked('"', w->out);
}

void json_write_number(struct json_write *w, const char *key, __u64 number)
{
	char digits[20]; /* of 2^64 - 1 */
	char *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	write_key(w, key);
	fwrite_unlocked(at, 1, (size_t)(digits + sizeof(digits) - at), w->out);
}

void json_write_bool(struct json_write *w, const char *key, bool value)
{
	write_key(w, key);
	fputs_unlocked(value ? "true" : "false", w->out);
}

void json_write_end(struct json_write *w)
{
	putc_unlocked('}', w->out);
}
