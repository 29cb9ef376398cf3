/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One connection's packets, shown to Synkeep's programs and to nf_conntrack, and what each takes its state for after
 * every one of them. What is not on the list of differences is noted as a finding.
 */
#ifndef SYNKEEP_TEST_COMPARISON_H
#define SYNKEEP_TEST_COMPARISON_H

#include "difference.h"
#include "shield.h"

struct comparison {
	struct tuple tuple;
	const char *name;	       /* of the capture, or NULL */
	__u64 seed;		       /* of the conversation */
	int packets;		       /* so far */
	enum tcp_state record;	       /* TCPS_CLOSED: none, too */
	bool peers_fin_acked;	       /* the owner has acknowledged it */
	enum tcp_conntrack entry;      /* what conntrack has */
	enum tcp_conntrack entry_left; /* what it should have of a connection without a record */
	bool differs[2];	       /* from each witness */
};

void comparison_begin(struct comparison *c, const struct tuple *t, const char *name, __u64 seed);

/* Shows the packet to both; what the programs did with it, with the verdict if it is to be counted. */
struct outcome comparison_show(struct comparison *c, const struct sighting *s, bool counted);

/* The packet is the answer of the programs themselves: conntrack sees it, they do not. */
void comparison_show_answer(struct comparison *c, const struct sighting *s);

/* Compares the states after the packet that was shown last; owner is the owner's state, or TCPS_COUNT: not known. */
void comparison_judge(struct comparison *c, const struct sighting *s, enum tcp_state owner);

/* Prints the packet and the states after it. */
void comparison_trace(const struct comparison *c, const struct sighting *s, enum verdict verdict, enum tcp_state owner);

/* Prints what was found since the last time, with the shortest way to each; how many. */
int comparison_print_findings(void);

/* Prints the differences on the list that were never met; how many. */
int comparison_print_unmet(void);

#endif /* SYNKEEP_TEST_COMPARISON_H */
