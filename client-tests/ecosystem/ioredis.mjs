// SPDX-License-Identifier: BSD-3-Clause
// ioredis, over RESP3 (its default) and RESP2.
import Redis from 'ioredis';

import { eventually, fails, needs, port, same, versions } from './check.mjs';

versions('ioredis');
for (const protocol of [3, 2]) {
    const options = { port, protocol };
    const r = new Redis(options), other = new Redis(options);

    await r.flushall();
    same('ping', await r.ping(), 'PONG');
    same('set', await r.set('a', '1', 'EX', 100), 'OK');
    same('get', await r.get('a'), '1');
    same('ttl', await r.ttl('a') > 90, true);
    same('absent', await r.get('absent'), null);
    same('set nx', await r.set('a', '2', 'NX'), null);
    await r.set('bytes', Buffer.alloc(200000, 7));
    same('bytes', (await r.getBuffer('bytes')).equals(Buffer.alloc(200000, 7)),
        true);
    await r.set('soon', 'x', 'PX', 20);
    await eventually('expiry', async () => await r.exists('soon') === 0);

    same('mset', await r.mset({ 'm:1': 'a', 'm:2': 'b' }), 'OK');
    same('mget', await r.mget('m:1', 'none', 'm:2'), ['a', null, 'b']);
    const found = [];
    for await (const keys of r.scanStream({ match: 'm:*' }))
        found.push(...keys);
    same('scan', found.sort(), ['m:1', 'm:2']);
    same('del', await r.del('m:1', 'm:2', 'none'), 2);
    same('unlink', await r.unlink('bytes'), 1);
    same('incr', [await r.incr('n'), await r.incrby('n', 5), await r.decr('n')],
        [1, 6, 5]);

    const pipeline = r.pipeline();
    for (let i = 0; i < 500; i++)
        pipeline.set(`p:${i}`, i);
    same('pipeline', (await pipeline.exec()).every(
        ([error, reply]) => error === null && reply === 'OK'), true);
    same('multi', await r.multi().set('t', 1).incr('t').exec(),
        [[null, 'OK'], [null, 2]]);
    await r.watch('t');
    await other.set('t', 9);
    same('watch', await r.multi().set('t', 1).exec(), null);

    const sub = new Redis(options), heard = [];
    sub.on('message', (channel, message) => heard.push([channel, message]));
    sub.on('pmessage', (pattern, channel) => heard.push([pattern, channel]));
    same('subscribe', await sub.subscribe('news'), 1);
    same('psubscribe', await sub.psubscribe('n*'), 2);
    same('publish', await r.publish('news', 'hello'), 2);
    await eventually('messages', () => heard.length === 2);
    same('heard', heard.sort(), [['n*', 'news'], ['news', 'hello']]);

    await r.set('text', 'x');
    await fails('wrong type', 'not an integer', () => r.incr('text'));
    await fails('unknown', 'unknown command', () => r.call('NOSUCH'));
    same('info', (await r.info()).includes('redis_version:7.0.15'), true);
    same('config', await r.config('GET', 'maxclients'), ['maxclients', '10000']);

    // a lost connection comes back, and commands wait for it
    const id = await r.client('ID');
    await other.client('KILL', 'ID', id);
    await eventually('reconnected', async () => await r.client('ID') !== id);
    same('after reconnect', await r.get('t'), '9');

    if ((await r.call('COMMAND', 'INFO', 'EVALSHA'))[0] !== null) {
        r.defineCommand('echo2', { numberOfKeys: 1, lua: 'return ARGV[1]' });
        same('script', await r.echo2('k', 'x'), 'x');
    } else if (protocol === 3) {
        needs('scripts', "ioredis's eval, defineCommand");
    }
    if ((await r.call('COMMAND', 'INFO', 'HSET'))[0] !== null) {
        await r.hset('h', { a: '1' });
        same('hash', await r.hgetall('h'), { a: '1' });
    } else if (protocol === 3) {
        needs('hashes', "ioredis's hset, hgetall");
    }
    for (const client of [r, other, sub])
        await client.quit();
}
