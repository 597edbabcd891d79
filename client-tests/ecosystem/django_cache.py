#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""django-redis as the cache and the session store of a Django project."""
import django
import django_redis
import redis
from django.conf import settings

from check import PORT, check, equal, eventually, fails, known, needs

print("version:", django_redis.__version__, "on Django", django.__version__)
settings.configure(
    SECRET_KEY="ecosystem",
    INSTALLED_APPS=["django.contrib.sessions"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    CACHES={"default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"redis://127.0.0.1:{PORT}/1",
        "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient"}}})
django.setup()

from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402
from django.core.cache import cache  # noqa: E402

cache.clear()
equal("set", cache.set("a", {"x": [1, 2]}, timeout=100), True)
equal("get", cache.get("a"), {"x": [1, 2]})
equal("default", cache.get("none", "default"), "default")
check("ttl", 0 < cache.ttl("a") <= 100, cache.ttl("a"))
equal("add", [cache.add("a", 1), cache.add("b", 1)], [False, True])
equal("get_or_set", cache.get_or_set("c", lambda: 7, 100), 7)
equal("set_many", cache.set_many({"m1": 1, "m2": 2}), None)
equal("get_many", cache.get_many(["m1", "m2", "none"]), {"m1": 1, "m2": 2})
equal("has_key", ["m1" in cache, "none" in cache], [True, False])
equal("keys", sorted(cache.keys("m*")), ["m1", "m2"])
equal("iter_keys", sorted(cache.iter_keys("m*")), ["m1", "m2"])
equal("delete_many", cache.delete_many(["m1"]), 1)
equal("delete_pattern", cache.delete_pattern("m*"), 1)
equal("touch", cache.touch("a", 50), True)
equal("persist", [cache.persist("a"), cache.ttl("a")], [True, None])
equal("expire", cache.expire("a", timeout=20), True)
cache.set("soon", 1, timeout=1)
eventually("expiry", lambda: cache.get("soon") is None)
equal("version", cache.set("v", 1, version=2), True)
equal("incr_version", cache.incr_version("v", version=2), 3)
equal("nx", cache.set("a", 5, nx=True), False)
equal("large", cache.set("large", "x" * 300000), True)
equal("large value", len(cache.get("large")), 300000)

session = SessionStore()
session["user"] = "ann"
session.save()
equal("session", SessionStore(session.session_key)["user"], "ann")
session.delete()
equal("session deleted", dict(SessionStore(session.session_key)), {})

client = django_redis.get_redis_connection("default")
if known(client, "EVAL", "return 1", 0):
    cache.set("n", 1)
    equal("incr", [cache.incr("n"), cache.decr("n", 2)], [2, 0])
    fails("incr of none", ValueError, lambda: cache.incr("none"))
    with cache.lock("lock", timeout=5):
        equal("lock", cache.lock("lock").acquire(blocking=False), False)
    late, other = cache.lock("lock", timeout=0.05), cache.lock("lock")
    equal("brief", late.acquire(blocking=False), True)
    equal("waits for the end", other.acquire(blocking_timeout=5), True)
    fails("not its own", redis.exceptions.LockNotOwnedError, late.release)
    other.release()
    equal("released", client.exists("lock"), 0)
else:
    needs("scripts", "django-redis's incr, decr and lock")
cache.clear()
equal("clear", cache.keys("*"), [])
