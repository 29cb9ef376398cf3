/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was found out about one thing that was looked at: that it is well, or what is wrong and what mends it.
 */
#ifndef SYNKEEP_FINDING_H
#define SYNKEEP_FINDING_H

enum finding_kind {
	FINDING_OK,
	FINDING_NOTE,	 /* the shield does its work; someone may want to know all the same */
	FINDING_PROBLEM, /* it does not, wholly or for a service */
};

struct finding {
	enum finding_kind kind;
	const char *check;  /* what was looked at: a word */
	const char *text;   /* what is, without a full stop */
	const char *remedy; /* the command that mends it; "" where no single one does */
};

/* Texts are valid during the call. */
typedef void (*finding_visit)(const struct finding *finding, void *context);

/* Who is told. */
struct finding_listener {
	finding_visit visit;
	void *context;
};

/* Writes the text and tells it. */
void finding_tell(const struct finding_listener *listener, enum finding_kind kind, const char *check,
		  const char *remedy, const char *format, ...) __attribute__((format(printf, 5, 6)));

#define FINDING_REMEDY_BYTES 320

/* Writes a remedy that names something; returns it. */
const char *finding_remedy(char remedy[FINDING_REMEDY_BYTES], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* SYNKEEP_FINDING_H */
