// SPDX-License-Identifier: BSD-3-Clause
// The X.509 certificates of links.
#include "link/tls_x509.h"

#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "crypto/random.h"
#include "crypto/rsa.h"

enum {
    DAY_S = 24 * 3600,
    PAST_GRACE_S = 2 * DAY_S,
    FUTURE_GRACE_S = 30 * DAY_S,
    IDENTITY_BITS = 1024,
    SERIAL_LEN = 8,
};

void tls_random_name(char out[TLS_X509_NAME_MAX], unsigned min, unsigned max, const char *suffix)
{
    static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
    char middle[26];
    uint8_t random[25];
    unsigned length = min + random_uniform(max - min + 1);
    if (length > sizeof random)
        length = sizeof random;
    random_bytes(random, length);
    for (unsigned i = 0; i < length; i++)
        middle[i] = base32[random[i] & 31];
    middle[length] = '\0';
    snprintf(out, TLS_X509_NAME_MAX, "www.%s%s", middle, suffix);
}

static bool set_name(X509_NAME *name, const char *cn)
{
    return name && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn,
                                              -1, -1, 0) == 1;
}

static bool set_serial(X509 *cert)
{
    uint8_t bytes[SERIAL_LEN];
    random_bytes(bytes, sizeof bytes);
    BIGNUM *serial = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = serial && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert));
    BN_free(serial);
    return ok;
}

static bool set_dates(X509 *cert, time_t now, time_t lifetime_s)
{
    // At least a day of it lies ahead.
    time_t slack = lifetime_s - 2 * DAY_S;
    time_t start = slack > 0 ? now - (time_t)random_uniform((uint32_t)slack) : now;
    start -= start % DAY_S;
    time_t end = start + lifetime_s;
    return X509_time_adj(X509_getm_notBefore(cert), 0, &start) &&
           X509_time_adj(X509_getm_notAfter(cert), 0, &end);
}

X509 *tls_x509_make(const struct rsa_key *key, const struct rsa_key *signer, const char *subject,
                    const char *issuer, time_t now, time_t lifetime_s)
{
    X509 *cert = X509_new();
    if (cert && X509_set_version(cert, 2) == 1 && set_serial(cert) &&
        set_name(X509_get_subject_name(cert), subject) &&
        set_name(X509_get_issuer_name(cert), issuer) && set_dates(cert, now, lifetime_s) &&
        X509_set_pubkey(cert, rsa_evp(key)) == 1 &&
        X509_sign(cert, rsa_evp(signer), EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    ERR_clear_error();
    return NULL;
}

uint8_t *tls_x509_der(const X509 *cert, size_t *length)
{
    uint8_t *der = NULL;
    int n = i2d_X509(cert, &der);
    *length = n > 0 ? (size_t)n : 0;
    return n > 0 ? der : NULL;
}

static X509 *decode_exactly(const uint8_t *der, size_t length)
{
    const unsigned char *at = der;
    X509 *cert = length <= LONG_MAX ? d2i_X509(NULL, &at, (long)length) : NULL;
    if (!cert)
        return NULL;
    size_t encoded_length;
    uint8_t *encoded = tls_x509_der(cert, &encoded_length);
    bool same = at == der + length && encoded && encoded_length == length &&
                memcmp(encoded, der, length) == 0;
    OPENSSL_free(encoded);
    if (same)
        return cert;
    X509_free(cert);
    return NULL;
}

static bool dates_fit(const X509 *cert, time_t now)
{
    time_t latest_start = now + FUTURE_GRACE_S, earliest_end = now - PAST_GRACE_S;
    // 0 from X509_cmp_time means that the time could not be read.
    return X509_cmp_time(X509_get0_notBefore(cert), &latest_start) < 0 &&
           X509_cmp_time(X509_get0_notAfter(cert), &earliest_end) > 0;
}

struct rsa_key *tls_x509_identity(const uint8_t *der, size_t length, time_t now)
{
    struct rsa_key *key = NULL;
    X509 *cert = decode_exactly(der, length);
    EVP_PKEY *public_key = cert ? X509_get0_pubkey(cert) : NULL;
    if (public_key && EVP_PKEY_get_base_id(public_key) == EVP_PKEY_RSA &&
        EVP_PKEY_get_bits(public_key) == IDENTITY_BITS && dates_fit(cert, now) &&
        X509_verify(cert, public_key) == 1)
        key = rsa_public_from_evp(public_key);
    X509_free(cert);
    ERR_clear_error();
    return key;
}
