// Transactions that read before they write, and branches. See transaction.d.ts.
'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const native = require('./native.js');
const { bytes, checkOptions, checkSignal, count, leaseNumber, runOn } = require('./call.js');
const { AspenError, ConflictError } = require('./error.js');
const { bounds } = require('./keys.js');
const { pages } = require('./pages.js');
const { firstEntry } = require('./result.js');

const ATTEMPTS = 32;
const PAUSE_FIRST_MS = 1;
const PAUSE_MAX_MS = 250;
const CONFLICTS_SHOWN = 3;

// What both have: changes that are kept until the commit, and reads that are remembered.
class Draft {
  #handle;
  #draft;
  #defaults;
  #noun;

  constructor(handle, draft, { timeoutMs, signal }, noun) {
    this.#handle = handle;
    this.#draft = draft;
    this.#defaults = { timeoutMs, signal };
    this.#noun = noun;
  }

  async get(key, options) {
    const k = bytes(key, 'key');
    return firstEntry(await this._run(options, (draft, ...call) => native.txnGet(...call, draft, k)));
  }

  range(options) {
    return pages(options, (request) =>
      this._run(options, (draft, ...call) => native.txnRange(...call, draft, request)));
  }

  put(key, value, options) {
    const lease = leaseNumber(checkOptions(options).lease);
    this.#changed(native.txnPut(this._draft(), bytes(key, 'key'), bytes(value, 'value'), lease));
  }

  delete(key) {
    this.#changed(native.txnDelete(this._draft(), bytes(key, 'key')));
  }

  deleteRange(keys) {
    this.#changed(native.txnDeleteRange(this._draft(), ...bounds(keys)));
  }

  #changed(refused) {
    if (refused !== undefined) throw new AspenError(refused);
  }

  _draft() {
    if (this.#draft === null) {
      throw AspenError.local('INVALID_ARGUMENT', `the ${this.#noun} is over; make another`);
    }
    return this.#draft;
  }

  async _run(options, submit) {
    const { timeoutMs = this.#defaults.timeoutMs, signal = this.#defaults.signal } = checkOptions(options);
    const draft = this._draft();
    return runOn(this.#handle, { timeoutMs, signal }, (...call) => submit(draft, ...call));
  }

  // {succeeded, revision, conflicts}
  async _commit(options) {
    const [succeeded, revision, flat] =
      await this._run(options, (draft, ...call) => native.txnCommit(...call, draft));
    const conflicts = Array.from({ length: flat.length / 2 }, (_, i) => conflict(flat[2 * i], flat[2 * i + 1]));
    return { succeeded, revision, conflicts };
  }

  _branch(prefix, options) {
    return openBranch(this.#handle, this._draft(), prefix, { ...this.#defaults, ...checkOptions(options) });
  }

  _end() {
    if (this.#draft !== null) native.discard(this.#draft);
    this.#draft = null;
  }
}

// A range, and, when it is that of one key, the key.
function conflict(start, end) {
  const one = end.length === start.length + 1 && end[start.length] === 0 && end.subarray(0, -1).equals(start);
  return { start, end, key: one ? start : null };
}

class Transaction extends Draft {}

// A time of random length, below a bound that doubles, so that rivals part.
function pause(attempt) {
  return sleep(Math.random() * Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** attempt));
}

async function transact(handle, fn, options) {
  if (typeof fn !== 'function') throw new TypeError('a transaction is a function that reads and changes');
  const given = checkOptions(options);
  const attempts = count(given.attempts, 'attempts') ?? ATTEMPTS;
  for (let attempt = 0; attempt < attempts; ++attempt) {
    if (attempt > 0) await pause(attempt - 1);
    checkSignal(given.signal);
    const draft = native.newTransaction(handle);
    if (draft === null) throw AspenError.local('SHUTDOWN', 'the node is closed');
    const transaction = new Transaction(handle, draft, given, 'transaction');
    try {
      const result = await fn(transaction);
      if ((await transaction._commit()).succeeded) return result;
    } finally {
      transaction._end();
    }
  }
  throw new ConflictError(`others changed what the transaction read, in each of ${attempts} attempts`, {
    retryable: true,
  });
}

class Branch extends Draft {
  constructor(handle, draft, defaults, prefix) {
    super(handle, draft, defaults, 'branch');
    Object.defineProperty(this, 'prefix', { value: prefix, enumerable: true });
  }

  async branch(prefix, options) {
    return this._branch(prefix ?? this.prefix, options);
  }

  async commit(options) {
    const { succeeded, revision, conflicts } = await this._commit(options);
    if (!succeeded) {
      const shown = conflicts.slice(0, CONFLICTS_SHOWN).map(({ start }) => JSON.stringify(start.toString()));
      throw new ConflictError(`others changed what the branch read or changed, in ${conflicts.length} places: ` +
        `${shown.join(', ')}${conflicts.length > CONFLICTS_SHOWN ? ', ...' : ''}; make another branch`, { conflicts });
    }
    this._end();
    return revision;
  }

  discard() {
    this._end();
  }
}
// Older Node.js has no such symbol; then there is no `using` either.
if (Symbol.dispose) {
  Object.defineProperty(Branch.prototype, Symbol.dispose, {
    value() {
      this.discard();
    },
    configurable: true,
    writable: true,
  });
}

async function openBranch(handle, parent, prefix, options) {
  const copied = Buffer.from(bytes(prefix, 'prefix'));
  const defaults = checkOptions(options);
  const { timeoutMs, signal } = defaults;
  const draft = await runOn(handle, { timeoutMs, signal }, (...call) => native.branch(...call, parent, copied));
  return new Branch(handle, draft, defaults, copied);
}

module.exports = { Branch, Transaction, openBranch, transact };
