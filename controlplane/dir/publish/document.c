// SPDX-License-Identifier: BSD-3-Clause
// Items, objects and signatures of directory documents (dir-spec 1.2, 1.3).
#include "dir/publish/document.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "crypto/digest.h"
#include "crypto/ed25519.h"
#include "crypto/encoding.h"
#include "crypto/rsa.h"
#include "identity/identity.h"

void document_add(struct writer *w, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(line))
        w->failed = true;
    else
        write_bytes(w, line, (size_t)n);
}

void document_add_object(struct writer *w, const char *label, const void *bytes, size_t length)
{
    document_add(w, "-----BEGIN %s-----\n", label);
    // In place; the NUL at its end needs no room of its own, for the last line follows.
    size_t room = w->failed ? 0 : (size_t)(w->end - w->at);
    int n = base64_encode_lines(bytes, length, (char *)w->at, room);
    if (n < 0)
        w->failed = true;
    else
        (void)write_room(w, (size_t)n);
    document_add(w, "-----END %s-----\n", label);
}

void document_add_published(struct writer *w, time_t published)
{
    char text[32];
    struct tm utc;
    if (gmtime_r(&published, &utc) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &utc) == 0)
        w->failed = true;
    else
        document_add(w, "published %s\n", text);
}

void document_add_identity(struct writer *w, const struct identity *identity)
{
    document_add(w, "identity-ed25519\n");
    document_add_object(w, "ED25519 CERT", identity->signing_cert, identity->signing_cert_length);
}

static void sign_ed25519(struct writer *w, const struct identity *identity)
{
    static const char prefix[] = "Tor router descriptor signature v1";
    uint8_t digest[SHA256_LEN];
    uint8_t signature[ED25519_SIG_LEN];
    char text[BASE64_TEXT_SIZE(ED25519_SIG_LEN)];
    struct sha256 h;
    document_add(w, "router-sig-ed25519 ");
    sha256_init(&h);
    sha256_update(&h, prefix, strlen(prefix));
    sha256_update(&h, w->start, writer_length(w));
    sha256_peek(&h, digest);
    ed25519_sign(&identity->signing, digest, sizeof(digest), signature);
    base64_encode(signature, sizeof(signature), false, text, sizeof(text));
    document_add(w, "%s\n", text);
}

int document_sign(struct writer *w, const struct identity *identity, uint8_t signed_sha1[20])
{
    uint8_t digest[SHA1_LEN];
    uint8_t signature[RSA_SIG_MAX];
    sign_ed25519(w, identity);
    document_add(w, "router-signature\n");
    sha1(w->start, writer_length(w), digest);
    int length = rsa_sign(identity->rsa, digest, sizeof(digest), signature, sizeof(signature));
    if (length < 0)
        return -EINVAL;
    document_add_object(w, "SIGNATURE", signature, (size_t)length);
    if (signed_sha1 != NULL)
        memcpy(signed_sha1, digest, sizeof(digest));
    return 0;
}
