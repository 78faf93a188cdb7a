// What every language must agree on: cross_lang_tests/fixtures.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import * as aspen from 'aspen';
import { Refused, decode } from './wire.mjs';

const read = (name) => JSON.parse(fs.readFileSync(path.join(process.env.ASPEN_FIXTURES, `${name}.json`)));

test('node ids', () => {
  const { valid, invalid } = read('node_id');
  for (const { hex, text } of valid) {
    assert.equal(aspen.parseNodeId(text).toString('hex'), hex);
    assert.equal(aspen.formatNodeId(Buffer.from(hex, 'hex')), text);
  }
  for (const { text, reason } of invalid) {
    const expected = { code: 'INVALID_ARGUMENT', applied: 'no' };
    assert.throws(() => aspen.parseNodeId(text), expected, `${reason}: ${text}`);
  }
  assert.ok(valid.length > 0 && invalid.length > 0);
  for (const size of [0, 31, 33]) {
    assert.throws(() => aspen.formatNodeId(Buffer.alloc(size)), { code: 'INVALID_ARGUMENT' });
  }
  assert.throws(() => aspen.formatNodeId('x'), TypeError);
  assert.throws(() => aspen.parseNodeId(Buffer.alloc(52)), TypeError);
});

test('the error table', () => {
  const { errors } = read('errors');
  assert.deepEqual(aspen.errors.map((row) => ({ ...row })), errors);
});

test('tickets', () => {
  const { valid, invalid } = read('ticket');
  const id = (hex) => aspen.formatNodeId(Buffer.from(hex, 'hex'));
  for (const { name, text, network, peers } of valid) {
    let info;
    try {
      info = aspen.inspectTicket(text);
    } catch (error) {
      // The fixtures are read at a time that has passed; a ticket that expired since is otherwise good.
      assert.equal(error.code, 'GRANT_EXPIRED', `${name}: ${error.message}`);
      continue;
    }
    assert.equal(info.networkId, id(network), name);
    assert.deepEqual(info.peers, peers.map(({ node, address }) => ({ nodeId: id(node), address })), name);
    assert.ok(info.roles.every((role) => role === 'client' || role === 'member'), name);
  }
  for (const { name, text, code } of invalid) assert.throws(() => aspen.inspectTicket(text), { code }, name);
  assert.ok(valid.length > 0 && invalid.length > 0);
});

test('the wire', () => {
  const fixtures = read('wire');
  for (const [newerPeer, prefix] of [[false, ''], [true, 'newer_peer_']]) {
    for (const { type, value, hex } of fixtures[`${prefix}valid`]) {
      const decoded = decode(type, Buffer.from(hex, 'hex'), newerPeer);
      assert.deepEqual(decoded, value, JSON.stringify({ type, hex }));
    }
    for (const { type, hex, reason } of fixtures[`${prefix}invalid`]) {
      assert.throws(() => decode(type, Buffer.from(hex, 'hex'), newerPeer), (error) => {
        assert.ok(error instanceof Refused, error.stack);
        assert.equal(error.message, reason, JSON.stringify({ type, hex }));
        return true;
      });
    }
  }
});
