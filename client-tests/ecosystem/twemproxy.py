#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""nutcracker (twemproxy): two servers behind a proxy, by the configuration that
docs/operations.md shows, with other addresses and a shorter pause."""
import os
import pathlib
import re
import subprocess
import tempfile

import redis

from check import PORT, check, equal, eventually
from servers import free_port, run, server, stop

version = subprocess.run(["nutcracker", "--version"], capture_output=True,
                         text=True, check=True)
print("version:", (version.stdout + version.stderr).split("\n")[0])

# the recipe of the documentation
here = pathlib.Path(os.path.realpath(__file__)).parent
text = (here.parent.parent / "docs" / "operations.md").read_text()
recipe = re.search(r"\n((?:    .*\n)*    cache:\n(?:    .*\n)*)", text).group(1)
recipe = re.sub("(?m)^    ", "", recipe)
second, second_port = server()
proxy_port = free_port()
for old, new in (("127.0.0.1:22121", f"127.0.0.1:{proxy_port}"),
                 ("10.0.0.1:6379", f"127.0.0.1:{PORT}"),
                 ("10.0.0.2:6379", f"127.0.0.1:{second_port}"),
                 ("server_retry_timeout: 30000", "server_retry_timeout: 500"),
                 ("timeout: 400\n", "timeout: 10000\n")):  # of a busy machine
    check(old, old in recipe, recipe)
    recipe = recipe.replace(old, new)
conf = tempfile.NamedTemporaryFile("w", suffix=".yml")
conf.write(recipe)
conf.flush()
run("nutcracker", "-c", conf.name, "-v", "2", "-s", str(free_port()), "-a",
    "127.0.0.1")
a, b = redis.Redis(port=PORT), redis.Redis(port=second_port)
a.flushall()
p = redis.Redis(port=proxy_port, decode_responses=True)


def works(call):
    """An error is a miss to a cache: try it as a client of one does."""
    try:
        return call()
    except redis.RedisError:
        return None


eventually("proxy", lambda: works(lambda: p.set("begin", 1)))

# values, lifetimes, counters
equal("set", p.set("a", "1", ex=100), True)
equal("get", p.get("a"), "1")
check("ttl", 0 < p.ttl("a") <= 100, p.ttl("a"))
equal("absent", p.get("absent"), None)
equal("incr", [p.incr("n"), p.incr("n", 5)], [1, 6])
equal("getset", p.getset("n", 0), "6")
raw = redis.Redis(port=proxy_port)
large = bytes(range(256)) * 4096
raw.set("large", large)
equal("a mebibyte", raw.get("large"), large)

# many keys are split among the servers, and put together in order
keys = [f"key:{i}" for i in range(3000)]
for i in range(0, len(keys), 100):
    equal("mset", p.mset({k: k.upper() for k in keys[i:i + 100]}), True)
equal("mget", p.mget(keys), [k.upper() for k in keys])
at_a = [k for k in keys if a.exists(k)]
at_b = [k for k in keys if b.exists(k)]
equal("each key once", len(at_a) + len(at_b), len(keys))
check("shares", 0.3 < len(at_a) / len(keys) < 0.7, len(at_a))
equal("del of many", p.delete(*keys[:50], "absent"), 50)
p.mset({k: k.upper() for k in keys[:50]})
with p.pipeline(transaction=False) as many:
    for k in keys:
        many.get(k)
    equal("pipeline", many.execute(), [k.upper() for k in keys])

# a server dies: its keys go to the other after some failures
equal("status", stop(second), 0)
eventually("writes to the keys of the dead server",
           lambda: works(lambda: p.set(at_b[0], "new")))
for k in at_b[:200]:
    eventually("write", lambda k=k: works(lambda: p.set(k, "moved")))
equal("the others stay", p.mget(at_a), [k.upper() for k in at_a])
check("moved", a.exists(at_b[1]))

# and comes back, empty, at the same address: it gets its own again
second, _ = server(second_port)
eventually("the server is used again",
           lambda: (works(lambda: p.set(at_b[2], "back")), b.exists(at_b[2]))[1],
           10)
eventually("its keys are found", lambda: works(lambda: p.get(at_b[2])) == "back")
equal("the others still stay", p.mget(at_a), [k.upper() for k in at_a])
