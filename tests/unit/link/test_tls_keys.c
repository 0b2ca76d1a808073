// SPDX-License-Identifier: BSD-3-Clause
// The TLS 1.3 key schedule against the simple 1-RTT handshake of RFC 8448, section 3.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "crypto/encoding.h"
#include "link/tls_keys.h"

static void unhex(const char *text, uint8_t *out, size_t length)
{
    assert_int_equal(hex_decode(text, strlen(text), out, length), length);
}

static void check_keys(const char *secret_hex, const char *key_hex, const char *iv_hex)
{
    struct tls_secret secret = {.cipher = TLS_AES_128_GCM_SHA256_ID};
    struct tls_keys keys;
    uint8_t key[16], iv[12];
    unhex(secret_hex, secret.bytes, 32);
    unhex(key_hex, key, sizeof key);
    unhex(iv_hex, iv, sizeof iv);
    assert_int_equal(tls_keys_derive(&secret, &keys), 0);
    assert_int_equal(keys.cipher, TLS_AES_128_GCM_SHA256_ID);
    assert_int_equal(keys.sequence, 0);
    assert_memory_equal(keys.key, key, sizeof key);
    assert_memory_equal(keys.iv, iv, sizeof iv);
}

static void derives_record_keys(void **state)
{
    (void)state;
    check_keys("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
               "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9");
    check_keys("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
               "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984");
}

static void knows_lengths(void **state)
{
    (void)state;
    assert_int_equal(tls_secret_length(TLS_AES_256_GCM_SHA384_ID), 48);
    assert_int_equal(tls_secret_length(TLS_CHACHA20_POLY1305_SHA256_ID), 32);
    assert_int_equal(tls_key_length(TLS_AES_128_GCM_SHA256_ID), 16);
    assert_int_equal(tls_key_length(TLS_CHACHA20_POLY1305_SHA256_ID), 32);
    assert_int_equal(tls_key_length(0x1304), 0);
}

static void refuses_unknown_suites(void **state)
{
    (void)state;
    struct tls_secret secret = {.cipher = 0x1304};
    struct tls_keys keys;
    uint8_t out[32];
    assert_int_equal(tls_keys_derive(&secret, &keys), -EINVAL);
    assert_int_equal(tls_secret_update(&secret), -EINVAL);
    assert_int_equal(tls_export(&secret, "x", "", 0, out, sizeof out), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derives_record_keys),
        cmocka_unit_test(knows_lengths),
        cmocka_unit_test(refuses_unknown_suites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
