'use strict';

const native = require('./native.js');
const { text, nanoseconds, checkOptions, count, run, runOn } = require('./call.js');
const { backup, removeMember, transferLeadership } = require('./keeping.js');
const { KV } = require('./kv.js');

const EMBEDDED = 0;
const FOUND = 1;
const JOIN = 2;
const CLIENT = 3;

// An open node. See index.d.ts.
class Node {
  #handle;
  #closing;

  constructor(handle, mode) {
    this.#handle = handle;
    const [id, address] = native.identity(handle);
    Object.defineProperties(this, {
      id: { value: id, enumerable: true },
      address: { value: address, enumerable: true },
      kv: { value: new KV(handle) },
    });
    // A member serves others, like a listening server; others have only their own calls to wait for.
    if (mode === FOUND || mode === JOIN) this.ref();
  }

  async status(options) {
    const document = JSON.parse(await this.#run(options, (...call) => native.status(...call)));
    return {
      nodeId: document.node_id,
      networkId: document.network_id,
      mode: document.mode,
      role: document.role,
      address: document.address,
      leader: document.leader,
      term: BigInt(document.term),
      commit: BigInt(document.commit),
      applied: BigInt(document.applied),
      members: document.members.map((member) => ({
        nodeId: member.node_id,
        address: member.address,
        role: member.role,
        leader: member.leader,
        reachable: member.reachable,
      })),
    };
  }

  async ticket(options) {
    const validNs = nanoseconds(options?.validMs, 'validMs');
    return this.#run(options, (...call) => native.ticket(...call, validNs));
  }

  async removeMember(nodeId, options) {
    return removeMember(this.#handle, nodeId, options);
  }

  async transferLeadership(nodeId, options) {
    return transferLeadership(this.#handle, nodeId, options);
  }

  async backup(target, options) {
    return backup(this.#handle, target, options);
  }

  // Idempotent: every call gets the promise of the first.
  close() {
    this.#closing ??= run((tag) => native.close(this.#handle, tag));
    return this.#closing;
  }

  ref() {
    native.hold(this.#handle, true);
    return this;
  }

  unref() {
    native.hold(this.#handle, false);
    return this;
  }

  #run(options, submit) {
    const { timeoutMs, signal } = checkOptions(options);
    return runOn(this.#handle, { timeoutMs, signal }, submit);
  }
}
// Older Node.js has no such symbol; then there is no `await using` either.
if (Symbol.asyncDispose) {
  Object.defineProperty(Node.prototype, Symbol.asyncDispose, {
    value() {
      return this.close();
    },
    configurable: true,
    writable: true,
  });
}

async function openNode(mode, names, options) {
  const request = {
    mode,
    openTimeoutNs: nanoseconds(options.timeoutMs, 'timeoutMs'),
    heartbeatNs: nanoseconds(options.heartbeatMs, 'heartbeatMs'),
    electionNs: nanoseconds(options.electionMs, 'electionMs'),
  };
  if (options.restoreFrom !== undefined) request.restoreFrom = text(options.restoreFrom, 'restoreFrom');
  Object.assign(request, {
    historyRevisions: count(options.historyRevisions, 'historyRevisions'),
    historyNs: options.historyMs === Infinity ? -1 : nanoseconds(options.historyMs, 'historyMs'),
    deadVoterNs: nanoseconds(options.deadVoterMs, 'deadVoterMs'),
    journalSegmentBytes: count(options.journalSegmentBytes, 'journalSegmentBytes'),
    clockDriftPpmMax: count(options.clockDriftPpm, 'clockDriftPpm'),
    leaseReads: options.leaseReads === true,
    memberReads: options.memberReads === true,
  });
  for (const name of names) request[name] = text(options[name], name);
  if (options.advertise !== undefined) request.advertise = text(options.advertise, 'advertise');
  return new Node(await run((tag) => native.open(request, tag), options.signal), mode);
}

const open = async (dir, options) => openNode(EMBEDDED, ['dir'], { ...checkOptions(options), dir });
const found = async (options) => openNode(FOUND, ['dir', 'listen'], checkOptions(options));
const join = async (options) => openNode(JOIN, ['dir', 'listen', 'ticket'], checkOptions(options));
const connect = async (ticket, options) => openNode(CLIENT, ['ticket'], { ...checkOptions(options), ticket });

module.exports = { Node, open, found, join, connect };
