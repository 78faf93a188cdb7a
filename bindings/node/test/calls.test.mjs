// Many calls, cancelled calls, late calls, and calls on a node that closes.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { embedded, network, rejects } from './help.mjs';

// A node whose writes cannot complete: the other two of its three members are gone.
async function stuck(t) {
  const { nodes } = await network(t, 3);
  await nodes[0].kv.put('before', '1');
  await Promise.all([nodes[1].close(), nodes[2].close()]);
  return nodes[0];
}

test('1,000 concurrent puts', async (t) => {
  const { kv } = await embedded(t);
  const revisions = await Promise.all(Array.from({ length: 1000 }, (_, i) => kv.put(`k${i}`, `v${i}`)));
  assert.equal(new Set(revisions).size, 1000);
  const values = await Promise.all(Array.from({ length: 1000 }, (_, i) => kv.get(`k${i}`)));
  values.forEach((entry, i) => assert.equal(entry.value.toString(), `v${i}`));
});

test('more in flight than the limit are refused, and the others done', async (t) => {
  const { kv } = await embedded(t);
  const results = await Promise.allSettled(
    Array.from({ length: aspen.limits.opsInFlight + 1000 }, (_, i) => kv.put(`k${i % 10}`, 'v')));
  const failed = results.filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
  for (const error of failed) {
    assert.equal(error.code, 'OVERLOADED');
    assert.equal(error.applied, 'no');
    assert.equal(error.retryable, true);
  }
  assert.ok(results.length - failed.length >= aspen.limits.opsInFlight);
  await kv.put('after', 'v');
});

test('an aborted signal stops a call before it begins', async (t) => {
  const { kv } = await embedded(t);
  const reason = new Error('enough');
  await rejects(kv.put('k', 'v', { signal: AbortSignal.abort(reason) }), {
    code: 'CANCELLED', applied: 'no', retryable: false, cause: reason,
  });
  assert.equal(await kv.get('k'), null);
});

test('calls on one signal share a listener, and leave none', async (t) => {
  const { kv } = await embedded(t);
  const controller = new AbortController();
  let listeners = 0;
  let most = 0;
  const { signal } = controller;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args) => {
    most = Math.max(most, ++listeners);
    add(...args);
  };
  signal.removeEventListener = (...args) => {
    --listeners;
    remove(...args);
  };
  await Promise.all(Array.from({ length: 20 }, (_, i) => kv.put(`k${i}`, 'v', { signal })));
  assert.equal(listeners, 0);
  assert.equal(most, 1);
  controller.abort();  // too late for all of them
  assert.equal((await kv.get('k7')).value.toString(), 'v');
});

test('an error shows who called', async (t) => {
  const { kv } = await embedded(t);
  async function putsNothing() {
    await kv.put('', '');
  }
  await assert.rejects(putsNothing(), (error) => {
    assert.equal(error.name, 'AspenError');
    assert.match(error.stack, /at async putsNothing/);
    return true;
  });
});

test('without a majority', { timeout: 120_000 }, async (t) => {
  const node = await stuck(t);

  await t.test('a call ends at its deadline', async () => {
    const begin = performance.now();
    await rejects(node.kv.put('k', 'v', { timeoutMs: 300 }), { code: 'DEADLINE_EXCEEDED', retryable: true });
    const took = performance.now() - begin;
    assert.ok(took >= 290 && took < 3000, `took ${took} ms`);
  });

  await t.test('abort ends a call, with the reason', async () => {
    const controller = new AbortController();
    const call = node.kv.put('k', 'v', { signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    const begin = performance.now();
    await rejects(call, { code: 'CANCELLED' });
    const withReason = (error) => error.cause !== undefined && error.cause === controller.signal.reason;
    await assert.rejects(call, withReason);
    assert.ok(performance.now() - begin < 3000);
  });

  await t.test('one signal ends many calls, and only those', async () => {
    const controller = new AbortController();
    const other = node.kv.put('other', 'v', { timeoutMs: 500 });
    const { signal } = controller;
    const calls = Array.from({ length: 100 }, (_, i) => node.kv.put(`k${i}`, 'v', { signal }));
    setTimeout(() => controller.abort(), 20);
    const results = await Promise.allSettled(calls);
    assert.ok(results.every(({ reason }) => reason?.code === 'CANCELLED'));
    await rejects(other, { code: 'DEADLINE_EXCEEDED' });
  });

  await t.test('a range ends at its deadline too', async () => {
    await rejects(node.kv.range({ timeoutMs: 200 }).next(), { code: /DEADLINE_EXCEEDED|UNAVAILABLE/ });
    // What the node itself has can still be read.
    assert.equal((await node.kv.get('before', { stale: true })).value.toString(), '1');
  });

  await t.test('close completes what is in flight with SHUTDOWN', async () => {
    const calls = Array.from({ length: 50 }, (_, i) => node.kv.put(`c${i}`, 'v'));
    const settled = Promise.allSettled(calls);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await node.close();
    for (const { reason } of await settled) assert.equal(reason?.code, 'SHUTDOWN');
  });
});

test('close with calls in flight settles every one of them', async (t) => {
  const node = await embedded(t);
  const calls = Array.from({ length: 500 }, (_, i) => node.kv.put(`k${i}`, 'v'));
  const closed = node.close();
  const results = await Promise.allSettled(calls);
  for (const { status, reason } of results) {
    assert.ok(status === 'fulfilled' || reason.code === 'SHUTDOWN', String(reason));
  }
  await closed;
  assert.equal(node.close(), closed);
  await rejects(node.kv.get('k0'), { code: 'SHUTDOWN', applied: 'no' });
  await rejects(node.status(), { code: 'SHUTDOWN' });
  await rejects(node.kv.batch().put('k', 'v').apply(), { code: 'SHUTDOWN' });
});
