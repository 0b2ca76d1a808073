// SPDX-License-Identifier: BSD-3-Clause
// A visitor's keys for services that ask for authorisation: files "*.auth_private" with lines
// "<56 characters>:descriptor:x25519:<base32>", as C tor's ClientOnionAuthDir. Control thread.
#pragma once

#include <stdint.h>

struct client_authorization;

enum { CLIENT_AUTHORIZATIONS_MAX = 4096 };

// NULL: no memory, or the directory can't be read (`error`). Malformed files are told by `warn`.
struct client_authorization *client_authorization_load(const char *directory,
                                                       void (*warn)(void *user, const char *line),
                                                       void *user, char *error,
                                                       unsigned long error_size);
void client_authorization_free(struct client_authorization *a); // wipes; NULL is fine
// The Curve25519 secret for this service; NULL: none.
const uint8_t *client_authorization_find(const struct client_authorization *a,
                                         const uint8_t identity[32]);
