'use strict';

const native = require('./native.js');
const { AspenError, ConflictError, errors } = require('./error.js');
const { Node, open, found, join, connect } = require('./node.js');
const { KV } = require('./kv.js');
const { Batch } = require('./batch.js');
const { Branch, Transaction } = require('./transaction.js');
const { Watch } = require('./watch.js');
const { Lease } = require('./lease.js');
const { Directory } = require('./directory.js');
const { verify } = require('./keeping.js');
const { tuple, Subspace } = require('./tuple.js');
const { parseNodeId, formatNodeId, inspectTicket } = require('./identifiers.js');

// KEY_BYTES -> keyBytes
const camel = (name) => name.toLowerCase().replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const limits = Object.freeze(
  Object.fromEntries(Object.entries(native.limits()).map(([name, value]) => [camel(name), value])));

const version = native.version;

// Names are given one by one so that an ES module can import them.
exports.open = open;
exports.found = found;
exports.join = join;
exports.connect = connect;
exports.Node = Node;
exports.KV = KV;
exports.Batch = Batch;
exports.Branch = Branch;
exports.Transaction = Transaction;
exports.Watch = Watch;
exports.Lease = Lease;
exports.Directory = Directory;
exports.verify = verify;
exports.tuple = tuple;
exports.Subspace = Subspace;
exports.AspenError = AspenError;
exports.ConflictError = ConflictError;
exports.errors = errors;
exports.parseNodeId = parseNodeId;
exports.formatNodeId = formatNodeId;
exports.inspectTicket = inspectTicket;
exports.limits = limits;
exports.version = version;
