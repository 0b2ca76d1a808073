// SPDX-License-Identifier: BSD-3-Clause
// HashX and Equi-X: C tor's vectors, compiled against interpreted, solutions that are none, and a
// system that allows no executable memory.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/equix.h"
#include "crypto/random.h"
#include "equix/hashx.h"
#include "hex.h"

#if defined(__x86_64__)
enum { CAN_COMPILE = 1 };
#else
enum { CAN_COMPILE = 0 };
#endif

// C tor 0.4.9.11, src/test/test_crypto.c, "hashx".
static void test_hashx_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *seed;
        uint64_t input;
        const char *hash;
    } vectors[] = {
        {"", 0, "466cc2021c268560"},
        {"a", 0, "b2a110ee695c475c"},
        {"ab", 0, "57c77f7e0d2c1727"},
        {"abc", 0, "ef560991338086d1"},
        {"", 999, "304068b62bc4874e"},
        {"a", 999, "c8b66a8eb4bba304"},
        {"ab", 999, "26c1f7031f0b3645"},
        {"abc", 999, "de84f9d286b39ab5"},
        {"abc", UINT64_MAX, "f756c266a3cb3b5a"},
    };
    for (unsigned i = 0; i < 2 * sizeof(vectors) / sizeof(vectors[0]); i++) {
        bool compile = i % 2;
        struct hashx h;
        hashx_init(&h, compile);
        assert_true(hashx_make(&h, vectors[i / 2].seed, strlen(vectors[i / 2].seed)));
        assert_int_equal(h.compiled, compile && CAN_COMPILE);
        for (unsigned lane = 0; lane < HASHX_LANES; lane++) {
            uint64_t in[HASHX_LANES] = {1, 2, 3, 4, 5, 6, 7, 8}, out[HASHX_LANES];
            in[lane] = vectors[i / 2].input;
            hashx_hash(&h, in, out);
            uint8_t bytes[8];
            for (unsigned b = 0; b < 8; b++)
                bytes[b] = (uint8_t)(out[lane] >> 8 * b);
            assert_hex(bytes, vectors[i / 2].hash);
        }
        hashx_release(&h);
    }
}

static void test_compiled_is_interpreted(void **state)
{
    (void)state;
    enum { SEEDS = 5000 };
    struct hashx compiled, interpreted;
    unsigned refused = 0;
    hashx_init(&compiled, true);
    hashx_init(&interpreted, false);
    for (unsigned i = 0; i < SEEDS; i++) {
        uint8_t seed[32];
        uint64_t in[HASHX_LANES], out[2][HASHX_LANES];
        random_bytes(seed, sizeof(seed));
        random_bytes(in, sizeof(in));
        bool made = hashx_make(&compiled, seed, sizeof(seed));
        assert_int_equal(hashx_make(&interpreted, seed, sizeof(seed)), made);
        refused += !made;
        if (!made)
            continue;
        assert_false(interpreted.compiled);
        hashx_hash(&compiled, in, out[0]);
        hashx_hash(&interpreted, in, out[1]);
        assert_memory_equal(out[0], out[1], sizeof(out[0]));
    }
    assert_in_range(refused, 0, 20);
    hashx_release(&compiled);
    hashx_release(&interpreted);
}

// All instructions that may be others become this one; or also those whose places are fixed.
static void stretch(struct hashx_program *p, enum hashx_operation most, bool all)
{
    for (unsigned i = 0; i < HASHX_INSTRUCTIONS; i++) {
        struct hashx_instruction *in = &p->code[i];
        bool fixed = in->operation <= HASHX_MUL || in->operation >= HASHX_TARGET;
        if (all ? in->operation < HASHX_TARGET : !fixed) {
            in->operation = (uint8_t)most;
            in->immediate = UINT32_MAX;
        }
    }
}

// 13.39: the longest program that there can be has room and does what it should; one that is longer
// is not written beyond its memory, but interpreted.
static void test_longest_programs(void **state)
{
    (void)state;
    struct hashx h;
    hashx_lanes registers[2][HASHX_REGISTERS];
    hashx_init(&h, true);
    assert_true(hashx_make(&h, "", 0));
    stretch(&h.program, HASHX_ADD_CONSTANT, false);
    if (CAN_COMPILE)
        assert_true(hashx_code_compile(h.code, &h.program));
    random_bytes(registers[0], sizeof(registers[0]));
    memcpy(registers[1], registers[0], sizeof(registers[0]));
    hashx_interpret(&h.program, registers[0]);
    if (CAN_COMPILE)
        hashx_code_run(h.code, registers[1]);
    else
        hashx_interpret(&h.program, registers[1]);
    assert_memory_equal(registers[0], registers[1], sizeof(registers[0]));
    stretch(&h.program, HASHX_MULH_SIGNED, true);
    assert_false(hashx_code_compile(h.code, &h.program));
    hashx_release(&h);
}

// C tor 0.4.9.11, src/test/test_crypto_slow.c, "equix".
static const struct {
    const char *challenge;
    int n;
    uint16_t words[5][EQUIX_SOLUTION_WORDS];
} solved[] = {
    {"zzz", 1, {{0xae21, 0xd392, 0x3215, 0xdd9c, 0x2f08, 0x93df, 0x232c, 0xe5dc}}},
    {"rrr", 1, {{0x0873, 0x57a8, 0x73e0, 0x912e, 0x1ca8, 0xad96, 0x9abd, 0xd7de}}},
    {"qqq", 0, {{0}}},
    {"0123456789", 0, {{0}}},
    {"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", 0, {{0}}},
    {"",
     3,
     {{0x0098, 0x3a4d, 0xc489, 0xcfba, 0x7ef3, 0xa498, 0xa00f, 0xec20},
      {0x78d8, 0x8611, 0xa4df, 0xec19, 0x0927, 0xa729, 0x842f, 0xf771},
      {0x54b5, 0xcc11, 0x1593, 0xe624, 0x9357, 0xb339, 0xb138, 0xed99}}},
    {"a",
     3,
     {{0x4b38, 0x8c81, 0x9255, 0xad99, 0x5ce7, 0xeb3e, 0xc635, 0xee38},
      {0x3f9e, 0x659b, 0x9ae6, 0xb891, 0x63ae, 0x777c, 0x06ca, 0xc593},
      {0x2227, 0xa173, 0x365a, 0xb47d, 0x1bb2, 0xa077, 0x0d5e, 0xf25f}}},
    {"abc",
     2,
     {{0x371f, 0x8865, 0x8189, 0xfbc3, 0x26df, 0xe4c0, 0xab39, 0xfe5a},
      {0x2101, 0xb88f, 0xc525, 0xccb3, 0x5785, 0xa41e, 0x4fba, 0xed18}}},
    {"abce",
     4,
     {{0x4fca, 0x72eb, 0x101f, 0xafab, 0x1add, 0x2d71, 0x75a3, 0xc978},
      {0x17f1, 0x7aa6, 0x23e3, 0xab00, 0x7e2f, 0x917e, 0x16da, 0xda9e},
      {0x70ee, 0x7757, 0x8a54, 0xbd2b, 0x90e4, 0xe31e, 0x2085, 0xe47e},
      {0x62c5, 0x86d1, 0x5752, 0xe1f0, 0x12da, 0x8f33, 0x7336, 0xf161}}},
    {"01234567890123456789",
     5,
     {{0x4803, 0x6775, 0xc5c9, 0xd1b0, 0x1bc3, 0xe4f6, 0x4027, 0xf5ad},
      {0x5a8a, 0x9542, 0xef99, 0xf0b9, 0x4905, 0x4e29, 0x2da5, 0xfbd5},
      {0x4c79, 0xc935, 0x2bcb, 0xcd0f, 0x0362, 0x9fa9, 0xa62e, 0xf83a},
      {0x5878, 0x6edf, 0x1e00, 0xf5e3, 0x43de, 0x9212, 0xd01e, 0xfd11},
      {0x0b69, 0x2d17, 0x01be, 0x6cb4, 0x0fba, 0x4a9e, 0x8d75, 0xa50f}}},
};
enum { SOLVED = sizeof(solved) / sizeof(solved[0]) };

static void solve_all(bool compile)
{
    struct equix *e = equix_create(true, compile);
    struct equix_solution found[EQUIX_SOLUTIONS_MAX];
    assert_int_equal(equix_is_compiled(e), compile && CAN_COMPILE);
    for (unsigned i = 0; i < SOLVED; i++) {
        const char *challenge = solved[i].challenge;
        assert_int_equal(equix_solve(e, challenge, strlen(challenge), found), solved[i].n);
        for (int j = 0; j < solved[i].n; j++)
            assert_memory_equal(found[j].words, solved[i].words[j], sizeof(found[j].words));
    }
    equix_free(e);
}

static void test_solve(void **state)
{
    (void)state;
    solve_all(true);
    solve_all(false);
}

static enum equix_result verify(struct equix *e, unsigned which, const uint16_t *words)
{
    struct equix_solution s;
    memcpy(s.words, words, sizeof(s.words));
    return equix_verify(e, solved[which].challenge, strlen(solved[which].challenge), &s);
}

static void swap(uint16_t *words, unsigned a, unsigned b, unsigned n)
{
    uint16_t saved[4];
    memcpy(saved, words + a, n * sizeof(*words));
    memmove(words + a, words + b, n * sizeof(*words));
    memcpy(words + b, saved, n * sizeof(*words));
}

static void test_verify(void **state)
{
    (void)state;
    for (int compile = 0; compile < 2; compile++) {
        struct equix *e = equix_create(false, compile);
        for (unsigned i = 0; i < SOLVED; i++)
            for (int j = 0; j < solved[i].n; j++) {
                const uint16_t *good = solved[i].words[j];
                uint16_t bad[EQUIX_SOLUTION_WORDS];
                assert_int_equal(verify(e, i, good), EQUIX_OK);
                for (unsigned n = 1; n <= 4; n *= 2)
                    for (unsigned at = 0; at < EQUIX_SOLUTION_WORDS; at += 2 * n) {
                        memcpy(bad, good, sizeof(bad));
                        swap(bad, at, at + n, n);
                        assert_int_equal(verify(e, i, bad), EQUIX_ORDER);
                    }
                memcpy(bad, good, sizeof(bad));
                bad[0]++;
                assert_int_equal(verify(e, i, bad), EQUIX_PARTIAL_SUM);
                assert_int_equal(verify(e, i == 0 ? 1 : 0, good), EQUIX_PARTIAL_SUM);
            }
        equix_free(e);
    }
}

// Two pairs whose sums are zero in 30 bits, which are no solution together.
static void test_final_sum(void **state)
{
    (void)state;
    struct equix *e = equix_create(false, true);
    uint16_t words[EQUIX_SOLUTION_WORDS];
    memcpy(words, solved[5].words[0], 4 * sizeof(*words));
    memcpy(words + 4, solved[5].words[1], 4 * sizeof(*words));
    enum equix_result result = verify(e, 5, words);
    if (result == EQUIX_ORDER) {
        swap(words, 0, 4, 4);
        result = verify(e, 5, words);
    }
    assert_int_equal(result, EQUIX_FINAL_SUM);
    equix_free(e);
}

// Of these no function can be made, as C tor 0.4.9.11 says, too.
static void test_no_function(void **state)
{
    (void)state;
    static const char *const challenges[] = {"14663", "17622", "20476", "86210", "96223"};
    struct equix *e = equix_create(true, true);
    struct equix_solution found[EQUIX_SOLUTIONS_MAX], any = {{0}};
    for (unsigned i = 0; i < sizeof(challenges) / sizeof(challenges[0]); i++) {
        assert_int_equal(equix_solve(e, challenges[i], 5, found), -1);
        assert_int_equal(equix_verify(e, challenges[i], 5, &any), EQUIX_CHALLENGE);
    }
    equix_free(e);
}

// In a child: PROT_EXEC is refused from now on.
static void refuse_executable_memory(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mprotect, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(rules) / sizeof(rules[0]), .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
}

enum { GOOD_EXIT = 3 };

// One context from before, one from after; both go on, interpreted.
static void solve_without_executable_memory(void)
{
    struct equix_solution found[EQUIX_SOLUTIONS_MAX];
    struct equix *before = equix_create(true, true);
    refuse_executable_memory();
    struct equix *after = equix_create(true, true);
    bool good = before && after && !equix_is_compiled(after);
    for (unsigned round = 0; good && round < 2; round++)
        good = equix_solve(before, "abc", 3, found) == 2 &&
               memcmp(found, solved[7].words, 2 * sizeof(found[0])) == 0 &&
               !equix_is_compiled(before) && equix_solve(after, "abc", 3, found) == 2 &&
               memcmp(found, solved[7].words, 2 * sizeof(found[0])) == 0;
    equix_free(before);
    equix_free(after);
    _exit(good ? GOOD_EXIT : 1);
}

static void test_no_executable_memory(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        solve_without_executable_memory();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), GOOD_EXIT);
}

int main(void)
{
    if (crypto_init() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashx_vectors),    cmocka_unit_test(test_compiled_is_interpreted),
        cmocka_unit_test(test_longest_programs), cmocka_unit_test(test_solve),
        cmocka_unit_test(test_verify),           cmocka_unit_test(test_final_sum),
        cmocka_unit_test(test_no_function),      cmocka_unit_test(test_no_executable_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
