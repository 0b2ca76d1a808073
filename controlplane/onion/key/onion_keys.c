// SPDX-License-Identifier: BSD-3-Clause
// Keys and places on the ring that a service has in one time period.
#include "onion/key/onion_keys.h"

#include <string.h>

#include <sodium.h>

#include "base/cursor.h"
#include "crypto/digest.h"
#include "crypto/ope.h"

#define LITERAL(s) (s), sizeof(s) - 1

// The hash that becomes the factor (8.03). The NUL after the first label counts.
static void blinding_param(const uint8_t identity[32], struct time_period t, uint8_t out[32])
{
    static const char label[] = "Derive temporary signing key";
    static const char base_point[] =
        "(15112221349535400772501151409588531511454012693041857206046113283949847762202, "
        "46316835694926478169428394003475163141307993866256225615783033603165251855960)";
    uint8_t input[sizeof(label) + 32 + sizeof(base_point) - 1 + 9 + 16];
    struct writer w = writer_of(input, sizeof(input));
    write_bytes(&w, label, sizeof(label));
    write_bytes(&w, identity, 32);
    write_bytes(&w, LITERAL(base_point));
    write_bytes(&w, LITERAL("key-blind"));
    write_u64(&w, t.number);
    write_u64(&w, t.length_minutes);
    sha3_256(input, sizeof(input), out);
}

bool onion_blind_public(const uint8_t identity[32], struct time_period t, uint8_t blinded[32])
{
    uint8_t param[32];
    blinding_param(identity, t, param);
    return crypto_core_ed25519_is_valid_point(identity) == 1 &&
           ed25519_public_blind(identity, param, blinded) == 0;
}

bool onion_blind_secret(const struct ed25519_key *identity, struct time_period t,
                        struct ed25519_key *blinded)
{
    uint8_t param[32];
    blinding_param(identity->public_key, t, param);
    return ed25519_blind(identity, param, blinded) == 0;
}

void onion_subcredential(const uint8_t identity[32], const uint8_t blinded[32], uint8_t out[32])
{
    static const char credential_label[] = "credential", label[] = "subcredential";
    uint8_t input[sizeof(label) - 1 + 64], credential[32];
    struct writer w = writer_of(input, sizeof(input));
    write_bytes(&w, LITERAL(credential_label));
    write_bytes(&w, identity, 32);
    sha3_256(input, writer_length(&w), credential);

    w = writer_of(input, sizeof(input));
    write_bytes(&w, LITERAL(label));
    write_bytes(&w, credential, 32);
    write_bytes(&w, blinded, 32);
    sha3_256(input, writer_length(&w), out);
}

void onion_hs_index(const uint8_t blinded[32], uint64_t replica, struct time_period t,
                    uint8_t out[32])
{
    static const char label[] = "store-at-idx";
    uint8_t input[sizeof(label) - 1 + 32 + 24];
    struct writer w = writer_of(input, sizeof(input));
    write_bytes(&w, LITERAL(label));
    write_bytes(&w, blinded, 32);
    write_u64(&w, replica);
    write_u64(&w, t.length_minutes);
    write_u64(&w, t.number);
    sha3_256(input, sizeof(input), out);
}

void onion_hsdir_index(const uint8_t ed_id[32], const uint8_t srv[32], struct time_period t,
                       uint8_t out[32])
{
    static const char label[] = "node-idx";
    uint8_t input[sizeof(label) - 1 + 64 + 16];
    struct writer w = writer_of(input, sizeof(input));
    write_bytes(&w, LITERAL(label));
    write_bytes(&w, ed_id, 32);
    write_bytes(&w, srv, 32);
    write_u64(&w, t.number); // here the number comes first (8.07)
    write_u64(&w, t.length_minutes);
    sha3_256(input, sizeof(input), out);
}

uint64_t onion_revision_counter(const struct ed25519_key *blinded, uint64_t seconds_of_run)
{
    static const char label[] = "rev-counter-generation"; // with its NUL
    uint8_t input[sizeof(label) + sizeof(blinded->expanded)], key[32];
    memcpy(input, label, sizeof(label));
    memcpy(input + sizeof(label), blinded->expanded, sizeof(blinded->expanded));
    sha3_256(input, sizeof(input), key);
    uint64_t counter =
        ope_encrypt(key, seconds_of_run < OPE_PLAIN_MAX ? seconds_of_run + 1 : OPE_PLAIN_MAX);
    explicit_bzero(input, sizeof(input));
    explicit_bzero(key, sizeof(key));
    return counter;
}
