// SPDX-License-Identifier: BSD-3-Clause
// What follows from a service's identity in a time period: blinded keys, credentials, where on the
// ring (protocol 8.03, 8.04, 8.06, 8.07, 8.13). Pure functions; secrets are the caller's to wipe.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/ed25519.h"
#include "onion/key/time_period.h"

// False: not a key (no point, or of small order).
__attribute__((warn_unused_result)) bool
onion_blind_public(const uint8_t identity[32], struct time_period t, uint8_t blinded[32]);
__attribute__((warn_unused_result)) bool onion_blind_secret(const struct ed25519_key *identity,
                                                            struct time_period t,
                                                            struct ed25519_key *blinded);
void onion_subcredential(const uint8_t identity[32], const uint8_t blinded[32], uint8_t out[32]);
// Where descriptors go; replica counts from 1.
void onion_hs_index(const uint8_t blinded[32], uint64_t replica, struct time_period t,
                    uint8_t out[32]);
// Where a directory stands.
void onion_hsdir_index(const uint8_t ed_id[32], const uint8_t srv[32], struct time_period t,
                       uint8_t out[32]);
// For a descriptor of the epoch (struct onion_epoch), `seconds_of_run` after its run_start. Grows
// with each second up to OPE_PLAIN_MAX (three days), and says nothing of the clock to who has not
// the secret. Without the blinded secret (offline master key) another that only this service has
// does as well: for directories any growing number will do. 0: no memory.
uint64_t onion_revision_counter(const struct ed25519_key *blinded, uint64_t seconds_of_run);
