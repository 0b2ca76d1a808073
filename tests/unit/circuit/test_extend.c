// SPDX-License-Identifier: BSD-3-Clause
// EXTEND2 messages: C tor's vectors, the rules on link specifiers, truncation everywhere, noise
// (protocol 2.28–2.30, 13.27).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "circuit/extend.h"
#include "crypto/ntor.h"
#include "crypto/random.h"

enum { RANDOM_MESSAGES = 10000 };

// An EXTEND2 message under construction.
struct extend2 {
    uint8_t bytes[CELL_BODY_LEN];
    size_t length;
};

static void add(struct extend2 *e, const void *bytes, size_t length)
{
    assert_true(e->length + length <= sizeof(e->bytes));
    memcpy(e->bytes + e->length, bytes, length);
    e->length += length;
}

static void add_specifier(struct extend2 *e, uint8_t type, const void *bytes, uint8_t length)
{
    const uint8_t header[2] = {type, length};
    if (e->length == 0)
        e->length = 1;
    e->bytes[0]++;
    add(e, header, 2);
    add(e, bytes, length);
}

static void add_create2(struct extend2 *e, uint16_t handshake, uint16_t length)
{
    const uint8_t header[4] = {(uint8_t)(handshake >> 8), (uint8_t)handshake,
                               (uint8_t)(length >> 8), (uint8_t)length};
    uint8_t data[CELL_BODY_LEN];
    random_bytes(data, sizeof(data));
    if (e->length == 0)
        e->length = 1;
    add(e, header, 4);
    add(e, data, length);
}

// Parses a copy of exactly this size, so that the address sanitizer sees a read beyond it.
static bool parse(const void *bytes, size_t length, struct extend_request *out)
{
    uint8_t *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    bool ok = extend_parse(copy, length, out);
    free(copy);
    return ok;
}

static bool parses(const struct extend2 *e)
{
    struct extend_request out;
    return parse(e->bytes, e->length, &out);
}

#define IPV4 "\x12\xf4\x00\x01\xf0\xf1" // 18.244.0.1:61681
#define OTHER_IPV4 "\x08\x08\x08\x08\x01\xbb"
#define IPV6 "\x20\x02\0\0\0\0\0\0\0\0\0\0\0\xf0\xc5\x1e\x11\x12" // [2002::f0:c51e]:4370
#define RSA_ID "anarchoindividualist"
#define ED_ID "brownshoesdontmakeit/brownshoesd"

// IPv4 and RSA id; an ntor skin.
static struct extend2 minimal(void)
{
    struct extend2 e = {.length = 0};
    add_specifier(&e, 0, IPV4, 6);
    add_specifier(&e, 2, RSA_ID, 20);
    add_create2(&e, HANDSHAKE_NTOR, NTOR_SKIN_LEN);
    return e;
}

// ---- C tor's src/test/test_cell_formats.c (test_cfmt_extend_cells); literals as they stand there

// `bytes` is followed by noise, then zeros, as far as a relay message goes.
struct vector {
    const char *name;
    const char *bytes;
    size_t length;
    bool good;
};

#define VECTOR(good, name, bytes)                                                                  \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, good                                                       \
    }

static const struct vector vectors[] = {
    VECTOR(true, "minimal ntor",
           "\x02\x00\x06\x12\xf4\x00\x01\xf0\xf1"
           "\x02\x14"
           "anarchoindividualist"
           "\x00\x02\x00\x54"),
    VECTOR(true, "fanciful",
           "\x04\x00\x06\x12\xf4\x00\x01\xf0\xf1"
           "\x02\x14"
           "anthropomorphization"
           "\x01\x12\x20\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\xc5\x1e\x11\x12"
           "\xf0\x20upupdowndownleftrightleftrightba"
           "\x01\x05\x00\x63"),
    VECTOR(true, "Ed25519 id",
           "\x04\x00\x06\x12\xf4\x00\x01\xf0\xf1"
           "\x02\x14"
           "anthropomorphization"
           "\x03\x20"
           "brownshoesdontmakeit/brownshoesd"
           "\x01\x12\x20\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0\xc5\x1e\x11\x12"
           "\x01\x05\x00\x63"),
    VECTOR(true, "IPv6 without IPv4",
           "\x02\x02\x14"
           "anthropomorphization"
           "\x01\x12xxxxxxxxxxxxxxxxYY"
           "\xff\xff\x00\x20"),
    VECTOR(false, "handshake too long",
           "\x02\x00\x06\x12\xf4\x00\x01\xf0\xf1"
           "\x02\x14"
           "anarchoindividualist"
           "\xff\xff\x01\xd0"),
    VECTOR(false, "two identities",
           "\x03\x00\x06\x12\xf4\x00\x01\xf0\xf1"
           "\x02\x14"
           "anarchoindividualist"
           "\x02\x14"
           "autodepolymerization"
           "\xff\xff\x00\x10"),
    VECTOR(false, "no identities",
           "\x01\x00\x06\x12\xf4\x00\x01\xf0\xf1"
           "\xff\xff\x00\x10"),
    VECTOR(false, "IPv4 too long",
           "\x02\x00\x07\x12\xf4\x00\x01\xf0\xf1\xff"
           "\x02\x14"
           "anarchoindividualist"
           "\xff\xff\x00\x10"),
    VECTOR(false, "IPv4 too short",
           "\x02\x00\x05\x12\xf4\x00\x01\xf0"
           "\x02\x14"
           "anarchoindividualist"
           "\xff\xff\x00\x10"),
    VECTOR(false, "IPv6 too long",
           "\x03\x00\x06\x12\xf4\x00\x01\xf0\xf1"
           "\x02\x14"
           "anarchoindividualist"
           "\x01\x13xxxxxxxxxxxxxxxxYYZ"
           "\xff\xff\x00\x20"),
    VECTOR(false, "IPv6 too short",
           "\x03\x00\x06\x12\xf4\x00\x01\xf0\xf1"
           "\x02\x14"
           "anarchoindividualist"
           "\x01\x11xxxxxxxxxxxxxxxxY"
           "\xff\xff\x00\x20"),
};

static void test_c_tors_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct vector *v = &vectors[i];
        uint8_t bytes[RELAY_BODY_MAX] = {0};
        struct extend_request out;
        memcpy(bytes, v->bytes, v->length);
        if (parse(bytes, sizeof(bytes), &out) != v->good)
            fail_msg("%s: expected it to be %s", v->name, v->good ? "good" : "bad");
        if (v->good) { // the last 4 bytes are handshake type and length
            assert_memory_equal(out.create2, v->bytes + v->length - 4, 4);
            assert_int_equal(out.create2_length, 4 + (uint8_t)v->bytes[v->length - 1]);
        }
    }
}

// Its "running out of space in specifiers".
static void test_specifiers_that_run_out_of_space(void **state)
{
    (void)state;
    uint8_t bytes[RELAY_BODY_MAX] = {5, 0x0a, 0xff};
    struct extend_request out;
    bytes[3 + 255] = 0x0a;
    bytes[3 + 255 + 1] = 0xff;
    assert_false(parse(bytes, sizeof(bytes), &out));
}

// ---- what is read

static void test_every_field(void **state)
{
    (void)state;
    struct extend2 e = {.length = 0};
    struct extend_request out;
    add_specifier(&e, 0, IPV4, 6);
    add_specifier(&e, 2, RSA_ID, 20);
    add_specifier(&e, 3, ED_ID, 32);
    add_specifier(&e, 1, IPV6, 18);
    size_t create2_at = e.length;
    add_create2(&e, 0x105, 99);
    assert_true(parse(e.bytes, e.length, &out));
    const struct link_target *t = &out.target;
    assert_int_equal(t->n_addresses, 2);
    assert_int_equal(t->addresses[0].family, ADDRESS_IPV4);
    assert_memory_equal(t->addresses[0].bytes, IPV4, 4);
    assert_int_equal(t->addresses[0].port, 61681);
    assert_int_equal(t->addresses[1].family, ADDRESS_IPV6);
    assert_memory_equal(t->addresses[1].bytes, IPV6, 16);
    assert_int_equal(t->addresses[1].port, 4370);
    assert_memory_equal(t->rsa_id, RSA_ID, 20);
    assert_true(t->has_ed_id);
    assert_memory_equal(t->ed_id, ED_ID, 32);
    assert_int_equal(out.create2_length, 4 + 99); // passed on untouched (2.29)
    assert_memory_equal(out.create2, e.bytes + create2_at, 4 + 99);
}

static void test_what_may_be_absent(void **state)
{
    (void)state;
    struct extend2 e = minimal();
    struct extend_request out;
    assert_true(parse(e.bytes, e.length, &out));
    assert_false(out.target.has_ed_id);
    assert_int_equal(out.target.n_addresses, 1);
}

static void test_only_the_first_of_a_family_counts(void **state)
{
    (void)state;
    struct extend2 e = {.length = 0};
    struct extend_request out;
    add_specifier(&e, 0, IPV4, 6);
    add_specifier(&e, 0, OTHER_IPV4, 6);
    add_specifier(&e, 1, IPV6, 18);
    add_specifier(&e, 1, "xxxxxxxxxxxxxxxxYY", 18);
    add_specifier(&e, 2, RSA_ID, 20);
    add_create2(&e, HANDSHAKE_NTOR, NTOR_SKIN_LEN);
    assert_true(parse(e.bytes, e.length, &out));
    assert_int_equal(out.target.n_addresses, 2);
    assert_memory_equal(out.target.addresses[0].bytes, IPV4, 4);
    assert_memory_equal(out.target.addresses[1].bytes, IPV6, 16);
    // But each of them must be well-formed.
    struct extend2 bad = {.length = 0};
    add_specifier(&bad, 0, IPV4, 6);
    add_specifier(&bad, 0, OTHER_IPV4, 5);
    add_specifier(&bad, 2, RSA_ID, 20);
    add_create2(&bad, HANDSHAKE_NTOR, NTOR_SKIN_LEN);
    assert_false(parses(&bad));
}

static void test_unknown_specifiers_are_skipped(void **state)
{
    (void)state;
    uint8_t noise[64];
    random_bytes(noise, sizeof(noise));
    for (unsigned type = 4; type <= UINT8_MAX; type++) {
        struct extend2 e = {.length = 0};
        add_specifier(&e, (uint8_t)type, noise, (uint8_t)(type % 64));
        add_specifier(&e, 0, IPV4, 6);
        add_specifier(&e, (uint8_t)type, noise, 0);
        add_specifier(&e, 2, RSA_ID, 20);
        add_create2(&e, HANDSHAKE_NTOR_V3, 200);
        assert_true(parses(&e));
    }
}

static void test_wrong_lengths(void **state)
{
    (void)state;
    static const uint8_t right[] = {6, 18, 20, 32};
    uint8_t noise[64];
    random_bytes(noise, sizeof(noise));
    for (uint8_t type = 0; type < sizeof(right); type++) {
        for (uint8_t length = 0; length < sizeof(noise); length++) {
            struct extend2 e = {.length = 0};
            if (type != 0)
                add_specifier(&e, 0, IPV4, 6);
            if (type != 2)
                add_specifier(&e, 2, RSA_ID, 20);
            add_specifier(&e, type, noise, length);
            add_create2(&e, HANDSHAKE_NTOR, NTOR_SKIN_LEN);
            assert_int_equal(parses(&e), length == right[type]);
        }
    }
}

static void test_identities(void **state)
{
    (void)state;
    static const uint8_t zeros[32];
    struct extend_request out;
    struct extend2 zero_rsa = {.length = 0};
    add_specifier(&zero_rsa, 0, IPV4, 6);
    add_specifier(&zero_rsa, 2, zeros, 20);
    add_create2(&zero_rsa, HANDSHAKE_NTOR, NTOR_SKIN_LEN);
    assert_false(parses(&zero_rsa));
    struct extend2 no_rsa = {.length = 0};
    add_specifier(&no_rsa, 0, IPV4, 6);
    add_specifier(&no_rsa, 3, ED_ID, 32);
    add_create2(&no_rsa, HANDSHAKE_NTOR, NTOR_SKIN_LEN);
    assert_false(parses(&no_rsa));
    struct extend2 two_rsa = {.length = 0};
    add_specifier(&two_rsa, 2, RSA_ID, 20);
    add_specifier(&two_rsa, 0, IPV4, 6);
    add_specifier(&two_rsa, 2, RSA_ID, 20);
    add_create2(&two_rsa, HANDSHAKE_NTOR, NTOR_SKIN_LEN);
    assert_false(parses(&two_rsa));
    struct extend2 two_ed = {.length = 0};
    add_specifier(&two_ed, 0, IPV4, 6);
    add_specifier(&two_ed, 2, RSA_ID, 20);
    add_specifier(&two_ed, 3, zeros, 32);
    add_specifier(&two_ed, 3, ED_ID, 32);
    add_create2(&two_ed, HANDSHAKE_NTOR, NTOR_SKIN_LEN);
    assert_false(parses(&two_ed));
    // A zero Ed25519 id says that the sender knows none.
    struct extend2 zero_ed = {.length = 0};
    add_specifier(&zero_ed, 0, IPV4, 6);
    add_specifier(&zero_ed, 2, RSA_ID, 20);
    add_specifier(&zero_ed, 3, zeros, 32);
    add_create2(&zero_ed, HANDSHAKE_NTOR, NTOR_SKIN_LEN);
    assert_true(parse(zero_ed.bytes, zero_ed.length, &out));
    assert_false(out.target.has_ed_id);
}

static void test_no_address(void **state)
{
    (void)state;
    struct extend2 e = {.length = 0};
    add_specifier(&e, 2, RSA_ID, 20);
    add_create2(&e, HANDSHAKE_NTOR, NTOR_SKIN_LEN);
    assert_false(parses(&e));
    struct extend2 nothing = {.length = 0};
    add_create2(&nothing, HANDSHAKE_NTOR, NTOR_SKIN_LEN);
    assert_false(parses(&nothing));
}

static void test_inner_handshakes(void **state)
{
    (void)state;
    for (unsigned handshake = 0; handshake <= UINT16_MAX; handshake++) {
        struct extend2 e = {.length = 0};
        add_specifier(&e, 0, IPV4, 6);
        add_specifier(&e, 2, RSA_ID, 20);
        add_create2(&e, (uint16_t)handshake, NTOR_SKIN_LEN);
        assert_int_equal(parses(&e), handshake != HANDSHAKE_TAP && handshake != HANDSHAKE_FAST);
    }
    for (uint16_t length = 0; length <= 200; length++) { // as C tor's check_create_cell
        struct extend2 e = {.length = 0};
        add_specifier(&e, 0, IPV4, 6);
        add_specifier(&e, 2, RSA_ID, 20);
        add_create2(&e, HANDSHAKE_NTOR, length);
        assert_int_equal(parses(&e), length == NTOR_SKIN_LEN);
    }
}

static void test_every_truncation(void **state)
{
    (void)state;
    struct extend2 e = {.length = 0};
    struct extend_request out;
    add_specifier(&e, 0, IPV4, 6);
    add_specifier(&e, 1, IPV6, 18);
    add_specifier(&e, 0xf0, "Konami", 6);
    add_specifier(&e, 2, RSA_ID, 20);
    add_specifier(&e, 3, ED_ID, 32);
    add_create2(&e, HANDSHAKE_NTOR_V3, 300);
    for (size_t length = 0; length < e.length; length++)
        assert_false(parse(e.bytes, length, &out));
    assert_true(parse(e.bytes, e.length, &out));
    add(&e, "left over", 9); // is ignored
    assert_true(parse(e.bytes, e.length, &out));
}

// A relay message is never that long, but the parser must not depend on it.
static void test_longer_than_a_cell(void **state)
{
    (void)state;
    struct extend2 e = {.length = 0};
    struct extend_request out;
    add_specifier(&e, 0, IPV4, 6);
    add_specifier(&e, 2, RSA_ID, 20);
    uint8_t bytes[2000] = {0};
    memcpy(bytes, e.bytes, e.length);
    for (unsigned length = CELL_BODY_LEN - 8; length < CELL_BODY_LEN + 8; length++) {
        const uint8_t header[4] = {0x12, 0x34, (uint8_t)(length >> 8), (uint8_t)length};
        memcpy(bytes + e.length, header, 4);
        assert_int_equal(parse(bytes, sizeof(bytes), &out), length <= CELL_BODY_LEN - 4);
    }
}

static void test_noise(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RANDOM_MESSAGES; i++) {
        uint8_t bytes[RELAY_BODY_MAX];
        struct extend_request out;
        uint16_t choice[2];
        random_bytes(bytes, sizeof(bytes));
        random_bytes(choice, sizeof(choice));
        struct extend2 e = minimal();
        size_t length = choice[0] % (sizeof(bytes) + 1);
        if (i % 2) { // nearly right
            memcpy(bytes, e.bytes, e.length);
            bytes[choice[1] % e.length] ^= (uint8_t)(1u << (i / 2 % 8));
            length = e.length;
        }
        if (!parse(bytes, length, &out))
            continue;
        assert_in_range(out.target.n_addresses, 1, LINK_TARGET_ADDRESSES_MAX);
        assert_in_range(out.create2_length, 4, CELL_BODY_LEN);
    }
}

// ---- where it may lead

static struct link_target target_of(unsigned n, ...)
{
    struct link_target target = {.n_addresses = n};
    va_list list;
    va_start(list, n);
    for (unsigned i = 0; i < n; i++) {
        const char *text = va_arg(list, const char *);
        assert_true(address_parse(text, &target.addresses[i]));
        target.addresses[i].port = 9001;
    }
    va_end(list);
    return target;
}

static bool leads_to(const char *address, bool internal_allowed)
{
    struct link_target target = target_of(1, address);
    return extend_filter_addresses(&target, internal_allowed);
}

static void test_internal_addresses(void **state)
{
    (void)state;
    static const char *const internal[] = {"10.1.2.3",   "127.0.0.1",   "192.168.1.1", "172.16.0.1",
                                           "100.64.0.1", "169.254.1.1", "172.31.255.9"};
    for (size_t i = 0; i < sizeof(internal) / sizeof(internal[0]); i++) {
        assert_false(leads_to(internal[i], false));
        assert_true(leads_to(internal[i], true));
    }
    assert_true(leads_to("18.244.0.1", false));
    assert_true(leads_to("18.244.0.1", true));
    assert_true(leads_to("172.32.0.1", false));
}

// Nobody can be at such an address, in a testing network either.
static void test_addresses_of_nobody(void **state)
{
    (void)state;
    static const char *const nobody[] = {"0.0.0.0", "224.0.0.1", "239.255.255.255",
                                         "255.255.255.255"};
    for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
        assert_false(leads_to(nobody[i], false));
        assert_false(leads_to(nobody[i], true));
    }
}

static void test_only_ipv4_with_a_port_is_left(void **state)
{
    (void)state;
    assert_false(leads_to("2002::f0:c51e", true));
    struct link_target target = target_of(2, "2002::f0:c51e", "18.244.0.1");
    assert_true(extend_filter_addresses(&target, false));
    assert_int_equal(target.n_addresses, 1);
    assert_int_equal(target.addresses[0].family, ADDRESS_IPV4);
    target = target_of(1, "18.244.0.1");
    target.addresses[0].port = 0;
    assert_false(extend_filter_addresses(&target, true));
    assert_int_equal(target.n_addresses, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c_tors_vectors),
        cmocka_unit_test(test_specifiers_that_run_out_of_space),
        cmocka_unit_test(test_every_field),
        cmocka_unit_test(test_what_may_be_absent),
        cmocka_unit_test(test_only_the_first_of_a_family_counts),
        cmocka_unit_test(test_unknown_specifiers_are_skipped),
        cmocka_unit_test(test_wrong_lengths),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_inner_handshakes),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_longer_than_a_cell),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_internal_addresses),
        cmocka_unit_test(test_addresses_of_nobody),
        cmocka_unit_test(test_only_ipv4_with_a_port_is_left),
    };
    if (crypto_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
