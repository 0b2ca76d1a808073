// SPDX-License-Identifier: BSD-3-Clause
// Who is a relay of the network: anybody can prove to have an identity, but not to be listed
// (protocol 5.13). Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct relay;

// A consensus in force lists it; also while there is none that could.
bool known_relay(const struct relay *relay, const uint8_t rsa_id[20]);
