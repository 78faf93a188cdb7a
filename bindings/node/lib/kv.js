'use strict';

const native = require('./native.js');
const { Batch } = require('./batch.js');
const { bytes, nanoseconds, uint64, count, checkOptions, run } = require('./call.js');
const { expectation } = require('./compare.js');
const { rangeRequest } = require('./keys.js');
const { entryAt, entryCount, firstEntry, outcome } = require('./result.js');

// The store of a node. See index.d.ts.
class KV {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  async put(key, value, options) {
    const k = bytes(key, 'key');
    const v = bytes(value, 'value');
    const { lease, previous } = checkOptions(options);
    const rest = [uint64(lease, 'lease'), previous === true];
    const done = await this.#run(options, (...call) => native.put(...call, k, v, ...rest));
    if (previous !== true) return done;
    const { revision, results: [change] } = outcome(done);
    return { revision, previous: change.previous };
  }

  async get(key, options) {
    const k = bytes(key, 'key');
    const revision = uint64(checkOptions(options).revision, 'revision');
    return firstEntry(await this.#run(options, (...call) => native.get(...call, k, revision)));
  }

  async delete(key, options) {
    const k = bytes(key, 'key');
    const asked = checkOptions(options).previous === true;
    const { revision, results: [{ existed, previous }] } =
      outcome(await this.#run(options, (...call) => native.delete(...call, k, asked)));
    return { existed, revision, previous };
  }

  async cas(key, value, expect, options) {
    const k = bytes(key, 'key');
    const v = bytes(value, 'value');
    const expected = expectation(expect);
    const lease = uint64(checkOptions(options).lease, 'lease');
    const { succeeded, revision, current } =
      outcome(await this.#run(options, (...call) => native.cas(...call, k, ...expected, v, lease)));
    return { succeeded, revision, current };
  }

  // Validates at once, reads page by page: at most one page is held.
  range(options) {
    const request = rangeRequest(options);
    const { limit = Infinity } = request;
    const pageEntries = count(options?.pageEntries, 'pageEntries') ?? native.limits().RANGE_ENTRIES;
    return this.#pages(options, limit, { ...request, limit: Math.min(limit, pageEntries) });
  }

  batch() {
    return new Batch((batch, options) => this.#run(options, (...call) => native.apply(...call, batch)));
  }

  async *#pages(options, limit, request) {
    for (let left = limit, continuation; ;) {
      const asked = { ...request, continuation };
      const [flat, next] = await this.#run(options, (...call) => native.range(...call, asked));
      for (let i = 0; i < entryCount(flat); ++i) {
        yield entryAt(flat, i);
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

module.exports = { KV };
