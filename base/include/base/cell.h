// SPDX-License-Identifier: BSD-3-Clause
// Wire constants of link cells and relay messages (tor-spec: "Cell packet format", "Relay cells").
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    CELL_BODY_LEN = 509,
    CELL_CIRCID_LEN = 4,                            // link protocol 4 and later
    CELL_LEN = CELL_CIRCID_LEN + 1 + CELL_BODY_LEN, // 514
    CELL_VAR_HEADER_LEN = CELL_CIRCID_LEN + 1 + 2,
    CELL_VERSIONS_HEADER_LEN = 2 + 1 + 2, // VERSIONS always has a 2-byte circuit id
    CELL_VAR_BODY_MAX = 65535,

    RELAY_HEADER_LEN = 11, // format v0: command, recognized, stream id, digest, length
    RELAY_BODY_MAX = CELL_BODY_LEN - RELAY_HEADER_LEN, // 498
    RELAY_EARLY_MAX = 8,                               // per circuit, away from the origin
};

#define CIRCID_INITIATOR_BIT UINT32_C(0x80000000) // set in ids chosen by the TLS initiator

enum cell_command {
    CELL_PADDING = 0,
    CELL_CREATE = 1, // TAP, refused
    CELL_CREATED = 2,
    CELL_RELAY = 3,
    CELL_DESTROY = 4,
    CELL_CREATE_FAST = 5,
    CELL_CREATED_FAST = 6,
    CELL_VERSIONS = 7,
    CELL_NETINFO = 8,
    CELL_RELAY_EARLY = 9,
    CELL_CREATE2 = 10,
    CELL_CREATED2 = 11,
    CELL_PADDING_NEGOTIATE = 12,
    CELL_VPADDING = 128,
    CELL_CERTS = 129,
    CELL_AUTH_CHALLENGE = 130,
    CELL_AUTHENTICATE = 131,
    CELL_AUTHORIZE = 132,
};

static inline bool cell_command_is_variable(uint8_t command)
{
    return command == CELL_VERSIONS || command >= 128;
}

enum relay_command {
    RELAY_BEGIN = 1,
    RELAY_DATA = 2,
    RELAY_END = 3,
    RELAY_CONNECTED = 4,
    RELAY_SENDME = 5,
    RELAY_TRUNCATE = 8,
    RELAY_TRUNCATED = 9,
    RELAY_DROP = 10,
    RELAY_RESOLVE = 11,
    RELAY_RESOLVED = 12,
    RELAY_BEGIN_DIR = 13,
    RELAY_EXTEND2 = 14,
    RELAY_EXTENDED2 = 15,
    RELAY_ESTABLISH_INTRO = 32,
    RELAY_ESTABLISH_RENDEZVOUS = 33,
    RELAY_INTRODUCE1 = 34,
    RELAY_INTRODUCE2 = 35,
    RELAY_RENDEZVOUS1 = 36,
    RELAY_RENDEZVOUS2 = 37,
    RELAY_INTRO_ESTABLISHED = 38,
    RELAY_RENDEZVOUS_ESTABLISHED = 39,
    RELAY_INTRODUCE_ACK = 40,
    RELAY_PADDING_NEGOTIATE = 41,
    RELAY_PADDING_NEGOTIATED = 42,
    RELAY_XOFF = 43,
    RELAY_XON = 44,
};

enum destroy_reason {
    DESTROY_NONE = 0,
    DESTROY_PROTOCOL = 1,
    DESTROY_INTERNAL = 2,
    DESTROY_REQUESTED = 3,
    DESTROY_HIBERNATING = 4,
    DESTROY_RESOURCELIMIT = 5,
    DESTROY_CONNECTFAILED = 6,
    DESTROY_OR_IDENTITY = 7,
    DESTROY_CHANNEL_CLOSED = 8,
    DESTROY_FINISHED = 9,
    DESTROY_TIMEOUT = 10,
    DESTROY_DESTROYED = 11,
    DESTROY_NOSUCHSERVICE = 12,
};

enum end_reason {
    END_MISC = 1,
    END_RESOLVEFAILED = 2,
    END_CONNECTREFUSED = 3,
    END_EXITPOLICY = 4,
    END_DESTROY = 5,
    END_DONE = 6,
    END_TIMEOUT = 7,
    END_NOROUTE = 8,
    END_HIBERNATING = 9,
    END_INTERNAL = 10,
    END_RESOURCELIMIT = 11,
    END_CONNRESET = 12,
    END_TORPROTOCOL = 13,
    END_NOTDIRECTORY = 14,
};

enum onion_handshake {
    HANDSHAKE_TAP = 0,
    HANDSHAKE_FAST = 1,
    HANDSHAKE_NTOR = 2,
    HANDSHAKE_NTOR_V3 = 3
};
