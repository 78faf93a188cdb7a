// The addon's flat arrays (src/result.h) as objects.
'use strict';

const ENTRY_SIZE = 6;
const RESULT_SIZE = 6;

const CHANGE = 1;
const DELETE_RANGE = 2;
const GET = 3;
const RANGE = 4;
const TRANSACTION = 5;
const END = 6;

function entryAt(flat, index) {
  const at = ENTRY_SIZE * index;
  return {
    key: flat[at],
    value: flat[at + 1],
    createRevision: flat[at + 2],
    modRevision: flat[at + 3],
    version: flat[at + 4],
    lease: flat[at + 5],
  };
}

const entryCount = (flat) => flat.length / ENTRY_SIZE;
const firstEntry = (flat) => (flat.length > 0 ? entryAt(flat, 0) : null);

// One operation's result; of a transaction without the results within it.
function resultAt(flat, at, entries) {
  const [kind, flag, previousRevision, count, begin, end] = flat.slice(at, at + RESULT_SIZE);
  const first = () => (begin < end ? entryAt(entries, begin) : null);
  const all = () => Array.from({ length: end - begin }, (_, i) => entryAt(entries, begin + i));
  switch (kind) {
    case CHANGE: return { kind: 'change', existed: flag, previousRevision, previous: first() };
    case DELETE_RANGE: return { kind: 'deleteRange', count, previous: all() };
    case GET: return { kind: 'get', entry: first() };
    case RANGE: return { kind: 'range', entries: all(), more: flag };
    case TRANSACTION: return { kind: 'transaction', succeeded: flag, results: [] };
    default: throw new Error(`the engine gave a result of the unknown kind ${kind}`);
  }
}

function resultTree(flat, entries) {
  const tree = [];
  const around = [];
  let results = tree;
  for (let at = 0; at < flat.length; at += RESULT_SIZE) {
    if (flat[at] === END) {
      results = around.pop();
      continue;
    }
    const result = resultAt(flat, at, entries);
    results.push(result);
    if (result.kind !== 'transaction') continue;
    around.push(results);
    results = result.results;
  }
  return tree;
}

// What a write came to: {revision, succeeded, failed, current, results}. `current` is of the check that failed;
// its entry, when there is one, comes before those of the results.
function outcome([revision, succeeded, failed, entries, flat]) {
  const before = flat.length > 0 ? flat[4] : entryCount(entries);
  return {
    revision,
    succeeded,
    failed: failed < 0 ? null : failed,
    current: !succeeded && before > 0 ? entryAt(entries, 0) : null,
    results: resultTree(flat, entries),
  };
}

module.exports = { entryAt, entryCount, firstEntry, outcome };
