// Backups, networks that begin with one, and verification.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { closing, directory, network, rejects } from './help.mjs';

async function contents(kv) {
  const found = {};
  for await (const { key, value } of kv.range()) found[key] = value.toString();
  return found;
}

async function fill(kv) {
  for (let i = 0; i < 100; ++i) await kv.put(`k${i}`, `v${i}`);
  await kv.delete('k50');
  await kv.setQuota('q/', { keysMax: 5 });
  return contents(kv);
}

test('a new node begins with a backup', { timeout: 120_000 }, async (t) => {
  const dir = directory(t);
  const at = (name) => path.join(dir, name);
  const node = closing(t, await aspen.open(at('a')));
  const before = await fill(node.kv);
  const manifest = await node.backup(at('backup'));
  assert.ok(manifest.keys === 99 && manifest.revision > 0, JSON.stringify(manifest));
  await node.kv.put('later', 'v');
  await rejects(node.backup(at('backup')), { code: 'ALREADY_EXISTS' });
  await assert.rejects(node.backup(0), RangeError);
  await assert.rejects(node.backup(), TypeError);

  const restored = closing(t, await aspen.open(at('b'), { restoreFrom: at('backup') }));
  assert.deepEqual(await contents(restored.kv), before);
  assert.deepEqual((await restored.kv.quotas()).map(({ prefix }) => String(prefix)), ['q/']);
  assert.ok(await restored.kv.put('new', 'v') > BigInt(manifest.revision));
  const listen = '127.0.0.1:0';
  const founder = closing(t, await aspen.found({ dir: at('c'), listen, restoreFrom: at('backup') }));
  assert.deepEqual(await contents(founder.kv), before);
  await restored.close();
  await rejects(aspen.open(at('b'), { restoreFrom: at('backup') }), { code: 'ALREADY_EXISTS' });
  await rejects(aspen.open(at('d'), { restoreFrom: at('none') }), { code: 'NOT_FOUND' });
});

test('a backup as a stream', { timeout: 120_000 }, async (t) => {
  const dir = directory(t);
  const node = closing(t, await aspen.open(path.join(dir, 'a')));
  const before = await fill(node.kv);
  const archive = path.join(dir, 'backup.tar');
  const descriptor = fs.openSync(archive, 'w');
  await node.backup(descriptor);
  fs.closeSync(descriptor);
  fs.mkdirSync(path.join(dir, 'backup'));
  const [code] = await once(spawn('tar', ['-xf', archive, '-C', path.join(dir, 'backup')]), 'exit');
  assert.equal(code, 0);
  const restored = closing(t, await aspen.open(path.join(dir, 'b'), { restoreFrom: path.join(dir, 'backup') }));
  assert.deepEqual(await contents(restored.kv), before);
});

test('verification', { timeout: 120_000 }, async (t) => {
  const dir = directory(t);
  const [data, backup] = [path.join(dir, 'a'), path.join(dir, 'backup')];
  const node = closing(t, await aspen.open(data));
  await fill(node.kv);
  await node.backup(backup);
  await rejects(aspen.verify(data), { code: 'IN_USE' });
  await node.close();
  const good = await aspen.verify(data);
  assert.deepEqual([good.ok, good.kind, good.problems, good.state.keys], [true, 'node', [], 99]);
  assert.equal((await aspen.verify(backup)).kind, 'backup');
  await rejects(aspen.verify(dir), { code: 'NOT_FOUND' });
  await assert.rejects(aspen.verify(1), TypeError);
  const files = fs.readdirSync(backup, { recursive: true }).map((name) => path.join(backup, name))
    .filter((name) => fs.statSync(name).isFile());
  const largest = files.sort((a, b) => fs.statSync(b).size - fs.statSync(a).size)[0];
  const content = fs.readFileSync(largest);
  content[content.length >> 1] ^= 1;
  fs.writeFileSync(largest, content);
  const bad = await aspen.verify(backup);
  assert.equal(bad.ok, false);
  assert.ok(bad.problems.length > 0 && bad.problems.every(({ code, message }) => code && message));
  await assert.rejects(aspen.open(path.join(dir, 'b'), { restoreFrom: backup }), aspen.AspenError);
});

test('a backup of a running network, from a client', { timeout: 120_000 }, async (t) => {
  const { dir, ticket } = await network(t, 3);
  const client = closing(t, await aspen.connect(ticket));
  const before = await fill(client.kv);
  await client.backup(path.join(dir, 'backup'), { timeoutMs: 60_000 });
  await client.backup(path.join(dir, 'stale'), { stale: true });
  const restored = closing(t, await aspen.open(path.join(dir, 'new'), { restoreFrom: path.join(dir, 'backup') }));
  assert.deepEqual(await contents(restored.kv), before);
});
