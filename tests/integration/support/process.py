"""Child processes that never outlive the tests, free ports, and waiting with a limit."""

import concurrent.futures
import ctypes
import os
import signal
import socket
import subprocess
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


# The kernel kills such a child when the *thread* that started it ends, so one thread starts them
# all and lives as long as the process.
_launcher = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="launcher")


def die_with_parent():
    """Asks the kernel to kill this process when the thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, **options):
    """subprocess.Popen for a child that is killed when this process ends, however it ends."""
    return _launcher.submit(subprocess.Popen, command, preexec_fn=die_with_parent,
                            **options).result()


_handed_out = set()


def free_port():
    """A TCP port on loopback that nobody uses now and that this process was not given before."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # Below the range the kernel picks for outgoing connections nobody takes it by accident.
        candidate = 10000 + (port * 7 + os.getpid() * 13) % 20000
        if candidate in _handed_out:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
        _handed_out.add(candidate)
        return candidate


def wait_until(condition, seconds, what, every=0.05):
    """Calls condition() until it is true and returns its value; TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimeoutError(f"after {seconds} s still waiting: {what() if callable(what) else what}")
        time.sleep(every)


def cpu_seconds(pid):
    """User plus system time that a process has used, all its threads together."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    """Resident memory of a process."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
