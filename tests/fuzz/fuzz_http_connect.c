// SPDX-License-Identifier: BSD-3-Clause
// The head of an HTTP request to a SOCKS port, in one piece and in two, which must come to the
// same.
#include <stdlib.h>
#include <string.h>

#include "origin/socks/http_connect.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static enum socks_progress read_once(struct socks_handshake *h, const uint8_t *bytes, size_t length,
                                     struct writer *reply, size_t *left)
{
    uint8_t *copy = malloc(length ? length : 1);
    if (!copy)
        abort();
    memcpy(copy, bytes, length);
    struct reader in = reader_of(copy, length);
    enum socks_progress progress = http_connect_read(h, &in, reply);
    *left = reader_left(&in);
    free(copy);
    return progress;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct socks_handshake whole = {0}, pieces = {0};
    uint8_t replies[2][SOCKS_REPLY_MAX];
    struct writer one = writer_of(replies[0], sizeof(replies[0])),
                  two = writer_of(replies[1], sizeof(replies[1]));
    size_t left_one, left_two;
    if (length < 2)
        return 0;
    size_t first = ((size_t)bytes[0] << 8 | bytes[1]) % (length - 1);
    bytes += 2;
    length -= 2;
    enum socks_progress progress = read_once(&whole, bytes, length, &one, &left_one);
    enum socks_progress again = read_once(&pieces, bytes, first, &two, &left_two);
    if (again == SOCKS_MORE) {
        if (left_two != first || writer_length(&two) != 0)
            __builtin_trap();
        again = read_once(&pieces, bytes, length, &two, &left_two);
        if (left_one != left_two)
            __builtin_trap();
    }
    if (one.failed || again != progress || writer_length(&one) != writer_length(&two) ||
        memcmp(replies[0], replies[1], writer_length(&one)) != 0)
        __builtin_trap();
    if (progress == SOCKS_CLOSE && whole.complaint == SOCKS_NO_COMPLAINT)
        __builtin_trap();
    if (progress == SOCKS_REQUESTED &&
        (whole.request.port != pieces.request.port ||
         strcmp(whole.request.host, pieces.request.host) != 0 ||
         memcmp(whole.request.token, pieces.request.token, sizeof(whole.request.token)) != 0))
        __builtin_trap();
    return 0;
}
