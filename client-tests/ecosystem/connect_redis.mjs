// SPDX-License-Identifier: BSD-3-Clause
// connect-redis: sessions of express-session.
import { RedisStore } from 'connect-redis';
import session from 'express-session';
import http from 'node:http';
import { promisify } from 'node:util';
import { createClient } from 'redis';

import { port, same, versions } from './check.mjs';

versions('connect-redis', 'express-session', 'redis');
const client = await createClient({ socket: { port } }).connect();
await client.flushAll();
const store = new RedisStore({ client, prefix: 'sess:', ttl: 100 });
const call = name => promisify(store[name].bind(store));
const cookie = { originalMaxAge: 100000, path: '/' };

await call('set')('one', { cookie, user: 'ann' });
same('get', (await call('get')('one')).user, 'ann');
same('absent', await call('get')('none') ?? null, null);
same('ttl', await client.ttl('sess:one') > 90, true);
await client.expire('sess:one', 10);
await call('touch')('one', { cookie, user: 'ann' });
same('touch', await client.ttl('sess:one') > 10, true);
await call('set')('two', { cookie, user: 'bob' });
same('length', await call('length')(), 2);
same('ids', (await call('ids')()).sort(), ['one', 'two']);
same('all', (await call('all')()).map(s => s.user).sort(), ['ann', 'bob']);
await call('destroy')('one');
same('destroyed', await client.exists('sess:one'), 0);
await call('clear')();
same('cleared', await call('length')(), 0);

// through the middleware: a counter of visits
const handle = session({ store, secret: 'ecosystem', resave: false,
    saveUninitialized: false });
const server = http.createServer((request, response) =>
    handle(request, response, () => {
        request.session.visits = (request.session.visits ?? 0) + 1;
        response.end(`${request.session.visits}`);
    }));
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}/`;
const first = await fetch(url);
same('first visit', await first.text(), '1');
const headers = { cookie: first.headers.get('set-cookie').split(';')[0] };
same('second visit', await (await fetch(url, { headers })).text(), '2');
same('sessions', await call('length')(), 1);
server.close();
server.closeAllConnections();
await client.close();
