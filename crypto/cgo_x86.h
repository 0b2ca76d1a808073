// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion with the AES and carry-less multiplication instructions of x86: the order of
// work, and what is done on single blocks. Internal to cgo_aesni.c and cgo_vaes.c, each of which
// defines CGO_TARGET before, and after it the parts that depend on the width of a register.
//
// The names are proposal 359's: a body is X_L (16 bytes) and X_R (493). The nonce that an Update
// takes always is the block that the PRF has been given for the cell's X_R, so that the new keys
// are further blocks of the same key stream.
#pragma once

#include "cgo_internal.h"

#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target(CGO_TARGET)))
#define TARGET_INLINE TARGET static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

enum {
    ROUNDS = CGO_AES_ROUND_KEYS - 1,
    BODY_LEN = CGO_LEFT_LEN + CGO_RIGHT_LEN,
    TAIL_AT = BODY_LEN - 16, // the last 16 bytes: 3 of block 29 of the key stream, 13 of block 30
};

// A polynomial product before its reduction: lo + mid x^64 + hi x^128.
struct product {
    __m128i lo, mid, hi;
};

// What an Update gives, in the order of CGO_KEYS_LEN.
struct new_keys {
    __m128i kb, ku, k, b, nonce;
};

// ---- what the including file defines

// The blocks of a body's tweak but the first (which is T'), times their powers of KU.
TARGET static inline struct product polyval_tweak(const struct cgo_layer *layer,
                                                  const uint8_t *body, uint8_t command);
// dst's X_R = src's X_R XOR the key stream that begins at the counter block `start`.
TARGET static inline void prf_t0(const struct cgo_layer *layer, __m128i start, const uint8_t *src,
                                 uint8_t *dst);
TARGET static inline struct new_keys prf_t1(const struct cgo_layer *layer, __m128i start);
// Two key schedules at a time.
TARGET static inline void expand_keys(__m128i kb, __m128i k, struct cgo_layer *layer);
TARGET static inline void set_powers(__m128i ku, struct cgo_layer *layer);

// ---- blocks

TARGET_INLINE __m128i load(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

TARGET_INLINE void store(uint8_t *at, __m128i a)
{
    _mm_storeu_si128((__m128i *)(void *)at, a);
}

TARGET_INLINE __m128i round_key(const uint8_t *keys, int i)
{
    return load(keys + 16 * i);
}

TARGET_INLINE bool equal(__m128i a, __m128i b)
{
    __m128i difference = _mm_xor_si128(a, b);
    return _mm_testz_si128(difference, difference);
}

// Bits 121 + 126 + 127 of POLYVAL's modulus, as seen from bit 64.
#define MODULUS_TOP ((long long)0xc200000000000000)

TARGET_INLINE struct product multiply(__m128i a, __m128i b)
{
    return (struct product){
        .lo = _mm_clmulepi64_si128(a, b, 0x00),
        .mid = _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10)),
        .hi = _mm_clmulepi64_si128(a, b, 0x11),
    };
}

TARGET_INLINE struct product add(struct product a, struct product b)
{
    return (struct product){
        .lo = _mm_xor_si128(a.lo, b.lo),
        .mid = _mm_xor_si128(a.mid, b.mid),
        .hi = _mm_xor_si128(a.hi, b.hi),
    };
}

// Over x^128, as Montgomery does: the two lowest words are cleared by multiples of the modulus.
TARGET_INLINE __m128i reduce(struct product p)
{
    const __m128i top = _mm_set1_epi64x(MODULUS_TOP);
    __m128i carried = _mm_xor_si128(_mm_shuffle_epi32(p.lo, 0x4e), p.mid);
    carried = _mm_xor_si128(carried, _mm_clmulepi64_si128(p.lo, top, 0x00));
    __m128i result = _mm_xor_si128(_mm_shuffle_epi32(carried, 0x4e), p.hi);
    return _mm_xor_si128(result, _mm_clmulepi64_si128(carried, top, 0x00));
}

TARGET_INLINE __m128i encrypt_block(const uint8_t *keys, __m128i block)
{
    block = _mm_xor_si128(block, round_key(keys, 0));
    UNROLL
    for (int r = 1; r < ROUNDS; r++)
        block = _mm_aesenc_si128(block, round_key(keys, r));
    return _mm_aesenclast_si128(block, round_key(keys, ROUNDS));
}

TARGET_INLINE __m128i decrypt_block(const uint8_t *keys, __m128i block)
{
    block = _mm_xor_si128(block, round_key(keys, 0));
    UNROLL
    for (int r = 1; r < ROUNDS; r++)
        block = _mm_aesdec_si128(block, round_key(keys, r));
    return _mm_aesdeclast_si128(block, round_key(keys, ROUNDS));
}

// The tweak's second block: the command, then the first 15 bytes of X_R.
TARGET_INLINE __m128i tweak_block_1(const uint8_t *body, uint8_t command)
{
    return _mm_insert_epi8(load(body + CGO_LEFT_LEN - 1), command, 0);
}

// And its last: 14 bytes and two zeros.
TARGET_INLINE __m128i tweak_block_31(const uint8_t *body)
{
    return _mm_srli_si128(load(body + TAIL_AT), 2);
}

// ---- the two halves of UIV+

TARGET_INLINE __m128i et_mask(const struct cgo_layer *layer, __m128i tag, struct product tweak)
{
    return reduce(add(multiply(tag, load(layer->ku_32)), tweak));
}

// The PRF's first counter block. Its last six bits are free to count.
TARGET_INLINE __m128i prf_start(const struct cgo_layer *layer, __m128i left)
{
    const __m128i kept = _mm_set_epi64x((long long)0xc0ffffffffffffff, -1);
    return _mm_and_si128(reduce(multiply(left, load(layer->b))), kept);
}

// From the order of encryption to that of decryption, pair by pair from the outside.
TARGET_INLINE void invert_schedule(uint8_t *keys)
{
    __m128i first = round_key(keys, 0);
    store(keys, round_key(keys, ROUNDS));
    store(keys + 16 * ROUNDS, first);
    UNROLL
    for (int r = 1; r <= ROUNDS / 2; r++) {
        __m128i early = _mm_aesimc_si128(round_key(keys, r));
        __m128i late = _mm_aesimc_si128(round_key(keys, ROUNDS - r));
        store(keys + 16 * r, late);
        store(keys + 16 * (ROUNDS - r), early);
    }
}

TARGET_INLINE void install(struct cgo_layer *layer, struct new_keys keys, bool decrypt)
{
    expand_keys(keys.kb, keys.k, layer);
    if (decrypt)
        invert_schedule(layer->et_keys);
    set_powers(keys.ku, layer);
    store(layer->b, keys.b);
    store(layer->nonce, keys.nonce);
}

TARGET static void set_keys(struct cgo_layer *layer, const uint8_t keys[CGO_KEYS_LEN], bool decrypt)
{
    struct new_keys from = {load(keys), load(keys + 16), load(keys + 32), load(keys + 48),
                            load(keys + 64)};
    install(layer, from, decrypt);
}

TARGET_INLINE void prefetch(const struct cgo_job *job)
{
    const uint8_t *layer = (const uint8_t *)job->layer;
    UNROLL
    for (unsigned line = 0; line < sizeof(*job->layer); line += 64)
        __builtin_prefetch(layer + line);
    UNROLL
    for (unsigned line = 0; line < BODY_LEN; line += 64)
        __builtin_prefetch(job->src + line);
}

// ---- the relay

// A cell's way from its tweak to the start of its key stream is a chain of dependent steps. So the
// next cell's tweak, which is independent work, comes between that and the key stream.
TARGET static void encrypt(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n)
{
    (void)cc;
    struct product tweak = polyval_tweak(jobs[0].layer, jobs[0].src, jobs[0].command);
    for (unsigned i = 0; i < n; i++) {
        struct cgo_job *job = &jobs[i];
        struct cgo_layer *layer = job->layer;
        struct cgo_job *next = i + 1 < n ? job + 1 : NULL;
        if (i + 2 < n)
            prefetch(job + 2);

        bool originated = job->operation == CGO_RELAY_ORIGINATE;
        __m128i nonce = load(layer->nonce);
        __m128i left = originated ? nonce : load(job->src);
        __m128i mask = et_mask(layer, load(layer->tag), tweak);
        __m128i out = encrypt_block(layer->et_keys, _mm_xor_si128(left, mask));
        out = _mm_xor_si128(out, mask);
        __m128i start = prf_start(layer, out);
        job->recognised = job->operation == CGO_RELAY_FORWARD && equal(out, nonce);
        store(layer->tag, out);
        store(job->tag, originated ? out : left);

        bool update = originated || job->recognised;
        bool next_waits = update && next && next->layer == layer;
        if (next && !next_waits)
            tweak = polyval_tweak(next->layer, next->src, next->command);
        if (update) {
            struct new_keys keys = prf_t1(layer, start);
            prf_t0(layer, start, job->src, job->dst);
            install(layer, keys, false);
        } else {
            prf_t0(layer, start, job->src, job->dst);
        }
        store(job->dst, out);
        if (next_waits)
            tweak = polyval_tweak(layer, next->src, next->command);
    }
}

// ---- the client

// Here T' is known before: it is the cell's X_L as the relay sees or saw it. No cell waits for the
// one before it unless that has brought new keys, so nothing has to be put in order by hand.
TARGET static void decrypt(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n)
{
    (void)cc;
    for (unsigned i = 0; i < n; i++) {
        struct cgo_job *job = &jobs[i];
        struct cgo_layer *layer = job->layer;
        if (i + 1 < n)
            prefetch(job + 1);

        bool originated = job->operation == CGO_CLIENT_ORIGINATE;
        __m128i nonce = load(layer->nonce);
        __m128i left = originated ? nonce : load(job->src);
        __m128i start = prf_start(layer, left);
        prf_t0(layer, start, job->src, job->dst);
        struct product tweak = polyval_tweak(layer, job->dst, job->command);
        __m128i mask = et_mask(layer, load(layer->tag), tweak);
        __m128i out = decrypt_block(layer->et_keys, _mm_xor_si128(left, mask));
        out = _mm_xor_si128(out, mask);
        job->recognised = job->operation == CGO_CLIENT_BACKWARD && equal(out, nonce);
        store(layer->tag, left);
        store(job->dst, out);
        store(job->tag, originated ? out : left);
        if (originated || job->recognised)
            install(layer, prf_t1(layer, start), true);
    }
}
