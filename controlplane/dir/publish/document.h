// SPDX-License-Identifier: BSD-3-Clause
// Writing directory documents: items, objects, and the two signatures that end a document. All
// write into a struct writer, whose `failed` tells in the end whether everything had room.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/cursor.h"

struct identity;

void document_add(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
// "-----BEGIN LABEL-----", base64 in lines of 64, "-----END LABEL-----".
void document_add_object(struct writer *w, const char *label, const void *bytes, size_t length);
void document_add_published(struct writer *w, time_t published);
// The item identity-ed25519 with the signing key's certificate.
void document_add_identity(struct writer *w, const struct identity *identity);
// router-sig-ed25519 (6.07), then router-signature (6.08), over everything written so far.
// `signed_sha1` gets the digest that the latter signs; may be NULL. 0, or -EINVAL.
int document_sign(struct writer *w, const struct identity *identity, uint8_t signed_sha1[20]);
