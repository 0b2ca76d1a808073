// SPDX-License-Identifier: BSD-3-Clause
// The batched cell cipher against OpenSSL's AES-128-CTR and AES-256-CTR: many circuits,
// interleaved.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "cell_cipher_internal.h"

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t random_u32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

static void random_fill(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)random_u32();
}

// OpenSSL's stream, moved to any position.
static EVP_CIPHER_CTX *reference_of(const EVP_CIPHER *cipher, const uint8_t *key, uint64_t position)
{
    uint8_t iv[16] = {0}, skip[16] = {0};
    uint64_t block = position / 16;
    for (unsigned i = 0; i < 8; i++)
        iv[15 - i] = (uint8_t)(block >> (8 * i));
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    assert_int_equal(EVP_EncryptInit_ex(ctx, cipher, NULL, key, iv), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, skip, &n, skip, (int)(position % 16)), 1);
    return ctx;
}

static EVP_CIPHER_CTX *reference_at(const uint8_t key[16], uint64_t position)
{
    return reference_of(EVP_aes_128_ctr(), key, position);
}

static void reference_body(EVP_CIPHER_CTX *ctx, uint8_t *dst, const uint8_t *src)
{
    int n = 0;
    assert_int_equal(EVP_EncryptUpdate(ctx, dst, &n, src, CELL_BODY_LEN), 1);
    assert_int_equal(n, CELL_BODY_LEN);
}

struct slot {
    uint8_t src_front[CELL_CIPHER_SCRATCH];
    uint8_t src[CELL_BODY_LEN];
    uint8_t dst_front[CELL_CIPHER_SCRATCH];
    uint8_t dst[CELL_BODY_LEN];
    uint8_t behind[16]; // has to stay as it was
    uint8_t expected[CELL_BODY_LEN];
    bool in_place;
};

enum { CIRCUITS = 37, ROUNDS = 60, BURST = 100 };

static void test_interleaved_circuits(void **state)
{
    struct cell_cipher *cc = *state;
    static struct ctr_stream streams[CIRCUITS];
    EVP_CIPHER_CTX *references[CIRCUITS];
    struct slot *slots = calloc(BURST, sizeof(*slots));
    for (unsigned i = 0; i < CIRCUITS; i++) {
        uint8_t key[16];
        random_fill(key, sizeof(key));
        ctr_stream_init(cc, &streams[i], key);
        references[i] = reference_at(key, 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = 1 + random_u32() % BURST;
        for (unsigned i = 0; i < n; i++) {
            struct slot *slot = &slots[i];
            // Every third round all cells are of one circuit.
            unsigned c = round % 3 == 0 ? round % CIRCUITS : random_u32() % CIRCUITS;
            random_fill(slot->src, sizeof(slot->src));
            memset(slot->behind, 0x5a, sizeof(slot->behind));
            reference_body(references[c], slot->expected, slot->src);
            slot->in_place = random_u32() & 1;
            cell_cipher_add(cc, &streams[c], slot->src, slot->in_place ? slot->src : slot->dst);
        }
        cell_cipher_run(cc);
        for (unsigned i = 0; i < n; i++) {
            struct slot *slot = &slots[i];
            assert_memory_equal(slot->in_place ? slot->src : slot->dst, slot->expected,
                                CELL_BODY_LEN);
            for (unsigned b = 0; b < sizeof(slot->behind); b++)
                assert_int_equal(slot->behind[b], 0x5a);
        }
    }
    for (unsigned i = 0; i < CIRCUITS; i++) {
        EVP_CIPHER_CTX_free(references[i]);
        ctr_stream_clear(&streams[i]);
    }
    free(slots);
}

// Counters carry: where only the last byte changes in most cells, and in the library's 32 bits.
// Every alignment of a body around that.
static void test_counter_wrap(void **state)
{
    struct cell_cipher *cc = *state;
    struct slot *slots = calloc(CELL_CIPHER_BURST_MAX, sizeof(*slots));
    const uint64_t wraps[] = {UINT64_C(1) << 36, UINT64_C(7) << 36, 256 * 16, 65536 * 16};
    for (unsigned w = 0; w < 4; w++) {
        for (unsigned back = 0; back < 560; back++) {
            uint8_t key[16];
            struct ctr_stream stream;
            random_fill(key, sizeof(key));
            ctr_stream_init(cc, &stream, key);
            stream.position_bytes = wraps[w] - back;
            EVP_CIPHER_CTX *reference = reference_at(key, stream.position_bytes);
            unsigned n = 2;
            for (unsigned i = 0; i < n; i++) {
                random_fill(slots[i].src, CELL_BODY_LEN);
                reference_body(reference, slots[i].expected, slots[i].src);
                cell_cipher_add(cc, &stream, slots[i].src, slots[i].dst);
            }
            cell_cipher_run(cc);
            for (unsigned i = 0; i < n; i++)
                assert_memory_equal(slots[i].dst, slots[i].expected, CELL_BODY_LEN);
            EVP_CIPHER_CTX_free(reference);
        }
    }

    // A whole burst with the wrap near its end: it runs by itself when it is full.
    struct ctr_stream stream;
    uint8_t key[16] = {1};
    ctr_stream_init(cc, &stream, key);
    stream.position_bytes = wraps[0] - 63 * CELL_BODY_LEN - 100;
    EVP_CIPHER_CTX *reference = reference_at(key, stream.position_bytes);
    for (unsigned i = 0; i < CELL_CIPHER_BURST_MAX; i++) {
        random_fill(slots[i].src, CELL_BODY_LEN);
        reference_body(reference, slots[i].expected, slots[i].src);
        cell_cipher_add(cc, &stream, slots[i].src, slots[i].dst);
    }
    for (unsigned i = 0; i < CELL_CIPHER_BURST_MAX; i++)
        assert_memory_equal(slots[i].dst, slots[i].expected, CELL_BODY_LEN);
    cell_cipher_run(cc);
    EVP_CIPHER_CTX_free(reference);
    free(slots);
}

// Cells that lie packed in a buffer, as they do in a record, are allowed as sources.
static void test_packed_sources(void **state)
{
    struct cell_cipher *cc = *state;
    enum { CELLS = 31 };
    static uint8_t record[CELL_CIPHER_SCRATCH + CELLS * CELL_LEN], before[sizeof(record)];
    static struct slot slots[CELLS];
    struct ctr_stream stream;
    uint8_t key[16];
    random_fill(key, sizeof(key));
    random_fill(record, sizeof(record));
    memcpy(before, record, sizeof(record));
    ctr_stream_init(cc, &stream, key);
    EVP_CIPHER_CTX *reference = reference_at(key, 0);
    for (unsigned i = 0; i < CELLS; i++) {
        const uint8_t *body = record + CELL_CIPHER_SCRATCH + i * CELL_LEN + 5;
        reference_body(reference, slots[i].expected, body);
        cell_cipher_add(cc, &stream, body, slots[i].dst);
    }
    cell_cipher_run(cc);
    for (unsigned i = 0; i < CELLS; i++)
        assert_memory_equal(slots[i].dst, slots[i].expected, CELL_BODY_LEN);
    assert_memory_equal(record, before, sizeof(record));
    EVP_CIPHER_CTX_free(reference);
}

// Both sorts in one burst, each circuit's cells in their order; cells of one run and of many.
static void test_long_keys(void **state)
{
    struct cell_cipher *cc = *state;
    static struct ctr_long_stream streams[CIRCUITS];
    static struct ctr_stream other;
    EVP_CIPHER_CTX *references[CIRCUITS], *other_reference;
    struct slot *slots = calloc(BURST, sizeof(*slots));
    uint8_t key[32];
    for (unsigned i = 0; i < CIRCUITS; i++) {
        random_fill(key, sizeof(key));
        ctr_long_stream_init(&streams[i], key);
        references[i] = reference_of(EVP_aes_256_ctr(), key, 0);
    }
    ctr_stream_init(cc, &other, key);
    other_reference = reference_at(key, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = 1 + random_u32() % BURST;
        for (unsigned i = 0; i < n; i++) {
            struct slot *slot = &slots[i];
            unsigned c = round % 3 == 0 ? round % CIRCUITS : random_u32() % CIRCUITS;
            random_fill(slot->src, sizeof(slot->src));
            memset(slot->behind, 0x5a, sizeof(slot->behind));
            slot->in_place = random_u32() & 1;
            uint8_t *dst = slot->in_place ? slot->src : slot->dst;
            bool is_long = random_u32() % 5 > 0;
            reference_body(is_long ? references[c] : other_reference, slot->expected, slot->src);
            if (is_long)
                cell_cipher_add_long(cc, &streams[c], slot->src, dst);
            else
                cell_cipher_add(cc, &other, slot->src, dst);
        }
        cell_cipher_run(cc);
        for (unsigned i = 0; i < n; i++) {
            struct slot *slot = &slots[i];
            assert_memory_equal(slot->in_place ? slot->src : slot->dst, slot->expected,
                                CELL_BODY_LEN);
            for (unsigned b = 0; b < sizeof(slot->behind); b++)
                assert_int_equal(slot->behind[b], 0x5a);
        }
    }
    for (unsigned i = 0; i < CIRCUITS; i++)
        EVP_CIPHER_CTX_free(references[i]);
    EVP_CIPHER_CTX_free(other_reference);
    free(slots);
}

static void test_long_counter_wrap(void **state)
{
    struct cell_cipher *cc = *state;
    struct slot *slots = calloc(2, sizeof(*slots));
    const uint64_t wraps[] = {UINT64_C(1) << 36, UINT64_C(7) << 36, 256 * 16};
    for (unsigned w = 0; w < 3; w++) {
        for (unsigned back = 0; back < 560; back++) {
            struct ctr_long_stream stream;
            uint8_t key[32];
            random_fill(key, sizeof(key));
            ctr_long_stream_init(&stream, key);
            stream.position_bytes = wraps[w] - back;
            EVP_CIPHER_CTX *reference = reference_of(EVP_aes_256_ctr(), key, stream.position_bytes);
            for (unsigned i = 0; i < 2; i++) {
                random_fill(slots[i].src, CELL_BODY_LEN);
                reference_body(reference, slots[i].expected, slots[i].src);
                cell_cipher_add_long(cc, &stream, slots[i].src, slots[i].dst);
            }
            cell_cipher_run(cc);
            for (unsigned i = 0; i < 2; i++)
                assert_memory_equal(slots[i].dst, slots[i].expected, CELL_BODY_LEN);
            EVP_CIPHER_CTX_free(reference);
        }
    }
    free(slots);
}

static void test_clear_wipes(void **state)
{
    struct ctr_stream stream;
    uint8_t key[16] = {3}, zeros[sizeof(stream)] = {0};
    ctr_stream_init(*state, &stream, key);
    ctr_stream_clear(&stream);
    assert_memory_equal(&stream, zeros, sizeof(stream));
}

static void test_choice(void **state)
{
    const struct ctr_implementation *order[] = {&ctr_vaes512, &ctr_vaes256, &ctr_aesni};
    (void)state;
    struct cell_cipher *cc = cell_cipher_create();
    assert_non_null(cc);
    for (unsigned i = 0; i < 3; i++) {
        if (order[i]->usable()) {
            assert_string_equal(cell_cipher_implementation(cc), order[i]->name);
            break;
        }
    }
    cell_cipher_destroy(cc);
}

static int setup(void **state)
{
    *state = cell_cipher_create_choice(*state);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    cell_cipher_destroy(*state);
    return 0;
}

extern const struct ctr_implementation ctr_emulated;

int main(void)
{
    const struct ctr_implementation *implementations[] = {NULL, &ctr_aesni, &ctr_vaes256,
                                                          &ctr_vaes512, &ctr_emulated};
    const struct CMUnitTest choice[] = {cmocka_unit_test(test_choice)};
    int failed = cmocka_run_group_tests_name("choice", choice, NULL, NULL);
    for (unsigned i = 0; i < sizeof(implementations) / sizeof(implementations[0]); i++) {
        void *which = (void *)(uintptr_t)implementations[i];
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_prestate_setup_teardown(test_interleaved_circuits, setup, teardown,
                                                     which),
            cmocka_unit_test_prestate_setup_teardown(test_counter_wrap, setup, teardown, which),
            cmocka_unit_test_prestate_setup_teardown(test_packed_sources, setup, teardown, which),
            cmocka_unit_test_prestate_setup_teardown(test_long_keys, setup, teardown, which),
            cmocka_unit_test_prestate_setup_teardown(test_long_counter_wrap, setup, teardown,
                                                     which),
            cmocka_unit_test_prestate_setup_teardown(test_clear_wipes, setup, teardown, which),
        };
        if (which && !implementations[i]->usable())
            continue;
        failed += cmocka_run_group_tests_name(which ? implementations[i]->name : "ipsec-mb", tests,
                                              NULL, NULL);
    }
    return failed;
}
