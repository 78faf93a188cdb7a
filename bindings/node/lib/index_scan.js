// Secondary indexes: keys found by what is in their values. See index_scan.d.ts.
'use strict';

const native = require('./native.js');
const { bytes, checkOptions, count, runOn, text } = require('./call.js');
const { entryAt } = require('./result.js');
const { tuple } = require('./tuple.js');

async function createIndex(handle, name, prefix, extractor, options) {
  const rest = [text(name, 'name'), bytes(prefix, 'prefix'), text(extractor, 'extractor')];
  return runOn(handle, options, (...call) => native.indexCreate(...call, ...rest));
}

async function dropIndex(handle, name, options) {
  const n = text(name, 'name');
  return runOn(handle, options, (...call) => native.indexDrop(...call, n));
}

async function indexes(handle, options) {
  const list = JSON.parse(await runOn(handle, options, (...call) => native.indexList(...call)));
  return list.map(({ name, prefix_hex: hex, extractor, state, records }) =>
    ({ name, prefix: Buffer.from(hex, 'hex'), extractor, state, records }));
}

async function* walk(handle, options, name, limit, request) {
  for (let left = limit, continuation; ;) {
    const asked = { ...request, continuation };
    const [values, [flat, next]] = await runOn(handle, options, (...call) => native.indexScan(...call, name, asked));
    for (const [i, packed] of values.entries()) {
      yield { value: tuple.unpack(packed)[0], entry: entryAt(flat, i) };
      if (--left === 0) return;
    }
    if (next === null) return;
    continuation = next;
  }
}

// Validates at once, reads reply by reply.
function scanIndex(handle, name, options) {
  const given = checkOptions(options);
  const packed = (which) => (given[which] === undefined ? undefined : tuple.pack([given[which]]));
  if (given.value !== undefined && (given.start !== undefined || given.end !== undefined)) {
    throw new TypeError('a scan is of one value, or has start and end, not both');
  }
  const limit = count(given.limit, 'limit') ?? Infinity;
  const request = {
    value: packed('value'),
    start: packed('start'),
    end: packed('end'),
    limit: Math.min(limit, native.limits().RANGE_ENTRIES),
    reverse: given.reverse === true,
    keysOnly: given.keysOnly === true,
  };
  const { timeoutMs, signal } = given;
  return walk(handle, { timeoutMs, signal }, text(name, 'name'), limit, request);
}

module.exports = { createIndex, dropIndex, indexes, scanIndex };
