# SPDX-License-Identifier: BSD-3-Clause
"""What the kernel knows of the CPU time of a process's threads, and how to have a CPU for oneself."""

import os


class Thread:
    """CPU time of a thread so far: run and waited in ns, and the share of it in the kernel."""

    def __init__(self, pid, tid):
        base = f"/proc/{pid}/task/{tid}"
        with open(f"{base}/schedstat") as file:
            self.run_ns, self.wait_ns = (int(v) for v in file.read().split()[:2])
        with open(f"{base}/stat") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
        fields = rest.split()
        self.name, self.user, self.system = name, int(fields[11]), int(fields[12])


def threads(pid):
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            found[tid] = Thread(pid, tid)
        except OSError:
            pass  # it ended meanwhile
    return found


def used(before, after):
    """[(name, seconds run, seconds waited, user ticks, system ticks)] from one look to the next."""
    rows = []
    for tid, now in after.items():
        then = before.get(tid)
        rows.append((now.name,
                     (now.run_ns - (then.run_ns if then else 0)) / 1e9,
                     (now.wait_ns - (then.wait_ns if then else 0)) / 1e9,
                     now.user - (then.user if then else 0),
                     now.system - (then.system if then else 0)))
    return rows


def kernel_share(rows):
    """The part of the rows' time that was the kernel's, by the clock's ticks."""
    user, system = sum(r[3] for r in rows), sum(r[4] for r in rows)
    return system / (user + system) if user + system else 0


def prefer(pid, cpus=None):
    """Lets nobody else have its CPU, as far as a priority can, and pins it."""
    try:
        with open(f"/proc/{pid}/autogroup", "w") as file:
            file.write("-20")  # each session is scheduled as one; without it the rest means little
    except OSError:
        pass  # this kernel has no such groups
    for tid in os.listdir(f"/proc/{pid}/task"):
        os.setpriority(os.PRIO_PROCESS, int(tid), -20)
        if cpus:
            os.sched_setaffinity(int(tid), cpus)


def waited(rows):
    """The share of the time in which they could have run, and others had the CPU."""
    run, wait = sum(r[1] for r in rows), sum(r[2] for r in rows)
    return wait / (run + wait) if run + wait else 0
