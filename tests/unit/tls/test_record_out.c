// SPDX-License-Identifier: BSD-3-Clause
// Sealing records: byte for byte what OpenSSL makes of the same input, and TCP without memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake_tcp.h"
#include "peer.h"
#include "tls/record_in.h"
#include "tls/record_out.h"

enum { SPANS_MAX = 64 };

struct fixture {
    struct tls_out out;
    struct tls_in in;
    struct tls_worker worker;
    struct counters counters;
    struct record_aead *aead;
    struct tcp_conn conn;
    struct peer peer;
    uint8_t content[TLS_PLAINTEXT_MAX + 1], record[TLS_STAGING_LEN + 64];
    uint8_t staging[TLS_STAGING_LEN];
};

static const uint16_t suites[] = {TLS_AES_128_GCM_SHA256_ID, TLS_AES_256_GCM_SHA384_ID,
                                  TLS_CHACHA20_POLY1305_SHA256_ID};

static void start(struct fixture *f, uint16_t suite)
{
    fake_tcp_reset(&f->conn);
    f->conn.reserve_fails = false;
    f->conn.spans_left = SIZE_MAX;
    f->conn.out_span_bytes = 1448;
    f->peer.keys = random_keys(suite);
    memset(&f->counters, 0, sizeof(f->counters));
    assert_true(tls_out_init(&f->out, &f->worker, &f->peer.keys));
}

// Cuts the content into spans, each a heap object of its own; some are empty.
static unsigned scatter(struct tls_span *spans, const uint8_t *content, size_t length, size_t most)
{
    unsigned n = 0;
    while (length && n < SPANS_MAX - 1) {
        size_t take = random_below((uint32_t)most + 1);
        if (take > length)
            take = length;
        uint8_t *copy = malloc(take + 1);
        memcpy(copy, content, take);
        spans[n++] = (struct tls_span){copy, take};
        content += take;
        length -= take;
    }
    uint8_t *copy = malloc(length + 1);
    memcpy(copy, content, length);
    spans[n++] = (struct tls_span){copy, length};
    return n;
}

static void free_spans(struct tls_span *spans, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        free((void *)(uintptr_t)spans[i].bytes);
}

static size_t pick_length(unsigned i)
{
    static const uint16_t edges[] = {0, 1, 2, 15, 16, 17, 514, 31 * 514, 16383, 16384};
    if (i < sizeof(edges) / sizeof(edges[0]))
        return edges[i];
    return i % 5 ? random_below(1500) : random_below(TLS_PLAINTEXT_MAX + 1);
}

static void test_against_openssl(void **state)
{
    struct fixture *f = *state;
    static const size_t segments[] = {0, 1, 3, 16, 61, 536, 1448, 8948};
    static const size_t span_max[] = {5, 514, 700, 20000};
    struct tls_span spans[SPANS_MAX];
    for (unsigned s = 0; s < 3; s++) {
        start(f, suites[s]);
        for (unsigned i = 0; i < 1500; i++) {
            static const uint8_t types[] = {23, 23, 22, 21};
            uint8_t type = types[i % 4];
            size_t length = pick_length(i);
            f->conn.out_span_bytes = segments[i % 8];
            random_fill(f->content, length);
            unsigned n = scatter(spans, f->content, length, span_max[i % 4]);
            size_t before = f->conn.out_length;
            assert_int_equal(tls_out_seal(&f->out, &f->worker, &f->conn, type, spans, n), 0);
            free_spans(spans, n);
            size_t expected = peer_seal(&f->peer, f->record, type, f->content, length, 0);
            assert_int_equal(expected, length + TLS_RECORD_OVERHEAD);
            assert_int_equal(f->conn.out_length - before, expected);
            assert_memory_equal(f->conn.out + before, f->record, expected);
            if (f->conn.out_length > 100000)
                f->conn.out_length = 0;
        }
        assert_int_equal(f->counters.tls_records_out, 1500);
    }
}

// A link's usual record: 31 cells, each in a buffer of its own; opened again by our other half.
static void test_cells_round_trip(void **state)
{
    struct fixture *f = *state;
    enum { CELLS = 31, CELL = 514 };
    static uint8_t cells[CELLS][600];
    struct tls_span spans[CELLS];
    for (unsigned s = 0; s < 3; s++) {
        start(f, suites[s]);
        struct tls_keys keys = f->peer.keys;
        assert_true(tls_in_init(&f->in, &f->worker, &keys));
        for (unsigned round = 0; round < 50; round++) {
            unsigned n = 1 + random_below(CELLS);
            for (unsigned i = 0; i < n; i++) {
                random_fill(cells[i] + 11, CELL);
                spans[i] = (struct tls_span){cells[i] + 11, CELL};
            }
            assert_int_equal(
                tls_out_seal(&f->out, &f->worker, &f->conn, TLS_CONTENT_APPLICATION_DATA, spans, n),
                0);
            fake_tcp_arrive(&f->conn, f->conn.out, f->conn.out_length);
            f->conn.out_length = 0;
            struct tls_in_event event;
            assert_int_equal(tls_in_next(&f->in, &f->worker, &f->conn, f->staging, &event),
                             TLS_IN_DATA);
            assert_int_equal(event.length, n * CELL);
            for (unsigned i = 0; i < n; i++)
                assert_memory_equal(f->staging + i * CELL, spans[i].bytes, CELL);
        }
    }
}

static int seal_bytes(struct fixture *f, const void *bytes, size_t length)
{
    struct tls_span span = {bytes, length};
    return tls_out_seal(&f->out, &f->worker, &f->conn, TLS_CONTENT_APPLICATION_DATA, &span, 1);
}

static void test_too_long(void **state)
{
    struct fixture *f = *state;
    start(f, suites[0]);
    assert_int_equal(seal_bytes(f, f->content, TLS_PLAINTEXT_MAX + 1), -EMSGSIZE);
    assert_int_equal(f->conn.out_length, 0);
    assert_int_equal(f->out.key.sequence, 0);
    assert_int_equal(seal_bytes(f, f->content, TLS_PLAINTEXT_MAX), 0);
}

// Without memory nothing is written and no sequence number is spent: the record can go later.
static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    start(f, suites[1]);
    f->conn.reserve_fails = true;
    assert_int_equal(seal_bytes(f, f->content, 3000), -ENOBUFS);
    assert_int_equal(f->conn.out_length, 0);
    assert_int_equal(f->counters.tls_records_out, 0);
    f->conn.reserve_fails = false;
    assert_int_equal(seal_bytes(f, f->content, 3000), 0);
    size_t n = peer_seal(&f->peer, f->record, 23, f->content, 3000, 0);
    assert_int_equal(f->conn.out_length, n);
    assert_memory_equal(f->conn.out, f->record, n);
}

// A reserve that was no reserve breaks the stream for good, and says so.
static void test_broken_midway(void **state)
{
    struct fixture *f = *state;
    start(f, suites[0]);
    f->conn.spans_left = 1;
    assert_int_equal(seal_bytes(f, f->content, 3000), -EPIPE);
    f->conn.spans_left = SIZE_MAX;
    assert_int_equal(seal_bytes(f, f->content, 10), -EPIPE);
    assert_int_equal(tls_out_alert(&f->out, &f->worker, &f->conn, 0), -EPIPE);
    assert_int_equal(f->counters.tls_records_out, 0);
    assert_int_equal(f->counters.tls_alerts_out, 0);
}

static void test_alerts(void **state)
{
    struct fixture *f = *state;
    static const uint8_t alerts[][2] = {{1, 0}, {1, 90}, {2, 10}, {2, 20}, {2, 80}};
    start(f, suites[2]);
    for (unsigned i = 0; i < 5; i++) {
        f->conn.out_length = 0;
        assert_int_equal(tls_out_alert(&f->out, &f->worker, &f->conn, alerts[i][1]), 0);
        size_t n = peer_seal(&f->peer, f->record, 21, alerts[i], 2, 0);
        assert_int_equal(f->conn.out_length, n);
        assert_memory_equal(f->conn.out, f->record, n);
    }
    assert_int_equal(f->counters.tls_alerts_out, 5);
}

static void test_rekey(void **state)
{
    struct fixture *f = *state;
    start(f, suites[0]);
    struct tls_keys none = {.cipher = TLS_CIPHER_NONE}, bad = {.cipher = 1};
    assert_int_equal(seal_bytes(f, "old", 3), 0);
    assert_true(tls_out_rekey(&f->out, &f->worker, &none));
    assert_int_equal(f->out.key.sequence, 1);
    f->peer.keys = random_keys(suites[1]);
    assert_true(tls_out_rekey(&f->out, &f->worker, &f->peer.keys));
    f->conn.out_length = 0;
    assert_int_equal(seal_bytes(f, "new", 3), 0);
    size_t n = peer_seal(&f->peer, f->record, 23, "new", 3, 0);
    assert_memory_equal(f->conn.out, f->record, n);

    assert_false(tls_out_key_is_old(&f->out));
    f->out.key.sequence = 1 << 24;
    assert_true(tls_out_key_is_old(&f->out));

    assert_false(tls_out_init(&f->out, &f->worker, &bad));
    assert_int_equal(seal_bytes(f, "x", 1), -EPIPE); // never without a key
    start(f, suites[0]);
    tls_out_clear(&f->out);
    const uint8_t *bytes = (const uint8_t *)&f->out;
    for (size_t i = 0; i < sizeof(f->out); i++)
        assert_int_equal(bytes[i], 0);
}

static int setup(void **state)
{
    struct fixture *f = aligned_alloc(64, (sizeof(*f) + 63) / 64 * 64);
    memset(f, 0, sizeof(*f));
    f->aead = record_aead_create();
    f->worker = (struct tls_worker){f->aead, &f->counters};
    fake_tcp_init(&f->conn);
    *state = f;
    return f->aead ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fake_tcp_free(&f->conn);
    record_aead_destroy(f->aead);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_openssl), cmocka_unit_test(test_cells_round_trip),
        cmocka_unit_test(test_too_long),        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_broken_midway),   cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_rekey),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
