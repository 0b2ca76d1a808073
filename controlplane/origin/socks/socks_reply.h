// SPDX-License-Identifier: BSD-3-Clause
// What an application is told about its request (protocol 9.27–9.29). Pure functions.
#pragma once

#include "base/cell.h"
#include "base/cursor.h"
#include "origin/socks/socks_request.h"

// Reasons that no END has, beside enum end_reason.
enum socks_reason {
    SOCKS_REASON_PRIVATE = 256, // a private address
    SOCKS_REASON_POLICY,        // the listener's
};

// Codes of a SOCKS5 reply.
enum socks5_code {
    SOCKS5_SUCCEEDED = 0x00,
    SOCKS5_GENERAL_ERROR = 0x01,
    SOCKS5_NOT_ALLOWED = 0x02,
    SOCKS5_HOST_UNREACHABLE = 0x04,
    SOCKS5_REFUSED = 0x05,
    SOCKS5_TTL_EXPIRED = 0x06,
    SOCKS5_COMMAND_UNKNOWN = 0x07,
    SOCKS5_ADDRESS_UNKNOWN = 0x08,
    SOCKS5_ONION_MALFORMED = 0xf6,
};

void socks5_reply_code(struct writer *reply, enum socks5_code code);
void socks4_reply(struct writer *reply, bool granted);

void socks_reply_connected(struct writer *reply, const struct socks_request *request);
// `reason` is an enum end_reason or enum socks_reason; `extended`, if not 0, is SOCKS5's code
// instead.
void socks_reply_failed(struct writer *reply, const struct socks_request *request, int reason,
                        unsigned extended);
// To RESOLVE and RESOLVE_PTR: the best of the answers, or that there is none.
void socks_reply_resolved(struct writer *reply, const struct socks_request *request,
                          const struct config_socks *config, const struct app_answer *answers,
                          unsigned n);
// What app_stream's `closed` says, of a stream that was never connected.
int socks_reason_of(enum end_reason reason, enum app_failure failure);

// After the status line of an answer to CONNECT; the empty line is not in it.
extern const char http_connect_headers[];
