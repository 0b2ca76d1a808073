// SPDX-License-Identifier: BSD-3-Clause
// Named counters: one block per worker and one for the control thread. Written by the owner only,
// read by anyone at any time without stopping it (aligned 64-bit loads; a reader may see one
// counter a little newer than another).
#pragma once

#include <stdint.h>
#include <stdio.h>

// name, what it counts. Drops say what was dropped and why.
#define COUNTERS(X)                                                                                \
    /* network */                                                                                  \
    X(rx_packets, "packets received")                                                              \
    X(rx_bytes, "bytes received")                                                                  \
    X(tx_packets, "packets sent")                                                                  \
    X(tx_bytes, "bytes sent")                                                                      \
    X(rx_steered, "packets handed to the worker that owns their connection")                       \
    X(drop_eth_unknown, "frames of no protocol that we speak")                                     \
    X(drop_arp_malformed, "malformed ARP packets")                                                 \
    X(drop_arp_ignored, "ARP packets that were not for us")                                        \
    X(drop_ip_malformed, "malformed IPv4 headers")                                                 \
    X(drop_ip_checksum, "wrong IPv4 header checksums")                                             \
    X(drop_ip_not_ours, "IPv4 packets for another address")                                        \
    X(drop_ip_fragment, "IPv4 fragments")                                                          \
    X(drop_ip_protocol, "IPv4 packets of another protocol")                                        \
    X(drop_icmp_malformed, "malformed ICMP messages")                                              \
    X(icmp_echo, "ICMP echo requests answered")                                                    \
    X(drop_icmp_ignored, "ICMP messages that we have no use for")                                  \
    X(drop_rate, "ARP and ICMP requests that came too fast to be answered")                        \
    X(drop_no_route, "packets without a route or neighbour")                                       \
    X(drop_tx_full, "packets that the port's transmit queue refused")                              \
    X(drop_tx_unfit, "packets of ours too long to be sent, or in pieces")                          \
    X(drop_no_packet, "times the packet pool was empty")                                           \
    X(drop_steer_full, "packets lost since another worker's ring was full")                        \
    /* tcp */                                                                                      \
    X(drop_tcp_malformed, "malformed TCP headers")                                                 \
    X(drop_tcp_checksum, "wrong TCP checksums")                                                    \
    X(drop_tcp_no_connection, "TCP segments for no connection (answered with RST)")                \
    X(drop_tcp_window, "TCP segments out of the window")                                           \
    X(drop_tcp_limit, "connections refused since the table was full")                              \
    X(tcp_accepted, "TCP connections accepted")                                                    \
    X(tcp_connected, "TCP connections made")                                                       \
    X(tcp_closed, "TCP connections ended")                                                         \
    X(tcp_retransmits, "TCP segments sent again")                                                  \
    X(tcp_timeouts, "TCP connections given up")                                                    \
    X(tcp_out_of_order, "TCP segments received out of order")                                      \
    X(tcp_rtos, "TCP retransmission time-outs")                                                    \
    X(tcp_challenge_acks, "ACKs that questioned a suspicious segment (RFC 5961)")                  \
    X(drop_tcp_buffer, "TCP segments dropped since a receive queue was full")                      \
    /* tls */                                                                                      \
    X(tls_records_in, "TLS records opened")                                                        \
    X(tls_records_out, "TLS records sealed")                                                       \
    X(drop_tls_bad_record, "connections closed for a record that did not open")                    \
    X(drop_tls_malformed, "connections closed for a malformed record")                             \
    X(tls_alerts_in, "TLS alerts received")                                                        \
    X(tls_alerts_out, "TLS alerts sent")                                                           \
    X(tls_tickets_ignored, "session tickets ignored")                                              \
    X(tls_key_updates, "TLS key updates")                                                          \
    /* cells */                                                                                    \
    X(cells_in, "cells received")                                                                  \
    X(cells_out, "cells sent")                                                                     \
    X(cells_forward, "relay cells passed on, away from their origin")                              \
    X(cells_backward, "relay cells passed on, towards their origin")                               \
    X(cells_joined, "relay cells passed on, from one circuit's origin to the other's")             \
    X(cells_early, "relay cells that waited for what the control thread would say of them")        \
    X(cells_recognised, "relay cells addressed to us")                                             \
    X(cells_originated, "relay cells that we sent")                                                \
    X(cells_cgo, "… of these, relay cells with Counter Galois Onion")                              \
    X(cells_padding, "padding cells received")                                                     \
    X(cells_drop, "relay cells received that were padding (DROP)")                                 \
    X(drop_cell_unknown_circuit, "cells for an unknown circuit")                                   \
    X(drop_cell_unknown_command, "cells of an unknown command")                                    \
    X(drop_cell_unrecognised, "circuits closed for a cell that nobody recognised")                 \
    X(drop_cell_queue_full, "circuits closed for too long a queue")                                \
    X(drop_cell_no_memory, "cells dropped since the cell pool was empty")                          \
    X(drop_circuit_memory, "circuits closed since cells ran short: the heaviest")                  \
    X(drop_cell_memory, "cells that waited for them")                                              \
    X(drop_cell_relay_early, "circuits closed for too many RELAY_EARLY")                           \
    X(drop_cell_protocol, "other cells against the protocol")                                      \
    X(drop_join, "circuits that could not be joined")                                              \
    X(drop_link_framing, "links closed for cells that could not be framed")                        \
    X(drop_create_bad_id, "CREATE cells with a bad or used circuit id")                            \
    X(drop_circuit_limit, "circuits refused since the table was full")                             \
    X(drop_message_ring_full, "messages to the control thread put off or refused")                 \
    X(drop_circuit_messages, "circuits closed since too many of their messages waited")            \
    X(reads_put_off, "times a connection was not read since its messages waited")                  \
    X(drop_conn_stalled, "connections closed since the peer took nothing, and memory ran short")   \
    /* the worker itself */                                                                        \
    X(cycles_busy, "time-stamp cycles spent with work")                                            \
    X(cycles_idle, "time-stamp cycles spent polling or asleep")                                    \
    X(cycles_rx, "… of the busy: receive, ethernet, ip")                                           \
    X(cycles_tcp_in, "… of the busy: tcp input")                                                   \
    X(cycles_tls_open, "… of the busy: opening records")                                           \
    X(cycles_cells, "… of the busy: cells and their crypto")                                       \
    X(cycles_tls_seal, "… of the busy: scheduling and sealing")                                    \
    X(cycles_tx, "… of the busy: tcp output and transmit")                                         \
    X(sleeps, "times the worker slept")                                                            \
    /* control plane */                                                                            \
    X(links_accepted, "links opened by peers")                                                     \
    X(links_made, "links opened by us")                                                            \
    X(links_open, "links open now")                                                                \
    X(drop_link_tls, "TLS handshakes that failed")                                                 \
    X(drop_link_handshake, "link handshakes that failed")                                          \
    X(drop_link_identity, "links closed since the peer was not who was asked for")                 \
    X(drop_link_timeout, "link handshakes that took too long")                                     \
    X(drop_link_limit, "links refused since there were too many")                                  \
    X(padding_sent, "padding cells sent")                                                          \
    X(padding_negotiated, "PADDING_NEGOTIATE cells obeyed")                                        \
    X(drop_padding_negotiate, "PADDING_NEGOTIATE cells that made no sense")                        \
    X(circuits_created, "circuits created")                                                        \
    X(circuits_extended, "circuits extended")                                                      \
    X(circuits_open, "circuits open now")                                                          \
    X(handshakes_fast, "CREATE_FAST handshakes")                                                   \
    X(handshakes_ntor, "ntor handshakes")                                                          \
    X(handshakes_ntor_v3, "ntor-v3 handshakes")                                                    \
    X(circuits_congestion_control, "circuits created with congestion control")                     \
    X(circuits_cgo, "circuits created with Counter Galois Onion")                                  \
    X(drop_handshake_bad, "onion skins that did not verify")                                       \
    X(drop_handshake_overload, "onion skins refused for load")                                     \
    X(drop_handshake_closed, "onion skins whose circuit was closed before their turn")             \
    X(drop_extend_malformed, "EXTEND2 messages that were malformed")                               \
    X(drop_extend_refused, "EXTEND2 messages refused by rule")                                     \
    X(drop_extend_failed, "extends whose next hop could not be reached")                           \
    X(drop_relay_message, "relay messages that were dropped or refused")                           \
    X(own_circuits_made, "circuits that we made for ourselves")                                    \
    X(own_circuits_failed, "circuits that we could not make for ourselves")                        \
    X(streams_begun_dir, "directory streams that began at us")                                     \
    X(streams_open, "streams open now")                                                            \
    X(stream_cells_sent, "DATA cells of streams that we sent")                                     \
    X(drop_stream_limit, "streams refused since there were too many")                              \
    X(stream_xoffs_sent, "XOFF that we sent since the bytes of a stream were held")                \
    X(drop_stream_held, "streams closed since too many of their bytes were held")                  \
    X(drop_stream_message, "circuits closed for a message of a stream that could not be")          \
    X(drop_sendme_bad, "circuits closed for a SENDME that was wrong or not expected")              \
    X(intro_points_established, "introduction points established")                                 \
    X(intro_points_open, "introduction points open now")                                           \
    X(introductions, "introductions passed on to a service")                                       \
    X(drop_intro_establish, "ESTABLISH_INTRO messages that were malformed or did not verify")      \
    X(drop_introduce_malformed, "INTRODUCE1 messages that were malformed or too long")             \
    X(drop_introduce_old, "INTRODUCE1 messages in the form of version 2")                          \
    X(drop_introduce_unknown, "INTRODUCE1 messages for a service that is not here")                \
    X(drop_introduce_rate, "INTRODUCE1 messages beyond the service's rate")                        \
    X(drop_introduce_replay, "INTRODUCE1 messages that had come before")                           \
    X(drop_introduce_again, "circuits closed for a second INTRODUCE1")                             \
    X(drop_introduce_single_hop, "circuits closed for an INTRODUCE1 straight from a client")       \
    X(rendezvous_established, "rendezvous points established")                                     \
    X(rendezvous_waiting, "rendezvous points that wait for their service now")                     \
    X(rendezvous_joined, "pairs of circuits joined")                                               \
    X(drop_rendezvous_malformed, "circuits closed for a malformed rendezvous message")             \
    X(drop_rendezvous_cookie_used, "circuits closed for a rendezvous cookie that is in use")       \
    X(drop_rendezvous_unknown, "circuits closed for a cookie that nobody waits under")             \
    X(drop_rendezvous_single_hop, "ESTABLISH_RENDEZVOUS straight from a client, ignored")          \
    X(drop_rendezvous_timeout, "rendezvous points that nobody came to")                            \
    X(drop_rendezvous_limit, "rendezvous points closed since too many waited")                     \
    X(drop_onion_role, "circuits closed for a message that their role does not allow")             \
    X(hsdir_descriptors, "onion-service descriptors held now")                                     \
    X(hsdir_bytes, "memory that they take, in bytes")                                              \
    X(hsdir_stored, "onion-service descriptors accepted")                                          \
    X(hsdir_fetched, "onion-service descriptors given out")                                        \
    X(hsdir_missed, "onion-service descriptors asked for that are not here")                       \
    X(hsdir_expired, "onion-service descriptors whose lifetime has passed")                        \
    X(hsdir_evicted, "onion-service descriptors that gave way to newer ones")                      \
    X(drop_hsdir_malformed, "onion-service descriptors refused: malformed")                        \
    X(drop_hsdir_large, "onion-service descriptors refused: too large")                            \
    X(drop_hsdir_signature, "onion-service descriptors refused: certificate or signature")         \
    X(drop_hsdir_stale, "onion-service descriptors refused: not newer than what is held")          \
    X(onion_descriptor_fetches, "onion-service descriptors that we asked a directory for")        \
    X(onion_descriptors_read, "onion-service descriptors that came, and were good")                \
    X(onion_introductions, "introductions that we sent to onion services")                         \
    X(onion_introductions_refused, "introductions that the introduction point refused")            \
    X(onion_proofs_begun, "proofs of work that we began for onion services")                       \
    X(onion_rendezvous, "onion services that came to our rendezvous point")                        \
    X(onion_visits_failed, "times that an onion service could not be reached")                     \
    X(drop_onion_descriptor, "onion-service descriptors that came, and were refused")              \
    X(drop_rendezvous2, "circuits closed for a RENDEZVOUS2 that was wrong or not expected")        \
    X(dos_addresses, "client addresses watched now")                                               \
    X(dos_marked_circuits, "times that an address was shut out for too many circuits")             \
    X(dos_marked_connections, "times that one was shut out for connecting too often")              \
    X(drop_dos_circuit, "circuits refused to an address that is shut out")                         \
    X(drop_dos_connection, "connections refused to an address that has too many")                  \
    X(drop_dos_connect_rate, "connections refused to an address that is shut out")                 \
    X(drop_dos_stream, "streams beyond their circuit's rate")                                      \
    X(circuits_destroyed_protocol, "circuits closed for breaking the protocol")                    \
    X(descriptors_published, "descriptors accepted by an authority")                               \
    X(drop_publish, "descriptor uploads that failed")                                              \
    X(directory_requests, "requests to directories")                                               \
    X(directory_consensuses, "new consensuses")                                                    \
    X(directory_diffs, "… of these, that came as a diff")                                          \
    X(directory_documents, "certificates and descriptors that came")                               \
    X(drop_directory_request, "requests to directories that failed")                               \
    X(drop_directory_consensus, "consensuses that too few authorities had signed")                 \
    X(drop_directory_document, "documents that were malformed, or that nobody had asked for")      \
    X(serve_requests, "requests to our directory")                                                 \
    X(serve_answers, "… of these, answered with documents")                                        \
    X(serve_refusals, "… of these, answered with a status only")                                   \
    X(serve_diffs, "answers that were a difference of consensuses")                                \
    X(serve_deflate, "answers in deflate")                                                         \
    X(serve_gzip, "answers in gzip")                                                               \
    X(serve_zstd, "answers in zstd")                                                               \
    X(serve_lzma, "answers in LZMA")                                                               \
    X(drop_serve_malformed, "requests to our directory that were no HTTP")                         \
    X(drop_serve_busy, "requests to our directory refused for load")                               \
    X(drop_serve_timeout, "requests to our directory that took too long")                          \
    X(service_intro_points, "introduction points of our services established")                     \
    X(service_introductions, "introductions that came to our services")                            \
    X(drop_service_malformed, "… of these, malformed, or for another service")                     \
    X(drop_service_replay, "… of these, that had come before")                                     \
    X(drop_service_refused, "… of these, whose rendezvous point can't be, or that ask too much")   \
    X(drop_service_limit, "… of these, dropped since there were too many")                         \
    X(service_rendezvous, "rendezvous of our services with their visitors")                        \
    X(service_rendezvous_failed, "rendezvous points that could not be reached")                    \
    X(service_streams, "visitors' streams connected to their target")                              \
    X(drop_service_stream, "visitors' streams refused: no such port, or too many")                 \
    X(drop_service_target, "visitors' streams whose target did not answer")                        \
    X(socks_accepted, "applications' connections accepted")                                        \
    X(socks_open, "applications' connections open now")                                            \
    X(socks_requests, "requests of applications")                                                  \
    X(drop_socks_request, "requests of applications refused: malformed, or by rule")               \
    X(drop_socks_timeout, "applications' connections closed since nothing came, or nothing went")  \
    X(drop_socks_limit, "applications' connections refused since there were too many")             \
    X(drop_socks_memory, "applications' connections closed since memory ran short: the heaviest")  \
    X(app_streams_open, "applications' streams now")                                               \
    X(app_streams, "applications' streams")                                                        \
    X(app_streams_connected, "… of these, connected or answered")                                  \
    X(app_streams_failed, "… of these, that ended before they were connected")                     \
    X(app_streams_retried, "times that one was begun again on another circuit")                    \
    X(app_streams_timed_out, "… of these, since the circuit did not answer")                       \
    X(drop_app_stream_refused, "applications' streams that must not leave this process")           \
    X(drop_exit_answer, "answers of exits that were malformed, or not to be believed")             \
    X(pool_circuits_ahead, "circuits begun before an application asked")                           \
    X(pool_circuits_wanted, "circuits begun since an application asked")                           \
    X(pool_circuits_failed, "… of both, that were never open")

struct counters {
#define COUNTER_FIELD(name, what) uint64_t name;
    COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
} __attribute__((aligned(64)));

// Prints the counters that are not zero, one "name value" per line after `title`.
void counters_print(FILE *out, const char *title, const struct counters *c);
// Adds `c` to `sum`; any thread may do this to another's live counters.
void counters_add(struct counters *sum, const struct counters *c);
