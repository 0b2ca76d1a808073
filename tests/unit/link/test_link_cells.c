// SPDX-License-Identifier: BSD-3-Clause
// AUTH_CHALLENGE, AUTHENTICATE and NETINFO as bytes, and the memory of failed dials.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/ed25519.h"
#include "crypto/random.h"
#include "link/link_auth.h"
#include "link/link_failures.h"
#include "link/link_netinfo.h"

static void challenges_are_read(void **state)
{
    (void)state;
    uint8_t body[AUTH_CHALLENGE_LEN + 3] = {0}, again[AUTH_CHALLENGE_LEN];
    bool offered = false;
    auth_challenge_build(body);
    auth_challenge_build(again);
    assert_memory_not_equal(body, again, 32);
    assert_memory_equal(body + 32, "\0\1\0\3", 4);
    assert_int_equal(auth_challenge_read(body, AUTH_CHALLENGE_LEN, &offered), 0);
    assert_true(offered);
    assert_int_equal(auth_challenge_read(body, AUTH_CHALLENGE_LEN + 3, &offered), 0);
    for (size_t n = 0; n < AUTH_CHALLENGE_LEN; n++) {
        uint8_t *exact = malloc(n);
        memcpy(exact, body, n);
        assert_int_equal(auth_challenge_read(exact, n, &offered), -EPROTO);
        assert_false(offered);
        free(exact);
    }
    body[35] = 1; // RSA
    assert_int_equal(auth_challenge_read(body, AUTH_CHALLENGE_LEN, &offered), 0);
    assert_false(offered);
}

static void authentication_verifies_whole(void **state)
{
    (void)state;
    struct auth_context context;
    struct ed25519_key key, other;
    uint8_t body[AUTHENTICATE_CELL_LEN + 1] = {0};
    random_bytes(&context, sizeof context);
    ed25519_generate(&key);
    ed25519_generate(&other);
    authenticate_build(&context, &key, body);
    assert_memory_equal(body, "\0\3\1\140AUTH0003", 12); // method 3, 352 bytes
    size_t length = AUTHENTICATE_CELL_LEN;
    assert_int_equal(authenticate_check(body, length, &context, key.public_key), 0);
    assert_int_equal(authenticate_check(body, length + 1, &context, key.public_key), 0);
    assert_int_equal(authenticate_check(body, length, &context, other.public_key), -EBADMSG);
    for (size_t i = 0; i < length; i++) {
        body[i] ^= 1;
        int expected = i < 4 ? -EPROTO : i < 4 + 264 ? -EINVAL : -EBADMSG;
        assert_int_equal(authenticate_check(body, length, &context, key.public_key), expected);
        body[i] ^= 1;
    }
    for (size_t n = 0; n < length; n++) {
        uint8_t *exact = malloc(n);
        memcpy(exact, body, n);
        assert_int_equal(authenticate_check(exact, n, &context, key.public_key), -EPROTO);
        free(exact);
    }
}

// Every field of what both sides know is in it.
static void authentication_covers_the_context(void **state)
{
    (void)state;
    struct auth_context context;
    struct ed25519_key key;
    uint8_t body[AUTHENTICATE_CELL_LEN];
    random_bytes(&context, sizeof context);
    ed25519_generate(&key);
    authenticate_build(&context, &key, body);
    for (size_t i = 0; i < sizeof context; i++) {
        ((uint8_t *)&context)[i] ^= 0x10;
        assert_int_equal(authenticate_check(body, sizeof body, &context, key.public_key), -EINVAL);
        ((uint8_t *)&context)[i] ^= 0x10;
    }
}

static void netinfo_goes_both_ways(void **state)
{
    (void)state;
    struct netinfo in = {.timestamp = 1800000000, .n_own = 2}, out;
    uint8_t body[CELL_BODY_LEN];
    in.other = address_ipv4(0x01020304, 0);
    in.own[0] = address_ipv4(0x05060708, 0);
    assert_true(address_parse("2001:db8::1", &in.own[1]));
    netinfo_build(&in, body);
    assert_memory_equal(body,
                        "\x6b\x49\xd2\x00\x04\x04\x01\x02\x03\x04\x02\x04\x04\x05\x06\x07\x08"
                        "\x06\x10\x20\x01\x0d\xb8",
                        23);
    assert_int_equal(netinfo_parse(body, &out), 0);
    assert_memory_equal(&in, &out, sizeof in);
}

static int parse(const char *bytes, size_t length, struct netinfo *out)
{
    uint8_t body[CELL_BODY_LEN] = {0};
    memcpy(body, bytes, length);
    return netinfo_parse(body, out);
}

static void bad_netinfo_is_refused(void **state)
{
    (void)state;
    struct netinfo out;
    assert_int_equal(parse("\0\0\0\0\4\5\1\2\3\4\5\0", 12, &out), -EPROTO);
    assert_int_equal(parse("\0\0\0\0\6\4\1\2\3\4\0", 11, &out), -EPROTO);
    assert_int_equal(parse("\0\0\0\0\1\4\1\2\3\4\0", 11, &out), -EPROTO); // unknown type
    assert_int_equal(parse("\0\0\0\0\0\0\0", 7, &out), -EPROTO);
    assert_int_equal(parse("\0\0\0\0\4\4\1\2\3\4\1\4\3\1\2\3", 16, &out), -EPROTO);
    assert_int_equal(parse("\0\0\0\0\4\4\1\2\3\4\310", 11, &out), 0); // 200 of unknown type
    assert_int_equal(out.n_own, 0);
    assert_int_equal(parse("\0\0\0\0\4\4\1\2\3\4\2\7\2\0\0\4\4\1\1\1\1", 21, &out), 0);
    assert_int_equal(out.n_own, 1);
    uint8_t body[CELL_BODY_LEN]; // addresses that run over the end
    memset(body, 0xff, sizeof body);
    memcpy(body, "\0\0\0\0\4\4\1\2\3\4\377\7\377", 13);
    assert_int_equal(netinfo_parse(body, &out), -EPROTO);
    struct writer w = writer_of(body, sizeof body); // more addresses than we keep
    write_bytes(&w, "\0\0\0\0\4\4\1\2\3\4\24", 11);
    for (unsigned i = 0; i < 20; i++)
        write_bytes(&w, "\4\4\1\1\1\1", 6);
    assert_int_equal(netinfo_parse(body, &out), 0);
    assert_int_equal(out.n_own, NETINFO_ADDRESSES_MAX);
}

static void failures_are_remembered_for_a_minute(void **state)
{
    (void)state;
    static struct link_failures f;
    const struct link_target target = {.rsa_id = {1}, .has_ed_id = true, .ed_id = {3}};
    const struct link_target other_rsa = {.rsa_id = {2}, .has_ed_id = true, .ed_id = {3}};
    const struct link_target other_ed = {.rsa_id = {1}, .has_ed_id = true, .ed_id = {4}};
    const struct link_target no_ed = {.rsa_id = {1}};
    struct address here = address_ipv4(0x01010101, 9001), there = address_ipv4(0x01010101, 9002);
    assert_false(link_failures_has(&f, &target, &here, 5));
    link_failures_add(&f, &target, &here, 1000);
    assert_true(link_failures_has(&f, &target, &here, 1000));
    assert_true(link_failures_has(&f, &target, &here, 60999));
    assert_false(link_failures_has(&f, &target, &here, 61000));
    assert_false(link_failures_has(&f, &other_rsa, &here, 1000));
    assert_false(link_failures_has(&f, &other_ed, &here, 1000));
    assert_false(link_failures_has(&f, &no_ed, &here, 1000));
    assert_false(link_failures_has(&f, &target, &there, 1000));
    for (unsigned i = 0; i < LINK_FAILURES_MAX; i++)
        link_failures_add(&f, &other_rsa, &there, 2000);
    assert_false(link_failures_has(&f, &target, &here, 2000)); // the oldest went
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(challenges_are_read),
        cmocka_unit_test(authentication_verifies_whole),
        cmocka_unit_test(authentication_covers_the_context),
        cmocka_unit_test(netinfo_goes_both_ways),
        cmocka_unit_test(bad_netinfo_is_refused),
        cmocka_unit_test(failures_are_remembered_for_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
