// SPDX-License-Identifier: BSD-3-Clause
// Where an application wants to go: names and addresses as text, and which of them are not asked
// for at all (protocol 9.39). Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "origin/socks/socks_request.h"

// A name or an address as text, IPv6 with or without brackets: fills in `host` or `address`.
// False: it is neither (a NUL, a control character, another character that names don't have, …).
bool socks_destination_read(const void *text, size_t length, struct socks_request *out);

// A whole request. 0: it may be asked for; or why not (enum end_reason or enum socks_reason), with
// `complaint`, and in `extended` SOCKS5's code for those who want it exact, or 0.
// `private_addresses`: those are fine, too.
int socks_destination_check(const struct socks_request *request, const struct config_socks *config,
                            bool private_addresses, enum socks_complaint *complaint,
                            unsigned *extended);
