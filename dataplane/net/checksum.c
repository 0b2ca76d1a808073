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

typedef uint64_t lanes __attribute__((vector_size(16)));

// Ones' complement sums may be taken in words of any width and folded once (RFC 1071, section 2).
// 32-bit words are added in 64-bit lanes, where no carry is lost for any length of a packet.
uint16_t checksum_sum(const void *bytes, size_t length, uint16_t sum)
{
    const uint8_t *at = bytes;
    lanes low[2] = {{0}, {0}}, high[2] = {{0}, {0}};
    for (; length >= 32; at += 32, length -= 32) {
        lanes words[2];
        memcpy(words, at, sizeof(words));
        low[0] += words[0] & UINT32_MAX;
        high[0] += words[0] >> 32;
        low[1] += words[1] & UINT32_MAX;
        high[1] += words[1] >> 32;
    }
    lanes all = low[0] + low[1] + high[0] + high[1];
    uint64_t rest = sum + all[0] + all[1];
    for (; length >= 2; at += 2, length -= 2) {
        uint16_t word;
        memcpy(&word, at, sizeof(word));
        rest += word;
    }
    if (length) {
        uint8_t padded[2] = {*at, 0};
        uint16_t word;
        memcpy(&word, padded, sizeof(word));
        rest += word;
    }
    return fold(rest);
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
