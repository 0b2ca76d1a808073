// SPDX-License-Identifier: BSD-3-Clause
// HTTP CONNECT.
#include "origin/socks/http_connect.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "crypto/digest.h"
#include "dir/http_line.h"
#include "dir/serve/http_request.h"
#include "origin/socks/socks_destination.h"
#include "origin/socks/socks_reply.h"

#define SERVER "Tor-Capabilities: \r\nServer: tor/1.0 (ramson " RAMSON_VERSION ")\r\n"
#define PAGE(title, text)                                                                          \
    "Content-Type: text/html; charset=utf-8\r\n" SERVER "\r\n"                                     \
    "<!DOCTYPE html>\n<html><head><title>" title "</title></head>\n"                               \
    "<body><h1>" title "</h1>\n<p>" text "</p></body></html>\n"

static const char page_connect_only[] =
    "HTTP/1.0 405 Method Not Allowed\r\nAllow: "
    "OPTIONS, CONNECT\r\n" PAGE(
        "A port into an onion-routing network",
        "Applications reach it by SOCKS (version 4a or 5) or by HTTP's CONNECT, and this was "
        "neither: it looks as if a browser had it as its HTTP proxy, or as a web server. Set it "
        "as the SOCKS proxy instead, and let the proxy look names up, too.");
static const char page_socks_only[] = "HTTP/1.0 501 Not Implemented\r\n" PAGE(
    "A port into an onion-routing network",
    "Applications reach it by SOCKS (version 4a or 5), and this was HTTP: it looks as if a "
    "browser had it as its HTTP proxy. Set it as the SOCKS proxy instead, and let the proxy "
    "look names up, too.");
static const char options_answer[] = "HTTP/1.0 200 OK\r\nAllow: OPTIONS, CONNECT\r\n" SERVER "\r\n";

static void write_text(struct writer *reply, const char *text)
{
    write_bytes(reply, text, strlen(text));
}

void http_connect_refuse(struct writer *reply)
{
    write_text(reply, page_socks_only);
}

static enum socks_progress refuse(struct socks_handshake *h, enum socks_complaint complaint)
{
    h->complaint = complaint;
    return SOCKS_CLOSE;
}

static enum socks_progress refuse_with(struct socks_handshake *h, struct writer *reply,
                                       const char *status, enum socks_complaint complaint)
{
    write_text(reply, "HTTP/1.0 ");
    write_text(reply, status);
    write_text(reply, "\r\n");
    write_text(reply, http_connect_headers);
    write_text(reply, "\r\n");
    return refuse(h, complaint);
}

// ---- the head

struct head {
    struct text method, target;
    // Values; `at` is NULL for what is not there.
    struct text host, authorization, isolation, x_isolation, rpc_target, length, coding;
};

// "CONNECT HOST:PORT HTTP/1.1"
static bool read_request_line(struct text line, struct head *out)
{
    static const char version[] = "HTTP/1.";
    line = text_trim(line);
    out->method = text_take_until(&line, " \t");
    line = text_trim(line);
    out->target = text_take_until(&line, " \t");
    line = text_trim(line);
    size_t n = sizeof(version) - 1;
    if (out->method.length == 0 || out->target.length == 0 || !text_begins(line, version))
        return false;
    struct text minor = {line.at + n, line.length - n};
    uint64_t number;
    return text_number(minor, UINT32_MAX, &number) == 0;
}

// The first of a name counts.
static bool read_header(struct text line, struct head *out)
{
    const struct {
        const char *name;
        struct text *value;
    } known[] = {
        {"Host", &out->host},
        {"Proxy-Authorization", &out->authorization},
        {"Tor-Stream-Isolation", &out->isolation},
        {"X-Tor-Stream-Isolation", &out->x_isolation},
        {"Tor-RPC-Target", &out->rpc_target},
        {"Content-Length", &out->length},
        {"Transfer-Encoding", &out->coding},
    };
    if (!memchr(line.at, ':', line.length))
        return false;
    struct text name = text_take_until(&line, ":");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (http_is(name, known[i].name) && !known[i].value->at)
            *known[i].value = text_trim(line);
    return name.length > 0 && name.at[0] != ' ' && name.at[0] != '\t'; // no folded lines
}

static bool read_head(const uint8_t *bytes, size_t length, struct head *out)
{
    struct reader r = reader_of(bytes, length);
    struct text line;
    *out = (struct head){0};
    if (memchr(bytes, '\0', length) || !http_read_line(&r, &line) || !read_request_line(line, out))
        return false;
    while (http_read_line(&r, &line) && line.length > 0)
        if (!read_header(line, out))
            return false;
    return true;
}

// ---- what it asks for

// "HOST:PORT", "[IPV6]:PORT", or without a port, which is 0 then. False: the port is none.
static bool split_target(struct text target, struct text *host, uint16_t *port)
{
    const char *colon = memrchr(target.at, ':', target.length);
    const char *bracket = memrchr(target.at, ']', target.length);
    bool plain_ipv6 = colon && !bracket && memchr(target.at, ':', (size_t)(colon - target.at));
    uint64_t number;
    *host = target;
    *port = 0;
    if (!colon || plain_ipv6 || (bracket && bracket > colon))
        return true;
    host->length = (size_t)(colon - target.at);
    struct text digits = {colon + 1, target.length - host->length - 1};
    if (text_number(digits, 65535, &number) != 0 || number == 0)
        return false;
    *port = (uint16_t)number;
    return true;
}

static void hash_value(struct sha256 *digest, struct text value)
{
    const uint8_t length[2] = {(uint8_t)value.length, (uint8_t)(value.length >> 8)};
    sha256_update(digest, length, sizeof(length));
    sha256_update(digest, value.length ? value.at : "", value.length);
}

static void set_token(struct socks_request *request, const struct head *head)
{
    struct sha256 digest;
    if (!head->authorization.at && !head->isolation.at && !head->x_isolation.at)
        return;
    sha256_init(&digest);
    sha256_update(&digest, "http", 4);
    hash_value(&digest, head->authorization);
    hash_value(&digest, head->isolation);
    hash_value(&digest, head->x_isolation);
    sha256_peek(&digest, request->token);
    explicit_bzero(&digest, sizeof(digest));
}

static enum socks_progress take_connect(struct socks_handshake *h, const struct head *head,
                                        struct writer *reply)
{
    struct socks_request *q = &h->request;
    struct text host;
    uint64_t length = 0;
    bool body = head->coding.at ||
                (head->length.at && (text_number(head->length, UINT32_MAX, &length) || length > 0));
    if (body || !split_target(head->target, &host, &q->port))
        return refuse_with(h, reply, "400 Bad Request", SOCKS_BAD_PROTOCOL);
    if (host.length > APP_HOST_MAX)
        return refuse_with(h, reply, "414 Request-URI Too Long", SOCKS_BAD_NAME);
    if (head->rpc_target.at)
        return refuse_with(h, reply, "501 Not implemented (No RPC Support)", SOCKS_BAD_PROTOCOL);
    if (!socks_destination_read(host.at, host.length, q)) {
        socks_reply_failed(reply, q, END_TORPROTOCOL, 0);
        return refuse(h, SOCKS_BAD_NAME);
    }
    q->command = APP_CONNECT;
    set_token(q, head);
    return SOCKS_REQUESTED;
}

// ---- what it is else

static bool names_this_machine(struct text value)
{
    struct socks_request at = {0};
    struct text host;
    uint16_t port;
    if (!split_target(value, &host, &port) || !socks_destination_read(host.at, host.length, &at))
        return false;
    const uint8_t *bytes = at.address.bytes;
    static const uint8_t loopback6[16] = {[15] = 1};
    if (at.address.family == ADDRESS_NONE)
        return strcmp(at.host, "localhost") == 0;
    return at.address.family == ADDRESS_IPV4 ? bytes[0] == 127
                                             : memcmp(bytes, loopback6, sizeof(loopback6)) == 0;
}

// A web page whose name resolves to this machine must not learn what is here. It can't make a
// browser ask for "http://…", which is how one asks a proxy.
static bool may_be_told(const struct head *head)
{
    return !head->host.at || names_this_machine(head->host) || text_begins(head->target, "http://");
}

static enum socks_progress take_other(struct socks_handshake *h, const struct head *head,
                                      struct writer *reply)
{
    if (may_be_told(head))
        write_text(reply, http_is(head->method, "OPTIONS") ? options_answer : page_connect_only);
    return refuse(h, SOCKS_BAD_METHOD);
}

enum socks_progress http_connect_read(struct socks_handshake *h, struct reader *in,
                                      struct writer *reply)
{
    struct reader r = *in;
    struct head head;
    size_t length = http_request_head_length(r.at, reader_left(&r), h->searched);
    h->request.protocol = SOCKS_HTTP;
    if (length > HTTP_CONNECT_HEAD_MAX || (length == 0 && reader_left(&r) >= HTTP_CONNECT_HEAD_MAX))
        return refuse(h, SOCKS_BAD_PROTOCOL);
    h->searched = reader_left(&r);
    if (length == 0)
        return SOCKS_MORE;
    const uint8_t *bytes = read_bytes(&r, length);
    *in = r;
    if (!read_head(bytes, length, &head))
        return refuse(h, SOCKS_BAD_PROTOCOL);
    return http_is(head.method, "CONNECT") ? take_connect(h, &head, reply)
                                           : take_other(h, &head, reply);
}
