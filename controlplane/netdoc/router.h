// SPDX-License-Identifier: BSD-3-Clause
// Other relays' server descriptors and extra-infos, as a cache must know them: whose they are, what
// they are called by, and that both signatures are good (protocol 6.02, 6.07, 6.08, 6.11, 6.12).
// Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { ROUTER_DESCRIPTOR_MAX = 20000, ROUTER_EXTRA_INFO_MAX = 50000 };

struct router_document {
    uint8_t rsa_id[20];
    bool has_ed_id;
    uint8_t ed_id[32];
    uint8_t sha1[20]; // of its signed part: what it is called by
    time_t published;
    time_t expires;              // when the first of its Ed25519 certificates does; not checked
    uint8_t extra_info_sha1[20]; // descriptors only; zeros: none
    size_t text_length;
};

// The first document of a text that may hold many. 0 or -EINVAL (malformed, or a bad signature or
// cross-certificate); `*length` (also then) is where the next one begins, at least 1 for a text
// that is not empty. Takes a quarter of a millisecond, for the signatures.
int router_descriptor_parse(const uint8_t *text, size_t size, struct router_document *out,
                            size_t *length);
// An extra-info's RSA signature can be checked only with its relay's identity key: the Ed25519
// one is checked, and that rsa_id is what it claims; the caller knows a descriptor that names it.
int router_extra_info_parse(const uint8_t *text, size_t size, struct router_document *out,
                            size_t *length);
