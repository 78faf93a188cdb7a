// How programs load the package, and how they end.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import * as aspen from 'aspen';
import byDefault from 'aspen';
import { closing, directory, embedded, network, program } from './help.mjs';

const ended = (result) => {
  assert.equal(result.signal, null, `killed: it did not end by itself\n${result.out}`);
  assert.equal(result.code, 0, result.out);
};

test('import and require give the same module', () => {
  const required = createRequire(import.meta.url)('aspen');
  assert.equal(required.AspenError, aspen.AspenError);
  assert.equal(byDefault, required);
  const imported = Object.keys(aspen).filter((name) => name !== 'default');
  assert.deepEqual(imported.sort(), Object.keys(required).sort());
  assert.match(aspen.version, /^\d+\.\d+\.\d+$/);
  assert.ok(Object.values(aspen.limits).every((limit) => limit > 0));
});

test('a program ends by itself once its node is closed', async (t) => {
  ended(await program(`
    import { open } from 'aspen';
    const node = await open(${JSON.stringify(path.join(directory(t), 'data'))});
    await node.kv.put('k', 'v');
    await node.close();`));
});

test('a program waits for its calls, but not for an idle store', async (t) => {
  const result = await program(`
    import { open } from 'aspen';
    const node = await open(${JSON.stringify(path.join(directory(t), 'data'))});
    node.kv.put('k', 'v').then(() => console.log('put'));`);
  ended(result);
  assert.equal(result.out.trim(), 'put');
});

test('a member keeps its program running until it is closed, or unref', async (t) => {
  const source = (last) => `
    import { found } from 'aspen';
    const dir = ${JSON.stringify(path.join(directory(t), 'data'))};
    const node = await found({ dir, listen: '127.0.0.1:0' });
    ${last}`;
  ended(await program(source('await node.close();')));
  ended(await program(source('node.unref();')));
  ended(await program(source('node.unref().ref().ref().unref();')));
  const result = await program(source(`console.log('serving')`), { timeoutMs: 3000 });
  assert.equal(result.signal, 'SIGKILL');
  assert.equal(result.out.trim(), 'serving');
});

test('process.exit closes open nodes', async (t) => {
  const dir = path.join(directory(t), 'data');
  // The second listener sees that the package's own has closed the node: another process can open it.
  const reopen = `
    import { open } from 'aspen';
    const node = await open(${JSON.stringify(dir)});
    console.log((await node.kv.get('k')).value.toString());
    await node.close();`;
  const result = await program(`
    import { spawnSync } from 'node:child_process';
    import { open } from 'aspen';
    const node = await open(${JSON.stringify(dir)});
    await node.kv.put('k', 'released');
    for (let i = 0; i < 100; ++i) node.kv.put('k' + i, 'v').catch(() => {});
    process.on('exit', () => {
      const other = ['--input-type=module', '--eval', ${JSON.stringify(reopen)}];
      process.stdout.write(spawnSync(process.execPath, other).stdout);
    });
    process.exit(0);`);
  ended(result);
  assert.equal(result.out.trim(), 'released');
});

test('an uncaught error ends the program with its own code', async (t) => {
  const result = await program(`
    import { open } from 'aspen';
    const node = await open(${JSON.stringify(path.join(directory(t), 'data'))});
    await node.kv.put('', 'v');`);
  assert.equal(result.code, 1, result.out);
  assert.match(result.out, /AspenError/);
});

test('worker threads have nodes of their own', { timeout: 60_000 }, async (t) => {
  const { nodes, ticket } = await network(t, 1);
  const workers = Array.from({ length: 4 }, (_, i) => new Worker(`
    const { parentPort } = require('node:worker_threads');
    const aspen = require('aspen');
    (async () => {
      const client = await aspen.connect(${JSON.stringify(ticket)});
      await Promise.all(Array.from({ length: 100 }, (_, k) => client.kv.put('w${i}/' + k, 'v')));
      const error = await client.kv.put('', '').catch((error) => error);
      parentPort.postMessage(error instanceof aspen.AspenError && error.code);
      await client.close();
    })();`, { eval: true }));
  await Promise.all(workers.map(async (worker) => {
    let code;
    worker.on('message', (message) => (code = message));
    const exited = new Promise((resolve, reject) => worker.once('error', reject).once('exit', resolve));
    assert.equal(await exited, 0);
    assert.equal(code, 'INVALID_ARGUMENT');
  }));
  let count = 0;
  for await (const _ of nodes[0].kv.range({ prefix: 'w', keysOnly: true })) ++count;
  assert.equal(count, 400);
});

test('a worker can be terminated in the middle of its calls', { timeout: 60_000 }, async (t) => {
  const node = await embedded(t);
  for (let round = 0; round < 5; ++round) {
    const dir = path.join(directory(t), 'data');
    const worker = new Worker(`
      const { parentPort } = require('node:worker_threads');
      const aspen = require('aspen');
      (async () => {
        const node = await aspen.open(${JSON.stringify(dir)});
        parentPort.postMessage('open');
        const put = (i) => node.kv.put('k' + i, 'v').then(() => put(i));
        for (let i = 0; i < 100; ++i) put(i);
        const both = (i) => node.kv.batch().put('b' + i, 'v').transaction((b) => b.get('b' + i)).apply()
          .then(() => both(i));
        for (let i = 0; i < 10; ++i) both(i);
      })();`, { eval: true });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await new Promise((resolve) => setTimeout(resolve, 20 * round));
    await Promise.all([worker.terminate(), node.kv.put('k', String(round))]);
    await (await aspen.open(dir)).close();  // released
  }
  assert.equal((await node.kv.get('k')).value.toString(), '4');
});

test('a node that is dropped without close is closed by the collector', { timeout: 60_000 }, async (t) => {
  const result = await program(`
    import { open } from 'aspen';
    const dir = ${JSON.stringify(path.join(directory(t), 'data'))};
    await (async () => { await (await open(dir)).kv.put('k', 'v'); })();
    for (let i = 0; ; ++i) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 20));
      const node = await open(dir).catch((error) => error);
      if (node.kv) { await node.close(); console.log('released'); break; }
    }`, { flags: ['--expose-gc'] });
  ended(result);
  assert.equal(result.out.trim(), 'released');
});

// Runs a program that opens `node` and defines `round`, and asserts that many more rounds take no memory. A leak of
// all it is sent or sends must be far more than `allowedMib`.
async function leavesNoMemory(t, definitions, { rounds, allowedMib }) {
  const result = await program(`
    import { open } from 'aspen';
    const node = await open(${JSON.stringify(path.join(directory(t), 'data'))});
    ${definitions}
    const used = async () => {
      for (let i = 0; i < 3; ++i) { gc(); await new Promise(setImmediate); }
      return process.memoryUsage().rss / 2 ** 20;
    };
    for (let i = 0; i < 30; ++i) await round();
    const before = await used();
    for (let i = 0; i < ${rounds}; ++i) await round();
    const after = await used();
    console.log(JSON.stringify({ before, after }));
    await node.close();`, { flags: ['--expose-gc'], timeoutMs: 150_000 });
  ended(result);
  const { before, after } = JSON.parse(result.out);
  t.diagnostic(`resident MiB: ${before.toFixed(1)} after warming up, ${after.toFixed(1)} after the calls`);
  assert.ok(after < before + allowedMib, result.out);
}

test('100,000 calls leave no memory behind', { timeout: 180_000 }, async (t) => {
  // Leaking only the 1 KiB values would be 100 MiB.
  await leavesNoMemory(t, `
    for (let i = 0; i < 10; ++i) await node.kv.put('k' + i, Buffer.alloc(1024, i));
    const round = async () => {
      await Promise.all(Array.from({ length: 990 }, (_, i) => node.kv.get('k' + i % 10)));
      await Promise.all(Array.from({ length: 10 }, async () => node.kv.get('').catch(() => {})));
      for await (const entry of node.kv.range()) if (!entry.key) throw entry;
      const controller = new AbortController();
      const cancelled = node.kv.get('k1', { signal: controller.signal }).catch(() => {});
      controller.abort();
      await cancelled;
    };`, { rounds: 100, allowedMib: 24 });
});

test('transactions leave no memory behind', { timeout: 180_000 }, async (t) => {
  // Leaking the batches that are dropped, refused or half made would be 3,000 MiB, the entries 100 MiB.
  await leavesNoMemory(t, `
    const large = Buffer.alloc(1 << 20, 1);
    for (let i = 0; i < 10; ++i) await node.kv.put('k' + i, Buffer.alloc(1024, i));
    const round = async () => {
      for (let i = 0; i < 10; ++i) {
        node.kv.batch().put('k', large);
        await node.kv.batch().put('k', large).get('').apply().catch(() => {});
        try { node.kv.batch().put('k', large).else(() => { throw new Error(); }); } catch {}
      }
      await Promise.all(Array.from({ length: 10 }, async () => {
        const { results } = await node.kv.batch()
          .range()
          .transaction((b) => b.check('none', { present: true }).else((e) => e.get('k1')))
          .apply();
        if (results[0].entries.length !== 10 || results[1].results[0].entry === null) throw results;
      }));
    };`, { rounds: 100, allowedMib: 48 });
});

test('batches that are dropped do not pile up until the collector happens to run', async (t) => {
  const result = await program(`
    import { open } from 'aspen';
    const node = await open(${JSON.stringify(path.join(directory(t), 'data'))});
    const large = Buffer.alloc(1 << 20, 1);
    let most = 0;
    for (let i = 0; i < 1500; ++i) {
      node.kv.batch().put('k', large);
      if (i % 50 === 0) await new Promise(setImmediate);
      most = Math.max(most, process.memoryUsage().rss / 2 ** 20);
    }
    console.log(most);
    await node.close();`);
  ended(result);
  assert.ok(Number(result.out) < 800, `${result.out} MiB of 1500`);
});
