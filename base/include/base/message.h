// SPDX-License-Identifier: BSD-3-Clause
// What the control plane and the workers say to each other. This header is the whole interface
// between them: whoever changes it changes both.
//
// Objects have one owner. A worker owns its connections and circuit ends and names them by a
// handle, which is unique among the handles of its kind on that worker. A handle that is no longer
// valid makes a message be ignored, never an error: both sides may close at any moment while a
// message is under way. What the control plane began (MSG_CONN_CONNECT, MSG_CIRCUIT_DIAL) has no
// handle yet: it is named by the control plane's cookie, which comes back in the answer and in
// every later message about that object; 0 for what the worker began.
//
// Lives and deaths
//   connection  begins with MSG_CONN_ACCEPTED, or with MSG_CONN_CONNECTED after MSG_CONN_CONNECT;
//               ends with MSG_CONN_CLOSED, exactly one for each, also when the control plane
//               asked by MSG_CONN_CLOSE. After it the handle means nothing.
//   circuit end is a circuit's meeting with one link. A relay's circuit has one towards its origin
//               (begins with MSG_CIRCUIT_CREATE, up) and, when extended, one away from it (begins
//               with MSG_CIRCUIT_DIAL, down). It ends with MSG_CIRCUIT_CLOSE (down; nothing comes
//               back), or with MSG_CIRCUIT_CLOSED (up; the worker has freed it already).
//               A connection that closes first ends its circuit ends, each with its message.
//
// A connection's bytes have three modes, in this order:
//   raw      bytes go up as MSG_CONN_DATA and down as MSG_CONN_SEND. The worker keeps what it sent
//            up until MSG_CONN_CONSUMED, which also opens the TCP window again.
//   records  from MSG_TLS_START: TLS 1.3 records are opened and sealed by the worker. Cells come up
//            as MSG_LINK_CELL; MSG_CONN_SEND is plaintext and goes out in records.
//   open     from the peer's NETINFO cell, which comes up like those before it: circuits are served
//            on the worker; only cells that concern the control plane come up. What follows NETINFO
//            may overtake the control plane's judgement of it: a MSG_CIRCUIT_CREATE of a link that
//            the control plane has not opened is answered with MSG_CIRCUIT_CLOSE.
#pragma once

#include <stdint.h>

#include "base/address.h"
#include "base/cell.h"

struct handle {
    uint32_t index;
    uint32_t generation; // never 0 for a valid handle
};

enum message_type {
    // ---- control → worker
    MSG_LISTEN,        // address. Accept TCP connections on it.
    MSG_CONN_CONNECT,  // address = remote, cookie. Answer: CONN_CONNECTED or CONN_CLOSED (cookie).
    MSG_CONN_SEND,     // conn, payload = bytes (raw) or plaintext (records, open)
    MSG_CONN_CONSUMED, // conn, offset: raw stream bytes before it are done with
    MSG_CONN_CLOSE,    // conn, close.{reason,alert}: graceful: sends what is queued first
    MSG_TLS_START, // conn, offset = where records begin in the raw stream received; tls (secret)
    MSG_TLS_REKEY, // conn, tls.rx and/or tls.tx (secret; cipher 0 = unchanged);
                   // payload = handshake bytes to seal under the old tx key first
    MSG_LINK_OPEN, // conn: the link handshake is accepted; MSG_CIRCUIT_DIAL may follow
    MSG_CIRCUIT_ACCEPT,  // circuit, crypto (secret), command, payload = body of CREATED2 or
                         // CREATED_FAST: installs the keys, then answers
    MSG_CIRCUIT_ADD_HOP, // circuit = an end that we dialled and that was created, crypto (secret),
                         // as the hop has it, forward first: the circuit begins here and has this
                         // hop, behind those that it had. If it can't, it is closed with
                         // RESOURCELIMIT
    MSG_CIRCUIT_DIAL,   // conn, cookie, command, payload = body of CREATE2: a new end on this link.
                        // Answer: CIRCUIT_DIALLED, then CIRCUIT_CREATED; or CIRCUIT_CLOSED (cookie;
                        // circuit may be invalid)
    MSG_CIRCUIT_SPLICE, // circuit = end towards the origin, peer.{worker,circuit} = the end away
                        // from it; relay_command, payload: this relay message (EXTENDED2) is sent
                        // to the origin first
    MSG_CIRCUIT_TRUNCATE,  // circuit = end away from the origin, to be closed with close.reason;
                           // relay_command, payload: this message is sent to the origin first, then
                           // the circuit goes on as if it had not been extended. When it can't,
                           // CIRCUIT_CLOSED comes
    MSG_CIRCUIT_ORIGINATE, // circuit = the end that holds the layer towards the origin (the one
                           // away from it once spliced), relay_command, stream_id, tell, payload.
                           // For one that begins here: relay.hop, and command, RELAY_EARLY or 0;
                           // nothing is sent to a hop that it does not have.
                           // While the layer is on its way there it waits. Without memory for the
                           // cell, or for a message up that it asks for, the circuit is closed with
                           // RESOURCELIMIT
    MSG_CIRCUIT_JOIN,      // circuit = the end towards the origin of a circuit that ends here,
                      // peer.{worker,circuit} = the same of another: cells that nobody recognises
                      // on the first go to the origin of the second from now on.
                      // peer.relay.command, payload: this message is sent to the first one's origin
                      // before; 0: none. Each of the two circuits gets one: first the one whose
                      // origin is told something, so that what the other's has said already comes
                      // behind it. What is for us still comes up, and ORIGINATE still works on
                      // both; each closes for itself. A join that makes no sense is counted and
                      // ignored
    MSG_CIRCUIT_CLOSE, // circuit, close.reason: DESTROY to the link, free the end. The link of one
                       // that begins here is not told why (protocol 2.37)
    MSG_PARAMETERS,    // parameters: the consensus has changed
    MSG_STOP,          // end the worker's loop

    // ---- worker → control
    MSG_CONN_ACCEPTED,   // conn, address = remote, local_address
    MSG_CONN_CONNECTED,  // conn, cookie, local_address
    MSG_CONN_DATA,       // conn, cookie, offset, payload: raw stream bytes from offset
    MSG_CONN_CLOSED,     // conn, cookie, close.reason
    MSG_TLS_HANDSHAKE,   // conn, cookie, payload: a whole post-handshake message (KeyUpdate). The
                         // worker opens no more records of this connection until MSG_TLS_REKEY.
    MSG_TLS_KEY_OLD,     // conn, cookie: so much was sealed that the tx key should be changed, by
                         // MSG_TLS_REKEY (RFC 8446, 5.5)
    MSG_LINK_CELL,       // conn, cookie, link_cell: a cell for the control plane, or a piece of one
    MSG_CIRCUIT_CREATE,  // conn, circuit, command (CREATE, CREATE_FAST, CREATE2),
                         // payload = 509 bytes. Answer: CIRCUIT_ACCEPT or CIRCUIT_CLOSE
    MSG_CIRCUIT_DIALLED, // circuit, cookie: the end that was asked for stands
    MSG_CIRCUIT_CREATED, // circuit, cookie, command, payload = 509 bytes
    MSG_CIRCUIT_RELAY, // circuit, cookie, command (RELAY or RELAY_EARLY), relay (unpacked), payload
                       // = relay body: a relay message addressed to us. As long as a
                       // RENDEZVOUS1 or RENDEZVOUS2 is not freed, cells behind it that nobody
                       // recognises wait for what it leads to: CIRCUIT_JOIN or CIRCUIT_ADD_HOP,
                       // which has to be sent before
    MSG_CIRCUIT_ORIGINATED, // circuit (as it was asked for), cookie, relay.{tag,tag_length}: of a
                            // cell that was sent with ORIGINATE_TELL_TAG; in their order. Before
                            // that cell's SENDME, unless the circuit's ends have two workers
    MSG_CIRCUIT_DRAINED,    // circuit = the end towards the origin, cookie: few cells wait for its
                            // link
    MSG_CIRCUIT_CLOSED,     // circuit, cookie, close.{reason,by_peer}

    MSG_TYPES
};

// Why a connection ended.
enum conn_close_reason {
    CONN_CLOSE_DONE,        // the peer closed it, or we did
    CONN_CLOSE_REFUSED,     // RST in answer to SYN
    CONN_CLOSE_RESET,       // RST
    CONN_CLOSE_TIMEOUT,     // gave up sending
    CONN_CLOSE_UNREACHABLE, // no route or neighbour
    CONN_CLOSE_LIMIT,       // table or memory full
    CONN_CLOSE_TLS,         // bad record, or a fatal alert
    CONN_CLOSE_PROTOCOL,    // cells that could not be framed
    CONN_CLOSE_IDENTITY,    // the peer is not who was asked for (control plane only)
};

// TLS 1.3 cipher suites (RFC 8446, B.4).
enum tls_cipher {
    TLS_CIPHER_NONE = 0,
    TLS_AES_128_GCM_SHA256_ID = 0x1301,
    TLS_AES_256_GCM_SHA384_ID = 0x1302,
    TLS_CHACHA20_POLY1305_SHA256_ID = 0x1303,
};

// Keys of one direction of a TLS 1.3 connection (RFC 8446, 7.3).
struct tls_keys {
    uint16_t cipher; // enum tls_cipher
    uint8_t key[32]; // 16 or 32 bytes
    uint8_t iv[12];
    uint64_t sequence; // of the next record
};

enum circuit_crypto_kind {
    CIRCUIT_CRYPTO_TOR1 = 1, // relay messages in format v0
    CIRCUIT_CRYPTO_CGO = 2,  // in format v1
    // Between a client and an onion service, behind the last relay's: as tor1, with SHA3-256 and
    // AES-256. Only where a circuit begins here, and no other hop follows.
    CIRCUIT_CRYPTO_ONION = 3,
};

// Key material of one hop as its handshake yields it (protocol: tor1 is Df 20, Db 20, Kf 16, Kb 16;
// CGO is 80 bytes forward, 80 backward; an onion service's Df 32, Db 32, Kf 32, Kb 32, forward
// being the way that we send: the service's side turns them round).
struct circuit_crypto {
    uint8_t kind; // enum circuit_crypto_kind
    uint8_t material[160];
};

// A fixed cell has total_length = CELL_BODY_LEN and comes whole. A variable cell comes in pieces
// of at most MESSAGE_PAYLOAD_MAX, in order; a piece with offset + length == total_length is the
// last. Before the peer's VERSIONS, circuit ids have 2 bytes; the header can be rebuilt from this.
struct link_cell_info {
    uint32_t circid;
    uint8_t command;
    uint8_t circid_length; // 2 or 4
    uint32_t total_length;
    uint32_t offset;
};

// What is asked for with MSG_CIRCUIT_ORIGINATE.
enum originate_tell {
    ORIGINATE_TELL_TAG = 1, // answer with MSG_CIRCUIT_ORIGINATED
    // When the queue towards the origin is short, which may be at once: MSG_CIRCUIT_DRAINED. One
    // answers all that were asked for before it.
    ORIGINATE_TELL_DRAINED = 2,
};

struct relay_info {
    uint8_t command;
    // Of a circuit that begins here: the hop that it is for, or from; 1 is the first. Else 0.
    uint8_t hop;
    uint8_t tell; // enum originate_tell, of a message that is sent
    uint16_t stream_id;
    uint8_t tag[20];    // authenticates this cell in a SENDME
    uint8_t tag_length; // 20 with tor1, 16 with CGO
};

// Parameters of the consensus that workers go by, 0 for what it does not say (protocol 5.01, 5.04).
// What is out of C tor's range for it is brought into the range.
struct worker_parameters {
    uint32_t priority_half_life_ms; // CircuitPriorityHalflifeMsec
    // Longest queue of a circuit, towards its origin and away from it. What the operator configured
    // comes before both.
    uint32_t queue_max_cells;     // circ_max_cell_queue_size
    uint32_t queue_max_cells_out; // circ_max_cell_queue_size_out; 0: as the other
};

struct message {
    uint8_t type;    // enum message_type
    uint8_t worker;  // index of the worker it goes to or comes from
    uint8_t command; // enum cell_command, where the type says so
    uint8_t secret;  // payload and keys are wiped when it is freed
    uint16_t length; // of payload
    struct handle conn;
    struct handle circuit;
    uint64_t cookie;
    uint64_t offset;
    struct {
        uint8_t reason;  // conn_close_reason, or destroy_reason
        uint8_t alert;   // TLS alert to send with MSG_CONN_CLOSE, 0 = close_notify
        uint8_t by_peer; // a DESTROY cell came; else the worker itself closed it
    } close;
    union {
        struct {
            struct address address;
            struct address local_address;
        };
        struct {
            struct tls_keys rx, tx;
        } tls;
        struct {
            uint8_t initiator;
        } link;
        struct link_cell_info link_cell;
        struct circuit_crypto crypto;
        struct relay_info relay;
        struct {
            uint8_t worker;
            struct handle circuit;
            struct relay_info relay; // of the message that is sent along
        } peer;
        struct worker_parameters parameters;
    };
    struct message *next; // for the holder's own lists
    uint8_t payload[];
};

enum {
    MESSAGE_SIZE = 2304,
    MESSAGE_PAYLOAD_MAX = 1984,
};
_Static_assert(sizeof(struct message) + MESSAGE_PAYLOAD_MAX <= MESSAGE_SIZE, "message too large");
