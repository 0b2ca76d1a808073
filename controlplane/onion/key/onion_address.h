// SPDX-License-Identifier: BSD-3-Clause
// Addresses of onion services, version 3 (protocol 8.01; rend-spec-v3 6). Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ONION_KEY_LEN = 32,
    ONION_LABEL_LEN = 56,                   // without ".onion"
    ONION_ADDRESS_LEN = ONION_LABEL_LEN + 6 // with it
};

enum onion_address_fault {
    ONION_ADDRESS_GOOD,
    ONION_ADDRESS_NONE,     // the name does not end in ".onion"
    ONION_ADDRESS_LENGTH,   // not 56 characters before it; v2 had 16
    ONION_ADDRESS_ALPHABET, // no base32
    ONION_ADDRESS_VERSION,
    ONION_ADDRESS_CHECKSUM,
    ONION_ADDRESS_KEY, // no point of the curve, or one with a torsion part
};

// Of a host name: what is before the last label but one ("www.") is ignored, and so are capitals
// and a dot at the end.
enum onion_address_fault onion_address_parse(const char *name, uint8_t key[ONION_KEY_LEN]);
// For people: what is wrong with it, in a few words.
const char *onion_address_fault_text(enum onion_address_fault fault);
void onion_address_format(const uint8_t key[ONION_KEY_LEN], char out[ONION_ADDRESS_LEN + 1]);
