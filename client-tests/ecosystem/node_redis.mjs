// SPDX-License-Identifier: BSD-3-Clause
// node-redis, over RESP3 (its default) and RESP2.
import { createClient } from 'redis';

import { eventually, fails, needs, port, same, versions } from './check.mjs';

versions('redis');
for (const RESP of [3, 2]) {
    const open = () => createClient({ socket: { port }, RESP })
        .on('error', error => console.log(`${error}`)).connect();
    const r = await open(), other = await open();

    await r.flushAll();
    same('ping', await r.ping(), 'PONG');
    same('set', await r.set('a', '1', { EX: 100 }), 'OK');
    same('get', await r.get('a'), '1');
    same('ttl', await r.ttl('a') > 90, true);
    same('absent', await r.get('absent'), null);
    same('set nx', await r.set('a', '2', { NX: true }), null);
    same('getEx', await r.getEx('a', { type: 'EX', value: 50 }), '1');
    same('getDel', await r.getDel('a'), '1');
    await r.set('soon', 'x', { PX: 20 });
    await eventually('expiry', async () => await r.exists('soon') === 0);

    same('mSet', await r.mSet({ 'm:1': 'a', 'm:2': 'b' }), 'OK');
    same('mGet', await r.mGet(['m:1', 'none', 'm:2']), ['a', null, 'b']);
    const found = [];
    for await (const keys of r.scanIterator({ MATCH: 'm:*' }))
        found.push(...keys);
    same('scan', found.sort(), ['m:1', 'm:2']);
    same('del', await r.del(['m:1', 'm:2', 'none']), 2);
    same('incr', [await r.incr('n'), await r.incrBy('n', 5), await r.decr('n')],
        [1, 6, 5]);
    same('incrByFloat', Number(await r.incrByFloat('f', 1.5)), 1.5);

    same('pipeline', (await Promise.all(Array.from({ length: 500 },
        (_, i) => r.set(`p:${i}`, `${i}`)))).every(x => x === 'OK'), true);
    same('multi', await r.multi().set('t', '1').incr('t').exec(), ['OK', 2]);
    await r.watch('t');
    await other.set('t', '9');
    await fails('watch', 'watched keys has been changed',
        () => r.multi().set('t', '1').exec());

    const sub = await open(), heard = [];
    await sub.subscribe('news', (message, channel) =>
        heard.push([channel, message]));
    await sub.pSubscribe('n*', (message, channel) =>
        heard.push([`n* ${channel}`, message]));
    await sub.sSubscribe('shard', message => heard.push(['shard', message]));
    same('publish', await r.publish('news', 'hello'), 2);
    same('sPublish', await r.sPublish('shard', 'hi'), 1);
    await eventually('messages', () => heard.length === 3);
    same('heard', heard.sort(),
        [['n* news', 'hello'], ['news', 'hello'], ['shard', 'hi']]);
    await sub.unsubscribe('news');
    same('after unsubscribe', await r.publish('news', 'again'), 1);

    await r.set('text', 'x');
    await fails('wrong type', 'not an integer', () => r.incr('text'));
    await fails('unknown', 'unknown command', () => r.sendCommand(['NOSUCH']));
    same('info', (await r.info()).includes('redis_version:7.0.15'), true);
    same('configGet', { ...await r.configGet('maxclients') },
        { maxclients: '10000' });
    same('dbSize', await r.dbSize() > 0, true);

    if ((await r.sendCommand(['COMMAND', 'INFO', 'EVALSHA']))[0] !== null)
        same('eval', await r.eval('return ARGV[1]', { arguments: ['x'] }), 'x');
    else if (RESP === 3)
        needs('scripts', "node-redis's eval, evalSha, defineScript");
    if ((await r.sendCommand(['COMMAND', 'INFO', 'HSET']))[0] !== null) {
        await r.hSet('h', { a: '1' });
        same('hash', { ...await r.hGetAll('h') }, { a: '1' });
    } else if (RESP === 3) {
        needs('hashes', "node-redis's hSet, hGetAll");
    }
    for (const client of [r, other, sub])
        await client.close();
}
