// SPDX-License-Identifier: BSD-3-Clause
// SOCKS4, 4a and 5 (protocol 9.25, 9.26).
#include "origin/socks/socks_request.h"

#include <string.h>

#include "crypto/digest.h"
#include "origin/socks/http_connect.h"
#include "origin/socks/socks_destination.h"
#include "origin/socks/socks_reply.h"

enum { METHOD_NONE = 0x00, METHOD_USER = 0x02, METHOD_REFUSED = 0xff };
enum {
    COMMAND_CONNECT = 0x01,
    COMMAND_BIND = 0x02,
    COMMAND_UDP = 0x03,
    COMMAND_RESOLVE = 0xf0,
    COMMAND_RESOLVE_PTR = 0xf1,
};
enum { TYPE_IPV4 = 1, TYPE_NAME = 3, TYPE_IPV6 = 4 };

const char *socks_complaint_text(enum socks_complaint complaint)
{
    static const char *const texts[SOCKS_COMPLAINTS] = {
        [SOCKS_NO_COMPLAINT] = "nothing",
        [SOCKS_BAD_PROTOCOL] = "what it sends is neither SOCKS nor HTTP",
        [SOCKS_BAD_COMMAND] = "it asks for a command of SOCKS that is not served",
        [SOCKS_BAD_METHOD] = "it uses the port as an HTTP proxy, which takes CONNECT only",
        [SOCKS_BAD_NAME] = "the host's name is malformed",
        [SOCKS_BARE_ADDRESS] = "it gives an IP address, and may have looked a name up by itself",
        [SOCKS_EXIT_NAME] = "names in .exit are not served",
        [SOCKS_ONION_NAME] = "the onion address is malformed, or of version 2",
        [SOCKS_PETNAME] = "petnames.json does not have this name in .pet",
        [SOCKS_ONION_RESOLVE] = "an onion address has no IP address that could be looked up",
        [SOCKS_PRIVATE] = "an address of its own machine or network can't be reached through Tor",
        [SOCKS_PORT_0] = "it asks for port 0",
        [SOCKS_POLICY] = "the listener does not allow this kind of address",
    };
    return texts[complaint];
}

static enum socks_progress refuse(struct socks_handshake *h, enum socks_complaint complaint)
{
    h->stage = SOCKS_STAGE_END;
    h->complaint = complaint;
    return SOCKS_CLOSE;
}

static enum socks_progress refuse4(struct socks_handshake *h, struct writer *reply,
                                   enum socks_complaint complaint)
{
    socks4_reply(reply, false);
    return refuse(h, complaint);
}

static enum socks_progress refuse5(struct socks_handshake *h, struct writer *reply,
                                   enum socks5_code code, enum socks_complaint complaint)
{
    socks5_reply_code(reply, code);
    return refuse(h, complaint);
}

// Nothing of it is kept but a digest. No credentials and empty ones are the same.
static void set_token(struct socks_request *request, const uint8_t *user, size_t user_length,
                      const uint8_t *password, size_t password_length)
{
    struct sha256 digest;
    const uint8_t lengths[2] = {(uint8_t)user_length, (uint8_t)(user_length >> 8)};
    if (user_length + password_length == 0)
        return;
    sha256_init(&digest);
    sha256_update(&digest, "socks", 5);
    sha256_update(&digest, lengths, sizeof(lengths));
    sha256_update(&digest, user, user_length);
    sha256_update(&digest, password, password_length);
    sha256_peek(&digest, request->token);
    explicit_bzero(&digest, sizeof(digest));
}

// Bytes up to a NUL, which is taken, too. NULL: it has not come; `*too_long` says if it is late.
static const uint8_t *read_string(struct reader *r, size_t max, size_t *length, bool *too_long)
{
    size_t left = reader_left(r);
    const uint8_t *end = left ? memchr(r->at, 0, left < max + 1 ? left : max + 1) : NULL;
    if (!end) {
        *too_long = left > max;
        return NULL;
    }
    *length = (size_t)(end - r->at);
    return read_bytes(r, *length + 1);
}

// ---- SOCKS4 and 4a

static bool take_command(struct socks_request *request, uint8_t command)
{
    switch (command) {
    case COMMAND_CONNECT:
        request->command = APP_CONNECT;
        return true;
    case COMMAND_RESOLVE:
        request->command = APP_RESOLVE;
        return true;
    case COMMAND_RESOLVE_PTR:
        request->command = APP_RESOLVE_PTR;
        return request->protocol == SOCKS_5;
    default:
        return false;
    }
}

static enum socks_progress read_socks4(struct socks_handshake *h, const struct config_socks *config,
                                       struct reader *in, struct writer *reply)
{
    struct socks_request *q = &h->request;
    struct reader r = *in;
    q->protocol = SOCKS_4;
    read_u8(&r);
    bool served = take_command(q, read_u8(&r));
    if (!r.failed && !served)
        return refuse4(h, reply, SOCKS_BAD_COMMAND);
    q->port = read_u16(&r);
    uint32_t address = read_u32(&r);
    if (r.failed)
        return SOCKS_MORE;
    bool named = address > 0 && address <= 0xff; // 0.0.0.x, not 0.0.0.0
    bool too_long = false;
    size_t user_length = 0, name_length = 0;
    const uint8_t *user = read_string(&r, SOCKS_USER_MAX, &user_length, &too_long);
    const uint8_t *name =
        user && named ? read_string(&r, APP_HOST_MAX, &name_length, &too_long) : NULL;
    if (too_long)
        return refuse4(h, reply, SOCKS_BAD_PROTOCOL);
    if (!user || (named && !name))
        return SOCKS_MORE;
    *in = r;
    if ((q->port == 0 && q->command != APP_RESOLVE) || address == 0)
        return refuse4(h, reply, q->port == 0 ? SOCKS_PORT_0 : SOCKS_BAD_PROTOCOL);
    if (named && !socks_destination_read(name, name_length, q))
        return refuse4(h, reply, SOCKS_BAD_NAME);
    if (!named) {
        q->address = address_ipv4(address, 0);
        q->bare = true;
        if (config->names_only)
            return refuse4(h, reply, SOCKS_BARE_ADDRESS);
    }
    set_token(q, user, user_length, user, 0);
    return SOCKS_REQUESTED;
}

// ---- SOCKS5

static enum socks_progress read_methods(struct socks_handshake *h, struct reader *in,
                                        struct writer *reply)
{
    struct reader r = *in;
    read_u8(&r);
    uint8_t n = read_u8(&r);
    const uint8_t *methods = read_bytes(&r, n);
    if (r.failed)
        return SOCKS_MORE;
    *in = r;
    if (n == 0)
        return refuse(h, SOCKS_BAD_PROTOCOL);
    uint8_t method = METHOD_REFUSED;
    if (memchr(methods, METHOD_USER, n))
        method = METHOD_USER;
    else if (memchr(methods, METHOD_NONE, n))
        method = METHOD_NONE;
    write_u8(reply, 5);
    write_u8(reply, method);
    if (method == METHOD_REFUSED)
        return refuse(h, SOCKS_BAD_PROTOCOL);
    h->request.protocol = SOCKS_5;
    h->stage = method == METHOD_USER ? SOCKS_STAGE_USER : SOCKS_STAGE_REQUEST;
    return SOCKS_MORE;
}

// Names of users that begin so say how the rest is meant, and only this one is known (proposal
// 351).
static bool is_reserved_user(const uint8_t *user, size_t length)
{
    static const char reserved[] = "<torS0X>";
    return length >= sizeof(reserved) - 1 && memcmp(user, reserved, sizeof(reserved) - 1) == 0 &&
           (length != sizeof(reserved) || user[length - 1] != '0');
}

// RFC 1929; both may be empty.
static enum socks_progress read_user(struct socks_handshake *h, struct reader *in,
                                     struct writer *reply)
{
    struct reader r = *in;
    uint8_t version = read_u8(&r);
    if (!r.failed && version != 1)
        return refuse5(h, reply, SOCKS5_GENERAL_ERROR, SOCKS_BAD_PROTOCOL);
    uint8_t user_length = read_u8(&r);
    const uint8_t *user = read_bytes(&r, user_length);
    uint8_t password_length = read_u8(&r);
    const uint8_t *password = read_bytes(&r, password_length);
    if (r.failed)
        return SOCKS_MORE;
    *in = r;
    if (is_reserved_user(user, user_length))
        return refuse5(h, reply, SOCKS5_GENERAL_ERROR, SOCKS_BAD_PROTOCOL);
    set_token(&h->request, user, user_length, password, password_length);
    h->user_given = true;
    h->stage = SOCKS_STAGE_REQUEST;
    write_u8(reply, 1);
    write_u8(reply, 0);
    return SOCKS_MORE;
}

static bool is_known_command(uint8_t command)
{
    return command == COMMAND_BIND || command == COMMAND_UDP || command == COMMAND_CONNECT ||
           command == COMMAND_RESOLVE || command == COMMAND_RESOLVE_PTR;
}

// VER, CMD, RSV, ATYP. False: one of those that are there is wrong.
static bool head_is_sound(struct reader r)
{
    static const uint8_t types[] = {TYPE_IPV4, TYPE_NAME, TYPE_IPV6};
    size_t there = reader_left(&r);
    uint8_t version = read_u8(&r), command = read_u8(&r), reserved = read_u8(&r),
            type = read_u8(&r);
    return (there < 1 || version == 5) && (there < 2 || is_known_command(command)) &&
           (there < 3 || reserved == 0) && (there < 4 || memchr(types, type, sizeof(types)));
}

// Takes the address and the port, of a type that is known. False: the address is no sound one.
static bool read_destination(struct socks_request *q, struct reader *r)
{
    uint8_t type = read_u8(r);
    q->bare = type != TYPE_NAME;
    if (type == TYPE_NAME) {
        uint8_t length = read_u8(r);
        const uint8_t *name = read_bytes(r, length);
        q->port = read_u16(r);
        return r->failed || socks_destination_read(name, length, q);
    }
    q->address = (struct address){.family = type == TYPE_IPV4 ? ADDRESS_IPV4 : ADDRESS_IPV6};
    read_into(r, q->address.bytes, type == TYPE_IPV4 ? 4 : 16);
    q->port = read_u16(r);
    return true;
}

static enum socks_progress read_request5(struct socks_handshake *h,
                                         const struct config_socks *config, struct reader *in,
                                         struct writer *reply)
{
    struct socks_request *q = &h->request;
    struct reader r = *in;
    if (!head_is_sound(r))
        return refuse5(h, reply, SOCKS5_GENERAL_ERROR, SOCKS_BAD_PROTOCOL);
    read_u8(&r);
    bool served = take_command(q, read_u8(&r));
    read_u8(&r);
    if (r.failed)
        return SOCKS_MORE;
    bool sound = read_destination(q, &r);
    if (r.failed)
        return SOCKS_MORE;
    *in = r;
    if (!served)
        return refuse5(h, reply, SOCKS5_COMMAND_UNKNOWN, SOCKS_BAD_COMMAND);
    if (q->command == APP_RESOLVE_PTR && (!sound || q->address.family == ADDRESS_NONE))
        return refuse5(h, reply, SOCKS5_ADDRESS_UNKNOWN, SOCKS_BAD_NAME);
    if (!sound)
        return refuse5(h, reply, SOCKS5_GENERAL_ERROR, SOCKS_BAD_NAME);
    q->bare &= q->command != APP_RESOLVE_PTR; // which can't have anything else
    if (q->bare && config->names_only)
        return refuse5(h, reply, SOCKS5_NOT_ALLOWED, SOCKS_BARE_ADDRESS);
    return SOCKS_REQUESTED;
}

// ---- which of them

static bool is_letter(uint8_t byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

static enum socks_progress read_first(struct socks_handshake *h, const struct config_socks *config,
                                      struct reader *in, struct writer *reply)
{
    switch (*in->at) {
    case 4:
        return read_socks4(h, config, in, reply);
    case 5:
        return read_methods(h, in, reply);
    default:
        if (!is_letter(*in->at))
            return refuse(h, SOCKS_BAD_PROTOCOL);
        if (config->http)
            return http_connect_read(h, in, reply);
        http_connect_refuse(reply);
        return refuse(h, SOCKS_BAD_METHOD);
    }
}

static enum socks_progress read_message(struct socks_handshake *h,
                                        const struct config_socks *config, struct reader *in,
                                        struct writer *reply)
{
    switch (h->stage) {
    case SOCKS_STAGE_FIRST:
        return read_first(h, config, in, reply);
    case SOCKS_STAGE_USER:
        return read_user(h, in, reply);
    case SOCKS_STAGE_REQUEST:
        // Some send user and password even when none were asked for.
        return *in->at == 1 && !h->user_given ? read_user(h, in, reply)
                                              : read_request5(h, config, in, reply);
    default:
        return SOCKS_CLOSE;
    }
}

enum socks_progress socks_handshake_read(struct socks_handshake *h,
                                         const struct config_socks *config, struct reader *in,
                                         struct writer *reply)
{
    for (;;) {
        size_t left = reader_left(in);
        enum socks_progress progress = left ? read_message(h, config, in, reply) : SOCKS_MORE;
        if (progress == SOCKS_REQUESTED)
            h->stage = SOCKS_STAGE_END;
        if (progress != SOCKS_MORE || reader_left(in) == left)
            return progress;
    }
}
