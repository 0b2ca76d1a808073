// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion with AES-NI and PCLMULQDQ: one block to an instruction.
#define CGO_TARGET "avx,aes,pclmul"
#include "cgo_x86.h"

enum {
    GROUP = 8, // blocks under way at a time, and whose products share a reduction
    TWEAK_BLOCKS = 32,
    STREAM_BLOCKS = 31, // of which the last is not used whole
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

TARGET static inline struct product polyval_tweak(const struct cgo_layer *layer,
                                                  const uint8_t *body, uint8_t command)
{
    struct product sum;
    __m128i zero = _mm_setzero_si128();
    sum = (struct product){zero, zero, zero};
    UNROLL
    for (int group = 0; group < TWEAK_BLOCKS / GROUP; group++) {
        __m128i carried = group == 0 ? zero : reduce(sum);
        sum = (struct product){zero, zero, zero};
        UNROLL
        for (int i = 0; i < GROUP; i++) {
            if (group == 0 && i == 0)
                continue; // T'
            __m128i block = tweak_block(body, command, GROUP * group + i);
            if (i == 0)
                block = _mm_xor_si128(block, carried);
            sum = add(sum, multiply(block, load(layer->ku_powers + 16 * i)));
            KEEP(sum.lo);
            KEEP(sum.mid);
            KEEP(sum.hi);
        }
    }
    return sum;
}

TARGET static inline void set_powers(__m128i ku, struct cgo_layer *layer)
{
    __m128i power[GROUP + 1];
    power[1] = ku;
    power[2] = reduce(multiply(ku, ku));
    power[3] = reduce(multiply(power[2], ku));
    power[4] = reduce(multiply(power[2], power[2]));
    UNROLL
    for (int i = 5; i <= GROUP; i++)
        power[i] = reduce(multiply(power[i - 4], power[4]));
    UNROLL
    for (int i = 1; i <= GROUP; i++)
        store(layer->ku_powers + 16 * (GROUP - i), power[i]);
    __m128i power_16 = reduce(multiply(power[8], power[8]));
    store(layer->ku_32, reduce(multiply(power_16, power_16)));
}

// Blocks first, first + 1, … of the key stream.
TARGET_INLINE void key_stream(const uint8_t *keys, __m128i start, int first, int n, __m128i *out)
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
    for (int r = 1; r < ROUNDS; r++) {
        __m128i key = round_key(keys, r);
        UNROLL
        for (int i = 0; i < n; i++)
            out[i] = _mm_aesenc_si128(out[i], key);
    }
    __m128i key = round_key(keys, ROUNDS);
    UNROLL
    for (int i = 0; i < n; i++)
        out[i] = _mm_aesenclast_si128(out[i], key);
}

TARGET static inline void prf_t0(const struct cgo_layer *layer, __m128i start, const uint8_t *src,
                                 uint8_t *dst)
{
    const uint8_t *from = src + CGO_LEFT_LEN;
    uint8_t *to = dst + CGO_LEFT_LEN;
    __m128i tail = load(src + TAIL_AT); // before dst, which may be src, changes
    __m128i stream[GROUP];

    for (int group = 0; group < STREAM_BLOCKS / GROUP; group++) {
        key_stream(layer->prf_keys, start, GROUP * group, GROUP, stream);
        UNROLL
        for (int i = 0; i < GROUP; i++)
            store(to + 16 * i, _mm_xor_si128(load(from + 16 * i), stream[i]));
        from += 16 * GROUP;
        to += 16 * GROUP;
    }
    key_stream(layer->prf_keys, start, STREAM_BLOCKS - GROUP + 1, GROUP - 1, stream);
    UNROLL
    for (int i = 0; i < GROUP - 2; i++)
        store(to + 16 * i, _mm_xor_si128(load(from + 16 * i), stream[i]));
    __m128i last = _mm_alignr_epi8(stream[GROUP - 2], stream[GROUP - 3], 13);
    store(dst + TAIL_AT, _mm_xor_si128(tail, last));
}

TARGET static inline struct product prf_t0_and_others(const struct cgo_layer *layer, __m128i start,
                                                      const uint8_t *src, uint8_t *dst,
                                                      struct chain *next,
                                                      const struct cgo_job *after)
{
    chain_run(next);
    struct product p = polyval_tweak(after->layer, after->src, after->command);
    prf_t0(layer, start, src, dst);
    return p;
}

TARGET static inline struct new_keys prf_t1(const struct cgo_layer *layer, __m128i start)
{
    __m128i stream[5];
    key_stream(layer->prf_keys, start, CGO_T1_BLOCK, 5, stream);
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

TARGET static inline void expand_keys(__m128i kb, __m128i k, struct cgo_layer *layer)
{
    static const uint8_t constants[ROUNDS] = {1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36};
    store(layer->et_keys, kb);
    store(layer->prf_keys, k);
    UNROLL
    for (int r = 0; r < ROUNDS; r++) {
        kb = next_round_key(kb, constants[r]);
        k = next_round_key(k, constants[r]);
        store(layer->et_keys + 16 * (r + 1), kb);
        store(layer->prf_keys + 16 * (r + 1), k);
    }
}

const struct cgo_implementation cgo_aesni = {
    .name = "aesni",
    .usable = usable,
    .set_keys = set_keys,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
