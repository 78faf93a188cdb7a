// Directories: paths of names that stand for prefixes. See directory.d.ts.
'use strict';

const native = require('./native.js');
const { bytes, checkOptions, runOn } = require('./call.js');
const { entryAt, entryCount } = require('./result.js');
const { Subspace, tuple } = require('./tuple.js');

const OPEN = 1;
const CREATE = 2;
const OPEN_OR_CREATE = 3;

class Directory extends Subspace {
  constructor(path, prefix, created) {
    super([], prefix);
    Object.defineProperties(this, {
      path: { value: Object.freeze([...path]), enumerable: true },
      created: { value: created, enumerable: true },
    });
  }
}

function packedPath(path) {
  if (!Array.isArray(path) || !path.every((name) => typeof name === 'string')) {
    throw new TypeError("a path is an array of strings, such as ['app', 'users']");
  }
  return tuple.pack(path);
}

async function openDirectory(handle, path, options) {
  const { create = true, existOk = true, layer = '' } = checkOptions(options);
  const how = create === false ? OPEN : existOk === false ? CREATE : OPEN_OR_CREATE;
  const rest = [packedPath(path), how, bytes(layer, 'layer')];
  const [, created, , flat] = await runOn(handle, options, (...call) => native.directoryOpen(...call, ...rest));
  return new Directory(path, flat[1], created);
}

async function* directories(handle, path = [], options = undefined) {
  const packed = packedPath(path);
  for (let after; ;) {
    const last = after;
    const [flat, more] = await runOn(handle, options, (...call) => native.directoryList(...call, packed, last));
    for (let i = 0; i < entryCount(flat); ++i) {
      const { key, value } = entryAt(flat, i);
      after = key.toString();
      yield new Directory([...path, after], value, false);
    }
    if (!more) return;
  }
}

async function moveDirectory(handle, from, to, options) {
  const rest = [packedPath(from), packedPath(to)];
  const [, , , flat] = await runOn(handle, options, (...call) => native.directoryMove(...call, ...rest));
  return new Directory(to, flat[1], false);
}

async function removeDirectory(handle, path, options) {
  const packed = packedPath(path);
  const [, removed] = await runOn(handle, options, (...call) => native.directoryRemove(...call, packed));
  return removed;
}

module.exports = { Directory, directories, moveDirectory, openDirectory, removeDirectory };
