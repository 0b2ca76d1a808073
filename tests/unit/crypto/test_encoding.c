// SPDX-License-Identifier: BSD-3-Clause
// Hexadecimal and base64: RFC 4648 vectors, OpenSSL, bounds, bad and random text.
#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/encoding.h"
#include "crypto/random.h"
#include "hex.h"

static void test_hex(void **state)
{
    (void)state;
    char text[16];
    uint8_t bytes[8];

    assert_int_equal(hex_encode("\x01\xab\xff", 3, text, sizeof(text)), 6);
    assert_string_equal(text, "01ABFF");
    assert_int_equal(hex_encode("\x01\xab\xff", 3, text, 6), -EMSGSIZE);
    assert_int_equal(hex_decode("01aBFf", 6, bytes, sizeof(bytes)), 3);
    assert_memory_equal(bytes, "\x01\xab\xff", 3);
    assert_int_equal(hex_decode("01aBF", 5, bytes, sizeof(bytes)), -EINVAL);
    assert_int_equal(hex_decode("01aBFg", 6, bytes, sizeof(bytes)), -EINVAL);
    assert_int_equal(hex_decode("01aBFf", 6, bytes, 2), -EMSGSIZE);
    assert_int_equal(hex_decode("", 0, bytes, 0), 0);
}

static void test_base64_vectors(void **state)
{
    (void)state;
    // RFC 4648, section 10.
    static const char *const vectors[][3] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    };
    char text[16];
    uint8_t bytes[16];

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        int length = (int)strlen(vectors[i][0]);
        for (int unpadded = 0; unpadded <= 1; unpadded++) {
            const char *expected = vectors[i][1 + unpadded];
            int n = base64_encode(vectors[i][0], (size_t)length, !unpadded, text, sizeof(text));
            assert_int_equal(n, strlen(expected));
            assert_string_equal(text, expected);
            assert_int_equal(base64_decode(expected, strlen(expected), bytes, sizeof(bytes)),
                             length);
            assert_memory_equal(bytes, vectors[i][0], (size_t)length);
        }
    }
}

static void test_base64_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z",        "Zg=",  "Zm8==", "Zm9v=", "Zm9v====", "=",
                                      "Zg==Zg==", "Zm9*", "Zh==",  "Zm-_",  "Zm9vY"};
    uint8_t bytes[16];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(base64_decode(bad[i], strlen(bad[i]), bytes, sizeof(bytes)), -EINVAL);
    assert_int_equal(base64_decode("Zm9v", 4, bytes, 2), -EMSGSIZE);
    assert_int_equal(base64_decode("Zm9v\0", 5, bytes, 8), -EINVAL);
    assert_int_equal(base64_decode("Zm\0009v", 5, bytes, 8), -EINVAL);
    assert_int_equal(base64_decode(" Zm\n9v\r\n", 8, bytes, 3), 3);
    assert_memory_equal(bytes, "foo", 3);
}

static void test_base64_round_trip(void **state)
{
    (void)state;
    uint8_t bytes[200], back[200];
    char text[BASE64_LINES_SIZE(200)], theirs[BASE64_TEXT_SIZE(200)];

    for (size_t n = 0; n <= sizeof(bytes); n++) {
        random_bytes(bytes, sizeof(bytes));
        int length = base64_encode(bytes, n, true, text, BASE64_TEXT_SIZE(n));
        EVP_EncodeBlock((unsigned char *)theirs, bytes, (int)n);
        assert_string_equal(text, theirs);
        assert_int_equal(length, strlen(theirs));
        assert_int_equal(base64_encode(bytes, n, true, text, BASE64_TEXT_SIZE(n) - 1), -EMSGSIZE);

        length = base64_encode_lines(bytes, n, text, BASE64_LINES_SIZE(n));
        assert_int_equal(length, strlen(text));
        assert_true(n == 0 || text[length - 1] == '\n');
        for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
            assert_true(strchr(line, '\n') - line <= 64);
        assert_int_equal(base64_decode(text, (size_t)length, back, sizeof(back)), n);
        assert_memory_equal(bytes, back, n);
    }
}

// RFC 4648, section 10, in lower case and without padding.
static void test_base32(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "my"},
        {"fo", "mzxq"},
        {"foo", "mzxw6"},
        {"foob", "mzxw6yq"},
        {"fooba", "mzxw6ytb"},
        {"foobar", "mzxw6ytboi"},
    };
    char text[BASE32_TEXT_SIZE(64)];
    uint8_t bytes[64], back[64];
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        size_t length = strlen(vectors[i][0]), text_length = strlen(vectors[i][1]);
        assert_int_equal(base32_encode(vectors[i][0], length, text, text_length + 1), text_length);
        assert_string_equal(text, vectors[i][1]);
        assert_int_equal(base32_encode(vectors[i][0], length, text, text_length), -EMSGSIZE);
        assert_int_equal(base32_decode(vectors[i][1], text_length, back, length), length);
        assert_memory_equal(back, vectors[i][0], length);
    }
    assert_int_equal(base32_decode("MZxW6ytb", 8, back, 5), 5);
    assert_memory_equal(back, "fooba", 5);
    assert_int_equal(base32_decode("mzxw6ytb", 8, back, 4), -EMSGSIZE);
    static const char *const bad[] = {
        "mzxw6yt1", "mzxw6yt0", "mzxw6yt8", "mzxw6y==", "mzxw 6yt", "mzxw6y\x80t", "mzxw@6yt"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(base32_decode(bad[i], 8, back, 5), -EINVAL);
    assert_int_equal(base32_decode("mzxw\0yt", 7, back, 5), -EINVAL);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        random_bytes(bytes, n);
        int length = base32_encode(bytes, n, text, sizeof(text));
        assert_int_equal(length, BASE32_TEXT_SIZE(n) - 1);
        assert_int_equal(base32_decode(text, (size_t)length, back, n), n);
        assert_memory_equal(bytes, back, n);
    }
}

static void test_random_text(void **state)
{
    (void)state;
    static const char alphabet[] = "ABCDabcd0189+/= \n\t\r*-\x80";
    uint8_t random[64], bytes[64];

    for (int i = 0; i < 2000; i++) {
        random_bytes(random, sizeof(random));
        size_t length = random[0] % 40;
        for (size_t j = 0; j < length; j++)
            random[j + 1] = (uint8_t)alphabet[random[j + 1] % (sizeof(alphabet) - 1)];
        uint8_t *text = exact_copy(random + 1, length);
        (void)base64_decode((const char *)text, length, bytes, random[63] % sizeof(bytes));
        (void)hex_decode((const char *)text, length, bytes, random[63] % sizeof(bytes));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(test_base64_refuses),
        cmocka_unit_test(test_base64_round_trip),
        cmocka_unit_test(test_base32),
        cmocka_unit_test(test_random_text),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
