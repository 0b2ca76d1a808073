// SPDX-License-Identifier: BSD-3-Clause
// The records of RFC 8448, section 3 (simple 1-RTT handshake), that flow under application keys.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "fake_tcp.h"
#include "tls/record_in.h"
#include "tls/record_out.h"

static const struct tls_keys client_keys = {
    .cipher = TLS_AES_128_GCM_SHA256_ID,
    .key = {0x17, 0x42, 0x2d, 0xda, 0x59, 0x6e, 0xd5, 0xd9, 0xac, 0xd8, 0x90, 0xe3, 0xc6, 0x3f,
            0x50, 0x51},
    .iv = {0x5b, 0x78, 0x92, 0x3d, 0xee, 0x08, 0x57, 0x90, 0x33, 0xe5, 0x23, 0xd9},
};
static const struct tls_keys server_keys = {
    .cipher = TLS_AES_128_GCM_SHA256_ID,
    .key = {0x9f, 0x02, 0x28, 0x3b, 0x6c, 0x9c, 0x07, 0xef, 0xc2, 0x6b, 0xb9, 0xf2, 0xac, 0x92,
            0xe3, 0x56},
    .iv = {0xcf, 0x78, 0x2b, 0x88, 0xdd, 0x83, 0x54, 0x9a, 0xad, 0xf1, 0xe9, 0x84},
};

static const char *const client_records[] = {
    // application data, 50 bytes 00 01 … 31
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20"
    "441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4",
    // close_notify
    "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3",
};
static const char *const server_records[] = {
    // NewSessionTicket
    "17030300de3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b580dcf3d11d63c758"
    "db289a015940252f55713e061dc13e078891a38efbcf5753ad8ef170ad3c7353d16d9da773b9ca7f2b9fa1b6c0"
    "d4a3d03f75e09c30ba1e62972ac46f75f7b981be63439b2999ce13064615139891d5e4c5b406f16e3fc181a77c"
    "a475840025db2f0a77f81b5ab05b94c01346755f69232c86519d86cbeeac87aac347d143f9605d64f650db4d02"
    "3e70e952ca49fe5137121c74bc2697687e248746d6df353005f3bce18696129c8153556b3b6c6779b37bf15985"
    "684f",
    // application data, the same 50 bytes
    "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb50"
    "1a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d",
    // close_notify
    "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9",
};

static size_t unhex(uint8_t *out, const char *hex)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        const char byte[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(byte, NULL, 16);
    }
    return n;
}

struct fixture {
    struct tls_in in;
    struct tls_out out;
    struct tls_worker worker;
    struct counters counters;
    struct record_aead *aead;
    struct tcp_conn conn;
    uint8_t staging[TLS_STAGING_LEN];
};

static void arrive_all(struct fixture *f, const char *const *records, size_t n)
{
    uint8_t bytes[512];
    for (size_t i = 0; i < n; i++)
        fake_tcp_arrive(&f->conn, bytes, unhex(bytes, records[i]));
}

static void check_data_and_close(struct fixture *f)
{
    struct tls_in_event event;
    assert_int_equal(tls_in_next(&f->in, &f->worker, &f->conn, f->staging, &event), TLS_IN_DATA);
    assert_int_equal(event.length, 50);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(f->staging[i], i);
    assert_int_equal(tls_in_next(&f->in, &f->worker, &f->conn, f->staging, &event), TLS_IN_ALERT);
    assert_int_equal(event.alert_level, TLS_ALERT_WARNING);
    assert_int_equal(event.alert, TLS_ALERT_CLOSE_NOTIFY);
}

static void test_open(void **state)
{
    struct fixture *f = *state;
    for (size_t span = 0; span < 40; span++) {
        f->conn.in_span_bytes = span;
        assert_true(tls_in_init(&f->in, &f->worker, &client_keys));
        arrive_all(f, client_records, 2);
        check_data_and_close(f);
        f->counters.tls_tickets_ignored = 0;
        assert_true(tls_in_init(&f->in, &f->worker, &server_keys));
        arrive_all(f, server_records, 3);
        check_data_and_close(f);
        assert_int_equal(f->counters.tls_tickets_ignored, 1);
    }
}

static void check_seal(struct fixture *f, const struct tls_keys *keys, const char *data,
                       const char *alert)
{
    uint8_t content[50], expected[256];
    for (unsigned i = 0; i < 50; i++)
        content[i] = (uint8_t)i;
    struct tls_span spans[2] = {{content, 20}, {content + 20, 30}};
    assert_true(tls_out_init(&f->out, &f->worker, keys));
    f->conn.out_length = 0;
    assert_int_equal(
        tls_out_seal(&f->out, &f->worker, &f->conn, TLS_CONTENT_APPLICATION_DATA, spans, 2), 0);
    assert_int_equal(tls_out_alert(&f->out, &f->worker, &f->conn, TLS_ALERT_CLOSE_NOTIFY), 0);
    size_t n = unhex(expected, data);
    n += unhex(expected + n, alert);
    assert_int_equal(f->conn.out_length, n);
    assert_memory_equal(f->conn.out, expected, n);
}

static void test_seal(void **state)
{
    struct fixture *f = *state;
    check_seal(f, &client_keys, client_records[0], client_records[1]);
    struct tls_keys after_ticket = server_keys;
    after_ticket.sequence = 1;
    check_seal(f, &after_ticket, server_records[1], server_records[2]);
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
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_seal),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
