// From a caller's arguments to one operation of the engine and its promise.
'use strict';

const native = require('./native.js');
const { AspenError } = require('./error.js');

const MS_MAX = Number.MAX_SAFE_INTEGER / 1e6;  // as nanoseconds still exact: a hundred days

const LINEARIZABLE = 0;
const STALE = 1;
const LEASE = 2;

const UINT64_MAX = 2n ** 64n - 1n;

const LONE_SURROGATE = /\p{Surrogate}/u;  // (isWellFormed() came with Node.js 20)

let nextTag = 1;

// Bytes of a key or value. Strings are UTF-8; one with a lone surrogate has no UTF-8, and taking a
// replacement character instead would make two different keys one.
function bytes(value, what) {
  if (typeof value === 'string') {
    if (LONE_SURROGATE.test(value)) throw new TypeError(`${what} is not well-formed Unicode, so not bytes`);
    return Buffer.from(value);
  }
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`${what} must be a string, a Buffer or a Uint8Array`);
}

// Text that crosses as a NUL-terminated string.
function text(value, what) {
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string`);
  if (value.includes('\0') || LONE_SURROGATE.test(value)) throw new TypeError(`${what} must be text without NUL`);
  return value;
}

// Milliseconds as whole nanoseconds; 0, the engine's default, when not given.
function nanoseconds(ms, what) {
  if (ms === undefined) return 0;
  if (typeof ms !== 'number') throw new TypeError(`${what} must be a number of milliseconds`);
  if (!(ms > 0 && ms <= MS_MAX)) throw new RangeError(`${what} must be above 0 and at most ${MS_MAX}`);
  return Math.max(1, Math.round(ms * 1e6));
}

// A revision or lease.
function uint64(value, what) {
  if (value === undefined) return undefined;
  if (typeof value !== 'bigint') throw new TypeError(`${what} must be a bigint`);
  if (value < 0n || value > UINT64_MAX) throw new RangeError(`${what} must fit 64 bits`);
  return value;
}

// A lease, or its number.
function leaseNumber(value) {
  return uint64(typeof value?.id === 'bigint' ? value.id : value, 'lease');
}

function count(value, what) {
  if (value === undefined) return undefined;
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${what} must be whole and above 0`);
  return value;
}

function checkOptions(options) {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object');
  return options;
}

// The tags of the calls each signal can end. One listener serves them all: Node.js takes many listeners on one
// signal for a leak, and says so.
const watched = new WeakMap();

function watch(signal, tag) {
  let entry = watched.get(signal);
  if (entry === undefined) {
    const tags = new Set();
    entry = { tags, cancel: () => tags.forEach((each) => native.cancel(each)) };
    watched.set(signal, entry);
    signal.addEventListener('abort', entry.cancel, { once: true });
  }
  entry.tags.add(tag);
}

function unwatch(signal, tag) {
  const entry = watched.get(signal);
  entry.tags.delete(tag);
  if (entry.tags.size > 0) return;
  watched.delete(signal);
  signal.removeEventListener('abort', entry.cancel);
}

function checkSignal(signal) {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError('signal must be an AbortSignal');
  }
  if (signal?.aborted) {
    throw AspenError.local('CANCELLED', 'the signal was aborted before the call', { cause: signal.reason });
  }
}

// Starts an operation and waits for it. `start(tag)` makes it and returns its promise; an abort asks it to
// end, and what it then comes to is what the caller gets.
async function run(start, signal) {
  checkSignal(signal);
  const tag = nextTag++;
  const promise = start(tag);
  if (signal !== undefined) watch(signal, tag);
  try {
    return await promise;
  } catch (failure) {
    if (failure instanceof Error) throw failure;
    // Made here, not where the promise was rejected: this stack still shows who called.
    throw new AspenError(failure, signal?.aborted ? { cause: signal.reason } : undefined);
  } finally {
    if (signal !== undefined) unwatch(signal, tag);
  }
}

// The same of an operation on a node: `submit` gets what every call on one begins with.
async function runOn(handle, options, submit) {
  const { timeoutMs, signal, stale, stalenessMs, leaseRead } = checkOptions(options);
  const timeoutNs = nanoseconds(timeoutMs, 'timeoutMs');
  const old = stale === true || stalenessMs !== undefined;
  if (old && leaseRead === true) throw new TypeError("a read is stale, or by the leader's lease, not both");
  const consistency = old ? STALE : leaseRead === true ? LEASE : LINEARIZABLE;
  return run((tag) => submit(handle, tag, timeoutNs, consistency), signal);
}

module.exports = { bytes, text, nanoseconds, uint64, count, checkOptions, checkSignal, leaseNumber, run, runOn };
