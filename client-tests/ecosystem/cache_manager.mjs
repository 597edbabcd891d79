// SPDX-License-Identifier: BSD-3-Clause
// cache-manager with keyv's Redis adapter, alone and behind memory.
import KeyvRedis from '@keyv/redis';
import { createCache } from 'cache-manager';
import Keyv from 'keyv';

import { eventually, port, same, versions } from './check.mjs';

versions('cache-manager', 'keyv', '@keyv/redis');
const url = `redis://127.0.0.1:${port}`;
const redis = () => new Keyv({ store: new KeyvRedis(url), namespace: 'cm' });
const cache = createCache({ stores: [redis()], ttl: 100000 });
const tiered = createCache({ stores: [new Keyv(), redis()] });

await cache.clear();
same('set', await cache.set('a', { x: 1 }), { x: 1 });
same('get', await cache.get('a'), { x: 1 });
same('absent', await cache.get('none'), undefined);
same('ttl', await cache.ttl('a') > Date.now(), true);
await cache.set('soon', 1, 30);
await eventually('expiry', async () => await cache.get('soon') === undefined);
await cache.mset([{ key: 'm1', value: 1 }, { key: 'm2', value: 2 }]);
same('mget', await cache.mget(['m1', 'none', 'm2']), [1, undefined, 2]);
same('mdel', await cache.mdel(['m1', 'm2']), true);
let calls = 0;
for (let i = 0; i < 3; i++)
    same('wrap', await cache.wrap('w', async () => ++calls, 10000), 1);
same('calls', calls, 1);
same('other tier', await tiered.get('w'), 1);
await tiered.set('t', 'both');
same('through', await cache.get('t'), 'both');
same('del', await cache.del('a'), true);
await cache.clear();
same('cleared', await cache.get('t'), undefined);
await cache.disconnect();
await tiered.disconnect();
