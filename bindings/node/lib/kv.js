'use strict';

const native = require('./native.js');
const { Batch } = require('./batch.js');
const { bytes, nanoseconds, uint64, checkOptions, leaseNumber, runOn } = require('./call.js');
const { expectation } = require('./compare.js');
const { directories, moveDirectory, openDirectory, removeDirectory } = require('./directory.js');
const { createIndex, dropIndex, indexes, scanIndex } = require('./index_scan.js');
const { compact, quotas, setQuota } = require('./keeping.js');
const { grant, leaseOf, leases } = require('./lease.js');
const { pages } = require('./pages.js');
const { firstEntry, outcome } = require('./result.js');
const { openBranch, transact } = require('./transaction.js');
const { openWatch } = require('./watch.js');

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
    const rest = [leaseNumber(lease), previous === true];
    const done = await this.#run(options, (...call) => native.put(...call, k, v, ...rest));
    if (previous !== true) return done;
    const { revision, results: [change] } = outcome(done);
    return { revision, previous: change.previous };
  }

  async get(key, options) {
    const k = bytes(key, 'key');
    const { revision, stalenessMs } = checkOptions(options);
    const rest = [uint64(revision, 'revision'), nanoseconds(stalenessMs, 'stalenessMs')];
    return firstEntry(await this.#run(options, (...call) => native.get(...call, k, ...rest)));
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
    const lease = leaseNumber(checkOptions(options).lease);
    const { succeeded, revision, current } =
      outcome(await this.#run(options, (...call) => native.cas(...call, k, ...expected, v, lease)));
    return { succeeded, revision, current };
  }

  range(options) {
    return pages(options, (request) => this.#run(options, (...call) => native.range(...call, request)));
  }

  batch() {
    return new Batch((batch, options) => this.#run(options, (...call) => native.apply(...call, batch)));
  }

  async transact(fn, options) {
    return transact(this.#handle, fn, options);
  }

  async branch(prefix, options) {
    return openBranch(this.#handle, undefined, prefix, options);
  }

  async watch(options) {
    return openWatch(this.#handle, options);
  }

  async grant(ttlMs, options) {
    return grant(this.#handle, ttlMs, options);
  }

  lease(id) {
    return leaseOf(this.#handle, id);
  }

  leases(options) {
    return leases(this.#handle, checkOptions(options));
  }

  async compact(revision, options) {
    return compact(this.#handle, revision, options);
  }

  async setQuota(prefix, quota, options) {
    return setQuota(this.#handle, prefix, quota, options);
  }

  async quotas(options) {
    return quotas(this.#handle, options);
  }

  async createIndex(name, prefix, extractor, options) {
    return createIndex(this.#handle, name, prefix, extractor, options);
  }

  async dropIndex(name, options) {
    return dropIndex(this.#handle, name, options);
  }

  async indexes(options) {
    return indexes(this.#handle, options);
  }

  scanIndex(name, options) {
    return scanIndex(this.#handle, name, options);
  }

  async directory(path, options) {
    return openDirectory(this.#handle, path, options);
  }

  directories(path, options) {
    return directories(this.#handle, path, options);
  }

  async moveDirectory(from, to, options) {
    return moveDirectory(this.#handle, from, to, options);
  }

  async removeDirectory(path, options) {
    return removeDirectory(this.#handle, path, options);
  }

  #run(options, submit) {
    return runOn(this.#handle, options, submit);
  }
}

module.exports = { KV };
