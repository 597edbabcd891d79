# SPDX-License-Identifier: BSD-3-Clause
"""The clients of client-tests/soak, each a thread that goes on until `stop`.

An Owner knows what its keys hold, as nobody else writes them, and checks every
reply. A Rogue sends anything, in any way, and leaves in any way. An Operator
changes settings, empties databases, kills clients and pauses them. Replies that
must not be are told to `complain`.
"""
import random
import socket
import struct
import threading
import time
import urllib.error
import urllib.request

from differential_calls import SKETCHES, sketched

# Rogues do not end or reconfigure the server, or wait for it.
LEAVE = ('shutdown', 'debug', 'config|', 'acl|', 'save', 'bgsave', 'failover',
         'client|pause', 'client|kill', 'client|reply', 'flush', 'swapdb',
         'namespace|flush', 'subscribe', 'psubscribe', 'ssubscribe', 'monitor',
         'unsubscribe', 'punsubscribe', 'sunsubscribe', 'quit', 'auth', 'hello',
         'wait', 'replicaof', 'slaveof', 'script|kill')
CALLS = [name for name in SKETCHES if not name.startswith(LEAVE)]
SIZES = [1, 3, 10, 60, 200, 1000, 2048, 8000, 16384, 16385, 40000, 300000]
SLACK = 0.005  # what the clocks of client and server may differ by


class Closed(Exception):
    """The other end has gone."""


class Error(str):
    """An error reply."""


def value():
    n = random.choice(SIZES[:random.randint(1, len(SIZES))])
    return (random.randbytes(min(n, 37)) * (n // 37 + 1))[:n]


def encoded(call):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in call]
    return b'*%d\r\n' % len(words) + b''.join(
        b'$%d\r\n%s\r\n' % (len(w), w) for w in words)


# ---- a connection ------------------------------------------------------------

class Connection:
    """RESP2 and RESP3. Raises Closed, or TimeoutError."""

    def __init__(self, where, patience):
        family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(patience)
        self.buffer = bytearray()
        try:
            self.socket.connect(where)
        except TimeoutError:
            raise
        except OSError as e:
            raise Closed(str(e)) from e

    def close(self, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack('ii', 1, 0))
        self.socket.close()

    def send(self, data):
        try:
            while data:
                n = len(data)
                if random.random() < 0.1:  # in pieces that end anywhere
                    n = random.randint(1, n)
                self.socket.sendall(data[:n])
                data = data[n:]
        except ConnectionError as e:
            raise Closed(str(e)) from e

    def send_beside(self, data):
        """While the caller reads: neither side may wait for the other."""
        def send():
            try:
                self.send(data)
            except (Closed, OSError):
                pass  # the reader sees it
        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        return thread

    def receive(self):
        try:
            more = self.socket.recv(1 << 18)
        except ConnectionError as e:
            raise Closed(str(e)) from e
        if not more:
            raise Closed('end of stream')
        self.buffer += more

    def take(self, n):
        while len(self.buffer) < n:
            self.receive()
        taken = bytes(self.buffer[:n])
        del self.buffer[:n]
        return taken

    def line(self):
        while (end := self.buffer.find(b'\r\n')) < 0:
            self.receive()
        return self.take(end + 2)[:-2]

    def read(self):
        """A reply; what is pushed before it is skipped."""
        while True:
            line = self.line()
            kind, rest = line[:1], line[1:]
            if kind != b'>':
                return self.reply(kind, rest)
            for _ in range(int(rest)):
                self.read()

    def reply(self, kind, rest):
        if kind == b'+':
            return rest.decode('latin1')
        if kind == b'-':
            return Error(rest.decode('latin1'))
        if kind in b':(':
            return int(rest)
        if kind in b'_#,':
            return None if kind == b'_' else rest
        n = int(rest)
        if n < 0:
            return None
        if kind in b'$=!':
            text = self.take(n + 2)
            assert text[-2:] == b'\r\n', f'a bulk ends in {text[-9:]!r}'
            return Error(text[:-2]) if kind == b'!' else text[:-2]
        assert kind in b'*~%|', f'no reply begins with {kind + rest!r}'
        items = [self.read() for _ in range(n * (2 if kind in b'%|' else 1))]
        return self.read() if kind == b'|' else items

    def ask(self, *call):
        self.send(encoded(call))
        return self.read()


# ---- what all clients are ----------------------------------------------------

class Client(threading.Thread):
    def __init__(self, soak):
        super().__init__(daemon=True)
        self.soak = soak
        self.calls = 0

    def connect(self):
        where = random.choice(self.soak.addresses)
        connection = Connection(where, self.soak.patience)
        if random.random() < 0.4:
            connection.ask('HELLO', 3)
        return connection

    def run(self):
        while not self.soak.stop.is_set():
            try:
                self.visit()
            except Closed:
                self.lost()
                time.sleep(0.02)
            except TimeoutError:
                if not self.soak.stop.is_set():
                    self.soak.complain(f'{self.name}: no reply in time')
                self.lost()
            except (AssertionError, ValueError) as e:
                self.soak.complain(f'{self.name}: {e}')
                self.lost()

    def visit(self):
        """One connection from its beginning to its end."""
        raise NotImplementedError

    def lost(self):
        """The connection ended before all replies had come."""


# ---- owners ------------------------------------------------------------------

UNSURE = object()  # as an item: what the server has may be one of two


class Item:
    """What a key holds, and when it must have gone, as long as it is there: the
    server may evict it at any time."""

    def __init__(self, held, gone_at=None):
        self.held = held
        self.gone_at = gone_at


class Owner(Client):
    """Its keys begin with its name and the number of its life. Strings, numbers
    and hashes have keys of their own."""

    def __init__(self, soak):
        super().__init__(soak)
        self.life = 0
        self.items = {}

    def lost(self):
        self.life += 1
        self.items = {}

    def key(self, kind):
        forms = ('%s:%s:%d:%d', 'user:%s%s:%010d:%d', '%s-%s-%d-%08x')
        return random.choice(forms) % (kind, self.name, self.life,
                                       random.randint(0, 40))

    def visit(self):
        connection = self.connect()
        try:
            for _ in range(random.randint(1, 300)):
                if self.soak.stop.is_set():
                    return
                self.converse(connection)
        finally:
            connection.close(random.random() < 0.5)

    def converse(self, connection):
        plan = [self.plan() for _ in range(random.choice([1, 1, 1, 5, 50]))]
        data = b''.join(encoded(call) for call, _ in plan)
        begun = time.time()
        if random.random() < 0.002:
            connection.send(data[:random.randint(0, len(data))])
            raise Closed('of its own will')
        sender = connection.send_beside(data)
        for call, check in plan:
            reply = connection.read()
            self.calls += 1
            if isinstance(reply, Error) and reply.startswith('OOM'):
                continue  # nothing has changed
            check(call, reply, begun)
        sender.join()

    def plan(self):
        kind = random.choice('snh')
        calls = {'s': self.string_call, 'n': self.number_call,
                 'h': self.hash_call}
        if random.random() < 0.2:
            return self.any_call(self.key(kind))
        return calls[kind](self.key(kind))

    # What was there when the call was made; None if it cannot be any more.
    def alive(self, key, begun):
        item = self.items.get(key)
        if item in (None, UNSURE):
            return item
        if item.gone_at is not None and begun > item.gone_at + SLACK:
            del self.items[key]
            return None
        return item

    def wrong(self, call, reply, item):
        held = item.held if isinstance(item, Item) else item
        self.soak.complain(f'{self.name}: {repr(call)[:300]} is answered '
                           f'{repr(reply)[:300]}, it held {repr(held)[:300]}')
        self.items[call[1]] = UNSURE

    def check_read(self, call, reply, begun):
        """Either what it holds, or nothing."""
        item = self.alive(call[1], begun)
        if reply in (None, []):
            self.items.pop(call[1], None)
        elif item is UNSURE:
            pass
        elif item is None or reply != item.held:
            self.wrong(call, reply, item)

    def any_call(self, key):
        ms = random.choice([5, 50, 500, 5000, 60000])
        return random.choice([
            (['DEL', key], self.check_gone), (['UNLINK', key], self.check_gone),
            (['PEXPIRE', key, ms], self.check_deadline),
            (['PERSIST', key], self.check_deadline),
            (['RENAME', key, self.key(key[0])], self.check_rename)
            if key[0] in 'snh' and key[1] in ':-' else
            (['EXISTS', key], lambda call, reply, begun: None)])

    def check_gone(self, call, reply, begun):
        item = self.alive(call[1], begun)
        if reply not in (0, 1) or (reply == 1 and item is None):
            self.wrong(call, reply, item)
        self.items.pop(call[1], None)

    def check_deadline(self, call, reply, begun):
        item = self.alive(call[1], begun)
        if reply == 1 and item is None:
            self.wrong(call, reply, item)
        elif reply == 1 and item is not UNSURE:
            item.gone_at = None if call[0] == 'PERSIST' else (
                time.time() + call[2] / 1000)
        elif reply == 0 and call[0] == 'PEXPIRE':
            self.items.pop(call[1], None)

    def check_rename(self, call, reply, begun):
        item = self.alive(call[1], begun)
        if reply == 'OK' and item is None:
            self.wrong(call, reply, item)
        elif reply == 'OK':
            del self.items[call[1]]
            self.items[call[2]] = item
        else:
            self.items.pop(call[1], None)

    def string_call(self, key):
        new = value()
        script = ("local o = redis.call('GET', KEYS[1]); "
                  "redis.call('SET', KEYS[1], ARGV[1]); return o")
        return random.choice([
            (['GET', key], self.check_read), (['GET', key], self.check_read),
            (['SET', key, new], self.check_set),
            (['SET', key, new, 'PX', random.choice([5, 200, 9000])],
             self.check_set),
            (['SET', key, new, 'GET'], self.check_exchange),
            (['EVAL', script, 1, key, new],
             lambda call, reply, begun: self.check_exchange(
                 ['EVAL', key, new], reply, begun)),
            (['APPEND', key, new], self.check_append),
            (['GETDEL', key], self.check_taken)])

    def check_set(self, call, reply, begun):
        del begun
        if reply != 'OK':
            self.wrong(call, reply, None)
            return
        self.items[call[1]] = Item(call[2], None if len(call) == 3 else
                                   time.time() + call[4] / 1000)

    def check_exchange(self, call, reply, begun):
        if isinstance(reply, Error) and any(
                word in reply for word in ('BUSY', 'OOM', 'memory', 'shutting')):
            self.items[call[1]] = UNSURE  # it had perhaps written before
            return
        self.check_read(call, reply, begun)
        self.items[call[1]] = Item(call[2])

    def check_append(self, call, reply, begun):
        item = self.alive(call[1], begun)
        if isinstance(item, Item) and reply == len(item.held) + len(call[2]):
            item.held += call[2]
        elif reply == len(call[2]):
            self.items[call[1]] = Item(call[2])
        elif item is not UNSURE:
            self.wrong(call, reply, item)

    def check_taken(self, call, reply, begun):
        self.check_read(call, reply, begun)
        self.items.pop(call[1], None)

    def number_call(self, key):
        return ['INCRBY', key, random.randint(1, 1000)], self.check_sum

    def check_sum(self, call, reply, begun):
        item = self.alive(call[1], begun)
        if item is UNSURE and isinstance(reply, int):
            pass
        elif isinstance(item, Item) and reply == item.held + call[2]:
            item.held = reply
        elif reply == call[2]:
            self.items[call[1]] = Item(reply)
        else:
            self.wrong(call, reply, item)

    def hash_call(self, key):
        fields = {b'f%d' % random.randint(0, 60): value()[:3000]
                  for _ in range(random.choice([1, 1, 3, 40]))}
        return random.choice([
            (['HGETALL', key], self.check_hash),
            (['HDEL', key, *fields], self.check_hdel),
            (['HSET', key, *(x for pair in fields.items() for x in pair)],
             self.check_hset)])

    def check_hash(self, call, reply, begun):
        pairs = dict(zip(reply[::2], reply[1::2])) if isinstance(
            reply, list) else reply
        self.check_read(call, pairs if reply else [], begun)

    def check_hset(self, call, reply, begun):
        item = self.alive(call[1], begun)
        added = dict(zip(call[2::2], call[3::2]))
        known = item.held if isinstance(item, Item) else {}
        new = sum(field not in known for field in added)
        if reply == new == len(added) and item is not None:
            self.items[call[1]] = UNSURE  # added, or begun anew
        elif reply == len(added):
            self.items[call[1]] = Item(added)
        elif reply == new and item is not UNSURE:
            item.held = {**known, **added}
        elif item is not UNSURE:
            self.wrong(call, reply, item)

    def check_hdel(self, call, reply, begun):
        item = self.alive(call[1], begun)
        if item is UNSURE:
            return
        there = [] if item is None else [f for f in call[2:] if f in item.held]
        if reply == 0:
            if there:
                self.items.pop(call[1], None)
        elif reply != len(there):
            self.wrong(call, reply, item)
        else:
            item.held = {f: v for f, v in item.held.items() if f not in there}
            if not item.held:
                del self.items[call[1]]


# ---- rogues ------------------------------------------------------------------

class Rogue(Client):
    def visit(self):
        random.choice([self.talk, self.talk, self.talk, self.fill, self.read_late,
                       self.listen, self.transact, self.make_noise])()

    def leave(self, connection):
        connection.close(random.random() < 0.4)

    def say(self, connection, calls):
        """All of it, or a part; then read all replies, or a part."""
        data = b''.join(map(encoded, calls))
        fate = random.random()
        if fate < 0.05:
            connection.send(data[:random.randint(0, len(data))])
            raise Closed('in the middle of a command')
        connection.send_beside(data)
        for _ in calls[:len(calls) // 2 if fate < 0.1 else None]:
            connection.read()
            self.calls += 1
        if fate < 0.1:
            raise Closed('in the middle of replies')

    def talk(self):
        connection = self.connect()
        try:
            for _ in range(random.randint(1, 30)):
                self.say(connection, [sketched(random.choice(CALLS))
                                      for _ in range(random.randint(1, 30))])
                if self.soak.stop.is_set():
                    return
        finally:
            self.leave(connection)

    def fill(self):
        """Many keys of many sizes, some for a short time."""
        connection, base = self.connect(), random.randint(0, 10**6)
        name = random.choice(['fill:%d', 'user:%010d:profile', '%016x', 'a-%d'])
        try:
            self.say(connection, [
                ['SET', name % (base + i), value()] +
                (['PX', random.choice([50, 3000])] if i % 3 == 0 else [])
                for i in range(random.choice([50, 500]))])
        finally:
            self.leave(connection)

    def read_late(self):
        connection = self.connect()
        try:
            connection.ask('SET', 'late', value())
            connection.send_beside(encoded(['GET', 'late']) * 50)
            time.sleep(random.random() * 0.3)
            for _ in range(random.randint(0, 50)):
                connection.read()
        finally:
            self.leave(connection)

    def listen(self):
        connection = self.connect()
        try:
            connection.send(random.choice([
                encoded(['PSUBSCRIBE', '__key*', 'c*']), encoded(['MONITOR']),
                encoded(['SUBSCRIBE', 'c1', 'c2']),
                encoded(['CLIENT', 'TRACKING', 'ON', 'BCAST'])]))
            connection.socket.settimeout(0.1)
            end = time.time() + random.random()
            while time.time() < end and not self.soak.stop.is_set():
                try:
                    connection.receive()
                    connection.buffer.clear()
                except TimeoutError:
                    pass
        finally:
            self.leave(connection)

    def transact(self):
        connection = self.connect()
        try:
            self.say(connection, [
                random.choice([['PING'], ['WATCH', 's', 'n']]), ['MULTI'],
                *(sketched(random.choice(CALLS)) for _ in range(10)),
                random.choice([['EXEC'], ['EXEC'], ['DISCARD']]),
                ['PUBLISH', 'c1', value()]])
        finally:
            self.leave(connection)

    def make_noise(self):
        connection = self.connect()
        try:
            connection.send(random.choice([
                random.randbytes(random.randint(1, 5000)),
                b'*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9999999\r\n' + bytes(99),
                b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', b'*1\r\n$-5\r\n',
                b'\x16\x03\x01' + bytes(50)]))
            connection.socket.settimeout(0.05)
            try:
                connection.receive()
            except TimeoutError:
                pass
        finally:
            self.leave(connection)


# ---- the operator ------------------------------------------------------------

class Operator(Client):
    def settings(self):
        pick, memory = random.choice, self.soak.megabytes
        return [
            ('maxmemory', f'{pick([memory, memory, memory // 2, 2 * memory])}mb'),
            ('maxmemory-policy', pick(['allkeys-lru', 'allkeys-random',
                                       'volatile-ttl', 'noeviction'])),
            ('eviction-weight', pick(['bytes', 'sqrt', 'count'])),
            ('key-interning', pick(['yes', 'no'])),
            ('maxclients', pick(['10000', '40'])),
            ('timeout', pick(['0', '1'])),
            ('client-output-buffer-limit', pick(
                ['normal 0 0 0', 'normal 1mb 500kb 1', 'pubsub 100kb 10kb 1'])),
            ('client-query-buffer-limit', pick(['1gb', '2mb'])),
            ('proto-max-bulk-len', pick(['512mb', '1mb'])),
            ('notify-keyspace-events', pick(['', 'KEA', 'Kg$', 'AKEnm'])),
            ('slowlog-log-slower-than', pick(['-1', '0', '10000'])),
            ('latency-monitor-threshold', pick(['0', '1', '100'])),
            ('hotkey-top-k', pick(['0', '10', '1000'])),
            ('tracking-table-max-keys', pick(['0', '10', '1000000'])),
            ('script-memory-limit', pick(['1mb', '64mb'])),
            ('log-format', pick(['text', 'logfmt']))]

    def visit(self):
        connection = self.connect()
        try:
            while not self.soak.stop.is_set():
                self.act(connection)
                self.calls += 1
                time.sleep(random.random() * 0.05)
        finally:
            connection.close()

    def act(self, connection):
        chosen = random.sample(self.settings(), random.choice([1, 1, 3]))
        random.choice([
            lambda: connection.ask('CONFIG', 'SET', *sum(chosen, ())),
            lambda: connection.ask('CONFIG', 'SET', *sum(chosen, ())),
            self.soak.reload,
            lambda: connection.ask('CONFIG', 'REWRITE'),
            lambda: connection.ask(random.choice(['FLUSHALL', 'FLUSHDB'])),
            lambda: connection.ask('NAMESPACE', 'FLUSH', random.choice(
                ['s:', 'user:', 'fill:', 'none:'])),
            lambda: connection.ask('SWAPDB', 1, 2),
            lambda: connection.ask('MEMORY', 'PURGE'),
            lambda: connection.ask('SCRIPT', 'FLUSH'),
            lambda: connection.ask('CONFIG', 'RESETSTAT'),
            lambda: connection.ask('INFO', 'everything'),
            lambda: connection.ask('CLIENT', 'LIST'),
            lambda: connection.ask('CLIENT', 'PAUSE', random.choice([1, 50]),
                                   random.choice(['WRITE', 'ALL'])),
            lambda: connection.ask('CLIENT', 'KILL', 'TYPE', random.choice(
                ['normal', 'pubsub']), 'SKIPME', 'yes', 'MAXAGE', '1'),
            self.browse])()

    def browse(self):
        path = random.choice(['metrics', 'status.json', 'healthz', 'none', ''])
        try:
            with urllib.request.urlopen(f'{self.soak.web}/{path}',
                                        timeout=self.soak.patience) as answer:
                answer.read()
        except urllib.error.HTTPError as e:
            assert e.code == 404, f'/{path}: status {e.code}'
        except ConnectionError:
            pass  # the server is ending
