// SPDX-License-Identifier: BSD-3-Clause
// What the Node scripts share: the server's port, checks, outcomes.
import assert from 'node:assert/strict';
import fs from 'node:fs';

export const port = Number(process.env.ASHLAR_PORT);

// Throws unless they are equal.
export function same(what, seen, wanted) {
    assert.deepEqual(seen, wanted, `${what}: ${JSON.stringify(seen)}`);
}

export async function fails(what, text, call) {
    await assert.rejects(call, error => {
        assert.ok(error.message.includes(text), `${what}: ${error.message}`);
        return true;
    }, what);
}

export async function eventually(what, condition) {
    for (let i = 0; i < 250; i++) {
        if (await condition())
            return;
        await new Promise(resolve => setTimeout(resolve, 20));
    }
    assert.fail(what);
}

// A part that is left out because the server lacks a feature.
export function needs(feature, what) {
    console.log(`needs ${feature}: ${what}`);
}

// Print which versions are tried.
export function versions(...names) {
    const text = names.map(name => {
        const file = new URL(`node_modules/${name}/package.json`,
            import.meta.url);
        return `${name} ${JSON.parse(fs.readFileSync(file)).version}`;
    });
    console.log(`version: ${text.join(', ')} on Node ${process.version}`);
}

// Nothing may hang for good.
setTimeout(() => {
    console.log('no end after 60 seconds');
    process.exit(1);
}, 60000).unref();
