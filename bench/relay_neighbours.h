// SPDX-License-Identifier: BSD-3-Clause
// The relay's neighbours: the other ends of its links and circuits, all on one thread, over a TCP
// stack of their own. They send cells whose content they can recognise when it comes out at the
// other side, decrypt a sample of what comes out, and compare it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cell.h"
#include "base/counters.h"
#include "base/message.h"
#include "crypto/cell_cipher.h"
#include "crypto/cgo.h"
#include "crypto/tor1.h"
#include "histogram.h"
#include "relay.h"
#include "relay_cgo.h"
#include "relay_wire.h"
#include "tcp/tcp.h"
#include "tls/record_out.h"

enum {
    NEIGHBOUR_KEYS = 256, // key materials; circuits take turns
    NEIGHBOUR_LATENCIES_MAX = 1 << 20,
    NEIGHBOUR_SAMPLE_RECORDS = 24, // of so many records, one is opened
};

// In the onion skin, beside the circuit's number: it is the second of two that are joined.
#define NEIGHBOUR_SECOND (UINT32_C(1) << 31)

// Kinds of circuits that are measured next to one another: on one worker, or crossing to another;
// extended, or joined.
enum flow_kind { FLOWS_ALL, FLOWS_FIRST, FLOWS_SECOND };

struct neighbour_flow { // one direction of a circuit
    uint64_t sent;      // cells
    uint64_t seen;      // one more than the number of the newest that was checked
    uint32_t in_circid, out_circid;
};

struct bench_circuit {
    struct neighbour_flow forward, backward;
    uint16_t origin_link, away_link;
    uint8_t origin_worker, away_worker;
    bool ready, created;
    bool joined; // away from the origin is another origin: two circuits, which the relay joins
    struct handle origin_end, away_end;
};

struct neighbour_link {
    struct tls_out out;
    struct record_key in;
    struct tcp_conn *tcp;
    struct handle conn; // the relay's end
    uint8_t worker;
    bool connected, records, is_readable;
    uint16_t port;
    unsigned until_sample; // records
    unsigned sample_left;  // records that are opened now, in a row
    uint32_t *flows;       // circuit << 1 | backward; those of the first kind come first
    uint32_t n_flows, n_first;
    uint32_t next_flow, run_left;
};

struct neighbours {
    const struct relay_options *options;
    struct wire *wire;
    struct tcp_stack *tcp;
    struct counters counters; // of this stack
    struct tls_worker tls;
    struct cell_cipher *cipher;
    struct ctr_stream keys[NEIGHBOUR_KEYS][2]; // forward, backward, at their begin
    struct cgo_flows *cgo;                     // NULL: the circuits have tor1
    struct neighbour_link *links;
    struct bench_circuit *circuits;
    uint32_t *by_away; // hash of away link and circuit id: circuit + 1, or 0
    uint32_t by_away_mask;
    uint64_t now_us;
    uint64_t random_state;
    unsigned turn[2]; // the link that sent last, of each half
    unsigned in_round;

    // What goes on
    bool sending;
    bool draining;          // no more: what is on its way comes out
    enum flow_kind only;    // the circuits that are used
    uint64_t window_cells;  // most that may be on their way
    double cells_per_cycle; // 0: as many as go
    double credit_cells;
    uint64_t last_tsc;
    uint64_t sent, arrived;  // cells
    uint64_t checked, wrong; // cells that came out; with another content, or out of order
    uint64_t followed;       // of the checked, with CGO: compared whole, after the one before
    uint64_t starved;        // turns in which the window let nothing go
    uint64_t turns;
    uint64_t extended;   // EXTENDED2 that came, or RENDEZVOUS2
    const char *broken;  // what went wrong, if something did
    uint32_t *latencies; // TSC cycles / 16
    unsigned n_latencies;
    bool keep_latencies;
    struct histogram all_latencies; // TSC cycles; also those that the machine has spoilt

    struct neighbour_link **readable;
    unsigned n_readable;
    uint8_t record[31 * CELL_LEN + 64];
    uint8_t opened[CELL_CIPHER_SCRATCH + TLS_STAGING_LEN];
};

struct neighbours *neighbours_create(const struct relay_options *options, struct wire *wire,
                                     const char **error);
void neighbours_destroy(struct neighbours *n);
// The circuit's keys; tor1 takes the first TOR1_MATERIAL_LEN bytes.
void neighbours_material(unsigned circuit, uint8_t material[CGO_MATERIAL_LEN]);
// Of two that are joined, the second one's.
unsigned neighbours_second(unsigned circuit);
// The keys that both ends of a link use; `to_relay` says for which direction.
void neighbours_link_keys(const struct relay_options *options, unsigned link, bool to_relay,
                          struct tls_keys *out);
bool neighbours_connect(struct neighbours *n, struct neighbour_link *link);
void neighbours_start_records(struct neighbours *n, struct neighbour_link *link);
void neighbours_send_cell(struct neighbours *n, struct neighbour_link *link, uint32_t circid,
                          uint8_t command, const void *body, size_t length);
// A circuit from the far side, to be joined with the origin's.
void neighbours_begin_second(struct neighbours *n, uint32_t circuit);
// A link's list of flows, once all circuits stand.
bool neighbours_make_flows(struct neighbours *n);
// Receive, check, send. False: there was nothing to do.
bool neighbours_turn(struct neighbours *n);
