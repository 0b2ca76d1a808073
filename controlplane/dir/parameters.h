// SPDX-License-Identifier: BSD-3-Clause
// What the consensus says about how relays are to behave, each number inside the bounds that C tor
// gives it and with its default where the consensus is silent (protocol 6.35). Control thread only.
//
// Whoever uses one reads it from parameters_of(relay) when it is needed; whoever must act when one
// changes (the workers are told so) listens.
#pragma once

#include <stdint.h>

struct consensus;
struct relay;

// field, name in the consensus, default, least, most.
#define PARAMETERS(X)                                                                              \
    /* circuits and their queues (4.08, 5.01, 5.04, 2.27) */                                       \
    X(circuit_window_cells, "circwindow", 1000, 100, 1000)                                         \
    X(priority_half_life_ms, "CircuitPriorityHalflifeMsec", 30000, 1, INT32_MAX)                   \
    X(queue_max_cells, "circ_max_cell_queue_size", 2500, 50, INT32_MAX)                            \
    X(queue_max_cells_out, "circ_max_cell_queue_size_out", 2500, 50, INT32_MAX)                    \
    X(queue_high_cells, "cellq_high", 256, 1, 1000)                                                \
    X(queue_low_cells, "cellq_low", 10, 1, 1000)                                                   \
    X(allow_nonearly_extend, "AllowNonearlyExtend", 0, 0, 1)                                       \
    X(extend_by_ed_id, "ExtendByEd25519ID", 0, 0, 1)                                               \
    X(sendme_emit_min_version, "sendme_emit_min_version", 1, 0, 255)                               \
    X(sendme_accept_min_version, "sendme_accept_min_version", 0, 0, 255)                           \
    /* onion skins (2.41, 13.18) */                                                                \
    X(onion_queue_max_delay_ms, "MaxOnionQueueDelay", 1750, 1, INT32_MAX)                          \
    X(onion_queue_wait_cutoff_s, "onion_queue_wait_cutoff", 5, 1, INT32_MAX)                       \
    /* congestion control (4.13 and following) */                                                  \
    X(cc_algorithm, "cc_alg", 2, 0, 3)                                                             \
    X(cc_sendme_inc_cells, "cc_sendme_inc", 31, 1, 254)                                            \
    X(cc_cwnd_init, "cc_cwnd_init", 124, 31, 10000)                                                \
    X(cc_cwnd_min, "cc_cwnd_min", 124, 31, 1000)                                                   \
    X(cc_cwnd_max, "cc_cwnd_max", INT32_MAX, 500, INT32_MAX)                                       \
    X(cc_cwnd_inc, "cc_cwnd_inc", 1, 1, 1000)                                                      \
    X(cc_cwnd_inc_pct_ss, "cc_cwnd_inc_pct_ss", 100, 1, 500)                                       \
    X(cc_cwnd_inc_rate, "cc_cwnd_inc_rate", 31, 1, 250)                                            \
    X(cc_cwnd_full_gap, "cc_cwnd_full_gap", 4, 0, INT16_MAX)                                       \
    X(cc_cwnd_full_minpct, "cc_cwnd_full_minpct", 25, 0, 100)                                      \
    X(cc_cwnd_full_per_cwnd, "cc_cwnd_full_per_cwnd", 1, 0, 1)                                     \
    X(cc_bwe_min, "cc_bwe_min", 5, 2, 20)                                                          \
    X(cc_ewma_cwnd_pct, "cc_ewma_cwnd_pct", 50, 1, 255)                                            \
    X(cc_ewma_max, "cc_ewma_max", 10, 2, INT32_MAX)                                                \
    X(cc_ewma_ss, "cc_ewma_ss", 2, 2, INT32_MAX)                                                   \
    X(cc_rtt_reset_pct, "cc_rtt_reset_pct", 100, 0, 100)                                           \
    X(cc_ss_max, "cc_ss_max", 5000, 500, INT32_MAX)                                                \
    X(cc_sscap_exit, "cc_sscap_exit", 600, 100, INT32_MAX)                                         \
    X(cc_vegas_alpha_exit, "cc_vegas_alpha_exit", 186, 0, 1000)                                    \
    X(cc_vegas_beta_exit, "cc_vegas_beta_exit", 248, 0, 1000)                                      \
    X(cc_vegas_gamma_exit, "cc_vegas_gamma_exit", 186, 0, 1000)                                    \
    X(cc_vegas_delta_exit, "cc_vegas_delta_exit", 310, 0, INT32_MAX)                               \
    X(cc_sscap_sbws, "cc_sscap_sbws", 400, 100, INT32_MAX)                                         \
    X(cc_vegas_alpha_sbws, "cc_vegas_alpha_sbws", 93, 0, 1000)                                     \
    X(cc_vegas_beta_sbws, "cc_vegas_beta_sbws", 155, 0, 1000)                                      \
    X(cc_vegas_gamma_sbws, "cc_vegas_gamma_sbws", 124, 0, 1000)                                    \
    X(cc_vegas_delta_sbws, "cc_vegas_delta_sbws", 248, 0, INT32_MAX)                               \
    X(cc_sscap_onion, "cc_sscap_onion", 475, 100, INT32_MAX)                                       \
    X(cc_vegas_alpha_onion, "cc_vegas_alpha_onion", 186, 0, 1000)                                  \
    X(cc_vegas_beta_onion, "cc_vegas_beta_onion", 372, 0, 1000)                                    \
    X(cc_vegas_gamma_onion, "cc_vegas_gamma_onion", 248, 0, 1000)                                  \
    X(cc_vegas_delta_onion, "cc_vegas_delta_onion", 434, 0, INT32_MAX)                             \
    X(cc_xoff_client_cells, "cc_xoff_client", 500, 1, 10000)                                       \
    X(cc_xoff_exit_cells, "cc_xoff_exit", 500, 1, 10000)                                           \
    X(cc_xon_change_pct, "cc_xon_change_pct", 25, 1, 99)                                           \
    X(cc_xon_rate_cells, "cc_xon_rate", 500, 1, 5000)                                              \
    X(cc_xon_ewma_cnt, "cc_xon_ewma_cnt", 2, 2, 100)                                               \
    /* the relay's keys and descriptor (6.04, 6.18) */                                             \
    X(onion_key_rotation_days, "onion-key-rotation-days", 28, 1, 90)                               \
    X(onion_key_grace_days, "onion-key-grace-period-days", 7, 1, 90)                               \
    X(publish_dummy_tap_key, "publish-dummy-tap-key", 1, 0, 1)                                     \
    /* padding of links (1.35–1.37) */                                                           \
    X(padding_low_ms, "nf_ito_low", 1500, 0, 60000)                                                \
    X(padding_high_ms, "nf_ito_high", 9500, 0, 60000)                                              \
    X(padding_low_reduced_ms, "nf_ito_low_reduced", 9000, 0, 60000)                                \
    X(padding_high_reduced_ms, "nf_ito_high_reduced", 14000, 0, 60000)                             \
    X(padding_relays, "nf_pad_relays", 0, 0, 1)                                                    \
    X(connection_timeout_relays_s, "nf_conntimeout_relays", 3600, 60, 604800)                      \
    X(connection_timeout_clients_s, "nf_conntimeout_clients", 1800, 60, 86400)                     \
    /* defences (5.02, 5.09–5.12) */                                                             \
    X(dos_circuit_enabled, "DoSCircuitCreationEnabled", 0, 0, 1)                                   \
    X(dos_circuit_min_connections, "DoSCircuitCreationMinConnections", 3, 1, INT32_MAX)            \
    X(dos_circuit_rate, "DoSCircuitCreationRate", 3, 1, INT32_MAX)                                 \
    X(dos_circuit_burst, "DoSCircuitCreationBurst", 90, 1, INT32_MAX)                              \
    X(dos_circuit_defense, "DoSCircuitCreationDefenseType", 2, 1, 2)                               \
    X(dos_circuit_defense_s, "DoSCircuitCreationDefenseTimePeriod", 3600, 0, INT32_MAX)            \
    X(dos_circuit_max_outq, "dos_num_circ_max_outq", 3, 0, INT32_MAX)                              \
    X(dos_connection_enabled, "DoSConnectionEnabled", 0, 0, 1)                                     \
    X(dos_connection_max, "DoSConnectionMaxConcurrentCount", 100, 1, INT32_MAX)                    \
    X(dos_connection_defense, "DoSConnectionDefenseType", 2, 1, 2)                                 \
    X(dos_connect_rate, "DoSConnectionConnectRate", 20, 1, INT32_MAX)                              \
    X(dos_connect_burst, "DoSConnectionConnectBurst", 40, 1, INT32_MAX)                            \
    X(dos_connect_defense_s, "DoSConnectionConnectDefenseTimePeriod", 86400, 10, INT32_MAX)        \
    X(dos_stream_enabled, "DoSStreamCreationEnabled", 0, 0, 1)                                     \
    X(dos_stream_rate, "DoSStreamCreationRate", 100, 1, INT32_MAX)                                 \
    X(dos_stream_burst, "DoSStreamCreationBurst", 300, 1, INT32_MAX)                               \
    X(dos_stream_defense, "DoSStreamCreationDefenseType", 2, 1, 3)                                 \
    X(dos_refuse_single_hop_rendezvous, "DoSRefuseSingleHopClientRendezvous", 0, 0, 1)             \
    /* onion services (section 7) */                                                               \
    X(hsdir_descriptor_max_bytes, "HSV3MaxDescriptorSize", 50000, 1, INT32_MAX)                    \
    X(hsdir_interval_minutes, "hsdir_interval", 1440, 5, 14400)                                    \
    X(hsdir_replicas, "hsdir_n_replicas", 2, 1, 16)                                                \
    X(hsdir_spread_fetch, "hsdir_spread_fetch", 3, 1, 128)                                         \
    X(hsdir_spread_store, "hsdir_spread_store", 4, 1, 128)                                         \
    X(introduce_defense_enabled, "HiddenServiceEnableIntroDoSDefense", 0, 0, 1)                    \
    X(introduce_rate, "HiddenServiceEnableIntroDoSRatePerSec", 25, 0, INT32_MAX)                   \
    X(introduce_burst, "HiddenServiceEnableIntroDoSBurstPerSec", 200, 0, INT32_MAX)                \
    /* … as a service (8.24, 8.36) */                                                            \
    X(intro_extra, "hs_intro_num_extra", 2, 0, 128)                                                \
    X(intro_introductions_min, "hs_intro_min_introduce2", 16384, 0, INT32_MAX)                     \
    X(intro_introductions_max, "hs_intro_max_introduce2", 32768, 0, INT32_MAX)                     \
    X(intro_lifetime_min_s, "hs_intro_min_lifetime", 18 * 3600, 0, INT32_MAX)                      \
    X(intro_lifetime_max_s, "hs_intro_max_lifetime", 24 * 3600, 0, INT32_MAX)                      \
    X(rendezvous_failures_max, "hs_service_max_rdv_failures", 2, 1, 10)                            \
    /* how long our own circuits may take (9.22) */                                                \
    X(cbt_disabled, "cbtdisabled", 0, 0, 1)                                                        \
    X(cbt_modes, "cbtnummodes", 10, 1, 20)                                                         \
    X(cbt_recent_circuits, "cbtrecentcount", 20, 3, 1000)                                          \
    X(cbt_max_timeouts, "cbtmaxtimeouts", 18, 3, 10000)                                            \
    X(cbt_min_circuits, "cbtmincircs", 100, 1, 10000)                                              \
    X(cbt_quantile_pct, "cbtquantile", 80, 10, 99)                                                 \
    X(cbt_close_quantile_pct, "cbtclosequantile", 99, 10, 99)                                      \
    X(cbt_test_interval_s, "cbttestfreq", 10, 1, INT32_MAX)                                        \
    X(cbt_min_timeout_ms, "cbtmintimeout", 10, 10, INT32_MAX)                                      \
    X(cbt_initial_timeout_ms, "cbtinitialtimeout", 60000, 10, INT32_MAX)                           \
    /* padding of our own circuits (4.34, 4.35) */                                                 \
    X(circuit_padding_disabled, "circpad_padding_disabled", 0, 0, 1)                               \
    /* paths of our own circuits (9.12, 9.14, 9.16, 8.42) */                                       \
    X(min_paths_pct, "min_paths_for_circs_pct", 60, 25, 95)                                        \
    X(use_family_lists, "use-family-lists", 1, 0, 1)                                               \
    X(use_family_ids, "use-family-ids", 1, 0, 1)                                                   \
    X(vanguards_enabled, "vanguards-lite-enabled", 1, 0, 1)                                        \
    X(vanguards_number, "guard-hs-l2-number", 4, 1, 19)                                            \
    X(vanguards_lifetime_min_s, "guard-hs-l2-lifetime-min", 86400, 1, INT32_MAX)                   \
    X(vanguards_lifetime_max_s, "guard-hs-l2-lifetime-max", 12 * 86400, 1, INT32_MAX)              \
    /* the directory (6.22) */                                                                     \
    X(consensus_diff_max_age_hours, "max-consensus-age-to-cache-for-diff", 8192, 0, 8192)          \
    /* guards (9.19 to 9.21), and path bias, which is kept with them */                            \
    X(guard_sample_percent, "guard-max-sample-threshold-percent", 20, 1, 100)                      \
    X(guard_sample_max, "guard-max-sample-size", 60, 1, INT32_MAX)                                 \
    X(guard_filtered_min, "guard-min-filtered-sample-size", 20, 1, INT32_MAX)                      \
    X(guard_unlisted_days, "guard-remove-unlisted-guards-after-days", 20, 1, 3650)                 \
    X(guard_lifetime_days, "guard-lifetime-days", 120, 1, 3650)                                    \
    X(guard_confirmed_lifetime_days, "guard-confirmed-min-lifetime-days", 60, 1, 3650)             \
    X(guard_primary, "guard-n-primary-guards", 3, 1, INT32_MAX)                                    \
    X(guard_primary_to_use, "guard-n-primary-guards-to-use", 1, 1, INT32_MAX)                      \
    X(guard_primary_dir_to_use, "guard-n-primary-dir-guards-to-use", 3, 1, INT32_MAX)              \
    X(guard_network_down_s, "guard-internet-likely-down-interval", 600, 1, INT32_MAX)              \
    X(guard_connect_timeout_s, "guard-nonprimary-guard-connect-timeout", 15, 1, INT32_MAX)         \
    X(guard_idle_timeout_s, "guard-nonprimary-guard-idle-timeout", 600, 1, INT32_MAX)              \
    X(guard_restriction_percent, "guard-meaningful-restriction-percent", 20, 1, INT32_MAX)         \
    X(guard_extreme_percent, "guard-extreme-restriction-percent", 1, 1, 100)                       \
    X(bias_circuits_min, "pb_mincircs", 150, 5, INT32_MAX)                                         \
    X(bias_notice_percent, "pb_noticepct", 70, 0, 100)                                             \
    X(bias_warn_percent, "pb_warnpct", 50, 0, 100)                                                 \
    X(bias_extreme_percent, "pb_extremepct", 30, 0, 100)                                           \
    X(bias_drop_guards, "pb_dropguards", 0, 0, 1)                                                  \
    X(bias_scale_circuits, "pb_scalecircs", 300, 10, INT32_MAX)                                    \
    X(bias_scale_divisor, "pb_scalefactor", 2, 2, INT32_MAX)                                       \
    X(bias_scale_factor, "pb_multfactor", 1, 1, INT32_MAX)                                         \
    X(bias_uses_min, "pb_minuse", 20, 3, INT32_MAX)                                                \
    X(bias_notice_use_percent, "pb_noticeusepct", 80, 0, 100)                                      \
    X(bias_extreme_use_percent, "pb_extremeusepct", 60, 0, 100)                                    \
    X(bias_scale_uses, "pb_scaleuse", 100, 10, INT32_MAX)

// What cc_algorithm can be.
enum { CC_ALGORITHM_SENDME = 0, CC_ALGORITHM_VEGAS = 2 };

struct parameters {
#define PARAMETER_FIELD(field, name, otherwise, least, most) int32_t field;
    PARAMETERS(PARAMETER_FIELD)
#undef PARAMETER_FIELD
};

enum { PARAMETERS_LISTENERS_MAX = 16 };

struct parameter_store;

// The relay's own, as relay->parameters. All defaults. NULL: no memory.
struct parameter_store *parameters_create(struct relay *relay);
void parameters_free(struct parameter_store *p); // NULL is fine
// Never NULL: the defaults, too, for a relay that has no parameters (a test's).
const struct parameters *parameters_of(const struct relay *relay);
// `changed` is called after every change, and once now. PARAMETERS_LISTENERS_MAX at most.
void parameters_listen(struct relay *relay, void (*changed)(struct relay *relay));
// The one place where they change: what this consensus says (NULL: nothing). Workers are told.
void parameters_update(struct relay *relay, const struct consensus *consensus);
// Pure; for tests and for those who look at another consensus than the one in force.
void parameters_read(const struct consensus *consensus, struct parameters *out);
