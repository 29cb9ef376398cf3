/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What bites users on a device, before a load and after it, and what mends it. Pure: facts go in, findings come out,
 * one for each thing that was looked at. What is wrong with a shield that is loaded is advice.h's.
 */
#ifndef SYNKEEP_DOCTOR_DEVICE_H
#define SYNKEEP_DOCTOR_DEVICE_H

#include "device_facts.h"
#include "finding.h"
#include "machine_facts.h"

void doctor_device_judge(const struct machine_facts *machine, const struct device_facts *facts,
			 const struct finding_listener *listener);

#endif /* SYNKEEP_DOCTOR_DEVICE_H */
