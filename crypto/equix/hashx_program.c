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

enum { NO_KIND = 0xff };
static const uint32_t constant_operand = UINT32_MAX;

// Random numbers of two widths, each kind from blocks of its own, the most significant first.
struct draws {
    const uint64_t *key;
    uint64_t counter;
    uint64_t bytes, words;
    unsigned bytes_left, words_left;
};

struct plan {
    struct draws draws;
    unsigned slot; // of three in a cycle
    unsigned last_result;
    uint8_t last_kind; // drawn
    uint8_t busy[CYCLES_PLANNED];
    struct {
        unsigned ready; // the cycle
        uint32_t operand;
        uint8_t kind; // what was last done to it
    } registers[HASHX_REGISTERS];
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

static uint32_t draw_nonzero(struct draws *d, uint32_t mask)
{
    uint32_t value;
    do
        value = draw_word(d) & mask;
    while (value == 0);
    return value;
}

static uint32_t draw_immediate(struct draws *d, uint8_t operation)
{
    switch (operation) {
    case HASHX_ADD_SHIFTED:
        return draw_word(d) & 3;
    case HASHX_ROTATE:
        return draw_nonzero(d, 63);
    case HASHX_ADD_CONSTANT:
    case HASHX_XOR_CONSTANT:
        return draw_nonzero(d, UINT32_MAX);
    case HASHX_BRANCH:
        return draw_branch_mask(d);
    default:
        return 0;
    }
}

// ---- registers

// One of the registers in the set. False: it is empty.
static bool draw_register(struct draws *d, unsigned set, uint8_t *out)
{
    unsigned n = (unsigned)__builtin_popcount(set);
    if (n == 0)
        return false;
    for (unsigned skip = n > 1 ? draw_word(d) % n : 0; skip > 0; skip--)
        set &= set - 1;
    *out = (uint8_t)__builtin_ctz(set);
    return true;
}

static unsigned ready_registers(const struct plan *p, unsigned cycle)
{
    unsigned set = 0;
    for (unsigned i = 0; i < HASHX_REGISTERS; i++)
        set |= (unsigned)(p->registers[i].ready <= cycle) << i;
    return set;
}

static bool choose_source(struct plan *p, uint8_t operation, unsigned ready, uint8_t *out)
{
    // A sum needs another register to go to, so this one must be what is added.
    if (operation == HASHX_ADD_SHIFTED && __builtin_popcount(ready) == 2 &&
        ready & 1u << NO_SUM_INTO) {
        *out = NO_SUM_INTO;
        return true;
    }
    return draw_register(&p->draws, ready, out);
}

static bool choose_destination(struct plan *p, const struct hashx_instruction *in, uint32_t operand,
                               unsigned ready, bool chain, uint8_t *out)
{
    const struct trait *t = &traits[in->operation];
    unsigned set = ready;
    if (t->has_source && !t->wide)
        set &= ~(1u << in->source);
    if (in->operation == HASHX_ADD_SHIFTED)
        set &= ~(1u << NO_SUM_INTO);
    for (unsigned i = 0; i < HASHX_REGISTERS; i++) {
        bool same_kind = p->registers[i].kind == t->kind;
        bool again = same_kind && p->registers[i].operand == operand;
        // Products of products lose their low bits.
        bool product = same_kind && t->kind == HASHX_MUL && !chain;
        set &= ~((unsigned)(again || product) << i);
    }
    return draw_register(&p->draws, set, out);
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

static void commit(struct plan *p, const struct hashx_instruction *in, uint32_t operand,
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
    p->registers[in->destination].ready = cycle + t->latency;
    p->registers[in->destination].kind = t->kind;
    p->registers[in->destination].operand = operand;
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
    uint32_t operand = t->wide ? draw_word(&p->draws) : constant_operand;
    unsigned cycle = find_cycle(p, t);
    if (cycle == CYCLES_PLANNED)
        return NO_CYCLE;
    unsigned ready = ready_registers(p, cycle);
    if (t->has_source && !choose_source(p, in->operation, ready, &in->source))
        return NO_REGISTER;
    if (t->has_source && !t->wide)
        operand = in->source;
    if (t->has_destination &&
        !choose_destination(p, in, operand, ready, attempt > 0, &in->destination))
        return NO_REGISTER;
    if (cycle >= CYCLES)
        return NO_CYCLE;
    commit(p, in, operand, cycle);
    return FITS;
}

bool hashx_generate(const uint64_t key[4], struct hashx_program *out)
{
    struct plan p = {.draws.key = key, .last_kind = NO_KIND};
    for (unsigned i = 0; i < HASHX_REGISTERS; i++) {
        p.registers[i].kind = NO_KIND;
        p.registers[i].operand = constant_operand;
    }
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
