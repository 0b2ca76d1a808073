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

// The tuning matters: that of older CPUs splits each access to memory that may be unaligned in two.
#define TARGET __attribute__((target(CGO_TARGET ",tune=haswell")))
#define TARGET_INLINE TARGET static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 64")
// The value is needed here and now. Without it the compiler gathers the terms of a long sum before
// it adds them, for which there are not enough registers.
#define KEEP(value) __asm__("" : "+x"(value))

enum {
    ROUNDS = CGO_AES_ROUND_KEYS - 1,
    BODY_LEN = CGO_LEFT_LEN + CGO_RIGHT_LEN,
    FRAME_LEN = 512, // more than renew() uses when optimized
    CHAIN_STEPS = 3 + ROUNDS + 3,
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

// A job with its layer's expanded keys.
struct task {
    struct cgo_expanded *keys;
    struct cgo_layer *layer;
    const uint8_t *src;
    uint8_t *dst;
    struct cgo_job *job;
};

// What lies between a cell's tweak and its key stream, in steps of which each needs the one before.
struct chain {
    const struct cgo_expanded *keys;
    const struct cgo_layer *layer;
    __m128i left; // X_L, as it comes in
    __m128i mask, block;
    struct product product;
    __m128i carried;
    __m128i out;   // X_L, as it goes out
    __m128i start; // the PRF's first counter block
};

// ---- what the including file defines

// The blocks of a body's tweak but the first (which is T'), times their powers of KU.
TARGET static inline struct product polyval_tweak(const struct cgo_expanded *keys,
                                                  const uint8_t *body, uint8_t command);
// dst's X_R = src's X_R XOR the key stream that begins at the counter block `start`.
TARGET static inline void prf_t0(const struct cgo_expanded *keys, __m128i start, const uint8_t *src,
                                 uint8_t *dst);
// The same for this cell, the next one's chain and the tweak of the one after it, all together.
TARGET static inline struct product prf_t0_and_others(const struct cgo_expanded *keys,
                                                      __m128i start, const uint8_t *src,
                                                      uint8_t *dst, struct chain *next,
                                                      const struct task *after);
TARGET static inline struct new_keys prf_t1(const struct cgo_expanded *keys, __m128i start);
// Two key schedules at a time.
TARGET static inline void expand_keys(__m128i kb, __m128i k, struct cgo_expanded *keys);
TARGET static inline void set_powers(__m128i ku, struct cgo_expanded *keys);

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

// In a square the two middle products are the same and cancel.
TARGET_INLINE struct product square(__m128i a)
{
    return (struct product){
        .lo = _mm_clmulepi64_si128(a, a, 0x00),
        .mid = _mm_setzero_si128(),
        .hi = _mm_clmulepi64_si128(a, a, 0x11),
    };
}

// Reduction over x^128, as Montgomery does it: the two lowest words are cleared by multiples of the
// modulus, one in each half of the work.
TARGET_INLINE __m128i reduce_low(struct product p)
{
    const __m128i top = _mm_set1_epi64x(MODULUS_TOP);
    __m128i carried = _mm_xor_si128(_mm_shuffle_epi32(p.lo, 0x4e), p.mid);
    return _mm_xor_si128(carried, _mm_clmulepi64_si128(p.lo, top, 0x00));
}

TARGET_INLINE __m128i reduce_high(struct product p, __m128i carried)
{
    const __m128i top = _mm_set1_epi64x(MODULUS_TOP);
    __m128i result = _mm_xor_si128(_mm_shuffle_epi32(carried, 0x4e), p.hi);
    return _mm_xor_si128(result, _mm_clmulepi64_si128(carried, top, 0x00));
}

TARGET_INLINE __m128i reduce(struct product p)
{
    return reduce_high(p, reduce_low(p));
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

TARGET_INLINE struct product et_mask(const struct chain *c)
{
    return add(multiply(load(c->layer->tag), load(c->keys->ku_32)), c->product);
}

// The PRF's first counter block. Its last six bits are free to count.
TARGET_INLINE __m128i counter_block(__m128i hash)
{
    return _mm_and_si128(hash, _mm_set_epi64x((long long)0xc0ffffffffffffff, -1));
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

// ---- expanded keys

TARGET static __attribute__((noinline)) void expand(struct cgo_expanded *keys,
                                                    const struct cgo_layer *layer, bool decrypt)
{
    expand_keys(load(layer->kb), load(layer->k), keys);
    if (decrypt)
        invert_schedule(keys->et_keys);
    set_powers(load(layer->ku), keys);
}

// An Update. Not inlined, so that what the compiler puts on the stack lies where forget() wipes.
TARGET static __attribute__((noinline)) void renew(const struct task *t, __m128i start,
                                                   bool decrypt)
{
    struct new_keys new = prf_t1(t->keys, start);
    store(t->layer->kb, new.kb);
    store(t->layer->ku, new.ku);
    store(t->layer->k, new.k);
    store(t->layer->b, new.b);
    store(t->layer->nonce, new.nonce);
    expand(t->keys, t->layer, decrypt);
}

// To be called from where renew() and expand() were called.
static __attribute__((noinline)) void forget(void)
{
    uint8_t frame[FRAME_LEN];
    explicit_bzero(frame, sizeof(frame));
}

// All tasks of a layer share its keys.
TARGET static void gather(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n, bool decrypt,
                          struct task *tasks)
{
    unsigned used = 0;
    for (unsigned i = 0; i < n; i++) {
        struct cgo_job *job = &jobs[i];
        struct cgo_expanded *keys = NULL;
        for (unsigned k = used; k-- > 0 && !keys;)
            keys = cc->expanded[k].stored == job->layer ? &cc->expanded[k] : NULL;
        if (!keys) {
            keys = &cc->expanded[used++];
            keys->stored = job->layer;
            expand(keys, job->layer, decrypt);
        }
        tasks[i] = (struct task){keys, job->layer, job->src, job->dst, job};
    }
}

// ---- the relay

TARGET_INLINE bool originates(const struct cgo_job *job)
{
    return job->operation == CGO_RELAY_ORIGINATE;
}

TARGET_INLINE struct chain chain_of(const struct task *t, struct product tweak)
{
    return (struct chain){.keys = t->keys,
                          .layer = t->layer,
                          .left = load(originates(t->job) ? t->layer->nonce : t->src),
                          .product = tweak};
}

TARGET_INLINE void chain_step(struct chain *c, int step)
{
    const uint8_t *keys = c->keys->et_keys;
    if (step == 0) {
        c->product = et_mask(c);
    } else if (step == 1 || step == CHAIN_STEPS - 2) {
        c->carried = reduce_low(c->product);
    } else if (step == 2) {
        c->mask = reduce_high(c->product, c->carried);
        c->block = _mm_xor_si128(_mm_xor_si128(c->left, c->mask), round_key(keys, 0));
    } else if (step < CHAIN_STEPS - 3) {
        int r = step - 2;
        c->block = r < ROUNDS ? _mm_aesenc_si128(c->block, round_key(keys, r))
                              : _mm_aesenclast_si128(c->block, round_key(keys, r));
    } else if (step == CHAIN_STEPS - 3) {
        c->out = _mm_xor_si128(c->block, c->mask);
        c->product = multiply(c->out, load(c->layer->b));
    } else {
        c->start = counter_block(reduce_high(c->product, c->carried));
    }
}

TARGET_INLINE void chain_run(struct chain *c)
{
    UNROLL
    for (int step = 0; step < CHAIN_STEPS; step++)
        chain_step(c, step);
}

// What there is to tell when a cell's chain is done. Whether its layer needs an Update.
TARGET_INLINE bool chain_end(struct cgo_job *job, const struct chain *c)
{
    struct cgo_layer *layer = job->layer;
    bool originated = originates(job);
    job->recognised = job->operation == CGO_RELAY_FORWARD && equal(c->out, load(layer->nonce));
    store(layer->tag, c->out);
    store(job->tag, originated ? c->out : c->left);
    return originated || job->recognised;
}

// Three cells are under way: while one's key stream is made, the next one's chain, during which the
// CPU would idle, and the tweak of the one after it run along. Alone they keep only some of the
// CPU's units busy, too. A layer's Update makes its next cells wait, which are then done one stage
// after the other.
TARGET static bool encrypt_tasks(struct task *tasks, unsigned n)
{
    struct product tweak = polyval_tweak(tasks[0].keys, tasks[0].src, tasks[0].job->command);
    struct chain chain = chain_of(&tasks[0], tweak);
    chain_run(&chain);
    bool tweaked = false; // the next cell's tweak is there
    bool updates = false;
    for (unsigned i = 0; i < n; i++) {
        struct task *t = &tasks[i];
        struct task *next = i + 1 < n ? t + 1 : NULL, *after = i + 2 < n ? t + 2 : NULL;
        struct cgo_layer *layer = t->layer;
        __m128i start = chain.start, out = chain.out;
        bool update = chain_end(t->job, &chain);

        bool ready = tweaked && !(update && next->layer == layer);
        bool together = ready && after && !(update && after->layer == layer) &&
                        !(originates(next->job) && after->layer == next->layer);
        if (together) {
            chain = chain_of(next, tweak);
            tweak = prf_t0_and_others(t->keys, start, t->src, t->dst, &chain, after);
        } else {
            prf_t0(t->keys, start, t->src, t->dst);
        }
        store(t->dst, out);
        if (update)
            renew(t, start, false);
        updates |= update;
        if (together || !next)
            continue;
        if (!ready)
            tweak = polyval_tweak(next->keys, next->src, next->job->command);
        chain = chain_of(next, tweak);
        chain_run(&chain);
        tweaked = after && !(originates(next->job) && after->layer == next->layer);
        if (tweaked)
            tweak = polyval_tweak(after->keys, after->src, after->job->command);
    }
    return updates;
}

// ---- the client

// Here T' is known before: it is the cell's X_L as the relay sees or saw it. No cell waits for the
// one before it unless that has brought new keys, so nothing has to be put in order by hand.
TARGET static bool decrypt_tasks(struct task *tasks, unsigned n)
{
    bool updates = false;
    for (unsigned i = 0; i < n; i++) {
        struct cgo_job *job = tasks[i].job;
        struct cgo_layer *layer = tasks[i].layer;
        const struct cgo_expanded *keys = tasks[i].keys;

        bool originated = job->operation == CGO_CLIENT_ORIGINATE;
        __m128i nonce = load(layer->nonce);
        struct chain c = {
            .keys = keys, .layer = layer, .left = originated ? nonce : load(job->src)};
        __m128i start = counter_block(reduce(multiply(c.left, load(layer->b))));
        prf_t0(keys, start, job->src, job->dst);
        c.product = polyval_tweak(keys, job->dst, job->command);
        __m128i mask = reduce(et_mask(&c));
        __m128i out = decrypt_block(keys->et_keys, _mm_xor_si128(c.left, mask));
        out = _mm_xor_si128(out, mask);
        job->recognised = job->operation == CGO_CLIENT_BACKWARD && equal(out, nonce);
        store(layer->tag, c.left);
        store(job->dst, out);
        store(job->tag, originated ? out : c.left);
        if (originated || job->recognised) {
            renew(&tasks[i], start, true);
            updates = true;
        }
    }
    return updates;
}

// ---- both

TARGET_INLINE void run(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n, bool decrypt)
{
    struct task tasks[CGO_BLOCK_JOBS];
    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(jobs[i].layer), __builtin_prefetch((uint8_t *)jobs[i].layer + 64);
    gather(cc, jobs, n, decrypt, tasks);
    if (decrypt)
        decrypt_tasks(tasks, n);
    else
        encrypt_tasks(tasks, n);
    explicit_bzero(cc->expanded, n * sizeof(cc->expanded[0]));
    forget();
}

TARGET static void encrypt(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n)
{
    for (unsigned i = 0; i < n; i += CGO_BLOCK_JOBS)
        run(cc, jobs + i, n - i < CGO_BLOCK_JOBS ? n - i : CGO_BLOCK_JOBS, false);
}

TARGET static void decrypt(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n)
{
    for (unsigned i = 0; i < n; i += CGO_BLOCK_JOBS)
        run(cc, jobs + i, n - i < CGO_BLOCK_JOBS ? n - i : CGO_BLOCK_JOBS, true);
}
