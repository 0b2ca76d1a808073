// SPDX-License-Identifier: BSD-3-Clause
// Answers to applications.
#include "origin/socks/socks_reply.h"

#include <stdio.h>
#include <string.h>

enum { SOCKS4_GRANTED = 0x5a, SOCKS4_REJECTED = 0x5b };

const char http_connect_headers[] = "Tor-Capabilities: \r\n"
                                    "Via: tor/1.0 tor-network (ramson " RAMSON_VERSION ")\r\n";

static void write_text(struct writer *reply, const char *text)
{
    write_bytes(reply, text, strlen(text));
}

// ---- SOCKS

static void socks5_reply_address(struct writer *reply, enum socks5_code code,
                                 const struct address *a)
{
    write_u8(reply, 5);
    write_u8(reply, (uint8_t)code);
    write_u8(reply, 0);
    write_u8(reply, a->family == ADDRESS_IPV6 ? 4 : 1);
    write_bytes(reply, a->bytes, a->family == ADDRESS_IPV6 ? 16 : 4);
    write_u16(reply, 0);
}

void socks5_reply_code(struct writer *reply, enum socks5_code code)
{
    const struct address none = address_ipv4(0, 0);
    socks5_reply_address(reply, code, &none);
}

static void socks4_reply_address(struct writer *reply, bool granted, const struct address *a)
{
    write_u8(reply, 0);
    write_u8(reply, granted ? SOCKS4_GRANTED : SOCKS4_REJECTED);
    write_u16(reply, 0);
    write_bytes(reply, a->bytes, 4);
}

void socks4_reply(struct writer *reply, bool granted)
{
    const struct address none = address_ipv4(0, 0);
    socks4_reply_address(reply, granted, &none);
}

static enum socks5_code code_of(int reason)
{
    switch (reason) {
    case END_RESOLVEFAILED:
    case END_NOROUTE:
        return SOCKS5_HOST_UNREACHABLE;
    case END_CONNECTREFUSED:
    case END_CONNRESET:
    case END_DONE: // closed before it was told that it is connected
        return SOCKS5_REFUSED;
    case END_EXITPOLICY:
    case SOCKS_REASON_POLICY:
        return SOCKS5_NOT_ALLOWED;
    case END_TIMEOUT:
        return SOCKS5_TTL_EXPIRED;
    default:
        return SOCKS5_GENERAL_ERROR;
    }
}

// ---- HTTP

static const struct {
    int reason;
    const char *status; // after "HTTP/1.0 "
    const char *name;   // for the header that says it exactly; NULL: none
} http_failures[] = {
    {END_MISC, "500 Internal Server Error", "end/MISC"},
    {END_RESOLVEFAILED, "503 Service Unavailable (resolve failed)", "end/RESOLVEFAILED"},
    {END_NOROUTE, "503 Service Unavailable (no route)", "end/NOROUTE"},
    {END_CONNECTREFUSED, "403 Forbidden (connection refused)", "end/CONNECTREFUSED"},
    {END_EXITPOLICY, "403 Forbidden (exit policy)", "end/EXITPOLICY"},
    {END_DESTROY, "502 Bad Gateway (destroy cell received)", "end/DESTROY"},
    {END_DONE, "502 Bad Gateway (unexpected close)", "end/DONE"},
    {END_TIMEOUT, "504 Gateway Timeout", "end/TIMEOUT"},
    {END_HIBERNATING, "502 Bad Gateway (hibernating server)", "end/HIBERNATING"},
    {END_INTERNAL, "502 Bad Gateway (internal error)", "end/INTERNAL"},
    {END_RESOURCELIMIT, "502 Bad Gateway (resource limit)", "end/RESOURCELIMIT"},
    {END_CONNRESET, "403 Forbidden (connection reset)", "end/CONNRESET"},
    {END_TORPROTOCOL, "502 Bad Gateway (tor protocol violation)", "end/TORPROTOCOL"},
    {SOCKS_REASON_POLICY, "403 Forbidden (entry policy violation)", NULL},
    {SOCKS_REASON_PRIVATE, "403 Forbidden (private address)", "ramson/PRIVATE_ADDR"},
};

static void http_failed(struct writer *reply, int reason)
{
    const char *status = "500 Internal Server Error (weird end reason)", *name = NULL;
    for (size_t i = 0; i < sizeof(http_failures) / sizeof(http_failures[0]); i++) {
        if (http_failures[i].reason == reason) {
            status = http_failures[i].status;
            name = http_failures[i].name;
        }
    }
    write_text(reply, "HTTP/1.0 ");
    write_text(reply, status);
    write_text(reply, "\r\n");
    write_text(reply, http_connect_headers);
    if (name) {
        write_text(reply, "Tor-Request-Failed: ");
        write_text(reply, name);
        write_text(reply, "\r\n");
    }
    write_text(reply, "\r\n");
}

// ---- whichever it is

void socks_reply_connected(struct writer *reply, const struct socks_request *request)
{
    if (request->protocol == SOCKS_HTTP) {
        write_text(reply, "HTTP/1.0 200 OK\r\n");
        write_text(reply, http_connect_headers);
        write_text(reply, "\r\n");
    } else if (request->protocol == SOCKS_4) {
        socks4_reply(reply, true);
    } else {
        socks5_reply_code(reply, SOCKS5_SUCCEEDED);
    }
}

void socks_reply_failed(struct writer *reply, const struct socks_request *request, int reason,
                        unsigned extended)
{
    if (request->protocol == SOCKS_HTTP)
        http_failed(reply, reason);
    else if (request->protocol == SOCKS_4)
        socks4_reply(reply, false);
    else if (request->command != APP_CONNECT)
        socks5_reply_code(reply, SOCKS5_HOST_UNREACHABLE);
    else
        socks5_reply_code(reply, extended ? (enum socks5_code)extended : code_of(reason));
}

// Of each kind the first counts, of two kinds of addresses the one that the listener prefers.
static const struct app_answer *best_answer(const struct socks_request *request,
                                            const struct config_socks *config,
                                            const struct app_answer *answers, unsigned n)
{
    const struct app_answer *name = NULL, *ipv4 = NULL, *ipv6 = NULL;
    for (unsigned i = n; i-- > 0;) {
        if (answers[i].kind == APP_ANSWER_NAME)
            name = &answers[i];
        else if (answers[i].address.family == ADDRESS_IPV4 && config->ipv4)
            ipv4 = &answers[i];
        else if (answers[i].address.family == ADDRESS_IPV6 && config->ipv6)
            ipv6 = &answers[i];
    }
    if (request->command == APP_RESOLVE_PTR)
        return name;
    if (request->protocol == SOCKS_4)
        return ipv4;
    return config->prefer_ipv6 ? (ipv6 ? ipv6 : ipv4) : (ipv4 ? ipv4 : ipv6);
}

static void socks5_reply_name(struct writer *reply, const char *name)
{
    size_t length = strnlen(name, APP_HOST_MAX);
    const uint8_t head[] = {5, SOCKS5_SUCCEEDED, 0, 3, (uint8_t)length};
    write_bytes(reply, head, sizeof(head));
    write_bytes(reply, name, length);
    write_u16(reply, 0);
}

void socks_reply_resolved(struct writer *reply, const struct socks_request *request,
                          const struct config_socks *config, const struct app_answer *answers,
                          unsigned n)
{
    const struct app_answer *best = best_answer(request, config, answers, n);
    if (!best)
        socks_reply_failed(reply, request, END_RESOLVEFAILED, 0);
    else if (request->protocol == SOCKS_4)
        socks4_reply_address(reply, true, &best->address);
    else if (best->kind == APP_ANSWER_NAME)
        socks5_reply_name(reply, best->name);
    else
        socks5_reply_address(reply, SOCKS5_SUCCEEDED, &best->address);
}

int socks_reason_of(enum end_reason reason, enum app_failure failure)
{
    switch (failure) {
    case APP_FAILED_END:
    case APP_FAILED_NO_CIRCUIT:
    case APP_FAILED_ONION: // those who want it exact get the extended code
        return (int)reason;
    case APP_FAILED_TIMEOUT:
        return END_TIMEOUT;
    case APP_FAILED_RESOLVE:
    case APP_FAILED_RESOLVE_NOW:
        return END_RESOLVEFAILED;
    case APP_FAILED_REFUSED:
        return END_TORPROTOCOL;
    case APP_FAILED_MEMORY:
        return END_INTERNAL;
    }
    return END_MISC;
}
