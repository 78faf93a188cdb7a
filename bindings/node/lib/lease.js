// Time that keys are attached to. See lease.d.ts.
'use strict';

const native = require('./native.js');
const { nanoseconds, run, runOn, uint64 } = require('./call.js');
const { entryAt, entryCount } = require('./result.js');

const LEASE_SIZE = 4;

function leaseAt(flat, index) {
  const [id, ttlNs, remainingNs, keys] = flat.slice(LEASE_SIZE * index, LEASE_SIZE * (index + 1));
  return { id, ttlMs: ttlNs / 1e6, remainingMs: remainingNs / 1e6, keys };
}

class Lease {
  #handle;
  #keeping = null;  // a new one for each time that it is kept
  #lost = false;

  constructor(handle, id) {
    this.#handle = handle;
    Object.defineProperty(this, 'id', { value: id, enumerable: true });
  }

  async keepAlive(options) {
    return (await this.#run(options, native.leaseKeepAlive)).remainingMs;
  }

  info(options) {
    return this.#run(options, native.leaseInfo);
  }

  async *keys(options) {
    for (let continuation; ;) {
      const [, [flat, next]] =
        await runOn(this.#handle, options, (...call) => native.leaseInfo(...call, this.id, continuation));
      for (let i = 0; i < entryCount(flat); ++i) yield entryAt(flat, i).key;
      if (next === null) return;
      continuation = next;
    }
  }

  async revoke(options) {
    return (await this.#run(options, native.leaseRevoke)).keys;
  }

  keep(onLost) {
    if (onLost !== undefined && typeof onLost !== 'function') throw new TypeError('onLost must be a function');
    if (this.#keeping !== null) return this;
    const keeping = {};
    this.#keeping = keeping;
    this.#lost = false;
    run((tag) => native.leaseKeep(this.#handle, tag, 0, false, this.id)).catch((error) => {
      if (this.#keeping !== keeping) return;
      this.#keeping = null;
      this.#lost = true;
      onLost?.(error);
    });
    return this;
  }

  drop() {
    if (this.#keeping !== null) native.leaseDropKeep(this.#handle, this.id);
    this.#keeping = null;
  }

  get lost() {
    return this.#lost;
  }

  async #run(options, submit) {
    const [flat] = await runOn(this.#handle, options, (...call) => submit(...call, this.id));
    return leaseAt(flat, 0);
  }
}
// Older Node.js has no such symbol; then there is no `await using` either.
if (Symbol.asyncDispose) {
  Object.defineProperty(Lease.prototype, Symbol.asyncDispose, {
    async value() {
      this.drop();
      try {
        await this.revoke();
      } catch (error) {
        if (error.code !== 'NOT_FOUND') throw error;  // else it is gone already
      }
    },
    configurable: true,
    writable: true,
  });
}

async function grant(handle, ttlMs, options) {
  if (ttlMs === undefined) throw new TypeError('ttlMs must be a number of milliseconds');
  const ttlNs = nanoseconds(ttlMs, 'ttlMs');
  const [flat] = await runOn(handle, options, (...call) => native.leaseGrant(...call, ttlNs));
  return new Lease(handle, leaseAt(flat, 0).id);
}

function leaseOf(handle, id) {
  if (id === undefined) throw new TypeError('id must be a bigint');
  return new Lease(handle, uint64(id, 'id'));
}

async function* leases(handle, options) {
  for (let after = 0n; ;) {
    const last = after;
    const [flat, , more] = await runOn(handle, options, (...call) => native.leaseList(...call, last));
    for (let i = 0; i < flat.length / LEASE_SIZE; ++i) {
      const lease = leaseAt(flat, i);
      after = lease.id;
      yield lease;
    }
    if (!more) return;
  }
}

module.exports = { Lease, grant, leaseOf, leases };
