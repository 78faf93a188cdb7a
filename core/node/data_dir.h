// A node's directory: who it is, and the lock that keeps a second process out.
//
//   DIR/lock    held by flock while a process has the directory open; names its pid
//   DIR/node    format version, the node's key, its network and membership (one checksummed file, mode 0600)
//   DIR/log     the Raft log          DIR/state    applied state, each with a file OWNER that names the node
//
// `node` is replaced by write, sync, rename, sync of the directory: after a crash it is the old or the new
// one. A directory with other things in it is refused, nothing is created in it; one in which no node was
// saved is left as it was found.
//
// Thread safety: none. Blocks on the disk.
#pragma once

#include <memory>
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
};

class DataDir {
 public:
  // Creates `path` when absent (not its parent). Errors: IN_USE naming the holder's pid, WRONG_NODE when it
  // holds something else, UNSUPPORTED naming both format versions, CORRUPT, IO.
  static Result<std::unique_ptr<DataDir>> open(const std::string& path);
  ~DataDir();
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;

  // Nothing for a directory that is new.
  const std::optional<NodeFile>& node() const { return node_; }
  Result<> save(NodeFile node);
  // Makes the store directory `path` this node's, by a file OWNER in it, before anything is stored there: a
  // store that was copied from another node would serve that one's data. Requires: node(). Errors: WRONG_NODE
  // naming both nodes, IO.
  Result<> claim(const std::string& path) const;
  std::string log_path() const { return path_ + "/log"; }
  std::string state_path() const { return path_ + "/state"; }
  const std::string& path() const { return path_; }

 private:
  DataDir(std::string path, int lock_fd, bool created)
      : path_(std::move(path)), lock_fd_(lock_fd), created_(created) {}
  Result<> load();

  std::string path_;
  int lock_fd_;
  bool created_;          // by open(), just now
  bool unsaved_ = false;  // there is no node file yet
  std::optional<NodeFile> node_;
};

}  // namespace aspen::node
