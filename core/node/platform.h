// What a node stands on: where its engine runs, its disk and its network. In production these are the
// operating system's (system_platform.h); the lab puts simulated ones in their place, below the same engine.
//
// Thread safety: none; the engine thread.
#pragma once

#include <memory>
#include <string>

#include "core/journal/directory.h"
#include "core/net/endpoint.h"
#include "core/node/node_file.h"
#include "core/rt/offload.h"
#include "core/store/store.h"

namespace aspen::node {

// A node's directory: who it is, its journal and its state. Held by one engine at a time. Blocks on the disk.
class Home {
 public:
  virtual ~Home() = default;
  // Nothing for a directory that is new.
  virtual const std::optional<NodeFile>& node() const = 0;
  // Durable when it returns: after a crash it is the old or the new file.
  virtual Result<> save(NodeFile node) = 0;
  // Where the journal with the Raft logs is, and the applied state, without a write-ahead log. Created when
  // absent and then this node's: what was copied from another node would serve that one's data. Requires:
  // node(). Errors: WRONG_NODE naming both nodes, IN_USE, CORRUPT, IO.
  virtual Result<std::unique_ptr<journal::Directory>> open_journal() = 0;
  virtual Result<std::unique_ptr<store::Store>> open_state() = 0;
};

// What a lane is for: short writes that somebody waits for, or what may take long.
enum class LaneUse : uint8_t { log, background };

class Platform {
 public:
  virtual ~Platform() = default;
  virtual rt::Executor& executor() = 0;
  // Creates the directory when absent (not its parent). Errors: IN_USE, WRONG_NODE, UNSUPPORTED, CORRUPT, IO.
  virtual Result<std::unique_ptr<Home>> open_home(const std::string& dir) = 0;
  // A directory that the user names, for a backup; with `create` made when absent (not its parent). Errors:
  // NOT_FOUND, IO.
  virtual Result<std::unique_ptr<journal::Directory>> open_folder(const std::string& path, bool create) = 0;
  // Errors: as net::Endpoint::open.
  virtual Result<std::unique_ptr<net::Endpoint>> open_endpoint(net::EndpointOptions options) = 0;
  virtual std::unique_ptr<rt::Lane> open_lane(LaneUse use) = 0;
};

}  // namespace aspen::node
