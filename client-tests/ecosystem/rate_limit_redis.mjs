// SPDX-License-Identifier: BSD-3-Clause
// rate-limit-redis: the store of express-rate-limit, by itself and in a server.
import { rateLimit } from 'express-rate-limit';
import http from 'node:http';
import { RedisStore } from 'rate-limit-redis';
import { createClient } from 'redis';

import { eventually, port, same, versions } from './check.mjs';

versions('rate-limit-redis', 'express-rate-limit', 'redis');
const client = await createClient({ socket: { port } }).connect();
await client.flushAll();
const sendCommand = (...words) => client.sendCommand(words);

const store = new RedisStore({ sendCommand, prefix: 'rl:' });
await store.init({ windowMs: 10000 });
same('first hit', (await store.increment('a')).totalHits, 1);
const second = await store.increment('a');
same('second hit', second.totalHits, 2);
same('window', second.resetTime - Date.now() <= 10000, true);
same('lifetime', await client.pTTL('rl:a') > 8000, true);
await store.decrement('a');
same('get', (await store.get('a')).totalHits, 1);
await store.resetKey('a');
same('reset', await client.exists('rl:a'), 0);
const many = await Promise.all(
    Array.from({ length: 100 }, () => store.increment('b')));
same('every hit counts once', many.map(hit => hit.totalHits)
    .sort((x, y) => x - y), Array.from({ length: 100 }, (_, i) => i + 1));
const brief = new RedisStore({ sendCommand, prefix: 'brief:' });
await brief.init({ windowMs: 30 });
await brief.increment('c');
await eventually('a new window', async () =>
    (await brief.increment('c')).totalHits === 1);

// after the server has forgotten the scripts
await client.sendCommand(['SCRIPT', 'FLUSH']);
same('loaded again', (await store.increment('d')).totalHits, 1);

// the middleware
const limit = rateLimit({ windowMs: 10000, limit: 2, validate: false,
    keyGenerator: () => 'visitor', standardHeaders: 'draft-7',
    store: new RedisStore({ sendCommand, prefix: 'http:' }) });
const server = http.createServer((request, response) => {
    response.status = code => {
        response.statusCode = code;
        return response;
    };
    response.send = text => response.end(text);
    request.app = { get: () => false };
    limit(request, response, () => response.end('welcome'));
});
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}/`;
const seen = [];
for (let i = 0; i < 3; i++)
    seen.push((await fetch(url)).status);
same('the third is too many', seen, [200, 200, 429]);
server.close();
server.closeAllConnections();
await client.close();
