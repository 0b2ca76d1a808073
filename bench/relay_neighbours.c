// SPDX-License-Identifier: BSD-3-Clause
// The neighbours' links: TCP, records, and the cells that are made and checked.
#include "relay_neighbours.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_random.h>

#include "base/cursor.h"

enum {
    MARK_AT = 16, // in a cell's body: mark, circuit and direction, number, time
    MARK = 0x52414d53,
    MARK_LEN = 4 + 4 + 8 + 8,
    TRIES_MAX = 8192,
    SAMPLE_ROW_MAX = 16,
    WINDOW_BYTES = 1 << 20,
    CREDIT_RECORDS = 2,
    CREDIT_US = 200,
    PACED_PACKETS = 32, // in a turn: what it does meanwhile nobody else may wait for long
};

// ---- what the stack needs

static uint64_t env_now_us(void *ctx)
{
    const struct neighbours *n = ctx;
    return n->now_us;
}

static uint32_t env_random(void *ctx)
{
    struct neighbours *n = ctx;
    uint64_t z = n->random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)((z ^ (z >> 27)) >> 16);
}

static void env_transmit(void *ctx, struct rte_mbuf *packet)
{
    struct neighbours *n = ctx;
    wire_send(n->wire, packet);
}

static uint64_t tsc_us(void)
{
    return (uint64_t)((double)rte_rdtsc() * 1e6 / (double)rte_get_tsc_hz());
}

// ---- keys

void neighbours_material(unsigned circuit, uint8_t material[CGO_MATERIAL_LEN])
{
    for (unsigned i = 0; i < CGO_MATERIAL_LEN; i++)
        material[i] = (uint8_t)(circuit % NEIGHBOUR_KEYS * 167 + i * 13 + 1);
}

void neighbours_link_keys(const struct relay_options *options, unsigned link, bool to_relay,
                          struct tls_keys *out)
{
    *out = (struct tls_keys){.cipher = options->cipher};
    for (unsigned i = 0; i < sizeof(out->key); i++)
        out->key[i] = (uint8_t)(link * 31 + i * 7 + to_relay);
    out->iv[0] = (uint8_t)link;
    out->iv[1] = (uint8_t)(link >> 8);
    out->iv[2] = to_relay;
}

// ---- making and unmaking

unsigned neighbours_second(unsigned circuit)
{
    return circuit + NEIGHBOUR_KEYS / 2;
}

static bool make_stack(struct neighbours *n)
{
    struct tcp_config config = {
        .env = {n, env_now_us, env_random, env_transmit, NULL},
        .packets = n->wire->packets,
        .counters = &n->counters,
        .max_connections = n->options->links + 1,
        .mtu = (uint16_t)n->options->mtu,
        .receive_window_bytes = WINDOW_BYTES,
        .send_buffer_bytes = WINDOW_BYTES,
    };
    n->tcp = tcp_stack_create(&config);
    return n->tcp != NULL;
}

static void make_keys(struct neighbours *n)
{
    for (unsigned i = 0; i < NEIGHBOUR_KEYS; i++) {
        uint8_t material[CGO_MATERIAL_LEN];
        struct tor1_layer forward, backward;
        neighbours_material(i, material);
        tor1_layers_init(n->cipher, &forward, &backward, material);
        n->keys[i][0] = forward.cipher;
        n->keys[i][1] = backward.cipher;
    }
}

static bool make_cgo_flows(struct neighbours *n)
{
    n->cgo = cgo_flows_create(n->options->circuits);
    for (unsigned i = 0; n->cgo && i < n->options->circuits; i++) {
        uint8_t material[CGO_MATERIAL_LEN];
        neighbours_material(i + n->options->wrong_keys, material);
        cgo_flows_set(n->cgo, i, material);
    }
    return n->cgo != NULL;
}

static bool make_tables(struct neighbours *n)
{
    const struct relay_options *o = n->options;
    size_t links_bytes = o->links * sizeof(*n->links);
    n->links = aligned_alloc(64, (links_bytes + 63) / 64 * 64);
    n->circuits = calloc(o->circuits, sizeof(*n->circuits));
    n->readable = calloc(o->links, sizeof(struct neighbour_link *));
    n->latencies = calloc(NEIGHBOUR_LATENCIES_MAX, sizeof(*n->latencies));
    n->by_away_mask = (uint32_t)rte_align64pow2(2 * (uint64_t)o->circuits) - 1;
    n->by_away = calloc(n->by_away_mask + UINT64_C(1), sizeof(*n->by_away));
    if (!n->links || !n->circuits || !n->readable || !n->latencies || !n->by_away)
        return false;
    memset(n->links, 0, links_bytes);
    unsigned half = o->links / 2;
    for (unsigned i = 0; i < o->circuits; i++) {
        n->circuits[i].origin_link = (uint16_t)(i % half);
        n->circuits[i].away_link = (uint16_t)(half + (i / half + i) % half);
        n->circuits[i].joined = o->joined && i / half % 2;
    }
    return true;
}

struct neighbours *neighbours_create(const struct relay_options *options, struct wire *wire,
                                     const char **error)
{
    *error = "no memory for the generators";
    struct neighbours *n = aligned_alloc(64, (sizeof(*n) + 63) / 64 * 64);
    if (!n)
        return NULL;
    memset(n, 0, sizeof(*n));
    n->options = options;
    n->wire = wire;
    n->now_us = tsc_us();
    n->random_state = rte_rand();
    n->cipher = cell_cipher_create();
    n->tls = (struct tls_worker){record_aead_create(), &n->counters};
    memset(n->record, 0xa5, sizeof(n->record));
    if (n->cipher && n->tls.aead && make_tables(n) && make_stack(n) &&
        (!options->cgo || make_cgo_flows(n))) {
        make_keys(n);
        return n;
    }
    neighbours_destroy(n);
    return NULL;
}

void neighbours_destroy(struct neighbours *n)
{
    tcp_stack_destroy(n->tcp);
    for (unsigned i = 0; n->links && i < n->options->links; i++)
        free(n->links[i].flows);
    record_aead_destroy((struct record_aead *)(uintptr_t)n->tls.aead);
    cell_cipher_destroy(n->cipher);
    cgo_flows_destroy(n->cgo);
    free(n->links);
    free(n->circuits);
    free(n->readable);
    free(n->latencies);
    free(n->by_away);
    free(n);
}

bool neighbours_connect(struct neighbours *n, struct neighbour_link *link)
{
    struct address relay = address_ipv4(WIRE_RELAY_ADDRESS, 9001);
    struct address own = address_ipv4(WIRE_NEIGHBOUR_ADDRESS, 0);
    link->tcp = tcp_connect(n->tcp, &own, &relay, link);
    if (!link->tcp)
        return false;
    link->port = tcp_local(link->tcp).port;
    return true;
}

void neighbours_start_records(struct neighbours *n, struct neighbour_link *link)
{
    struct tls_keys to_relay, from_relay;
    unsigned index = (unsigned)(link - n->links);
    neighbours_link_keys(n->options, index, true, &to_relay);
    neighbours_link_keys(n->options, index, false, &from_relay);
    if (!tls_out_init(&link->out, &n->tls, &to_relay) ||
        !record_key_init(n->tls.aead, &link->in, from_relay.cipher, from_relay.key, from_relay.iv,
                         0))
        n->broken = "this cipher suite is not there";
    link->records = true;
}

// ---- sending

static bool seal(struct neighbours *n, struct neighbour_link *link, const uint8_t *bytes,
                 size_t length)
{
    struct tls_span span = {bytes, length};
    return tls_out_seal(&link->out, &n->tls, link->tcp, TLS_CONTENT_APPLICATION_DATA, &span, 1) ==
           0;
}

void neighbours_send_cell(struct neighbours *n, struct neighbour_link *link, uint32_t circid,
                          uint8_t command, const void *body, size_t length)
{
    uint8_t cell[CELL_LEN] = {0};
    struct writer w = writer_of(cell, sizeof(cell));
    bool versions = command == CELL_VERSIONS;
    if (!versions)
        write_u32(&w, circid);
    else
        write_u16(&w, 0);
    write_u8(&w, command);
    write_bytes(&w, body, length);
    if (!seal(n, link, cell, versions ? writer_length(&w) : CELL_LEN))
        n->broken = "a neighbour's link took no cell";
    tcp_push(link->tcp);
}

// The flows of the link that may send now: [*from, *to).
static void flows_in_use(const struct neighbours *n, const struct neighbour_link *link,
                         uint32_t *from, uint32_t *to)
{
    *from = n->only == FLOWS_SECOND ? link->n_first : 0;
    *to = n->only == FLOWS_FIRST ? link->n_first : link->n_flows;
}

static void write_cell(struct neighbours *n, struct neighbour_link *link, uint8_t *cell,
                       uint64_t now)
{
    uint32_t from, to;
    flows_in_use(n, link, &from, &to);
    if (link->run_left == 0 || link->next_flow < from || link->next_flow >= to) {
        link->next_flow =
            link->next_flow + 1 > from && link->next_flow + 1 < to ? link->next_flow + 1 : from;
        link->run_left = n->options->run_cells;
    }
    link->run_left--;
    uint32_t id = link->flows[link->next_flow];
    struct bench_circuit *circuit = &n->circuits[id >> 1];
    struct neighbour_flow *flow = id & 1 ? &circuit->backward : &circuit->forward;
    uint32_t circid = __builtin_bswap32(flow->in_circid);
    uint32_t mark[2] = {MARK, id};
    uint64_t stamp[2] = {flow->sent++, now};
    memcpy(cell, &circid, 4);
    cell[4] = CELL_RELAY;
    memcpy(cell + 5 + MARK_AT, mark, 8);
    memcpy(cell + 5 + MARK_AT + 8, stamp, 16);
}

// One record. False when the link takes none.
static bool send_record(struct neighbours *n, struct neighbour_link *link, unsigned cells)
{
    size_t length = cells * CELL_LEN;
    uint32_t from, to;
    flows_in_use(n, link, &from, &to);
    if (from == to || tcp_writable(link->tcp) == 0 ||
        !tcp_write_reserve(link->tcp, length + TLS_RECORD_OVERHEAD))
        return false;
    uint64_t now = rte_rdtsc();
    for (unsigned i = 0; i < cells; i++)
        write_cell(n, link, n->record + i * CELL_LEN, now);
    if (!seal(n, link, n->record, length))
        n->broken = "a neighbour's link broke";
    n->sent += cells;
    tcp_push(link->tcp);
    return true;
}

// Links take turns: in each round, as many records go over those of origins, and then over the
// others, as the directions' share says.
static struct neighbour_link *next_link(struct neighbours *n)
{
    unsigned links = n->options->links, half = links / 2;
    n->in_round = n->in_round + 1 < links ? n->in_round + 1 : 0;
    unsigned side = n->in_round * 100 >= links * n->options->forward_percent;
    n->turn[side] = n->turn[side] + 1 < half ? n->turn[side] + 1 : 0;
    return &n->links[side * half + n->turn[side]];
}

// What may be sent by now. A generator that was held up does not make up for it: that would be
// another load than the one that is asked for.
static void add_credit(struct neighbours *n)
{
    uint64_t now = rte_rdtsc();
    double most = n->cells_per_cycle * CREDIT_US * 1e-6 * (double)rte_get_tsc_hz();
    n->credit_cells += (double)(now - n->last_tsc) * n->cells_per_cycle;
    n->credit_cells =
        RTE_MIN(n->credit_cells, RTE_MAX(most, (double)CREDIT_RECORDS * n->options->record_cells));
    n->last_tsc = now;
}

// Returns how many.
static unsigned send_records(struct neighbours *n)
{
    unsigned cells = n->options->record_cells;
    bool paced = n->cells_per_cycle > 0;
    if (paced)
        add_credit(n);
    unsigned refused = 0, links = n->options->links, records = 0, most = paced ? 1 : links;
    while (refused < links && records < most) {
        if (n->sent - n->arrived + cells > n->window_cells) {
            n->starved += records == 0;
            break;
        }
        if (paced && n->credit_cells < cells)
            break;
        if (!send_record(n, next_link(n), cells)) {
            refused++;
            continue;
        }
        n->credit_cells -= cells;
        records++;
        refused = 0;
        if (records % 4 == 0)
            wire_flush(n->wire);
    }
    return records;
}

// ---- checking what came out

// What the relay did to cell `number` of a direction of a circuit, undone.
static void take_layer_off(struct neighbours *n, unsigned circuit, bool backward, uint64_t number,
                           const uint8_t *body, uint8_t *plain)
{
    unsigned key = circuit + n->options->wrong_keys;
    struct ctr_stream stream = n->keys[key % NEIGHBOUR_KEYS][backward];
    stream.position_bytes = number * CELL_BODY_LEN;
    cell_cipher_add(n->cipher, &stream, body, plain);
    cell_cipher_run(n->cipher);
}

// Decrypts a body as if it were number `number` of its flow.
static bool try_number(struct neighbours *n, uint32_t id, uint64_t number, const uint8_t *body,
                       uint8_t *plain)
{
    unsigned circuit = id >> 1;
    bool backward = id & 1;
    // EXTENDED2 or RENDEZVOUS2 came before the first of the cells towards the origin.
    take_layer_off(n, circuit, backward, number + backward, body, plain);
    if (n->circuits[circuit].joined)
        take_layer_off(n, neighbours_second(circuit), !backward, number, plain, plain);
    uint32_t mark[2];
    uint64_t stamp;
    memcpy(mark, plain + MARK_AT, 8);
    memcpy(&stamp, plain + MARK_AT + 8, 8);
    return mark[0] == MARK && mark[1] == id && stamp == number;
}

// The number of a cell of this flow, or UINT64_MAX: it is none.
static uint64_t number_of(struct neighbours *n, uint32_t id, uint64_t sent, const uint8_t *body,
                          uint8_t *plain)
{
    for (uint64_t back = 1; back <= sent && back <= TRIES_MAX; back++)
        if (try_number(n, id, sent - back, body, plain))
            return sent - back;
    return UINT64_MAX;
}

// With CGO a cell tells its number by itself; for its first bytes the one before has to be known.
static uint64_t number_of_cgo(struct neighbours *n, uint32_t id, uint64_t sent, const uint8_t *body,
                              uint8_t *plain, unsigned *from)
{
    uint32_t mark[2];
    uint64_t number;
    cgo_flows_open(n->cgo, id, body, plain);
    memcpy(mark, plain + MARK_AT, 8);
    memcpy(&number, plain + MARK_AT + 8, 8);
    if (mark[0] != MARK || mark[1] != id || number >= sent)
        return UINT64_MAX;
    *from = cgo_flows_follows(n->cgo, id, number) ? 0 : CGO_TAG_LEN;
    n->followed += *from == 0;
    return number;
}

static bool content_is_right(const uint8_t *plain, unsigned from)
{
    for (unsigned i = from; i < CELL_BODY_LEN; i++)
        if (plain[i] != 0xa5 && (i < MARK_AT || i >= MARK_AT + MARK_LEN))
            return false;
    return true;
}

static void note_latency(struct neighbours *n, const uint8_t *plain, uint64_t now)
{
    uint64_t sent;
    memcpy(&sent, plain + MARK_AT + 16, 8);
    if (!n->keep_latencies)
        return;
    histogram_add(&n->all_latencies, now - sent);
    if (n->n_latencies < NEIGHBOUR_LATENCIES_MAX)
        n->latencies[n->n_latencies++] = (uint32_t)((now - sent) / 16);
}

static uint32_t *away_slot(const struct neighbours *n, const struct neighbour_link *link,
                           uint32_t circid)
{
    unsigned index = (unsigned)(link - n->links);
    uint32_t hash = (circid ^ index * UINT32_C(0x85ebca6b)) * UINT32_C(0x9e3779b1);
    for (uint32_t i = hash ^ hash >> 15;; i++) {
        uint32_t *slot = &n->by_away[i & n->by_away_mask];
        if (*slot == 0)
            return slot;
        const struct bench_circuit *circuit = &n->circuits[*slot - 1];
        if (circuit->away_link == index && circuit->forward.out_circid == circid)
            return slot;
    }
}

// The flow that leaves the relay on this link by this circuit id, or UINT32_MAX.
static uint32_t flow_of(const struct neighbours *n, const struct neighbour_link *link,
                        uint32_t circid)
{
    uint32_t index = (circid & ~CIRCID_INITIATOR_BIT) - 1;
    if (link < n->links + n->options->links / 2) // towards the origin, which has chosen the id
        return index < n->options->circuits && n->circuits[index].backward.out_circid == circid &&
                       &n->links[n->circuits[index].origin_link] == link
                   ? index << 1 | 1
                   : UINT32_MAX;
    uint32_t slot = *away_slot(n, link, circid);
    return slot ? (slot - 1) << 1 : UINT32_MAX;
}

static void check_cell(struct neighbours *n, struct neighbour_link *link, uint32_t circid,
                       const uint8_t *body, uint64_t now)
{
    uint8_t buffer[CELL_CIPHER_SCRATCH + CELL_BODY_LEN];
    uint8_t *plain = buffer + CELL_CIPHER_SCRATCH;
    uint32_t id = flow_of(n, link, circid);
    n->checked++;
    if (id == UINT32_MAX) {
        n->wrong++;
        return;
    }
    struct bench_circuit *circuit = &n->circuits[id >> 1];
    struct neighbour_flow *flow = id & 1 ? &circuit->backward : &circuit->forward;
    unsigned from = 0;
    uint64_t number = n->cgo ? number_of_cgo(n, id, flow->sent, body, plain, &from)
                             : number_of(n, id, flow->sent, body, plain);
    if (number != UINT64_MAX && number >= flow->seen && content_is_right(plain, from))
        note_latency(n, plain, now);
    else
        n->wrong++;
    flow->seen = number + 1;
}

// The relay's own message, before the first of the cells towards the origin.
static void take_extended(struct neighbours *n, uint32_t circid, const uint8_t *body)
{
    uint32_t index = (circid & ~CIRCID_INITIATOR_BIT) - 1;
    if (n->cgo && (index >= n->options->circuits || !cgo_flows_extended(n->cgo, index, body)))
        n->wrong++;
    n->extended++;
}

// CREATE2 and CREATED2: the circuits are being made.
static void take_setup_cell(struct neighbours *n, struct neighbour_link *link, uint32_t circid,
                            uint8_t command, const uint8_t *body)
{
    uint32_t index;
    memcpy(&index, body, sizeof(index));
    if (index >= n->options->circuits || n->circuits[index].joined)
        return;
    struct bench_circuit *circuit = &n->circuits[index];
    if (command == CELL_CREATED2) {
        circuit->created = true;
    } else if (command == CELL_CREATE2) {
        circuit->backward.in_circid = circuit->forward.out_circid = circid;
        *away_slot(n, link, circid) = index + 1;
        neighbours_send_cell(n, link, circid, CELL_CREATED2, body, sizeof(index));
    }
}

void neighbours_begin_second(struct neighbours *n, uint32_t index)
{
    struct bench_circuit *circuit = &n->circuits[index];
    struct neighbour_link *link = &n->links[circuit->away_link];
    // Every circuit id of ours is another's.
    uint32_t circid = CIRCID_INITIATOR_BIT | (n->options->circuits + index + 1);
    circuit->backward.in_circid = circuit->forward.out_circid = circid;
    *away_slot(n, link, circid) = index + 1;
    uint32_t body = index | NEIGHBOUR_SECOND;
    neighbours_send_cell(n, link, circid, CELL_CREATE2, &body, sizeof(body));
}

static void take_cells(struct neighbours *n, struct neighbour_link *link, const uint8_t *bytes,
                       size_t length)
{
    uint64_t now = rte_rdtsc();
    struct reader r = reader_of(bytes, length);
    while (reader_left(&r) >= CELL_LEN) {
        uint32_t circid = read_u32(&r);
        uint8_t command = read_u8(&r);
        const uint8_t *body = read_bytes(&r, CELL_BODY_LEN);
        if (command == CELL_RELAY && n->sending)
            check_cell(n, link, circid, body, now);
        else if (command == CELL_CREATE2 || command == CELL_CREATED2)
            take_setup_cell(n, link, circid, command, body);
        else if (command == CELL_RELAY)
            take_extended(n, circid, body);
        else if (command == CELL_DESTROY)
            n->broken = "the relay closed a circuit";
    }
    if (reader_left(&r))
        n->wrong++; // the relay ends its records with a cell
}

// ---- receiving

static void copy_in(struct tcp_conn *tcp, size_t offset, uint8_t *to, size_t length)
{
    while (length) {
        size_t part;
        const uint8_t *bytes = tcp_peek(tcp, offset, &part);
        part = RTE_MIN(part, length);
        memcpy(to, bytes, part);
        to += part;
        offset += part;
        length -= part;
    }
}

// The record's content, or 0 when it does not open.
static size_t open_record(struct neighbours *n, struct neighbour_link *link,
                          const uint8_t header[TLS_HEADER_LEN], size_t sealed)
{
    struct record_op op;
    uint8_t tag[RECORD_TAG_LEN];
    uint8_t *to = n->opened + CELL_CIPHER_SCRATCH;
    size_t inner = sealed - RECORD_TAG_LEN;
    copy_in(link->tcp, TLS_HEADER_LEN, to, inner);
    copy_in(link->tcp, TLS_HEADER_LEN + inner, tag, sizeof(tag));
    record_aead_begin(n->tls.aead, &op, &link->in, header);
    record_aead_open(n->tls.aead, &op, &link->in, to, to, inner);
    if (!record_aead_open_end(n->tls.aead, &op, &link->in, tag))
        return 0;
    return inner;
}

// Whether the next record is opened. Records with CGO are so in rows, long enough for the same
// circuit's next cell to be there, too.
static bool is_sampled(struct neighbours *n, struct neighbour_link *link)
{
    if (!n->sending)
        return true;
    if (link->sample_left == 0) {
        if (link->until_sample) {
            link->until_sample--;
            return false;
        }
        unsigned row = n->cgo ? RTE_MIN(1 + link->n_flows / 4, SAMPLE_ROW_MAX) : 1;
        unsigned gap = NEIGHBOUR_SAMPLE_RECORDS / 2 + env_random(n) % NEIGHBOUR_SAMPLE_RECORDS;
        link->sample_left = row;
        link->until_sample = gap * row;
    }
    link->sample_left--;
    return true;
}

static void take_record(struct neighbours *n, struct neighbour_link *link,
                        const uint8_t header[TLS_HEADER_LEN], size_t sealed)
{
    if (n->sending)
        n->arrived += (sealed - RECORD_TAG_LEN - 1) / CELL_LEN;
    if (!is_sampled(n, link)) {
        link->in.sequence++;
        return;
    }
    size_t inner = open_record(n, link, header, sealed);
    const uint8_t *bytes = n->opened + CELL_CIPHER_SCRATCH;
    if (inner && bytes[inner - 1] == TLS_CONTENT_APPLICATION_DATA)
        take_cells(n, link, bytes, inner - 1);
    else
        n->broken = "a record of the relay's did not open";
}

static void receive(struct neighbours *n, struct neighbour_link *link)
{
    link->is_readable = false;
    if (!link->records)
        return;
    while (tcp_readable(link->tcp) >= TLS_HEADER_LEN) {
        uint8_t header[TLS_HEADER_LEN];
        copy_in(link->tcp, 0, header, sizeof(header));
        size_t sealed = (size_t)header[3] << 8 | header[4];
        if (sealed <= RECORD_TAG_LEN || sealed > TLS_CIPHERTEXT_MAX) {
            n->broken = "the relay sent something that is no record";
            return;
        }
        if (tcp_readable(link->tcp) < TLS_HEADER_LEN + sealed)
            return;
        take_record(n, link, header, sealed);
        tcp_consume(link->tcp, TLS_HEADER_LEN + sealed);
    }
}

static void take_events(struct neighbours *n)
{
    struct tcp_event event;
    while (tcp_next_event(n->tcp, &event)) {
        struct neighbour_link *link = event.user;
        if (event.events & TCP_EVENT_CLOSED) {
            n->broken = "the relay closed a link";
            continue;
        }
        if (event.events & TCP_EVENT_CONNECTED)
            link->connected = true;
        if (event.events & TCP_EVENT_READABLE && !link->is_readable) {
            link->is_readable = true;
            n->readable[n->n_readable++] = link;
        }
    }
}

static bool is_of_second_kind(const struct neighbours *n, const struct bench_circuit *circuit)
{
    return n->options->joined ? circuit->joined : circuit->origin_worker != circuit->away_worker;
}

static void add_flow(struct neighbour_link *link, uint32_t flow, bool second)
{
    link->flows[link->n_flows++] = flow;
    link->n_first += !second;
}

bool neighbours_make_flows(struct neighbours *n)
{
    const struct relay_options *o = n->options;
    for (uint32_t c = 0; c < o->circuits; c++) {
        n->links[n->circuits[c].origin_link].n_flows++;
        n->links[n->circuits[c].away_link].n_flows++;
    }
    for (unsigned i = 0; i < o->links; i++) {
        struct neighbour_link *link = &n->links[i];
        link->flows = calloc(link->n_flows + 1, sizeof(*link->flows));
        link->n_flows = 0;
        if (!link->flows)
            return false;
    }
    for (unsigned second = 0; second < 2; second++) {
        for (uint32_t c = 0; c < o->circuits; c++) {
            const struct bench_circuit *circuit = &n->circuits[c];
            if (is_of_second_kind(n, circuit) != second)
                continue;
            add_flow(&n->links[circuit->origin_link], c << 1, second);
            add_flow(&n->links[circuit->away_link], c << 1 | 1, second);
        }
    }
    return true;
}

bool neighbours_turn(struct neighbours *n)
{
    struct rte_mbuf *packets[WIRE_BURST * 2];
    n->now_us = tsc_us();
    n->turns++;
    unsigned count =
        wire_receive(n->wire, packets, n->cells_per_cycle > 0 ? PACED_PACKETS : WIRE_BURST * 2);
    tcp_input(n->tcp, packets, count);
    tcp_advance(n->tcp);
    take_events(n);
    for (unsigned i = 0; i < n->n_readable; i++)
        receive(n, n->readable[i]);
    n->n_readable = 0;
    unsigned records = n->sending && !n->draining ? send_records(n) : 0;
    wire_flush(n->wire);
    return count > 0 || records > 0;
}
