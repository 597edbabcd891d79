// SPDX-License-Identifier: BSD-3-Clause
// rate-limiter-flexible: points that are consumed, over ioredis.
import Redis from 'ioredis';
import { BurstyRateLimiter, RateLimiterRedis } from 'rate-limiter-flexible';

import { eventually, port, same, versions } from './check.mjs';

versions('rate-limiter-flexible', 'ioredis');
const storeClient = new Redis(port, { enableOfflineQueue: false });
await new Promise(resolve => storeClient.once('ready', resolve));
await storeClient.flushall();

// What consuming says, be it yes or no.
async function consume(limiter, key, points) {
    try {
        return { yes: true, ...(await limiter.consume(key, points)).toJSON() };
    } catch (answer) {
        if (answer instanceof Error)
            throw answer;
        return { yes: false, ...answer.toJSON() };
    }
}

const limiter = new RateLimiterRedis({ storeClient, keyPrefix: 'points',
    points: 5, duration: 10 });
same('first', (await consume(limiter, 'a')).remainingPoints, 4);
same('three at once', (await consume(limiter, 'a', 3)).remainingPoints, 1);
same('too many', (await consume(limiter, 'a', 2)).yes, false);
same('lifetime', await storeClient.pttl('points:a') > 8000, true);
same('get', (await limiter.get('a')).consumedPoints, 6);
await limiter.reward('a', 3);
same('reward', (await limiter.get('a')).consumedPoints, 3);
await limiter.penalty('a', 1);
same('penalty', (await limiter.get('a')).consumedPoints, 4);
await limiter.block('a', 5);
same('blocked', (await consume(limiter, 'a')).yes, false);
same('delete', await limiter.delete('a'), true);
same('anew', (await consume(limiter, 'a')).remainingPoints, 4);

const all = await Promise.all(
    Array.from({ length: 50 }, () => consume(limiter, 'b')));
same('five of fifty', all.filter(answer => answer.yes).length, 5);

const brief = new RateLimiterRedis({ storeClient, keyPrefix: 'brief',
    points: 1, duration: 1 });
same('once', (await consume(brief, 'c')).yes, true);
same('not twice', (await consume(brief, 'c')).yes, false);
await eventually('a second later', async () =>
    (await consume(brief, 'c')).yes);

const bursty = new BurstyRateLimiter(
    new RateLimiterRedis({ storeClient, keyPrefix: 'even', points: 1,
        duration: 10 }),
    new RateLimiterRedis({ storeClient, keyPrefix: 'burst', points: 2,
        duration: 10 }));
const burst = [];
for (let i = 0; i < 4; i++)
    burst.push((await consume(bursty, 'd')).yes);
same('a burst', burst, [true, true, true, false]);
storeClient.disconnect();
