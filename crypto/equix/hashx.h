// SPDX-License-Identifier: BSD-3-Clause
// HashX: a family of hash functions, each a random program of 512 instructions that a seed chooses
// (https://github.com/tevador/hashx; Equi-X takes 64 bits of the output). Any thread; a function
// belongs to one at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HASHX_REGISTERS = 8,
    HASHX_ROUNDS = 16,
    HASHX_ROUND_INSTRUCTIONS = 32,
    HASHX_INSTRUCTIONS = HASHX_ROUNDS * HASHX_ROUND_INSTRUCTIONS,
    HASHX_LANES = 8, // inputs that are hashed at once
};

enum hashx_operation {
    HASHX_MULH_UNSIGNED, // the upper half of the product; its low 32 bits decide the next branch
    HASHX_MULH_SIGNED,
    HASHX_MUL,
    HASHX_SUB,
    HASHX_XOR,
    HASHX_ADD_SHIFTED,  // destination += source << immediate
    HASHX_ROTATE,       // right, by the immediate
    HASHX_ADD_CONSTANT, // sign-extended, as the next
    HASHX_XOR_CONSTANT,
    HASHX_TARGET, // where the next branch goes
    HASHX_BRANCH, // once in a run at most: if the bits of the immediate are all zero
};

struct hashx_instruction {
    uint8_t operation; // enum hashx_operation
    uint8_t destination, source;
    uint8_t unused;
    uint32_t immediate;
};

// In a program that is accepted each round has one target, and one branch after it.
struct hashx_program {
    struct hashx_instruction code[HASHX_INSTRUCTIONS];
};

struct hashx_code; // machine code of a program

struct hashx {
    struct hashx_program program;
    uint64_t key[4];
    struct hashx_code *code; // NULL: always interpreted
    bool compiled;           // the function that there is now
    bool broken;             // the system does not allow it any more
};

// `compile`: as machine code, if this build and the system can. Never fails.
void hashx_init(struct hashx *h, bool compile);
void hashx_release(struct hashx *h);

// The function of this seed. False: it makes none (about one in 10,000 does not).
bool hashx_make(struct hashx *h, const void *seed, size_t length);
// Of HASHX_LANES inputs.
void hashx_hash(const struct hashx *h, const uint64_t in[HASHX_LANES], uint64_t out[HASHX_LANES]);

// ---- hashx_program.c
// False: `key` makes no program that is accepted.
bool hashx_generate(const uint64_t key[4], struct hashx_program *out);

// ---- hashx_sip.c: SipHash's parts
uint64_t sip_1_3(const uint64_t key[4], uint64_t input);

// registers[i][j]: register i for input j.
typedef uint64_t hashx_lanes[HASHX_LANES] __attribute__((aligned(64)));
void sip_expand(const uint64_t key[4], const uint64_t in[HASHX_LANES],
                hashx_lanes registers[HASHX_REGISTERS]);
void sip_finish(const uint64_t key[4], hashx_lanes registers[HASHX_REGISTERS],
                uint64_t out[HASHX_LANES]);

// ---- hashx_interpret.c
void hashx_interpret(const struct hashx_program *p, hashx_lanes registers[HASHX_REGISTERS]);

// ---- hashx_compile_x86_64.c; elsewhere it makes none
struct hashx_code *hashx_code_create(void); // NULL: none here, or the system allows none
void hashx_code_free(struct hashx_code *code);
// False: the system does not allow it any more, or the program is longer than any that is accepted.
bool hashx_code_compile(struct hashx_code *code, const struct hashx_program *p);
void hashx_code_run(const struct hashx_code *code, hashx_lanes registers[HASHX_REGISTERS]);
