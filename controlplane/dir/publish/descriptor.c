// SPDX-License-Identifier: BSD-3-Clause
// The server descriptor, item by item in C tor's order: some readers look for items by place.
#include "dir/publish/descriptor.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "crypto/cross_cert.h"
#include "crypto/encoding.h"
#include "dir/publish/document.h"
#include "dir/publish/protocols.h"
#include "identity/identity.h"

// A value with a line end in it could add items of its own.
static bool is_one_line(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return false;
    return true;
}

static bool is_valid(const struct descriptor *in)
{
    if (in->ipv4.family != ADDRESS_IPV4 || in->ipv4.port == 0 || in->policy_lines == 0)
        return false;
    if (in->ipv6.family != ADDRESS_NONE && in->ipv6.family != ADDRESS_IPV6)
        return false;
    for (unsigned i = 0; i < in->policy_lines; i++)
        if (!is_one_line(in->policy[i]))
            return false;
    return in->nickname[0] != '\0' && is_one_line(in->nickname) && is_one_line(in->contact) &&
           is_one_line(in->platform) && in->platform[0] != '\0';
}

static void add_router(struct writer *w, const struct descriptor *in)
{
    const uint8_t *a = in->ipv4.bytes;
    document_add(w, "router %s %u.%u.%u.%u %u 0 0\n", in->nickname, a[0], a[1], a[2], a[3],
                 in->ipv4.port);
}

static void add_fingerprint(struct writer *w, const struct identity *identity)
{
    char hex[HEX_TEXT_SIZE(20)];
    hex_encode(identity->rsa_id, sizeof(identity->rsa_id), hex, sizeof(hex));
    document_add(w, "fingerprint");
    for (const char *group = hex; *group != '\0'; group += 4)
        document_add(w, " %.4s", group);
    document_add(w, "\n");
}

// Readers take these for C ints.
static uint32_t int_range(uint32_t value)
{
    return value > INT_MAX ? INT_MAX : value;
}

static void add_figures(struct writer *w, const struct descriptor *in)
{
    uint32_t rate = in->bandwidth_rate > 0 ? in->bandwidth_rate : 1; // 0 is refused
    document_add(w, "uptime %" PRIu64 "\n", in->uptime_s);
    document_add(w, "bandwidth %u %u %u\n", int_range(rate), int_range(in->bandwidth_burst),
                 int_range(in->bandwidth_observed));
}

static void add_extra_info_digest(struct writer *w, const struct extra_info_digest *digest)
{
    char hex[HEX_TEXT_SIZE(20)];
    char base64[BASE64_TEXT_SIZE(32)];
    hex_encode(digest->sha1, sizeof(digest->sha1), hex, sizeof(hex));
    base64_encode(digest->sha256, sizeof(digest->sha256), false, base64, sizeof(base64));
    document_add(w, "extra-info-digest %s %s\n", hex, base64);
    document_add(w, "caches-extra-info\n"); // others' too
}

static int add_public_key(struct writer *w, const char *keyword, const struct rsa_key *key)
{
    char pem[RSA_PUBLIC_PEM_MAX];
    int n = rsa_public_to_pem(key, pem, sizeof(pem));
    if (n < 0)
        return -EINVAL;
    document_add(w, "%s\n", keyword);
    write_bytes(w, pem, (size_t)n);
    return 0;
}

static int add_tap_cross_cert(struct writer *w, const struct identity *identity)
{
    uint8_t cert[RSA_SIG_MAX];
    int n = tap_cross_cert_make(identity->tap_key, identity->rsa_id, identity->master.public_key,
                                cert, sizeof(cert));
    if (n < 0)
        return -EINVAL;
    document_add(w, "onion-key-crosscert\n");
    document_add_object(w, "CROSSCERT", cert, (size_t)n);
    return 0;
}

static int add_ntor_cross_cert(struct writer *w, const struct descriptor *in)
{
    uint8_t cert[ED_CERT_LEN];
    uint8_t sign_bit;
    uint32_t hours = ed_cert_hours((uint64_t)(in->published + in->identity->onion_key_lifetime_s));
    int n = ntor_cross_cert_make(&in->identity->onion_key, in->identity->master.public_key, hours,
                                 cert, &sign_bit);
    if (n < 0)
        return -EINVAL;
    document_add(w, "ntor-onion-key-crosscert %u\n", sign_bit);
    document_add_object(w, "ED25519 CERT", cert, (size_t)n);
    return 0;
}

static int add_keys(struct writer *w, const struct descriptor *in)
{
    int err = 0;
    if (!in->without_tap_key)
        err = add_public_key(w, "onion-key", in->identity->tap_key);
    if (err == 0)
        err = add_public_key(w, "signing-key", in->identity->rsa);
    if (err == 0 && !in->without_tap_key)
        err = add_tap_cross_cert(w, in->identity);
    return err < 0 ? err : add_ntor_cross_cert(w, in);
}

static void add_base64_key(struct writer *w, const char *keyword, const uint8_t key[32])
{
    char base64[BASE64_TEXT_SIZE(32)];
    base64_encode(key, 32, false, base64, sizeof(base64));
    document_add(w, "%s %s\n", keyword, base64);
}

int descriptor_build(const struct descriptor *in, char *out, size_t capacity)
{
    struct writer w = writer_of(out, capacity < DESCRIPTOR_MAX ? capacity : DESCRIPTOR_MAX);
    char text[256];
    if (!is_valid(in) || protocols_line(text, sizeof(text)) < 0)
        return -EINVAL;
    add_router(&w, in);
    document_add_identity(&w, in->identity);
    add_base64_key(&w, "master-key-ed25519", in->identity->master.public_key);
    char ipv6[ADDRESS_TEXT_MAX];
    if (in->ipv6.family == ADDRESS_IPV6)
        document_add(&w, "or-address %s\n", address_format(&in->ipv6, ipv6));
    document_add(&w, "platform %s\nproto %s\n", in->platform, text);
    document_add_published(&w, in->published);
    add_fingerprint(&w, in->identity);
    add_figures(&w, in);
    add_extra_info_digest(&w, &in->extra_info);
    int err = add_keys(&w, in);
    if (err < 0)
        return err;
    document_add(&w, "hidden-service-dir\n");
    if (in->contact[0] != '\0')
        document_add(&w, "contact %s\n", in->contact);
    add_base64_key(&w, "ntor-onion-key", in->identity->onion_key.public_key);
    for (unsigned i = 0; i < in->policy_lines; i++)
        document_add(&w, "%s\n", in->policy[i]);
    document_add(&w, "tunnelled-dir-server\n");
    err = document_sign(&w, in->identity, NULL);
    if (err < 0)
        return err;
    return w.failed ? -EMSGSIZE : (int)writer_length(&w);
}
