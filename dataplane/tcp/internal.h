// SPDX-License-Identifier: BSD-3-Clause
// What the files of the TCP stack share. Nobody else includes it (but the stack's own tests).
//
// clang-format off
//   segment.c    headers: parsing, writing       packet.c      packets: making, trimming, chains
//   stack.c      batches of input, events        conn.c        table, pool, a connection's life
//   listen.c     listeners, half-open ones       connect.c     active open, choice of a port
//   input.c      checks of RFC 9293, 3.10.7      ack.c         what an acknowledgement says
//   recovery.c   losses: SACK, RACK, time-outs   congestion.c  how much may be in flight
//   rtt.c        round trips, the time-out       time_wait.c   what is left of closed connections
//   output.c     which segment goes next         control.c     ACK, SYN, RST; our window
//   stream_in.c  reassembly, reading             stream_out.c  the send queue, writing
//   timer.c      the timing wheel                timeout.c     what happens when one is due
// clang-format on
#pragma once

#include "tcp/types.h"

// ---- sequence numbers (RFC 9293, 3.4)
static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
    return seq_lt(a, b) ? b : a;
}

static inline struct tcp_segment *segment_of(const struct tcp_stack *stack, struct rte_mbuf *m)
{
    return RTE_MBUF_DYNFIELD(m, stack->field, struct tcp_segment *);
}

static inline struct tcp_run *run_of(const struct tcp_stack *stack, struct rte_mbuf *m)
{
    return RTE_MBUF_DYNFIELD(m, stack->field, struct tcp_run *);
}

static inline uint32_t segment_span(const struct tcp_segment *s)
{
    return s->length + (s->flags & TCP_SEGMENT_FIN ? 1u : 0u);
}

static inline uint32_t tcp_ms(const struct tcp_stack *stack)
{
    return (uint32_t)(stack->now / TCP_MS);
}

static inline bool tcp_sends_data(const struct tcp_conn *conn)
{
    return conn->state >= TCP_STATE_ESTABLISHED && conn->state != TCP_STATE_FIN_WAIT_2;
}

// ---- segment.c
// False: malformed. Reads only the packet's first buffer.
bool tcp_header_parse(const struct rte_mbuf *packet, struct tcp_header *out);
uint16_t tcp_header_length(const struct tcp_outgoing *header); // IP and TCP
// Writes tcp_header_length() bytes; `payload` is the length that follows.
void tcp_header_write(uint8_t *at, const struct tcp_outgoing *header, uint16_t payload);

// ---- packet.c
// An empty packet whose headers will begin at the headroom's end; NULL (counted): none left.
struct rte_mbuf *tcp_packet_new(struct tcp_stack *stack);
// Sends a packet of headers alone. False: no packet memory.
bool tcp_packet_send_control(struct tcp_stack *stack, const struct tcp_outgoing *header);
// Frees the first `length` bytes of a chain; returns its new head (NULL when nothing is left).
struct rte_mbuf *tcp_chain_trim_front(struct rte_mbuf *head, uint32_t length, unsigned *freed);
// Keeps the first `length` (> 0) bytes of a chain; returns its last packet.
struct rte_mbuf *tcp_chain_trim_back(struct rte_mbuf *head, uint32_t length, unsigned *freed);
unsigned tcp_chain_free(struct rte_mbuf *head); // returns how many buffers that were
// Appends a chain behind `tail`, copying what is small. Returns the new tail.
struct rte_mbuf *tcp_chain_append(struct rte_mbuf *tail, struct rte_mbuf *chain, unsigned *freed);
struct rte_mbuf *tcp_chain_tail(struct rte_mbuf *head, unsigned *count);

// ---- conn.c
// A tuple's place in the tables of connections and of TIME-WAIT records.
uint32_t tcp_bucket(const struct tcp_stack *stack, uint32_t local_ip, uint16_t local_port,
                    uint32_t remote_ip, uint16_t remote_port);
struct tcp_conn *tcp_conn_find(struct tcp_stack *stack, uint32_t bucket, uint32_t local_ip,
                               uint16_t local_port, uint32_t remote_ip, uint16_t remote_port);
// A connection in the table, state CLOSED, `iss` chosen but not set. NULL: table full (counted).
struct tcp_conn *tcp_conn_new(struct tcp_stack *stack, uint32_t local_ip, uint16_t local_port,
                              uint32_t remote_ip, uint16_t remote_port);
void tcp_conn_set_iss(struct tcp_conn *conn, uint32_t iss);
// Everything but the CLOSED event (if the user knows of the connection) ends now.
void tcp_conn_end(struct tcp_conn *conn, enum conn_close_reason reason);
void tcp_conn_end_reset(struct tcp_conn *conn, enum conn_close_reason reason); // RST first
void tcp_conn_event(struct tcp_conn *conn, unsigned bits);
void tcp_conn_established(struct tcp_conn *conn);
void tcp_conn_release(struct tcp_conn *conn); // back to the pool
// Sets mss and data_header from what was negotiated.
void tcp_conn_set_mss(struct tcp_conn *conn);
// Takes the options of the peer's SYN or SYN-ACK.
void tcp_conn_take_options(struct tcp_conn *conn, const struct tcp_header *header);

// ---- time_wait.c
int tcp_time_wait_create(struct tcp_stack *stack);
void tcp_time_wait_destroy(struct tcp_stack *stack);
// Ends the connection; a record answers for it.
void tcp_time_wait_begin(struct tcp_conn *conn);
struct tcp_time_wait *tcp_time_wait_find(struct tcp_stack *stack, uint32_t bucket,
                                         uint32_t local_ip, uint16_t local_port, uint32_t remote_ip,
                                         uint16_t remote_port);
void tcp_time_wait_expire(struct tcp_stack *stack);
// True: the segment is dealt with. False: it is a SYN that may begin a new connection, whose
// initial sequence number must be `*iss`; the record is gone.
bool tcp_time_wait_input(struct tcp_stack *stack, struct tcp_time_wait *wait,
                         const struct tcp_header *header, uint32_t *iss);

// ---- listen.c
bool tcp_is_listening(const struct tcp_stack *stack, uint32_t ip, uint16_t port);
// A SYN for a listener. `iss` NULL: choose one.
void tcp_listen_input(struct tcp_stack *stack, const struct tcp_header *header,
                      const uint32_t *iss);
void tcp_half_open_leave(struct tcp_conn *conn);

// ---- connect.c
// Takes over or frees the packet.
void tcp_connect_input(struct tcp_conn *conn, const struct tcp_header *header,
                       struct rte_mbuf *packet);

// ---- input.c
enum { TCP_INPUT_BURST = 32 };
void tcp_input_burst(struct tcp_stack *stack, struct rte_mbuf **packets, unsigned n);
// Data and FIN of an acceptable segment; takes over the packet.
void tcp_input_data(struct tcp_conn *conn, const struct tcp_header *header,
                    struct rte_mbuf *packet);

// ---- ack.c
// False: the ACK is unacceptable, the segment must be dropped. May end the connection.
bool tcp_ack_input(struct tcp_conn *conn, const struct tcp_header *header);

// ---- recovery.c
struct tcp_delivery { // what one ACK has told
    uint32_t bytes;   // newly acknowledged or SACKed
    bool advanced;    // snd_una has moved
    bool has_rtt;
    uint32_t rtt_us;
    bool duplicate; // a DSACK came (RFC 2883)
};
// A segment that was not SACKED before has arrived.
void tcp_recovery_delivered(struct tcp_conn *conn, const struct tcp_segment *segment,
                            struct tcp_delivery *delivery);
void tcp_recovery_sacks(struct tcp_conn *conn, const struct tcp_header *header,
                        struct tcp_delivery *delivery);
void tcp_recovery_duplicate_ack(struct tcp_conn *conn); // without SACK
// What follows from an ACK: losses, the end of a recovery, the congestion window.
// Returns in how many µs more may turn out to be lost, or 0.
uint32_t tcp_recovery_advance(struct tcp_conn *conn, const struct tcp_delivery *delivery);
void tcp_recovery_reorder_timeout(struct tcp_conn *conn);
void tcp_recovery_timeout(struct tcp_conn *conn); // the RTO
void tcp_recovery_probe(struct tcp_conn *conn);   // the tail loss probe
void tcp_rtt_sample(struct tcp_conn *conn, uint32_t rtt_us);
uint64_t tcp_rto_us(const struct tcp_conn *conn);

// ---- congestion.c
void tcp_congestion_start(struct tcp_conn *conn);
void tcp_congestion_ack(struct tcp_conn *conn, uint32_t acked);
void tcp_congestion_loss(struct tcp_conn *conn);
void tcp_congestion_in_recovery(struct tcp_conn *conn, uint32_t delivered);
void tcp_congestion_recovered(struct tcp_conn *conn);
void tcp_congestion_timeout(struct tcp_conn *conn);
void tcp_congestion_idle(struct tcp_conn *conn);

// ---- output.c
uint32_t tcp_in_flight(const struct tcp_conn *conn);
void tcp_output(struct tcp_conn *conn);
// Sends a queued segment; false: no packet memory.
bool tcp_send_segment(struct tcp_conn *conn, struct rte_mbuf *m);
bool tcp_send_lost_first(struct tcp_conn *conn); // the first LOST one, whatever the window
// The first unsent segment, cut to `room` if it is longer. False: nothing sent.
bool tcp_send_new_first(struct tcp_conn *conn, uint32_t room);
void tcp_arm_retransmit(struct tcp_conn *conn, bool restart);

// ---- control.c
void tcp_fill_header(struct tcp_conn *conn, struct tcp_outgoing *header, uint8_t flags,
                     uint32_t seq);
void tcp_send_ack(struct tcp_conn *conn);
void tcp_send_syn(struct tcp_conn *conn); // SYN or SYN-ACK, as the state says
void tcp_send_window_probe(struct tcp_conn *conn);
void tcp_send_reset(struct tcp_conn *conn);
// RST for a segment of no connection (RFC 9293, 3.10.7.1).
void tcp_answer_reset(struct tcp_stack *stack, const struct tcp_header *header);
void tcp_challenge(struct tcp_conn *conn); // an ACK, but not too often
void tcp_ack_later(struct tcp_conn *conn, bool now);
// For segments that came in order.
void tcp_ack_gather(struct tcp_conn *conn);
void tcp_ack_sent(struct tcp_conn *conn);
uint16_t tcp_window(struct tcp_conn *conn, bool syn);

// ---- stream_in.c
// In-window payload that begins at `seq`; takes over the packet (headers removed).
void tcp_stream_take(struct tcp_conn *conn, struct rte_mbuf *packet, uint32_t seq, uint32_t length);
void tcp_stream_discard(struct tcp_conn *conn); // frees what was received
uint8_t tcp_stream_sacks(struct tcp_conn *conn, struct tcp_range *out, uint8_t max);

// ---- stream_out.c
// Frees the queue up to `ack`, which is acceptable.
void tcp_queue_acked(struct tcp_conn *conn, uint32_t ack, struct tcp_delivery *delivery);
bool tcp_queue_split(struct tcp_conn *conn, struct rte_mbuf *m, uint16_t length);
void tcp_queue_trim(struct tcp_conn *conn); // gives the spare packets back
bool tcp_queue_fin(struct tcp_conn *conn);  // false: no packet memory, fin_pending is set
void tcp_queue_free(struct tcp_conn *conn);
void tcp_queue_announce(struct tcp_conn *conn); // TCP_EVENT_WRITABLE if it is due

// ---- timer.c
void tcp_wheel_create(struct tcp_wheel *wheel, uint64_t now);
void tcp_timer_set(struct tcp_conn *conn); // after any of the deadlines has changed
void tcp_timer_stop(struct tcp_conn *conn);
void tcp_wheel_run(struct tcp_stack *stack); // calls tcp_timeout for what is due
uint64_t tcp_wheel_next(const struct tcp_wheel *wheel);

// ---- timeout.c
// Something in the connection's deadlines is due, or the wheel looked too early.
void tcp_timeout(struct tcp_conn *conn);
