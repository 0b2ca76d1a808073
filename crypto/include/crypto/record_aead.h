// SPDX-License-Identifier: BSD-3-Clause
// The AEADs of TLS 1.3 records, fed in pieces: AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305
// (RFC 8446, 5.2 and 5.3).
//
// A struct record_aead holds the implementation that fits the CPU; it is read-only after its making
// and may be shared. A struct record_key is one direction of one connection and has one owner.
// Nothing here allocates after record_aead_create.
#pragma once

#include <intel-ipsec-mb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_TAG_LEN = 16,
    RECORD_AAD_LEN = 5, // the record header as it is on the wire
};

struct record_aead;

// What our own AES-GCM keeps of a key, and of a record under way (crypto/gcm.h).
enum { RECORD_GCM_KEY_LEN = 512, RECORD_GCM_CONTEXT_LEN = 128 };

struct record_key {
    union {
        // The library's own attribute is conditional. Whatever memory a record_key lies in has to
        // be aligned to 64 bytes too.
        struct gcm_key_data gcm __attribute__((aligned(64)));
        uint8_t own_gcm[RECORD_GCM_KEY_LEN];
        uint8_t chacha[32];
    };
    uint64_t sequence; // of the next record
    uint16_t cipher;   // TLS cipher suite (enum tls_cipher in base/message.h), 0: no key
    uint8_t iv[12];
};

// One record under way. On the stack of whoever seals or opens it; record_aead_end wipes it.
struct record_op {
    union {
        struct gcm_context_data gcm;
        uint8_t own_gcm[RECORD_GCM_CONTEXT_LEN];
        struct chacha20_poly1305_context_data chacha;
    };
};

// NULL without memory, or when the CPU lacks AES instructions that the library needs.
struct record_aead *record_aead_create(void);
// The multi-buffer library's alone, for tests and to compare.
struct record_aead *record_aead_create_library(void);
void record_aead_destroy(struct record_aead *ra);
const char *
record_aead_implementation(const struct record_aead *ra); // e.g. "avx512-vaes", "vaes256"; static

// `cipher` is a TLS 1.3 cipher suite; `secret` has 16 or 32 bytes as the suite says. False, and the
// key unset, for a suite that we do not have.
bool record_key_init(const struct record_aead *ra, struct record_key *key, uint16_t cipher,
                     const uint8_t *secret, const uint8_t iv[12], uint64_t sequence)
    __attribute__((warn_unused_result));
void record_key_clear(struct record_key *key); // wipes

// A record: begin, then seal or open all of its bytes in pieces of any size (0 too), then end.
// src == dst is allowed; other overlaps are not.
void record_aead_begin(const struct record_aead *ra, struct record_op *op,
                       const struct record_key *key, const uint8_t aad[RECORD_AAD_LEN]);
void record_aead_seal(const struct record_aead *ra, struct record_op *op,
                      const struct record_key *key, uint8_t *dst, const uint8_t *src,
                      size_t length);
void record_aead_open(const struct record_aead *ra, struct record_op *op,
                      const struct record_key *key, uint8_t *dst, const uint8_t *src,
                      size_t length);
// Ends a sealed record; the sequence number moves on.
void record_aead_seal_end(const struct record_aead *ra, struct record_op *op,
                          struct record_key *key, uint8_t tag[RECORD_TAG_LEN]);
// Ends an opened record. False if the tag is wrong: then what was opened must not be used, and the
// sequence number stays.
bool record_aead_open_end(const struct record_aead *ra, struct record_op *op,
                          struct record_key *key, const uint8_t tag[RECORD_TAG_LEN])
    __attribute__((warn_unused_result));
