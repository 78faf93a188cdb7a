// A range as an async iterator, page by page: at most one page is held.
'use strict';

const native = require('./native.js');
const { count } = require('./call.js');
const { rangeRequest } = require('./keys.js');
const { entryAt, entryCount } = require('./result.js');

async function* walk(limit, request, fetch) {
  for (let left = limit, continuation; ;) {
    const [flat, next] = await fetch({ ...request, continuation });
    for (let i = 0; i < entryCount(flat); ++i) {
      yield entryAt(flat, i);
      if (--left === 0) return;
    }
    if (next === null) return;
    continuation = next;
  }
}

// Validates at once. `fetch(request)` gives a page as the addon does.
function pages(options, fetch) {
  const request = rangeRequest(options);
  const { limit = Infinity } = request;
  const pageEntries = count(options?.pageEntries, 'pageEntries') ?? native.limits().RANGE_ENTRIES;
  return walk(limit, { ...request, limit: Math.min(limit, pageEntries) }, fetch);
}

module.exports = { pages };
