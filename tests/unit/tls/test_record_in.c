// SPDX-License-Identifier: BSD-3-Clause
// Opening records: against OpenSSL on random input, and what a peer may do wrong (RFC 8446, 5).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "fake_tcp.h"
#include "peer.h"
#include "tls/record_in.h"

struct fixture {
    struct tls_in in;
    struct tls_worker worker;
    struct counters counters;
    struct record_aead *aead;
    struct tcp_conn conn;
    struct peer peer;
    struct tls_in_event event;
    uint8_t staging[TLS_STAGING_LEN];
    uint8_t record[TLS_STAGING_LEN + 64], content[TLS_STAGING_LEN];
};

static const uint16_t suites[] = {TLS_AES_128_GCM_SHA256_ID, TLS_AES_256_GCM_SHA384_ID,
                                  TLS_CHACHA20_POLY1305_SHA256_ID};

static void start(struct fixture *f, uint16_t suite)
{
    fake_tcp_reset(&f->conn);
    f->conn.in_span_bytes = 1448;
    f->peer.keys = random_keys(suite);
    memset(&f->counters, 0, sizeof(f->counters));
    assert_true(tls_in_init(&f->in, &f->worker, &f->peer.keys));
}

static enum tls_in_result next(struct fixture *f)
{
    return tls_in_next(&f->in, &f->worker, &f->conn, f->staging, &f->event);
}

static void arrive(struct fixture *f, uint8_t type, const void *content, size_t length,
                   size_t padding)
{
    size_t n = peer_seal(&f->peer, f->record, type, content, length, padding);
    fake_tcp_arrive(&f->conn, f->record, n);
}

static void arrive_inner(struct fixture *f, const void *inner, size_t length)
{
    size_t n = peer_seal_inner(&f->peer, f->record, inner, length);
    fake_tcp_arrive(&f->conn, f->record, n);
}

static void arrive_header(struct fixture *f, uint8_t type, size_t length)
{
    uint8_t header[5] = {type, 3, 3, (uint8_t)(length >> 8), (uint8_t)length};
    fake_tcp_arrive(&f->conn, header, sizeof(header));
}

#define assert_error(f, wanted)                                                                    \
    do {                                                                                           \
        assert_int_equal(next(f), TLS_IN_ERROR);                                                   \
        assert_int_equal((f)->event.alert, (wanted));                                              \
        assert_int_equal((f)->counters.drop_tls_bad_record, (wanted) == 20);                       \
        assert_int_equal((f)->counters.drop_tls_malformed, (wanted) != 20);                        \
    } while (0)

static size_t pick_length(unsigned i)
{
    static const uint16_t edges[] = {1, 2, 15, 16, 17, 31, 514, 4096, 16383, 16384};
    if (i < sizeof(edges) / sizeof(edges[0]))
        return edges[i];
    return i % 5 ? 1 + random_below(1500) : 1 + random_below(TLS_PLAINTEXT_MAX);
}

static void test_against_openssl(void **state)
{
    struct fixture *f = *state;
    static const size_t spans[] = {0, 1, 3, 16, 61, 536, 1448, 8948};
    for (unsigned s = 0; s < 3; s++) {
        start(f, suites[s]);
        uint64_t records = 0;
        for (unsigned i = 0; i < 1500; i++) {
            size_t length = pick_length(i);
            size_t padding = i % 3 ? 0 : random_below((uint32_t)(TLS_PLAINTEXT_MAX - length + 1));
            f->conn.in_span_bytes = spans[i % 8];
            random_fill(f->content, length);
            if (i % 10 == 0) { // an empty record before it is passed over
                arrive(f, 23, NULL, 0, random_below(100));
                records++;
            }
            arrive(f, 23, f->content, length, padding);
            records++;
            assert_int_equal(next(f), TLS_IN_DATA);
            assert_int_equal(f->event.length, length);
            assert_memory_equal(f->staging, f->content, length);
            assert_int_equal(next(f), TLS_IN_NEED_MORE);
            fake_tcp_reset(&f->conn);
        }
        assert_int_equal(f->counters.tls_records_in, records);
    }
}

// Two records whose bytes come one at a time: nothing happens before a record is whole.
static void test_byte_by_byte(void **state)
{
    struct fixture *f = *state;
    start(f, suites[1]);
    for (unsigned i = 0; i < 2; i++) {
        size_t n = peer_seal(&f->peer, f->record, 23, "hello", 5, i);
        for (size_t b = 0; b < n; b++) {
            assert_int_equal(next(f), TLS_IN_NEED_MORE);
            fake_tcp_arrive(&f->conn, f->record + b, 1);
        }
        assert_int_equal(next(f), TLS_IN_DATA);
        assert_memory_equal(f->staging, "hello", 5);
    }
}

static void test_bad_tag(void **state)
{
    struct fixture *f = *state;
    for (unsigned s = 0; s < 3; s++) {
        for (unsigned i = 0; i < 400; i++) {
            start(f, suites[s]);
            size_t length = random_below(600);
            random_fill(f->content, length);
            size_t n = peer_seal(&f->peer, f->record, 23, f->content, length, 0);
            // Not the outer type or length: those are wrong in other ways. The version is
            // authenticated, though it means nothing.
            size_t at = i % 20 == 0 ? 1 + random_below(2) : 5 + random_below((uint32_t)n - 5);
            f->record[at] ^= (uint8_t)(1 << random_below(8));
            fake_tcp_arrive(&f->conn, f->record, n);
            assert_error(f, 20);
        }
    }
    // A record left out.
    start(f, suites[0]);
    f->peer.keys.sequence = 1;
    arrive(f, 23, "x", 1, 0);
    assert_error(f, 20);
}

static void test_lengths(void **state)
{
    struct fixture *f = *state;
    memset(f->content, 'x', sizeof(f->content));
    start(f, suites[0]);
    arrive_header(f, 23, TLS_CIPHERTEXT_MAX + 1); // known by the header alone
    assert_error(f, 22);
    start(f, suites[0]);
    arrive_header(f, 23, 65535);
    assert_error(f, 22);
    start(f, suites[0]);
    arrive_header(f, 23, 15); // no room for a tag
    assert_error(f, 20);
    start(f, suites[0]);
    arrive_header(f, 23, 0);
    assert_error(f, 20);

    // The whole inner plaintext may have 2^14 + 1 bytes, whatever of it is padding.
    start(f, suites[0]);
    arrive(f, 23, f->content, TLS_PLAINTEXT_MAX, 0);
    assert_int_equal(next(f), TLS_IN_DATA);
    assert_int_equal(f->event.length, TLS_PLAINTEXT_MAX);
    arrive(f, 23, f->content, 1, TLS_PLAINTEXT_MAX - 1);
    assert_int_equal(next(f), TLS_IN_DATA);
    assert_int_equal(f->event.length, 1);
    arrive(f, 23, f->content, TLS_PLAINTEXT_MAX + 1, 0);
    assert_error(f, 22);
    start(f, suites[0]);
    arrive(f, 23, f->content, TLS_PLAINTEXT_MAX, 1);
    assert_error(f, 22);
    // As long as the header may say.
    start(f, suites[0]);
    arrive(f, 23, f->content, 10, TLS_CIPHERTEXT_MAX - 16 - 11);
    assert_error(f, 22);
}

static void test_wrong_types(void **state)
{
    struct fixture *f = *state;
    for (unsigned type = 0; type < 256; type++) {
        if (type == 20 || type == 23)
            continue;
        start(f, suites[0]);
        arrive_header(f, (uint8_t)type, 2); // alerts and handshake messages unprotected, and others
        fake_tcp_arrive(&f->conn, "\1\0", 2);
        assert_error(f, 10);
    }
    for (unsigned type = 0; type < 256; type++) {
        if (type >= 21 && type <= 23)
            continue;
        start(f, suites[0]);
        arrive(f, (uint8_t)type, "\1", type == 0 ? 0 : 1, 3);
        assert_error(f, 10);
    }
    start(f, suites[0]); // an empty inner plaintext, without even a type
    arrive_inner(f, "", 0);
    assert_error(f, 10);
}

static void test_change_cipher_spec(void **state)
{
    struct fixture *f = *state;
    start(f, suites[0]);
    for (unsigned i = 0; i < TLS_CHANGE_CIPHER_SPEC_MAX; i++) {
        arrive_header(f, 20, 1);
        fake_tcp_arrive(&f->conn, "\1", 1);
    }
    arrive(f, 23, "x", 1, 0);
    assert_int_equal(next(f), TLS_IN_DATA);
    arrive_header(f, 20, 1); // after data
    assert_int_equal(next(f), TLS_IN_NEED_MORE);
    fake_tcp_arrive(&f->conn, "\1", 1);
    assert_error(f, 10);

    start(f, suites[0]);
    for (unsigned i = 0; i <= TLS_CHANGE_CIPHER_SPEC_MAX; i++) {
        arrive_header(f, 20, 1);
        fake_tcp_arrive(&f->conn, "\1", 1);
    }
    assert_error(f, 10);
    start(f, suites[0]);
    arrive_header(f, 20, 1);
    fake_tcp_arrive(&f->conn, "\2", 1);
    assert_error(f, 10);
    start(f, suites[0]);
    arrive_header(f, 20, 2);
    assert_error(f, 10);
}

static void test_alerts(void **state)
{
    struct fixture *f = *state;
    start(f, suites[2]);
    arrive(f, 21, "\1\0", 2, 0);
    arrive(f, 21, "\2\24", 2, 50);
    assert_int_equal(next(f), TLS_IN_ALERT);
    assert_int_equal(f->event.alert_level, 1);
    assert_int_equal(f->event.alert, TLS_ALERT_CLOSE_NOTIFY);
    assert_int_equal(next(f), TLS_IN_ALERT);
    assert_int_equal(f->event.alert_level, 2);
    assert_int_equal(f->event.alert, TLS_ALERT_BAD_RECORD_MAC);
    assert_int_equal(f->counters.tls_alerts_in, 2);
    start(f, suites[2]);
    arrive(f, 21, "\1", 1, 0);
    assert_error(f, 50);
    start(f, suites[2]);
    arrive(f, 21, "\1\0\1\0", 4, 0);
    assert_error(f, 50);
    start(f, suites[2]);
    arrive(f, 21, "", 0, 0);
    assert_error(f, 10);
}

static void test_empty_records(void **state)
{
    struct fixture *f = *state;
    start(f, suites[0]);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < TLS_EMPTY_RECORDS_MAX; i++)
            arrive(f, 23, "", 0, i);
        assert_int_equal(next(f), TLS_IN_NEED_MORE);
        arrive(f, 23, "x", 1, 0);
        assert_int_equal(next(f), TLS_IN_DATA);
    }
    for (unsigned i = 0; i <= TLS_EMPTY_RECORDS_MAX; i++)
        arrive(f, 23, "", 0, 0);
    assert_error(f, 10);
}

// A NewSessionTicket of `length` bytes with its header; returns the whole length.
static size_t make_ticket(uint8_t *out, size_t length)
{
    const uint8_t header[] = {4, (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length};
    memcpy(out, header, sizeof(header));
    random_fill(out + sizeof(header), length);
    return sizeof(header) + length;
}

static void test_tickets(void **state)
{
    struct fixture *f = *state;
    start(f, suites[1]);
    // Three in a record, and a fourth begun; its rest comes in pieces of all sizes.
    size_t n = 0;
    for (unsigned i = 0; i < 4; i++)
        n += make_ticket(f->content + n, 200);
    size_t at = 3 * 204 + 2;
    arrive(f, 22, f->content, at, 0);
    for (size_t piece = 1; at < n; piece++) {
        size_t take = piece < n - at ? piece : n - at;
        arrive(f, 22, f->content + at, take, piece);
        at += take;
    }
    arrive(f, 23, "x", 1, 0);
    assert_int_equal(next(f), TLS_IN_DATA);
    assert_memory_equal(f->staging, "x", 1);
    assert_int_equal(f->counters.tls_tickets_ignored, 4);

    // Data between the pieces.
    for (unsigned cut = 1; cut < 204; cut += 25) {
        start(f, suites[1]);
        arrive(f, 22, f->content, cut, 0);
        arrive(f, 23, "x", 1, 0);
        assert_error(f, 10);
    }
    // Too many in a row; too large; too small; an empty piece.
    start(f, suites[1]);
    for (unsigned i = 0; i <= TLS_TICKETS_MAX; i++)
        arrive(f, 22, f->content, 204, 0);
    assert_error(f, 10);
    assert_int_equal(f->counters.tls_tickets_ignored, TLS_TICKETS_MAX);
    start(f, suites[1]);
    arrive(f, 22, "\4\0\100\1", 4, 0);
    assert_error(f, 50);
    start(f, suites[1]);
    arrive(f, 22, "\4\0\0\15", 4, 0);
    assert_error(f, 50);
    start(f, suites[1]);
    arrive(f, 22, "", 0, 0);
    assert_error(f, 10);
}

static void test_other_handshake_messages(void **state)
{
    struct fixture *f = *state;
    for (unsigned type = 0; type < 256; type++) {
        if (type == 4 || type == 24)
            continue;
        uint8_t message[] = {(uint8_t)type, 0, 0, 1, 0};
        start(f, suites[0]);
        arrive(f, 22, message, sizeof(message), 0);
        assert_error(f, 10);
    }
}

static void test_key_update(void **state)
{
    struct fixture *f = *state;
    for (unsigned s = 0; s < 3; s++) {
        start(f, suites[s]);
        // A ticket before it in the record, and the message itself over two records.
        size_t n = make_ticket(f->content, 30);
        memcpy(f->content + n, "\30\0\0\1\1", 5);
        arrive(f, 22, f->content, n + 2, 0);
        arrive(f, 22, f->content + n + 2, 3, 9);
        assert_int_equal(next(f), TLS_IN_KEY_UPDATE);
        assert_memory_equal(f->event.handshake, "\30\0\0\1\1", 5);

        // What follows waits for the new key.
        struct tls_keys none = {.cipher = TLS_CIPHER_NONE};
        f->peer.keys = random_keys(suites[(s + 1) % 3]);
        struct tls_keys keys = f->peer.keys;
        arrive(f, 23, "new", 3, 0);
        assert_int_equal(next(f), TLS_IN_AWAITS_KEY);
        assert_true(tls_in_rekey(&f->in, &f->worker, &none));
        assert_int_equal(next(f), TLS_IN_AWAITS_KEY);
        assert_true(tls_in_rekey(&f->in, &f->worker, &keys));
        assert_int_equal(next(f), TLS_IN_DATA);
        assert_memory_equal(f->staging, "new", 3);
    }
}

static void test_key_update_malformed(void **state)
{
    struct fixture *f = *state;
    start(f, suites[0]);
    arrive(f, 22, "\30\0\0\1\2", 5, 0);
    assert_error(f, 47);
    start(f, suites[0]);
    arrive(f, 22, "\30\0\0\2\0\0", 6, 0);
    assert_error(f, 50);
    start(f, suites[0]);
    arrive(f, 22, "\30\0\0\0", 4, 0);
    assert_error(f, 50);
    start(f, suites[0]); // a key change ends its record
    arrive(f, 22, "\30\0\0\1\0\30\0\0\1\0", 10, 0);
    assert_error(f, 10);
    start(f, suites[0]); // data between its pieces
    arrive(f, 22, "\30\0\0\1", 4, 0);
    arrive(f, 23, "x", 1, 0);
    assert_error(f, 10);
}

// Any bytes at all: always a result of the enumeration, never more than was there.
static void test_garbage(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 3000; i++) {
        start(f, suites[i % 3]);
        f->conn.in_span_bytes = random_below(50);
        size_t n = random_below(300);
        random_fill(f->content, n);
        if (i % 2)
            memcpy(f->content, "\27\3\3\0", 4);
        fake_tcp_arrive(&f->conn, f->content, n);
        enum tls_in_result result = next(f);
        assert_true(result == TLS_IN_NEED_MORE || result == TLS_IN_ERROR);
    }
    // Properly sealed, with garbage inside.
    for (unsigned i = 0; i < 3000; i++) {
        start(f, suites[i % 3]);
        size_t n = 1 + random_below(40);
        random_fill(f->content, n);
        f->content[n - 1] = (uint8_t)(20 + random_below(5));
        if (i % 4 == 0)
            f->content[0] = 24;
        arrive_inner(f, f->content, n);
        assert_in_range(next(f), TLS_IN_NEED_MORE, TLS_IN_ERROR);
    }
}

static void test_clear(void **state)
{
    struct fixture *f = *state;
    struct tls_keys bad = {.cipher = 0x1304};
    assert_false(tls_in_init(&f->in, &f->worker, &bad));
    start(f, suites[0]);
    tls_in_clear(&f->in);
    const uint8_t *bytes = (const uint8_t *)&f->in;
    for (size_t i = 0; i < sizeof(f->in); i++)
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
        cmocka_unit_test(test_against_openssl), cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_bad_tag),         cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_wrong_types),     cmocka_unit_test(test_change_cipher_spec),
        cmocka_unit_test(test_alerts),          cmocka_unit_test(test_empty_records),
        cmocka_unit_test(test_tickets),         cmocka_unit_test(test_other_handshake_messages),
        cmocka_unit_test(test_key_update),      cmocka_unit_test(test_key_update_malformed),
        cmocka_unit_test(test_garbage),         cmocka_unit_test(test_clear),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
