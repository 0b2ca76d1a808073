// SPDX-License-Identifier: BSD-3-Clause
// How descriptors and introductions say where a relay is: link specifiers as in EXTEND2, their
// number before them (protocol 2.28–2.30, 8.21, 8.29, 8.32). Pure functions; any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct own_circuit_hop;

enum { LINK_SPECIFIERS_MAX = 512 }; // bytes

// Of a hop: their length (0: no room, or no address). And the hop that they say, with every check
// that EXTEND2 makes (8.32): the first IPv4 address counts, not a private one unless
// `private_allowed`; an RSA identity that is not zeros; a key that is not zeros. What the relay can
// do is not known: all false but the ntor key.
size_t link_specifiers_of(const struct own_circuit_hop *hop, uint8_t *out, size_t capacity);
bool link_specifiers_hop(const uint8_t *specifiers, size_t length, const uint8_t onion_key[32],
                         bool private_allowed, struct own_circuit_hop *out);
// The length of the specifiers that these bytes begin with, each as long as its kind is; 0:
// malformed.
size_t link_specifiers_length(const uint8_t *bytes, size_t length);
