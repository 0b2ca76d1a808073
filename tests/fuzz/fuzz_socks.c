// SPDX-License-Identifier: BSD-3-Clause
// An application's request, in one piece and in small ones, which must come to the same; and what
// it is answered.
#include <stdlib.h>
#include <string.h>

#include "origin/socks/socks_destination.h"
#include "origin/socks/socks_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static enum socks_progress play(struct socks_handshake *h, const struct config_socks *config,
                                const uint8_t *bytes, size_t length, size_t piece,
                                struct writer *reply, size_t *taken)
{
    enum socks_progress progress = SOCKS_MORE;
    *taken = 0;
    for (size_t come = 0; progress == SOCKS_MORE && come < length;) {
        come = come + piece < length ? come + piece : length;
        size_t there = come - *taken, replied = writer_length(reply);
        uint8_t *copy = malloc(there); // of exactly this size
        if (!copy)
            abort();
        memcpy(copy, bytes + *taken, there);
        struct reader in = reader_of(copy, there);
        progress = socks_handshake_read(h, config, &in, reply);
        *taken += there - reader_left(&in);
        if (progress == SOCKS_MORE && reader_left(&in) > HTTP_CONNECT_HEAD_MAX)
            __builtin_trap();
        if (writer_length(reply) - replied > SOCKS_REPLY_MAX)
            __builtin_trap();
        free(copy);
    }
    return progress;
}

static void answer(const struct socks_request *q, const struct config_socks *config)
{
    uint8_t bytes[SOCKS_REPLY_MAX];
    enum socks_complaint complaint;
    unsigned extended;
    const struct app_answer answers[] = {{.kind = APP_ANSWER_ADDRESS, .address = q->address},
                                         {.kind = APP_ANSWER_NAME, .name = "a.example"}};
    if ((q->host[0] != '\0') == (q->address.family != ADDRESS_NONE))
        __builtin_trap();
    for (const char *c = q->host; *c; c++)
        if (*c <= ' ' || *c > '~' || (*c >= 'A' && *c <= 'Z'))
            __builtin_trap();
    int reason = socks_destination_check(q, config, false, &complaint, &extended);
    if ((reason == 0) != (complaint == SOCKS_NO_COMPLAINT) || complaint >= SOCKS_COMPLAINTS)
        __builtin_trap();
    struct writer w = writer_of(bytes, sizeof(bytes));
    socks_reply_failed(&w, q, reason, extended);
    socks_reply_connected(&w, q);
    socks_reply_resolved(&w, q, config, answers, 2);
    if (w.failed)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 2)
        return 0;
    const struct config_socks config = {
        .ipv4 = bytes[0] & 1,
        .ipv6 = bytes[0] & 2,
        .dns = bytes[0] & 4,
        .http = bytes[0] & 8,
        .names_only = bytes[0] & 16,
        .prefer_ipv6 = bytes[0] & 32,
        .extended_errors = bytes[0] & 64,
    };
    struct socks_handshake whole = {0}, pieces = {0};
    uint8_t replies[2][2 * SOCKS_REPLY_MAX];
    struct writer one = writer_of(replies[0], sizeof(replies[0])),
                  two = writer_of(replies[1], sizeof(replies[1]));
    size_t piece = bytes[1] % 16 + 1u, taken_one, taken_two;
    bytes += 2;
    length -= 2;
    if (length > 2048 && piece < 512)
        piece += 512; // or it takes long
    enum socks_progress progress =
        play(&whole, &config, bytes, length, length ? length : 1, &one, &taken_one);
    if (play(&pieces, &config, bytes, length, piece, &two, &taken_two) != progress)
        __builtin_trap();
    // What is refused early is refused before the rest has come.
    if (progress != SOCKS_CLOSE && taken_one != taken_two)
        __builtin_trap();
    if (writer_length(&one) != writer_length(&two) ||
        memcmp(one.start, two.start, writer_length(&one)) != 0)
        __builtin_trap();
    if (progress != SOCKS_REQUESTED)
        return 0;
    const struct socks_request *a = &whole.request, *b = &pieces.request;
    if (strcmp(a->host, b->host) != 0 || !address_equal(&a->address, &b->address) ||
        a->port != b->port || a->command != b->command || a->bare != b->bare ||
        memcmp(a->token, b->token, sizeof(a->token)) != 0)
        __builtin_trap();
    answer(a, &config);
    return 0;
}
