/* SPDX-License-Identifier: MIT */
#ifndef T_SCENARIOS_H
#define T_SCENARIOS_H

#include "explore.h"

extern const struct x_scenario t_scenarios[];
extern const unsigned t_scenario_count;

#endif
