// SPDX-License-Identifier: BSD-3-Clause
// The record layer over stream.c stands in the same program as the one over TCP: here its names and
// stream.c's get a prefix. Included before everything else in those files.
#pragma once

#define tcp_readable stream_readable
#define tcp_peek stream_peek
#define tcp_consume stream_consume
#define tcp_write_reserve stream_write_reserve
#define tcp_write_span stream_write_span
#define tcp_write_commit stream_write_commit
#define tls_in_init stream_tls_in_init
#define tls_in_rekey stream_tls_in_rekey
#define tls_in_clear stream_tls_in_clear
#define tls_in_next stream_tls_in_next
#define tls_out_init stream_tls_out_init
#define tls_out_rekey stream_tls_out_rekey
#define tls_out_clear stream_tls_out_clear
#define tls_out_seal stream_tls_out_seal
#define tls_out_alert stream_tls_out_alert
#define tls_out_key_is_old stream_tls_out_key_is_old
