/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What bites users on this machine and in this network namespace, before a load and after it, and what mends it. Pure:
 * facts go in, findings come out, one for each thing that was looked at.
 */
#ifndef SYNKEEP_DOCTOR_MACHINE_H
#define SYNKEEP_DOCTOR_MACHINE_H

#include "finding.h"
#include "machine_facts.h"

void doctor_machine_judge(const struct machine_facts *facts, const struct finding_listener *listener);

#endif /* SYNKEEP_DOCTOR_MACHINE_H */
