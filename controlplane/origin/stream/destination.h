// SPDX-License-Identifier: BSD-3-Clause
// Where an application wants to go: what is never asked of an exit (protocol 9.39; C tor's
// ClientRejectInternalAddresses), and how the rest is said to one (10.01, 10.09). Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "origin/stream/app_stream.h"

enum destination_verdict {
    DESTINATION_ASK,      // an exit
    DESTINATION_ONION,    // an onion service; the address may be malformed yet
    DESTINATION_KNOWN,    // the answer is the request's address
    DESTINATION_REFUSED,  // it must not leave this process
    DESTINATION_INTERNAL, // a private address's name is asked for
};

// Brings the request into one form: names in small letters and without brackets; what is the text
// of an address, or its name under in-addr.arpa or ip6.arpa for APP_RESOLVE_PTR, becomes `address`.
// Addresses have the families that they are of. `internal_allowed`: private addresses and names of
// this machine are fine.
enum destination_verdict destination_normalise(struct app_request *r, bool internal_allowed);

enum { DESTINATION_BODY_MAX = APP_HOST_MAX + sizeof(":65535") + 4 };

// The body of BEGIN for a normalised request. `exit_has_ipv6`: the exit serves the port on IPv6.
size_t destination_begin_body(const struct app_request *r, bool exit_has_ipv6,
                              uint8_t out[DESTINATION_BODY_MAX]);
// … to an onion service, which knows who it is.
size_t destination_onion_body(const struct app_request *r, uint8_t out[DESTINATION_BODY_MAX]);
// … and of RESOLVE.
size_t destination_resolve_body(const struct app_request *r, uint8_t out[DESTINATION_BODY_MAX]);
