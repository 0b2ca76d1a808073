// SPDX-License-Identifier: BSD-3-Clause
// Runs a program for several inputs at once, an instruction for all of them before the next: what
// it takes to find out what an instruction is comes once, not once for each input. Where an input
// branches it goes back alone and catches up, for within the piece between target and branch there
// is nothing that could lead it elsewhere.
#include "equix/hashx.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

static uint64_t mulh_unsigned(uint64_t a, uint64_t b)
{
    return (uint64_t)((u128)a * b >> 64);
}

static uint64_t mulh_signed(uint64_t a, uint64_t b)
{
    return (uint64_t)((u128)((i128)(int64_t)a * (int64_t)b) >> 64);
}

static uint64_t sign_extended(uint32_t immediate)
{
    return (uint64_t)(int64_t)(int32_t)immediate;
}

typedef uint64_t vec __attribute__((vector_size(8 * HASHX_LANES)));

static void mulh_lanes(bool is_signed, vec *d, const vec *s, uint32_t *product)
{
    for (unsigned j = 0; j < HASHX_LANES; j++) {
        (*d)[j] = is_signed ? mulh_signed((*d)[j], (*s)[j]) : mulh_unsigned((*d)[j], (*s)[j]);
        product[j] = (uint32_t)(*d)[j];
    }
}

static inline __attribute__((always_inline)) void run_lanes(const struct hashx_instruction *in,
                                                            hashx_lanes *r, uint32_t *product)
{
    vec *d = (vec *)r[in->destination];
    const vec *s = (const vec *)r[in->source];
    switch (in->operation) {
    case HASHX_MULH_UNSIGNED:
    case HASHX_MULH_SIGNED:
        mulh_lanes(in->operation == HASHX_MULH_SIGNED, d, s, product);
        break;
    case HASHX_MUL:
        *d *= *s;
        break;
    case HASHX_SUB:
        *d -= *s;
        break;
    case HASHX_XOR:
        *d ^= *s;
        break;
    case HASHX_ADD_SHIFTED:
        *d += *s << (uint64_t)in->immediate;
        break;
    case HASHX_ROTATE:
        *d = *d >> (uint64_t)in->immediate | *d << (uint64_t)(64 - in->immediate);
        break;
    case HASHX_ADD_CONSTANT:
        *d += sign_extended(in->immediate);
        break;
    case HASHX_XOR_CONSTANT:
        *d ^= sign_extended(in->immediate);
        break;
    default: // targets and branches
        break;
    }
}

// Lane j alone.
static void run_lane(const struct hashx_instruction *in, hashx_lanes *r, uint32_t *product,
                     unsigned j)
{
    uint64_t *d = &r[in->destination][j], s = r[in->source][j];
    switch (in->operation) {
    case HASHX_MULH_UNSIGNED:
        *d = mulh_unsigned(*d, s);
        product[j] = (uint32_t)*d;
        break;
    case HASHX_MULH_SIGNED:
        *d = mulh_signed(*d, s);
        product[j] = (uint32_t)*d;
        break;
    case HASHX_MUL:
        *d *= s;
        break;
    case HASHX_SUB:
        *d -= s;
        break;
    case HASHX_XOR:
        *d ^= s;
        break;
    case HASHX_ADD_SHIFTED:
        *d += s << in->immediate;
        break;
    case HASHX_ROTATE:
        *d = *d >> in->immediate | *d << (64 - in->immediate);
        break;
    case HASHX_ADD_CONSTANT:
        *d += sign_extended(in->immediate);
        break;
    case HASHX_XOR_CONSTANT:
        *d ^= sign_extended(in->immediate);
        break;
    default:
        break;
    }
}

static inline __attribute__((always_inline)) void interpret(const struct hashx_program *p,
                                                            hashx_lanes *registers)
{
    uint32_t product[HASHX_LANES] = {0};
    bool branched[HASHX_LANES] = {false};
    unsigned target = 0;
    for (unsigned i = 0; i < HASHX_INSTRUCTIONS; i++) {
        const struct hashx_instruction *in = &p->code[i];
        run_lanes(in, registers, product);
        if (in->operation == HASHX_TARGET)
            target = i;
        if (in->operation != HASHX_BRANCH)
            continue;
        for (unsigned j = 0; j < HASHX_LANES; j++) {
            if (branched[j] || product[j] & in->immediate)
                continue;
            branched[j] = true;
            for (unsigned k = target + 1; k < i; k++)
                run_lane(&p->code[k], registers, product, j);
        }
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2,bmi2"))) static void interpret_avx2(const struct hashx_program *p,
                                                                hashx_lanes *registers)
{
    interpret(p, registers);
}
#endif

void hashx_interpret(const struct hashx_program *p, hashx_lanes registers[HASHX_REGISTERS])
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) {
        interpret_avx2(p, registers);
        return;
    }
#endif
    interpret(p, registers);
}
