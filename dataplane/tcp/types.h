// SPDX-License-Identifier: BSD-3-Clause
// The TCP stack's constants and structures. Included through tcp/internal.h.
#pragma once

#include <sys/queue.h>

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include "tcp/tcp.h"

enum {
    TCP_IP_HEADER_LEN = 20,
    TCP_HEADER_LEN = 20,
    TCP_TIMESTAMP_LEN = 12, // with its padding
    TCP_MSS_DEFAULT = 536,  // of a peer that names none
    TCP_MSS_MIN = 216, // a peer's smaller MSS is raised to this: against floods of tiny segments
    TCP_INITIAL_SEGMENTS = 10,
    TCP_LISTENERS_MAX = 16,
    TCP_SACKS_MAX = 4,
    TCP_SACKS_RECENT = 3,         // as many blocks as fit beside a timestamp
    TCP_SEND_SEGMENTS_MAX = 4096, // in a send queue: what an ACK may make us look through
    TCP_RUNS_MAX = 64,            // gaps + 1 that a connection's reassembly keeps track of
    TCP_COPY_MAX = 512, // received segments up to this size are copied behind their predecessor
    TCP_HALF_OPEN_MAX = 4096,
    TCP_DUP_THRESHOLD = 3,
    TCP_REORDER_STEPS_MAX = 16,
    TCP_RETRIES_MAX = 12,
    TCP_SYN_RETRIES_MAX = 3, // 15 s: whoever extends to a silent address must not hold a dial long
    TCP_SYN_ACK_RETRIES_MAX = 4,
    TCP_PORT_FIRST = 32768, // of active opens
    TCP_PORT_LAST = 65535,
};

#define TCP_NEVER UINT64_MAX
#define TCP_MS UINT64_C(1000)
#define TCP_SECOND UINT64_C(1000000)
#define TCP_RTO_MIN_US (200 * TCP_MS)
#define TCP_RTO_MAX_US (60 * TCP_SECOND)
#define TCP_RTO_INITIAL_US TCP_SECOND
#define TCP_GIVE_UP_US (120 * TCP_SECOND) // retransmitting without an answer
// Short: a relay that has Nagle's algorithm (C tor leaves it on) holds its next cell until then.
#define TCP_DELAYED_ACK_US (2 * TCP_MS)
enum { TCP_ACK_SEGMENTS_MAX = 16 };
#define TCP_PEER_DELAYED_ACK_US (40 * TCP_MS) // the kernels' own
#define TCP_NO_MEMORY_RETRY_US (10 * TCP_MS)
#define TCP_CHALLENGE_INTERVAL_MS 100
#define TCP_LINGER_US (120 * TCP_SECOND) // from tcp_close until the peer has acknowledged our FIN
#define TCP_FIN_WAIT_2_US (20 * TCP_SECOND) // … until the peer has sent its own
#define TCP_TIME_WAIT_US (10 * TCP_SECOND)
#define TCP_PAWS_IDLE_S (24u * 24 * 3600) // RFC 7323, 5.5

enum tcp_flags {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
};

// LISTEN is a listener, TIME-WAIT a record of its own; neither is a connection here.
enum tcp_state {
    TCP_STATE_CLOSED,
    TCP_STATE_SYN_SENT,
    TCP_STATE_SYN_RECEIVED,
    TCP_STATE_ESTABLISHED,
    TCP_STATE_CLOSE_WAIT,
    TCP_STATE_FIN_WAIT_1,
    TCP_STATE_FIN_WAIT_2,
    TCP_STATE_CLOSING,
    TCP_STATE_LAST_ACK,
};

// What the retransmission timer was set for.
enum tcp_timer_mode {
    TCP_TIMER_OFF,
    TCP_TIMER_SYN,     // SYN or SYN-ACK again
    TCP_TIMER_RTO,     // RFC 6298
    TCP_TIMER_PROBE,   // tail loss probe (RFC 8985, 7)
    TCP_TIMER_REORDER, // RACK: what is missing by then is lost
    TCP_TIMER_PERSIST, // zero window, or no packet memory
};

enum tcp_recovery_phase { TCP_PHASE_OPEN, TCP_PHASE_RECOVERY, TCP_PHASE_LOSS };

struct tcp_range {
    uint32_t start, end; // sequence numbers, end excluded
};

// A segment's headers as they came, in host order.
struct tcp_header {
    uint32_t local_ip, remote_ip;
    uint16_t local_port, remote_port;
    uint32_t seq, ack;
    uint8_t flags; // enum tcp_flags
    uint8_t window_shift;
    uint16_t window; // unscaled
    uint16_t mss;    // 0: not given
    bool has_window_shift, has_timestamp, sack_permitted;
    uint8_t n_sacks;
    uint16_t header_length; // IP and TCP
    uint32_t length;        // of the payload
    uint32_t timestamp, timestamp_echo;
    struct tcp_range sacks[TCP_SACKS_MAX];
};

// A header to be written. Options are written where they are set.
struct tcp_outgoing {
    uint32_t local_ip, remote_ip;
    uint16_t local_port, remote_port;
    uint32_t seq, ack;
    uint8_t flags;
    int8_t window_shift; // -1: no option
    uint16_t window;
    uint16_t mss; // 0: no option
    bool has_timestamp, sack_permitted;
    uint8_t n_sacks;
    uint32_t timestamp, timestamp_echo;
    struct tcp_range sacks[TCP_SACKS_MAX];
};

enum tcp_segment_flags {
    TCP_SEGMENT_FIN = 1,
    TCP_SEGMENT_SACKED = 2,
    TCP_SEGMENT_LOST = 4,  // waits to be sent again
    TCP_SEGMENT_AGAIN = 8, // was sent more than once
};

// In the dynamic field of a packet in the send queue. The packet's own data_off and data_len belong
// to whoever transmits it, so the payload's place is kept here.
// A segment that was sent is in flight, SACKED, or LOST: exactly one of the three.
struct tcp_segment {
    struct rte_mbuf *next;
    uint32_t seq;
    uint32_t sent_us; // low half of the clock
    uint16_t offset;  // of the payload in the buffer
    uint16_t length;  // of the payload
    uint8_t flags;    // enum tcp_segment_flags
};

// In the dynamic field of the first packet of a run: received bytes that follow one another, but
// not yet what was received in order. The run's packets are an mbuf chain.
struct tcp_run {
    struct rte_mbuf *next; // first packet of the next run
    struct rte_mbuf *tail; // last packet of this run
    uint32_t start, end;
};

struct tcp_congestion {
    uint32_t window;    // bytes
    uint32_t threshold; // ssthresh
    // CUBIC (RFC 9438)
    uint32_t window_max, window_start, window_reno;
    uint32_t epoch_ms, k_ms; // epoch 0: none yet
    // proportional rate reduction (RFC 6937), while in recovery
    uint32_t flight_at_loss, delivered, sent;
};

struct tcp_conn {
    struct tcp_stack *stack;
    void *user;
    LIST_ENTRY(tcp_conn) hash_link;   // in the table; in the free list when there is no connection
    TAILQ_ENTRY(tcp_conn) event_link; // waits for tcp_next_event, or is half-open
    TAILQ_ENTRY(tcp_conn) ack_link;   // owes an ACK that was put off to the end of the batch
    LIST_ENTRY(tcp_conn) timer_link;

    uint32_t local_ip, remote_ip;
    uint16_t local_port, remote_port;
    uint8_t state;  // enum tcp_state
    uint8_t events; // not yet taken
    uint8_t close_reason;
    uint8_t timer_mode; // enum tcp_timer_mode
    uint8_t phase;      // enum tcp_recovery_phase
    uint8_t retries;    // without an answer
    uint8_t backoff;    // doublings of the time-out
    uint8_t snd_shift, rcv_shift;
    uint8_t segments_unacked; // received, full-sized, not acknowledged yet
    uint8_t runs_count;
    uint8_t duplicate_acks; // only without SACK
    uint8_t reorder_steps;  // RACK's window, in quarters of the shortest round trip
    uint8_t timer_slot;     // level and slot of the wheel
    bool passive : 1;
    bool announced : 1; // the user knows of it
    bool closing : 1;   // the user has called tcp_close or tcp_abort
    bool in_events : 1;
    bool in_acks : 1;
    bool in_half_open : 1;
    bool in_timer : 1;
    bool fin_pending : 1; // to be queued once there is a packet for it
    bool fin_queued : 1;
    bool fin_known : 1; // the peer's, at rcv_fin
    bool timestamps : 1;
    bool sack : 1;
    bool scaling : 1;
    bool ack_now : 1;
    bool ack_gathers : 1; // … but not before `gather_until`, if only few segments have come
    bool writer_waits : 1;
    bool reordering : 1;
    bool no_memory : 1;       // something could not be sent for lack of packet memory
    bool starved : 1;         // … or written
    bool probe_again : 1;     // the tail loss probe was a retransmission
    bool probe_out : 1;       // until probe_end is acknowledged
    bool limited : 1;         // the congestion window was used up, up to limited_end
    bool rack : 1;            // rack_* are set
    bool duplicate_range : 1; // `duplicate` is to be told in the next ACK

    uint64_t timer_at;      // when the wheel looks at it
    uint64_t retransmit_at; // for timer_mode
    uint64_t ack_at;        // delayed ACK
    uint64_t close_at;      // lingering ends
    uint64_t unanswered_at; // when the first of `retries` was sent
    uint64_t last_sent_at;

    // send
    uint32_t iss, snd_una, snd_nxt;
    uint32_t write_seq; // behind the last byte queued; FIN has this number
    uint32_t snd_wnd, snd_wnd_max, snd_wl1, snd_wl2;
    uint32_t in_flight, sacked, lost; // their sum is snd_nxt - snd_una
    uint32_t reno_sacked;             // guess from duplicate ACKs when there is no SACK
    uint32_t recover;                 // snd_nxt when the loss was noticed
    uint32_t probe_end;
    uint32_t writable_seen;
    uint32_t limited_end;
    uint32_t send_count;   // segments in the queue
    uint32_t reorder_mark; // snd_nxt when reorder_steps last grew
    uint16_t mss;          // most payload of a segment
    uint16_t peer_mss;     // as it was told
    uint16_t data_header;  // length of IP and TCP header of a segment with data
    struct rte_mbuf *send_head, *send_tail;
    struct rte_mbuf *send_next; // first not yet sent
    struct rte_mbuf *spare;     // taken for the writer, not written yet; not in the queue
    struct rte_mbuf *lost_next; // no segment before it is LOST
    struct tcp_range sacks_seen[TCP_SACKS_MAX];

    // round trips (RFC 6298) and RACK (RFC 8985)
    uint32_t srtt_us, rttvar_us, rtt_min_us;
    uint32_t rack_sent_us, rack_end, rack_rtt_us;
    uint32_t rack_fack; // highest sequence number known to have arrived
    struct tcp_congestion cc;

    // receive
    uint32_t irs, rcv_nxt, rcv_edge; // edge: right end of the window as told
    uint32_t rcv_fin;
    uint32_t last_ack_sent;
    uint32_t gather_until; // time's low bits
    uint32_t ts_offset, ts_recent, ts_recent_s;
    uint32_t challenge_ms;
    uint32_t rx_bytes;  // in order, not consumed
    uint32_t rx_count;  // packets in both queues
    uint32_t peek_base; // offset of peek_at
    struct rte_mbuf *rx_head, *rx_tail;
    struct rte_mbuf *peek_at;
    struct rte_mbuf *runs;
    uint32_t sacks_recent[TCP_SACKS_RECENT]; // a number in each of the runs that grew last
    struct tcp_range duplicate;              // for a DSACK (RFC 2883)
};
_Static_assert(sizeof(struct tcp_conn) <= 512, "an idle connection must be small");

LIST_HEAD(tcp_conn_list, tcp_conn);
TAILQ_HEAD(tcp_conn_queue, tcp_conn);

enum { TCP_WHEEL_BITS = 6, TCP_WHEEL_SLOTS = 1 << TCP_WHEEL_BITS, TCP_WHEEL_LEVELS = 4 };

struct tcp_wheel {
    uint64_t tick; // the next to be run; a tick has 1024 µs
    uint64_t occupied[TCP_WHEEL_LEVELS];
    struct tcp_conn_list slots[TCP_WHEEL_LEVELS][TCP_WHEEL_SLOTS];
};

// What is left of a connection in TIME-WAIT.
struct tcp_time_wait {
    LIST_ENTRY(tcp_time_wait) hash_link;
    TAILQ_ENTRY(tcp_time_wait) age_link; // oldest first; or in the free list
    uint64_t expires_at;
    uint32_t local_ip, remote_ip;
    uint16_t local_port, remote_port;
    uint32_t snd_nxt, rcv_nxt;
    uint32_t ts_offset, ts_recent;
    uint32_t challenge_ms;
    uint16_t window;
    bool timestamps;
};
LIST_HEAD(tcp_time_wait_list, tcp_time_wait);
TAILQ_HEAD(tcp_time_wait_queue, tcp_time_wait);

struct tcp_stack {
    struct tcp_config config;
    struct tcp_env env;
    struct counters *counters;
    uint64_t now; // read once per call from outside
    int field;    // offset of the dynamic field
    uint16_t mss;
    uint8_t rcv_shift;
    uint32_t rx_held;     // packets in all receive queues
    uint32_t rx_held_max; // above it, windows do not grow
    // Packets in all send queues, and how many may be: what arrives must still find memory, else
    // nothing would ever be acknowledged.
    uint32_t tx_held, tx_held_max;
    uint32_t conns_count, conns_touched, half_open_count, half_open_max;
    struct tcp_conn *conns;
    struct tcp_conn_list free;
    struct tcp_conn_list *table;
    uint32_t table_mask;
    uint64_t hash_key[2];
    struct tcp_conn_queue events, acks, half_open;
    struct tcp_wheel wheel;
    struct tcp_time_wait *waits;
    struct tcp_time_wait_list *wait_table;
    struct tcp_time_wait_queue wait_ages, wait_free;
    uint32_t waits_max, waits_touched;
    unsigned n_listeners;
    struct address listeners[TCP_LISTENERS_MAX];
};
