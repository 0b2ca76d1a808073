// SPDX-License-Identifier: BSD-3-Clause
// A descriptor to test with.
#include "sample.h"

#include <string.h>

static const char *const policy[] = {"reject *:*"};

void sample_prepare(struct sample *s, struct identity *identity, time_t now)
{
    memset(s, 0, sizeof(*s));
    s->identity = identity;
    s->descriptor = (struct descriptor){
        .identity = identity,
        .nickname = "ramson0",
        .contact = "operator <operator at example.org>",
        .platform = "ramson 0.1.0 on Linux",
        .ipv4 = address_ipv4(0xcb007105, 9001),
        .published = now,
        .uptime_s = 3600,
        .bandwidth_rate = 1000000,
        .bandwidth_burst = 2000000,
        .bandwidth_observed = 765432,
        .policy = policy,
        .policy_lines = 1,
    };
    s->extra_info = (struct extra_info){
        .identity = identity,
        .nickname = s->descriptor.nickname,
        .published = now,
        .lines = "write-history 2023-11-14 22:13:20 (86400 s) 1024,2048\n"
                 "read-history 2023-11-14 22:13:20 (86400 s) 1024,4096\n",
    };
}

void sample_build(struct sample *s)
{
    s->extra_info_length = extra_info_build(&s->extra_info, s->extra_info_text, EXTRA_INFO_MAX,
                                            &s->descriptor.extra_info);
    s->descriptor_length = descriptor_build(&s->descriptor, s->descriptor_text, DESCRIPTOR_MAX);
    if (s->extra_info_length >= 0)
        s->extra_info_text[s->extra_info_length] = '\0';
    if (s->descriptor_length >= 0)
        s->descriptor_text[s->descriptor_length] = '\0';
}
