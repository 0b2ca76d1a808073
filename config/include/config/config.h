// SPDX-License-Identifier: BSD-3-Clause
// A relay's or a client's configuration: what the JSON file says, checked, with defaults filled in.
//
// Loading is for start-up and the control thread. The result is plain data that nobody changes
// after config_load(): any thread may read it until config_free().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/log.h"

enum {
    CONFIG_FILE_BYTES_MAX = 1 << 20,
    CONFIG_NICKNAME_MAX = 19,
    CONFIG_CONTACT_MAX = 511,
    CONFIG_PATH_MAX = 1023,
    CONFIG_DEVICE_MAX = 255,
    CONFIG_POLICY_LINE_MAX = 95,
    CONFIG_POLICY_LINES_MAX = 64,
    CONFIG_ADDRESSES_MAX = 8,
    CONFIG_AUTHORITIES_MAX = 32,
    CONFIG_FALLBACKS_MAX = 512, // the public network's list has some 200
    CONFIG_WORKERS_MAX = 32,
    CONFIG_HELPERS_MAX = 32,
    CONFIG_INTERFACES_MAX = 8,
    CONFIG_CPU_MAX = 1023,
    CONFIG_SOCKS_MAX = 16,
    CONFIG_SOCKET_PATH_MAX = 107, // what a struct sockaddr_un can hold
    CONFIG_GROUP_NAME_MAX = 31,
    CONFIG_DIGEST_LEN = 20,
    CONFIG_ED_ID_LEN = 32,
    CONFIG_NODES_MAX = 256, // of each list
    CONFIG_NODE_FAMILIES_MAX = 64,
    CONFIG_NODE_FAMILY_MAX = 64,
};

struct config_authority {
    char nickname[CONFIG_NICKNAME_MAX + 1];
    struct address address; // port = or_port
    uint16_t or_port;
    uint16_t dir_port;                      // 0: reached through its or_port only
    uint8_t identity[CONFIG_DIGEST_LEN];    // SHA-1 of its RSA identity key
    uint8_t v3_identity[CONFIG_DIGEST_LEN]; // SHA-1 of its directory identity key
};

// A directory cache that a client may begin with (protocol 9.01).
struct config_fallback {
    char nickname[CONFIG_NICKNAME_MAX + 1]; // for the log; empty if not set
    struct address address;                 // port = or_port
    uint16_t or_port;
    uint8_t identity[CONFIG_DIGEST_LEN]; // SHA-1 of its RSA identity key
    uint8_t ed_identity[CONFIG_ED_ID_LEN];
    bool has_ed_identity;
};

struct config_prefix {
    struct address address; // of the interface itself; port 0
    unsigned bits;
};

struct config_interface {
    char device[CONFIG_DEVICE_MAX + 1]; // "0000:03:00.0", "net_tap0,iface=ram0"
    struct config_prefix addresses[CONFIG_ADDRESSES_MAX];
    unsigned address_count; // at least 1
    struct address gateway; // ADDRESS_NONE: nothing is reached but what is on the link
    unsigned mtu;           // bytes of an IP packet
};

enum config_poll { CONFIG_POLL_ADAPTIVE, CONFIG_POLL_BUSY };

struct config_dataplane {
    unsigned workers[CONFIG_WORKERS_MAX]; // cpus, one worker each
    unsigned worker_count;                // at least 1
    unsigned control; // cpu of the control thread; a worker's only if it may sleep
    unsigned helpers[CONFIG_HELPERS_MAX]; // cpus of the helper threads: handshakes of circuits
    unsigned helper_count;                // 0: the program chooses
    bool hugepages;
    unsigned memory_mb; // all that DPDK takes: packets, cells, links, circuits, messages
    enum config_poll poll;
    struct config_interface interfaces[CONFIG_INTERFACES_MAX];
    unsigned interface_count; // at least 1
    // Sizes of the pools, for all workers together. Unless set they follow from memory_mb.
    unsigned max_links;
    unsigned max_circuits;
    unsigned max_cells;
    unsigned max_packets;
    unsigned circuit_queue_max_cells; // 0: the protocol's own default
};

// Defences against peers that ask for too much. What is not set is the consensus' to say.
enum config_dos_switch { CONFIG_DOS_CONSENSUS, CONFIG_DOS_ON, CONFIG_DOS_OFF };

struct config_dos {
    enum config_dos_switch circuits, connections, streams, refuse_single_hop_rendezvous;
    // 0: not set
    unsigned circuits_min_connections, circuits_per_s, circuits_burst, circuits_period_s;
    unsigned connections_max, connects_per_s, connects_burst, connects_period_s;
    unsigned streams_per_s, streams_burst;
};

// What keeps two applications' streams off the same circuit; the first two unless `share` says not.
enum config_isolation {
    CONFIG_ISOLATE_CREDENTIALS, // SOCKS user and password, or the like of HTTP
    CONFIG_ISOLATE_CLIENT,      // the application's address
    CONFIG_ISOLATE_DESTINATION, // the host that it asks for
    CONFIG_ISOLATE_PORT,        // … and the port
    CONFIG_ISOLATE_PROTOCOL,    // SOCKS4, SOCKS5, HTTP
    CONFIG_ISOLATIONS,
};

// Where applications come in.
struct config_socks {
    struct {
        char path[CONFIG_SOCKET_PATH_MAX + 1]; // of a Unix socket; empty: `address`
        struct address address;
    } listen;
    unsigned mode; // a Unix socket's permissions
    enum config_isolation isolate[CONFIG_ISOLATIONS], share[CONFIG_ISOLATIONS];
    unsigned isolate_count, share_count;
    unsigned isolates;                          // what comes of both: 1 << enum config_isolation
    char group_name[CONFIG_GROUP_NAME_MAX + 1]; // empty: a group of its own
    uint32_t group;       // listeners whose streams may share circuits have the same; at least 1
    bool extended_errors; // SOCKS5 codes F0 to F7
    bool names_only;      // refuses applications that look names up by themselves
    bool ipv4, ipv6, prefer_ipv6; // what an exit may connect to
    bool dns;                     // names are taken at all
    bool http;                    // CONNECT, beside SOCKS
};

// Relays of the network: one by its fingerprint, or all with an address in a prefix.
struct config_node {
    bool is_prefix;
    uint8_t rsa_id[CONFIG_DIGEST_LEN];
    struct config_prefix prefix; // the address is masked
};

struct config_node_family {
    struct config_node members[CONFIG_NODE_FAMILY_MAX];
    unsigned member_count;
};

// Which relays our own circuits may go through. C tor's ExcludeNodes, ExcludeExitNodes, EntryNodes,
// MiddleNodes, ExitNodes, NodeFamily, StrictNodes, EnforceDistinctSubnets.
struct config_nodes {
    struct config_node exclude[CONFIG_NODES_MAX];       // nowhere
    struct config_node exclude_exits[CONFIG_NODES_MAX]; // nor as exits
    // Only these, where there are any.
    struct config_node entry[CONFIG_NODES_MAX];
    struct config_node middle[CONFIG_NODES_MAX];
    struct config_node exit[CONFIG_NODES_MAX];
    struct config_node_family families[CONFIG_NODE_FAMILIES_MAX]; // two of one in no path
    unsigned exclude_count, exclude_exits_count, entry_count, middle_count, exit_count;
    unsigned family_count;
    bool strict;           // those of `exclude` not even where somebody else chose them
    bool distinct_subnets; // no two relays of one IPv4 /16 or IPv6 /32 in a path; false in a
                           // testing network
};

enum {
    CONFIG_ONION_SERVICES_MAX = 64,
    CONFIG_ONION_PORTS_MAX = 64,
};

struct config_onion_port {
    uint16_t port;         // as visitors ask for it
    struct address target; // TCP; ADDRESS_NONE: unix_path. Unless said: this port of 127.0.0.1
    char unix_path[CONFIG_SOCKET_PATH_MAX + 1];
};

// An onion service. C tor's HiddenService… options.
struct config_onion_service {
    char directory[CONFIG_PATH_MAX + 1]; // absolute; keys, hostname, authorized_clients/
    // A port that is there more than once has several targets, of which one is chosen at random.
    struct config_onion_port ports[CONFIG_ONION_PORTS_MAX];
    unsigned port_count;          // at least 1
    unsigned introduction_points; // 3 to 20
    unsigned max_streams;         // of one rendezvous; 0: as many as a circuit can have
    bool max_streams_closes;      // one too many closes the circuit; else it is refused
    bool unknown_ports_allowed;   // END for them; else the circuit is closed
    bool single_onion;            // does not hide: circuits of one hop
    bool onionbalance;            // a backend: ob_config says whose
    // What introduction points are asked to enforce; both rates 0: nothing is asked.
    bool intro_dos;
    uint32_t intro_dos_rate, intro_dos_burst;
    bool pow;
    uint32_t pow_queue_rate, pow_queue_burst;
};

struct config {
    char nickname[CONFIG_NICKNAME_MAX + 1];   // empty if not set: only a relay must have one
    char contact[CONFIG_CONTACT_MAX + 1];     // one line; empty if not set
    char data_directory[CONFIG_PATH_MAX + 1]; // absolute
    // What the descriptor says and the relay listens on, each one also an interface's address;
    // port = or_port. The first is the relay's IPv4 address. IPv4 only so far.
    struct address addresses[CONFIG_ADDRESSES_MAX];
    unsigned address_count; // at least 1; 0 of what is no relay
    uint16_t or_port;       // 0: no relay (config_is_relay)
    char exit_policy[CONFIG_POLICY_LINES_MAX][CONFIG_POLICY_LINE_MAX + 1];
    unsigned exit_policy_count; // at least 1
    uint32_t bandwidth_rate;    // bytes/s, for the descriptor
    uint32_t bandwidth_burst;   // bytes, at least bandwidth_rate
    bool testing_network;       // private addresses are fine, intervals are short
    struct config_authority directory_authorities[CONFIG_AUTHORITIES_MAX];
    unsigned directory_authority_count; // may be 0: published nowhere
    struct config_fallback fallback_directories[CONFIG_FALLBACKS_MAX];
    unsigned fallback_directory_count;
    struct config_dataplane dataplane;
    struct config_dos dos;
    struct config_socks socks[CONFIG_SOCKS_MAX];
    unsigned socks_count; // 0: nobody's client
    struct config_nodes nodes;
    struct config_onion_service *onion_services;
    unsigned onion_service_count;
    char client_authorization[CONFIG_PATH_MAX + 1]; // directory of *.auth_private; empty: none
    char petnames[CONFIG_PATH_MAX + 1];             // empty: petnames.json in data_directory
    unsigned hsdir_cache_mb; // onion services' descriptors take no more memory than this
    struct {
        enum log_level level;
    } log;
    struct config_source *source; // the file's text, for config_error_at()
};

// It listens for other nodes, carries their circuits and publishes itself. If not it is a pure
// client, which does none of that.
static inline bool config_is_relay(const struct config *config)
{
    return config->or_port != 0;
}

// It has circuits of its own, for its applications or its onion services. A relay may be both.
static inline bool config_is_client(const struct config *config)
{
    return !config_is_relay(config) || config->socks_count > 0 || config->onion_service_count > 0;
}

// What is wrong, and where. Positions count from 1; columns are characters, a tab is one.
struct config_error {
    char file[256];
    unsigned line; // 0: the file as a whole
    unsigned column;
    char key_path[256]; // "dataplane.interfaces[0].mtu"; empty: the whole document
    char found[192];
    char expected[352]; // room for all keys of a section
};

#define CONFIG_ERROR_TEXT_MAX 1280

// Reads and checks a file. 0 and `*out` (the caller's, for config_free), or a negative errno and
// `*error` filled in, `*out` NULL: -EINVAL for what it says, else what reading it gave.
int config_load(const char *path, struct config **out, struct config_error *error)
    __attribute__((warn_unused_result));
// The same for text in memory, which need not end with NUL; `name` stands for the file in errors.
int config_parse(const char *name, const char *text, size_t length, struct config **out,
                 struct config_error *error) __attribute__((warn_unused_result));
void config_free(struct config *config); // NULL is fine

// For what can be known only later (a cpu that the machine lacks): fills in `error` as if loading
// had found it. A key that the file leaves out gives the place where it would be.
void config_error_at(const struct config *config, const char *key_path, const char *found,
                     const char *expected, struct config_error *error);
// "FILE:LINE:COLUMN: KEY.PATH: found X, expected Y", without a newline; returns `buffer`.
const char *config_error_format(const struct config_error *error,
                                char buffer[CONFIG_ERROR_TEXT_MAX]);
