// SPDX-License-Identifier: BSD-3-Clause
// An application's stream: it waits for a circuit that may carry it, begins there, and tries
// another when the exit refuses for reasons of its own (protocol 9.30–9.32). Control thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cell.h"

struct app_stream;
struct app_streams;
struct origin;
struct origin_circuit;

enum {
    APP_HOST_MAX = 255,
    APP_TOKEN_MAX = 512,
    APP_ANSWERS_MAX = 16,
    APP_STREAMS_MAX = 8192,
    // Of what was sent before the stream was connected, to be sent again on another circuit.
    APP_OPTIMISTIC_MAX = 64 * 1024,
};

enum app_command { APP_CONNECT, APP_RESOLVE, APP_RESOLVE_PTR };

// Streams that differ in one of these never share a circuit. What does not isolate is left zero.
struct app_isolation {
    uint32_t group;        // of listeners (session group)
    uint32_t epoch;        // new identities asked for since the start; app_stream_open says it
    uint8_t protocol;      // '4', '5' SOCKS, 'h' HTTP; 0: does not isolate
    struct address client; // ADDRESS_NONE: does not isolate
    uint8_t token[32];     // digest of credentials; zeros: none
    bool by_destination;   // by host
    bool by_port;
};

struct app_request {
    enum app_command command;
    char host[APP_HOST_MAX + 1]; // a name, or "" when `address` says it
    struct address address;      // with IPv4 or IPv6; ADDRESS_NONE: `host` counts
    uint16_t port;
    bool ipv4, ipv6, prefer_ipv6; // what an exit may use for a name (BEGIN's flags)
    struct app_isolation isolation;
};

struct app_answer {
    enum { APP_ANSWER_NAME, APP_ANSWER_ADDRESS } kind;
    struct address address;
    char name[APP_HOST_MAX + 1];
    uint32_t ttl_s;
};

// Why it ended before it was connected, for the application (9.28); with END's reason beside it.
enum app_failure {
    APP_FAILED_END,         // by END: see the reason
    APP_FAILED_NO_CIRCUIT,  // no relay serves this, or none answered in two minutes (SocksTimeout)
    APP_FAILED_TIMEOUT,     // there was no circuit for two minutes
    APP_FAILED_RESOLVE,     // the name can't be resolved, for good
    APP_FAILED_RESOLVE_NOW, // … for now
    APP_FAILED_REFUSED,     // never asked for: .onion, .exit, a private address, port 0, …
    APP_FAILED_MEMORY,
    APP_FAILED_ONION, // an onion service could not be reached: see app_stream_onion_failure
};

// No callback comes from inside a call of the user's.
struct app_stream_ops {
    void (*connected)(struct app_stream *s); // a CONNECT
    void (*resolved)(struct app_stream *s, const struct app_answer *answers, unsigned n);
    // As of struct stream_ops (stream/stream.h). `produce` is asked before `connected`, too
    // (optimistic data), and what it gave is kept for another try until the stream is connected.
    void (*data)(struct app_stream *s, const uint8_t *bytes, size_t length);
    int (*produce)(struct app_stream *s, uint8_t *out, size_t capacity);
    // The last call. `failure` counts when it was never connected.
    void (*closed)(struct app_stream *s, enum end_reason reason, enum app_failure failure);
};

struct app_streams *app_streams_create(struct origin *origin); // NULL: no memory
void app_streams_free(struct app_streams *all); // NULL is fine; ends all, each with its `closed`
void app_streams_tick(struct app_streams *all);
// A circuit has opened, or something else has changed: look again for those who wait, soon.
void app_streams_look(struct app_streams *all);
// The circuit is no more; what becomes of the streams on it, stream/ says.
void app_streams_circuit_gone(struct app_streams *all, const struct origin_circuit *oc);
unsigned app_streams_count(const struct app_streams *all);

// NULL: no memory, or too many (APP_STREAMS_MAX). `ops` is kept. `address` may also be said as text
// in `host`, and RESOLVE_PTR's as a name under in-addr.arpa or ip6.arpa.
struct app_stream *app_stream_open(struct origin *origin, const struct app_request *request,
                                   const struct app_stream_ops *ops, void *user);
void *app_stream_user(const struct app_stream *s);
void app_stream_wake(struct app_stream *s); // there is something to produce
// So many bytes that `data` gave have not gone to the application yet: above a limit the other side
// is told to wait (XOFF, or no SENDME), below to go on. To be said after each change, and when all
// went at once.
void app_stream_set_held(struct app_stream *s, size_t bytes);
// Why, in `closed` (enum onion_failure, onion/client/onion_client.h).
unsigned app_stream_onion_failure(const struct app_stream *s);
// Ends it; `closed` follows, and nothing else.
void app_stream_close(struct app_stream *s);

struct app_stream_info {
    uint64_t id;
    const struct app_request *request;
    const struct origin_circuit *circuit; // NULL: waits
    bool connected;
    unsigned tries; // circuits that it was begun on
    uint64_t age_ms, received_bytes, sent_bytes;
};
void app_streams_each(const struct app_streams *all,
                      void (*each)(void *user, const struct app_stream_info *info), void *user);
