// SPDX-License-Identifier: BSD-3-Clause
// From a key to a program: instructions are drawn at random and fitted to the ports and latencies
// of an imagined CPU, three slots a cycle, 192 cycles. The draws and their order are HashX's
// definition. A program is accepted only if all rounds of the pattern fit, for which there must be
// no stall: so the first one ends it.
#include <string.h>

#include "equix/hashx.h"

enum {
    CYCLES = 192,
    CYCLES_PLANNED = CYCLES + 4,
    SLOTS_PER_CYCLE = 3,
    ROUND_SLOTS = 36,
    LAST_RESULT = 194, // the cycle of the last result: no sooner, no later
    NO_SUM_INTO = 5,   // x86's lea has no short form for this register
    BRANCH_BITS = 4,
    TRIES = 2, // for registers that an instruction may have
};

// Ports of the imagined CPU, in the order in which they are taken.
enum { PORT_LAST = 1, PORT_SECOND = 2, PORT_FIRST = 4 };
enum { PORT_MUL = PORT_LAST, PORT_SHIFT = 6, PORT_SUM = 3, PORT_ANY = 7 };

enum slot { SLOT_MUL, SLOT_WIDE, SLOT_ANY, SLOT_TARGET, SLOT_BRANCH };

// What takes two slots leaves none for what would come next in a row of three.
static const uint8_t pattern[HASHX_ROUND_INSTRUCTIONS] = {
    SLOT_MUL,  SLOT_TARGET,           //
    SLOT_MUL,  SLOT_ANY,    SLOT_ANY, //
    SLOT_MUL,  SLOT_ANY,    SLOT_ANY, //
    SLOT_MUL,  SLOT_ANY,    SLOT_ANY, //
    SLOT_WIDE, SLOT_ANY,              //
    SLOT_MUL,  SLOT_ANY,    SLOT_ANY, //
    SLOT_MUL,  SLOT_BRANCH,           //
    SLOT_MUL,  SLOT_ANY,    SLOT_ANY, //
    SLOT_WIDE, SLOT_ANY,              //
    SLOT_MUL,  SLOT_ANY,    SLOT_ANY, //
    SLOT_MUL,  SLOT_ANY,    SLOT_ANY, //
    SLOT_MUL,  SLOT_ANY,    SLOT_ANY,
};

static const uint8_t any_operation[8] = {
    HASHX_ROTATE, HASHX_XOR_CONSTANT, HASHX_ADD_CONSTANT, HASHX_ADD_CONSTANT,
    HASHX_SUB,    HASHX_XOR,          HASHX_XOR_CONSTANT, HASHX_ADD_SHIFTED,
};

// What the plan needs to know of an operation.
struct trait {
    uint8_t kind;    // two of one kind in a row on a register are told apart by their operand
    uint8_t latency; // cycles
    uint8_t ports;
    bool has_source, has_destination;
    bool wide; // takes a second slot, and on PORT_FIRST
};

static const struct trait traits[] = {
    [HASHX_MULH_UNSIGNED] = {HASHX_MULH_UNSIGNED, 4, PORT_MUL, true, true, true},
    [HASHX_MULH_SIGNED] = {HASHX_MULH_SIGNED, 4, PORT_MUL, true, true, true},
    [HASHX_MUL] = {HASHX_MUL, 3, PORT_MUL, true, true, false},
    [HASHX_SUB] = {HASHX_ADD_SHIFTED, 1, PORT_ANY, true, true, false}, // addition undoes it
    [HASHX_XOR] = {HASHX_XOR, 1, PORT_ANY, true, true, false},
    [HASHX_ADD_SHIFTED] = {HASHX_ADD_SHIFTED, 1, PORT_SUM, true, true, false},
    [HASHX_ROTATE] = {HASHX_ROTATE, 1, PORT_SHIFT, false, true, false},
    [HASHX_ADD_CONSTANT] = {HASHX_ADD_CONSTANT, 1, PORT_ANY, false, true, false},
    [HASHX_XOR_CONSTANT] = {HASHX_XOR_CONSTANT, 1, PORT_ANY, false, true, false},
    [HASHX_TARGET] = {HASHX_TARGET, 1, PORT_ANY, false, false, false},
    [HASHX_BRANCH] = {HASHX_BRANCH, 1, PORT_ANY, false, false, false},
};

enum { NO_KIND = 0xff, NO_OPERAND = 0xff };

// Random numbers of two widths, each kind from blocks of its own, the most significant first.
struct draws {
    const uint64_t *key;
    uint64_t counter;
    uint64_t bytes, words;
    unsigned bytes_left, words_left;
};

// Of registers there is a byte for each. What can't be foreseen is computed without branches: a
// program is made for a few hashes, and each wrong guess costs as much as an instruction of it.
typedef uint8_t bytes8 __attribute__((vector_size(HASHX_REGISTERS)));

struct plan {
    struct draws draws;
    unsigned slot; // of three in a cycle
    unsigned last_result;
    uint8_t last_kind; // drawn
    uint8_t busy[CYCLES_PLANNED];
    uint64_t ready;         // the cycle
    uint64_t kind, operand; // what was last done to it, and with which other one
    uint32_t wide_operand[HASHX_REGISTERS];
};

static uint8_t draw_byte(struct draws *d)
{
    if (d->bytes_left == 0) {
        d->bytes = sip_1_3(d->key, d->counter++);
        d->bytes_left = 8;
    }
    return (uint8_t)(d->bytes >> 8 * --d->bytes_left);
}

static uint32_t draw_word(struct draws *d)
{
    if (d->words_left == 0) {
        d->words = sip_1_3(d->key, d->counter++);
        d->words_left = 2;
    }
    return (uint32_t)(d->words >> 32 * --d->words_left);
}

// ---- operation and immediate

static uint8_t draw_operation(struct plan *p, enum slot slot, unsigned attempt)
{
    uint8_t operation = HASHX_MUL;
    switch (slot) {
    case SLOT_MUL:
        break;
    case SLOT_TARGET:
        operation = HASHX_TARGET;
        break;
    case SLOT_BRANCH:
        operation = HASHX_BRANCH;
        break;
    case SLOT_WIDE:
        operation = draw_byte(&p->draws) & 1 ? HASHX_MULH_UNSIGNED : HASHX_MULH_SIGNED;
        break;
    case SLOT_ANY: // at the second attempt one without a source
        do
            operation = any_operation[draw_byte(&p->draws) & (attempt ? 3 : 7)];
        while (traits[operation].kind == p->last_kind);
        break;
    }
    p->last_kind = traits[operation].kind;
    return operation;
}

static uint32_t draw_branch_mask(struct draws *d)
{
    uint32_t mask = 0;
    while (__builtin_popcount(mask) < BRANCH_BITS)
        mask |= UINT32_C(1) << draw_byte(d) % 32;
    return mask;
}

static uint32_t draw_immediate(struct draws *d, uint8_t operation)
{
    static const uint32_t masks[] = {
        [HASHX_ADD_SHIFTED] = 3,           [HASHX_ROTATE] = 63, [HASHX_ADD_CONSTANT] = UINT32_MAX,
        [HASHX_XOR_CONSTANT] = UINT32_MAX, [HASHX_BRANCH] = 0,
    };
    uint32_t immediate = 0;
    if (operation == HASHX_BRANCH)
        return draw_branch_mask(d);
    if (masks[operation] == 0)
        return 0;
    do
        immediate = draw_word(d) & masks[operation];
    while (immediate == 0 && operation != HASHX_ADD_SHIFTED);
    return immediate;
}

// ---- registers

// Sets of them: a byte for each, 1 or 0.
static const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);

static bytes8 bytes_of(uint64_t registers)
{
    bytes8 bytes;
    memcpy(&bytes, &registers, sizeof(bytes));
    return bytes;
}

static uint64_t set_of(bytes8 mask)
{
    uint64_t set;
    memcpy(&set, &mask, sizeof(set));
    return set & ones;
}

static uint64_t equal(uint64_t registers, uint8_t value)
{
    return set_of((bytes8)(bytes_of(registers) == value));
}

static void put_byte(uint64_t *registers, unsigned i, uint8_t value)
{
    *registers = (*registers & ~(UINT64_C(0xff) << 8 * i)) | (uint64_t)value << 8 * i;
}

static uint64_t only(unsigned i)
{
    return UINT64_C(1) << 8 * i;
}

static unsigned count(uint64_t set)
{
    return (unsigned)(set * ones >> 56);
}

// The nth of the set, from 0: as many as have no more than n of it up to themselves come before it.
static uint8_t nth(uint64_t set, unsigned n)
{
    uint64_t up_to = set * ones;
    return (uint8_t)count((((n * ones | tops) - up_to) & tops) >> 7);
}

// One of the set. False: it is empty.
static bool draw_register(struct draws *d, uint64_t set, uint8_t *out)
{
    unsigned n = count(set);
    if (n == 0)
        return false;
    *out = nth(set, n > 1 ? draw_word(d) % n : 0);
    return true;
}

static bool choose_source(struct plan *p, uint8_t operation, uint64_t ready, uint8_t *out)
{
    // A sum needs another register to go to, so this one must be what is added.
    if (operation == HASHX_ADD_SHIFTED && count(ready) == 2 && ready & only(NO_SUM_INTO)) {
        *out = NO_SUM_INTO;
        return true;
    }
    return draw_register(&p->draws, ready, out);
}

// Those to which the same was done last, so that the two could be one.
static uint64_t done_again(const struct plan *p, const struct hashx_instruction *in,
                           uint32_t wide_operand, bool chain)
{
    const struct trait *t = &traits[in->operation];
    uint64_t same_kind = equal(p->kind, t->kind);
    uint64_t same_operand = equal(p->operand, t->has_source ? in->source : NO_OPERAND);
    if (t->wide) {
        same_operand = 0;
        for (unsigned i = 0; i < HASHX_REGISTERS; i++)
            same_operand |= (uint64_t)(p->wide_operand[i] == wide_operand) << 8 * i;
    } else if (in->operation == HASHX_MUL && !chain) {
        return same_kind; // products of products lose their low bits
    }
    return same_kind & same_operand;
}

static bool choose_destination(struct plan *p, const struct hashx_instruction *in,
                               uint32_t wide_operand, uint64_t ready, bool chain, uint8_t *out)
{
    const struct trait *t = &traits[in->operation];
    uint64_t again = done_again(p, in, wide_operand, chain);
    uint64_t itself = (uint64_t)(t->has_source && !t->wide) << 8 * in->source;
    uint64_t no_sum = (uint64_t)(in->operation == HASHX_ADD_SHIFTED) << 8 * NO_SUM_INTO;
    return draw_register(&p->draws, ready & ~(again | itself | no_sum), out);
}

// ---- the plan

// The first cycle when the instruction has its ports; CYCLES_PLANNED: none.
static unsigned find_cycle(const struct plan *p, const struct trait *t)
{
    unsigned cycle = p->slot / SLOTS_PER_CYCLE;
    if (t->wide)
        while (cycle < CYCLES_PLANNED && p->busy[cycle] & (PORT_MUL | PORT_FIRST))
            cycle++;
    else
        while (cycle < CYCLES_PLANNED && (t->ports & ~p->busy[cycle]) == 0)
            cycle++;
    return cycle;
}

static void take_port(struct plan *p, unsigned ports, unsigned cycle)
{
    for (; cycle < CYCLES_PLANNED; cycle++) {
        unsigned free_ports = ports & ~(unsigned)p->busy[cycle];
        if (free_ports) {
            p->busy[cycle] |= (uint8_t)(1u << (31 - __builtin_clz(free_ports)));
            return;
        }
    }
}

static bool takes_two_slots(uint8_t operation)
{
    return traits[operation].wide || operation == HASHX_TARGET || operation == HASHX_BRANCH;
}

static void commit(struct plan *p, const struct hashx_instruction *in, uint32_t wide_operand,
                   unsigned cycle)
{
    const struct trait *t = &traits[in->operation];
    take_port(p, t->ports, cycle);
    if (t->wide)
        take_port(p, PORT_FIRST, cycle);
    else if (takes_two_slots(in->operation))
        take_port(p, t->ports, cycle); // which may be a later cycle
    p->slot += 1 + takes_two_slots(in->operation);
    if (!t->has_destination)
        return;
    put_byte(&p->ready, in->destination, (uint8_t)(cycle + t->latency));
    put_byte(&p->kind, in->destination, t->kind);
    put_byte(&p->operand, in->destination, t->has_source ? in->source : NO_OPERAND);
    p->wide_operand[in->destination] = wide_operand;
    if (cycle + t->latency > p->last_result)
        p->last_result = cycle + t->latency;
}

enum outcome { FITS, NO_REGISTER, NO_CYCLE };

static enum outcome try_slot(struct plan *p, enum slot slot, unsigned attempt,
                             struct hashx_instruction *in)
{
    *in = (struct hashx_instruction){.operation = draw_operation(p, slot, attempt)};
    const struct trait *t = &traits[in->operation];
    in->immediate = draw_immediate(&p->draws, in->operation);
    uint32_t wide_operand = t->wide ? draw_word(&p->draws) : 0;
    unsigned cycle = find_cycle(p, t);
    if (cycle == CYCLES_PLANNED)
        return NO_CYCLE;
    uint64_t ready = set_of((bytes8)(bytes_of(p->ready) <= (uint8_t)cycle));
    if (t->has_source && !choose_source(p, in->operation, ready, &in->source))
        return NO_REGISTER;
    if (t->has_destination &&
        !choose_destination(p, in, wide_operand, ready, attempt > 0, &in->destination))
        return NO_REGISTER;
    if (cycle >= CYCLES)
        return NO_CYCLE;
    commit(p, in, wide_operand, cycle);
    return FITS;
}

bool hashx_generate(const uint64_t key[4], struct hashx_program *out)
{
    struct plan p = {.draws.key = key, .last_kind = NO_KIND, .kind = NO_KIND * ones};
    for (unsigned i = 0; i < HASHX_INSTRUCTIONS; i++) {
        enum slot slot = pattern[i % HASHX_ROUND_INSTRUCTIONS];
        enum outcome outcome = NO_REGISTER;
        for (unsigned attempt = 0; attempt < TRIES && outcome == NO_REGISTER; attempt++)
            outcome = try_slot(&p, slot, attempt, &out->code[i]);
        if (outcome != FITS)
            return false;
    }
    return p.last_result == LAST_RESULT;
}
