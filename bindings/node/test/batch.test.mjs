// Transactions, on an embedded node.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { embedded, rejects } from './help.mjs';

// Entries as "key=value", so that results read at a glance.
const brief = (entry) => entry && `${entry.key}=${entry.value}`;

function briefly(result) {
  switch (result.kind) {
    case 'change': return { change: result.existed, previous: brief(result.previous) };
    case 'deleteRange': return { deleted: result.count, previous: result.previous.map(brief) };
    case 'get': return { get: brief(result.entry) };
    case 'range': return { range: result.entries.map(brief), more: result.more };
    case 'transaction': return { succeeded: result.succeeded, results: result.results.map(briefly) };
    default: return assert.fail(`result of kind ${result.kind}`);
  }
}

// Whether `expect` holds of `keys` in the store.
const holds = async (kv, keys, expect) => (await kv.batch().check(keys, expect).apply()).succeeded;

// Checks that each expectation holds, or does not.
async function expectEach(kv, keys, yes, no) {
  const text = (expect) => JSON.stringify(expect, (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
  for (const expect of yes) assert.equal(await holds(kv, keys, expect), true, text(expect));
  for (const expect of no) assert.equal(await holds(kv, keys, expect), false, text(expect));
}

test('a batch of checks and changes', async (t) => {
  const { kv } = await embedded(t);
  const before = await kv.put('old', '1');
  const batch = kv.batch()
    .check('new', { absent: true })
    .check('old', { revision: before })
    .put('new', 'n')
    .delete('old')
    .delete('none');
  const done = await batch.apply();
  const changes = [
    { kind: 'change', existed: false, previousRevision: 0n, previous: null },
    { kind: 'change', existed: true, previousRevision: before, previous: null },
    { kind: 'change', existed: false, previousRevision: 0n, previous: null },
  ];
  assert.deepEqual(done, {
    succeeded: true, revision: done.revision, failedCheck: null, current: null, results: changes, changes,
  });
  assert.equal((await kv.get('new')).modRevision, done.revision);
  assert.equal(await kv.get('old'), null);

  const again = await batch.apply();
  assert.equal(again.succeeded, false);
  assert.equal(again.failedCheck, 0);
  assert.equal(brief(again.current), 'new=n');
  assert.deepEqual(again.results, []);
  assert.deepEqual(again.changes, []);
  const second = await kv.batch().check('new', { value: 'n' }).check('old', { present: true }).put('x', 'y').apply();
  assert.equal(second.failedCheck, 1);
  assert.equal(second.current, null);
  assert.equal(await kv.get('x'), null);
});

test('else', async (t) => {
  const { kv } = await embedded(t);
  const lock = kv.batch()
    .check('lock', { absent: true })
    .put('lock', 'mine')
    .else((b) => b.get('lock').put('waiting', '1').get('nothing'));
  const took = await lock.apply();
  assert.equal(took.succeeded, true);
  assert.deepEqual(took.results.map(briefly), [{ change: false, previous: null }]);

  const held = await lock.apply();
  assert.equal(held.succeeded, false);
  assert.equal(held.failedCheck, 0);
  assert.equal(brief(held.current), 'lock=mine');
  assert.deepEqual(held.results.map(briefly), [
    { get: 'lock=mine' }, { change: false, previous: null }, { get: null },
  ]);
  assert.deepEqual(held.changes, [held.results[1]]);
  assert.equal((await kv.get('waiting')).modRevision, held.revision);
});

test('the entry of a check that failed is not taken for one of the results, nor the other way round', async (t) => {
  const { kv } = await embedded(t);
  await kv.put('there', '1');
  const absent = await kv.batch().check('missing', { present: true }).else((b) => b.get('there')).apply();
  assert.equal(absent.current, null);
  assert.deepEqual(absent.results.map(briefly), [{ get: 'there=1' }]);
  const present = await kv.batch().check('there', { absent: true }).else((b) => b.get('missing')).apply();
  assert.equal(brief(present.current), 'there=1');
  assert.deepEqual(present.results.map(briefly), [{ get: null }]);
});

test('operations see what the ones before them did', async (t) => {
  const { kv } = await embedded(t);
  const { results, revision } = await kv.batch()
    .put('a/1', 'x')
    .put('a/2', 'y')
    .put('a/2', 'z', { previous: true })
    .get('a/1')
    .range({ prefix: 'a/' })
    .range({ start: 'a/1', limit: 1, reverse: true, keysOnly: true })
    .delete('a/1', { previous: true })
    .deleteRange({ prefix: 'a/' }, { previous: true })
    .get('a/2')
    .put('b', '1', { previous: true })
    .apply();
  assert.deepEqual(results.map(briefly), [
    { change: false, previous: null },
    { change: false, previous: null },
    { change: true, previous: 'a/2=y' },
    { get: 'a/1=x' },
    { range: ['a/1=x', 'a/2=z'], more: false },
    { range: ['a/2='], more: true },
    { change: true, previous: 'a/1=x' },
    { deleted: 1, previous: ['a/2=z'] },
    { get: null },
    { change: false, previous: null },
  ]);
  const { entry } = results[3];
  assert.deepEqual(entry, {
    key: Buffer.from('a/1'), value: Buffer.from('x'), createRevision: revision, modRevision: revision, version: 1n,
    lease: 0n,
  });
});

test('what was there comes only when it is asked for', async (t) => {
  const { kv } = await embedded(t);
  for (const key of ['a', 'b', 'c']) await kv.put(key, '1');
  const { results } = await kv.batch().put('a', '2').delete('b').deleteRange({ start: 'c' }).apply();
  assert.deepEqual(results.map(briefly), [
    { change: true, previous: null }, { change: true, previous: null }, { deleted: 1, previous: [] },
  ]);
});

test('nested transactions', async (t) => {
  const { kv } = await embedded(t);
  const { succeeded, results, changes } = await kv.batch()
    .put('a', '1')
    .transaction((outer) => outer
      .check('a', { value: '1' })
      .check('b', { absent: true })
      .put('b', '2')
      .transaction((inner) => inner
        .check('b', { absent: true })
        .put('never', '')
        .else((b) => b.get('b').delete('a', { previous: true })))
      .get('a')
      .else((b) => b.put('never', '')))
    .transaction((empty) => { empty.check('a', { absent: true }); })
    .range()
    .apply();
  assert.equal(succeeded, true);
  assert.deepEqual(results.map(briefly), [
    { change: false, previous: null },
    {
      succeeded: true,
      results: [
        { change: false, previous: null },
        { succeeded: false, results: [{ get: 'b=2' }, { change: true, previous: 'a=1' }] },
        { get: null },
      ],
    },
    { succeeded: true, results: [] },
    { range: ['b=2'], more: false },
  ]);
  assert.deepEqual(changes, [results[0]]);
  assert.equal(await kv.get('never'), null);

  // In an else branch, too; and after it the transaction around it goes on.
  const other = await kv.batch()
    .check('b', { absent: true })
    .else((b) => b.transaction((inner) => inner.get('b').else((none) => none)).get('b'))
    .apply();
  assert.deepEqual(other.results.map(briefly), [{ succeeded: true, results: [{ get: 'b=2' }] }, { get: 'b=2' }]);
});

test('checks of a key', async (t) => {
  const { kv } = await embedded(t);
  const created = await kv.put('k', 'b');
  const revision = await kv.put('k', 'm');
  await kv.put('other', '');
  const numbers = (name, value) => [
    [{ [name]: value }, { [name]: { not: value + 1n } }, { [name]: { less: value + 1n } }],
    [{ [name]: value + 1n }, { [name]: { not: value } }, { [name]: { less: value } }, { [name]: { greater: value } }],
  ];
  await expectEach(kv, 'k', ...numbers('version', 2n));
  await expectEach(kv, 'k', ...numbers('createRevision', created));
  await expectEach(kv, 'k', ...numbers('revision', revision));
  await expectEach(kv, 'k', ...numbers('lease', 0n));
  await expectEach(kv, 'k', [{ version: { greater: 1n } }, { revision: { greater: created } }], []);
  await expectEach(kv, 'k',
    [{ value: 'm' }, { value: { not: 'b' } }, { value: { less: 'n' } }, { value: { greater: Buffer.from('b') } }],
    [{ value: '' }, { value: { not: 'm' } }, { value: { less: 'm' } }, { value: { greater: 'm' } }]);
  await expectEach(kv, 'k', [{ present: true }, { unchangedSince: revision }], [
    { absent: true }, { unchangedSince: created },
  ]);
  await expectEach(kv, 'none',
    [{ absent: true }, { version: 0n }, { revision: { less: 1n } }, { unchangedSince: created }],
    [{ present: true }, { value: '' }, { value: { not: 'x' } }, { version: { greater: 0n } }]);
});

test('checks of all keys in a range', async (t) => {
  const { kv } = await embedded(t);
  const users = new aspen.Subspace(['users']);
  await kv.put(users.pack([1]), 'x');
  await kv.put('a/1', 'x');
  const revision = await kv.put('a/2', 'x');
  const changed = await kv.put('b', 'y');
  for (const keys of [{ prefix: 'a/' }, { start: 'a/', end: 'b' }, { end: 'b' }]) {
    await expectEach(kv, keys,
      [{ present: true }, { value: 'x' }, { version: 1n }, { unchangedSince: revision }],
      [{ absent: true }, { value: { not: 'x' } }, { version: { greater: 1n } }, { unchangedSince: revision - 1n }]);
  }
  await expectEach(kv, { start: 'b' }, [{ value: { less: 'z' } }], [{ value: 'x' }, { unchangedSince: revision }]);
  await expectEach(kv, { prefix: '' }, [{ version: 1n }], [{ value: 'x' }]);
  await expectEach(kv, users.range(), [{ value: 'x' }], [{ absent: true }]);
  // Of no key, anything holds.
  await expectEach(kv, { prefix: 'c' }, [{ absent: true }, { value: 'x' }, { version: 7n }], [{ present: true }]);

  const { failedCheck, current } = await kv.batch()
    .check('b', { revision: changed })
    .check({ start: 'a/', end: 'c' }, { value: 'x' })
    .apply();
  assert.equal(failedCheck, 1);
  assert.equal(brief(current), 'b=y');
});

test('prefixes end where they should', async (t) => {
  const { kv } = await embedded(t);
  const all = ['00', '01', '01ff', '01ff00', '01ffff', '01ffffff', '02', 'ff', 'ff00', 'ffff', 'ffffff'];
  for (const prefix of ['00', '01', '01ff', '01ffff', 'ff', 'ffff', '']) {
    for (const key of all) await kv.put(Buffer.from(key, 'hex'), '');
    const { results: [{ previous }] } =
      await kv.batch().deleteRange({ prefix: Buffer.from(prefix, 'hex') }, { previous: true }).apply();
    const deleted = previous.map(({ key }) => key.toString('hex'));
    assert.deepEqual(deleted, all.filter((key) => key.startsWith(prefix)), `prefix ${prefix}`);
  }
});

test('when an operation cannot be carried out, none is', async (t) => {
  const { kv } = await embedded(t);
  const batch = kv.batch().put('a', '1').transaction((b) => b.put('b', '2', { lease: 12345n }));
  await rejects(batch.apply(), { code: 'NOT_FOUND', applied: 'no' });
  assert.equal(await kv.get('a'), null);
});

test('what is put together is copied, and can be applied again', async (t) => {
  const { kv } = await embedded(t);
  const key = Buffer.from('key');
  const value = Buffer.from('value');
  const toggle = kv.batch().check(key, { absent: true }).put(key, value).else((b) => b.delete(key));
  key.fill('x');
  value.fill('x');
  for (const expected of ['value', undefined, 'value']) {
    await toggle.apply();
    assert.equal((await kv.get('key'))?.value.toString(), expected);
  }
});

test('limits of a batch', async (t) => {
  const { kv } = await embedded(t);
  const { transactionOps, transactionDepth, keyBytes } = aspen.limits;
  assert.equal(transactionDepth, 8);
  const puts = (count) => {
    const batch = kv.batch();
    for (let i = 0; i < count; ++i) batch.put(`k${i}`, '');
    return batch;
  };
  assert.equal((await puts(transactionOps).apply()).results.length, transactionOps);
  await rejects(puts(transactionOps + 1).apply(), { code: 'LIMIT_EXCEEDED', applied: 'no' });

  const deep = (batch, depth) => (depth === 0 ? batch.put('k', '') : batch.transaction((b) => deep(b, depth - 1)));
  let { results } = await deep(kv.batch(), transactionDepth).apply();
  for (let depth = 0; depth < transactionDepth; ++depth) [{ results }] = results;
  assert.equal(results[0].kind, 'change');
  await rejects(deep(kv.batch(), transactionDepth + 1).apply(), { code: 'LIMIT_EXCEEDED', applied: 'no' });

  const long = 'k'.repeat(keyBytes + 2);
  for (const add of [
    (b) => b.put(long, ''), (b) => b.delete(long), (b) => b.get(long), (b) => b.check(long, { absent: true }),
    (b) => b.range({ start: long }), (b) => b.deleteRange({ end: long }),
    (b) => b.check({ prefix: long }, { version: 1n }),
  ]) {
    await rejects(add(kv.batch()).apply(), { code: 'LIMIT_EXCEEDED', applied: 'no' });
  }
  await rejects(kv.batch().get('').apply(), { code: 'INVALID_ARGUMENT', applied: 'no' });
  // A transaction reads its own state, not an older one.
  await rejects(kv.batch().range({ revision: 1n }).apply(), { code: 'INVALID_ARGUMENT', applied: 'no' });
});

test('arguments of the wrong type in a batch', async (t) => {
  const { kv } = await embedded(t);
  const batch = kv.batch();
  const wrong = (add) => assert.throws(() => add(batch), TypeError, String(add));
  for (const bad of [undefined, null, 1, {}, [1], new Uint16Array(2), '\ud800']) {
    wrong((b) => b.put(bad, 'v'));
    wrong((b) => b.put('k', bad));
    wrong((b) => b.delete(bad));
    wrong((b) => b.get(bad));
    wrong((b) => b.check(bad, { absent: true }));
    wrong((b) => b.check('k', { value: bad }));
    wrong((b) => b.check('k', { value: { less: bad } }));
  }
  for (const bad of [undefined, null, {}, [], { other: 1 }, { absent: true, present: true }, { absent: false }, 'v',
    { version: 1 }, { version: undefined }, { version: {} }, { version: { less: 1n, greater: 0n } },
    { version: { above: 1n } }, { version: { not: 1 } }, { revision: null }, { lease: '0' }, { constructor: 1n },
    { unchangedSince: 1 }, { unchangedSince: { less: 1n } }]) {
    wrong((b) => b.check('k', bad));
  }
  assert.throws(() => batch.check('k', { version: -1n }), RangeError);
  assert.throws(() => batch.check('k', { lease: { less: 2n ** 64n } }), RangeError);
  // What deletes or checks everything must say so.
  for (const bad of [undefined, null, {}, 'k', { prefix: undefined }, { prefix: 'a', end: 'b' }, { start: 1 }]) {
    wrong((b) => b.deleteRange(bad));
    if (typeof bad !== 'string') wrong((b) => b.check(bad, { absent: true }));
  }
  wrong((b) => b.range(null));
  wrong((b) => b.range({ prefix: 'a', start: 'b' }));
  assert.throws(() => batch.range({ limit: 0 }), RangeError);
  wrong((b) => b.put('k', 'v', { lease: 1 }));
  assert.throws(() => batch.put('k', 'v', { lease: -1n }), RangeError);
  wrong((b) => b.put('k', 'v', null));
  for (const bad of [undefined, null, {}, 'k']) {
    wrong((b) => b.else(bad));
    wrong((b) => b.transaction(bad));
  }
  // Nothing of this was added.
  assert.deepEqual((await batch.put('k', 'v').apply()).results.length, 1);
});

test('a branch is added to where it is, or not at all', async (t) => {
  const { kv } = await embedded(t);
  const misplaced = { name: 'AspenError', code: 'INVALID_ARGUMENT' };
  const batch = kv.batch();
  let inner;
  batch.transaction((b) => {
    inner = b;
    assert.throws(() => batch.put('k', ''), misplaced);
    assert.throws(() => batch.transaction(() => {}), misplaced);
    b.get('in');
  });
  assert.throws(() => inner.put('k', ''), misplaced);
  batch.else((b) => {
    assert.throws(() => batch.get('k'), misplaced);
    b.transaction((deeper) => {
      assert.throws(() => b.get('k'), misplaced);
      deeper.get('k');
    }).get('k');
  });
  for (const add of [(b) => b.put('k', ''), (b) => b.delete('k'), (b) => b.get('k'), (b) => b.range(),
    (b) => b.deleteRange({ prefix: '' }), (b) => b.check('k', { absent: true }), (b) => b.transaction(() => {}),
    (b) => b.else(() => {})]) {
    assert.throws(() => add(batch), misplaced, String(add));
  }
  assert.deepEqual((await batch.apply()).results.map(briefly), [{ succeeded: true, results: [{ get: null }] }]);
});

test('a batch whose function threw is not applied', async (t) => {
  const { kv } = await embedded(t);
  for (const place of ['else', 'transaction']) {
    const batch = kv.batch().put('k', 'v');
    const why = new Error('no');
    assert.throws(() => batch[place]((b) => {
      b.put('half', '');
      throw why;
    }), why);
    await rejects(batch.apply(), { code: 'INVALID_ARGUMENT', applied: 'no' });
    assert.throws(() => batch.put('k', ''), { code: 'INVALID_ARGUMENT' });
    assert.throws(() => kv.batch()[place](async (b) => b.get('k')), TypeError);
  }
  let applied;
  const early = kv.batch();
  early.transaction(() => { applied = early.apply(); });
  await rejects(applied, { code: 'INVALID_ARGUMENT' });
  assert.equal(await kv.get('k'), null);
});
