# SPDX-License-Identifier: BSD-3-Clause
"""What the Python scripts share: the server's port, checks, outcomes."""
import os
import sys
import time

import redis

PORT = int(os.environ["ASHLAR_PORT"])


def check(what, condition, seen=None):
    """Ends the script unless the condition holds."""
    if not condition:
        sys.exit(f"{what}: {seen!r}")


def equal(what, seen, wanted):
    check(what, seen == wanted, (seen, wanted))


def fails(what, error, call, text=""):
    """The call raises this error, with this in its text."""
    try:
        seen = call()
    except error as e:
        check(what, text in str(e), str(e))
        return
    sys.exit(f"{what}: no error but {seen!r}")


def eventually(what, condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        check(what, time.monotonic() < end)
        time.sleep(0.02)


def known(client, *command):
    """Does the server know the command? It is run."""
    try:
        client.execute_command(*command)
    except redis.ResponseError as e:
        check(command[0], "unknown command" in str(e), str(e))
        return False
    return True


def needs(feature, what):
    """A part that is left out because the server lacks a feature."""
    print(f"needs {feature}: {what}")
