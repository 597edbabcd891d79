// SPDX-License-Identifier: BSD-3-Clause
// redlock: a lock that one holds at a time, over ioredis.
import Redis from 'ioredis';
import Redlock from 'redlock';

import { eventually, fails, port, same, versions } from './check.mjs';

versions('redlock', 'ioredis');
const clients = [new Redis(port), new Redis(port)];
await clients[0].flushall();
const patient = new Redlock([clients[0]], { retryCount: 500, retryDelay: 5 });
const hasty = new Redlock([clients[1]], { retryCount: 0 });

const lock = await patient.lock('lock:a', 5000);
same('held', await clients[0].get('lock:a'), lock.value);
await fails('taken', 'to lock the resource', () => hasty.lock('lock:a', 100));
const longer = await lock.extend(10000);
same('extended', await clients[0].pttl('lock:a') > 6000, true);
await longer.unlock();
same('free', await clients[0].exists('lock:a'), 0);
await fails('not held', 'Unable to', () => longer.unlock());

// several resources at once
const both = await patient.lock(['lock:b', 'lock:c'], 5000);
await fails('one is taken', 'to lock the resource',
    () => hasty.lock('lock:c', 100));
await both.unlock();

// a lock that is not given back
await patient.lock('lock:d', 50);
await eventually('expiry', async () => {
    try {
        await (await hasty.lock('lock:d', 100)).unlock();
        return true;
    } catch {
        return false;
    }
});

// one that has expired and is another's by now
const late = await patient.lock('lock:f', 40);
const theirs = await patient.lock('lock:f', 5000);
await fails('not its own', 'Unable to', () => late.unlock());
await fails('not longer', 'extend', () => late.extend(1000));
same('still theirs', await clients[0].get('lock:f'), theirs.value);
await theirs.unlock();

// nobody is in the middle of another's work
let inside = 0;
let done = 0;
await Promise.all(Array.from({ length: 8 }, async (_, i) => {
    const redlock = new Redlock([clients[i % 2]],
        { retryCount: 2000, retryDelay: 2 });
    for (let n = 0; n < 5; n++) {
        const mine = await redlock.lock('lock:e', 20000);
        same('alone', ++inside, 1);
        await new Promise(resolve => setTimeout(resolve, 1));
        inside--;
        done++;
        await mine.unlock();
    }
}));
same('all worked', done, 40);
clients.forEach(client => client.disconnect());
