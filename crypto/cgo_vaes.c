// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion with 256-bit AES and carry-less multiplication: two blocks to an
// instruction.
#define CGO_TARGET "avx2,aes,pclmul,vaes,vpclmulqdq"
#include "cgo_x86.h"

enum {
    PAIRS = 8,         // registers of two blocks each, under way at a time
    STREAM_PAIRS = 16, // the last has only 13 bytes that are used
    TWEAK_PAIRS = 16,
    GROUP_PAIRS = 4, // whose products share a reduction: 8 blocks, one for each power kept
    GROUPS = TWEAK_PAIRS / GROUP_PAIRS,
    GROUP_STEPS = GROUP_PAIRS + 1,          // the reduction is a step, too
    TWEAK_STEPS = GROUPS * GROUP_STEPS - 1, // but not the last: more is added before it
};

struct wide_product {
    __m256i lo, mid, hi;
};

static bool usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("aes") &&
           __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("vaes") &&
           __builtin_cpu_supports("vpclmulqdq");
}

TARGET_INLINE __m256i load_256(const uint8_t *at)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}

TARGET_INLINE void store_256(uint8_t *at, __m256i a)
{
    _mm256_storeu_si256((__m256i *)(void *)at, a);
}

TARGET_INLINE __m256i twice(__m128i a)
{
    return _mm256_broadcastsi128_si256(a);
}

// ---- POLYVAL

TARGET_INLINE struct wide_product multiply_256(__m256i a, __m256i b)
{
    return (struct wide_product){
        .lo = _mm256_clmulepi64_epi128(a, b, 0x00),
        .mid = _mm256_xor_si256(_mm256_clmulepi64_epi128(a, b, 0x01),
                                _mm256_clmulepi64_epi128(a, b, 0x10)),
        .hi = _mm256_clmulepi64_epi128(a, b, 0x11),
    };
}

TARGET_INLINE __m256i reduce_256(struct wide_product p)
{
    const __m256i top = _mm256_set1_epi64x(MODULUS_TOP);
    __m256i carried = _mm256_xor_si256(_mm256_shuffle_epi32(p.lo, 0x4e), p.mid);
    carried = _mm256_xor_si256(carried, _mm256_clmulepi64_epi128(p.lo, top, 0x00));
    __m256i result = _mm256_xor_si256(_mm256_shuffle_epi32(carried, 0x4e), p.hi);
    return _mm256_xor_si256(result, _mm256_clmulepi64_epi128(carried, top, 0x00));
}

TARGET_INLINE __m256i sum_of_halves(__m256i a)
{
    return _mm256_xor_si256(a, _mm256_shuffle_epi32(a, 0x4e));
}

TARGET_INLINE __m128i sum_of_lanes(__m256i a)
{
    return _mm_xor_si128(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
}

// Blocks 2i and 2i + 1 of the tweak, without T'.
TARGET_INLINE __m256i tweak_pair(const uint8_t *body, uint8_t command, int i)
{
    const uint8_t *at = body + CGO_LEFT_LEN - 1 + 16 * (2 * i - 1);
    if (i == 0)
        return _mm256_set_m128i(tweak_block_1(body, command), _mm_setzero_si128());
    if (i == TWEAK_PAIRS - 1)
        return _mm256_set_m128i(tweak_block_31(body), load(at));
    return load_256(at);
}

// A tweak's way through POLYVAL, in steps that can be taken between others' work.
//
// The lower lanes take the even blocks and the upper lanes the odd ones. Until the last group both
// are multiplied by the even powers, which leaves the lanes a factor KU apart; the last group makes
// up for it.
struct tweak {
    const struct cgo_expanded *keys;
    const uint8_t *body;
    uint8_t command;
    __m256i carried;         // the groups before, reduced
    struct wide_product sum; // of this group; mid is Karatsuba's: it lacks lo and hi
};

TARGET_INLINE __m256i powers_256(const uint8_t *powers, bool last_group)
{
    return last_group ? load_256(powers) : twice(load(powers));
}

TARGET_INLINE void multiply_pair(struct tweak *t, int group, int i)
{
    bool last_group = group == GROUPS - 1;
    __m256i powers = powers_256(t->keys->ku_powers + 32 * i, last_group);
    __m256i sums = powers_256(t->keys->ku_sums + 32 * (i / 2), last_group);
    __m256i pair = tweak_pair(t->body, t->command, GROUP_PAIRS * group + i);
    if (i == 0 && group > 0)
        pair = _mm256_xor_si256(pair, t->carried);
    __m256i halves = sum_of_halves(pair);
    struct wide_product p = {
        .lo = _mm256_clmulepi64_epi128(pair, powers, 0x00),
        .mid = i % 2 == 0 ? _mm256_clmulepi64_epi128(halves, sums, 0x00)
                          : _mm256_clmulepi64_epi128(halves, sums, 0x10),
        .hi = _mm256_clmulepi64_epi128(pair, powers, 0x11),
    };
    if (i == 1) { // comes first
        t->sum = p;
    } else {
        t->sum.lo = _mm256_xor_si256(t->sum.lo, p.lo);
        t->sum.mid = _mm256_xor_si256(t->sum.mid, p.mid);
        t->sum.hi = _mm256_xor_si256(t->sum.hi, p.hi);
    }
    KEEP(t->sum.lo);
    KEEP(t->sum.mid);
    KEEP(t->sum.hi);
}

TARGET_INLINE struct wide_product completed(struct wide_product sum)
{
    sum.mid = _mm256_xor_si256(sum.mid, _mm256_xor_si256(sum.lo, sum.hi));
    return sum;
}

// The pair that needs the group before comes last in its group, so that the reduction has time.
TARGET_INLINE void tweak_step(struct tweak *t, int step)
{
    int group = step / GROUP_STEPS, in_group = step % GROUP_STEPS;
    if (in_group < GROUP_PAIRS)
        multiply_pair(t, group, (in_group + 1) % GROUP_PAIRS);
    else
        t->carried = reduce_256(completed(t->sum));
}

TARGET_INLINE struct product tweak_done(const struct tweak *t)
{
    struct wide_product sum = completed(t->sum);
    return (struct product){sum_of_lanes(sum.lo), sum_of_lanes(sum.mid), sum_of_lanes(sum.hi)};
}

TARGET static inline struct product polyval_tweak(const struct cgo_expanded *keys,
                                                  const uint8_t *body, uint8_t command)
{
    struct tweak t = {.keys = keys, .body = body, .command = command};
    UNROLL
    for (int step = 0; step < TWEAK_STEPS; step++)
        tweak_step(&t, step);
    return tweak_done(&t);
}

TARGET static inline void set_powers(__m128i ku, struct cgo_expanded *keys)
{
    __m128i ku2 = reduce(square(ku));
    __m256i ku2_1 = _mm256_set_m128i(ku, ku2);
    __m256i ku4_3 = reduce_256(multiply_256(ku2_1, twice(ku2)));
    __m256i ku4 = twice(_mm256_castsi256_si128(ku4_3));
    __m256i ku6_5 = reduce_256(multiply_256(ku2_1, ku4));
    __m256i ku8_7 = reduce_256(multiply_256(ku4_3, ku4));
    __m128i ku16 = reduce(square(_mm256_castsi256_si128(ku8_7)));
    store_256(keys->ku_powers, ku8_7);
    store_256(keys->ku_powers + 32, ku6_5);
    store_256(keys->ku_powers + 64, ku4_3);
    store_256(keys->ku_powers + 96, ku2_1);
    store_256(keys->ku_sums, _mm256_unpacklo_epi64(sum_of_halves(ku8_7), sum_of_halves(ku6_5)));
    store_256(keys->ku_sums + 32,
              _mm256_unpacklo_epi64(sum_of_halves(ku4_3), sum_of_halves(ku2_1)));
    store(keys->ku_32, reduce(square(ku16)));
}

// ---- AES

// What is done between the rounds of a key stream.
struct others {
    struct tweak tweak;
    struct chain *chain;
};

TARGET_INLINE void others_step(struct others *o, int round)
{
    int step = round / 2;
    if (round % 2 == 0 && step < TWEAK_STEPS)
        tweak_step(&o->tweak, step);
    if (round % 2 == 1 && step < CHAIN_STEPS)
        chain_step(o->chain, step);
}

// Blocks first, first + 1, … of the key stream, two to each of n registers. `o` may be NULL;
// rounds_before is what it has seen.
TARGET_INLINE void key_stream(const uint8_t *keys, __m128i start, int first, int n, __m256i *out,
                              struct others *o, int rounds_before)
{
    const __m256i step = _mm256_set_epi64x(INT64_C(2) << 56, 0, INT64_C(2) << 56, 0);
    __m256i count = _mm256_set_epi64x((long long)(first + 1) << 56, 0, (long long)first << 56, 0);
    // The counter's bits in `start` are zero, so XOR adds.
    __m256i from = twice(_mm_xor_si128(start, round_key(keys, 0)));
    UNROLL
    for (int i = 0; i < n; i++) {
        out[i] = _mm256_xor_si256(from, count);
        count = _mm256_add_epi64(count, step);
    }
    UNROLL
    for (int r = 1; r <= ROUNDS; r++) {
        __m256i key = twice(round_key(keys, r));
        UNROLL
        for (int i = 0; i < n; i++)
            out[i] = r == ROUNDS ? _mm256_aesenclast_epi128(out[i], key)
                                 : _mm256_aesenc_epi128(out[i], key);
        if (o)
            others_step(o, rounds_before + r - 1);
    }
}

// Takes `width` registers at a time.
TARGET_INLINE void prf_t0_by(int width, const struct cgo_expanded *keys, __m128i start,
                             const uint8_t *src, uint8_t *dst, struct others *o)
{
    const uint8_t *from = src + CGO_LEFT_LEN;
    uint8_t *to = dst + CGO_LEFT_LEN;
    __m256i stream[PAIRS];
    __m128i tail = load(src + TAIL_AT); // before dst, which may be src, changes

    UNROLL
    for (int first = 0; first < STREAM_PAIRS; first += width) {
        key_stream(keys->prf_keys, start, 2 * first, width, stream, o, first / width * ROUNDS);
        UNROLL
        for (int i = 0; i < width; i++) {
            if (first + i == STREAM_PAIRS - 1)
                break;
            __m256i plain = load_256(from + 32 * (first + i));
            store_256(to + 32 * (first + i), _mm256_xor_si256(plain, stream[i]));
        }
    }
    __m128i block_29 = _mm256_extracti128_si256(stream[width - 2], 1);
    __m128i block_30 = _mm256_castsi256_si128(stream[width - 1]);
    store(dst + TAIL_AT, _mm_xor_si128(tail, _mm_alignr_epi8(block_30, block_29, 13)));
}

TARGET static inline void prf_t0(const struct cgo_expanded *keys, __m128i start, const uint8_t *src,
                                 uint8_t *dst)
{
    prf_t0_by(PAIRS, keys, start, src, dst, NULL);
}

TARGET static inline struct product prf_t0_and_others(const struct cgo_expanded *keys,
                                                      __m128i start, const uint8_t *src,
                                                      uint8_t *dst, struct chain *next,
                                                      const struct task *after)
{
    struct others o = {
        .tweak = {.keys = after->keys, .body = after->src, .command = after->job->command},
        .chain = next};
    prf_t0_by(PAIRS / 2, keys, start, src, dst, &o);
    return tweak_done(&o.tweak);
}

TARGET static inline struct new_keys prf_t1(const struct cgo_expanded *keys, __m128i start)
{
    __m256i stream[3];
    key_stream(keys->prf_keys, start, CGO_T1_BLOCK, 3, stream, NULL, 0);
    return (struct new_keys){
        .kb = _mm256_castsi256_si128(stream[0]),
        .ku = _mm256_extracti128_si256(stream[0], 1),
        .k = _mm256_castsi256_si128(stream[1]),
        .b = _mm256_extracti128_si256(stream[1], 1),
        .nonce = _mm256_castsi256_si128(stream[2]),
    };
}

// AESENCLAST is SubBytes here: with four equal columns, ShiftRows changes nothing.
TARGET static inline void expand_keys(__m128i kb, __m128i k, struct cgo_expanded *out)
{
    static const uint8_t constants[ROUNDS] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};
    const __m256i rotated_last_word = _mm256_set1_epi32(0x0c0f0e0d);
    __m256i keys = _mm256_set_m128i(k, kb);
    store(out->et_keys, kb);
    store(out->prf_keys, k);
    UNROLL
    for (int r = 0; r < ROUNDS; r++) {
        __m256i word = _mm256_shuffle_epi8(keys, rotated_last_word);
        word = _mm256_aesenclast_epi128(word, _mm256_set1_epi32(constants[r]));
        keys = _mm256_xor_si256(keys, _mm256_slli_si256(keys, 4));
        keys = _mm256_xor_si256(keys, _mm256_slli_si256(keys, 8));
        keys = _mm256_xor_si256(keys, word);
        store(out->et_keys + 16 * (r + 1), _mm256_castsi256_si128(keys));
        store(out->prf_keys + 16 * (r + 1), _mm256_extracti128_si256(keys, 1));
    }
}

const struct cgo_implementation cgo_vaes256 = {
    .name = "vaes256",
    .usable = usable,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
