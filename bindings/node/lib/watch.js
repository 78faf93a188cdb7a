// What changes in some keys, as it happens. See watch.d.ts.
'use strict';

const native = require('./native.js');
const { bytes, checkOptions, count, nanoseconds, run, runOn, uint64 } = require('./call.js');
const { keyRange } = require('./keys.js');
const { entryAt } = require('./result.js');

const EVENT_SIZE = 9;
const PUT = 1;

function eventAt(flat, index) {
  const at = EVENT_SIZE * index;
  const put = flat[at] === PUT;
  const entry = entryAt(flat.slice(at + 2, at + 8), 0);
  const previous = flat[at + 8];
  return {
    kind: put ? 'put' : 'delete',
    revision: flat[at + 1],
    key: entry.key,
    entry: put ? entry : null,
    previous: previous === null ? null : entryAt(previous, 0),
  };
}

class Watch {
  #watch;
  #signal;
  #told;          // everything up to this revision was told
  #pending = [];  // what was told and not given yet
  #closed = false;

  constructor([watch, revision], signal) {
    this.#watch = watch;
    this.#told = revision;
    this.#signal = signal;
  }

  get revision() {
    return this.#pending.length > 0 ? this.#pending[0].revision - 1n : this.#told;
  }

  async read(options) {
    const { signal = this.#signal } = checkOptions(options);
    if (this.#pending.length > 0) return { revision: this.#told, events: this.#pending.splice(0) };
    const [revision, flat] = await run((tag) => native.watchNext(this.#watch, tag), signal);
    this.#told = revision;
    return { revision, events: Array.from({ length: flat.length / EVENT_SIZE }, (_, i) => eventAt(flat, i)) };
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        while (this.#pending.length > 0) yield this.#pending.shift();
        this.#pending.push(...(await this.read()).events);
      }
    } catch (error) {
      if (!this.#closed || (error.code !== 'CANCELLED' && error.code !== 'INVALID_ARGUMENT')) throw error;
    } finally {
      this.close();
    }
  }

  close() {
    this.#closed = true;
    native.watchClose(this.#watch);
  }
}
// Older Node.js has no such symbol; then there is no `using` either.
if (Symbol.dispose) {
  Object.defineProperty(Watch.prototype, Symbol.dispose, {
    value() {
      this.close();
    },
    configurable: true,
    writable: true,
  });
}

async function openWatch(handle, options) {
  const given = checkOptions(options);
  if (given.key !== undefined && (given.prefix ?? given.start ?? given.end) !== undefined) {
    throw new TypeError('a watch has a key, or a prefix, or start and end');
  }
  const request = {
    ...keyRange(given),
    key: given.key === undefined ? undefined : bytes(given.key, 'key'),
    revision: uint64(given.revision, 'revision'),
    previous: given.previous === true,
    noPuts: given.puts === false,
    noDeletes: given.deletes === false,
    progressNs: nanoseconds(given.progressMs, 'progressMs'),
    bufferBytes: count(given.bufferBytes, 'bufferBytes'),
  };
  const { timeoutMs, signal } = given;
  const opened = await runOn(handle, { timeoutMs, signal }, (...call) => native.watch(...call, request));
  return new Watch(opened, signal);
}

module.exports = { Watch, openWatch };
