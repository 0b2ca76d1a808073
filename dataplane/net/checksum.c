// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum (RFC 1071).
#include "net/internal.h"

#include <string.h>

#include <rte_byteorder.h>

static uint16_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

// Adds 32-bit words into 64-bit sums: carries are not lost, and only folded once. The sums are
// independent so that they can be added side by side.
uint16_t checksum_sum(const void *bytes, size_t length, uint16_t sum)
{
    const uint8_t *at = bytes;
    uint64_t low[2] = {sum, 0}, high[2] = {0, 0};
    for (; length >= 16; at += 16, length -= 16) {
        uint64_t words[2];
        memcpy(words, at, sizeof(words));
        low[0] += (uint32_t)words[0];
        high[0] += words[0] >> 32;
        low[1] += (uint32_t)words[1];
        high[1] += words[1] >> 32;
    }
    for (; length >= 2; at += 2, length -= 2) {
        uint16_t word;
        memcpy(&word, at, sizeof(word));
        low[0] += word;
    }
    if (length) {
        uint8_t padded[2] = {*at, 0};
        uint16_t word;
        memcpy(&word, padded, sizeof(word));
        low[0] += word;
    }
    return fold((uint64_t)fold(low[0]) + fold(low[1]) + fold(high[0]) + fold(high[1]));
}

uint16_t checksum_ipv4_header(const void *header, size_t length)
{
    return (uint16_t)~checksum_sum(header, length, 0);
}

uint16_t checksum_pseudo_header(const struct rte_ipv4_hdr *ip, size_t length)
{
    struct {
        uint32_t source, destination;
        uint8_t zero, protocol;
        uint16_t length;
    } pseudo = {ip->src_addr, ip->dst_addr, 0, ip->next_proto_id,
                rte_cpu_to_be_16((uint16_t)length)};
    _Static_assert(sizeof(pseudo) == 12, "no padding");
    return checksum_sum(&pseudo, sizeof(pseudo), 0);
}

uint16_t checksum_tcp(const struct rte_ipv4_hdr *ip, const void *segment, size_t length)
{
    return (uint16_t)~checksum_sum(segment, length, checksum_pseudo_header(ip, length));
}
