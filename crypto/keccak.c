// SPDX-License-Identifier: BSD-3-Clause
// Keccak-f[1600] and SHA3-256 over it (FIPS 202), all of its state in the caller's memory.
#include "crypto/keccak.h"

#include <string.h>

enum {
    ROUNDS = 24,
    LANES = 25,
    LANE_LEN = 8,
    PADDING_FIRST = 0x06, // SHA-3's two bits, and the first of the padding
    PADDING_LAST = 0x80,
};

static const uint64_t round_constants[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t rotate(uint64_t a, unsigned by)
{
    return a << by | a >> (64 - by);
}

INLINE uint64_t column(const uint64_t a[LANES], unsigned x)
{
    return a[x] ^ a[5 + x] ^ a[10 + x] ^ a[15 + x] ^ a[20 + x];
}

// chi
INLINE void row(uint64_t out[5], uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    out[0] = a ^ (~b & c);
    out[1] = b ^ (~c & d);
    out[2] = c ^ (~d & e);
    out[3] = d ^ (~e & a);
    out[4] = e ^ (~a & b);
}

// From `a` to `e`, a row at a time, so that few lanes are in registers at once: theta, rho and pi
// are done to a lane when chi needs it.
INLINE void permute_round(const uint64_t a[LANES], uint64_t e[LANES], uint64_t constant)
{
    const uint64_t c[5] = {column(a, 0), column(a, 1), column(a, 2), column(a, 3), column(a, 4)};
    const uint64_t d[5] = {c[4] ^ rotate(c[1], 1), c[0] ^ rotate(c[2], 1), c[1] ^ rotate(c[3], 1),
                           c[2] ^ rotate(c[4], 1), c[3] ^ rotate(c[0], 1)};
    row(e, a[0] ^ d[0], rotate(a[6] ^ d[1], 44), rotate(a[12] ^ d[2], 43), rotate(a[18] ^ d[3], 21),
        rotate(a[24] ^ d[4], 14));
    e[0] ^= constant;
    row(e + 5, rotate(a[3] ^ d[3], 28), rotate(a[9] ^ d[4], 20), rotate(a[10] ^ d[0], 3),
        rotate(a[16] ^ d[1], 45), rotate(a[22] ^ d[2], 61));
    row(e + 10, rotate(a[1] ^ d[1], 1), rotate(a[7] ^ d[2], 6), rotate(a[13] ^ d[3], 25),
        rotate(a[19] ^ d[4], 8), rotate(a[20] ^ d[0], 18));
    row(e + 15, rotate(a[4] ^ d[4], 27), rotate(a[5] ^ d[0], 36), rotate(a[11] ^ d[1], 10),
        rotate(a[17] ^ d[2], 15), rotate(a[23] ^ d[3], 56));
    row(e + 20, rotate(a[2] ^ d[2], 62), rotate(a[8] ^ d[3], 55), rotate(a[14] ^ d[4], 39),
        rotate(a[15] ^ d[0], 41), rotate(a[21] ^ d[1], 2));
}

INLINE void permute_rounds(uint64_t state[LANES])
{
    uint64_t a[LANES], e[LANES];
    memcpy(a, state, sizeof(a));
    for (unsigned i = 0; i < ROUNDS; i += 2) {
        permute_round(a, e, round_constants[i]);
        permute_round(e, a, round_constants[i + 1]);
    }
    memcpy(state, a, sizeof(a));
}

// GCC's last scheduling of these instructions costs a tenth.
#ifdef __clang__
#define AS_WRITTEN
#else
#define AS_WRITTEN __attribute__((optimize("no-schedule-insns2")))
#endif

// ANDN and RORX save a fifth.
__attribute__((target("bmi,bmi2"))) AS_WRITTEN static void permute_bmi(uint64_t state[LANES])
{
    permute_rounds(state);
}

static void permute_plain(uint64_t state[LANES])
{
    permute_rounds(state);
}

static void permute(uint64_t state[LANES])
{
    if (__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
        permute_bmi(state);
    else
        permute_plain(state);
}

// ---- SHA3-256

// Least significant byte first, as this machine has it.
static void absorb(struct sha3_256_run *h, const uint8_t *bytes, size_t length)
{
    uint8_t *at = (uint8_t *)h->state + h->at;
    size_t i = 0;
    for (; i + LANE_LEN <= length; i += LANE_LEN) {
        uint64_t a, b;
        memcpy(&a, at + i, LANE_LEN);
        memcpy(&b, bytes + i, LANE_LEN);
        a ^= b;
        memcpy(at + i, &a, LANE_LEN);
    }
    for (; i < length; i++)
        at[i] ^= bytes[i];
    h->at = (uint8_t)(h->at + length);
}

void sha3_256_run_init(struct sha3_256_run *h)
{
    memset(h, 0, sizeof(*h));
}

void sha3_256_run_update(struct sha3_256_run *h, const void *bytes, size_t length)
{
    const uint8_t *next = bytes;
    while (length > 0) {
        size_t room = (size_t)SHA3_256_RATE - h->at, n = length < room ? length : room;
        absorb(h, next, n);
        next += n;
        length -= n;
        if (h->at < SHA3_256_RATE)
            break;
        permute(h->state);
        h->at = 0;
    }
}

void sha3_256_run_peek(const struct sha3_256_run *h, uint8_t out[32])
{
    uint64_t state[LANES];
    memcpy(state, h->state, sizeof(state));
    uint8_t *bytes = (uint8_t *)state;
    bytes[h->at] ^= PADDING_FIRST;
    bytes[SHA3_256_RATE - 1] ^= PADDING_LAST;
    permute(state);
    memcpy(out, state, 32);
    explicit_bzero(state, sizeof(state));
}
