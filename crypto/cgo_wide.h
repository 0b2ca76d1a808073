// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion, as many cells at a time as a register has lanes. For the including file,
// see wide.h.
//
// The names are proposal 359's: a body is X_L (16 bytes) and X_R (493). The nonce that an Update
// takes always is the block that the PRF has been given for the cell's X_R, so that the new keys
// are further blocks of the same key stream.
//
// A cell passes three stages: the tweak (POLYVAL over X_R), the chain (from the tweak over the
// block cipher to the PRF's counter; each step needs the one before), and the PRF's key stream.
// While one pack of cells is in the PRF, the chain of the next and the tweak of the one after it
// are mixed in: alone each keeps only some of the CPU's units busy.
#pragma once

#include "aes_wide.h"
#include "cgo_internal.h"
#include "polyval_wide.h"

#include <string.h>

enum {
    BLOCK_LEN = 16,
    BODY_LEN = CGO_LEFT_LEN + CGO_RIGHT_LEN,
    TAIL_AT = BODY_LEN - 16, // the last 16 bytes: 3 of block 29 of the key stream, 13 of block 30
    POWERS = 4,              // of KU, and products that share a reduction
    TWEAK_BLOCKS = 32,
    TWEAK_GROUPS = TWEAK_BLOCKS / POWERS,
    GROUP_STEPS = POWERS + 1,                     // the reduction is a step, too
    TWEAK_STEPS = TWEAK_GROUPS * GROUP_STEPS - 1, // but not the last: more is added before it
    CHAIN_STEPS = 3 + AES_ROUNDS + 3,
    CELL_CHAINS = 32 / WIDE_LANES, // registers that a cell's key stream takes
    PACKS = 8,                     // that are kept
    PACKS_AHEAD = 4, // of them under way: in the PRF, the chain, the tweak, and with their keys
};

// What follows from the keys of a pack's layers, one to a lane. Secret.
struct keys {
    struct wide_schedule et, prf;
    wide ku[POWERS];      // KU^4 … KU^1
    wide ku_sums[POWERS]; // of their halves
    wide ku_32;
};

// As many jobs in a row as there are lanes, or fewer.
struct pack {
    struct wide_product tweak;
    uint8_t out[WIDE_LANES][BLOCK_LEN];   // X_L, as it goes out
    uint8_t start[WIDE_LANES][BLOCK_LEN]; // the PRF's first counter block
    const struct keys *keys;
    const uint8_t *tag[WIDE_LANES]; // T': the layer's, or X_L of another lane, as it goes out
    struct cgo_job *jobs;
    unsigned n;
    bool serial; // a layer comes twice
};

struct scratch {
    struct keys keys[PACKS];
    struct pack packs[PACKS];
    unsigned formed; // packs so far
    unsigned keys_used;
};
_Static_assert(sizeof(struct scratch) <= CGO_SCRATCH_LEN, "the cipher's");

TARGET_INLINE bool equal(__m128i a, __m128i b)
{
    __m128i difference = _mm_xor_si128(a, b);
    return _mm_testz_si128(difference, difference);
}

// The job in a lane; of lanes without one, the first.
TARGET_INLINE const struct cgo_job *job_in(const struct pack *p, int lane)
{
    return &p->jobs[(unsigned)lane < p->n ? lane : 0];
}

TARGET_INLINE bool originates(const struct cgo_job *job)
{
    return job->operation == CGO_RELAY_ORIGINATE;
}

// ---- keys

TARGET_INLINE void set_powers(struct keys *k, const struct pack *p)
{
    __m128i ku_lanes[WIDE_LANES], ku_32_lanes[WIDE_LANES];
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++) {
        ku_lanes[lane] = load_128(job_in(p, lane)->layer->ku);
        ku_32_lanes[lane] = load_128(job_in(p, lane)->layer->ku_32);
    }
    wide ku = wide_of(ku_lanes);
    wide ku_2 = wide_square(ku), ku_4 = wide_square(ku_2);
    k->ku[3] = ku;
    k->ku[2] = ku_2;
    k->ku[1] = wide_reduce(wide_multiply(ku, ku_2));
    k->ku[0] = ku_4;
    k->ku_32 = wide_of(ku_32_lanes);
    UNROLL
    for (int i = 0; i < POWERS; i++)
        k->ku_sums[i] = wide_sum_of_halves(k->ku[i]);
}

// Of two packs at a time, which may be the same.
TARGET_INLINE void expand(struct keys *const keys[2], const struct pack *const packs[2])
{
    const uint8_t *from[WIDE_KEYS];
    struct wide_expansion e = {.out = {&keys[0]->et, &keys[1]->et, &keys[0]->prf, &keys[1]->prf}};
    UNROLL
    for (int i = 0; i < 2 * WIDE_LANES; i++) {
        const struct cgo_layer *layer = job_in(packs[i / WIDE_LANES], i % WIDE_LANES)->layer;
        from[i] = layer->kb;
        from[2 * WIDE_LANES + i] = layer->k;
    }
    wide_expansion_begin(&e, from);
    UNROLL
    for (int round = 1; round <= AES_ROUNDS; round++)
        wide_expansion_step(&e, round);
    set_powers(keys[0], packs[0]);
    set_powers(keys[1], packs[1]);
}

// ---- the tweak

// A tweak's way through POLYVAL, in steps that can be taken between others' work.
struct tweak {
    const struct keys *keys;
    const uint8_t *src[WIDE_LANES];
    uint8_t command[WIDE_LANES];
    wide carried;            // the groups before, reduced
    struct wide_product sum; // of this group; mid is Karatsuba's: it lacks lo and hi
};

TARGET_INLINE struct tweak tweak_of(const struct pack *p)
{
    struct tweak t = {.keys = p->keys};
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++) {
        t.src[lane] = job_in(p, lane)->src;
        t.command[lane] = job_in(p, lane)->command;
    }
    return t;
}

// Block i of every lane. Block 0 is T', which is added in the chain.
TARGET_INLINE wide tweak_block(const struct tweak *t, int i)
{
    __m128i lanes[WIDE_LANES];
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++) {
        if (i == TWEAK_BLOCKS - 1) // 14 bytes and two zeros
            lanes[lane] = _mm_srli_si128(load_128(t->src[lane] + TAIL_AT), 2);
        else
            lanes[lane] = load_128(t->src[lane] + CGO_LEFT_LEN - 1 + BLOCK_LEN * (i - 1));
        if (i == 1) // the command, then the first 15 bytes of X_R
            lanes[lane] = _mm_insert_epi8(lanes[lane], t->command[lane], 0);
    }
    return wide_of(lanes);
}

TARGET_INLINE struct wide_product completed(struct wide_product sum)
{
    sum.mid = wide_xor(sum.mid, wide_xor(sum.lo, sum.hi));
    return sum;
}

TARGET_INLINE void tweak_multiply(struct tweak *t, int group, int i)
{
    wide power = t->keys->ku[i], sums = t->keys->ku_sums[i];
    wide block = tweak_block(t, POWERS * group + i);
    if (i == 0)
        block = wide_xor(block, t->carried);
    struct wide_product p = {
        .lo = wide_clmul_low_low(block, power),
        .mid = wide_clmul_low_low(wide_sum_of_halves(block), sums),
        .hi = wide_clmul_high_high(block, power),
    };
    if (i == 1) { // comes first
        t->sum = p;
    } else {
        t->sum.lo = wide_xor(t->sum.lo, p.lo);
        t->sum.mid = wide_xor(t->sum.mid, p.mid);
        t->sum.hi = wide_xor(t->sum.hi, p.hi);
    }
    WIDE_KEEP(t->sum.lo);
    WIDE_KEEP(t->sum.mid);
    WIDE_KEEP(t->sum.hi);
}

// The block that needs the group before comes last in its group, so that the reduction has time.
TARGET_INLINE void tweak_step(struct tweak *t, int step)
{
    const int group = step / GROUP_STEPS, in_group = step % GROUP_STEPS;
    if (in_group == POWERS)
        t->carried = wide_reduce(completed(t->sum));
    else if (group > 0 || in_group < POWERS - 1)
        tweak_multiply(t, group, (in_group + 1) % POWERS);
}

TARGET static __attribute__((noinline)) void tweak_run(struct pack *p)
{
    struct tweak t = tweak_of(p);
    UNROLL
    for (int step = 0; step < TWEAK_STEPS; step++)
        tweak_step(&t, step);
    p->tweak = completed(t.sum);
}

// ---- the chain

struct chain {
    struct pack *pack;
    const struct keys *keys;
    wide left; // X_L, as it comes in
    wide b;
    wide mask, block;
    struct wide_product product;
    wide carried;
    wide out;
};

TARGET_INLINE __m128i left_of(const struct cgo_job *job)
{
    return load_128(originates(job) ? job->layer->nonce : job->src);
}

// The PRF's first counter block. Its last six bits are free to count.
TARGET_INLINE wide counter_block(wide hash)
{
    return wide_and(hash, wide_broadcast(_mm_set_epi64x((long long)0xc0ffffffffffffff, -1)));
}

TARGET_INLINE struct wide_product add_products(struct wide_product a, struct wide_product b)
{
    return (struct wide_product){wide_xor(a.lo, b.lo), wide_xor(a.mid, b.mid),
                                 wide_xor(a.hi, b.hi)};
}

TARGET_INLINE struct chain chain_of(struct pack *p)
{
    __m128i left[WIDE_LANES], b[WIDE_LANES];
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++) {
        left[lane] = left_of(job_in(p, lane));
        b[lane] = load_128(job_in(p, lane)->layer->b);
    }
    return (struct chain){.pack = p, .keys = p->keys, .left = wide_of(left), .b = wide_of(b)};
}

TARGET_INLINE void chain_begin(struct chain *c, int lane_only)
{
    __m128i tag[WIDE_LANES];
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++)
        tag[lane] = load_128(c->pack->tag[lane_only < 0 ? lane : lane_only]);
    c->product = add_products(wide_multiply(wide_of(tag), c->keys->ku_32), c->pack->tweak);
}

TARGET_INLINE void write_lanes(uint8_t out[][BLOCK_LEN], wide value, int lane_only)
{
    if (lane_only < 0)
        wide_store(out[0], value);
    else
        store_128(out[lane_only], wide_lane(value, lane_only));
}

// Of all lanes at once, or only of one (else -1).
TARGET_INLINE void chain_step(struct chain *c, int step, int lane_only)
{
    const struct keys *keys = c->keys;
    if (step == 0) {
        chain_begin(c, lane_only);
    } else if (step == 1 || step == CHAIN_STEPS - 2) {
        c->carried = wide_reduce_low(c->product);
    } else if (step == 2) {
        c->mask = wide_reduce_high(c->product, c->carried);
        c->block = wide_xor(wide_xor(c->left, c->mask), keys->et.round[0]);
    } else if (step < CHAIN_STEPS - 3) {
        const int r = step - 2;
        c->block = r < AES_ROUNDS ? wide_aesenc(c->block, keys->et.round[r])
                                  : wide_aesenclast(c->block, keys->et.round[r]);
    } else if (step == CHAIN_STEPS - 3) {
        wide out = wide_xor(c->block, c->mask);
        write_lanes(c->pack->out, out, lane_only);
        c->product = wide_multiply(out, c->b);
    } else {
        wide start = counter_block(wide_reduce_high(c->product, c->carried));
        write_lanes(c->pack->start, start, lane_only);
    }
}

TARGET_INLINE void chain_run_lane(struct pack *p, int lane_only)
{
    struct chain c = chain_of(p);
    UNROLL
    for (int step = 0; step < CHAIN_STEPS; step++)
        chain_step(&c, step, lane_only);
}

TARGET static __attribute__((noinline)) void chain_run(struct pack *p)
{
    if (!p->serial) {
        chain_run_lane(p, -1);
        return;
    }
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++)
        chain_run_lane(p, lane);
}

// ---- the PRF

// A cell whose key stream is made.
struct prf_cell {
    const uint8_t *src;
    uint8_t *dst;
    wide first; // counter block 0 after the first AddRoundKey
    __m128i tail;
    __m128i block_29;
};

TARGET_INLINE struct prf_cell prf_cell_of(const struct pack *p, int lane)
{
    const struct cgo_job *job = &p->jobs[lane];
    return (struct prf_cell){
        .src = job->src + CGO_LEFT_LEN,
        .dst = job->dst + CGO_LEFT_LEN,
        .first = wide_xor(wide_broadcast(load_128(p->start[lane])),
                          wide_round_key(&p->keys->prf, lane, 0)),
        .tail = load_128(job->src + TAIL_AT), // before dst, which may be src, changes
    };
}

// The counter's bits in `first` are zero, so XOR adds.
TARGET_INLINE wide prf_begin(const struct prf_cell *c, int chain)
{
    __m128i count[WIDE_LANES];
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++)
        count[lane] = _mm_set_epi64x((long long)(WIDE_LANES * chain + lane) << 56, 0);
    return wide_xor(c->first, wide_of(count));
}

TARGET_INLINE void prf_end(struct prf_cell *c, int chain, wide stream)
{
    const int at = WIDE_LANES * chain * BLOCK_LEN;
    const bool whole = WIDE_LANES * (chain + 1) <= 30;
    if (whole)
        wide_store(c->dst + at, wide_xor(wide_load(c->src + at), stream));
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++) {
        const int block = WIDE_LANES * chain + lane, lane_at = at + BLOCK_LEN * lane;
        __m128i part = wide_lane(stream, lane);
        if (block < 30 && !whole)
            store_128(c->dst + lane_at, _mm_xor_si128(load_128(c->src + lane_at), part));
        if (block == 29)
            c->block_29 = part;
        if (block == 30)
            store_128(c->dst + TAIL_AT - CGO_LEFT_LEN,
                      _mm_xor_si128(c->tail, _mm_alignr_epi8(part, c->block_29, 13)));
    }
}

// One cell by itself.
TARGET static __attribute__((noinline)) void prf_run(const struct pack *p, int lane)
{
    enum { GROUP = CELL_CHAINS < 8 ? CELL_CHAINS : 8 };
    struct prf_cell c = prf_cell_of(p, lane);
    UNROLL
    for (int first = 0; first < CELL_CHAINS; first += GROUP) {
        wide stream[GROUP];
        UNROLL
        for (int i = 0; i < GROUP; i++)
            stream[i] = prf_begin(&c, first + i);
        UNROLL
        for (int r = 1; r <= AES_ROUNDS; r++) {
            wide key = wide_round_key(&p->keys->prf, lane, r);
            UNROLL
            for (int i = 0; i < GROUP; i++)
                stream[i] =
                    r < AES_ROUNDS ? wide_aesenc(stream[i], key) : wide_aesenclast(stream[i], key);
        }
        UNROLL
        for (int i = 0; i < GROUP; i++)
            prf_end(&c, first + i, stream[i]);
    }
}

// ---- all three stages of three packs together

struct others {
    struct chain chain;
    struct tweak tweak;
};

enum { MIXED_GROUP = 4, SLOTS = WIDE_LANES * CELL_CHAINS / MIXED_GROUP * AES_ROUNDS };

// Steps by `slot` + 1 of all slots, if `steps` are spread over them evenly.
TARGET_INLINE int steps_by(int slot, int steps)
{
    return (slot + 1) * steps / SLOTS;
}

// What is done after a round of MIXED_GROUP registers, of which there are SLOTS.
TARGET_INLINE void others_slot(struct others *o, int slot, bool serial)
{
    UNROLL
    for (int step = steps_by(slot - 1, TWEAK_STEPS); step < steps_by(slot, TWEAK_STEPS); step++)
        tweak_step(&o->tweak, step);
    // The chain of all lanes together, or those of each, one after the other.
    const int chain_steps = serial ? WIDE_LANES * CHAIN_STEPS : CHAIN_STEPS;
    UNROLL
    for (int step = steps_by(slot - 1, chain_steps); step < steps_by(slot, chain_steps); step++)
        chain_step(&o->chain, step % CHAIN_STEPS, serial ? step / CHAIN_STEPS : -1);
}

TARGET_INLINE void mix(const struct pack *now, struct pack *next, struct pack *after, bool serial)
{
    struct others o = {.chain = chain_of(next), .tweak = tweak_of(after)};
    const struct wide_schedule *keys = &now->keys->prf;
    struct prf_cell cells[WIDE_LANES];
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++)
        cells[lane] = prf_cell_of(now, lane);
    UNROLL
    for (int first = 0; first < WIDE_LANES * CELL_CHAINS; first += MIXED_GROUP) {
        const int lane = first / CELL_CHAINS, in_cell = first % CELL_CHAINS;
        struct prf_cell *c = &cells[lane];
        wide stream[MIXED_GROUP];
        UNROLL
        for (int i = 0; i < MIXED_GROUP; i++)
            stream[i] = prf_begin(c, in_cell + i);
        UNROLL
        for (int r = 1; r <= AES_ROUNDS; r++) {
            wide key = wide_round_key(keys, lane, r);
            UNROLL
            for (int i = 0; i < MIXED_GROUP; i++)
                stream[i] =
                    r < AES_ROUNDS ? wide_aesenc(stream[i], key) : wide_aesenclast(stream[i], key);
            others_slot(&o, first / MIXED_GROUP * AES_ROUNDS + r - 1, serial);
        }
        UNROLL
        for (int i = 0; i < MIXED_GROUP; i++)
            prf_end(c, in_cell + i, stream[i]);
    }
    after->tweak = completed(o.tweak.sum);
}

TARGET static __attribute__((noinline)) void mix_parallel(const struct pack *now, struct pack *next,
                                                          struct pack *after)
{
    mix(now, next, after, false);
}

TARGET static __attribute__((noinline)) void mix_serial(const struct pack *now, struct pack *next,
                                                        struct pack *after)
{
    mix(now, next, after, true);
}

// ---- Updates

enum { FRAME_LEN = 1024 }; // more than renew() uses when optimized

// New keys take the place of the old in the lanes of the set. Not inlined, so that what the
// compiler puts on the stack lies where forget() wipes.
TARGET static __attribute__((noinline)) void renew(const struct pack *p, unsigned lanes)
{
    const struct wide_schedule *keys = &p->keys->prf;
    wide stream[6], start = wide_xor(wide_load(p->start[0]), keys->round[0]);
    UNROLL
    for (int i = 0; i < 5; i++) {
        __m128i count = _mm_set_epi64x((long long)(CGO_T1_BLOCK + i) << 56, 0);
        stream[i] = wide_xor(start, wide_broadcast(count));
    }
    UNROLL
    for (int r = 1; r <= AES_ROUNDS; r++) {
        UNROLL
        for (int i = 0; i < 5; i++)
            stream[i] = r < AES_ROUNDS ? wide_aesenc(stream[i], keys->round[r])
                                       : wide_aesenclast(stream[i], keys->round[r]);
    }
    stream[5] = stream[1];
    UNROLL
    for (int i = 0; i < 5; i++) // KU^32
        stream[5] = wide_square(stream[5]);
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++) {
        if (!(lanes & 1u << lane))
            continue;
        struct cgo_layer *layer = p->jobs[lane].layer;
        store_128(layer->kb, wide_lane(stream[0], lane));
        store_128(layer->ku, wide_lane(stream[1], lane));
        store_128(layer->k, wide_lane(stream[2], lane));
        store_128(layer->b, wide_lane(stream[3], lane));
        store_128(layer->nonce, wide_lane(stream[4], lane));
        store_128(layer->ku_32, wide_lane(stream[5], lane));
    }
}

// To be called from where renew() was called.
static __attribute__((noinline)) void forget(void)
{
    uint8_t frame[FRAME_LEN];
    explicit_bzero(frame, sizeof(frame));
}

// ---- packs

TARGET_INLINE struct pack *pack_at(struct scratch *s, unsigned i)
{
    return i < s->formed ? &s->packs[i % PACKS] : NULL;
}

TARGET_INLINE void prefetch(const struct cgo_layer *layer)
{
    __builtin_prefetch(layer);
    __builtin_prefetch((const uint8_t *)layer + sizeof(*layer) - 1);
}

// A pack ends before a job that needs the new keys of another one in it.
TARGET_INLINE struct pack *pack_form(struct scratch *s, struct cgo_job *jobs, unsigned n)
{
    struct pack *p = &s->packs[s->formed++ % PACKS];
    p->jobs = jobs;
    p->n = 0;
    p->serial = false;
    for (unsigned lane = 0; lane < WIDE_LANES && lane < n; lane++) {
        const struct cgo_layer *layer = jobs[lane].layer;
        p->tag[lane] = layer->tag;
        for (unsigned before = 0; before < lane; before++) {
            if (jobs[before].layer != layer)
                continue;
            if (originates(&jobs[before]))
                goto full;
            p->tag[lane] = p->out[before];
        }
        p->serial = p->serial || p->tag[lane] != layer->tag;
        p->n++;
    }
full:
    for (unsigned lane = p->n; lane < WIDE_LANES; lane++)
        p->tag[lane] = p->tag[0];
    return p;
}

TARGET_INLINE bool same_layers(const struct pack *a, const struct pack *b)
{
    for (int lane = 0; lane < WIDE_LANES; lane++)
        if (job_in(a, lane)->layer != job_in(b, lane)->layer)
            return false;
    return true;
}

// Keys for one or two packs, `before` being the pack before them, or NULL.
TARGET_INLINE void packs_set_keys(struct scratch *s, struct pack *before, struct pack *a,
                                  struct pack *b)
{
    const struct pack *packs[2];
    struct keys *keys[2];
    unsigned n = 0;
    struct pack *const both[2] = {a, b};
    for (unsigned i = 0; i < 2 && both[i]; i++) {
        if (before && same_layers(before, both[i])) {
            both[i]->keys = before->keys;
        } else {
            both[i]->keys = keys[n] = &s->keys[s->keys_used++ % PACKS];
            packs[n++] = both[i];
        }
        before = both[i];
    }
    if (n == 0)
        return;
    if (n == 1) {
        keys[1] = keys[0];
        packs[1] = packs[0];
    }
    expand(keys, packs);
}

// ---- the relay

// Jobs in the order in which they are done, up to one whose layer gets new keys by one before it,
// after which everything that has been prepared with the old keys is done anew.
struct flow {
    struct scratch *s;
    struct cgo_job *jobs;
    unsigned n;
    unsigned formed; // of the jobs
    bool updates;
};

TARGET_INLINE void flow_form(struct flow *f, unsigned packs)
{
    struct scratch *s = f->s;
    while (s->formed < packs && f->formed < f->n) {
        struct pack *before = pack_at(s, s->formed - 1), *pair[2] = {NULL, NULL};
        for (unsigned i = 0; i < 2 && f->formed < f->n; i++) {
            pair[i] = pack_form(s, f->jobs + f->formed, f->n - f->formed);
            f->formed += pair[i]->n;
        }
        for (unsigned i = f->formed; i < f->n && i < f->formed + 2 * WIDE_LANES; i++)
            prefetch(f->jobs[i].layer);
        packs_set_keys(s, before, pair[0], pair[1]);
    }
}

// What there is to tell when a cell's chain is done. Whether its layer needs an Update.
TARGET_INLINE bool lane_done(struct pack *p, unsigned lane)
{
    struct cgo_job *job = &p->jobs[lane];
    struct cgo_layer *layer = job->layer;
    __m128i out = load_128(p->out[lane]);
    bool originated = originates(job);
    job->recognised = job->operation == CGO_RELAY_FORWARD && equal(out, load_128(layer->nonce));
    store_128(job->tag, originated ? out : load_128(job->src));
    store_128(layer->tag, out);
    return originated || job->recognised;
}

// The first job from `from` on, among those that are formed, of this layer.
static unsigned flow_next_of(const struct flow *f, unsigned from, const struct cgo_layer *layer)
{
    while (from < f->formed && f->jobs[from].layer != layer)
        from++;
    return from;
}

// One pack to its end. Returns the number of jobs up to which the flow may go on as it is: more
// than are done, or just as many, which ends it.
TARGET_INLINE unsigned flow_pack(struct flow *f, unsigned i, unsigned done)
{
    struct pack *now = pack_at(f->s, i), *next = pack_at(f->s, i + 1),
                *after = pack_at(f->s, i + 2);
    unsigned limit = f->formed, updates = 0;
    for (unsigned lane = 0; lane < now->n && done + lane < limit; lane++) {
        if (!lane_done(now, lane))
            continue;
        updates |= 1u << lane;
        unsigned next_of = flow_next_of(f, done + lane + 1, now->jobs[lane].layer);
        limit = next_of < limit ? next_of : limit;
    }
    const bool goes_on = limit == f->formed;
    if (goes_on && after && now->n == WIDE_LANES) {
        if (next->serial)
            mix_serial(now, next, after);
        else
            mix_parallel(now, next, after);
    } else {
        for (unsigned lane = 0; lane < now->n && done + lane < limit; lane++)
            prf_run(now, (int)lane);
        if (goes_on && next)
            chain_run(next);
        if (goes_on && after)
            tweak_run(after);
    }
    for (unsigned lane = 0; lane < now->n && done + lane < limit; lane++)
        store_128(now->jobs[lane].dst, load_128(now->out[lane]));
    if (updates)
        renew(now, updates);
    f->updates |= updates != 0;
    return goes_on ? f->n : limit;
}

// Returns how many are done.
TARGET static unsigned flow_run(struct flow *f)
{
    f->s->formed = f->s->keys_used = f->formed = 0;
    flow_form(f, PACKS_AHEAD - 1);
    tweak_run(pack_at(f->s, 0));
    chain_run(pack_at(f->s, 0));
    if (pack_at(f->s, 1))
        tweak_run(pack_at(f->s, 1));
    unsigned done = 0;
    for (unsigned i = 0; done < f->n; i++) {
        const unsigned in_pack = pack_at(f->s, i)->n;
        unsigned limit = flow_pack(f, i, done);
        if (limit < f->n) {
            if (limit <= done + in_pack)
                return limit;
            // Packs before the limit are good, but for simplicity they are prepared again.
            return done + in_pack;
        }
        done += in_pack;
        flow_form(f, i + PACKS_AHEAD);
    }
    return done;
}

TARGET_INLINE unsigned packs_used(const struct scratch *s)
{
    return s->formed < PACKS ? s->formed : PACKS;
}

TARGET_INLINE void wipe(struct scratch *s, unsigned packs)
{
    explicit_bzero(s->keys, packs * sizeof(s->keys[0]));
    explicit_bzero(s->packs, packs * sizeof(s->packs[0]));
    s->formed = s->keys_used = 0;
}

TARGET static void encrypt(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n)
{
    struct scratch *s = (struct scratch *)cc->scratch;
    unsigned used = 0;
    bool updates = false;
    for (unsigned done = 0; done < n;) {
        struct flow f = {.s = s, .jobs = jobs + done, .n = n - done};
        done += flow_run(&f);
        updates |= f.updates;
        used = packs_used(s) > used ? packs_used(s) : used;
    }
    wipe(s, used);
    if (updates)
        forget();
}

// ---- the client

TARGET_INLINE bool client_originates(const struct cgo_job *job)
{
    return job->operation == CGO_CLIENT_ORIGINATE;
}

// Here T' is known before: it is the cell's X_L as the relay sees or saw it, kept in `out`. So
// cells of one layer go side by side, unless one brings new keys: that one that begins here does is
// certain, that one that comes does only likely, where the one before did.
TARGET_INLINE struct pack *client_pack_form(struct scratch *s, struct cgo_job *jobs, unsigned n,
                                            const struct cgo_layer *likely)
{
    struct pack *p = &s->packs[s->formed++ % PACKS];
    *p = (struct pack){.jobs = jobs};
    for (unsigned lane = 0; lane < WIDE_LANES && lane < n; lane++) {
        const struct cgo_layer *layer = jobs[lane].layer;
        p->tag[lane] = layer->tag;
        for (unsigned before = 0; before < lane; before++) {
            if (jobs[before].layer != layer)
                continue;
            if (client_originates(&jobs[before]) || layer == likely)
                goto full;
            p->tag[lane] = p->out[before];
        }
        store_128(p->out[lane],
                  load_128(client_originates(&jobs[lane]) ? layer->nonce : jobs[lane].src));
        p->n++;
    }
full:
    for (unsigned lane = p->n; lane < WIDE_LANES; lane++)
        p->tag[lane] = p->tag[0];
    return p;
}

// The inverse of ET's block cipher, in each lane.
TARGET_INLINE void decrypt_blocks(const struct wide_schedule *keys, __m128i block[WIDE_LANES])
{
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++)
        block[lane] = _mm_xor_si128(block[lane], round_key(keys, lane, AES_ROUNDS));
    UNROLL
    for (int r = AES_ROUNDS - 1; r > 0; r--) {
        UNROLL
        for (int lane = 0; lane < WIDE_LANES; lane++)
            block[lane] = _mm_aesdec_si128(block[lane], _mm_aesimc_si128(round_key(keys, lane, r)));
    }
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++)
        block[lane] = _mm_aesdeclast_si128(block[lane], round_key(keys, lane, 0));
}

// The PRF, then the tweak of what it yields, then ET. `out` gets the cells' X_L, decrypted.
TARGET_INLINE void client_decrypt(struct pack *p, struct cgo_job after_prf[WIDE_LANES],
                                  __m128i out[WIDE_LANES])
{
    struct cgo_job *jobs = p->jobs;
    struct chain c = chain_of(p);
    wide left = wide_load(p->out[0]);
    wide_store(p->start[0], counter_block(wide_reduce(wide_multiply(left, c.b))));
    for (unsigned lane = 0; lane < p->n; lane++) {
        prf_run(p, (int)lane);
        after_prf[lane] = jobs[lane];
        after_prf[lane].src = jobs[lane].dst;
    }
    p->jobs = after_prf;
    tweak_run(p);
    p->jobs = jobs;
    chain_begin(&c, -1);
    wide mask = wide_reduce(c.product), block = wide_xor(left, mask);
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++)
        out[lane] = wide_lane(block, lane);
    decrypt_blocks(&p->keys->et, out);
    UNROLL
    for (int lane = 0; lane < WIDE_LANES; lane++)
        out[lane] = _mm_xor_si128(out[lane], wide_lane(mask, lane));
}

// What there is to tell of a cell, and whether its layer needs an Update.
TARGET_INLINE bool client_lane_done(struct pack *p, unsigned lane, __m128i out)
{
    struct cgo_job *job = &p->jobs[lane];
    const bool originated = client_originates(job);
    job->recognised =
        job->operation == CGO_CLIENT_BACKWARD && equal(out, load_128(job->layer->nonce));
    memcpy(job->layer->tag, p->out[lane], BLOCK_LEN);
    store_128(job->dst, out);
    store_128(job->tag, originated ? out : load_128(p->out[lane]));
    return originated || job->recognised;
}

struct client_flow {
    struct scratch *s;
    struct pack *before; // its keys still hold, or NULL
    const struct cgo_layer *likely;
    bool updates;
};

// Returns how many are done. The others had keys that one before them has changed: they are put
// back.
TARGET_INLINE unsigned client_pack(struct client_flow *f, struct pack *p)
{
    struct cgo_job after_prf[WIDE_LANES];
    __m128i out[WIDE_LANES];
    unsigned limit = p->n, updates = 0;
    client_decrypt(p, after_prf, out);
    f->likely = NULL;
    for (unsigned lane = 0; lane < limit; lane++) {
        if (!client_lane_done(p, lane, out[lane]))
            continue;
        f->likely = p->jobs[lane].layer;
        updates |= 1u << lane;
        for (unsigned later = limit; later-- > lane + 1;)
            if (p->jobs[later].layer == f->likely)
                limit = later;
    }
    struct cgo_job *jobs = p->jobs;
    p->jobs = after_prf;
    for (unsigned lane = limit; lane < p->n; lane++)
        if (jobs[lane].dst == jobs[lane].src)
            prf_run(p, (int)lane);
    p->jobs = jobs;
    f->before = updates ? NULL : p;
    f->updates |= updates != 0;
    if (updates)
        renew(p, updates);
    return limit;
}

TARGET static void decrypt(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n)
{
    struct scratch *s = (struct scratch *)cc->scratch;
    struct client_flow f = {.s = s};
    s->formed = s->keys_used = 0;
    for (unsigned done = 0; done < n;) {
        struct pack *p = client_pack_form(s, jobs + done, n - done, f.likely);
        packs_set_keys(s, f.before, p, NULL);
        done += client_pack(&f, p);
    }
    wipe(s, packs_used(s));
    if (f.updates)
        forget();
}
