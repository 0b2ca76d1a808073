// SPDX-License-Identifier: BSD-3-Clause
// One worker's TCP (RFC 9293): connections, and byte streams in and out.
//
// A stack belongs to one worker; every function here is for that worker's thread only. Clock,
// randomness and packet output come in through `struct tcp_env`, so that a stack runs in virtual
// time in tests. TCP knows nothing of what its bytes mean.
//
// Ownership: a `struct tcp_conn` belongs to the stack and is valid from the event that announces
// it (or from tcp_connect) until TCP_EVENT_CLOSED has been taken from tcp_next_event. Spans
// returned by tcp_peek and tcp_write_span are valid until the next call on the same connection.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/counters.h"
#include "base/message.h"

struct rte_mbuf;
struct rte_mempool;
struct tcp_stack;
struct tcp_conn;

struct tcp_env {
    void *ctx;
    uint64_t (*now_us)(void *ctx); // monotonic
    uint32_t (*random)(void *ctx); // for initial sequence numbers and ports: unpredictable
    // Takes an IPv4 packet whose data begins at its IP header (l2_len 0, l3_len and l4_len set) and
    // which has RTE_PKTMBUF_HEADROOM or at least 32 bytes in front. The IP header is complete but
    // for its checksum; IP and TCP checksums are whoever's below (offload or software).
    // Takes over one reference to the packet.
    void (*transmit)(void *ctx, struct rte_mbuf *packet);
    // Picks the local port of an active open so that its replies reach this worker; NULL: any.
    bool (*port_is_ours)(void *ctx, const struct address *local, const struct address *remote);
};

struct tcp_config {
    struct tcp_env env;
    struct rte_mempool *packets; // where outgoing segments are made; data room >= mtu + headroom
    struct counters *counters;
    uint32_t max_connections;
    uint16_t mtu;                  // of the interface: MSS is mtu - 40
    uint32_t receive_window_bytes; // most that a connection buffers for its reader
    uint32_t send_buffer_bytes;    // most that a connection queues for its writer
    uint32_t max_packets; // of `packets`, this stack's share: its queues hold 7/8 of it at most.
                          // 0: all of the pool
    // An ACK for two full segments waits so long for more, up to TCP_ACK_SEGMENTS_MAX of them: who
    // polls all the time sees a burst two by two. 0: it goes with the batch.
    uint32_t ack_gather_us;
};

enum tcp_event_bits {
    TCP_EVENT_ACCEPTED = 1,  // passive open complete
    TCP_EVENT_CONNECTED = 2, // active open complete
    TCP_EVENT_READABLE = 4,  // new in-order bytes
    TCP_EVENT_WRITABLE = 8,  // tcp_writable grew after it had been found too small
    TCP_EVENT_PEER_FIN = 16, // the peer sends no more; what came before is still readable
    TCP_EVENT_CLOSED = 32,   // the last event; `conn` must not be used after it
};

struct tcp_event {
    struct tcp_conn *conn;
    void *user;                    // as set by tcp_connect or tcp_set_user
    unsigned events;               // set of tcp_event_bits
    enum conn_close_reason reason; // with TCP_EVENT_CLOSED
};

// NULL without memory. All memory is taken here or from `packets`.
struct tcp_stack *tcp_stack_create(const struct tcp_config *config);
void tcp_stack_destroy(struct tcp_stack *stack); // silent: sends nothing

// 0, or -EADDRINUSE, -ENOSPC (at most 16 listeners).
int tcp_listen(struct tcp_stack *stack, const struct address *local);
// Begins an active open. NULL: table full or no free port. The outcome comes as an event.
// `local->port` is ignored.
struct tcp_conn *tcp_connect(struct tcp_stack *stack, const struct address *local,
                             const struct address *remote, void *user);

// Takes TCP segments (over IPv4: data begins at the IP header, already validated: header checksum,
// length trimmed to the IP total length, not a fragment, addressed to us; TCP checksum verified).
// Frees or keeps each.
void tcp_input(struct tcp_stack *stack, struct rte_mbuf **packets, unsigned n);
// Runs the timers that are due and sends ACKs that were put off. Once per loop.
void tcp_advance(struct tcp_stack *stack);
// Sends also those that wait for more segments: nobody will look for some time.
void tcp_flush_acks(struct tcp_stack *stack);
// When the next timer is due, in env's time: at once if events or ACKs wait; UINT64_MAX for none.
uint64_t tcp_next_timer_us(const struct tcp_stack *stack);
// False when there are no more events. A connection appears once with all its bits.
bool tcp_next_event(struct tcp_stack *stack, struct tcp_event *event);
// An ICMP "unreachable" came for this pair; only connections still in SYN-SENT take it to heart.
void tcp_unreachable(struct tcp_stack *stack, const struct address *local,
                     const struct address *remote);

void tcp_set_user(struct tcp_conn *conn, void *user);
void *tcp_user(const struct tcp_conn *conn);
struct address tcp_local(const struct tcp_conn *conn);
struct address tcp_remote(const struct tcp_conn *conn);

// ---- reading
size_t tcp_readable(const struct tcp_conn *conn); // in-order bytes not yet consumed
// The contiguous bytes that begin `offset` bytes after the first unconsumed one. `*length` says how
// many; NULL and 0 at the end of what is readable.
const uint8_t *tcp_peek(struct tcp_conn *conn, size_t offset, size_t *length);
void tcp_consume(struct tcp_conn *conn, size_t length); // opens the window again

// ---- writing
// Bytes that can be queued now so that they leave at once: limited by the peer's window, the
// congestion window and send_buffer_bytes, less what waits already. Late decisions depend on it.
size_t tcp_writable(struct tcp_conn *conn);
// Room for at most *length contiguous bytes in outgoing segments (may return fewer). NULL: no
// packet memory now. Filled bytes count only once committed. A writer may queue somewhat more than
// tcp_writable said (to finish a record), up to send_buffer_bytes in all.
uint8_t *tcp_write_span(struct tcp_conn *conn, size_t *length);
void tcp_write_commit(struct tcp_conn *conn, size_t length);
// Makes sure that the next `length` bytes written cannot fail for lack of packet memory, by taking
// the segments now; false (and nothing kept) if there is not enough, if the send buffer would
// overflow, or if the connection takes no more bytes. Holds until the next tcp_push, which gives
// back what was not used. A record layer calls it so that no half record is ever queued.
bool tcp_write_reserve(struct tcp_conn *conn, size_t length);
// Copies: convenience for small things. Returns how many bytes were taken.
size_t tcp_write(struct tcp_conn *conn, const void *bytes, size_t length);
// Sends what window and congestion control let go, small last segment included. Call after writing.
void tcp_push(struct tcp_conn *conn);

// ---- closing; both lead to TCP_EVENT_CLOSED, exactly once
void tcp_close(struct tcp_conn *conn); // sends what is queued, then FIN; later input is discarded
void tcp_abort(struct tcp_conn *conn); // RST
