#include "core/node/system_platform.h"

#include "core/journal/posix_directory.h"
#include "core/node/data_dir.h"
#include "core/rt/blocking.h"

namespace aspen::node {

Result<std::unique_ptr<Home>> SystemPlatform::open_home(const std::string& dir) {
  return DataDir::open(dir);
}

Result<std::unique_ptr<journal::Directory>> SystemPlatform::open_folder(const std::string& path,
                                                                        bool create) {
  return create ? journal::PosixDirectory::at(path) : journal::PosixDirectory::existing(path);
}

Result<std::unique_ptr<net::Endpoint>> SystemPlatform::open_endpoint(net::EndpointOptions options) {
  return net::Endpoint::open(loop_, std::move(options));
}

std::unique_ptr<rt::Lane> SystemPlatform::open_lane(LaneUse) {
  return std::make_unique<rt::ThreadLane>(loop_);
}

}  // namespace aspen::node
