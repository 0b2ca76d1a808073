// SPDX-License-Identifier: BSD-3-Clause
// The server descriptor and the extra-info: items and their order (6.01–6.12), and every signature
// and certificate in them verified by OpenSSL, from the text alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/ed25519.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "dir/publish/protocols.h"
#include "sample.h"
#include "temp_dir.h"

static const time_t start = 1700000000;
static struct temp_dir dir;
static struct identity *identity;

static int set_up_at(time_t now)
{
    char error[512];
    dir = temp_dir_make();
    identity = identity_load(dir.path, "ramson0", now, error, sizeof(error));
    return identity == NULL ? -1 : 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_at(start);
}

static int tear_down(void **state)
{
    (void)state;
    identity_free(identity);
    temp_dir_remove(&dir);
    return 0;
}

static struct sample *make(void)
{
    struct sample *s = malloc(sizeof(*s));
    sample_prepare(s, identity, start);
    sample_build(s);
    assert_true(s->descriptor_length > 0 && s->extra_info_length > 0);
    return s;
}

// ---- reading the text: code of its own, on OpenSSL

static const char *find_item(const char *text, const char *keyword)
{
    char pattern[64];
    snprintf(pattern, sizeof(pattern), "\n%s", keyword);
    const char *at = strstr(text, pattern);
    assert_non_null(at);
    return at + 1;
}

static size_t decode(const char *base64, size_t length, uint8_t *out)
{
    char padded[4096];
    size_t n = 0;
    for (size_t i = 0; i < length; i++)
        if (base64[i] != '\n')
            padded[n++] = base64[i];
    size_t bytes = n * 3 / 4;
    while (n > 0 && padded[n - 1] == '=') { // '=' is counted as a byte by EVP
        n--;
        bytes = n * 3 / 4;
    }
    while (n % 4 != 0)
        padded[n++] = '=';
    assert_true(EVP_DecodeBlock(out, (const uint8_t *)padded, (int)n) >= 0);
    return bytes;
}

static size_t find_object(const char *item, const char *label, uint8_t *out)
{
    char line[64];
    snprintf(line, sizeof(line), "-----BEGIN %s-----\n", label);
    const char *begin = strchr(item, '\n') + 1;
    assert_memory_equal(begin, line, strlen(line));
    begin += strlen(line);
    const char *end = strstr(begin, "-----END ");
    for (const char *p = begin; p < end; p = strchr(p, '\n') + 1)
        assert_true(strchr(p, '\n') - p <= 64);
    return decode(begin, (size_t)(end - begin), out);
}

static EVP_PKEY *read_rsa(const char *item)
{
    const char *pem = strchr(item, '\n') + 1;
    assert_memory_equal(pem, "-----BEGIN RSA PUBLIC KEY-----\n", 31);
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = NULL;
    RSA *rsa = PEM_read_bio_RSAPublicKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(rsa);
    key = EVP_PKEY_new();
    EVP_PKEY_assign_RSA(key, rsa);
    return key;
}

// What is under a signature without DigestInfo.
static size_t recover(EVP_PKEY *key, const uint8_t *signature, size_t length, uint8_t out[128])
{
    size_t n = 128;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_verify_recover_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING), 1);
    assert_int_equal(EVP_PKEY_verify_recover(ctx, out, &n, signature, length), 1);
    EVP_PKEY_CTX_free(ctx);
    return n;
}

static bool ed_verifies(const uint8_t public_key[32], const uint8_t *message, size_t length,
                        const uint8_t signature[64])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, 32);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestVerify(ctx, signature, 64, message, length) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return ok;
}

static uint32_t hours_of(const uint8_t *cert)
{
    return (uint32_t)cert[2] << 24 | (uint32_t)cert[3] << 16 | (uint32_t)cert[4] << 8 | cert[5];
}

// Both signatures of a document, and the chain from the master key.
static void check_signatures(const char *text)
{
    uint8_t cert[512], signature[512], digest[128], expected[32];
    size_t length = find_object(find_item(text, "identity-ed25519\n"), "ED25519 CERT", cert);
    assert_int_equal(length, 140);
    assert_int_equal(cert[0], 1); // version
    assert_int_equal(cert[1], 4); // type: signing key
    assert_int_equal(cert[6], 1); // an Ed25519 key
    assert_memory_equal(cert + 44, identity->master.public_key, 32);
    assert_true(ed_verifies(cert + 44, cert, 76, cert + 76));

    const char *signed_end = find_item(text, "router-sig-ed25519 ") + 19;
    assert_int_equal(decode(signed_end, 86, signature), 64);
    assert_int_equal(signed_end[86], '\n');
    SHA256_CTX sha256;
    SHA256_Init(&sha256);
    SHA256_Update(&sha256, "Tor router descriptor signature v1", 34);
    SHA256_Update(&sha256, text, (size_t)(signed_end - text));
    SHA256_Final(expected, &sha256);
    assert_true(ed_verifies(cert + 7, expected, 32, signature));
    assert_memory_equal(signed_end + 87, "router-signature\n", 17);

    const char *item = find_item(text, "router-signature\n");
    assert_int_equal(find_object(item, "SIGNATURE", signature), 128);
    char pem[2048];
    EVP_PKEY *key;
    rsa_public_to_pem(identity->rsa, pem + 2, sizeof(pem) - 2);
    memcpy(pem, "x\n", 2);
    key = read_rsa(pem);
    assert_int_equal(recover(key, signature, 128, digest), 20);
    SHA1((const uint8_t *)text, (size_t)(item + 17 - text), expected);
    assert_memory_equal(digest, expected, 20);
    EVP_PKEY_free(key);
    const char *end = strstr(item, "-----END SIGNATURE-----\n");
    assert_string_equal(end, "-----END SIGNATURE-----\n");
}

static void test_signatures(void **state)
{
    (void)state;
    struct sample *s = make();
    check_signatures(s->descriptor_text);
    check_signatures(s->extra_info_text);
    free(s);
}

static void test_cross_certificates(void **state)
{
    (void)state;
    struct sample *s = make();
    uint8_t cert[512], recovered[128], expected[52], ed_key[32];
    EVP_PKEY *tap = read_rsa(find_item(s->descriptor_text, "onion-key\n"));
    size_t n =
        find_object(find_item(s->descriptor_text, "onion-key-crosscert\n"), "CROSSCERT", cert);
    memcpy(expected, identity->rsa_id, 20);
    memcpy(expected + 20, identity->master.public_key, 32);
    assert_int_equal(recover(tap, cert, n, recovered), 52);
    assert_memory_equal(recovered, expected, 52);
    EVP_PKEY_free(tap);

    const char *item = find_item(s->descriptor_text, "ntor-onion-key-crosscert ");
    uint8_t bit = (uint8_t)(item[25] - '0');
    assert_true(bit <= 1 && item[26] == '\n');
    assert_int_equal(find_object(item, "ED25519 CERT", cert), 104);
    assert_int_equal(cert[1], 0x0a);
    assert_memory_equal(cert + 7, identity->master.public_key, 32);
    assert_in_range(hours_of(cert), (start + 28 * 86400) / 3600, (start + 28 * 86400) / 3600 + 1);
    item = find_item(s->descriptor_text, "ntor-onion-key ");
    uint8_t onion[48];
    assert_int_equal(decode(item + 15, 43, onion), 32);
    assert_int_equal(item[15 + 43], '\n');
    assert_memory_equal(onion, identity->onion_key.public_key, 32);
    assert_int_equal(ed25519_public_from_curve25519(onion, bit, ed_key), 0);
    assert_true(ed_verifies(ed_key, cert, 40, cert + 40));
    free(s);
}

static void test_extra_info_digest(void **state)
{
    (void)state;
    struct sample *s = make();
    uint8_t sha1_digest[20], sha256_digest[32], said[48];
    const char *end = find_item(s->extra_info_text, "router-signature\n") + 17;
    SHA1((const uint8_t *)s->extra_info_text, (size_t)(end - s->extra_info_text), sha1_digest);
    SHA256((const uint8_t *)s->extra_info_text, (size_t)s->extra_info_length, sha256_digest);
    const char *item = find_item(s->descriptor_text, "extra-info-digest ") + 18;
    char hex[41];
    for (int i = 0; i < 20; i++)
        snprintf(hex + 2 * i, 3, "%02X", sha1_digest[i]);
    assert_memory_equal(item, hex, 40);
    assert_int_equal(decode(item + 41, 43, said), 32);
    assert_memory_equal(said, sha256_digest, 32);
    free(s);
}

// ---- order and contents

// The keywords of `text`, one a line; objects are left out.
static void keywords_of(const char *text, char *out)
{
    bool in_object = false;
    *out = '\0';
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        if (strncmp(line, "-----BEGIN", 10) == 0)
            in_object = true;
        if (!in_object)
            sprintf(out + strlen(out), "%.*s\n", (int)strcspn(line, " \n"), line);
        if (strncmp(line, "-----END", 8) == 0)
            in_object = false;
    }
}

static void test_order(void **state)
{
    (void)state;
    struct sample *s = make();
    char keywords[2048];
    keywords_of(s->descriptor_text, keywords);
    assert_string_equal(keywords, "router\nidentity-ed25519\nmaster-key-ed25519\nplatform\nproto\n"
                                  "published\nfingerprint\nuptime\nbandwidth\nextra-info-digest\n"
                                  "caches-extra-info\n"
                                  "onion-key\nsigning-key\nonion-key-crosscert\n"
                                  "ntor-onion-key-crosscert\nhidden-service-dir\ncontact\n"
                                  "ntor-onion-key\nreject\ntunnelled-dir-server\n"
                                  "router-sig-ed25519\nrouter-signature\n");
    keywords_of(s->extra_info_text, keywords);
    assert_string_equal(keywords, "extra-info\nidentity-ed25519\npublished\nwrite-history\n"
                                  "read-history\nrouter-sig-ed25519\nrouter-signature\n");
    address_parse("2001:db8::5", &s->descriptor.ipv6);
    s->descriptor.ipv6.port = 9001;
    s->descriptor.contact = "";
    sample_build(s);
    keywords_of(s->descriptor_text, keywords);
    static const char with_ipv6[] = "router\nidentity-ed25519\nmaster-key-ed25519\nor-address\n";
    assert_memory_equal(keywords, with_ipv6, strlen(with_ipv6));
    assert_null(strstr(keywords, "contact"));
    find_item(s->descriptor_text, "or-address [2001:db8::5]:9001\n");
    free(s);
}

static void test_contents(void **state)
{
    (void)state;
    struct sample *s = make();
    const char *text = s->descriptor_text;
    char line[128];
    assert_memory_equal(text, "router ramson0 203.0.113.5 9001 0 0\n", 36);
    find_item(text, "published 2023-11-14 22:13:20\n");
    find_item(text, "uptime 3600\n");
    find_item(text, "bandwidth 1000000 2000000 765432\n");
    find_item(text, "platform ramson 0.1.0 on Linux\n");
    find_item(text, "contact operator <operator at example.org>\n");
    find_item(text, "reject *:*\n");
    strcpy(line, "fingerprint");
    for (int i = 0; i < 20; i += 2)
        sprintf(line + strlen(line), " %02X%02X", identity->rsa_id[i], identity->rsa_id[i + 1]);
    strcat(line, "\n");
    find_item(text, line);
    free(s);
}

// Every peer takes a number here for a promise.
static void test_protocols(void **state)
{
    (void)state;
    char line[256];
    assert_true(protocols_line(line, sizeof(line)) > 0);
    assert_string_equal(line,
                        "Cons=2 Desc=2 DirCache=2 FlowCtrl=1-2 HSDir=2 HSIntro=4-5 HSRend=1-2 "
                        "Link=4-5 LinkAuth=3 Microdesc=2 Relay=2-6");
    for (size_t size = 0; size < strlen(line); size++)
        assert_int_equal(protocols_line(line, size), -EMSGSIZE);
}

// What the consensus may require of a relay (6.34).
static void test_required_protocols(void **state)
{
    (void)state;
    char missing[64] = "";
    assert_true(protocols_satisfy(NULL, missing, sizeof(missing)));
    assert_true(protocols_satisfy("Link=4-5 Relay=2-4 LinkAuth=3", missing, sizeof(missing)));
    assert_false(protocols_satisfy("Link=4-5 Relay=2-9", missing, sizeof(missing)));
    assert_string_equal(missing, "Relay=7");
    assert_false(protocols_satisfy("Padding=9", NULL, 0));
}

static void test_refused_input(void **state)
{
    (void)state;
    static const char *const bad_policy[] = {"reject *:*\naccept *:*"};
    struct sample *s = malloc(sizeof(*s));
    for (int i = 0; i < 7; i++) {
        sample_prepare(s, identity, start);
        struct descriptor *d = &s->descriptor;
        switch (i) {
        case 0:
            d->contact = "me\nhidden-service-dir";
            break;
        case 1:
            d->nickname = "a\rb";
            break;
        case 2:
            d->ipv4.family = ADDRESS_NONE;
            break;
        case 3:
            d->policy = bad_policy;
            break;
        case 4:
            d->policy_lines = 0;
            break;
        case 5:
            d->platform = "";
            break;
        default:
            d->ipv4.port = 0;
        }
        assert_int_equal(descriptor_build(d, s->descriptor_text, DESCRIPTOR_MAX), -EINVAL);
    }
    free(s);
}

// Too little room at any place is an error, never a short document.
static void test_every_capacity(void **state)
{
    (void)state;
    struct sample *s = make();
    int length = s->descriptor_length;
    for (int capacity = 0; capacity < length; capacity += capacity < 64 ? 1 : 61) {
        char *out = malloc((size_t)capacity + 1);
        assert_int_equal(descriptor_build(&s->descriptor, out, (size_t)capacity), -EMSGSIZE);
        free(out);
    }
    assert_true(length < 4096);
    char *lines = malloc(EXTRA_INFO_MAX + 1);
    memset(lines, 'x', EXTRA_INFO_MAX);
    lines[EXTRA_INFO_MAX] = '\0';
    s->extra_info.lines = lines;
    sample_build(s);
    assert_int_equal(s->extra_info_length, -EMSGSIZE);
    free(lines);
    free(s);
}

static void test_figures_fit_an_int(void **state)
{
    (void)state;
    struct sample *s = malloc(sizeof(*s));
    sample_prepare(s, identity, start);
    s->descriptor.bandwidth_rate = 0;
    s->descriptor.bandwidth_burst = UINT32_MAX;
    s->descriptor.bandwidth_observed = UINT32_MAX;
    sample_build(s);
    find_item(s->descriptor_text, "bandwidth 1 2147483647 2147483647\n");
    free(s);
}

int main(int argc, char **argv)
{
    if (crypto_init() < 0)
        return 1;
    log_set_level(LOG_LEVEL_ERROR);
    if (argc == 2) { // for check_descriptor.py
        struct sample *s = malloc(sizeof(*s));
        if (set_up_at(time(NULL)) < 0)
            return 1;
        sample_prepare(s, identity, time(NULL));
        sample_build(s);
        printf("%s%s", s->descriptor_text, s->extra_info_text);
        free(s);
        return tear_down(NULL);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures),         cmocka_unit_test(test_cross_certificates),
        cmocka_unit_test(test_extra_info_digest),  cmocka_unit_test(test_order),
        cmocka_unit_test(test_contents),           cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_refused_input),      cmocka_unit_test(test_every_capacity),
        cmocka_unit_test(test_figures_fit_an_int), cmocka_unit_test(test_required_protocols),
    };
    (void)argv;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
