#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""python3-redis: a cache as its documentation shows it."""
import threading

import redis

from check import PORT, check, equal, eventually, fails, known, needs

print("version:", redis.__version__)
r = redis.Redis(port=PORT, decode_responses=True)
r.flushall()

# values and lifetimes
equal("ping", r.ping(), True)
equal("set", r.set("a", "1", ex=100), True)
equal("get", r.get("a"), "1")
check("ttl", 0 < r.ttl("a") <= 100, r.ttl("a"))
equal("absent", r.get("absent"), None)
equal("set nx", r.set("a", "2", nx=True), None)
equal("set get", r.set("a", "2", get=True), "1")
equal("setex", r.setex("b", 100, "x"), True)
equal("getex", r.getex("b", persist=True), "x")
equal("persisted", r.ttl("b"), -1)
equal("getdel", r.getdel("b"), "x")
r.set("soon", "gone", px=20)
eventually("expiry", lambda: not r.exists("soon"))
raw = redis.Redis(port=PORT)
raw.set("bytes", bytes(range(256)) * 1000)
equal("any bytes", raw.get("bytes"), bytes(range(256)) * 1000)

# several keys
equal("mset", r.mset({"m:1": "a", "m:2": "b", "m:3": "c"}), True)
equal("mget", r.mget("m:1", "none", "m:3"), ["a", None, "c"])
equal("scan_iter", sorted(r.scan_iter("m:*")), ["m:1", "m:2", "m:3"])
equal("keys", sorted(r.keys("m:?")), ["m:1", "m:2", "m:3"])
equal("delete", r.delete("m:1", "m:2", "none"), 2)
equal("unlink", r.unlink("m:3"), 1)

# counters
equal("incr", [r.incr("n"), r.incr("n", 5), r.decr("n")], [1, 6, 5])
equal("incrbyfloat", r.incrbyfloat("f", 1.5), 1.5)

# pipelines, which are transactions unless told otherwise
with r.pipeline() as p:
    equal("pipeline", p.set("p", 1).incr("p").get("p").execute(),
          [True, 2, "2"])
with r.pipeline(transaction=False) as p:
    for i in range(1000):
        p.set(f"p:{i}", i)
    equal("long pipeline", p.execute(), [True] * 1000)
fails("error in a transaction", redis.ResponseError,
      lambda: r.pipeline().set("s", "text").incr("s").execute(), "integer")


def add_one(p):
    n = int(p.get("n"))
    p.multi()
    p.set("n", n + 1)


equal("transaction", r.transaction(add_one, "n"), [True])
with r.pipeline() as p:
    p.watch("n")
    r.set("n", 100)
    p.multi()
    p.set("n", 7)
    fails("watch", redis.WatchError, p.execute)

# publish and subscribe
got = []
sub = r.pubsub(ignore_subscribe_messages=True)
sub.subscribe(news=lambda m: got.append(m["data"]))
sub.psubscribe(**{"n*": lambda m: got.append(m["pattern"])})
thread = sub.run_in_thread(sleep_time=0.01)
eventually("subscribers", lambda: r.pubsub_numsub("news") == [("news", 1)]
           and r.pubsub_numpat() == 1)
equal("publish", r.publish("news", "hello"), 2)
eventually("messages", lambda: sorted(got) == ["hello", "n*"])
thread.stop()
thread.join()

# threads over one pool
threads = [threading.Thread(target=lambda: [r.incr("t") for _ in range(200)])
           for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
equal("threads", r.get("t"), "1600")

# errors, and what monitoring asks
fails("wrong number", redis.ResponseError, lambda: r.incr("bytes"),
      "not an integer")
fails("unknown command", redis.ResponseError,
      lambda: r.execute_command("NOSUCH"), "unknown command")
equal("info", r.info()["redis_version"], "7.0.15")
check("client_list", len(r.client_list()) > 0)
equal("config", r.config_get("maxclients"), {"maxclients": "10000"})
check("slowlog", r.slowlog_len() >= 0)
check("memory", r.memory_usage("bytes") > 256000, r.memory_usage("bytes"))
check("dbsize", r.dbsize() > 0)

if known(r, "EVAL", "return 1", 0):
    lock = r.lock("lock", timeout=10)
    equal("lock", lock.acquire(blocking=False), True)
    equal("taken", r.lock("lock").acquire(blocking=False), False)
    equal("extend", lock.extend(20), True)
    check("extended", r.pttl("lock") > 20000, r.pttl("lock"))
    equal("reacquire", lock.reacquire(), True)
    check("as at first", r.pttl("lock") <= 10000, r.pttl("lock"))
    lock.release()
    equal("released", r.exists("lock"), 0)
    fails("not held", redis.exceptions.LockError, lock.release)
    late, other = r.lock("lock", timeout=0.05), r.lock("lock", timeout=10)
    equal("brief", late.acquire(blocking=False), True)
    equal("waits for the end", other.acquire(blocking_timeout=5), True)
    fails("not its own", redis.exceptions.LockNotOwnedError, late.release)
    late.local.token = b"somebody"
    fails("no extension", redis.exceptions.LockNotOwnedError,
          lambda: late.extend(10))
    equal("still held", other.owned(), True)
    other.release()

    def count_up():
        for _ in range(10):
            with r.lock("lock", timeout=10, sleep=0.001):
                r.set("sum", int(r.get("sum")) + 1)

    r.set("sum", 0)
    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal("in turn", r.get("sum"), "40")
    square = r.register_script("return redis.call('get', KEYS[1]) * ARGV[1]")
    equal("script", square(keys=["sum"], args=[2]), 80)
    r.script_flush()
    equal("loaded again", square(keys=["sum"], args=[3]), 120)
else:
    needs("scripts", "redis-py's Lock (release and extend)")
if known(r, "HSET", "h", "a", "1"):
    r.hset("h", mapping={"a": "1", "b": "2", "c": "3"})
    equal("hgetall", r.hgetall("h"), {"a": "1", "b": "2", "c": "3"})
    equal("hget", r.hget("h", "b"), "2")
    equal("hmget", r.hmget("h", ["c", "none"]), ["3", None])
    equal("hincrby", [r.hincrby("h", "a", 5), r.hincrbyfloat("h", "b", 0.5)],
          [6, 2.5])
    equal("hdel", r.hdel("h", "c", "none"), 1)
    equal("hlen", r.hlen("h"), 2)
    equal("hexists", [r.hexists("h", "a"), r.hexists("h", "c")], [True, False])
    equal("hkeys", sorted(r.hkeys("h")), ["a", "b"])
    equal("hvals", sorted(r.hvals("h")), ["2.5", "6"])
    equal("hscan_iter", dict(r.hscan_iter("h", match="a*")), {"a": "6"})
    check("hrandfield", r.hrandfield("h", 1)[0] in ("a", "b"))
    r.hset("many", mapping={f"field:{i}": f"value:{i}" for i in range(3000)})
    equal("a large hash", dict(r.hscan_iter("many", count=100)),
          {f"field:{i}": f"value:{i}" for i in range(3000)})
    fails("a hash is no string", redis.ResponseError, lambda: r.get("h"),
          "WRONGTYPE")
else:
    needs("hashes", "redis-py's hset, hgetall")
