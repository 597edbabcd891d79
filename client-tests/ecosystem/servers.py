# SPDX-License-Identifier: BSD-3-Clause
"""More programs for scripts that need more than the one server they are given.
All end with the script."""
import atexit
import os
import random
import subprocess
import sys
import time

import redis

running = []


def free_port():
    """Outside of what the system gives to clients."""
    return random.randrange(20000, 30000)


def run(*command):
    """Start a program; it is stopped at the end of the script."""
    process = subprocess.Popen(command)
    running.append(process)
    return process


def stop(process):
    """SIGTERM, and its exit status."""
    running.remove(process)
    process.terminate()
    return process.wait(20)


@atexit.register
def stop_all():
    for process in list(running):
        if process.poll() is None:
            stop(process)


def answers(port):
    try:
        return redis.Redis(port=port).ping()
    except redis.ConnectionError:
        return False


def server(port=None):
    """Start another ashlard; returns the process and its port."""
    for _ in range(20):
        chosen = port or free_port()
        process = run(os.environ["ASHLARD"], "--port", str(chosen),
                      "--workers", "2", "--maxmemory", "256mb")
        while process.poll() is None:
            if answers(chosen):
                return process, chosen
            time.sleep(0.02)
        running.remove(process)
    sys.exit("no second server")
