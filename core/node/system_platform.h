// The operating system's disk, network and threads, for a node on an event loop.
#pragma once

#include "core/node/platform.h"
#include "core/rt/loop.h"

namespace aspen::node {

class SystemPlatform final : public Platform {
 public:
  // The loop outlives the platform and what it opens.
  explicit SystemPlatform(rt::Loop& loop) : loop_(loop) {}

  rt::Executor& executor() override { return loop_.executor(); }
  Result<std::unique_ptr<Home>> open_home(const std::string& dir) override;
  Result<std::unique_ptr<journal::Directory>> open_folder(const std::string& path, bool create) override;
  Result<std::unique_ptr<net::Endpoint>> open_endpoint(net::EndpointOptions options) override;
  std::unique_ptr<rt::Lane> open_lane(LaneUse use) override;

 private:
  rt::Loop& loop_;
};

}  // namespace aspen::node
