// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion: every implementation that this CPU can run, against the reference's vectors
// and against the portable one on random circuits (protocol 3.08 to 3.23, 12.01).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "cgo_internal.h"
#include "cgo_vectors.h"
#include "hex.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

// ---- vectors

// One direction from a vector's parts, any of which may be NULL for zeros.
static void layer_from(struct cgo_cipher *cc, struct cgo_layer *layer, bool client,
                       const char *et_keys, const char *prf_keys, const char *nonce,
                       const char *tag)
{
    uint8_t material[CGO_MATERIAL_LEN] = {0};
    struct cgo_layer other;
    if (et_keys)
        unhex(et_keys, material, strlen(et_keys) / 2);
    if (prf_keys)
        unhex(prf_keys, material + 32, 32);
    if (nonce)
        unhex(nonce, material + 64, 16);
    if (client)
        cgo_client_layers_init(cc, layer, &other, material);
    else
        cgo_relay_layers_init(cc, layer, &other, material);
    if (tag)
        unhex(tag, layer->tag, sizeof(layer->tag));
}

static void layer_from_state(struct cgo_cipher *cc, struct cgo_layer *layer, bool client,
                             const struct cgo_state_vector *s)
{
    layer_from(cc, layer, client, s->keys, NULL, s->nonce, s->tag);
}

// KB, KU, K, B.
static void keys_of(const struct cgo_layer *layer, uint8_t keys[64])
{
    memcpy(keys, layer->kb, 16);
    memcpy(keys + 16, layer->ku, 16);
    memcpy(keys + 32, layer->k, 16);
    memcpy(keys + 48, layer->b, 16);
}

static void assert_state(const struct cgo_layer *layer, const struct cgo_state_vector *expected)
{
    uint8_t keys[64];
    keys_of(layer, keys);
    assert_hex(keys, expected->keys);
    assert_hex(layer->nonce, expected->nonce);
    assert_hex(layer->tag, expected->tag);
}

static void body_from(uint8_t body[CELL_BODY_LEN], const char *left, const char *right)
{
    memset(body, 0, CELL_BODY_LEN);
    if (left)
        unhex(left, body, CGO_LEFT_LEN);
    if (right)
        unhex(right, body + CGO_LEFT_LEN, CGO_RIGHT_LEN);
}

static void assert_body(const uint8_t body[CELL_BODY_LEN], const struct cgo_body_vector *expected)
{
    assert_hex(body, expected->left);
    assert_hex(body + CGO_LEFT_LEN, expected->right);
}

static uint8_t command_from(const char *hex)
{
    uint8_t command;
    unhex(hex, &command, 1);
    return command;
}

static void test_et_vectors(void **state)
{
    struct cgo_cipher *cc = *state;
    for (unsigned i = 0; i < COUNT(cgo_et_vectors); i++) {
        const struct cgo_et_vector *v = &cgo_et_vectors[i];
        uint8_t tweaks[16 + 1 + CGO_RIGHT_LEN], body[CELL_BODY_LEN];
        struct cgo_layer layer;
        unhex(v->tweaks, tweaks, sizeof(tweaks));
        layer_from(cc, &layer, !v->encrypt, v->keys, NULL, NULL, NULL);
        body_from(body, v->block, NULL);
        if (v->encrypt) {
            memcpy(layer.tag, tweaks, 16);
            memcpy(body + CGO_LEFT_LEN, tweaks + 17, CGO_RIGHT_LEN);
            cgo_relay_backward(cc, &layer, tweaks[16], body);
        } else {
            // X_R meets the PRF before the tweak sees it: a first run shows the PRF's output.
            cgo_client_forward(cc, &layer, 0, body);
            for (unsigned b = 0; b < CGO_RIGHT_LEN; b++)
                body[CGO_LEFT_LEN + b] ^= tweaks[17 + b];
            unhex(v->block, body, CGO_LEFT_LEN);
            memcpy(layer.tag, tweaks, 16);
            cgo_client_forward(cc, &layer, tweaks[16], body);
        }
        assert_hex(body, v->expected);
    }
}

static void test_prf_vectors(void **state)
{
    struct cgo_cipher *cc = *state;
    for (unsigned i = 0; i < COUNT(cgo_prf_vectors); i++) {
        const struct cgo_prf_vector *v = &cgo_prf_vectors[i];
        uint8_t body[CELL_BODY_LEN], tag[CGO_TAG_LEN], output[CGO_KEYS_LEN];
        struct cgo_layer layer;
        layer_from(cc, &layer, true, NULL, v->keys, v->input, NULL);
        body_from(body, v->input, NULL);
        if (v->t == 0) {
            cgo_client_forward(cc, &layer, CELL_RELAY, body);
            assert_hex(body + CGO_LEFT_LEN, v->expected);
        } else {
            cgo_client_originate(cc, &layer, CELL_RELAY, body, tag);
            keys_of(&layer, output);
            memcpy(output + 64, layer.nonce, 16);
            assert_hex(output, v->expected);
        }
    }
}

static void test_uiv_vectors(void **state)
{
    struct cgo_cipher *cc = *state;
    for (unsigned i = 0; i < COUNT(cgo_uiv_vectors); i++) {
        const struct cgo_uiv_vector *v = &cgo_uiv_vectors[i];
        uint8_t tweaks[17], body[CELL_BODY_LEN];
        struct cgo_layer layer;
        unhex(v->tweaks, tweaks, sizeof(tweaks));
        layer_from(cc, &layer, !v->encrypt, v->keys, NULL, NULL, NULL);
        memcpy(layer.tag, tweaks, 16);
        body_from(body, v->x_l, v->x_r);
        if (v->encrypt)
            cgo_relay_backward(cc, &layer, tweaks[16], body);
        else
            cgo_client_forward(cc, &layer, tweaks[16], body);
        assert_hex(body, v->expected.y_l);
        assert_hex(body + CGO_LEFT_LEN, v->expected.y_r);
    }
}

static void test_update_vectors(void **state)
{
    struct cgo_cipher *cc = *state;
    for (unsigned i = 0; i < COUNT(cgo_update_vectors); i++) {
        const struct cgo_update_vector *v = &cgo_update_vectors[i];
        uint8_t body[CELL_BODY_LEN], tag[CGO_TAG_LEN], keys[64];
        struct cgo_layer layer;
        layer_from(cc, &layer, true, v->keys, NULL, v->nonce, NULL);
        body_from(body, NULL, NULL);
        cgo_client_originate(cc, &layer, CELL_RELAY, body, tag);
        keys_of(&layer, keys);
        assert_hex(keys, v->expected.keys);
        assert_hex(layer.nonce, v->expected.nonce);
    }
}

static void test_relay_vectors(void **state)
{
    struct cgo_cipher *cc = *state;
    for (unsigned i = 0; i < COUNT(cgo_relay_vectors); i++) {
        const struct cgo_relay_vector *v = &cgo_relay_vectors[i];
        uint8_t body[CELL_BODY_LEN], tag[CGO_TAG_LEN], command = command_from(v->command);
        struct cgo_layer layer;
        layer_from_state(cc, &layer, false, &v->state);
        body_from(body, v->left, v->right);
        if (v->backward)
            cgo_relay_backward(cc, &layer, command, body);
        else
            assert_false(cgo_relay_forward(cc, &layer, command, body, tag));
        assert_body(body, &v->expected.body);
        assert_state(&layer, &v->expected.state);
    }
}

static void test_relay_originate_vectors(void **state)
{
    struct cgo_cipher *cc = *state;
    for (unsigned i = 0; i < COUNT(cgo_relay_originate_vectors); i++) {
        const struct cgo_relay_originate_vector *v = &cgo_relay_originate_vectors[i];
        uint8_t body[CELL_BODY_LEN], tag[CGO_TAG_LEN];
        struct cgo_layer layer;
        layer_from_state(cc, &layer, false, &v->state);
        body_from(body, NULL, v->right);
        cgo_relay_originate(cc, &layer, command_from(v->command), body, tag);
        assert_body(body, &v->expected.body);
        assert_memory_equal(tag, body, sizeof(tag));
        assert_state(&layer, &v->expected.state);
    }
}

static void test_client_originate_vectors(void **state)
{
    struct cgo_cipher *cc = *state;
    for (unsigned i = 0; i < COUNT(cgo_client_originate_vectors); i++) {
        const struct cgo_client_originate_vector *v = &cgo_client_originate_vectors[i];
        uint8_t body[CELL_BODY_LEN], tag[CGO_TAG_LEN], command = command_from(v->command);
        struct cgo_layer layers[3];
        for (unsigned hop = 0; hop < 3; hop++)
            layer_from_state(cc, &layers[hop], true, &v->state[hop]);
        body_from(body, NULL, v->right);
        cgo_client_originate(cc, &layers[v->hop - 1], command, body, tag);
        assert_memory_equal(tag, body, sizeof(tag));
        for (int hop = v->hop - 2; hop >= 0; hop--)
            cgo_client_forward(cc, &layers[hop], command, body);
        assert_body(body, &v->expected.body);
        for (unsigned hop = 0; hop < 3; hop++)
            assert_state(&layers[hop], &v->expected.state[hop]);
    }
}

// ---- circuits

struct hop {
    struct cgo_layer relay_forward, relay_backward, client_forward, client_backward;
};

static void hop_init(struct cgo_cipher *cc, struct hop *hop)
{
    uint8_t material[CGO_MATERIAL_LEN];
    random_fill(material, sizeof(material));
    cgo_relay_layers_init(cc, &hop->relay_forward, &hop->relay_backward, material);
    cgo_client_layers_init(cc, &hop->client_forward, &hop->client_backward, material);
}

static void send_to_hop(struct cgo_cipher *cc, struct hop hops[3], int target)
{
    uint8_t command = random_u32() & 1 ? CELL_RELAY : CELL_RELAY_EARLY;
    uint8_t body[CELL_BODY_LEN], message[CELL_BODY_LEN], expected[CGO_TAG_LEN], tag[CGO_TAG_LEN];
    random_fill(message, sizeof(message));
    memcpy(body, message, sizeof(body));
    cgo_client_originate(cc, &hops[target].client_forward, command, body, expected);
    for (int i = target - 1; i >= 0; i--)
        cgo_client_forward(cc, &hops[i].client_forward, command, body);
    for (int i = 0; i < target; i++)
        assert_false(cgo_relay_forward(cc, &hops[i].relay_forward, command, body, tag));
    assert_true(cgo_relay_forward(cc, &hops[target].relay_forward, command, body, tag));
    assert_memory_equal(tag, expected, sizeof(tag));
    assert_memory_equal(body + CGO_TAG_LEN, message + CGO_TAG_LEN, CELL_BODY_LEN - CGO_TAG_LEN);
}

static void send_from_hop(struct cgo_cipher *cc, struct hop hops[3], int origin)
{
    uint8_t body[CELL_BODY_LEN], message[CELL_BODY_LEN], expected[CGO_TAG_LEN], tag[CGO_TAG_LEN];
    random_fill(message, sizeof(message));
    memcpy(body, message, sizeof(body));
    cgo_relay_originate(cc, &hops[origin].relay_backward, CELL_RELAY, body, expected);
    for (int i = origin - 1; i >= 0; i--)
        cgo_relay_backward(cc, &hops[i].relay_backward, CELL_RELAY, body);
    for (int i = 0; i < origin; i++)
        assert_false(cgo_client_backward(cc, &hops[i].client_backward, CELL_RELAY, body, tag));
    assert_true(cgo_client_backward(cc, &hops[origin].client_backward, CELL_RELAY, body, tag));
    assert_memory_equal(tag, expected, sizeof(tag));
    assert_memory_equal(body + CGO_TAG_LEN, message + CGO_TAG_LEN, CELL_BODY_LEN - CGO_TAG_LEN);
}

static void test_three_hops(void **state)
{
    struct hop hops[3];
    for (unsigned i = 0; i < 3; i++)
        hop_init(*state, &hops[i]);
    for (unsigned trial = 0; trial < 200; trial++) {
        if (random_u32() & 1)
            send_to_hop(*state, hops, random_u32() % 3);
        else
            send_from_hop(*state, hops, random_u32() % 3);
    }
}

// A cell that was touched is not recognised, and none after it is.
static void test_any_change_ends_the_direction(void **state)
{
    struct cgo_cipher *cc = *state;
    for (unsigned trial = 0; trial < 120; trial++) {
        uint8_t first[CELL_BODY_LEN] = {0}, second[CELL_BODY_LEN] = {0}, tag[CGO_TAG_LEN];
        uint8_t command = CELL_RELAY;
        struct hop hop;
        hop_init(cc, &hop);
        cgo_client_originate(cc, &hop.client_forward, CELL_RELAY, first, tag);
        cgo_client_originate(cc, &hop.client_forward, CELL_RELAY, second, tag);
        if (trial == 0)
            command = CELL_RELAY_EARLY;
        else if (trial < 20)
            first[CELL_BODY_LEN - trial] ^= (uint8_t)(1 << trial % 8);
        else
            first[random_u32() % CELL_BODY_LEN] ^= (uint8_t)(1 << random_u32() % 8);
        assert_false(cgo_relay_forward(cc, &hop.relay_forward, command, first, tag));
        assert_false(cgo_relay_forward(cc, &hop.relay_forward, CELL_RELAY, second, tag));
    }
}

// ---- batches, against the portable implementation one by one

enum { CIRCUITS = 40, FEW = 7, BATCH = 70, ROUNDS = 160 };

struct cell {
    struct cgo_job one, batched; // the same, for the two worlds
    uint8_t *src, *dst;          // of the batched job; each its own allocation of exact size
    uint8_t body[CELL_BODY_LEN]; // of the other
    bool marked;                 // began or ends at this hop
};

struct worlds {
    struct cgo_cipher *portable, *tested;
    struct hop portable_hops[CIRCUITS], tested_hops[CIRCUITS];
};

static void worlds_init(struct worlds *w, struct cgo_cipher *tested)
{
    w->portable = cgo_cipher_create_choice(&cgo_portable);
    w->tested = tested;
    assert_non_null(w->portable);
    for (unsigned i = 0; i < CIRCUITS; i++) {
        uint64_t before = random_state;
        hop_init(w->portable, &w->portable_hops[i]);
        random_state = before;
        hop_init(w->tested, &w->tested_hops[i]);
    }
}

static void assert_same_layer(const struct cgo_layer *a, const struct cgo_layer *b)
{
    uint8_t keys_a[64], keys_b[64];
    keys_of(a, keys_a);
    keys_of(b, keys_b);
    assert_memory_equal(keys_a, keys_b, sizeof(keys_a));
    assert_memory_equal(a->nonce, b->nonce, sizeof(a->nonce));
    assert_memory_equal(a->tag, b->tag, sizeof(a->tag));
    assert_memory_equal(a->ku_32, b->ku_32, sizeof(a->ku_32));
}

static struct cgo_layer *layer_of(struct hop *hop, enum cgo_operation operation)
{
    switch (operation) {
    case CGO_RELAY_FORWARD:
        return &hop->relay_forward;
    case CGO_RELAY_BACKWARD:
    case CGO_RELAY_ORIGINATE:
        return &hop->relay_backward;
    case CGO_CLIENT_FORWARD:
    case CGO_CLIENT_ORIGINATE:
        return &hop->client_forward;
    case CGO_CLIENT_BACKWARD:
        return &hop->client_backward;
    }
    return NULL;
}

// A cell that something on circuit c does `operation` to.
static void cell_init(struct worlds *w, struct cell *cell, unsigned c, enum cgo_operation operation,
                      uint8_t command, const uint8_t body[CELL_BODY_LEN])
{
    memcpy(cell->body, body, CELL_BODY_LEN);
    cell->src = exact_copy(body, CELL_BODY_LEN);
    cell->dst = random_u32() & 1 ? malloc(CELL_BODY_LEN) : cell->src;
    cell->one = (struct cgo_job){.layer = layer_of(&w->portable_hops[c], operation),
                                 .src = cell->body,
                                 .dst = cell->body,
                                 .operation = operation,
                                 .command = command};
    cell->batched = cell->one;
    cell->batched.layer = layer_of(&w->tested_hops[c], operation);
    cell->batched.src = cell->src;
    cell->batched.dst = cell->dst;
    cell->batched.recognised = random_u32() & 1;
}

static void cells_done(struct cell *cells, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (cells[i].dst != cells[i].src)
            free(cells[i].dst);
        free(cells[i].src);
    }
}

static void run_both(struct worlds *w, struct cell *cells, unsigned n)
{
    struct cgo_job jobs[BATCH];
    for (unsigned i = 0; i < n; i++) {
        jobs[i] = cells[i].batched;
        cgo_run(w->portable, &cells[i].one, 1);
    }
    cgo_run(w->tested, jobs, n);
    for (unsigned i = 0; i < n; i++) {
        const struct cgo_job *one = &cells[i].one, *batched = &jobs[i];
        assert_memory_equal(batched->dst, one->dst, CELL_BODY_LEN);
        assert_int_equal(batched->recognised, one->recognised);
        bool originated =
            one->operation == CGO_CLIENT_ORIGINATE || one->operation == CGO_RELAY_ORIGINATE;
        if (one->recognised || originated)
            assert_memory_equal(batched->tag, one->tag, CGO_TAG_LEN);
    }
    for (unsigned c = 0; c < CIRCUITS; c++) {
        struct hop *a = &w->portable_hops[c], *b = &w->tested_hops[c];
        assert_same_layer(&a->relay_forward, &b->relay_forward);
        assert_same_layer(&a->relay_backward, &b->relay_backward);
        assert_same_layer(&a->client_forward, &b->client_forward);
        assert_same_layer(&a->client_backward, &b->client_backward);
    }
}

// What a cell was when it began: the hop's own, or another's.
static enum cgo_operation beginning(bool from_client, bool marked)
{
    if (from_client)
        return marked ? CGO_CLIENT_ORIGINATE : CGO_CLIENT_FORWARD;
    return marked ? CGO_RELAY_ORIGINATE : CGO_RELAY_BACKWARD;
}

static void test_batches(void **state)
{
    struct worlds *w = calloc(1, sizeof(*w));
    struct cell *sent = calloc(BATCH, sizeof(*sent)), *received = calloc(BATCH, sizeof(*received));
    worlds_init(w, *state);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned n = 1 + random_u32() % BATCH;
        // From a single circuit with one kind of cell to all of everything.
        unsigned circuits = round % (FEW + 1) == FEW ? CIRCUITS : 1 + round % (FEW + 1);
        unsigned kinds = round / (FEW + 1) % 4;
        uint32_t mixed = random_u32() & 7;
        for (unsigned i = 0; i < n; i++) {
            uint8_t body[CELL_BODY_LEN];
            bool from_client = mixed & 1 ? random_u32() & 1 : mixed & 2;
            unsigned c = mixed & 4 ? i % circuits : random_u32() % circuits;
            sent[i].marked = kinds > 1 ? random_u32() & 1 : kinds;
            random_fill(body, sizeof(body));
            cell_init(w, &sent[i], c, beginning(from_client, sent[i].marked),
                      random_u32() & 1 ? CELL_RELAY : CELL_RELAY_EARLY, body);
        }
        run_both(w, sent, n);
        for (unsigned i = 0; i < n; i++) {
            const struct cgo_job *job = &sent[i].one;
            bool from_client = job->operation >= CGO_CLIENT_FORWARD;
            unsigned c = (unsigned)(((const uint8_t *)job->layer - (uint8_t *)w->portable_hops) /
                                    sizeof(struct hop));
            cell_init(w, &received[i], c, from_client ? CGO_RELAY_FORWARD : CGO_CLIENT_BACKWARD,
                      job->command, sent[i].body);
        }
        run_both(w, received, n);
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(received[i].one.recognised, sent[i].marked);
        cells_done(sent, n);
        cells_done(received, n);
    }
    cgo_cipher_destroy(w->portable);
    free(sent);
    free(received);
    free(w);
}

// ---- secrets

static void test_update_leaves_nothing_of_the_old_keys(void **state)
{
    struct cgo_cipher *cc = *state;
    struct hop hop;
    uint8_t body[CELL_BODY_LEN] = {0}, tag[CGO_TAG_LEN];
    hop_init(cc, &hop);
    struct cgo_layer before[] = {hop.client_forward, hop.relay_forward};
    cgo_client_originate(cc, &hop.client_forward, CELL_RELAY, body, tag);
    assert_true(cgo_relay_forward(cc, &hop.relay_forward, CELL_RELAY, body, tag));
    const struct cgo_layer *after[] = {&hop.client_forward, &hop.relay_forward};
    static const uint8_t zeros[16];
    // All but T', which in the forward direction is the old nonce.
    size_t secrets = offsetof(struct cgo_layer, tag);
    for (unsigned l = 0; l < 2; l++) {
        for (size_t at = 0; at < secrets; at += 16) {
            const uint8_t *old = (const uint8_t *)&before[l] + at;
            if (memcmp(old, zeros, 16) != 0)
                assert_null(memmem(after[l], secrets, old, 16));
        }
    }
}

// Nor does any run leave keys behind in the cipher.
static void test_cipher_keeps_no_keys(void **state)
{
    struct cgo_cipher *cc = *state;
    static const uint8_t zeros[sizeof(cc->scratch)];
    enum { JOBS = 9 };
    static uint8_t bodies[JOBS][CELL_BODY_LEN];
    struct hop hops[JOBS];
    struct cgo_job jobs[JOBS];
    for (unsigned operation = CGO_RELAY_FORWARD; operation <= CGO_CLIENT_BACKWARD; operation++) {
        for (unsigned i = 0; i < JOBS; i++) {
            hop_init(cc, &hops[i]);
            jobs[i] = (struct cgo_job){.layer = layer_of(&hops[i], operation),
                                       .src = bodies[i],
                                       .dst = bodies[i],
                                       .operation = operation,
                                       .command = CELL_RELAY};
        }
        cgo_run(cc, jobs, JOBS);
        assert_memory_equal(cc->scratch, zeros, sizeof(zeros));
    }
}

static void test_clear_wipes(void **state)
{
    struct hop hop;
    static const uint8_t zeros[sizeof(struct cgo_layer)];
    hop_init(*state, &hop);
    cgo_layer_clear(&hop.relay_forward);
    assert_memory_equal(&hop.relay_forward, zeros, sizeof(zeros));
}

static void test_choice(void **state)
{
    const struct cgo_implementation *order[] = {&cgo_vaes512, &cgo_vaes256, &cgo_aesni,
                                                &cgo_portable};
    (void)state;
    struct cgo_cipher *cc = cgo_cipher_create();
    assert_non_null(cc);
    unsigned best = 0;
    while (!order[best]->usable())
        best++;
    assert_string_equal(cgo_cipher_implementation(cc), order[best]->name);
    cgo_cipher_destroy(cc);
}

static int teardown(void **state)
{
    cgo_cipher_destroy(*state);
    return 0;
}

#define SETUP(name)                                                                                \
    static int setup_##name(void **state)                                                          \
    {                                                                                              \
        *state = cgo_cipher_create_choice(&cgo_##name);                                            \
        return *state ? 0 : -1;                                                                    \
    }
SETUP(portable)
SETUP(aesni)
SETUP(vaes256)
SETUP(vaes512)
extern const struct cgo_implementation cgo_emulated;
SETUP(emulated)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_et_vectors),
        cmocka_unit_test(test_prf_vectors),
        cmocka_unit_test(test_uiv_vectors),
        cmocka_unit_test(test_update_vectors),
        cmocka_unit_test(test_relay_vectors),
        cmocka_unit_test(test_relay_originate_vectors),
        cmocka_unit_test(test_client_originate_vectors),
        cmocka_unit_test(test_three_hops),
        cmocka_unit_test(test_any_change_ends_the_direction),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_update_leaves_nothing_of_the_old_keys),
        cmocka_unit_test(test_cipher_keeps_no_keys),
        cmocka_unit_test(test_clear_wipes),
    };
    const struct CMUnitTest choice[] = {cmocka_unit_test(test_choice)};
    int failed = cmocka_run_group_tests_name("choice", choice, NULL, NULL);
    failed += cmocka_run_group_tests_name("portable", tests, setup_portable, teardown);
    if (cgo_aesni.usable())
        failed += cmocka_run_group_tests_name("aesni", tests, setup_aesni, teardown);
    if (cgo_vaes256.usable())
        failed += cmocka_run_group_tests_name("vaes256", tests, setup_vaes256, teardown);
    if (cgo_vaes512.usable())
        failed += cmocka_run_group_tests_name("vaes512", tests, setup_vaes512, teardown);
    if (cgo_emulated.usable())
        failed += cmocka_run_group_tests_name("vaes512 emulated", tests, setup_emulated, teardown);
    return failed;
}
