// The same module, whichever way it is loaded: one engine, one queue, one AspenError.
import aspen from './index.js';

export const {
  open, found, join, connect, Node, KV, Batch, Branch, Transaction, Watch, tuple, Subspace, AspenError, ConflictError,
  errors, parseNodeId, formatNodeId, inspectTicket, limits, version,
  Lease,
  Directory,
  verify,
} = aspen;
export default aspen;
