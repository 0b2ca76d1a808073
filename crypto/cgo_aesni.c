// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion with AES-NI and PCLMULQDQ: one block to an instruction.
#define CGO_TARGET "avx,aes,pclmul"
#include "cgo_x86.h"

enum {
    GROUP = 8, // blocks under way at a time, and whose products share a reduction
    TWEAK_BLOCKS = 32,
    STREAM_BLOCKS = 31,      // of which the last is not used whole
    GROUP_STEPS = GROUP + 1, // the reduction is a step, too
    TWEAK_STEPS =
        TWEAK_BLOCKS / GROUP * GROUP_STEPS - 1, // but not the last: more is added before it
};

static bool usable(void)
{
    return __builtin_cpu_supports("avx") && __builtin_cpu_supports("aes") &&
           __builtin_cpu_supports("pclmul");
}

TARGET_INLINE __m128i tweak_block(const uint8_t *body, uint8_t command, int i)
{
    if (i == 1)
        return tweak_block_1(body, command);
    if (i == TWEAK_BLOCKS - 1)
        return tweak_block_31(body);
    return load(body + CGO_LEFT_LEN - 1 + 16 * (i - 1));
}

// A tweak's way through POLYVAL, in steps that can be taken between others' work.
struct tweak {
    const struct cgo_expanded *keys;
    const uint8_t *body;
    uint8_t command;
    __m128i carried;    // the groups before, reduced
    struct product sum; // of this group; mid is Karatsuba's: it lacks lo and hi
};

TARGET_INLINE __m128i sum_of_halves(__m128i a)
{
    return _mm_xor_si128(a, _mm_shuffle_epi32(a, 0x4e));
}

TARGET_INLINE void multiply_block(struct tweak *t, int group, int i)
{
    __m128i block = tweak_block(t->body, t->command, GROUP * group + i);
    __m128i power = load(t->keys->ku_powers + 16 * i);
    __m128i sums = load(t->keys->ku_sums + 32 * (i / 4) + 16 * (i % 2));
    if (i == 0)
        block = _mm_xor_si128(block, t->carried);
    __m128i halves = sum_of_halves(block);
    struct product p = {
        .lo = _mm_clmulepi64_si128(block, power, 0x00),
        .mid = i / 2 % 2 == 0 ? _mm_clmulepi64_si128(halves, sums, 0x00)
                              : _mm_clmulepi64_si128(halves, sums, 0x10),
        .hi = _mm_clmulepi64_si128(block, power, 0x11),
    };
    t->sum = i == 1 ? p : add(t->sum, p); // 1 comes first
    KEEP(t->sum.lo);
    KEEP(t->sum.mid);
    KEEP(t->sum.hi);
}

TARGET_INLINE struct product completed(struct product sum)
{
    sum.mid = _mm_xor_si128(sum.mid, _mm_xor_si128(sum.lo, sum.hi));
    return sum;
}

// The block that needs the group before comes last in its group, so that the reduction has time.
// In the first group that is T', which is not here.
TARGET_INLINE void tweak_step(struct tweak *t, int step)
{
    int group = step / GROUP_STEPS, in_group = step % GROUP_STEPS;
    if (in_group == GROUP)
        t->carried = reduce(completed(t->sum));
    else if (group > 0 || in_group < GROUP - 1)
        multiply_block(t, group, (in_group + 1) % GROUP);
}

TARGET static inline struct product polyval_tweak(const struct cgo_expanded *keys,
                                                  const uint8_t *body, uint8_t command)
{
    struct tweak t = {.keys = keys, .body = body, .command = command};
    UNROLL
    for (int step = 0; step < TWEAK_STEPS; step++)
        tweak_step(&t, step);
    return completed(t.sum);
}

TARGET static inline void set_powers(__m128i ku, struct cgo_expanded *keys)
{
    __m128i power[GROUP + 1];
    power[1] = ku;
    power[2] = reduce(square(ku));
    power[3] = reduce(multiply(power[2], ku));
    power[4] = reduce(square(power[2]));
    UNROLL
    for (int i = 5; i <= GROUP; i++)
        power[i] = reduce(multiply(power[i - 4], power[4]));
    UNROLL
    for (int i = 0; i < GROUP; i++) {
        uint64_t sum = (uint64_t)_mm_cvtsi128_si64(sum_of_halves(power[GROUP - i]));
        memcpy(keys->ku_sums + 32 * (i / 4) + 16 * (i % 2) + 8 * (i / 2 % 2), &sum, sizeof(sum));
    }
    UNROLL
    for (int i = 1; i <= GROUP; i++)
        store(keys->ku_powers + 16 * (GROUP - i), power[i]);
    __m128i power_16 = reduce(square(power[8]));
    store(keys->ku_32, reduce(square(power_16)));
}

// What is done between the rounds of a key stream.
struct others {
    struct tweak tweak;
    struct chain *chain;
};

TARGET_INLINE void others_step(struct others *o, int round)
{
    if (round < TWEAK_STEPS)
        tweak_step(&o->tweak, round);
    if (round % 2 == 1 && round / 2 < CHAIN_STEPS)
        chain_step(o->chain, round / 2);
}

// Blocks first, first + 1, … of the key stream. `o` may be NULL; rounds_before is what it has seen.
TARGET_INLINE void key_stream(const uint8_t *keys, __m128i start, int first, int n, __m128i *out,
                              struct others *o, int rounds_before)
{
    // The counter's bits in `start` are zero, so XOR adds.
    __m128i from = _mm_xor_si128(start, round_key(keys, 0));
    __m128i count = _mm_set_epi64x((long long)first << 56, 0);
    UNROLL
    for (int i = 0; i < n; i++) {
        out[i] = _mm_xor_si128(from, count);
        count = _mm_add_epi64(count, _mm_set_epi64x(INT64_C(1) << 56, 0));
    }
    UNROLL
    for (int r = 1; r <= ROUNDS; r++) {
        __m128i key = round_key(keys, r);
        UNROLL
        for (int i = 0; i < n; i++)
            out[i] =
                r == ROUNDS ? _mm_aesenclast_si128(out[i], key) : _mm_aesenc_si128(out[i], key);
        if (o)
            others_step(o, rounds_before + r - 1);
    }
}

TARGET_INLINE void xor_stream(const __m128i *stream, int n, const uint8_t *src, uint8_t *dst)
{
    UNROLL
    for (int i = 0; i < n; i++)
        store(dst + 16 * i, _mm_xor_si128(load(src + 16 * i), stream[i]));
}

TARGET_INLINE void prf_t0_between(const struct cgo_expanded *keys, __m128i start,
                                  const uint8_t *src, uint8_t *dst, struct others *o)
{
    const uint8_t *from = src + CGO_LEFT_LEN;
    uint8_t *to = dst + CGO_LEFT_LEN;
    __m128i tail = load(src + TAIL_AT); // before dst, which may be src, changes
    __m128i stream[GROUP];
    const int last_at = STREAM_BLOCKS - (GROUP - 1);

    UNROLL
    for (int at = 0; at < last_at; at += GROUP) {
        key_stream(keys->prf_keys, start, at, GROUP, stream, o, at / GROUP * ROUNDS);
        xor_stream(stream, GROUP, from + 16 * at, to + 16 * at);
    }
    key_stream(keys->prf_keys, start, last_at, GROUP - 1, stream, o, last_at / GROUP * ROUNDS);
    xor_stream(stream, GROUP - 2, from + 16 * last_at, to + 16 * last_at);
    __m128i last = _mm_alignr_epi8(stream[GROUP - 2], stream[GROUP - 3], 13);
    store(dst + TAIL_AT, _mm_xor_si128(tail, last));
}

TARGET static inline void prf_t0(const struct cgo_expanded *keys, __m128i start, const uint8_t *src,
                                 uint8_t *dst)
{
    prf_t0_between(keys, start, src, dst, NULL);
}

TARGET static inline struct product prf_t0_and_others(const struct cgo_expanded *keys,
                                                      __m128i start, const uint8_t *src,
                                                      uint8_t *dst, struct chain *next,
                                                      const struct task *after)
{
    struct others o = {
        .tweak = {.keys = after->keys, .body = after->src, .command = after->job->command},
        .chain = next};
    prf_t0_between(keys, start, src, dst, &o);
    return completed(o.tweak.sum);
}

TARGET static inline struct new_keys prf_t1(const struct cgo_expanded *keys, __m128i start)
{
    __m128i stream[5];
    key_stream(keys->prf_keys, start, CGO_T1_BLOCK, 5, stream, NULL, 0);
    return (struct new_keys){stream[0], stream[1], stream[2], stream[3], stream[4]};
}

// AESENCLAST is SubBytes here: with four equal columns, ShiftRows changes nothing.
TARGET_INLINE __m128i next_round_key(__m128i key, int constant)
{
    const __m128i rotated_last_word = _mm_set1_epi32(0x0c0f0e0d);
    __m128i word = _mm_shuffle_epi8(key, rotated_last_word);
    word = _mm_aesenclast_si128(word, _mm_set1_epi32(constant));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
    return _mm_xor_si128(key, word);
}

TARGET static inline void expand_keys(__m128i kb, __m128i k, struct cgo_expanded *out)
{
    static const uint8_t constants[ROUNDS] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};
    store(out->et_keys, kb);
    store(out->prf_keys, k);
    UNROLL
    for (int r = 0; r < ROUNDS; r++) {
        kb = next_round_key(kb, constants[r]);
        k = next_round_key(k, constants[r]);
        store(out->et_keys + 16 * (r + 1), kb);
        store(out->prf_keys + 16 * (r + 1), k);
    }
}

const struct cgo_implementation cgo_aesni = {
    .name = "aesni",
    .usable = usable,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
