'use strict';

const native = require('./native.js');
const { bytes, nanoseconds, checkOptions, run } = require('./call.js');

const IF_ABSENT = 1;
const IF_PRESENT = 2;
const IF_VALUE = 3;
const IF_REVISION = 4;

const REVISION_MAX = 2n ** 64n - 1n;

// The addon's flat results, five elements an entry, as objects.
function entry(flat, at = 0) {
  if (flat.length <= at) return null;
  return {
    key: flat[at],
    value: flat[at + 1],
    createRevision: flat[at + 2],
    modRevision: flat[at + 3],
    version: flat[at + 4],
  };
}

// {absent: true}, {present: true}, {value} or {revision} as the addon takes it: [kind, expected, revision].
function comparison(expect) {
  const keys = typeof expect === 'object' && expect !== null ? Object.keys(expect) : [];
  if (keys.length === 1) {
    const given = expect[keys[0]];
    if (keys[0] === 'absent' && given === true) return [IF_ABSENT, undefined, undefined];
    if (keys[0] === 'present' && given === true) return [IF_PRESENT, undefined, undefined];
    if (keys[0] === 'value') return [IF_VALUE, bytes(given, 'the expected value'), undefined];
    if (keys[0] === 'revision') {
      if (typeof given !== 'bigint') throw new TypeError('the expected revision must be a bigint');
      if (given < 0n || given > REVISION_MAX) throw new RangeError('the expected revision must fit 64 bits');
      return [IF_REVISION, undefined, given];
    }
  }
  throw new TypeError('what to expect is one of {absent: true}, {present: true}, {value} and {revision}');
}

function count(value, what) {
  if (value === undefined) return undefined;
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${what} must be whole and above 0`);
  return value;
}

// The store of a node. See index.d.ts.
class KV {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  async put(key, value, options) {
    const k = bytes(key, 'key');
    const v = bytes(value, 'value');
    return this.#run(options, (...call) => native.put(...call, k, v));
  }

  async get(key, options) {
    const k = bytes(key, 'key');
    return entry(await this.#run(options, (...call) => native.get(...call, k)));
  }

  async delete(key, options) {
    const k = bytes(key, 'key');
    const [revision, , , , changes] = await this.#run(options, (...call) => native.delete(...call, k));
    return { existed: changes[0], revision };
  }

  async cas(key, value, expect, options) {
    const k = bytes(key, 'key');
    const v = bytes(value, 'value');
    const expected = comparison(expect);
    const [revision, succeeded, , entries] =
      await this.#run(options, (...call) => native.cas(...call, k, ...expected, v));
    return { succeeded, revision, current: succeeded ? null : entry(entries) };
  }

  // Validates at once, reads page by page: at most one page is held.
  range(options) {
    const given = checkOptions(options);
    if (given.prefix !== undefined && (given.start !== undefined || given.end !== undefined)) {
      throw new TypeError('a range has a prefix, or start and end, not both');
    }
    const optional = (name) => (given[name] === undefined ? undefined : Buffer.from(bytes(given[name], name)));
    const limit = count(given.limit, 'limit') ?? Infinity;
    const pageEntries = count(given.pageEntries, 'pageEntries') ?? native.limits().RANGE_ENTRIES;
    return this.#pages(given, limit, {
      prefix: optional('prefix'),
      start: optional('start'),
      end: optional('end'),
      limit: Math.min(limit, pageEntries),
      reverse: given.reverse === true,
      keysOnly: given.keysOnly === true,
    });
  }

  batch() {
    return new Batch((batch, options) => this.#run(options, (...call) => native.apply(...call, batch)));
  }

  async *#pages(options, limit, request) {
    for (let left = limit, continuation; ;) {
      const asked = { ...request, continuation };
      const [flat, next] = await this.#run(options, (...call) => native.range(...call, asked));
      for (let at = 0; at < flat.length; at += 5) {
        yield entry(flat, at);
        if (--left === 0) return;
      }
      if (next === null) return;
      continuation = next;
    }
  }

  #run(options, submit) {
    const { timeoutMs, signal, stale } = checkOptions(options);
    const timeoutNs = nanoseconds(timeoutMs, 'timeoutMs');
    return run((tag) => submit(this.#handle, tag, timeoutNs, stale === true), signal);
  }
}

// Conditions and changes, applied together or not at all. See index.d.ts.
class Batch {
  #batch = native.newBatch();
  #apply;

  constructor(apply) {
    this.#apply = apply;
  }

  check(key, expect) {
    native.batchCheck(this.#batch, bytes(key, 'key'), ...comparison(expect));
    return this;
  }

  put(key, value) {
    native.batchPut(this.#batch, bytes(key, 'key'), bytes(value, 'value'));
    return this;
  }

  delete(key) {
    native.batchDelete(this.#batch, bytes(key, 'key'));
    return this;
  }

  async apply(options) {
    const [revision, succeeded, failed, entries, flat] = await this.#apply(this.#batch, options);
    const changes = [];
    for (let at = 0; at < flat.length; at += 2) {
      changes.push({ existed: flat[at], previousRevision: flat[at + 1] });
    }
    return {
      succeeded,
      revision,
      failedCheck: failed < 0 ? null : failed,
      current: succeeded ? null : entry(entries),
      changes,
    };
  }
}

module.exports = { KV, Batch };
