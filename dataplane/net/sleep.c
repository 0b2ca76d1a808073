// SPDX-License-Identifier: BSD-3-Clause
// How a worker without work sleeps: until a receive interrupt, another worker's packet or the
// control thread's message wakes it; where a port has no interrupts, for a short time.
#include "net/internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_log.h>

enum {
    IDLE_MAX_US = 1000,
    SLEEP_MAX_US = 1000000,
    TX_RETRY_US = 250, // frames are left that the port did not take
    // See `expect_packets`: many sleeps of the first length, then longer ones.
    EXPECT_TRIES = 64,
    EXPECT_QUICK = 40,
    EXPECT_QUICK_US = 50,
    EXPECT_SLOW_US = 2000,
};

static bool attach(struct net_worker *w, struct net_port *p)
{
    uint16_t queue = (uint16_t)w->index;
    if (rte_eth_dev_rx_intr_ctl_q(p->id, queue, w->epoll_fd, RTE_INTR_EVENT_ADD, NULL) != 0)
        return false;
    // A driver whose queues are file descriptors has nothing to switch on.
    int rc = rte_eth_dev_rx_intr_enable(p->id, queue);
    p->rx_intr_switch = rc == 0;
    if (rc == 0)
        rte_eth_dev_rx_intr_disable(p->id, queue);
    return rc == 0 || rc == -ENOTSUP;
}

int sleep_open(struct net_worker *w)
{
    w->idle_us = NET_IDLE_MIN_US;
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->epoll_fd < 0 || w->wake_fd < 0)
        return -errno;
    // Not having interrupts is no error, whatever the library thinks.
    int log_type = rte_log_register("lib.ethdev");
    int log_level = log_type >= 0 ? rte_log_get_level(log_type) : -1;
    if (log_level >= 0)
        rte_log_set_level(log_type, RTE_LOG_EMERG);
    for (unsigned i = 0; i < w->net->n_ports; i++) {
        struct net_port *p = &w->net->ports[i];
        if (p->rx_interrupts && w->index < p->n_queues)
            p->rx_interrupts = attach(w, p);
    }
    if (log_level >= 0)
        rte_log_set_level(log_type, (uint32_t)log_level);
    return 0;
}

void sleep_close(struct net_worker *w)
{
    for (unsigned i = 0; i < w->net->n_ports; i++) {
        struct net_port *p = &w->net->ports[i];
        if (p->rx_interrupts && w->index < p->n_queues)
            rte_eth_dev_rx_intr_ctl_q(p->id, (uint16_t)w->index, w->epoll_fd, RTE_INTR_EVENT_DEL,
                                      NULL);
    }
    if (w->epoll_fd >= 0)
        close(w->epoll_fd);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
}

static void switch_interrupts(struct net_worker *w, bool on)
{
    for (unsigned i = 0; i < w->net->n_ports; i++) {
        struct net_port *p = &w->net->ports[i];
        if (!p->rx_interrupts || !p->rx_intr_switch || w->index >= p->n_queues)
            continue;
        rte_spinlock_lock(&p->interrupt_lock);
        if (on)
            rte_eth_dev_rx_intr_enable(p->id, (uint16_t)w->index);
        else
            rte_eth_dev_rx_intr_disable(p->id, (uint16_t)w->index);
        rte_spinlock_unlock(&p->interrupt_lock);
    }
}

// A packet that came before the interrupts were on would not be told of. What is found waits for
// net_receive.
static bool look_again(struct net_worker *w)
{
    for (unsigned i = 0; i < w->net->n_ports && w->n_stash < NET_BURST; i++) {
        const struct net_port *p = &w->net->ports[i];
        if (w->index >= p->n_queues)
            continue;
        unsigned n = rte_eth_rx_burst(p->id, (uint16_t)w->index, w->stash + w->n_stash,
                                      (uint16_t)(NET_BURST - w->n_stash));
        for (; n > 0; n--)
            w->stash_port[w->n_stash++] = (uint8_t)i;
    }
    return w->n_stash > 0;
}

static bool every_port_interrupts(const struct net_worker *w)
{
    for (unsigned i = 0; i < w->net->n_ports; i++)
        if (w->index < w->net->ports[i].n_queues && !w->net->ports[i].rx_interrupts)
            return false;
    return true;
}

static uint64_t sleep_limit(struct net_worker *w, uint64_t timeout_us)
{
    uint64_t limit = RTE_MIN(timeout_us, (uint64_t)SLEEP_MAX_US);
    if (w->next_scan_us != UINT64_MAX)
        limit = RTE_MIN(limit, w->next_scan_us > w->now_us ? w->next_scan_us - w->now_us : 0);
    for (unsigned i = 0; i < w->net->n_ports; i++)
        if (w->tx[i].n)
            limit = RTE_MIN(limit, (uint64_t)TX_RETRY_US);
    if (!every_port_interrupts(w)) {
        limit = RTE_MIN(limit, (uint64_t)w->idle_us);
        w->idle_us = RTE_MIN(w->idle_us * 2, (unsigned)IDLE_MAX_US);
    } else if (w->expect_packets) {
        // Interrupts are edges. A driver may show the packet only a moment after its interrupt (it
        // learns of it by a signal, say), and the edge is gone then: so for some time don't rely on
        // another.
        uint64_t step = w->expect_packets < EXPECT_QUICK ? EXPECT_QUICK_US : EXPECT_SLOW_US;
        limit = RTE_MIN(limit, step);
        w->expect_packets = (w->expect_packets + 1) % EXPECT_TRIES;
    }
    return limit;
}

static void wait(struct net_worker *w, int wake_fd, uint64_t limit_us)
{
    struct pollfd fds[] = {
        {.fd = wake_fd, .events = POLLIN},
        {.fd = w->wake_fd, .events = POLLIN},
        {.fd = w->epoll_fd, .events = POLLIN},
    };
    struct timespec limit = {.tv_sec = (time_t)(limit_us / 1000000),
                             .tv_nsec = (long)(limit_us % 1000000 * 1000)};
    if (ppoll(fds, 3, &limit, NULL) <= 0)
        return;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t ignored;
        if ((fds[i].revents & POLLIN) && read(fds[i].fd, &ignored, sizeof(ignored)) < 0)
            continue; // another read was quicker
    }
    // Lets the interrupts' handlers clear what they have to.
    struct rte_epoll_event events[DATAPLANE_INTERFACES_MAX];
    if ((fds[2].revents & POLLIN) &&
        rte_epoll_wait(w->epoll_fd, events, DATAPLANE_INTERFACES_MAX, 0) > 0)
        w->expect_packets = 1;
}

void net_sleep(struct net_worker *w, int wake_fd, uint64_t timeout_us)
{
    if (w->n_stash)
        return;
    uint64_t limit_us = sleep_limit(w, timeout_us);
    // The flag, then the look at the rings: whoever fills one does it the other way round.
    atomic_store(&w->sleeps, 1);
    atomic_thread_fence(memory_order_seq_cst);
    switch_interrupts(w, true);
    if (!steer_waiting(w) && !look_again(w))
        wait(w, wake_fd, limit_us);
    switch_interrupts(w, false);
    atomic_store(&w->sleeps, 0);
}
