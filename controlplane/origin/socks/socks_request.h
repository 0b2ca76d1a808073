// SPDX-License-Identifier: BSD-3-Clause
// What an application asks for, out of bytes that may be anything: SOCKS4, 4a and 5 (protocol 9.25,
// 9.26) and HTTP CONNECT, told apart by the first byte. Pure functions; nothing is allocated.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "config/config.h"
#include "origin/stream/app_stream.h"

enum {
    SOCKS_REPLY_MAX = 2048, // of bytes that one call writes
    SOCKS_USER_MAX = 511,   // SOCKS4's, which has no length of its own
    HTTP_CONNECT_HEAD_MAX = 8192,
};

enum socks_protocol { SOCKS_UNKNOWN = 0, SOCKS_4 = '4', SOCKS_5 = '5', SOCKS_HTTP = 'h' };

struct socks_request {
    enum socks_protocol protocol;
    enum app_command command;
    // One of both. A name is lower case, and has been looked at as socks_destination.h says; an
    // address may have come as text.
    char host[APP_HOST_MAX + 1];
    struct address address;
    bool bare; // the application gave an address's bytes: it may have looked a name up by itself
    uint16_t port;
    uint8_t token[32]; // digest of its credentials; zeros: none
};

enum socks_progress {
    SOCKS_MORE,      // more bytes must come
    SOCKS_REQUESTED, // the request is whole; what follows it is for its stream
    SOCKS_CLOSE,     // it is none: what was replied is all that it gets
};

// Why something was refused, for a log line that does not say what was asked for.
enum socks_complaint {
    SOCKS_NO_COMPLAINT,
    SOCKS_BAD_PROTOCOL, // neither SOCKS nor HTTP, or malformed
    SOCKS_BAD_COMMAND,  // SOCKS' BIND or UDP ASSOCIATE
    SOCKS_BAD_METHOD,   // HTTP, but not CONNECT; or HTTP where it is not served
    SOCKS_BAD_NAME,     // of a host
    SOCKS_BARE_ADDRESS,
    SOCKS_EXIT_NAME,  // .exit
    SOCKS_ONION_NAME, // .onion, malformed
    SOCKS_ONION_RESOLVE,
    SOCKS_PETNAME, // .pet, and not in petnames.json
    SOCKS_PRIVATE, // of the own machine or network
    SOCKS_PORT_0,
    SOCKS_POLICY, // the listener's: no names, no IPv4, no IPv6
    SOCKS_COMPLAINTS,
};

const char *socks_complaint_text(enum socks_complaint complaint);

struct socks_handshake {
    enum { SOCKS_STAGE_FIRST, SOCKS_STAGE_USER, SOCKS_STAGE_REQUEST, SOCKS_STAGE_END } stage;
    bool user_given; // SOCKS5: user and password have come
    size_t searched; // HTTP: so many bytes have no end of the head
    enum socks_complaint complaint;
    struct socks_request request;
};

// Takes whole messages off `in`, all bytes that have come and were not taken yet, and writes what
// must be sent for them, at most SOCKS_REPLY_MAX bytes; to be called with more until it says
// something else than SOCKS_MORE. `handshake` is zeros at first. What it has not taken after
// SOCKS_MORE is never more than HTTP_CONNECT_HEAD_MAX bytes.
enum socks_progress socks_handshake_read(struct socks_handshake *handshake,
                                         const struct config_socks *config, struct reader *in,
                                         struct writer *reply);
