// SPDX-License-Identifier: BSD-3-Clause
// Programs as machine code: registers 0 to 7 are r8 to r15. A program branches once at most, so
// there are two copies of it: the one that a run begins in, and one without branches after it, into
// which they lead. Memory is never writable and executable at once.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "equix/hashx.h"

enum {
    CODE_BYTES = 8192, // two copies with every instruction at its longest take less
    BRANCH_BYTES = 12,
    RUN_BYTES = HASHX_LANES * 8, // from one register's lanes to the next one's
};

struct hashx_code {
    uint8_t *memory;
};

struct hashx_code *hashx_code_create(void)
{
    struct hashx_code *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->memory = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c->memory == MAP_FAILED) {
        free(c);
        return NULL;
    }
    // Some systems allow no memory to become executable that has been writable.
    if (mprotect(c->memory, CODE_BYTES, PROT_READ | PROT_EXEC) != 0) {
        hashx_code_free(c);
        return NULL;
    }
    return c;
}

void hashx_code_free(struct hashx_code *c)
{
    if (!c)
        return;
    munmap(c->memory, CODE_BYTES);
    free(c);
}

// ---- bytes

struct output {
    uint8_t *at, *end;
    bool full;
};

// 13.39: what there is no room for is not written, whatever is known of how long programs are.
static void put(struct output *o, const void *bytes, size_t n)
{
    o->full |= (size_t)(o->end - o->at) < n;
    if (o->full)
        return;
    memcpy(o->at, bytes, n);
    o->at += n;
}

#define PUT(o, ...) put((o), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put_u32(struct output *o, uint32_t value)
{
    put(o, &value, sizeof(value)); // x86 is little-endian
}

// The distance from the end of these four bytes.
static void put_distance(struct output *o, const uint8_t *to)
{
    put_u32(o, (uint32_t)(int32_t)(to - (o->at + 4)));
}

// ---- instructions

static uint8_t two_registers(unsigned reg, unsigned rm)
{
    return (uint8_t)(0xc0 | reg << 3 | rm);
}

enum { REX_RB = 0x4d, REX_B = 0x49, REX_R = 0x4c, REX_RXB = 0x4f }; // all of them with 64 bits

static void put_wide_product(struct output *o, uint8_t kind, unsigned d, unsigned s)
{
    PUT(o, REX_B, 0x8b, two_registers(0, d)); // mov rax, d
    PUT(o, REX_B, 0xf7, (uint8_t)(kind | s)); // (i)mul s: rdx has the upper half
    PUT(o, REX_R, 0x8b, two_registers(d, 2)); // mov d, rdx
}

static void put_instruction(struct output *o, const struct hashx_instruction *in)
{
    unsigned d = in->destination, s = in->source;
    switch (in->operation) {
    case HASHX_MULH_UNSIGNED:
        put_wide_product(o, 0xe0, d, s);
        break;
    case HASHX_MULH_SIGNED:
        put_wide_product(o, 0xe8, d, s);
        break;
    case HASHX_MUL:
        PUT(o, REX_RB, 0x0f, 0xaf, two_registers(d, s));
        break;
    case HASHX_SUB:
        PUT(o, REX_RB, 0x2b, two_registers(d, s));
        break;
    case HASHX_XOR:
        PUT(o, REX_RB, 0x33, two_registers(d, s));
        break;
    case HASHX_ADD_SHIFTED: // lea d, [d + s << immediate]
        PUT(o, REX_RXB, 0x8d, (uint8_t)(d << 3 | 4), (uint8_t)(in->immediate << 6 | s << 3 | d));
        break;
    case HASHX_ROTATE:
        PUT(o, REX_B, 0xc1, (uint8_t)(0xc8 | d), (uint8_t)in->immediate);
        break;
    case HASHX_ADD_CONSTANT:
        PUT(o, REX_B, 0x81, (uint8_t)(0xc0 | d));
        put_u32(o, in->immediate);
        break;
    case HASHX_XOR_CONSTANT:
        PUT(o, REX_B, 0x81, (uint8_t)(0xf0 | d));
        put_u32(o, in->immediate);
        break;
    default:
        break;
    }
}

// ---- around a program

static void put_loads(struct output *o)
{
    for (unsigned i = 0; i < HASHX_REGISTERS; i++) {
        PUT(o, REX_R, 0x8b, (uint8_t)(0x87 | i << 3)); // mov r(8+i), [rdi + …]
        put_u32(o, i * RUN_BYTES);
    }
}

static void put_stores(struct output *o)
{
    for (unsigned i = 0; i < HASHX_REGISTERS; i++) {
        PUT(o, REX_R, 0x89, (uint8_t)(0x87 | i << 3));
        put_u32(o, i * RUN_BYTES);
    }
}

static void put_begin(struct output *o)
{
    PUT(o, 0xf3, 0x0f, 0x1e, 0xfa);                         // endbr64
    PUT(o, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57); // push r12 … r15
    PUT(o, 0x48, 0x8d, 0x77, RUN_BYTES);                    // lea rsi, [rdi + all lanes]
}

// On to the next lane.
static void put_end(struct output *o, const uint8_t *top)
{
    put_stores(o);
    PUT(o, 0x48, 0x83, 0xc7, 8); // add rdi, 8
    PUT(o, 0x48, 0x39, 0xf7);    // cmp rdi, rsi
    PUT(o, 0x0f, 0x85);          // jne
    put_distance(o, top);
    PUT(o, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0xc3); // pop r15 … r12; ret
}

// Where a round's target and branch are in the first copy.
struct joint {
    uint8_t *target, *branch;
};

static void put_first_copy(struct output *o, const struct hashx_program *p,
                           struct joint joints[HASHX_ROUNDS])
{
    for (unsigned i = 0; i < HASHX_INSTRUCTIONS; i++) {
        const struct hashx_instruction *in = &p->code[i];
        struct joint *joint = &joints[i / HASHX_ROUND_INSTRUCTIONS];
        if (in->operation == HASHX_TARGET) {
            joint->target = o->at;
        } else if (in->operation == HASHX_BRANCH) {
            joint->branch = o->at;
            PUT(o, 0xf7, 0xc2); // test edx, …
            put_u32(o, in->immediate);
            PUT(o, 0x0f, 0x84, 0, 0, 0, 0); // jz, into the second copy
        } else {
            put_instruction(o, in);
        }
    }
}

// From the first target on, without branches, which now have somewhere to lead.
static void put_second_copy(struct output *o, const struct joint joints[HASHX_ROUNDS],
                            const uint8_t *first_end, const uint8_t *finish)
{
    const uint8_t *from = joints[0].target;
    for (unsigned i = 0; i < HASHX_ROUNDS; i++) {
        const struct joint *j = &joints[i];
        const uint8_t *to = o->at + (j->target - from);
        struct output hole = {.at = j->branch + BRANCH_BYTES - 4, .end = j->branch + BRANCH_BYTES};
        put_distance(&hole, to);
        put(o, from, (size_t)(j->branch - from));
        from = j->branch + BRANCH_BYTES;
    }
    put(o, from, (size_t)(first_end - from));
    PUT(o, 0xe9); // jmp
    put_distance(o, finish);
}

bool hashx_code_compile(struct hashx_code *c, const struct hashx_program *p)
{
    struct joint joints[HASHX_ROUNDS] = {{0}};
    struct output o = {.at = c->memory, .end = c->memory + CODE_BYTES};
    if (mprotect(c->memory, CODE_BYTES, PROT_READ | PROT_WRITE) != 0)
        return false;
    put_begin(&o);
    const uint8_t *top = o.at;
    put_loads(&o);
    put_first_copy(&o, p, joints);
    const uint8_t *finish = o.at;
    put_end(&o, top);
    if (!o.full)
        put_second_copy(&o, joints, finish, finish);
    return !o.full && mprotect(c->memory, CODE_BYTES, PROT_READ | PROT_EXEC) == 0;
}

void hashx_code_run(const struct hashx_code *c, hashx_lanes registers[HASHX_REGISTERS])
{
    void (*run)(hashx_lanes *);
    memcpy(&run, &c->memory, sizeof(run));
    run(registers);
}
