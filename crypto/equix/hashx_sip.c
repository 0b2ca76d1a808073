// SPDX-License-Identifier: BSD-3-Clause
// SipHash's rounds, as HashX has them: for the generator's random numbers (one round and three),
// and on either side of a program, there for several inputs at once.
#include <string.h>

#include "equix/hashx.h"

enum { WIDE_MARK = 0xee, SECOND_HALF_MARK = 0xdd, NARROW_MARK = 0xff };

#define ROTATE_LEFT(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))

// Of words, or of vectors of words.
#define SIP_ROUND(v)                                                                               \
    do {                                                                                           \
        (v)[0] += (v)[1];                                                                          \
        (v)[2] += (v)[3];                                                                          \
        (v)[1] = ROTATE_LEFT((v)[1], 13) ^ (v)[0];                                                 \
        (v)[3] = ROTATE_LEFT((v)[3], 16) ^ (v)[2];                                                 \
        (v)[0] = ROTATE_LEFT((v)[0], 32);                                                          \
        (v)[2] += (v)[1];                                                                          \
        (v)[0] += (v)[3];                                                                          \
        (v)[1] = ROTATE_LEFT((v)[1], 17) ^ (v)[2];                                                 \
        (v)[3] = ROTATE_LEFT((v)[3], 21) ^ (v)[0];                                                 \
        (v)[2] = ROTATE_LEFT((v)[2], 32);                                                          \
    } while (0)

uint64_t sip_1_3(const uint64_t key[4], uint64_t input)
{
    uint64_t v[4] = {key[0], key[1], key[2], key[3] ^ input};
    SIP_ROUND(v);
    v[0] ^= input;
    v[2] ^= NARROW_MARK;
    SIP_ROUND(v);
    SIP_ROUND(v);
    SIP_ROUND(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

// Half of the lanes, so that a state stays in the CPU's registers.
enum { VEC_LANES = 4 };
typedef uint64_t vec __attribute__((vector_size(8 * VEC_LANES)));

static inline __attribute__((always_inline)) void expand(const uint64_t key[4], const uint64_t *in,
                                                         hashx_lanes *registers, unsigned lane)
{
    vec input, v[4];
    memcpy(&input, in + lane, sizeof(input));
    for (unsigned i = 0; i < 4; i++)
        v[i] = key[i] - (vec){0};
    v[1] ^= WIDE_MARK;
    v[3] ^= input;
    for (unsigned i = 0; i < 2; i++)
        SIP_ROUND(v);
    v[0] ^= input;
    v[2] ^= WIDE_MARK;
    for (unsigned i = 0; i < 4; i++)
        SIP_ROUND(v);
    for (unsigned i = 0; i < 4; i++)
        memcpy(&registers[i][lane], &v[i], sizeof(v[i]));
    v[1] ^= SECOND_HALF_MARK;
    for (unsigned i = 0; i < 4; i++)
        SIP_ROUND(v);
    for (unsigned i = 0; i < 4; i++)
        memcpy(&registers[4 + i][lane], &v[i], sizeof(v[i]));
}

// Takes away the bias to zero that products have.
static inline __attribute__((always_inline)) void
finish(const uint64_t key[4], hashx_lanes *registers, uint64_t *out, unsigned lane)
{
    vec a[4], b[4];
    for (unsigned i = 0; i < 4; i++) {
        memcpy(&a[i], &registers[i][lane], sizeof(a[i]));
        memcpy(&b[i], &registers[4 + i][lane], sizeof(b[i]));
    }
    a[0] += key[0];
    a[1] += key[1];
    b[2] += key[2];
    b[3] += key[3];
    SIP_ROUND(a);
    SIP_ROUND(b);
    a[0] ^= b[0];
    memcpy(out + lane, &a[0], sizeof(a[0]));
}

static inline __attribute__((always_inline)) void
expand_all(const uint64_t key[4], const uint64_t *in, hashx_lanes *registers)
{
    for (unsigned lane = 0; lane < HASHX_LANES; lane += VEC_LANES)
        expand(key, in, registers, lane);
}

static inline __attribute__((always_inline)) void finish_all(const uint64_t key[4],
                                                             hashx_lanes *registers, uint64_t *out)
{
    for (unsigned lane = 0; lane < HASHX_LANES; lane += VEC_LANES)
        finish(key, registers, out, lane);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void expand_avx2(const uint64_t key[4], const uint64_t *in,
                                                        hashx_lanes *registers)
{
    expand_all(key, in, registers);
}

__attribute__((target("avx2"))) static void finish_avx2(const uint64_t key[4],
                                                        hashx_lanes *registers, uint64_t *out)
{
    finish_all(key, registers, out);
}
#define HAVE_AVX2 __builtin_cpu_supports("avx2")
#else
#define expand_avx2 expand_all
#define finish_avx2 finish_all
#define HAVE_AVX2 false
#endif

void sip_expand(const uint64_t key[4], const uint64_t in[HASHX_LANES],
                hashx_lanes registers[HASHX_REGISTERS])
{
    if (HAVE_AVX2)
        expand_avx2(key, in, registers);
    else
        expand_all(key, in, registers);
}

void sip_finish(const uint64_t key[4], hashx_lanes registers[HASHX_REGISTERS],
                uint64_t out[HASHX_LANES])
{
    if (HAVE_AVX2)
        finish_avx2(key, registers, out);
    else
        finish_all(key, registers, out);
}
