/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What happened to a device that an operator wants to know afterwards: floods, tables that fill. The programs write,
 * and it needs no reader: map "journal" keeps the last JOURNAL_EVENTS, and who reads late sees by the numbers what it
 * missed.
 */
#ifndef SYNKEEP_JOURNAL_H
#define SYNKEEP_JOURNAL_H

#include "config.h"

#define JOURNAL_EVENTS 256 /* a power of two */

/* X(identifier, name): what subject and value are */
#define JOURNAL_KINDS(X)                                                                                               \
	X(NONE, "none")                                                                                                \
	X(FLOOD_BEGAN, "flood-began") /* service; value: handshakes under way */                                       \
	X(FLOOD_ENDED, "flood-ended") /* service; value: how long it was, ms */                                        \
	X(TABLE_FILLS, "table-fills") /* table; value: records in it */                                                \
	X(TABLE_EASES, "table-eases") /* table; value: records in it */                                                \
	X(SHARE_FULL, "share-full")   /* service; value: records that count for it */                                  \
	X(KEY_CHANGED, "key-changed") /* value: the first epoch of the new key; written by the command line */

enum journal_kind {
#define X(id, name) JOURNAL_##id,
	JOURNAL_KINDS(X)
#undef X
		JOURNAL_KIND_COUNT
} __attribute__((packed));

/* The tables that can fill, in the order of what the journal calls them. */
enum journal_table {
	JOURNAL_HALF4,
	JOURNAL_HALF6,
	JOURNAL_FLOWS4,
	JOURNAL_FLOWS6,
	JOURNAL_TW4,
	JOURNAL_TW6,
	JOURNAL_TABLES
};

struct journal_event {
	__u64 number;  /* from 1 on; written last: an event whose number is not that of its place is being written */
	__u64 time_ns; /* CLOCK_MONOTONIC, as the programs see it */
	__u64 value;
	enum journal_kind kind;
	enum sentry_cause cause; /* of a flood */
	__u8 table;		 /* enum journal_table */
	__u8 reserved;
	__u32 zero;
	struct service_key service; /* of a "*:PORT" the family is 0 */
	__u32 zero2;
};

/* Map "journal", one element. */
struct journal {
	__u64 last;				     /* the number of the newest event; 0: there was none */
	struct journal_event events[JOURNAL_EVENTS]; /* number N is at N modulo JOURNAL_EVENTS */
};

#endif /* SYNKEEP_JOURNAL_H */
