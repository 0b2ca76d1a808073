// SPDX-License-Identifier: BSD-3-Clause
// Tor's Ed25519 certificates: those of a descriptor made by C tor, our own, and broken ones.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "crypto/ed_cert.h"
#include "crypto/random.h"
#include "descriptor_parts.h"
#include "hex.h"

enum { NOW_S = 1602595629 }; // when the descriptor was published

static void test_descriptor(void **state)
{
    (void)state;
    uint8_t bytes[200], master[32], signature[64], digest[32];
    struct ed_cert cert;

    int length = descriptor_object("\nidentity-ed25519\n", bytes, sizeof(bytes));
    assert_int_equal(length, ED_CERT_EMBEDDED_LEN);
    assert_int_equal(ed_cert_parse(bytes, (size_t)length, &cert), 0);
    assert_int_equal(cert.type, ED_CERT_ID_SIGNING);
    assert_int_equal(cert.key_type, ED_CERT_KEY_ED25519);
    assert_true(cert.has_signing_key);
    assert_int_equal(descriptor_argument("\nmaster-key-ed25519 ", master, sizeof(master)), 32);
    assert_memory_equal(cert.signing_key, master, 32);
    assert_int_equal(ed_cert_check(&cert, NULL, NOW_S), 0);
    assert_int_equal(ed_cert_check(&cert, master, NOW_S), 0);
    assert_int_equal(ed_cert_check(&cert, cert.key, NOW_S), -ENOKEY);
    assert_int_equal(ed_cert_check(&cert, NULL, cert.expires_hours * UINT64_C(3600)), 0);
    assert_int_equal(ed_cert_check(&cert, NULL, cert.expires_hours * UINT64_C(3600) + 1),
                     -EKEYEXPIRED);

    // The certified key made the descriptor's signature (dir-spec, router-sig-ed25519).
    static const char label[] = "Tor router descriptor signature v1";
    static const char marker[] = "\nrouter-sig-ed25519 ";
    struct sha256 h;
    sha256_init(&h);
    sha256_update(&h, label, strlen(label));
    sha256_update(&h, router_descriptor,
                  (size_t)(strstr(router_descriptor, marker) + strlen(marker) - router_descriptor));
    sha256_peek(&h, digest);
    assert_int_equal(descriptor_argument(marker, signature, sizeof(signature)), 64);
    assert_true(ed25519_verify(cert.key, digest, sizeof(digest), signature));
}

static void test_round_trip(void **state)
{
    (void)state;
    uint8_t bytes[ED_CERT_EMBEDDED_LEN], key[32];
    struct ed25519_key signer, other;
    struct ed_cert cert;

    ed25519_generate(&signer);
    ed25519_generate(&other);
    random_bytes(key, sizeof(key));
    uint32_t hours = ed_cert_hours(NOW_S);
    assert_true(hours * UINT64_C(3600) >= NOW_S && (hours - 1) * UINT64_C(3600) < NOW_S);
    assert_int_equal(ed_cert_hours(7200), 2);

    for (int embed = 0; embed <= 1; embed++) {
        int expected = embed ? ED_CERT_EMBEDDED_LEN : ED_CERT_LEN;
        assert_int_equal(ed_cert_encode(ED_CERT_SIGNING_LINK, ED_CERT_KEY_X509_SHA256, key, hours,
                                        &signer, embed, bytes, (size_t)expected - 1),
                         -EMSGSIZE);
        assert_int_equal(ed_cert_encode(ED_CERT_SIGNING_LINK, ED_CERT_KEY_X509_SHA256, key, hours,
                                        &signer, embed, bytes, (size_t)expected),
                         expected);
        assert_int_equal(ed_cert_parse(bytes, (size_t)expected, &cert), 0);
        assert_int_equal(cert.type, ED_CERT_SIGNING_LINK);
        assert_int_equal(cert.key_type, ED_CERT_KEY_X509_SHA256);
        assert_int_equal(cert.expires_hours, hours);
        assert_memory_equal(cert.key, key, 32);
        assert_int_equal(cert.has_signing_key, embed);
        assert_int_equal(ed_cert_check(&cert, signer.public_key, NOW_S), 0);
        assert_int_equal(ed_cert_check(&cert, NULL, NOW_S), embed ? 0 : -ENOKEY);
        assert_int_equal(ed_cert_check(&cert, other.public_key, NOW_S), embed ? -ENOKEY : -EBADMSG);
        assert_int_equal(ed_cert_check(&cert, signer.public_key, NOW_S + 3600), -EKEYEXPIRED);
        assert_int_equal(ed_cert_check(&cert, signer.public_key, 0), 0);

        for (int n = 0; n < expected; n++) {
            uint8_t *copy = exact_copy(bytes, (size_t)n);
            assert_int_equal(ed_cert_parse(copy, (size_t)n, &cert), -EPROTO);
            free(copy);
        }
        for (int bit = 0; bit < expected * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_true(ed_cert_parse(bytes, (size_t)expected, &cert) != 0 ||
                        ed_cert_check(&cert, signer.public_key, NOW_S) != 0);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

// A signed certificate with these extensions, as they are; its length.
static size_t make_with_extensions(const struct ed25519_key *signer, uint8_t count,
                                   const uint8_t *extensions, size_t length, uint8_t *out)
{
    uint8_t key[32] = {7};

    (void)ed_cert_encode(ED_CERT_ID_SIGNING, 1, key, ed_cert_hours(NOW_S), signer, false, out,
                         ED_CERT_LEN);
    out[39] = count;
    if (length > 0)
        memcpy(out + 40, extensions, length);
    ed25519_sign(signer, out, 40 + length, out + 40 + length);
    return 40 + length + 64;
}

static void test_extensions(void **state)
{
    (void)state;
    uint8_t bytes[300], two_keys[72] = {0, 32, 4, 0};
    struct ed25519_key signer;
    struct ed_cert cert;

    ed25519_generate(&signer);
    // Unknown, and does not affect validation.
    size_t n =
        make_with_extensions(&signer, 2, (const uint8_t *)"\0\2\x63\0ab\0\0\x62\xfe", 10, bytes);
    assert_int_equal(ed_cert_parse(bytes, n, &cert), 0);
    assert_int_equal(ed_cert_check(&cert, signer.public_key, NOW_S), 0);
    // Unknown, and affects validation.
    n = make_with_extensions(&signer, 1, (const uint8_t *)"\0\2\x63\1ab", 6, bytes);
    assert_int_equal(ed_cert_parse(bytes, n, &cert), -EPROTO);
    // Longer than what is there; more than are there; fewer than are there.
    n = make_with_extensions(&signer, 1, (const uint8_t *)"\xff\xff\x63\0ab", 6, bytes);
    assert_int_equal(ed_cert_parse(bytes, n, &cert), -EPROTO);
    n = make_with_extensions(&signer, 255, (const uint8_t *)"\0\2\x63\0ab", 6, bytes);
    assert_int_equal(ed_cert_parse(bytes, n, &cert), -EPROTO);
    n = make_with_extensions(&signer, 0, (const uint8_t *)"\0\2\x63\0ab", 6, bytes);
    assert_int_equal(ed_cert_parse(bytes, n, &cert), -EPROTO);
    // A signing key of the wrong length, and two of them.
    n = make_with_extensions(&signer, 1, (const uint8_t *)"\0\2\4\0ab", 6, bytes);
    assert_int_equal(ed_cert_parse(bytes, n, &cert), -EPROTO);
    memcpy(two_keys + 36, two_keys, 36);
    n = make_with_extensions(&signer, 2, two_keys, sizeof(two_keys), bytes);
    assert_int_equal(ed_cert_parse(bytes, n, &cert), -EPROTO);
    // Another version.
    n = make_with_extensions(&signer, 0, NULL, 0, bytes);
    bytes[0] = 2;
    assert_int_equal(ed_cert_parse(bytes, n, &cert), -EPROTO);
}

static void test_random_input(void **state)
{
    (void)state;
    uint8_t random[400];
    struct ed_cert cert;

    for (int i = 0; i < 1000; i++) {
        random_bytes(random, sizeof(random));
        size_t length = (random[398] | random[399] << 8) % 399;
        random[0] = 1;
        random[39] %= 4;
        if (i % 2 == 0)
            random[40] = 0;
        uint8_t *copy = exact_copy(random, length);
        if (ed_cert_parse(copy, length, &cert) == 0)
            assert_true(ed_cert_check(&cert, random, 0) != 0);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptor),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_random_input),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
