'use strict';

const native = require('./native.js');
const { AspenError } = require('./error.js');
const { text } = require('./call.js');

function parseNodeId(id) {
  if (typeof id !== 'string') throw new TypeError('a node id is a string');
  const parsed = native.parseNodeId(id);
  if (parsed === null) {
    throw AspenError.local('INVALID_ARGUMENT', 'not a node id, which is 52 characters of a-z and 2-7');
  }
  return parsed;
}

function formatNodeId(bytes) {
  if (!(bytes instanceof Uint8Array)) throw new TypeError('a node id is 32 bytes, as a Buffer or Uint8Array');
  if (bytes.length !== 32) {
    throw AspenError.local('INVALID_ARGUMENT', `a node id is 32 bytes; this is ${bytes.length}`);
  }
  return native.formatNodeId(bytes);
}

function inspectTicket(ticket) {
  const { text: document, failure } = native.inspectTicket(text(ticket, 'ticket'));
  if (failure !== undefined) throw new AspenError(failure);
  // Nanoseconds since 1970 are beyond what a number holds exactly.
  const parsed = JSON.parse(document.replace(/("not_after_unix_ns":\s*)(-?\d+)/, '$1"$2"'));
  return {
    networkId: parsed.network_id,
    peers: parsed.peers.map((peer) => ({ nodeId: peer.node_id, address: peer.address })),
    roles: parsed.roles,
    notAfterUnixNs: BigInt(parsed.not_after_unix_ns),
  };
}

module.exports = { parseNodeId, formatNodeId, inspectTicket };
