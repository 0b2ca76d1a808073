// SPDX-License-Identifier: BSD-3-Clause
// Onion services' descriptors in all layers: what is made is read again, by those who may; its
// shape is what C tor writes; and what is malformed is skipped or refused (protocol 8.14–8.23).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../crypto/hex.h"
#include "base/cursor.h"
#include "crypto/curve25519.h"
#include "crypto/ed_cert.h"
#include "crypto/random.h"
#include "dir/publish/document.h"
#include "layered.h"

enum { CLIENTS_MAX = 17 };

struct clients {
    struct curve25519_key keys[CLIENTS_MAX];
    uint8_t public_keys[CLIENTS_MAX][32];
};

static void make_clients(struct clients *c)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        curve25519_generate(&c->keys[i]);
        memcpy(c->public_keys[i], c->keys[i].public_key, 32);
    }
}

static struct blob *make(const struct layered *l, const struct onion_descriptor *d,
                         const struct clients *c, unsigned n_clients)
{
    struct descriptor_keys keys = layered_keys(l, c->public_keys, n_clients);
    struct blob *made = onion_descriptor_make(d, &keys, LAYERED_NOW_S);
    assert_non_null(made);
    return made;
}

// Reads a copy of exactly this length, as bytes have no NUL.
static enum descriptor_result read_bytes_at(const struct layered *l, const uint8_t *text,
                                            size_t length, const uint8_t *client, uint64_t now_s,
                                            struct onion_descriptor *out)
{
    uint8_t *copy = exact_copy(text, length);
    enum descriptor_result result = onion_descriptor_read(copy, length, l->blinded.public_key,
                                                          l->subcredential, client, now_s, out);
    free(copy);
    return result;
}

static enum descriptor_result read_blob(const struct layered *l, const struct blob *b,
                                        const uint8_t *client, struct onion_descriptor *out)
{
    return read_bytes_at(l, b->bytes, b->length, client, LAYERED_NOW_S, out);
}

static void assert_same(const struct onion_descriptor *a, const struct onion_descriptor *b)
{
    assert_true(a->revision == b->revision);
    assert_int_equal(a->lifetime_min, b->lifetime_min);
    assert_int_equal(a->single_onion, b->single_onion);
    assert_int_equal(a->congestion_control, b->congestion_control);
    assert_int_equal(a->sendme_inc_cells, b->sendme_inc_cells);
    assert_int_equal(a->pow.present, b->pow.present);
    assert_memory_equal(a->pow.seed, b->pow.seed, sizeof(a->pow.seed));
    assert_int_equal(a->pow.effort, b->pow.effort);
    assert_true(a->pow.expires_s == b->pow.expires_s);
    assert_int_equal(a->n_intro_points, b->n_intro_points);
    for (unsigned i = 0; i < a->n_intro_points; i++) {
        const struct onion_intro_point *p = &a->intro_points[i], *q = &b->intro_points[i];
        assert_int_equal(p->specifiers_length, q->specifiers_length);
        assert_memory_equal(p->specifiers, q->specifiers, p->specifiers_length);
        assert_memory_equal(p->onion_key, q->onion_key, 32);
        assert_memory_equal(p->auth_key, q->auth_key, 32);
        assert_memory_equal(p->enc_key, q->enc_key, 32);
    }
}

static struct onion_descriptor with_everything(const struct layered *l)
{
    struct onion_descriptor d = layered_descriptor(l, INTRO_POINTS_MAX);
    d.revision = UINT64_MAX;
    d.lifetime_min = 720;
    d.single_onion = true;
    d.congestion_control = true;
    d.sendme_inc_cells = 31;
    d.pow = (struct onion_pow_params){
        .present = true, .effort = UINT32_MAX, .expires_s = LAYERED_NOW_S + 7200};
    memset(d.pow.seed, 0xd5, sizeof(d.pow.seed));
    return d;
}

static void test_round_trips(void **state)
{
    (void)state;
    static const unsigned numbers[] = {0, 1, 16, 17};
    struct layered l = layered_service();
    struct clients c;
    struct curve25519_key stranger;
    make_clients(&c);
    curve25519_generate(&stranger);
    for (unsigned i = 0; i < 4; i++) {
        struct onion_descriptor d =
            i % 2 ? with_everything(&l) : layered_descriptor(&l, i == 0 ? 0 : 3);
        struct onion_descriptor got;
        unsigned n = numbers[i];
        struct blob *made = make(&l, &d, &c, n);
        assert_int_equal(read_blob(&l, made, NULL, &got),
                         n > 0 ? DESCRIPTOR_NEEDS_AUTH : DESCRIPTOR_GOOD);
        // A key that is not needed does no harm.
        assert_int_equal(read_blob(&l, made, stranger.secret, &got),
                         n > 0 ? DESCRIPTOR_BAD_AUTH : DESCRIPTOR_GOOD);
        for (unsigned k = 0; k < n; k++) {
            assert_int_equal(read_blob(&l, made, c.keys[k].secret, &got), DESCRIPTOR_GOOD);
            assert_same(&got, &d);
            assert_memory_equal(got.blinded_key, l.blinded.public_key, 32);
            assert_true(got.cert_expires_s >= LAYERED_NOW_S + 54 * 3600 &&
                        got.cert_expires_s < LAYERED_NOW_S + 55 * 3600);
        }
        blob_drop(made);
    }
}

// ---- the shape, which is what C tor 0.4.9 writes

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

// Keywords and labels in their order, with a space after each.
static void outline(const char *text, char *out, size_t size)
{
    out[0] = '\0';
    while (*text) {
        size_t line = strcspn(text, "\n"), word = strcspn(text, " \n");
        const char *dashes = line > 5 && memcmp(text, "-----", 5) == 0 ? text : NULL;
        bool in_object =
            out[0] && strstr(out, "BEGIN") && !dashes && count(out, "BEGIN") > count(out, "END ");
        if (!in_object)
            snprintf(out + strlen(out), size - strlen(out), "%.*s|", (int)(dashes ? line : word),
                     text);
        text += line + (text[line] == '\n');
    }
}

static void test_outer_shape(void **state)
{
    (void)state;
    struct layered l = layered_service();
    struct onion_descriptor d = layered_descriptor(&l, 3);
    struct clients c;
    char found[1024];
    struct blob *made = make(&l, &d, &c, 0);
    const char *text = (const char *)made->bytes;
    outline(text, found, sizeof(found));
    assert_string_equal(found, "hs-descriptor|descriptor-lifetime|descriptor-signing-key-cert|"
                               "-----BEGIN ED25519 CERT-----|-----END ED25519 CERT-----|"
                               "revision-counter|superencrypted|-----BEGIN MESSAGE-----|"
                               "-----END MESSAGE-----|signature|");
    assert_non_null(strstr(text, "hs-descriptor 3\ndescriptor-lifetime 180\ndescriptor-signing"));
    assert_non_null(strstr(text, "\nrevision-counter 42\nsuperencrypted\n-----BEGIN"));
    assert_int_equal(text[made->length - 1], '\n');
    assert_int_equal(strlen(strstr(text, "\nsignature ") + 1), strlen("signature ") + 86 + 1);
    // As long as any other's with so few clients and introduction points.
    struct onion_descriptor more = with_everything(&l);
    more.revision = 42;
    more.lifetime_min = 180;
    more.n_intro_points = 4;
    make_clients(&c);
    struct blob *other = make(&l, &more, &c, 16);
    assert_int_equal(other->length, made->length);
    blob_drop(made);
    blob_drop(other);
}

static void test_middle_shape(void **state)
{
    (void)state;
    static const unsigned numbers[][2] = {{0, 16}, {1, 16}, {16, 16}, {17, 32}};
    struct layered l = layered_service();
    struct onion_descriptor d = layered_descriptor(&l, 3);
    struct clients c;
    make_clients(&c);
    for (unsigned i = 0; i < 4; i++) {
        struct blob *made = make(&l, &d, &c, numbers[i][0]);
        size_t length;
        char *text =
            layered_unwrap(&l, DESCRIPTOR_LAYER_OUTER, made->bytes, made->length, NULL, &length);
        assert_int_equal(length % DESCRIPTOR_PADDING, 0);
        for (size_t k = strlen(text); k < length; k++)
            assert_int_equal(text[k], 0);
        assert_int_equal(count(text, "\nauth-client "), numbers[i][1]);
        assert_memory_equal(text, "desc-auth-type x25519\ndesc-auth-ephemeral-key ", 46);
        // 44 characters with padding; 11, 22 and 22 without.
        assert_memory_equal(text + 46 + 43, "=\nauth-client ", 14);
        const char *line = strstr(text, "\nauth-client ") + 1;
        assert_int_equal(strcspn(line, "\n"), 12 + 11 + 1 + 22 + 1 + 22);
        assert_null(memchr(line, '=', strcspn(line, "\n")));
        const char *end = strstr(text, "\nencrypted\n-----BEGIN MESSAGE-----\n");
        assert_non_null(end);
        assert_null(strstr(end, "auth-client"));
        assert_string_equal(text + strlen(text) - 22, "\n-----END MESSAGE-----");
        free(text);
        blob_drop(made);
    }
}

static void test_inner_shape(void **state)
{
    (void)state;
    struct layered l = layered_service();
    struct onion_descriptor d = with_everything(&l);
    struct clients c;
    char found[1024];
    size_t length;
    d.revision = l.revision;
    d.n_intro_points = 1;
    struct blob *made = make(&l, &d, &c, 0);
    char *text =
        layered_unwrap(&l, DESCRIPTOR_LAYER_INNER, made->bytes, made->length, NULL, &length);
    assert_int_equal(strlen(text), length); // no padding
    assert_int_equal(text[length - 1], '\n');
    outline(text, found, sizeof(found));
    assert_string_equal(found, "create2-formats|single-onion-service|flow-control|pow-params|"
                               "introduction-point|onion-key|auth-key|"
                               "-----BEGIN ED25519 CERT-----|-----END ED25519 CERT-----|"
                               "enc-key|enc-key-cert|"
                               "-----BEGIN ED25519 CERT-----|-----END ED25519 CERT-----|");
    const char *expected = "create2-formats 2\nsingle-onion-service\nflow-control 1-2 31\n"
                           "pow-params v1 1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dU= 4294967295 "
                           "2027-01-15T10:02:03\nintroduction-point AwAGwAACByMpAhQBAQEBAQEB";
    assert_memory_equal(text, expected, strlen(expected));
    free(text);
    blob_drop(made);
}

// A counter, salts and keys are new each time; nothing of one descriptor tells of the next.
static void test_nothing_repeats(void **state)
{
    (void)state;
    struct layered l = layered_service();
    struct onion_descriptor d = layered_descriptor(&l, 1);
    struct clients c;
    make_clients(&c);
    struct blob *a = make(&l, &d, &c, 3), *b = make(&l, &d, &c, 3);
    size_t length;
    char *x = layered_unwrap(&l, DESCRIPTOR_LAYER_OUTER, a->bytes, a->length, NULL, &length);
    char *y = layered_unwrap(&l, DESCRIPTOR_LAYER_OUTER, b->bytes, b->length, NULL, &length);
    for (char *line = strtok(x, "\n"); line; line = strtok(NULL, "\n"))
        if (strlen(line) > 40)
            assert_null(strstr(y, line));
    free(x);
    free(y);
    blob_drop(a);
    blob_drop(b);
}

static void test_signing_key_made_ahead(void **state)
{
    (void)state;
    struct layered l = layered_service();
    struct onion_descriptor d = layered_descriptor(&l, 2), got;
    struct descriptor_keys keys = layered_keys(&l, NULL, 0);
    uint8_t cert[ED_CERT_EMBEDDED_LEN];
    assert_int_equal(ed_cert_encode(ED_CERT_HS_DESC_SIGNING, ED_CERT_KEY_ED25519,
                                    l.signing.public_key, ed_cert_hours(LAYERED_NOW_S + 7200),
                                    &l.blinded, true, cert, sizeof(cert)),
                     sizeof(cert));
    keys.blinded = NULL;
    keys.signing_cert = cert;
    keys.signing_cert_length = sizeof(cert);
    struct blob *made = onion_descriptor_make(&d, &keys, LAYERED_NOW_S);
    assert_non_null(made);
    assert_int_equal(read_blob(&l, made, NULL, &got), DESCRIPTOR_GOOD);
    assert_same(&got, &d);
    assert_int_equal(
        read_bytes_at(&l, made->bytes, made->length, NULL, LAYERED_NOW_S + 4 * 3600, &got),
        DESCRIPTOR_MALFORMED);
    blob_drop(made);
}

static void test_what_cannot_be_made(void **state)
{
    (void)state;
    struct layered l = layered_service();
    struct descriptor_keys keys = layered_keys(&l, NULL, 0);
    struct onion_descriptor d = layered_descriptor(&l, 1);
    d.n_intro_points = INTRO_POINTS_MAX + 1;
    assert_null(onion_descriptor_make(&d, &keys, LAYERED_NOW_S));
    d = layered_descriptor(&l, 1);
    d.intro_points[0].specifiers_length = 0;
    assert_null(onion_descriptor_make(&d, &keys, LAYERED_NOW_S));
    d = layered_descriptor(&l, 1);
    d.intro_points[0].specifiers_length = LINK_SPECIFIERS_MAX + 1;
    assert_null(onion_descriptor_make(&d, &keys, LAYERED_NOW_S));
    d = layered_descriptor(&l, 1); // u = -1, which no Ed25519 key has
    memset(d.intro_points[0].enc_key, 0xff, 32);
    d.intro_points[0].enc_key[0] = 0xec;
    d.intro_points[0].enc_key[31] = 0x7f;
    assert_null(onion_descriptor_make(&d, &keys, LAYERED_NOW_S));
}

// ---- another's, and changed ones

static void test_not_what_was_asked_for(void **state)
{
    (void)state;
    struct layered l = layered_service(), other = l;
    struct onion_descriptor d = layered_descriptor(&l, 3), got;
    struct clients c;
    struct blob *made = make(&l, &d, &c, 0);
    other.blinded.public_key[0] ^= 1;
    assert_int_equal(read_blob(&other, made, NULL, &got), DESCRIPTOR_MALFORMED);
    other = l;
    other.subcredential[0] ^= 1;
    assert_int_equal(read_blob(&other, made, NULL, &got), DESCRIPTOR_MALFORMED);
    assert_int_equal(got.n_intro_points, 0);
    assert_int_equal(
        read_bytes_at(&l, made->bytes, made->length, NULL, LAYERED_NOW_S + 55 * 3600, &got),
        DESCRIPTOR_MALFORMED);
    for (size_t i = 0; i < made->length; i += 97) {
        made->bytes[i] ^= 1;
        assert_int_equal(read_blob(&l, made, NULL, &got), DESCRIPTOR_MALFORMED);
        made->bytes[i] ^= 1;
    }
    assert_int_equal(read_bytes_at(&l, made->bytes, 0, NULL, LAYERED_NOW_S, &got),
                     DESCRIPTOR_MALFORMED);
    blob_drop(made);
}

// ---- texts that a service may put inside, whatever it is

static char *inner_of(const struct layered *l, unsigned n_intro_points)
{
    struct onion_descriptor d = layered_descriptor(l, n_intro_points);
    struct clients c;
    struct blob *made = make(l, &d, &c, 0);
    size_t length;
    char *text =
        layered_unwrap(l, DESCRIPTOR_LAYER_INNER, made->bytes, made->length, NULL, &length);
    blob_drop(made);
    return text;
}

static enum descriptor_result read_text(enum descriptor_layer which, const char *text,
                                        size_t length, struct onion_descriptor *got)
{
    struct layered l = layered_service();
    size_t made_length;
    uint8_t *made = layered_wrap(&l, which, text, length, &made_length);
    enum descriptor_result result = read_bytes_at(&l, made, made_length, NULL, LAYERED_NOW_S, got);
    free(made);
    return result;
}

static enum descriptor_result read_inner(const char *text, struct onion_descriptor *got)
{
    return read_text(DESCRIPTOR_LAYER_INNER, text, strlen(text), got);
}

static void test_inner_heads(void **state)
{
    (void)state;
#define SEED "1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dXV1dU="
#define UNTIL " 2027-01-15T10:02:03\n"
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"create2-formats 2\n", true},
        {"create2-formats 2", true},
        {"create2-formats 1 2 7\n", true},
        {"create2-formats x 2\n", true},
        {"create2-formats 3\n", false},
        {"create2-formats\n", false},
        {"create2-formats 2\ncreate2-formats 2\n", false},
        {"single-onion-service\ncreate2-formats 2\n", false},
        {"single-onion-service\n", false},
        {"\n", false},
        {"create2-formats 2\nsomething-new 1 2 3\n", true},
        {"create2-formats 2\nsomething-new\n-----BEGIN X-----\nAAAA\n-----END X-----\n", true},
        {"create2-formats 2\nsomething-new\n-----BEGIN X-----\nAAAA\n-----END Y-----\n", false},
        {"create2-formats 2\n-----BEGIN X-----\nAAAA\n-----END X-----\n", false},
        {"create2-formats 2\nintro-auth-required ed25519\n", true},
        {"create2-formats 2\nintro-auth-required other ed25519\n", true},
        {"create2-formats 2\nintro-auth-required other\n", false},
        {"create2-formats 2\nintro-auth-required\n", false},
        {"create2-formats 2\nflow-control 1-2 31\n", true},
        {"create2-formats 2\nflow-control 1-2 31 more\n", true},
        {"create2-formats 2\nflow-control 1-2\n", false},
        {"create2-formats 2\nflow-control 1-2 0\n", false},
        {"create2-formats 2\nflow-control 1-2 256\n", false},
        {"create2-formats 2\nflow-control 1-2 31\nflow-control 1-2 31\n", false},
        {"create2-formats 2\npow-params v1 " SEED " 10" UNTIL, true},
        {"create2-formats 2\npow-params v2 what ever\npow-params v1 " SEED " 10" UNTIL, true},
        {"create2-formats 2\npow-params v2\n", true},
        {"create2-formats 2\npow-params\n", false},
        {"create2-formats 2\npow-params v1 " SEED " 10\n", false},
        {"create2-formats 2\npow-params v1 " SEED " 4294967296" UNTIL, false},
        {"create2-formats 2\npow-params v1 " SEED " -1" UNTIL, false},
        {"create2-formats 2\npow-params v1 AAAA 10" UNTIL, false},
        {"create2-formats 2\npow-params v1 " SEED " 10 2027-01-15\n", false},
        {"create2-formats 2\npow-params v1 " SEED " 10 2027-13-15T10:02:03\n", false},
        {"create2-formats 2\npow-params v1 " SEED " 1" UNTIL "pow-params v1 " SEED " 1" UNTIL,
         false},
    };
    struct onion_descriptor got;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum descriptor_result result = read_inner(cases[i].text, &got);
        if ((result == DESCRIPTOR_GOOD) != cases[i].good)
            fail_msg("%d for %s", result, cases[i].text);
        assert_int_equal(got.n_intro_points, 0);
    }
    assert_int_equal(read_inner("create2-formats 2\nflow-control 1 31\n", &got), DESCRIPTOR_GOOD);
    assert_false(got.congestion_control);
    assert_int_equal(read_inner("create2-formats 2\npow-params v2 x\n", &got), DESCRIPTOR_GOOD);
    assert_false(got.pow.present);
}

// ---- introduction points

// Two good points, with one in the middle whose line of this keyword is replaced, or doubled by
// what stands for it; NULL: it is left out, with its object.
static unsigned points_with(const char *keyword, const char *instead)
{
    struct layered l = layered_service();
    char *good = inner_of(&l, 3), *text = calloc(1, 32768);
    struct onion_descriptor got;
    char pattern[64];
    assert_non_null(text);
    const char *second = strstr(strstr(good, "introduction-point ") + 1, "introduction-point ");
    snprintf(pattern, sizeof(pattern), "\n%s", keyword);
    const char *from = strstr(second - 1, pattern) + 1;
    const char *to = strchr(from, '\n') + 1;
    if (strncmp(to, "-----BEGIN", 10) == 0)
        to = strchr(strstr(to, "-----END"), '\n') + 1;
    memcpy(text, good, (size_t)(from - good));
    strcat(text, instead ? instead : "");
    strcat(text, to);
    assert_int_equal(read_inner(text, &got), DESCRIPTOR_GOOD);
    free(good);
    free(text);
    return got.n_intro_points;
}

// 13.11: whatever a service puts into its descriptor is refused or skipped, and ends nobody: so
// also the cases above and below, of heads, points, layers and middle texts.
static void test_skipped_points(void **state)
{
    (void)state;
#define KEY "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE"
    static const struct {
        const char *keyword, *instead;
        unsigned n;
    } cases[] = {
        {"onion-key", "onion-key ntor " KEY "=\n", 3},
        {"onion-key", "onion-key ntor " KEY "\n", 3},
        {"onion-key", "onion-key ntor " KEY " more\n", 3},
        {"onion-key", "onion-key tap " KEY "\nonion-key ntor " KEY "\n", 3},
        {"onion-key", "onion-key ntor " KEY "\nlegacy-key\nwhat-else 1\n", 3},
        {"onion-key", "onion-key tap " KEY "\n", 2},
        {"onion-key", "onion-key ntor AAAA\n", 2},
        {"onion-key", "onion-key ntor\n", 2},
        {"onion-key", "onion-key ntor AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 2},
        {"onion-key", NULL, 2},
        {"enc-key ", "enc-key ntor " KEY "\n", 3},
        // All zeros (13.02).
        {"enc-key ", "enc-key ntor AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 2},
        {"enc-key ", "enc-key rsa " KEY "\n", 2},
        {"enc-key ", "enc-key ntor " KEY "\nenc-key ntor " KEY "\n", 2},
        {"enc-key ", NULL, 2},
        {"auth-key", NULL, 2},
        {"auth-key", "auth-key\n", 2},
        {"auth-key", "auth-key\n-----BEGIN ED25519 CERT-----\nAAAA\n-----END ED25519 CERT-----\n",
         2},
        {"auth-key", "auth-key\n-----BEGIN ED25519 CERT-----\n-----END ED25519 CERT-----\n", 2},
        {"auth-key", "auth-key\n-----BEGIN ED25519 CERT-----\nAAAA\n", 2},
        {"enc-key-cert", NULL, 2},
        {"enc-key-cert", "enc-key-cert\n", 2},
        {"enc-key-cert", "enc-key-cert\n-----BEGIN ED25519 CERT-----\n-----END ED25519 CERT-----\n",
         2},
        {"introduction-point", "introduction-point AQAGAQIDBAUG\n", 3},
        {"introduction-point", "introduction-point AQkA\n", 3}, // a kind that is to come
        {"introduction-point", "introduction-point \n", 2},
        {"introduction-point", "introduction-point AA==\n", 2},         // none
        {"introduction-point", "introduction-point AgAGAQIDBAUG\n", 2}, // one of two
        {"introduction-point", "introduction-point AQAFAQIDBAU=\n", 2}, // too short for its kind
        {"introduction-point", "introduction-point AQAGAQIDBAUGAA==\n", 2},
        {"introduction-point", "introduction-point AQAG AQIDBAUG\n", 2},
        {"introduction-point", "introduction-point ####\n", 2},
        // What follows belongs to the point before, which then has all twice.
        {"introduction-point", NULL, 1},
        {"introduction-point", "introduction-pint x\n", 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned n = points_with(cases[i].keyword, cases[i].instead);
        if (n != cases[i].n)
            fail_msg("%u points for %s", n, cases[i].instead);
    }
}

// Certificates by another key than the one that signs the descriptor, of another kind, expired.
static void test_points_of_others(void **state)
{
    (void)state;
    struct layered l = layered_service(), other = l;
    struct onion_descriptor got;
    ed25519_generate(&other.signing);
    char *text = inner_of(&other, 2);
    assert_int_equal(read_inner(text, &got), DESCRIPTOR_GOOD);
    assert_int_equal(got.n_intro_points, 0);
    free(text);

    // The certificate for the other purpose.
    text = inner_of(&l, 1);
    char *auth = strstr(text, "\nauth-key\n") + 10, *enc = strstr(text, "\nenc-key-cert\n") + 14;
    size_t length = (size_t)(strstr(auth, "-----END") - auth);
    memcpy(enc, auth, length);
    assert_int_equal(read_inner(text, &got), DESCRIPTOR_GOOD);
    assert_int_equal(got.n_intro_points, 0);
    free(text);

    struct onion_descriptor d = layered_descriptor(&l, 1);
    struct descriptor_keys keys = layered_keys(&l, NULL, 0);
    struct blob *made = onion_descriptor_make(&d, &keys, LAYERED_NOW_S - 56 * 3600);
    assert_non_null(made);
    size_t inner_length;
    text =
        layered_unwrap(&l, DESCRIPTOR_LAYER_INNER, made->bytes, made->length, NULL, &inner_length);
    assert_int_equal(read_inner(text, &got), DESCRIPTOR_GOOD);
    assert_int_equal(got.n_intro_points, 0);
    free(text);
    blob_drop(made);
}

// A certificate of our own making in the place of a point's. Whether the point is taken.
static bool is_taken(const char *keyword, const uint8_t *cert, size_t length)
{
    char instead[512];
    struct writer w = writer_of((uint8_t *)instead, sizeof(instead) - 1);
    document_add(&w, "%s\n", keyword);
    document_add_object(&w, "ED25519 CERT", cert, length);
    instead[writer_length(&w)] = '\0';
    return points_with(keyword, instead) == 3;
}

// 13.11: certificates that are rightly signed, and are without the key that signs, of a key of
// zeros, of another kind of key, or of one line twice.
static void test_crafted_certificates(void **state)
{
    (void)state;
    static const struct {
        const char *keyword;
        enum ed_cert_type type;
    } certs[] = {{"auth-key", ED_CERT_HS_INTRO_AUTH}, {"enc-key-cert", ED_CERT_HS_INTRO_ENC}};
    const struct layered l = layered_service();
    const uint8_t zeros[32] = {0}, *key = l.signing.public_key;
    const uint32_t until = ed_cert_hours(LAYERED_NOW_S + 3600);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t type = (uint8_t)certs[i].type, good[ED_CERT_EMBEDDED_LEN], bad[sizeof(good)];
        ed_cert_encode(type, 1, key, until, &l.signing, true, good, sizeof(good));
        assert_true(is_taken(certs[i].keyword, good, sizeof(good)));
        int n = ed_cert_encode(type, 1, key, until, &l.signing, false, bad, sizeof(bad));
        assert_false(is_taken(certs[i].keyword, bad, (size_t)n));
        ed_cert_encode(type, 1, zeros, until, &l.signing, true, bad, sizeof(bad));
        assert_false(is_taken(certs[i].keyword, bad, sizeof(bad)));
        ed_cert_encode(type, 1, key, 0, &l.signing, true, bad, sizeof(bad));
        assert_false(is_taken(certs[i].keyword, bad, sizeof(bad)));
        for (size_t length = 0; length < sizeof(good); length++)
            assert_false(is_taken(certs[i].keyword, good, length));
    }
    struct onion_descriptor got;
    char *text = inner_of(&l, 1), *twice = calloc(2, strlen(text) + 1);
    const char *from = strstr(text, "\nauth-key\n") + 1, *to = strstr(from, "enc-key ");
    memcpy(twice, text, (size_t)(to - text));
    memcpy(twice + (to - text), from, (size_t)(to - from));
    strcat(twice, to);
    assert_int_equal(read_inner(twice, &got), DESCRIPTOR_GOOD);
    assert_int_equal(got.n_intro_points, 0);
    free(text);
    free(twice);
}

static void test_too_many_points(void **state)
{
    (void)state;
    struct layered l = layered_service();
    char *text = inner_of(&l, INTRO_POINTS_MAX), *more = calloc(2, strlen(text) + 1);
    struct onion_descriptor got;
    assert_non_null(more);
    assert_int_equal(read_inner(text, &got), DESCRIPTOR_GOOD);
    assert_int_equal(got.n_intro_points, INTRO_POINTS_MAX);
    strcpy(more, text);
    // A malformed one more does not count; a good one does.
    strcat(more, "introduction-point x\n");
    assert_int_equal(read_inner(more, &got), DESCRIPTOR_GOOD);
    assert_int_equal(got.n_intro_points, INTRO_POINTS_MAX);
    const char *first = strstr(text, "\nintroduction-point ") + 1;
    strncat(more, first, (size_t)(strstr(first, "\nintroduction-point ") + 1 - first));
    assert_int_equal(read_inner(more, &got), DESCRIPTOR_MALFORMED);
    assert_int_equal(got.n_intro_points, 0);
    free(text);
    free(more);
}

// ---- the middle text

static char *middle_of(const struct layered *l)
{
    struct onion_descriptor d = layered_descriptor(l, 1);
    struct clients c;
    struct blob *made = make(l, &d, &c, 0);
    size_t length;
    char *text =
        layered_unwrap(l, DESCRIPTOR_LAYER_OUTER, made->bytes, made->length, NULL, &length);
    blob_drop(made);
    return text;
}

static enum descriptor_result middle_with(const char *keyword, const char *instead)
{
    struct layered l = layered_service();
    char *good = middle_of(&l), *text = calloc(1, 65536), pattern[64];
    struct onion_descriptor got;
    assert_non_null(text);
    snprintf(pattern, sizeof(pattern), "%s ", keyword);
    const char *from = strstr(good, pattern);
    if (!from)
        from = strstr(good, keyword);
    const char *to = strchr(from, '\n') + 1;
    memcpy(text, good, (size_t)(from - good));
    strcat(text, instead);
    strcat(text, to);
    enum descriptor_result result = read_text(DESCRIPTOR_LAYER_OUTER, text, strlen(text), &got);
    free(good);
    free(text);
    return result;
}

static void test_middle_texts(void **state)
{
    (void)state;
    static const struct {
        const char *keyword, *instead;
        bool good;
    } cases[] = {
        {"desc-auth-type", "desc-auth-type x25519\n", true},
        {"desc-auth-type", "desc-auth-type x25519 more\nnew-thing x\n", true},
        {"desc-auth-type", "new-thing x\ndesc-auth-type x25519\n", false},
        {"desc-auth-type", "desc-auth-type x448\n", false},
        {"desc-auth-type", "", false},
        {"desc-auth-type", "desc-auth-type x25519\ndesc-auth-type x25519\n", false},
        {"desc-auth-ephemeral-key", "desc-auth-ephemeral-key " KEY "\n", true},
        {"desc-auth-ephemeral-key", "", false},
        {"desc-auth-ephemeral-key", "desc-auth-ephemeral-key AAAA\n", false},
        {"desc-auth-ephemeral-key",
         "desc-auth-ephemeral-key " KEY "\ndesc-auth-ephemeral-key " KEY "\n", false},
        {"auth-client", "", true},
        {"auth-client", "auth-client AAAA\n", false},
        {"auth-client", "auth-client AAAA AAAA AAAA\n", false},
        {"auth-client",
         "auth-client AAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA more\n", true},
        {"encrypted", "encrypted\n", true},
        {"encrypted", "encrypted x\n", false},
        {"encrypted", "encripted\n", false},
        {"-----BEGIN MESSAGE", "-----BEGIN TEXT-----\n", false},
        {"-----BEGIN MESSAGE", "", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum descriptor_result result = middle_with(cases[i].keyword, cases[i].instead);
        if ((result == DESCRIPTOR_GOOD) != cases[i].good)
            fail_msg("%d for %s", result, cases[i].instead);
    }
}

// Nothing, padding alone, and an inner layer without room for a byte.
static void test_empty_layers(void **state)
{
    (void)state;
    struct onion_descriptor got;
    char zeros[100] = {0}, text[4096];
    assert_int_equal(read_text(DESCRIPTOR_LAYER_OUTER, zeros, sizeof(zeros), &got),
                     DESCRIPTOR_MALFORMED);
    assert_int_equal(read_text(DESCRIPTOR_LAYER_INNER, zeros, sizeof(zeros), &got),
                     DESCRIPTOR_MALFORMED);
    assert_int_equal(read_text(DESCRIPTOR_LAYER_INNER, zeros, 0, &got), DESCRIPTOR_MALFORMED);
    snprintf(text, sizeof(text),
             "desc-auth-type x25519\ndesc-auth-ephemeral-key " KEY "\n"
             "auth-client AAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA AAAAAAAAAAAAAAAAAAAAAA\n"
             "encrypted\n-----BEGIN MESSAGE-----\n-----END MESSAGE-----");
    assert_int_equal(read_text(DESCRIPTOR_LAYER_OUTER, text, strlen(text), &got),
                     DESCRIPTOR_MALFORMED);
}

// A service's ephemeral key that would make everybody's secret the same.
static void test_worthless_ephemeral_key(void **state)
{
    (void)state;
    struct layered l = layered_service();
    struct curve25519_key client;
    struct onion_descriptor got;
    char *text = middle_of(&l);
    memset(strstr(text, "ephemeral-key ") + 14, 'A', 43);
    size_t length;
    uint8_t *made = layered_wrap(&l, DESCRIPTOR_LAYER_OUTER, text, strlen(text), &length);
    curve25519_generate(&client);
    assert_int_equal(read_bytes_at(&l, made, length, client.secret, LAYERED_NOW_S, &got),
                     DESCRIPTOR_GOOD);
    free(text);
    free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),         cmocka_unit_test(test_outer_shape),
        cmocka_unit_test(test_middle_shape),        cmocka_unit_test(test_inner_shape),
        cmocka_unit_test(test_nothing_repeats),     cmocka_unit_test(test_signing_key_made_ahead),
        cmocka_unit_test(test_what_cannot_be_made), cmocka_unit_test(test_not_what_was_asked_for),
        cmocka_unit_test(test_inner_heads),         cmocka_unit_test(test_skipped_points),
        cmocka_unit_test(test_points_of_others),    cmocka_unit_test(test_crafted_certificates),
        cmocka_unit_test(test_too_many_points),     cmocka_unit_test(test_middle_texts),
        cmocka_unit_test(test_empty_layers),        cmocka_unit_test(test_worthless_ephemeral_key),
    };
    if (crypto_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
