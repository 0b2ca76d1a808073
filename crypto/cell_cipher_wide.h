// SPDX-License-Identifier: BSD-3-Clause
// AES-128-CTR of cells, as many at a time as a register has lanes. For the including file, see
// wide.h.
//
// The AES units are what is scarce, and other vector instructions get in their way. So counters
// come from a table as far as they can.
#pragma once

#include "aes_wide.h"
#include "cell_cipher_internal.h"

#include <string.h>

enum {
    BLOCK_LEN = 16,
    CHAIN_LEN = WIDE_LANES * BLOCK_LEN, // a chain: what one register goes through
    CELL_CHAINS = 32 / WIDE_LANES,
    GROUP = 11, // chains under way at a time
    COUNTS = 256,
    BLOCK_31_AT = 31 * BLOCK_LEN,
};

// ---- counters

#define COUNT(n)                                                                                   \
    {                                                                                              \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n                                             \
    }
#define COUNTS_4(n) COUNT(n), COUNT(n + 1), COUNT(n + 2), COUNT(n + 3)
#define COUNTS_16(n) COUNTS_4(n), COUNTS_4(n + 4), COUNTS_4(n + 8), COUNTS_4(n + 12)
#define COUNTS_64(n) COUNTS_16(n), COUNTS_16(n + 16), COUNTS_16(n + 32), COUNTS_16(n + 48)

static const uint8_t counts[COUNTS][BLOCK_LEN]
    __attribute__((aligned(64))) = {COUNTS_64(0), COUNTS_64(64), COUNTS_64(128), COUNTS_64(192)};

TARGET_INLINE __m128i counter_block(uint64_t block)
{
    return _mm_set_epi64x((long long)__builtin_bswap64(block), 0);
}

// ---- a body's last bytes
//
// They are done in two pieces of 16 bytes, so that nothing behind the body is touched: its last 16
// bytes, and those at block 31, which they overlap. If the body ends before block 31 does, both are
// the last 16.

struct end {
    __m128i src[2]; // read before anything is written, since src may be dst
    int offset;     // of the body's end from block 32: -3 to 12
};

TARGET_INLINE int end_at(const struct end *e, int which)
{
    return BLOCK_31_AT + (which == 1 || e->offset < 0 ? e->offset : 0);
}

TARGET_INLINE struct end end_of(const struct ctr_job *job)
{
    struct end e = {.offset = (int)job->length - 32 * BLOCK_LEN};
    e.src[0] = load_128(job->src + end_at(&e, 0));
    e.src[1] = load_128(job->src + end_at(&e, 1));
    return e;
}

// Bytes `from` to `from` + 15 of two blocks; 0 to 15.
TARGET_INLINE __m128i window(__m128i low, __m128i high, int from)
{
    static const uint8_t order[48] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                      0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0,    1,    2,    3,
                                      4,    5,    6,    7,    8,    9,    10,   11,   12,   13,
                                      14,   15,   0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                      0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};
    return _mm_or_si128(_mm_shuffle_epi8(low, load_128(order + 16 + from)),
                        _mm_shuffle_epi8(high, load_128(order + from)));
}

// `blocks` are 30 to 32 of the key stream.
TARGET_INLINE void end_write(const struct end *e, uint8_t *dst, const __m128i blocks[3])
{
    __m128i early = _mm_set1_epi32(e->offset >> 31);
    __m128i low = _mm_blendv_epi8(blocks[1], blocks[0], early);
    __m128i high = _mm_blendv_epi8(blocks[2], blocks[1], early);
    __m128i last = window(low, high, e->offset & 15);
    __m128i first = _mm_blendv_epi8(blocks[1], last, early);
    store_128(dst + end_at(e, 0), _mm_xor_si128(e->src[0], first));
    store_128(dst + end_at(e, 1), _mm_xor_si128(e->src[1], last));
}

// ---- chains

// What the chains of as many cells as there are lanes work with.
struct work {
    struct {
        const uint8_t *src;
        uint8_t *dst;
        const uint8_t *counts; // counters, but for what all of a cell's have in common
        wide common;           // that, after the first AddRoundKey
        struct end end;
        __m128i block_30;
    } cell[WIDE_LANES];
    wide counter_32, block_32; // of the last blocks, one to each lane
    const struct wide_schedule *keys;
    uint8_t own_counts[WIDE_LANES][32 * BLOCK_LEN];
};

// The counters of a cell in which more than their last byte changes.
TARGET_INLINE void write_counts(uint8_t *out, uint64_t block)
{
    const wide reverse =
        wide_broadcast(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    const wide step = wide_broadcast(_mm_set_epi64x(0, WIDE_LANES));
    __m128i lanes[WIDE_LANES];
    UNROLL
    for (unsigned lane = 0; lane < WIDE_LANES; lane++)
        lanes[lane] = _mm_set_epi64x(0, (long long)(block + lane));
    wide counter = wide_of(lanes);
    for (int i = 0; i < CELL_CHAINS; i++) {
        wide_store(out + CHAIN_LEN * i, wide_shuffle_8(counter, reverse));
        counter = wide_add_64(counter, step);
    }
}

TARGET_INLINE void work_begin(struct work *w, const struct ctr_job *jobs, int n,
                              const struct wide_schedule *keys)
{
    w->keys = keys;
    __m128i lanes[WIDE_LANES];
    UNROLL
    for (int c = 0; c < WIDE_LANES; c++) {
        const struct ctr_job *job = &jobs[c < n ? c : 0];
        lanes[c] = counter_block(job->block + 32);
        if (c >= n)
            continue;
        w->cell[c].src = job->src;
        w->cell[c].dst = job->dst;
        w->cell[c].end = end_of(job);
        const unsigned low = job->block % COUNTS;
        w->cell[c].common = wide_round_key(keys, c, 0);
        if (low + 32 <= COUNTS) {
            w->cell[c].counts = counts[low];
            w->cell[c].common =
                wide_xor(w->cell[c].common, wide_broadcast(counter_block(job->block - low)));
        } else {
            write_counts(w->own_counts[c], job->block);
            w->cell[c].counts = w->own_counts[c];
        }
    }
    w->counter_32 = wide_of(lanes);
}

// Chain 0 is block 32 of all cells; then come the cells.
TARGET_INLINE int cell_of(int chain)
{
    return (chain - 1) / CELL_CHAINS;
}

TARGET_INLINE int offset_of(int chain)
{
    return (chain - 1) % CELL_CHAINS * CHAIN_LEN;
}

TARGET_INLINE wide chain_begin(const struct work *w, int chain)
{
    if (chain == 0)
        return wide_xor(w->counter_32, w->keys->round[0]);
    const int c = cell_of(chain);
    return wide_xor(wide_load(w->cell[c].counts + offset_of(chain)), w->cell[c].common);
}

TARGET_INLINE wide chain_key(const struct work *w, int chain, int round)
{
    return chain == 0 ? w->keys->round[round] : wide_round_key(w->keys, cell_of(chain), round);
}

TARGET_INLINE void chain_end(struct work *w, int chain, wide stream)
{
    if (chain == 0) {
        w->block_32 = stream;
        return;
    }
    const int c = cell_of(chain);
    const uint8_t *src = w->cell[c].src + offset_of(chain);
    uint8_t *dst = w->cell[c].dst + offset_of(chain);
    if (offset_of(chain) + CHAIN_LEN <= BLOCK_31_AT) {
        wide_store(dst, wide_xor(wide_load(src), stream));
        w->cell[c].block_30 = wide_lane(stream, WIDE_LANES - 1);
        return;
    }
    UNROLL
    for (int lane = 0; lane < WIDE_LANES - 1; lane++) {
        w->cell[c].block_30 = wide_lane(stream, lane);
        __m128i plain = load_128(src + BLOCK_LEN * lane);
        store_128(dst + BLOCK_LEN * lane, _mm_xor_si128(plain, w->cell[c].block_30));
    }
    const __m128i blocks[3] = {w->cell[c].block_30, wide_lane(stream, WIDE_LANES - 1),
                               wide_lane(w->block_32, c)};
    end_write(&w->cell[c].end, w->cell[c].dst, blocks);
}

TARGET_INLINE void crypt_group(struct work *w, int first, int n)
{
    wide stream[GROUP], key;
    UNROLL
    for (int i = 0; i < n; i++)
        stream[i] = chain_begin(w, first + i);
    UNROLL
    for (int r = 1; r <= AES_ROUNDS; r++) {
        UNROLL
        for (int i = 0; i < n; i++) {
            if (i == 0 || first + i == 1 || cell_of(first + i) != cell_of(first + i - 1))
                key = chain_key(w, first + i, r);
            stream[i] =
                r < AES_ROUNDS ? wide_aesenc(stream[i], key) : wide_aesenclast(stream[i], key);
        }
    }
    UNROLL
    for (int i = 0; i < n; i++)
        chain_end(w, first + i, stream[i]);
}

// n cells, at most one to each lane.
TARGET_INLINE void crypt_cells(const struct ctr_job *jobs, int n, const struct wide_schedule *keys)
{
    struct work w;
    work_begin(&w, jobs, n, keys);
    const int chains = 1 + n * CELL_CHAINS;
    UNROLL
    for (int first = 0; first < chains; first += GROUP)
        crypt_group(&w, first, first + GROUP < chains ? GROUP : chains - first);
}

// ---- runs

// Schedules of WIDE_KEYS jobs; if there are fewer, of the last more than once.
TARGET_INLINE void expand(const struct ctr_job *jobs, unsigned n, struct wide_schedule *out)
{
    struct wide_expansion e = {.out = {out, out + 1, out + 2, out + 3}};
    const uint8_t *keys[WIDE_KEYS];
    UNROLL
    for (unsigned i = 0; i < WIDE_KEYS; i++)
        keys[i] = jobs[i < n ? i : n - 1].key;
    wide_expansion_begin(&e, keys);
    UNROLL
    for (int round = 1; round <= AES_ROUNDS; round++)
        wide_expansion_step(&e, round);
}

// At most WIDE_KEYS jobs.
TARGET static void run_some(struct wide_schedule schedules[4], const struct ctr_job *jobs,
                            unsigned n)
{
    expand(jobs, n, schedules);
    for (unsigned i = 0; i < n; i += WIDE_LANES) {
        const struct wide_schedule *keys = schedules + i / WIDE_LANES;
        if (i + WIDE_LANES <= n)
            crypt_cells(jobs + i, WIDE_LANES, keys);
        else if (n - i == 1)
            crypt_cells(jobs + i, 1, keys);
#if WIDE_LANES == 4
        else if (n - i == 2)
            crypt_cells(jobs + i, 2, keys);
        else
            crypt_cells(jobs + i, 3, keys);
#endif
    }
}

TARGET static void ctr_run(const struct ctr_job *jobs, unsigned n)
{
    struct wide_schedule schedules[4];
    for (unsigned i = 0; i < n; i += WIDE_KEYS)
        run_some(schedules, jobs + i, n - i < WIDE_KEYS ? n - i : WIDE_KEYS);
    // What the compiler may have put on the stack besides is written over by the next run.
    explicit_bzero(schedules, sizeof(schedules));
}
