// SPDX-License-Identifier: BSD-3-Clause
// The operations of curve25519_vec_ifma.h in plain C, bit for bit: for tests on any CPU.
#pragma once

#include <stdint.h>
#include <string.h>

#define TARGET
#define INLINE static inline
#define CALLED TARGET static __attribute__((noinline))

enum { LANES = 8 };

typedef struct {
    uint64_t lane[LANES];
} vec;
typedef uint8_t vec_mask;

#define EACH_LANE(expression)                                                                      \
    vec r;                                                                                         \
    for (int i = 0; i < LANES; i++)                                                                \
        r.lane[i] = (expression);                                                                  \
    return r

INLINE vec vec_splat(uint64_t a)
{
    EACH_LANE(a);
}

INLINE vec vec_load(const uint64_t aligned[LANES])
{
    EACH_LANE(aligned[i]);
}

INLINE void vec_store(uint64_t aligned[LANES], vec a)
{
    memcpy(aligned, a.lane, sizeof(a.lane));
}

INLINE vec vec_load_bytes(const uint8_t bytes[LANES])
{
    EACH_LANE(bytes[i]);
}

INLINE vec vec_add(vec a, vec b)
{
    EACH_LANE(a.lane[i] + b.lane[i]);
}

INLINE vec vec_sub(vec a, vec b)
{
    EACH_LANE(a.lane[i] - b.lane[i]);
}

INLINE vec vec_and(vec a, vec b)
{
    EACH_LANE(a.lane[i] & b.lane[i]);
}

INLINE vec vec_shift_left(vec a, unsigned bits)
{
    EACH_LANE(a.lane[i] << bits);
}

INLINE vec vec_shift_right(vec a, unsigned bits)
{
    EACH_LANE(a.lane[i] >> bits);
}

#define LOW_52(x) ((x) & ((UINT64_C(1) << 52) - 1))

INLINE vec vec_madd_low(vec sum, vec a, vec b)
{
    EACH_LANE(sum.lane[i] +
              (uint64_t)LOW_52((unsigned __int128)LOW_52(a.lane[i]) * LOW_52(b.lane[i])));
}

INLINE vec vec_madd_high(vec sum, vec a, vec b)
{
    EACH_LANE(sum.lane[i] +
              (uint64_t)((unsigned __int128)LOW_52(a.lane[i]) * LOW_52(b.lane[i]) >> 52));
}

INLINE vec_mask vec_bit(vec a, unsigned bit)
{
    unsigned mask = 0;
    for (int i = 0; i < LANES; i++)
        mask |= (unsigned)(a.lane[i] >> bit & 1) << i;
    return (vec_mask)mask;
}

INLINE vec_mask mask_xor(vec_mask a, vec_mask b)
{
    return (vec_mask)(a ^ b);
}

INLINE vec vec_select(vec_mask mask, vec a, vec b)
{
    EACH_LANE(mask >> i & 1 ? b.lane[i] : a.lane[i]);
}

INLINE vec vec_look_up(vec table, vec index)
{
    EACH_LANE(table.lane[index.lane[i] % LANES]);
}
