// SPDX-License-Identifier: BSD-3-Clause
// Defences against peers that ask for more than their share: circuits and connections of one client
// address, streams of one circuit, introductions of one service, clients without a path (protocol
// 5.09–5.13, 7.13). Relays that proved to be listed are never held to them (dir/known_relay.h).
//
// Addresses are in memory only, hashed into a table with a secret, and forgotten when they have
// been quiet for a while. They are never logged. Control thread only.
//
// The consensus says what is too much (dir/parameters.h), unless the configuration does.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

struct dos;
struct relay;
struct token_bucket;

// What happens to a stream too many.
enum dos_stream_defence {
    DOS_STREAM_NONE = 1,
    DOS_STREAM_REFUSE = 2,
    DOS_STREAM_CLOSE_CIRCUIT = 3,
};

struct dos *dos_create(struct relay *relay); // NULL: no memory
void dos_free(struct dos *dos);              // NULL is fine
// Forgets addresses; once a second.
void dos_tick(struct dos *dos);

// ---- connections; each of these does nothing, or says yes, while relay->dos is NULL

// Whether a TCP connection from this address is let in. It may be a relay's, which only its
// handshake shows: an address that relays are connected from is let in.
bool dos_may_connect(struct relay *relay, const struct address *remote);
// A link that the peer began is open. False: it is a client's, and one too many.
bool dos_link_opened(struct relay *relay, const struct address *remote, bool peer_is_relay);
// One for which that was called (whatever it said) is no longer open.
void dos_link_closed(struct relay *relay, const struct address *remote, bool peer_is_relay);

// ---- circuits and streams

// A CREATE cell came from a client. False: it is refused with DESTROY_RESOURCELIMIT.
bool dos_may_create(struct relay *relay, const struct address *remote);
// A BEGIN, BEGIN_DIR or RESOLVE came. `bucket` is the circuit's.
enum dos_stream_defence dos_stream(struct relay *relay, struct token_bucket *bucket);
// An ESTABLISH_RENDEZVOUS that comes straight from a client is to be ignored (5.12).
bool dos_refuses_single_hop(const struct relay *relay);
