// A node's directory: who it is, and the lock that keeps a second process out.
//
//   DIR/lock    held by flock while a process has the directory open; names its pid
//   DIR/node    format version, the node's key, its network and membership (one checksummed file, mode 0600)
//   DIR/journal the Raft logs         DIR/state    applied state, each with a file OWNER that names the node
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

#include "core/node/platform.h"

namespace aspen::node {

class DataDir final : public Home {
 public:
  // Creates `path` when absent (not its parent). Errors: IN_USE naming the holder's pid, WRONG_NODE when it
  // holds something else, UNSUPPORTED naming both format versions, CORRUPT, IO.
  static Result<std::unique_ptr<DataDir>> open(const std::string& path);
  ~DataDir() override;
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;

  const std::optional<NodeFile>& node() const override { return node_; }
  Result<> save(NodeFile node) override;
  Result<std::unique_ptr<journal::Directory>> open_journal() override;
  Result<std::unique_ptr<store::Store>> open_state() override;
  const std::string& path() const { return path_; }

 private:
  DataDir(std::string path, int lock_fd, bool created)
      : path_(std::move(path)), lock_fd_(lock_fd), created_(created) {}
  Result<> load();
  // Makes the directory `path` this node's, by a file OWNER in it, before anything is stored there.
  Result<> claim(const std::string& path) const;

  std::string path_;
  int lock_fd_;
  bool created_;          // by open(), just now
  bool unsaved_ = false;  // there is no node file yet
  std::optional<NodeFile> node_;
};

}  // namespace aspen::node
