// SPDX-License-Identifier: BSD-3-Clause
// A worker: one thread, one core, everything that it owns. Its parts (net, tcp, tls, cell) meet
// here; they are called only from its loop.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/channel.h"
#include "base/counters.h"
#include "cell/batch.h"
#include "cell/circuit_end.h"
#include "cell/conn.h"
#include "cell/early.h"
#include "cell/originate.h"
#include "cell/shed.h"
#include "cell/tell.h"
#include "crossing.h"
#include "crypto/random_stream.h"
#include "dataplane/dataplane.h"
#include "net/net.h"
#include "tcp/tcp.h"
#include "tls/record.h"

struct cell_cipher;
struct cgo_cipher;
struct rte_mempool;

struct worker {
    unsigned index;
    unsigned n_workers;
    unsigned lcore;
    bool adaptive_poll;
    bool cpu_time_cycles;
    bool stopping;
    uint32_t circuit_queue_max_cells; // what the operator wants; 0: the consensus, or the default
    uint32_t queue_max_cells[2];      // what holds: away from the origin, towards it

    struct counters counters; // written by this worker, read by anyone
    struct channel *channel;
    struct net *net;
    struct net_worker *net_worker;
    struct tcp_stack *tcp;
    struct tls_worker tls;
    struct cell_cipher *cipher; // tor1
    struct cgo_cipher *cgo;
    struct rte_mempool *cells;                        // shared by all workers
    struct crossing crossings[DATAPLANE_WORKERS_MAX]; // to each other worker
    struct worker *workers; // all of them; only `channel` of another may be touched, to wake it

    struct conn_table conns;
    struct end_table ends;
    struct hop_pool hops;       // of the circuits that begin here
    struct scheduler scheduler; // its nodes are numbered as the ends are
    struct shed shed;
    _Atomic uint8_t shed_bucket; // the fullest of `shed`; read by other workers
    struct layer_burst burst;
    struct cell_batch batch;
    struct hops_sending sending;
    struct early early;
    struct circuit_end *likely_end; // of the cell that is being framed; NULL: not known

    struct conn_list receiving;    // have bytes to look at
    struct conn_list paused;       // the same, but the control thread has enough of them
    struct conn_list transmitting; // have something to send, and perhaps room for it
    struct conn_list closing;      // oldest first
    struct conn_list stalled;      // hold messages of the control thread's, longest first
    struct conn_list dead;         // CONN_CLOSED is still to be told
    struct conn_list link_stalled; // have cells of link level waiting, longest first
    struct end_list reports;       // CIRCUIT_CLOSED is still to be told
    struct drained drained;        // CIRCUIT_DRAINED is still to be told
    struct message *held;          // MSG_CIRCUIT_ORIGINATE that wait for a layer on its way
    unsigned n_held;
    struct message *refused; // dials that could not be begun, still to be answered

    uint32_t held_messages; // by the connections in `stalled`
    uint32_t held_messages_max;
    uint32_t link_cells;                               // by the connections in `link_stalled`
    uint8_t destroys[CONN_CELLS_PER_RECORD][CELL_LEN]; // of the record that is being sealed

    uint64_t now_us; // when this turn of the loop began
    struct random_stream random;
    uint64_t idle_turns;
    uint64_t notify_since_us; // since when the control thread is to be woken; 0: it is not
    uint64_t woken_peers;     // set of workers that cells were sent to in this turn
};

// Puts parameters of the consensus to use.
void worker_set_parameters(struct worker *w, const struct worker_parameters *p);
// 0 or a negative errno, with one line in `error`. `w` holds index, n_workers, lcore, channel, net,
// cells, rings and settings already.
int worker_init(struct worker *w, const struct dataplane_config *config,
                struct rte_mempool *packets, char *error, size_t error_size);
void worker_release(struct worker *w);
// One turn of the loop: receive, cells, transmit. Returns how much there was to do.
unsigned worker_turn(struct worker *w);
// The thread: runs until MSG_STOP. `arg` is a struct worker *.
int worker_run(void *arg);

// For the cycles_* counters.
uint64_t worker_cycles(const struct worker *w);
// Unpredictable: initial sequence numbers, ports, circuit ids, padding of relay messages.
uint64_t worker_random(struct worker *w);
