// What keeps a store in order: its history, quotas, members, backups and their verification. See keeping.d.ts.
'use strict';

const native = require('./native.js');
const { bytes, checkOptions, count, runOn, uint64 } = require('./call.js');
const { run, text } = require('./call.js');

const QUOTA_SIZE = 5;

function compact(handle, revision, options) {
  if (revision === undefined) throw new TypeError('revision must be a bigint');
  const at = uint64(revision, 'revision');
  return runOn(handle, options, (...call) => native.compact(...call, at));
}

function setQuota(handle, prefix, quota, options) {
  const { bytesMax, keysMax } = checkOptions(quota);
  const limits = [count(bytesMax, 'bytesMax') ?? 0, count(keysMax, 'keysMax') ?? 0];
  const p = bytes(prefix, 'prefix');
  return runOn(handle, options, (...call) => native.quotaSet(...call, p, ...limits));
}

async function quotas(handle, options) {
  const flat = await runOn(handle, options, (...call) => native.quotaList(...call));
  return Array.from({ length: flat.length / QUOTA_SIZE }, (_, i) => {
    const [prefix, bytesMax, keysMax, used, keys] = flat.slice(QUOTA_SIZE * i, QUOTA_SIZE * (i + 1));
    return { prefix, bytesMax: bytesMax || null, keysMax: keysMax || null, bytes: used, keys };
  });
}

function removeMember(handle, nodeId, options) {
  const id = text(nodeId, 'nodeId');
  const { timeoutMs, signal } = checkOptions(options);
  return runOn(handle, { timeoutMs, signal }, (...call) => native.memberRemove(...call, id));
}

function transferLeadership(handle, nodeId, options) {
  const id = nodeId === undefined ? undefined : text(nodeId, 'nodeId');
  const { timeoutMs, signal } = checkOptions(options);
  return runOn(handle, { timeoutMs, signal }, (...call) => native.leaderTransfer(...call, id));
}

async function backup(handle, target, options) {
  const descriptor = typeof target === 'number';
  if (descriptor && !(Number.isSafeInteger(target) && target > 0)) {
    throw new RangeError('target must be a directory, or a descriptor above 0');
  }
  const rest = descriptor ? [undefined, target] : [text(target, 'target'), 0];
  const { timeoutMs, signal, stale } = checkOptions(options);
  return JSON.parse(await runOn(handle, { timeoutMs, signal, stale }, (...call) => native.backup(...call, ...rest)));
}

// A report of damage comes with a failure, and is what was asked for all the same.
async function verify(dir, options) {
  const path = text(dir, 'dir');
  const { signal } = checkOptions(options);
  try {
    return JSON.parse(await run((tag) => native.verify(path, tag), signal));
  } catch (error) {
    if (!error.report) throw error;
    return JSON.parse(error.report);
  }
}

Object.assign(exports, { backup, verify });
Object.assign(exports, { compact, quotas, setQuota });
Object.assign(exports, { removeMember, transferLeadership });
