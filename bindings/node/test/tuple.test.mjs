// Tuples and subspaces: the fixtures that every language reads, and what is JavaScript's own.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { embedded } from './help.mjs';

const { AspenError, Subspace, tuple } = aspen;
const { Double, Float32, Uuid, pack, unpack } = tuple;

const fixture = JSON.parse(fs.readFileSync(path.join(process.env.ASPEN_FIXTURES, 'tuple.json')));

const fromHex = (hex) => Buffer.from(hex, 'hex');
const toHex = (data) => data.toString('hex');

// Items from the fixtures' spelling. Every number goes in as what it is spelled, so never as a plain one.
const KINDS = {
  int: BigInt,
  text: (body) => body,
  bytes: fromHex,
  uuid: (body) => new Uuid(fromHex(body)),
  float: (body) => new Float32(fromHex(body).readFloatBE()),
  double: (body) => new Double(fromHex(body).readDoubleBE()),
};

function item(spelled) {
  if (spelled === null || typeof spelled === 'boolean') return spelled;
  if (Array.isArray(spelled)) return spelled.map(item);
  const [[kind, body]] = Object.entries(spelled);
  return KINDS[kind](body);
}

// And what was unpacked in the fixtures' spelling.
function spell(value) {
  if (value === null || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(spell);
  if (typeof value === 'string') return { text: value };
  if (typeof value === 'bigint') {
    assert.ok(!Number.isSafeInteger(Number(value)), `${value} as a bigint`);
    return { int: String(value) };
  }
  if (Buffer.isBuffer(value)) return { bytes: toHex(value) };
  if (value instanceof Uuid) return { uuid: toHex(value.bytes) };
  if (Number.isInteger(value)) return { int: String(value) };
  const single = value instanceof Float32;
  const bits = Buffer.alloc(single ? 4 : 8);
  if (single) bits.writeFloatBE(value.value);
  else bits.writeDoubleBE(Number(value));
  return { [single ? 'float' : 'double']: toHex(bits) };
}

function throwsRow(call, { name, code, message }) {
  assert.throws(call, (error) => {
    assert.ok(error instanceof AspenError, error.stack);
    assert.deepEqual([error.code, error.message, error.applied], [code, message, 'no'], name);
    return true;
  });
}

test('valid tuples', () => {
  for (const { name, value, hex } of fixture.valid) {
    assert.equal(toHex(pack(item(value))), hex, name);
    const unpacked = unpack(fromHex(hex));
    assert.deepEqual(spell(unpacked), value, name);
    assert.equal(toHex(pack(unpacked)), hex, name);
  }
  assert.ok(fixture.valid.length > 30);
  for (const { value, hex } of fixture.nans) assert.equal(toHex(pack(item(value))), hex);
});

test('the order', () => {
  const keys = fixture.order.map(({ value }) => pack(item(value)));
  assert.deepEqual(keys.map(toHex), fixture.order.map(({ hex }) => hex));
  for (let i = 1; i < keys.length; ++i) assert.equal(Buffer.compare(keys[i - 1], keys[i]), -1, `${i}`);
  assert.ok(keys.length > 80);
});

test('ranges', () => {
  for (const { value, start, end, inside, outside } of fixture.ranges) {
    const range = tuple.range(item(value));
    assert.deepEqual([toHex(range.start), toHex(range.end)], [start, end]);
    const holds = (hex) =>
      Buffer.compare(range.start, fromHex(hex)) <= 0 && Buffer.compare(fromHex(hex), range.end) < 0;
    for (const hex of inside) assert.ok(holds(hex), hex);
    for (const hex of outside) assert.ok(!holds(hex), hex);
  }
  assert.ok(fixture.ranges.length > 0);
});

test('subspaces', () => {
  for (const row of fixture.subspaces) {
    const space = new Subspace([], fromHex(row.prefix)).subspace(item(row.tuple));
    assert.deepEqual(space.prefix, new Subspace(item(row.tuple), fromHex(row.prefix)).prefix);
    const key = space.pack(item(row.value));
    assert.equal(toHex(key), row.key);
    assert.ok(space.contains(key) && space.contains(space.prefix));
    assert.deepEqual(spell(space.unpack(key)), row.value);
    const { start, end } = space.range();
    assert.deepEqual([toHex(start), toHex(end)], [row.start, row.end]);
    for (const hex of row.outside) {
      assert.ok(!space.contains(fromHex(hex)), hex);
      const message = 'tuple: the key is outside the subspace';
      throwsRow(() => space.unpack(fromHex(hex)), { name: hex, code: 'INVALID_ARGUMENT', message });
    }
  }
  assert.ok(fixture.subspaces.length > 0);
});

test('what is refused', () => {
  for (const row of fixture.invalid) throwsRow(() => unpack(fromHex(row.hex)), row);
  for (const row of fixture.unpackable) throwsRow(() => pack(item(row.value)), row);
  assert.ok(fixture.invalid.length > 50 && fixture.unpackable.length > 0);
});

test('what a number is', () => {
  assert.deepEqual(pack([1, -1, 0, -0]), pack([1n, -1n, 0n, 0n]));
  assert.deepEqual(pack([1.5, NaN, -Infinity]), pack([new Double(1.5), new Double(NaN), new Double(-Infinity)]));
  assert.deepEqual(unpack(pack([2 ** 53 - 1, 1.5, NaN])), [2 ** 53 - 1, 1.5, NaN]);
  assert.deepEqual(unpack(pack([2n ** 53n, -(2n ** 53n), 2n ** 53n - 1n])), [2n ** 53n, -(2n ** 53n), 2 ** 53 - 1]);
  const [one, zero, half] = unpack(pack([new Double(1), new Double(-0), new Double(0.5)]));
  assert.ok(one instanceof Double && one.value === 1 && one + 1 === 2);
  assert.ok(zero instanceof Double && Object.is(zero.value, -0));
  assert.equal(half, 0.5);
  const [single] = unpack(pack([new Float32(0.1)]));
  assert.ok(single instanceof Float32 && single.value === Math.fround(0.1));
  for (const vague of [2 ** 53, -(2 ** 60), Number.MAX_VALUE]) assert.throws(() => pack([vague]), RangeError);
});

test('what is no item, and no tuple', () => {
  for (const wrong of [undefined, {}, Object.create(null), () => 1, Symbol('s'), new Date(), new Map()]) {
    assert.throws(() => pack([1, wrong]), /^TypeError: tuple: item 1 has a value of type /);
  }
  assert.throws(() => pack(new Array(1)), TypeError);
  for (const wrong of ['ab', Buffer.from('ab'), null, undefined, 5]) assert.throws(() => pack(wrong), TypeError);
  assert.throws(() => unpack(5), TypeError);
  for (const make of [() => new Float32('1'), () => new Double(1n), () => new Uuid(Buffer.alloc(15))]) {
    assert.throws(make, TypeError);
  }
  throwsRow(() => pack([0, 'a\ud800']), {
    name: 'a lone surrogate',
    code: 'INVALID_ARGUMENT',
    message: 'tuple: text that is not UTF-8 in item 1',
  });
});

test('uuids', () => {
  const text = '10111213-1415-1617-1819-1a1b1c1d1e1f';
  const uuid = Uuid.parse(text.toUpperCase());
  assert.equal(String(uuid), text);
  assert.equal(String(unpack(pack([uuid]))[0]), text);
  uuid.bytes.fill(0);
  assert.equal(String(uuid), text);
  for (const wrong of ['', `${text}0`, text.replaceAll('-', ''), `g${text.slice(1)}`]) {
    assert.throws(() => Uuid.parse(wrong), { code: 'INVALID_ARGUMENT' });
  }
});

test('sizes, and copies', () => {
  const longest = pack([Buffer.alloc(65534, 'x')]);
  assert.equal(longest.length, aspen.limits.tupleBytes);
  assert.deepEqual(unpack(longest), [Buffer.alloc(65534, 'x')]);
  assert.equal(aspen.limits.tupleDepth, 32);
  const message = 'tuple: more than 65536 bytes';
  for (const call of [
    () => pack([Buffer.alloc(65535, 'x')]),
    () => pack([Buffer.alloc(32768)]),
    () => pack([1], Buffer.alloc(65535)),
    () => unpack(Buffer.alloc(65537)),
  ]) {
    throwsRow(call, { name: 'size', code: 'LIMIT_EXCEEDED', message });
  }
  const key = pack([Buffer.from('abc')]);
  const [value] = unpack(key);
  key.fill(0);
  assert.equal(value.toString(), 'abc');
  assert.deepEqual(pack([new Uint8Array([1])], 'p'), Buffer.from('p\x01\x01\x00'));
});

test('with a store', async (t) => {
  const node = await embedded(t);
  const users = new Subspace(['app', 'users']);
  for (const number of [10, 9, 11]) await node.kv.put(users.pack([number, 'name']), String(number));
  await node.kv.put(new Subspace(['app', 'userz']).pack([10]), 'other');
  const found = [];
  for await (const { key } of node.kv.range(users.range())) found.push(users.unpack(key)[0]);
  assert.deepEqual(found, [9, 10, 11]);
  const one = [];
  for await (const { value } of node.kv.range(users.range([10]))) one.push(value.toString());
  assert.deepEqual(one, ['10']);
});
