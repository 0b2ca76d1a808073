// SPDX-License-Identifier: BSD-3-Clause
// Other relays' server descriptors (6.02–6.08).
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/address.h"
#include "crypto/cross_cert.h"
#include "netdoc/router_signed.h"

enum { IDENTITY_BITS = 1024, ONION_KEY_BITS = 1024 };

struct parts {
    struct router_document *out;
    uint32_t seen; // bit I: item I of the table
    bool has_policy, has_fingerprint;
    uint8_t fingerprint[20], master_key[32], ntor_key[32];
    struct rsa_key *identity_key, *onion_key;
    uint8_t onion_crosscert[CROSS_CERT_MAX], ntor_crosscert[ROUTER_CERT_MAX];
    size_t onion_crosscert_length, ntor_crosscert_length;
    uint8_t ntor_sign_bit;
};

static bool is_port(struct text t, uint64_t *out)
{
    return text_number(t, UINT16_MAX, out) == 0;
}

// nickname IPv4 ORPort SocksPort DirPort
static int read_router(struct parts *p, const struct token *t)
{
    struct text argument[5];
    char host[ADDRESS_TEXT_MAX];
    struct address address;
    uint64_t or_port, dir_port;
    (void)p;
    if (token_arguments(t, argument, 5) != 5 || !text_is_nickname(argument[0]) ||
        argument[1].length >= sizeof(host))
        return -EINVAL;
    memcpy(host, argument[1].at, argument[1].length);
    host[argument[1].length] = '\0';
    if (!address_parse(host, &address) || address.family != ADDRESS_IPV4 ||
        !is_port(argument[2], &or_port) || or_port == 0 || !is_port(argument[4], &dir_port))
        return -EINVAL;
    return 0;
}

// Rate, burst and what was observed.
static int read_bandwidth(struct parts *p, const struct token *t)
{
    struct text argument[3];
    uint64_t value;
    (void)p;
    if (token_arguments(t, argument, 3) != 3)
        return -EINVAL;
    for (int i = 0; i < 3; i++)
        if (text_number(argument[i], INT_MAX, &value) < 0 || (i == 0 && value == 0))
            return -EINVAL;
    return 0;
}

static int read_argument(const struct token *t, uint8_t out[32])
{
    struct text argument[1];
    return token_arguments(t, argument, 1) == 1 ? text_base64(argument[0], out, 32) : -EINVAL;
}

static int read_master_key(struct parts *p, const struct token *t)
{
    return read_argument(t, p->master_key);
}

static int read_ntor_key(struct parts *p, const struct token *t)
{
    return read_argument(t, p->ntor_key);
}

static int read_key(const struct token *t, unsigned bits, struct rsa_key **out)
{
    uint8_t der[RSA_DER_MAX];
    int n = token_object(t, "RSA PUBLIC KEY", der, sizeof(der));
    *out = n < 0 ? NULL : rsa_public_from_der(der, (size_t)n);
    return *out != NULL && rsa_bits(*out) == bits ? 0 : -EINVAL;
}

static int read_identity_key(struct parts *p, const struct token *t)
{
    return read_key(t, IDENTITY_BITS, &p->identity_key);
}

static int read_onion_key(struct parts *p, const struct token *t)
{
    int err = read_key(t, ONION_KEY_BITS, &p->onion_key);
    return err == 0 && rsa_exponent_is_65537(p->onion_key) ? 0 : -EINVAL;
}

static int read_onion_crosscert(struct parts *p, const struct token *t)
{
    int n = token_object(t, "CROSSCERT", p->onion_crosscert, sizeof(p->onion_crosscert));
    p->onion_crosscert_length = n < 0 ? 0 : (size_t)n;
    return n < 0 ? -EINVAL : 0;
}

static int read_ntor_crosscert(struct parts *p, const struct token *t)
{
    int n = token_object(t, "ED25519 CERT", p->ntor_crosscert, sizeof(p->ntor_crosscert));
    p->ntor_crosscert_length = n < 0 ? 0 : (size_t)n;
    p->ntor_sign_bit = text_is(t->arguments, "1");
    return n < 0 || (p->ntor_sign_bit == 0 && !text_is(t->arguments, "0")) ? -EINVAL : 0;
}

// Groups of four digits.
static int read_fingerprint(struct parts *p, const struct token *t)
{
    struct text rest = t->arguments, group;
    char hex[40];
    size_t length = 0;
    while (token_argument(&rest, &group)) {
        if (group.length > sizeof(hex) - length)
            return -EINVAL;
        memcpy(hex + length, group.at, group.length);
        length += group.length;
    }
    p->has_fingerprint = true;
    return text_hex((struct text){hex, length}, p->fingerprint, sizeof(p->fingerprint));
}

// "SHA1 [SHA256]"; what is malformed names none, as in C tor.
static int read_extra_info_digest(struct parts *p, const struct token *t)
{
    struct text argument[1];
    uint8_t digest[20];
    if (token_arguments(t, argument, 1) != 1)
        return -EINVAL;
    if (text_hex(argument[0], digest, sizeof(digest)) == 0)
        memcpy(p->out->extra_info_sha1, digest, sizeof(digest));
    return 0;
}

static int read_policy(struct parts *p, const struct token *t)
{
    (void)t;
    p->has_policy = true;
    return 0;
}

// accept6, reject6
static int read_refused(struct parts *p, const struct token *t)
{
    (void)p, (void)t;
    return -EINVAL;
}

static int read_nothing(struct parts *p, const struct token *t)
{
    (void)p, (void)t;
    return 0;
}

enum times { AT_MOST_ONCE, ONCE, ANY };

static const struct {
    const char *keyword;
    enum times times;
    enum router_object object;
    int (*read)(struct parts *p, const struct token *t);
} items[] = {
    {"router", ONCE, OBJECT_NONE, read_router},
    {"bandwidth", ONCE, OBJECT_NONE, read_bandwidth},
    {"proto", ONCE, OBJECT_NONE, read_nothing},
    {"master-key-ed25519", ONCE, OBJECT_NONE, read_master_key},
    {"signing-key", ONCE, OBJECT_NEEDED, read_identity_key},
    {"ntor-onion-key", ONCE, OBJECT_NONE, read_ntor_key},
    {"ntor-onion-key-crosscert", ONCE, OBJECT_NEEDED, read_ntor_crosscert},
    {"onion-key", AT_MOST_ONCE, OBJECT_NEEDED, read_onion_key},
    {"onion-key-crosscert", AT_MOST_ONCE, OBJECT_NEEDED, read_onion_crosscert},
    {"fingerprint", AT_MOST_ONCE, OBJECT_NONE, read_fingerprint},
    {"extra-info-digest", AT_MOST_ONCE, OBJECT_NONE, read_extra_info_digest},
    {"platform", AT_MOST_ONCE, OBJECT_NONE, read_nothing},
    {"uptime", AT_MOST_ONCE, OBJECT_NONE, read_nothing},
    {"contact", AT_MOST_ONCE, OBJECT_NONE, read_nothing},
    {"family", AT_MOST_ONCE, OBJECT_NONE, read_nothing},
    {"ipv6-policy", AT_MOST_ONCE, OBJECT_NONE, read_nothing},
    {"hibernating", AT_MOST_ONCE, OBJECT_NONE, read_nothing},
    {"hidden-service-dir", AT_MOST_ONCE, OBJECT_NONE, read_nothing},
    {"tunnelled-dir-server", AT_MOST_ONCE, OBJECT_NONE, read_nothing},
    {"caches-extra-info", AT_MOST_ONCE, OBJECT_NONE, read_nothing},
    {"family-cert", ANY, OBJECT_NEEDED, read_nothing},
    {"or-address", ANY, OBJECT_NONE, read_nothing},
    {"accept", ANY, OBJECT_NONE, read_policy},
    {"reject", ANY, OBJECT_NONE, read_policy},
    {"accept6", ANY, OBJECT_ANY, read_refused},
    {"reject6", ANY, OBJECT_ANY, read_refused},
};

enum { ITEMS = sizeof(items) / sizeof(items[0]) };

static int read_item(void *user, const struct token *t)
{
    struct parts *p = user;
    for (unsigned i = 0; i < ITEMS; i++) {
        if (!text_is(t->keyword, items[i].keyword))
            continue;
        if (((p->seen >> i & 1) && items[i].times != ANY) ||
            !router_object_fits(items[i].object, t))
            return -EINVAL;
        p->seen |= 1u << i;
        return items[i].read(p, t);
    }
    return 0;
}

static bool is_complete(const struct parts *p)
{
    for (unsigned i = 0; i < ITEMS; i++)
        if (!(p->seen >> i & 1) && items[i].times == ONCE)
            return false;
    return p->has_policy && (p->onion_key != NULL) == (p->onion_crosscert_length > 0);
}

// That all keys are of one relay, and that it has signed this.
static int check(const struct parts *p, const struct router_signed *s)
{
    struct router_document *out = p->out;
    if (!is_complete(p) || router_signed_check(s, out) < 0)
        return -EINVAL;
    rsa_fingerprint_sha1(p->identity_key, out->rsa_id);
    if (memcmp(p->master_key, out->ed_id, sizeof(out->ed_id)) != 0 ||
        (p->has_fingerprint && memcmp(p->fingerprint, out->rsa_id, sizeof(out->rsa_id)) != 0))
        return -EINVAL;
    if (!rsa_verify(p->identity_key, out->sha1, sizeof(out->sha1), s->rsa_signature,
                    s->rsa_signature_length))
        return -EINVAL;
    struct ed_cert ntor_cert;
    if (ntor_cross_cert_check(p->ntor_crosscert, p->ntor_crosscert_length, p->ntor_key,
                              p->ntor_sign_bit, out->ed_id, 0) < 0 ||
        ed_cert_parse(p->ntor_crosscert, p->ntor_crosscert_length, &ntor_cert) < 0)
        return -EINVAL;
    time_t ntor_expires = (time_t)ntor_cert.expires_hours * 3600;
    if (ntor_expires < out->expires)
        out->expires = ntor_expires;
    if (p->onion_key != NULL && tap_cross_cert_check(p->onion_crosscert, p->onion_crosscert_length,
                                                     p->onion_key, out->rsa_id, out->ed_id) < 0)
        return -EINVAL;
    return 0;
}

int router_descriptor_parse(const uint8_t *text, size_t size, struct router_document *out,
                            size_t *length)
{
    struct parts p = {.out = out};
    struct router_signed s;
    *out = (struct router_document){0};
    int err =
        router_signed_read(&s, text, size, "router", ROUTER_DESCRIPTOR_MAX, read_item, &p, length);
    if (err == 0)
        err = check(&p, &s);
    out->text_length = err == 0 ? s.length : 0;
    rsa_free(p.identity_key);
    rsa_free(p.onion_key);
    return err;
}
