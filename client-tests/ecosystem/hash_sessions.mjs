// SPDX-License-Identifier: BSD-3-Clause
// express-session with its sessions in hashes: a field for each of a session's
// own, so that one can be read, counted or left to expire by itself. The store
// is written here, over node-redis: those of npm keep a session as one string.
import session from 'express-session';
import http from 'node:http';
import { promisify } from 'node:util';
import { createClient } from 'redis';

import { eventually, port, same, versions } from './check.mjs';

versions('express-session', 'redis');
const client = await createClient({ socket: { port } }).connect();
await client.flushAll();

class HashStore extends session.Store {
    key(id) {
        return `hsess:${id}`;
    }
    ttl(data) {
        return Math.ceil((data.cookie?.originalMaxAge ?? 86400000) / 1000);
    }
    answer(promise, done) {
        promise.then(value => done?.(null, value), done);
    }
    get(id, done) {
        this.answer(client.hGetAll(this.key(id)).then(fields => {
            const entries = Object.entries(fields);
            return entries.length === 0 ? null : Object.fromEntries(
                entries.map(([name, text]) => [name, JSON.parse(text)]));
        }), done);
    }
    set(id, data, done) {
        const fields = Object.fromEntries(Object.entries(data)
            .filter(([, value]) => value !== undefined)
            .map(([name, value]) => [name, JSON.stringify(value)]));
        this.answer(client.multi().del(this.key(id))
            .hSet(this.key(id), fields)
            .expire(this.key(id), this.ttl(data)).exec(), done);
    }
    touch(id, data, done) {
        this.answer(client.multi()
            .hSet(this.key(id), 'cookie', JSON.stringify(data.cookie))
            .expire(this.key(id), this.ttl(data)).exec(), done);
    }
    destroy(id, done) {
        this.answer(client.del(this.key(id)), done);
    }
}

const store = new HashStore();
const call = name => promisify(store[name].bind(store));
const cookie = { originalMaxAge: 100000, path: '/' };

// the store by itself
await call('set')('one', { cookie, user: 'ann', tags: ['a', 'b'], n: 1 });
same('type', await client.type('hsess:one'), 'hash');
same('get', await call('get')('one'),
    { cookie, user: 'ann', tags: ['a', 'b'], n: 1 });
same('one field', await client.hGet('hsess:one', 'user'), '"ann"');
same('absent', await call('get')('none'), null);
same('ttl', await client.ttl('hsess:one') > 90, true);
await client.expire('hsess:one', 10);
await call('touch')('one', { cookie });
same('touch', await client.ttl('hsess:one') > 10, true);
same('count', await client.hIncrBy('hsess:one', 'n', 41), 42);
await call('set')('one', { cookie, user: 'bob' });
same('nothing is left', await call('get')('one'), { cookie, user: 'bob' });

// a field that goes before its session does
await client.hSet('hsess:one', 'code', '"1234"');
same('deadline', await client.hpExpire('hsess:one', ['code'], 60), [1]);
same('there', (await call('get')('one')).code, '1234');
await eventually('the code is gone', async () =>
    (await call('get')('one')).code === undefined);
same('the rest is not', (await call('get')('one')).user, 'bob');
same('set with a deadline', await client.hSetEx('hsess:one',
    { token: '"t"' }, { expiration: { type: 'EX', value: 50 } }), 1);
same('its time', (await client.hTTL('hsess:one', ['token']))[0] > 40, true);

// a session that ends
await call('set')('brief', { cookie: { originalMaxAge: 1 }, user: 'eve' });
await client.pExpire('hsess:brief', 30);
await eventually('the session is gone', async () =>
    await call('get')('brief') === null);
await call('destroy')('one');
same('destroyed', await client.exists('hsess:one'), 0);

// many at once
await Promise.all(Array.from({ length: 200 }, (_, i) =>
    call('set')(`m${i}`, { cookie, user: `u${i}`, visits: i })));
const users = await Promise.all(Array.from({ length: 200 }, (_, i) =>
    call('get')(`m${i}`)));
same('each has its own', users.map(data => data.visits),
    Array.from({ length: 200 }, (_, i) => i));

// through the middleware: a counter of visits, and signing out
const handle = session({ store, secret: 'ecosystem', resave: false,
    saveUninitialized: false, cookie: { maxAge: 100000 } });
const server = http.createServer((request, response) =>
    handle(request, response, () => {
        if (request.url === '/out') {
            request.session.destroy(() => response.end('bye'));
            return;
        }
        request.session.visits = (request.session.visits ?? 0) + 1;
        response.end(`${request.session.visits}`);
    }));
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}/`;
const first = await fetch(url);
same('first visit', await first.text(), '1');
const sent = first.headers.get('set-cookie').split(';')[0];
const headers = { cookie: sent };
const key = `hsess:${decodeURIComponent(sent).split(':')[1].split('.')[0]}`;
same('second visit', await (await fetch(url, { headers })).text(), '2');
same('in the hash', await client.hGet(key, 'visits'), '2');
same('signed out', await (await fetch(`${url}out`, { headers })).text(), 'bye');
same('gone', await client.exists(key), 0);
same('a new one', await (await fetch(url, { headers })).text(), '1');
server.close();
server.closeAllConnections();
await client.close();
