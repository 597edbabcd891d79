#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""uhashring with python3-redis: keys dealt to several servers by the client, by
consistent hashing."""
import importlib.metadata

import redis
import uhashring

from check import PORT, check, equal
from servers import server

print("version: uhashring", importlib.metadata.version("uhashring"))


def ring_of(ports):
    """The names decide, not the addresses."""
    return uhashring.HashRing(
        {f"cache{i}": {"instance": redis.Redis(port=port,
                                               decode_responses=True)}
         for i, port in enumerate(ports, 1)}, hash_fn="ketama")


ports = [PORT] + [server()[1] for _ in range(2)]
two = ring_of(ports[:2])
keys = [f"user:{i}:name" for i in range(3000)]
for k in keys:
    two[k].set(k, k.upper(), ex=1000)
for k in keys:
    equal(k, two[k].get(k), k.upper())
sizes = [redis.Redis(port=port).dbsize() for port in ports]
equal("each key once", sizes[0] + sizes[1], len(keys))
check("shares", 0.3 < sizes[0] / len(keys) < 0.7, sizes)

# keys of one server in one command
for port in ports[:2]:
    r = redis.Redis(port=port, decode_responses=True)
    own = [k for k in keys if two[k].connection_pool
           .connection_kwargs["port"] == port]
    equal("mget", r.mget(own), [k.upper() for k in own])

# another client of the same servers finds the same keys
other = ring_of(ports[:2])
equal("another client", [other[k].get(k) for k in keys[:500]],
      [k.upper() for k in keys[:500]])

# a third server: about a third of the keys move, the others are found
three = ring_of(ports)
found = sum(three[k].get(k) == k.upper() for k in keys)
check("found with one more server", 0.55 < found / len(keys) < 0.8, found)
