// Who a node is: what it keeps across restarts besides journal and state. One checksummed record, replaced
// whole.
//
// Thread safety: none.
#pragma once

#include <optional>
#include <string>

#include "core/crypto/grant.h"
#include "core/crypto/ticket.h"

namespace aspen::node {

struct NodeFile {
  crypto::Seed node_seed{};
  NetworkId network;
  crypto::GrantChain membership;             // leads to the node's key
  std::optional<crypto::Seed> root_seed;     // of the network, on its founder
  std::optional<crypto::Ticket> invitation;  // the ticket it joined with
  bool has_log = false;                      // the log was begun: an empty one means it was lost since
  bool restoring = false;                    // what it has of a backup is not whole; then has_log is false
};

inline constexpr size_t kNodeFileBytesMax = 64u << 10;

Bytes encode_node_file(const NodeFile& node);
// `path` is for messages. Errors: WRONG_NODE when it is something else, UNSUPPORTED naming both format
// versions, CORRUPT.
Result<NodeFile> decode_node_file(BytesView bytes, const std::string& path);

}  // namespace aspen::node
