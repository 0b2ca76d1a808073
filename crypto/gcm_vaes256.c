// SPDX-License-Identifier: BSD-3-Clause
// AES-GCM with 256-bit AES and carry-less multiplication: two blocks to a register, sixteen blocks
// under way.
//
// GHASH is POLYVAL with its bytes in the other order, and its key once multiplied by x (RFC 8452,
// appendix A); so the field is polyval_wide.h's. Products of sixteen blocks with sixteen powers of
// the key are reduced once. When encrypting, a group is hashed while the next one goes through the
// rounds of AES; when decrypting, it is hashed while it goes through them itself.
#define WIDE_LANES 2
#include "polyval_wide.h"

#include <string.h>

#include "gcm.h"

enum {
    BLOCK = 16,
    CHAIN = WIDE_LANES * BLOCK, // bytes of a register
    CHAINS = 8,
    GROUP = CHAINS * CHAIN,
};
_Static_assert(GROUP == GCM_POWERS * BLOCK, "a power for each block of a group");

TARGET_INLINE wide reverse(wide a)
{
    return wide_shuffle_8(
        a, wide_broadcast(_mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)));
}

// A block in the first lane, zeros in the other.
TARGET_INLINE wide alone(__m128i a)
{
    return _mm256_zextsi128_si256(a);
}

// ---- the hash

TARGET_INLINE struct wide_product add_product(struct wide_product sum, wide a, wide power)
{
    struct wide_product p = wide_multiply(a, power);
    return (struct wide_product){wide_xor(sum.lo, p.lo), wide_xor(sum.mid, p.mid),
                                 wide_xor(sum.hi, p.hi)};
}

TARGET_INLINE __m128i sum_of_lanes(wide a)
{
    return _mm_xor_si128(wide_lane(a, 0), wide_lane(a, 1));
}

TARGET_INLINE wide power_at(const struct gcm_key *key, unsigned blocks_left)
{
    return wide_load(key->powers[GCM_POWERS - blocks_left]);
}

// At most GCM_POWERS whole blocks of ciphertext.
TARGET_INLINE __m128i hash(const struct gcm_key *key, __m128i sum, const uint8_t *at,
                           unsigned blocks)
{
    struct wide_product p = {0};
    wide before = alone(sum);
    unsigned left = blocks;
    for (; left >= WIDE_LANES; left -= WIDE_LANES, at += CHAIN) {
        p = add_product(p, wide_xor(reverse(wide_load(at)), before), power_at(key, left));
        before = alone(_mm_setzero_si128());
    }
    if (left == 1) {
        wide last = wide_xor(reverse(alone(load_128(at))), before);
        p = add_product(p, last, alone(load_128(key->powers[GCM_POWERS - 1])));
    }
    return sum_of_lanes(wide_reduce(p));
}

// ---- AES

TARGET_INLINE wide round_key(const struct gcm_key *key, unsigned round)
{
    return wide_broadcast(load_128(key->round_keys[round]));
}

TARGET_INLINE __m128i cipher_block(const struct gcm_key *key, __m128i a)
{
    wide state = wide_xor(alone(a), round_key(key, 0));
    for (unsigned round = 1; round < key->rounds; round++)
        state = wide_aesenc(state, round_key(key, round));
    return wide_lane(wide_aesenclast(state, round_key(key, key->rounds)), 0);
}

// The counters are kept with the last word's bytes in our order.
TARGET_INLINE wide counter_block(wide counter)
{
    return wide_shuffle_8(counter, wide_broadcast(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
                                                                11, 15, 14, 13, 12)));
}

TARGET_INLINE __m128i blocks_on(unsigned n)
{
    return _mm_set_epi64x((long long)((uint64_t)n << 32), 0);
}

// The counters of the first chain.
TARGET_INLINE wide first_counters(const struct gcm_context *g)
{
    __m128i counter = load_128(g->counter);
    const __m128i lanes[WIDE_LANES] = {counter, _mm_add_epi64(counter, blocks_on(1))};
    return wide_of(lanes);
}

TARGET_INLINE void begin_chains(const struct gcm_key *key, wide *counter, wide *state, int n)
{
    UNROLL
    for (int i = 0; i < n; i++) {
        state[i] = wide_xor(counter_block(*counter), round_key(key, 0));
        *counter = wide_add_64(*counter, wide_broadcast(blocks_on(WIDE_LANES)));
    }
}

TARGET_INLINE void round_of_chains(wide *state, int n, wide key)
{
    UNROLL
    for (int i = 0; i < n; i++)
        state[i] = wide_aesenc(state[i], key);
}

TARGET_INLINE void end_chains(const struct gcm_key *key, wide *state, int n, uint8_t *dst,
                              const uint8_t *src)
{
    const wide last = round_key(key, key->rounds);
    UNROLL
    for (int i = 0; i < n; i++) {
        wide text = wide_xor(wide_load(src + CHAIN * i), last);
        wide_store(dst + CHAIN * i, wide_aesenclast(state[i], text));
    }
}

// `n` chains, a constant when inlined, of which nothing is hashed.
TARGET_INLINE void cipher_chains(const struct gcm_key *key, wide *counter, int n, uint8_t *dst,
                                 const uint8_t *src)
{
    wide state[CHAINS];
    begin_chains(key, counter, state, n);
    for (unsigned round = 1; round < key->rounds; round++)
        round_of_chains(state, n, round_key(key, round));
    end_chains(key, state, n, dst, src);
}

// The key stream of less than a group, in whole chains.
TARGET_INLINE void cipher_stream(const struct gcm_key *key, wide counter, uint8_t stream[GROUP],
                                 size_t length)
{
    if (length <= CHAIN)
        cipher_chains(key, &counter, 1, stream, stream);
    else if (length <= 2 * CHAIN)
        cipher_chains(key, &counter, 2, stream, stream);
    else if (length <= 4 * CHAIN)
        cipher_chains(key, &counter, 4, stream, stream);
    else if (length <= 6 * CHAIN)
        cipher_chains(key, &counter, 6, stream, stream);
    else
        cipher_chains(key, &counter, CHAINS, stream, stream);
}

// A group, and among its rounds the hash of the group at `hashed`, which may be what it reads.
TARGET_INLINE __m128i cipher_and_hash(const struct gcm_key *key, wide *counter, uint8_t *dst,
                                      const uint8_t *src, const uint8_t *hashed, __m128i sum)
{
    wide state[CHAINS], before = alone(sum);
    struct wide_product p = {0};
    begin_chains(key, counter, state, CHAINS);
    UNROLL
    for (int i = 0; i < CHAINS; i++) {
        wide text = reverse(wide_load(hashed + CHAIN * i));
        if (i == 0)
            text = wide_xor(text, before);
        p = add_product(p, text, wide_load(key->powers[WIDE_LANES * i]));
        WIDE_KEEP(p.lo);
        WIDE_KEEP(p.mid);
        WIDE_KEEP(p.hi);
        round_of_chains(state, CHAINS, round_key(key, 1 + (unsigned)i));
    }
    for (unsigned round = 1 + CHAINS; round < key->rounds; round++)
        round_of_chains(state, CHAINS, round_key(key, round));
    end_chains(key, state, CHAINS, dst, src);
    return sum_of_lanes(wide_reduce(p));
}

// ---- pieces

TARGET_INLINE void wipe(uint8_t *at, size_t length)
{
    memset(at, 0, length);
    __asm__ volatile("" : : "r"(at) : "memory");
}

// Bytes of the block that is begun. Returns how many.
TARGET static size_t go_on_with_block(const struct gcm_key *key, struct gcm_context *g,
                                      uint8_t *dst, const uint8_t *src, size_t length,
                                      bool decrypts)
{
    size_t n = BLOCK - g->in_block;
    if (n > length)
        n = length;
    for (size_t i = 0; i < n; i++) {
        uint8_t from = src[i], to = from ^ g->stream[g->in_block + i];
        g->begun[g->in_block + i] = decrypts ? from : to;
        dst[i] = to;
    }
    g->in_block += (unsigned)n;
    if (g->in_block == BLOCK) {
        store_128(g->sum, hash(key, load_128(g->sum), g->begun, 1));
        g->in_block = 0;
    }
    return n;
}

// What is less than a group.
TARGET static void finish_piece(const struct gcm_key *key, struct gcm_context *g, uint8_t *dst,
                                const uint8_t *src, size_t length, bool decrypts)
{
    uint8_t stream[GROUP] = {0};
    const size_t whole = length / BLOCK, rest = length % BLOCK;
    __m128i sum = load_128(g->sum), counter = load_128(g->counter);
    cipher_stream(key, first_counters(g), stream, length);
    if (decrypts && whole)
        sum = hash(key, sum, src, (unsigned)whole);
    for (size_t i = 0; i < whole * BLOCK; i += BLOCK)
        store_128(dst + i, _mm_xor_si128(load_128(src + i), load_128(stream + i)));
    if (!decrypts && whole)
        sum = hash(key, sum, dst, (unsigned)whole);
    store_128(g->sum, sum);
    store_128(g->counter, _mm_add_epi64(counter, blocks_on((unsigned)(whole + (rest > 0)))));
    if (rest) {
        memcpy(g->stream, stream + whole * BLOCK, BLOCK);
        go_on_with_block(key, g, dst + whole * BLOCK, src + whole * BLOCK, rest, decrypts);
    }
    wipe(stream, sizeof(stream));
}

TARGET static void encrypt_groups(const struct gcm_key *key, struct gcm_context *g, uint8_t *dst,
                                  const uint8_t *src, size_t groups)
{
    wide counters = first_counters(g);
    __m128i sum = load_128(g->sum);
    cipher_chains(key, &counters, CHAINS, dst, src);
    for (size_t i = 1; i < groups; i++) {
        dst += GROUP, src += GROUP;
        sum = cipher_and_hash(key, &counters, dst, src, dst - GROUP, sum);
    }
    store_128(g->sum, hash(key, sum, dst, GCM_POWERS));
    store_128(g->counter, wide_lane(counters, 0));
}

TARGET static void decrypt_groups(const struct gcm_key *key, struct gcm_context *g, uint8_t *dst,
                                  const uint8_t *src, size_t groups)
{
    wide counters = first_counters(g);
    __m128i sum = load_128(g->sum);
    for (size_t i = 0; i < groups; i++, dst += GROUP, src += GROUP)
        sum = cipher_and_hash(key, &counters, dst, src, src, sum);
    store_128(g->sum, sum);
    store_128(g->counter, wide_lane(counters, 0));
}

TARGET_INLINE void update(const struct gcm_key *key, struct gcm_context *g, uint8_t *dst,
                          const uint8_t *src, size_t length, bool decrypts)
{
    g->length_bytes += length;
    if (g->in_block) {
        size_t n = go_on_with_block(key, g, dst, src, length, decrypts);
        dst += n, src += n, length -= n;
    }
    const size_t groups = length / GROUP, done = groups * GROUP;
    if (groups && decrypts)
        decrypt_groups(key, g, dst, src, groups);
    else if (groups)
        encrypt_groups(key, g, dst, src, groups);
    if (length > done)
        finish_piece(key, g, dst + done, src + done, length - done, decrypts);
}

TARGET static void encrypt(const struct gcm_key *key, struct gcm_context *g, uint8_t *dst,
                           const uint8_t *src, size_t length)
{
    update(key, g, dst, src, length, false);
}

TARGET static void decrypt(const struct gcm_key *key, struct gcm_context *g, uint8_t *dst,
                           const uint8_t *src, size_t length)
{
    update(key, g, dst, src, length, true);
}

// ---- keys, begin, end

// a x, where x^128 = x^127 + x^126 + x^121 + 1.
TARGET static __m128i times_x(__m128i a)
{
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(a), high = (uint64_t)_mm_extract_epi64(a, 1);
    uint64_t carry = 0 - (high >> 63);
    high = high << 1 | low >> 63;
    low = low << 1;
    return _mm_set_epi64x((long long)(high ^ (carry & 0xc200000000000000)),
                          (long long)(low ^ (carry & 1)));
}

TARGET static void key_init(struct gcm_key *key)
{
    const __m128i zero = cipher_block(key, _mm_setzero_si128());
    const __m128i first = times_x(wide_lane(reverse(alone(zero)), 0));
    __m128i power = first;
    for (int i = GCM_POWERS - 1; i >= 0; i--) {
        store_128(key->powers[i], power);
        power = wide_lane(wide_reduce(wide_multiply(alone(power), alone(first))), 0);
    }
}

TARGET static void begin(const struct gcm_key *key, struct gcm_context *g, const uint8_t nonce[12],
                         const uint8_t *aad, size_t aad_length)
{
    uint8_t block[BLOCK] = {0};
    memcpy(block, aad, aad_length);
    memcpy(g->counter, nonce, 12);
    memset(g->counter + 12, 0, 4);
    const __m128i first = _mm_add_epi64(load_128(g->counter), blocks_on(1));
    store_128(g->counter, _mm_add_epi64(first, blocks_on(1)));
    store_128(g->mask, cipher_block(key, wide_lane(counter_block(alone(first)), 0)));
    store_128(g->sum, hash(key, _mm_setzero_si128(), block, 1));
    g->in_block = 0;
    g->length_bytes = 0;
}

TARGET static void end(const struct gcm_key *key, const struct gcm_context *g, size_t aad_length,
                       uint8_t tag[16])
{
    uint8_t last[2 * BLOCK] = {0};
    const uint64_t lengths[2] = {__builtin_bswap64(8 * (uint64_t)aad_length),
                                 __builtin_bswap64(8 * g->length_bytes)};
    const unsigned at = g->in_block ? BLOCK : 0;
    memcpy(last, g->begun, g->in_block);
    memcpy(last + at, lengths, BLOCK);
    __m128i sum = hash(key, load_128(g->sum), last, 1 + at / BLOCK);
    sum = wide_lane(reverse(alone(sum)), 0);
    store_128(tag, _mm_xor_si128(sum, load_128(g->mask)));
}

const struct gcm_implementation gcm_vaes256 = {
    .usable = wide_usable,
    .key_init = key_init,
    .begin = begin,
    .encrypt = encrypt,
    .decrypt = decrypt,
    .end = end,
};
