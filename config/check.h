// SPDX-License-Identifier: BSD-3-Clause
// What the tables of keys cannot say: defaults that follow from other keys, and keys that must
// agree with each other.
#pragma once

#include <stdbool.h>

#include "config/config.h"

void config_defaults(struct config *config);
void config_onion_service_defaults(void *service); // struct config_onion_service
// After the keys were applied: what was left out and follows from the others.
void config_derive(struct config *config);
bool config_check(const struct config *config, struct config_error *error);
