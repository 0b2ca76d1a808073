// SPDX-License-Identifier: BSD-3-Clause
// Descriptors of a service that tests make up: its keys, good introduction points, and any text
// wrapped in the layers that are around it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "onion/descriptor/onion_descriptor.h"
#include "onion/descriptor/onion_descriptor_layer.h"

enum { LAYERED_NOW_S = 1800000123 };

struct layered {
    struct ed25519_key blinded, signing;
    uint8_t subcredential[32];
    uint64_t revision;
};

struct layered layered_service(void);
// What the descriptor is made with; `clients` as descriptor_keys has them.
struct descriptor_keys layered_keys(const struct layered *l, const uint8_t (*clients)[32],
                                    unsigned n_clients);
struct onion_descriptor layered_descriptor(const struct layered *l, unsigned n_intro_points);

// A descriptor, malloc'd, with this inner or middle text in it, rightly encrypted and signed. The
// middle text around an inner one is made for no clients.
uint8_t *layered_wrap(const struct layered *l, enum descriptor_layer which, const char *text,
                      size_t text_length, size_t *length);
// The other way round: the text of one layer, malloc'd and with a NUL; padding included. `cookie`
// may be NULL.
char *layered_unwrap(const struct layered *l, enum descriptor_layer which, const uint8_t *text,
                     size_t text_length, const uint8_t *cookie, size_t *length);
