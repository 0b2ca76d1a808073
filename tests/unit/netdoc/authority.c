// SPDX-License-Identifier: BSD-3-Clause
// Certificates and consensuses of authorities that only a test knows.
#include "authority.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "crypto/encoding.h"

struct text_out {
    char *at;
    size_t length;
    FILE *file;
};

// The stream writes to the fields, so it is not copied.
static void out_open(struct text_out *out)
{
    *out = (struct text_out){0};
    out->file = open_memstream(&out->at, &out->length);
}

static void write_object(FILE *file, const char *label, const uint8_t *bytes, size_t length)
{
    char body[BASE64_LINES_SIZE(512)];
    base64_encode_lines(bytes, length, body, sizeof(body));
    fprintf(file, "-----BEGIN %s-----\n%s-----END %s-----\n", label, body, label);
}

static void write_signature(FILE *file, const char *label, const struct rsa_key *key,
                            const void *bytes, size_t length)
{
    uint8_t signature[RSA_SIG_MAX];
    int n = rsa_sign(key, bytes, length, signature, sizeof(signature));
    write_object(file, label, signature, (size_t)n);
}

static void write_time(FILE *file, const char *keyword, time_t time)
{
    char text[32];
    struct tm utc;
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", gmtime_r(&time, &utc));
    fprintf(file, "%s %s\n", keyword, text);
}

static const char *hex_of(const uint8_t id[20], char out[HEX_TEXT_SIZE(20)])
{
    hex_encode(id, 20, out, HEX_TEXT_SIZE(20));
    return out;
}

struct authority authority_make(void)
{
    struct authority a = {.identity = rsa_generate(1024), .signing = rsa_generate(1024)};
    rsa_fingerprint_sha1(a.identity, a.identity_sha1);
    rsa_fingerprint_sha1(a.signing, a.signing_sha1);
    return a;
}

void authority_drop(struct authority *a)
{
    rsa_free(a->identity);
    rsa_free(a->signing);
}

static void write_key(FILE *file, const char *keyword, const struct rsa_key *key)
{
    char pem[RSA_PUBLIC_PEM_MAX];
    rsa_public_to_pem(key, pem, sizeof(pem));
    fprintf(file, "%s\n%s", keyword, pem);
}

struct document authority_certificate(const struct authority *a, time_t published, time_t expires,
                                      enum wrong_certificate wrong)
{
    struct text_out out;
    char hex[HEX_TEXT_SIZE(20)];
    uint8_t digest[20];
    out_open(&out);
    fprintf(out.file, "dir-key-certificate-version 3\nfingerprint %s\n",
            hex_of(wrong == WRONG_FINGERPRINT ? a->signing_sha1 : a->identity_sha1, hex));
    write_time(out.file, "dir-key-published", published);
    write_time(out.file, "dir-key-expires", expires);
    write_key(out.file, "dir-identity-key", a->identity);
    write_key(out.file, "dir-signing-key", a->signing);
    fprintf(out.file, "dir-key-crosscert\n");
    write_signature(out.file, "ID SIGNATURE", wrong == WRONG_CROSSCERT ? a->identity : a->signing,
                    a->identity_sha1, 20);
    fprintf(out.file, "dir-key-certification\n");
    fflush(out.file);
    sha1(out.at, out.length, digest);
    write_signature(out.file, "SIGNATURE", wrong == WRONG_SIGNATURE ? a->signing : a->identity,
                    digest, 20);
    fclose(out.file);
    return (struct document){(uint8_t *)out.at, out.length};
}

static void sign_consensus(FILE *file, const struct authority *a, bool with_sha256,
                           const uint8_t *digest)
{
    char identity[HEX_TEXT_SIZE(20)], signing[HEX_TEXT_SIZE(20)];
    fprintf(file, "directory-signature %s%s %s\n", with_sha256 ? "sha256 " : "",
            hex_of(a->identity_sha1, identity), hex_of(a->signing_sha1, signing));
    write_signature(file, "SIGNATURE", a->signing, digest, with_sha256 ? 32 : 20);
}

struct document authority_consensus(const struct authority *all, unsigned n, const char *header,
                                    const char *routers, const char *signatures)
{
    struct text_out out;
    char hex[HEX_TEXT_SIZE(20)];
    uint8_t digest1[20], digest256[32];
    out_open(&out);
    fprintf(out.file, "%s", header);
    for (unsigned i = 0; i < n; i++)
        fprintf(out.file, "dir-source a%u %s 10.0.0.1 10.0.0.1 80 443\ncontact none\n", i,
                hex_of(all[i].identity_sha1, hex));
    fprintf(out.file, "%sdirectory-footer\ndirectory-signature ", routers);
    fflush(out.file);
    sha1(out.at, out.length, digest1);
    sha256(out.at, out.length, digest256);
    fseek(out.file, -(long)strlen("directory-signature "), SEEK_CUR);
    for (const char *s = signatures; *s != '\0'; s++) {
        bool with_sha256 = s[1] == 's';
        sign_consensus(out.file, &all[*s - '0'], with_sha256, with_sha256 ? digest256 : digest1);
        s += with_sha256;
    }
    fclose(out.file);
    return (struct document){(uint8_t *)out.at, out.length};
}
