// Transactions, put together in the order in which they are written.
//
// The addon's batch is told "else", "begin" and "end", and what follows goes there. So at any time there is one
// builder whose turn it is: the batch, or, while a function given to else() or transaction() runs, the one
// that function was given. Others are refused, because what they add would go to the wrong place.
'use strict';

const native = require('./native.js');
const { bytes, checkOptions, leaseNumber } = require('./call.js');
const { AspenError } = require('./error.js');
const { comparison } = require('./compare.js');
const { bounds, rangeRequest } = require('./keys.js');
const { outcome } = require('./result.js');

// A batch of the addon, and whose turn it is.
class Assembly {
  #batch = native.newBatch();
  #turn = null;  // null: nothing can be added any more
  #inside = 0;   // functions that are running, or threw

  // The batch, for `builder` to add to.
  batch(builder) {
    if (this.#turn !== builder) {
      throw AspenError.local('INVALID_ARGUMENT', 'this is not the place to add to: nothing follows else(), and a ' +
        'branch or transaction is added to while its function runs');
    }
    return this.#batch;
  }

  // The batch, put together.
  whole() {
    if (this.#inside > 0) {
      throw AspenError.local('INVALID_ARGUMENT', 'the batch is not whole: a function that adds to it is still ' +
        'running, or threw');
    }
    return this.#batch;
  }

  begin(builder) {
    this.#turn = builder;
  }

  // After else().
  end() {
    this.#turn = null;
  }

  // Runs `build`, which adds to `inner`. When it throws, the batch stays half made, and is of no use.
  run(inner, build) {
    const outer = this.#turn;
    this.#turn = inner;
    ++this.#inside;
    if (typeof build(inner)?.then === 'function') throw new TypeError('what adds to a batch must not be async');
    --this.#inside;
    this.#turn = outer;
  }
}

function builderFunction(build) {
  if (typeof build !== 'function') throw new TypeError('a branch or transaction is a function that adds to it');
  return build;
}

// A list of operations. See batch.d.ts.
class Operations {
  #assembly;

  constructor(assembly) {
    this.#assembly = assembly;
  }

  put(key, value, options) {
    const { lease, previous } = checkOptions(options);
    const added = [bytes(key, 'key'), bytes(value, 'value'), leaseNumber(lease), previous === true];
    native.batchPut(this.#assembly.batch(this), ...added);
    return this;
  }

  delete(key, options) {
    const { previous } = checkOptions(options);
    native.batchDelete(this.#assembly.batch(this), bytes(key, 'key'), previous === true);
    return this;
  }

  deleteRange(range, options) {
    const { previous } = checkOptions(options);
    native.batchDeleteRange(this.#assembly.batch(this), ...bounds(range), previous === true);
    return this;
  }

  get(key) {
    native.batchGet(this.#assembly.batch(this), bytes(key, 'key'));
    return this;
  }

  range(options) {
    native.batchRange(this.#assembly.batch(this), rangeRequest(options));
    return this;
  }

  transaction(build) {
    const inner = builderFunction(build);
    const batch = this.#assembly.batch(this);
    native.batchBegin(batch);
    this.#assembly.run(new Conditional(this.#assembly), inner);
    native.batchEnd(batch);
    return this;
  }
}

// Checks, and the operations of either outcome.
class Conditional extends Operations {
  #assembly;

  constructor(assembly) {
    super(assembly);
    this.#assembly = assembly;
  }

  check(keys, expect) {
    const batch = this.#assembly.batch(this);
    const one = typeof keys === 'string' || keys instanceof Uint8Array;
    const [start, end] = one ? [bytes(keys, 'key'), undefined] : bounds(keys);
    const { target, relation, value, number } = comparison(expect);
    native.batchCompare(batch, target, relation, start, end, value, number);
    return this;
  }

  else(build) {
    const inner = builderFunction(build);
    native.batchElse(this.#assembly.batch(this));
    this.#assembly.run(new Operations(this.#assembly), inner);
    this.#assembly.end();
    return this;
  }
}

class Batch extends Conditional {
  #assembly;
  #apply;

  constructor(apply) {
    const assembly = new Assembly();
    super(assembly);
    assembly.begin(this);
    this.#assembly = assembly;
    this.#apply = apply;
  }

  async apply(options) {
    const { failed, ...result } = outcome(await this.#apply(this.#assembly.whole(), options));
    const changes = result.results.filter(({ kind }) => kind === 'change');
    return { ...result, failedCheck: failed, changes };
  }
}

module.exports = { Batch };
