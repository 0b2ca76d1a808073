// SPDX-License-Identifier: BSD-3-Clause
// INTRODUCE1 to INTRODUCE2, ESTABLISH_INTRO, RENDEZVOUS1 to RENDEZVOUS2, link specifiers: what is
// made is read, what is malformed has the verdict that C tor gives.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../crypto/hex.h"
#include "base/cell.h"
#include "base/cursor.h"
#include "crypto/aes_ctr.h"
#include "crypto/random.h"
#include "onion/message/introduce.h"

enum { SUBCREDENTIALS = 40, HEADER_LEN = 56 };

struct meeting {
    struct curve25519_key enc_key, ephemeral;
    struct ed25519_key auth_key;
    struct onion_intro_point point;
    uint8_t subcredentials[SUBCREDENTIALS][32];
    struct own_circuit_hop rendezvous;
    struct introduction said;
};

static struct own_circuit_hop some_relay(void)
{
    struct own_circuit_hop hop = {.has_ntor_key = true};
    random_bytes(hop.ntor_key, sizeof(hop.ntor_key));
    random_bytes(hop.target.rsa_id, sizeof(hop.target.rsa_id));
    random_bytes(hop.target.ed_id, sizeof(hop.target.ed_id));
    hop.target.has_ed_id = true;
    hop.target.n_addresses = 1;
    assert_true(address_parse("9.8.7.6", &hop.target.addresses[0]));
    hop.target.addresses[0].port = 9001;
    return hop;
}

static void make_meeting(struct meeting *m)
{
    memset(m, 0, sizeof(*m));
    curve25519_generate(&m->enc_key);
    curve25519_generate(&m->ephemeral);
    ed25519_generate(&m->auth_key);
    random_bytes(m->subcredentials, sizeof(m->subcredentials));
    memcpy(m->point.auth_key, m->auth_key.public_key, 32);
    memcpy(m->point.enc_key, m->enc_key.public_key, 32);
    m->rendezvous = some_relay();
    struct introduction *i = &m->said;
    random_bytes(i->cookie, sizeof(i->cookie));
    memcpy(i->onion_key, m->rendezvous.ntor_key, 32);
    i->specifiers_length =
        (uint16_t)link_specifiers_of(&m->rendezvous, i->specifiers, sizeof(i->specifiers));
}

static size_t make(const struct meeting *m, unsigned which, uint8_t body[RELAY_BODY_MAX])
{
    return introduce1_make(&m->said, &m->point, m->subcredentials[which], &m->ephemeral, body,
                           RELAY_BODY_MAX);
}

// From a copy of exactly its length.
static enum introduce2_result read_body(const struct meeting *m, const uint8_t *body, size_t length,
                                        unsigned n, struct introduction *out)
{
    uint8_t *copy = exact_copy(body, length);
    enum introduce2_result result =
        introduce2_read(copy, length, m->point.auth_key, &m->enc_key,
                        (const uint8_t(*)[32])m->subcredentials, n, out);
    free(copy);
    return result;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct meeting m;
    struct introduction heard;
    uint8_t body[RELAY_BODY_MAX];
    for (unsigned form = 0; form < 4; form++) {
        make_meeting(&m);
        m.said.congestion_control = form & 1;
        if (form & 2) {
            random_bytes(&m.said.pow, sizeof(m.said.pow));
            m.said.pow.present = true;
        }
        unsigned which = form * 3;
        size_t length = make(&m, which, body);
        // Whatever is asked for, it looks the same, and as C tor's: 246 filled up, X, the MAC.
        assert_int_equal(length, 310);
        assert_int_equal(read_body(&m, body, length, 12, &heard), INTRODUCE2_GOOD);
        assert_memory_equal(heard.cookie, m.said.cookie, sizeof(heard.cookie));
        assert_memory_equal(heard.client_public, m.ephemeral.public_key, 32);
        assert_int_equal(heard.congestion_control, m.said.congestion_control);
        assert_int_equal(heard.pow.present, m.said.pow.present);
        if (form & 2) {
            assert_memory_equal(heard.pow.nonce, m.said.pow.nonce, 16);
            assert_int_equal(heard.pow.effort, m.said.pow.effort);
            assert_memory_equal(heard.pow.seed_head, m.said.pow.seed_head, 4);
            assert_memory_equal(heard.pow.solution, m.said.pow.solution, POW_SOLUTION_LEN);
        }
        assert_int_equal(heard.subcredential, which);
        assert_memory_equal(heard.onion_key, m.said.onion_key, 32);
        assert_int_equal(heard.specifiers_length, m.said.specifiers_length);
        assert_memory_equal(heard.specifiers, m.said.specifiers, heard.specifiers_length);
    }
}

// The layout, byte by byte, with the keys of a client.
static void test_layout(void **state)
{
    (void)state;
    struct meeting m;
    uint8_t body[RELAY_BODY_MAX], plain[RELAY_BODY_MAX], mac[32];
    make_meeting(&m);
    m.said.congestion_control = true;
    size_t length = make(&m, 0, body);
    uint8_t expected[HEADER_LEN + 32] = {[20] = 2, [22] = 32};
    memcpy(expected + 23, m.point.auth_key, 32);
    memcpy(expected + HEADER_LEN, m.ephemeral.public_key, 32);
    assert_memory_equal(body, expected, sizeof(expected));
    struct hs_ntor_point point;
    memcpy(point.auth_key, m.point.auth_key, 32);
    memcpy(point.enc_key, m.point.enc_key, 32);
    struct hs_ntor_intro_keys keys;
    assert_true(hs_ntor_client_introduce(&point, &m.ephemeral, m.subcredentials[0], &keys));
    hs_ntor_mac(keys.mac, body, length - 32, mac);
    assert_memory_equal(body + length - 32, mac, 32);
    size_t plain_length = length - 32 - HEADER_LEN - 32;
    assert_int_equal(
        aes256_ctr_zero_iv(keys.encryption, body + HEADER_LEN + 32, plain_length, plain), 0);
    assert_memory_equal(plain, m.said.cookie, 20);
    assert_hex(plain + 20, "010100"
                           "010020");
    assert_memory_equal(plain + 26, m.said.onion_key, 32);
    assert_memory_equal(plain + 58, m.said.specifiers, m.said.specifiers_length);
    for (size_t i = 58 + m.said.specifiers_length; i < plain_length; i++)
        assert_int_equal(plain[i], 0);
    assert_int_equal(plain_length, 190);
}

// Every subcredential is tried, however many, and nobody else's opens it.
static void test_subcredentials(void **state)
{
    (void)state;
    struct meeting m;
    struct introduction heard;
    uint8_t body[RELAY_BODY_MAX];
    make_meeting(&m);
    static const unsigned counts[] = {1, 2, 15, 16, 17, 32, 33, SUBCREDENTIALS};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        size_t length = make(&m, counts[i] - 1, body);
        assert_int_equal(read_body(&m, body, length, counts[i], &heard), INTRODUCE2_GOOD);
        assert_int_equal(heard.subcredential, counts[i] - 1);
        assert_int_equal(read_body(&m, body, length, counts[i] - 1, &heard), INTRODUCE2_UNREADABLE);
    }
}

static void test_changed_bytes(void **state)
{
    (void)state;
    struct meeting m;
    struct introduction heard;
    uint8_t body[RELAY_BODY_MAX + 1];
    make_meeting(&m);
    size_t length = make(&m, 0, body);
    for (size_t i = 0; i < length; i++) {
        body[i] ^= 1;
        assert_int_not_equal(read_body(&m, body, length, 2, &heard), INTRODUCE2_GOOD);
        body[i] ^= 1;
        assert_int_not_equal(read_body(&m, body, i, 2, &heard), INTRODUCE2_GOOD);
    }
    body[length] = 0;
    assert_int_equal(read_body(&m, body, length + 1, 2, &heard), INTRODUCE2_UNREADABLE);
    assert_int_equal(read_body(&m, body, length, 2, &heard), INTRODUCE2_GOOD);
    // Zeros, and the version that was before (13.06).
    memset(body, 0, sizeof(body));
    assert_int_equal(read_body(&m, body, sizeof(body), 2, &heard), INTRODUCE2_MALFORMED);
    memset(body, 7, sizeof(body));
    assert_int_equal(read_body(&m, body, sizeof(body), 2, &heard), INTRODUCE2_MALFORMED);
}

// A body of any kind that the service's keys open.
static size_t seal(const struct meeting *m, const uint8_t *extensions, size_t extensions_length,
                   const uint8_t *plain, size_t plain_length, uint8_t *body)
{
    struct hs_ntor_point point;
    struct hs_ntor_intro_keys keys;
    memcpy(point.auth_key, m->point.auth_key, 32);
    memcpy(point.enc_key, m->point.enc_key, 32);
    assert_true(hs_ntor_client_introduce(&point, &m->ephemeral, m->subcredentials[0], &keys));
    struct writer w = writer_of(body, RELAY_BODY_MAX);
    write_zeros(&w, 20);
    write_u8(&w, 2);
    write_u16(&w, 32);
    write_bytes(&w, m->point.auth_key, 32);
    write_bytes(&w, extensions, extensions_length);
    write_bytes(&w, m->ephemeral.public_key, 32);
    uint8_t *sealed = write_room(&w, plain_length);
    assert_non_null(sealed);
    assert_int_equal(aes256_ctr_zero_iv(keys.encryption, plain, plain_length, sealed), 0);
    size_t covered = writer_length(&w);
    uint8_t *mac = write_room(&w, 32);
    assert_non_null(mac);
    hs_ntor_mac(keys.mac, body, covered, mac);
    return writer_length(&w);
}

static enum introduce2_result read_plain(const struct meeting *m, const uint8_t *plain,
                                         size_t length, struct introduction *out)
{
    uint8_t body[RELAY_BODY_MAX];
    size_t n = seal(m, (const uint8_t[]){0}, 1, plain, length, body);
    enum introduce2_result result = read_body(m, body, n, 1, out);
    uint8_t *copy = exact_copy(plain, length);
    assert_int_equal(introduce2_read_plain(copy, length, out), result == INTRODUCE2_GOOD);
    free(copy);
    return result;
}

// Cookie, then `extensions`, `key` (type, length, key), `specifiers`; each as given or as they
// should be.
struct plain_parts {
    const char *extensions, *key, *specifiers;
};

static enum introduce2_result read_parts(struct plain_parts parts, struct introduction *out)
{
    static const char good_key[] =
        "0100200102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";
    static const char good_specifiers[] = "020006090807062329"
                                          "0214aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct meeting m;
    uint8_t plain[RELAY_BODY_MAX] = {0};
    const char *texts[] = {parts.extensions ? parts.extensions : "00",
                           parts.key ? parts.key : good_key,
                           parts.specifiers ? parts.specifiers : good_specifiers};
    size_t n = RENDEZVOUS_COOKIE_LEN;
    make_meeting(&m);
    for (unsigned i = 0; i < 3; i++) {
        unhex(texts[i], plain + n, strlen(texts[i]) / 2);
        n += strlen(texts[i]) / 2;
    }
    return read_plain(&m, plain, n, out);
}

#define NONCE "000102030405060708090a0b0c0d0e0f"
#define SOLUTION "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
#define POW(version) "0229" version NONCE "00000007aabbccdd" SOLUTION

static void test_extensions(void **state)
{
    (void)state;
    struct introduction i;
    assert_int_equal(read_parts((struct plain_parts){.extensions = "00"}, &i), INTRODUCE2_GOOD);
    assert_false(i.congestion_control || i.pow.present);
    // Congestion control: twice, or with a body, is the same as once.
    assert_int_equal(read_parts((struct plain_parts){.extensions = "010100"}, &i), INTRODUCE2_GOOD);
    assert_true(i.congestion_control);
    assert_int_equal(read_parts((struct plain_parts){.extensions = "0201000103aabbcc"}, &i),
                     INTRODUCE2_GOOD);
    assert_true(i.congestion_control);
    // What nobody knows is ignored, also with others around it.
    assert_int_equal(read_parts((struct plain_parts){.extensions = "03ff0277770100fe00"}, &i),
                     INTRODUCE2_GOOD);
    assert_true(i.congestion_control && !i.pow.present);
    assert_int_equal(read_parts((struct plain_parts){.extensions = "020100" POW("01")}, &i),
                     INTRODUCE2_GOOD);
    assert_true(i.congestion_control && i.pow.present && i.pow.effort == 7);
    assert_hex(i.pow.nonce, NONCE);
    assert_hex(i.pow.seed_head, "aabbccdd");
    assert_hex(i.pow.solution, SOLUTION);
    // Longer than it must be is as good.
    assert_int_equal(
        read_parts(
            (struct plain_parts){.extensions = "01022a01" NONCE "00000007aabbccdd" SOLUTION "99"},
            &i),
        INTRODUCE2_GOOD);
    static const char *const bad[] = {
        "01" POW("00"), // other versions
        "01" POW("02"),
        "010228"
        "01" NONCE "00000007aabbccdd"
        "f0f1f2f3f4f5f6f7f8f9fafbfcfdfe", // too short
        "010200",
        "01020101",
        "02" POW("01") POW("01"), // C tor: a replay of itself
        "020100" POW("03"),
        "0101ff", // longer than all there is
        "0201ff",
        "ff", // more of them than there is room for
    };
    for (size_t n = 0; n < sizeof(bad) / sizeof(*bad); n++)
        assert_int_equal(read_parts((struct plain_parts){.extensions = bad[n]}, &i),
                         INTRODUCE2_MALFORMED);
}

static void test_plain_faults(void **state)
{
    (void)state;
    struct introduction i;
    struct meeting m;
    uint8_t plain[RELAY_BODY_MAX] = {0};
    static const char *const bad_keys[] = {
        "0000200102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", // type
        "0200200102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "01001f0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20", // length
        "0100210102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "01ffff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
        "010000",
    };
    for (size_t n = 0; n < sizeof(bad_keys) / sizeof(*bad_keys); n++)
        assert_int_equal(read_parts((struct plain_parts){.key = bad_keys[n]}, &i),
                         INTRODUCE2_MALFORMED);
    static const char *const bad_specifiers[] = {
        "020006090807062329", // one is missing
        "0100050908070623",   // of a wrong length
        "01000709080706232900",
        "010111000000000000000000000000000000000000",
        "010213aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "01031faaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "0109ff",
        "ff0900",
    };
    for (size_t n = 0; n < sizeof(bad_specifiers) / sizeof(*bad_specifiers); n++)
        assert_int_equal(read_parts((struct plain_parts){.specifiers = bad_specifiers[n]}, &i),
                         INTRODUCE2_MALFORMED);
    // What does not say where is read, and refused when it is to be gone to.
    assert_int_equal(read_parts((struct plain_parts){.specifiers = "00"}, &i), INTRODUCE2_GOOD);
    assert_int_equal(i.specifiers_length, 1);
    assert_int_equal(read_parts((struct plain_parts){.specifiers = "010903aabbcc"}, &i),
                     INTRODUCE2_GOOD);
    assert_int_equal(i.specifiers_length, 6);
    make_meeting(&m);
    for (size_t n = 0; n < 57; n++)
        assert_int_equal(read_plain(&m, plain, n, &i), INTRODUCE2_MALFORMED);
}

// Extensions outside of what is encrypted, which nobody uses; and too little that is encrypted.
static void test_outer_part(void **state)
{
    (void)state;
    struct meeting m;
    struct introduction heard;
    uint8_t body[RELAY_BODY_MAX], plain[RELAY_BODY_MAX] = {0};
    make_meeting(&m);
    struct writer w = writer_of(plain, sizeof(plain));
    write_zeros(&w, RENDEZVOUS_COOKIE_LEN + 1);
    write_u8(&w, 1);
    write_u16(&w, 32);
    write_bytes(&w, m.said.onion_key, 32);
    write_bytes(&w, m.said.specifiers, m.said.specifiers_length);
    static const uint8_t extensions[] = {2, 1, 3, 9, 9, 9, 0xff, 0};
    size_t length = seal(&m, extensions, sizeof(extensions), plain, writer_length(&w), body);
    assert_int_equal(read_body(&m, body, length, 1, &heard), INTRODUCE2_GOOD);

    const uint8_t *encrypted;
    size_t encrypted_length;
    assert_true(introduce2_encrypted(body, length, &encrypted, &encrypted_length));
    assert_ptr_equal(encrypted, body + HEADER_LEN - 1 + sizeof(extensions));
    assert_int_equal(encrypted_length, 32 + writer_length(&w) + 32);
    // Of one byte, as a visitor can say it to any introduction point; of none, as it can't.
    size_t before = HEADER_LEN - 1 + sizeof(extensions);
    assert_true(introduce2_encrypted(body, before + 1, &encrypted, &encrypted_length));
    assert_int_equal(encrypted_length, 1);
    assert_int_equal(read_body(&m, body, before + 1, 1, &heard), INTRODUCE2_MALFORMED);
    assert_int_equal(read_body(&m, body, before + 63, 1, &heard), INTRODUCE2_MALFORMED);
    assert_false(introduce2_encrypted(body, before, &encrypted, &encrypted_length));
    // Another introduction point's.
    m.point.auth_key[0] ^= 1;
    assert_int_equal(read_body(&m, body, length, 1, &heard), INTRODUCE2_MALFORMED);
    m.point.auth_key[0] ^= 1;
    // Nothing is encrypted: opened, and nothing in it.
    length = seal(&m, (const uint8_t[]){0}, 1, plain, 0, body);
    assert_int_equal(length, HEADER_LEN + 64);
    assert_int_equal(read_body(&m, body, length, 1, &heard), INTRODUCE2_MALFORMED);
}

// 13.02: a descriptor may name any key; a client may send any.
static void test_bad_keys(void **state)
{
    (void)state;
    struct meeting m;
    struct introduction heard;
    uint8_t body[RELAY_BODY_MAX];
    make_meeting(&m);
    size_t length = make(&m, 0, body);
    memset(body + HEADER_LEN, 0, 32);
    assert_int_equal(read_body(&m, body, length, 1, &heard), INTRODUCE2_UNREADABLE);
    memset(m.point.enc_key, 0, 32);
    assert_int_equal(make(&m, 0, body), 0);
    m.point.enc_key[0] = 1;
    assert_int_equal(make(&m, 0, body), 0);
}

static void test_capacity(void **state)
{
    (void)state;
    struct meeting m;
    uint8_t body[RELAY_BODY_MAX];
    make_meeting(&m);
    for (size_t capacity = 0; capacity < 310; capacity += 7) {
        uint8_t *room = malloc(capacity > 0 ? capacity : 1);
        assert_non_null(room);
        assert_int_equal(
            introduce1_make(&m.said, &m.point, m.subcredentials[0], &m.ephemeral, room, capacity),
            0);
        free(room);
    }
    // More specifiers than fit in any cell.
    m.said.specifiers_length = LINK_SPECIFIERS_MAX;
    assert_int_equal(make(&m, 0, body), 0);
    // More than the padding: longer than others, and read all the same.
    memset(m.said.specifiers, 0, sizeof(m.said.specifiers));
    m.said.specifiers[0] = 1;
    m.said.specifiers[1] = 9;
    m.said.specifiers[2] = 200;
    m.said.specifiers_length = 203;
    struct introduction heard;
    size_t length = make(&m, 0, body);
    assert_int_equal(length, HEADER_LEN + 32 + 20 + 1 + 35 + 203 + 32);
    assert_int_equal(read_body(&m, body, length, 1, &heard), INTRODUCE2_GOOD);
}

static void test_establish_intro(void **state)
{
    (void)state;
    static const struct {
        uint32_t rate, burst;
        bool limited;
    } cases[] = {{0, 0, false}, {25, 200, true}, {1, 1, true}, {200, 25, false}, {0, 7, false}};
    struct ed25519_key auth;
    uint8_t nonce[20], body[RELAY_BODY_MAX];
    ed25519_generate(&auth);
    random_bytes(nonce, sizeof(nonce));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct establish_intro e;
        size_t length =
            establish_intro_make(&auth, nonce, cases[i].rate, cases[i].burst, body, sizeof(body));
        bool extended = cases[i].rate || cases[i].burst;
        assert_int_equal(length, 3 + 32 + 1 + (extended ? 21 : 0) + 32 + 2 + 64);
        assert_true(establish_intro_parse(body, length, &e));
        assert_memory_equal(e.auth_key, auth.public_key, 32);
        assert_int_equal(e.has_limit, extended);
        assert_int_equal(e.rate_per_s, cases[i].limited ? cases[i].rate : 0);
        assert_int_equal(e.burst, cases[i].limited ? cases[i].burst : 0);
        assert_true(establish_intro_verify(&e, nonce));
        nonce[0] ^= 1; // another circuit's
        assert_false(establish_intro_verify(&e, nonce));
        nonce[0] ^= 1;
        for (size_t capacity = 0; capacity < length; capacity += 5)
            assert_int_equal(
                establish_intro_make(&auth, nonce, cases[i].rate, cases[i].burst, body, capacity),
                0);
    }
}

static void test_rendezvous(void **state)
{
    (void)state;
    struct meeting m;
    struct curve25519_key y;
    uint8_t auth[32], material[128], body[RENDEZVOUS1_LEN], again[RENDEZVOUS1_LEN];
    uint8_t service_public[32], heard[32], client_material[128];
    make_meeting(&m);
    curve25519_generate(&y);
    assert_true(hs_ntor_service_rendezvous(m.point.auth_key, &m.enc_key, &y, m.ephemeral.public_key,
                                           auth, material));
    assert_int_equal(rendezvous1_make(m.said.cookie, y.public_key, auth, body), RENDEZVOUS1_LEN);
    assert_int_equal(rendezvous1_make(m.said.cookie, y.public_key, auth, again), RENDEZVOUS1_LEN);
    assert_memory_equal(body, m.said.cookie, 20);
    assert_memory_equal(body, again, 20 + 64);
    assert_memory_not_equal(body + 84, again + 84, RENDEZVOUS1_LEN - 84); // padding is random
    // The rendezvous point takes the cookie away.
    assert_true(rendezvous2_read(body + 20, RENDEZVOUS1_LEN - 20, service_public, heard));
    struct hs_ntor_point point;
    memcpy(point.auth_key, m.point.auth_key, 32);
    memcpy(point.enc_key, m.point.enc_key, 32);
    assert_true(
        hs_ntor_client_rendezvous(&point, &m.ephemeral, service_public, heard, client_material));
    assert_memory_equal(client_material, material, sizeof(material));
    assert_true(rendezvous2_read(body + 20, 64, service_public, heard));
    for (size_t n = 0; n < 64; n++) {
        uint8_t *copy = exact_copy(body + 20, n);
        assert_false(rendezvous2_read(copy, n, service_public, heard));
        free(copy);
    }
}

static bool hop_of(const char *hex, bool private_allowed, struct own_circuit_hop *out)
{
    static const uint8_t key[32] = {1};
    size_t length = strlen(hex) / 2;
    uint8_t bytes[256];
    unhex(hex, bytes, length);
    uint8_t *copy = exact_copy(bytes, length);
    bool good = link_specifiers_hop(copy, length, key, private_allowed, out);
    free(copy);
    return good;
}

#define RSA "0214aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NO_RSA "02140000000000000000000000000000000000000000"
#define ED "0320bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NO_ED "03200000000000000000000000000000000000000000000000000000000000000000"
#define V4 "0006090807062329"
#define V6 "011220010db80000000000000000000000012329"

static void test_link_specifiers(void **state)
{
    (void)state;
    struct own_circuit_hop hop = some_relay(), back;
    uint8_t bytes[LINK_SPECIFIERS_MAX];
    size_t length = link_specifiers_of(&hop, bytes, sizeof(bytes));
    assert_int_equal(length, 1 + 8 + 22 + 34);
    assert_int_equal(link_specifiers_length(bytes, length), length);
    assert_true(link_specifiers_hop(bytes, length, hop.ntor_key, false, &back));
    assert_memory_equal(&back.target, &hop.target, sizeof(hop.target));
    assert_true(back.has_ntor_key && !back.ntor_v3 && !back.cgo && !back.congestion_control);
    assert_memory_equal(back.ntor_key, hop.ntor_key, 32);
    for (size_t capacity = 0; capacity < length; capacity++)
        assert_int_equal(link_specifiers_of(&hop, bytes, capacity), 0);
    hop.target.n_addresses = 0;
    assert_int_equal(link_specifiers_of(&hop, bytes, sizeof(bytes)), 0);
    hop.target.n_addresses = 2; // both families are told
    assert_true(address_parse("2001:db8::1", &hop.target.addresses[1]));
    hop.target.addresses[1].port = 9001;
    length = link_specifiers_of(&hop, bytes, sizeof(bytes));
    assert_int_equal(length, 1 + 8 + 22 + 34 + 20);
    assert_true(link_specifiers_hop(bytes, length, hop.ntor_key, false, &back));
    assert_int_equal(back.target.n_addresses, 1);
    assert_int_equal(back.target.addresses[0].family, ADDRESS_IPV4);
    // A key of zeros is none.
    assert_false(link_specifiers_hop(bytes, length, (const uint8_t[32]){0}, false, &back));
}

// 8.32: what EXTEND2 is asked, too.
static void test_link_specifier_faults(void **state)
{
    (void)state;
    struct own_circuit_hop hop;
    assert_true(hop_of("02" V4 RSA, false, &hop));
    assert_false(hop.target.has_ed_id);
    assert_true(hop_of("03" RSA V4 NO_ED, false, &hop)); // no identity of this kind
    assert_false(hop.target.has_ed_id);
    assert_true(hop_of("05" RSA "0904aabbccdd" ED V4 V6, false, &hop)); // any order, unknown ones
    assert_true(hop.target.has_ed_id);
    // The first IPv4 address is the one, as C tor has it.
    assert_true(hop_of("03" V4 "000609080705ffff" RSA, false, &hop));
    assert_int_equal(hop.target.n_addresses, 1);
    assert_int_equal(hop.target.addresses[0].port, 9001);
    static const char *const bad[] = {
        "",
        "00",
        "01" V4,           // nobody
        "01" RSA,          // nowhere
        "02" V6 RSA,       // IPv6 alone
        "02" V4 NO_RSA,    // of zeros
        "02" V4 ED,        // RSA is what is asked for
        "03" V4 RSA RSA,   // two identities
        "04" V4 RSA ED ED, // …
        "02" V4 RSA "00",  // more than was said
        "03" V4 RSA,       // less
        "02" V4 "0213aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "02"
        "0006000000002329" RSA, // 0.0.0.0
        "02"
        "0006090807060000" RSA, // port 0
        "02"
        "0006e00000012329" RSA, // multicast
        "02"
        "0006ffffffff2329" RSA,
        "02"
        "000500000000"
        "23" RSA,
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (hop_of(bad[i], true, &hop))
            fail_msg("%s", bad[i]);
    static const char *const private_ones[] = {
        "02"
        "00067f0000012329" RSA,
        "02"
        "00060a0000012329" RSA,
        "02"
        "0006c0a800012329" RSA,
        "02"
        "0006ac1000012329" RSA,
        "02"
        "0006a9fe00012329" RSA,
        "02"
        "0006644000012329" RSA,
        // Not looked for further on: only the first counts.
        "03"
        "00067f0000012329" V4 RSA,
    };
    for (size_t i = 0; i < sizeof(private_ones) / sizeof(*private_ones); i++) {
        assert_false(hop_of(private_ones[i], false, &hop));
        assert_true(hop_of(private_ones[i], true, &hop));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_subcredentials),
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_plain_faults),
        cmocka_unit_test(test_outer_part),
        cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_establish_intro),
        cmocka_unit_test(test_rendezvous),
        cmocka_unit_test(test_link_specifiers),
        cmocka_unit_test(test_link_specifier_faults),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
