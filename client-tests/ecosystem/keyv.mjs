// SPDX-License-Identifier: BSD-3-Clause
// keyv with its Redis adapter.
import KeyvRedis from '@keyv/redis';
import Keyv from 'keyv';

import { eventually, port, same, versions } from './check.mjs';

versions('keyv', '@keyv/redis', '@redis/client');
const url = `redis://127.0.0.1:${port}`;
const users = new Keyv({ store: new KeyvRedis(url), namespace: 'users' });
const pages = new Keyv({ store: new KeyvRedis(url), namespace: 'pages' });
const errors = [];
for (const keyv of [users, pages])
    keyv.on('error', error => errors.push(`${error}`));

await users.clear();
await pages.clear();
same('set', await users.set('ann', { age: 30, tags: ['a'] }), true);
same('get', await users.get('ann'), { age: 30, tags: ['a'] });
same('absent', await users.get('bob'), undefined);
same('has', [await users.has('ann'), await users.has('bob')], [true, false]);
await users.set('soon', 1, 1000);
same('alive', await users.get('soon'), 1);
await eventually('expiry', async () => await users.get('soon') === undefined);
await users.setMany(
    [{ key: 'k1', value: 1 }, { key: 'k2', value: 2, ttl: 100000 }]);
same('getMany', await users.get(['k1', 'none', 'k2']), [1, undefined, 2]);
same('deleteMany', await users.delete(['k1', 'k2']), true);
same('delete', await users.delete('none'), false);
await pages.set('ann', 'page');
const found = [];
for await (const [key] of users.iterator())
    found.push(key);
same('iterator', found, ['ann']);
await users.clear();
same('cleared', await users.get('ann'), undefined);
same('other namespace', await pages.get('ann'), 'page');
same('errors', errors, []);
await users.disconnect();
await pages.disconnect();
