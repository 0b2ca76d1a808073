// SPDX-License-Identifier: BSD-3-Clause
// TCP over IPv4 headers: parsing what came (RFC 9293, 3.1; RFC 7323; RFC 2018) and writing ours.
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "base/cursor.h"
#include "tcp/internal.h"

enum {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_WINDOW_SHIFT = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMP = 8,
    WINDOW_SHIFT_MAX = 14, // RFC 7323, 2.3
    TIMESTAMP_HEAD = OPTION_NOP << 24 | OPTION_NOP << 16 | OPTION_TIMESTAMP << 8 | 10,
};

static void parse_sacks(struct reader *body, struct tcp_header *out)
{
    while (reader_left(body) >= 8 && out->n_sacks < TCP_SACKS_MAX) {
        uint32_t start = read_u32(body);
        uint32_t end = read_u32(body);
        out->sacks[out->n_sacks++] = (struct tcp_range){start, end};
    }
}

static void parse_option(uint8_t kind, struct reader *body, struct tcp_header *out)
{
    size_t length = reader_left(body);
    if (kind == OPTION_TIMESTAMP && length == 8) {
        out->has_timestamp = true;
        out->timestamp = read_u32(body);
        out->timestamp_echo = read_u32(body);
    } else if (kind == OPTION_SACK && length % 8 == 0) {
        parse_sacks(body, out);
    } else if (kind == OPTION_MSS && length == 2) {
        out->mss = read_u16(body);
    } else if (kind == OPTION_WINDOW_SHIFT && length == 1) {
        out->has_window_shift = true;
        out->window_shift = RTE_MIN(read_u8(body), WINDOW_SHIFT_MAX);
    } else if (kind == OPTION_SACK_PERMITTED && length == 0) {
        out->sack_permitted = true;
    }
}

static bool parse_options(struct reader options, struct tcp_header *out)
{
    // Nearly all segments of a connection look like this (RFC 7323, appendix A).
    if (reader_left(&options) == TCP_TIMESTAMP_LEN) {
        struct reader r = options;
        if (read_u32(&r) == TIMESTAMP_HEAD) {
            out->has_timestamp = true;
            out->timestamp = read_u32(&r);
            out->timestamp_echo = read_u32(&r);
            return true;
        }
    }
    while (reader_left(&options)) {
        uint8_t kind = read_u8(&options);
        if (kind == OPTION_END)
            return true;
        if (kind == OPTION_NOP)
            continue;
        uint8_t length = read_u8(&options);
        if (length < 2)
            return false;
        struct reader body = read_sub(&options, length - 2u);
        if (options.failed)
            return false;
        parse_option(kind, &body, out);
    }
    return !options.failed;
}

bool tcp_header_parse(const struct rte_mbuf *packet, struct tcp_header *out)
{
    struct reader r = reader_of(rte_pktmbuf_mtod(packet, const void *), packet->data_len);
    struct rte_ipv4_hdr ip;
    struct rte_tcp_hdr tcp;

    memset(out, 0, offsetof(struct tcp_header, sacks));
    read_into(&r, &ip, sizeof(ip));
    uint32_t ip_length = (ip.version_ihl & 15u) * 4;
    uint32_t total = rte_be_to_cpu_16(ip.total_length);
    if (r.failed || ip.version_ihl >> 4 != 4 || ip_length < TCP_IP_HEADER_LEN ||
        total > packet->pkt_len)
        return false;
    read_bytes(&r, ip_length - TCP_IP_HEADER_LEN);
    read_into(&r, &tcp, sizeof(tcp));
    uint32_t tcp_length = (tcp.data_off >> 4) * 4u;
    if (r.failed || tcp_length < TCP_HEADER_LEN || ip_length + tcp_length > total)
        return false;
    struct reader options = read_sub(&r, tcp_length - TCP_HEADER_LEN);
    if (r.failed)
        return false;

    out->local_ip = rte_be_to_cpu_32(ip.dst_addr);
    out->remote_ip = rte_be_to_cpu_32(ip.src_addr);
    out->local_port = rte_be_to_cpu_16(tcp.dst_port);
    out->remote_port = rte_be_to_cpu_16(tcp.src_port);
    out->seq = rte_be_to_cpu_32(tcp.sent_seq);
    out->ack = rte_be_to_cpu_32(tcp.recv_ack);
    out->flags = tcp.tcp_flags;
    out->window = rte_be_to_cpu_16(tcp.rx_win);
    out->header_length = (uint16_t)(ip_length + tcp_length);
    out->length = total - out->header_length;
    return parse_options(options, out);
}

uint16_t tcp_header_length(const struct tcp_outgoing *header)
{
    unsigned options = 0;

    if (header->mss)
        options += 4;
    if (header->window_shift >= 0)
        options += 4; // with its NOP
    if (header->sack_permitted)
        options += 4; // with two NOPs
    if (header->has_timestamp)
        options += TCP_TIMESTAMP_LEN;
    if (header->n_sacks)
        options += 4 + 8u * header->n_sacks; // with two NOPs
    return (uint16_t)(TCP_IP_HEADER_LEN + TCP_HEADER_LEN + options);
}

static void write_options(struct writer *w, const struct tcp_outgoing *header)
{
    if (header->mss) {
        write_u8(w, OPTION_MSS);
        write_u8(w, 4);
        write_u16(w, header->mss);
    }
    if (header->window_shift >= 0) {
        write_u8(w, OPTION_NOP);
        write_u8(w, OPTION_WINDOW_SHIFT);
        write_u8(w, 3);
        write_u8(w, (uint8_t)header->window_shift);
    }
    if (header->sack_permitted)
        write_u32(w, OPTION_NOP << 24 | OPTION_NOP << 16 | OPTION_SACK_PERMITTED << 8 | 2);
    if (header->has_timestamp) {
        write_u32(w, TIMESTAMP_HEAD);
        write_u32(w, header->timestamp);
        write_u32(w, header->timestamp_echo);
    }
    if (header->n_sacks) {
        write_u16(w, OPTION_NOP << 8 | OPTION_NOP);
        write_u8(w, OPTION_SACK);
        write_u8(w, (uint8_t)(2 + 8 * header->n_sacks));
        for (unsigned i = 0; i < header->n_sacks; i++) {
            write_u32(w, header->sacks[i].start);
            write_u32(w, header->sacks[i].end);
        }
    }
}

void tcp_header_write(uint8_t *at, const struct tcp_outgoing *header, uint16_t payload)
{
    uint16_t length = tcp_header_length(header);
    struct rte_ipv4_hdr ip = {
        .version_ihl = 0x45,
        .total_length = rte_cpu_to_be_16((uint16_t)(length + payload)),
        .fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
        .time_to_live = 64,
        .next_proto_id = 6,
        .src_addr = rte_cpu_to_be_32(header->local_ip),
        .dst_addr = rte_cpu_to_be_32(header->remote_ip),
    };
    struct rte_tcp_hdr tcp = {
        .src_port = rte_cpu_to_be_16(header->local_port),
        .dst_port = rte_cpu_to_be_16(header->remote_port),
        .sent_seq = rte_cpu_to_be_32(header->seq),
        .recv_ack = rte_cpu_to_be_32(header->ack),
        .data_off = (uint8_t)((length - TCP_IP_HEADER_LEN) / 4 << 4),
        .tcp_flags = header->flags,
        .rx_win = rte_cpu_to_be_16(header->window),
    };

    memcpy(at, &ip, sizeof(ip));
    memcpy(at + sizeof(ip), &tcp, sizeof(tcp));
    struct writer w = writer_of(at + sizeof(ip) + sizeof(tcp), length - sizeof(ip) - sizeof(tcp));
    write_options(&w, header);
}
