#include "core/journal/memory_directory.h"

#include <algorithm>
#include <cstring>

#include "core/base/assert.h"

namespace aspen::journal {
namespace {

void write_to(Bytes& file, uint64_t offset, BytesView bytes) {
  if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size());
  bytes.copy(file.data() + offset, bytes.size());
}

std::unexpected<Error> stopped(const std::string& name) {
  return fail(Code::IO, "{}: the machine has crashed", name);
}

std::unexpected<Error> failed(const std::string& name) {
  return fail(Code::IO, "{}: input/output error", name);
}

}  // namespace

class MemoryDirectory::Handle final : public File {
 public:
  Handle(MemoryDirectory& directory, std::string name, std::shared_ptr<Node> node)
      : directory_(directory), name_(std::move(name)), node_(std::move(node)), boot_(directory.boot_) {}

  Result<uint64_t> size() const override {
    if (!alive()) return stopped(name_);
    return node_->current.size();
  }

  Result<size_t> read(uint64_t offset, std::span<char> into) const override {
    if (!alive()) return stopped(name_);
    ASPEN_CHECK(directory_.begin(Operation::read, name_));
    if (offset >= node_->current.size()) return 0;
    return node_->current.copy(into.data(), into.size(), offset);
  }

  Result<> write(uint64_t offset, BytesView bytes) override {
    if (!alive()) return stopped(name_);
    ASPEN_TRY(Fault fault, directory_.begin(Operation::write, name_));
    uint64_t end = offset + bytes.size();
    uint64_t grown = end > node_->current.size() ? end - node_->current.size() : 0;
    if (grown > 0 && directory_.bytes_used() + grown > directory_.bytes_max) {
      return fail(Code::IO, "cannot write {}: the disk is full", name_);
    }
    if (fault == Fault::part) bytes = bytes.substr(0, bytes.size() / 2);
    write_to(node_->current, offset, bytes);
    node_->unsynced.push_back({.offset = offset, .bytes = Bytes(bytes)});
    if (fault == Fault::part) return failed(name_);
    return fault == Fault::die ? Result<>(stopped(name_)) : Result<>();
  }

  Result<> sync() override {
    if (!alive()) return stopped(name_);
    auto fault = directory_.begin(Operation::sync, name_);
    if (!fault && !directory_.dead_) node_->unsynced.clear();
    if (!fault) return forward_error(std::move(fault));
    if (*fault == Fault::die) return stopped(name_);
    if (!node_->unsynced.empty()) node_->last_sync = {.begin = node_->unsynced.front().offset};
    for (const Write& write : node_->unsynced) {
      write_to(node_->durable, write.offset, write.bytes);
      node_->last_sync.begin = std::min(node_->last_sync.begin, write.offset);
      node_->last_sync.end = std::max(node_->last_sync.end, write.offset + write.bytes.size());
    }
    node_->unsynced.clear();
    return {};
  }

  Result<> write_synced(uint64_t offset, BytesView bytes) override {
    ASPEN_CHECK(write(offset, bytes));
    if (node_->unsynced.size() == 1) return sync();
    // Only these bytes: the rest stays as it is.
    std::vector<Write> others(node_->unsynced.begin(), node_->unsynced.end() - 1);
    node_->unsynced.erase(node_->unsynced.begin(), node_->unsynced.end() - 1);
    Result<> result = sync();
    // What was written over is gone.
    for (Write& other : others) {
      uint64_t begin = std::max(offset, other.offset);
      uint64_t end = std::min(offset + bytes.size(), other.offset + other.bytes.size());
      if (begin < end) write_to(other.bytes, begin - other.offset, bytes.substr(begin - offset, end - begin));
    }
    node_->unsynced.insert(node_->unsynced.begin(), others.begin(), others.end());
    return result;
  }

 private:
  bool alive() const { return boot_ == directory_.boot_; }

  MemoryDirectory& directory_;
  std::string name_;
  std::shared_ptr<Node> node_;
  uint64_t boot_;
};

MemoryDirectory::MemoryDirectory(const std::map<std::string, Bytes>& files) {
  for (const auto& [name, bytes] : files) {
    names_[name] = std::make_shared<Node>(Node{.current = bytes, .durable = bytes});
  }
  durable_names_ = names_;
}

Result<Fault> MemoryDirectory::begin(Operation operation, const std::string& name) {
  if (dead_) return stopped(name);
  Fault fault = before ? before(operation, name) : Fault::none;
  bool part = fault == Fault::part && operation == Operation::write;
  if (fault == Fault::fail || (fault == Fault::part && !part)) return failed(name);
  dead_ = fault == Fault::die;
  return fault;
}

uint64_t MemoryDirectory::bytes_used() const {
  uint64_t used = 0;
  for (const auto& [name, node] : names_) used += node->current.size();
  return used;
}

void MemoryDirectory::crash(const Choose& choose) {
  size_t kept = unsynced_.empty() ? 0 : choose(unsynced_.size() + 1);
  for (size_t i = 0; i < kept; ++i) unsynced_[i](durable_names_);
  unsynced_.clear();
  for (auto& [name, node] : durable_names_) {
    for (const Write& write : node->unsynced) {
      BytesView bytes = write.bytes;
      for (uint64_t at = write.offset; !bytes.empty();) {
        size_t size = std::min<size_t>(bytes.size(), kSectorBytes - at % kSectorBytes);
        if (choose(2) == 1) write_to(node->durable, at, bytes.substr(0, size));
        at += size;
        bytes.remove_prefix(size);
      }
    }
    node->unsynced.clear();
    node->current = node->durable;
  }
  names_ = durable_names_;
  dead_ = false;
  ++boot_;
}

void MemoryDirectory::restart() {
  dead_ = false;
  ++boot_;
}

void MemoryDirectory::clear() {
  names_.clear();
  durable_names_.clear();
  unsynced_.clear();
  restart();
}

std::map<std::string, Bytes> MemoryDirectory::files() const {
  std::map<std::string, Bytes> files;
  for (const auto& [name, node] : names_) files[name] = node->current;
  return files;
}

void MemoryDirectory::flip(const std::string& name, uint64_t offset, uint8_t mask) {
  Node& node = *names_.at(name);
  ASPEN_ASSERT(offset < node.durable.size() && offset < node.current.size());
  node.durable[offset] = static_cast<char>(node.durable[offset] ^ mask);
  node.current[offset] = static_cast<char>(node.current[offset] ^ mask);
}

std::optional<std::string> MemoryDirectory::flip_any(const Choose& choose) {
  struct Place {
    const std::string* name;
    uint64_t offset;
  };
  std::vector<Place> places;
  for (const auto& [name, node] : names_) {
    const Bytes& bytes = node->durable;
    for (uint64_t at = 0; at < bytes.size(); ++at) {
      bool last = at >= node->last_sync.begin && at < node->last_sync.end;
      if (bytes[at] != 0 && !last && at < node->current.size()) places.push_back({&name, at});
    }
  }
  if (places.empty()) return std::nullopt;
  const Place& place = places[choose(places.size())];
  uint64_t bit = choose(8);
  flip(*place.name, place.offset, static_cast<uint8_t>(1u << bit));
  return fmt::format("{} byte {} bit {}", *place.name, place.offset, bit);
}

Result<std::vector<std::string>> MemoryDirectory::list() const {
  if (dead_) return stopped("the directory");
  std::vector<std::string> names;
  for (const auto& [name, node] : names_) names.push_back(name);
  return names;
}

Result<> MemoryDirectory::change(Operation operation, const std::string& name,
                                 std::function<void(Names&)> apply) {
  ASPEN_TRY(Fault fault, begin(operation, name));
  apply(names_);
  unsynced_.push_back(std::move(apply));
  return fault == Fault::die ? Result<>(stopped(name)) : Result<>();
}

Result<std::unique_ptr<File>> MemoryDirectory::create(const std::string& name) {
  ASPEN_ASSERT(!names_.contains(name));
  auto node = std::make_shared<Node>();
  ASPEN_CHECK(change(Operation::create, name, [name, node](Names& names) { names[name] = node; }));
  return std::make_unique<Handle>(*this, name, node);
}

Result<std::unique_ptr<File>> MemoryDirectory::open(const std::string& name) {
  ASPEN_CHECK(begin(Operation::read, name));
  auto found = names_.find(name);
  if (found == names_.end()) return fail(Code::IO, "cannot open {}: there is no such file", name);
  return std::make_unique<Handle>(*this, name, found->second);
}

Result<> MemoryDirectory::rename(const std::string& from, const std::string& to) {
  if (!names_.contains(from)) return fail(Code::IO, "cannot rename {}: there is no such file", from);
  ASPEN_ASSERT(!names_.contains(to));
  return change(Operation::rename, from, [from, to](Names& names) {
    names[to] = names.at(from);
    names.erase(from);
  });
}

Result<> MemoryDirectory::remove(const std::string& name) {
  if (!names_.contains(name)) return fail(Code::IO, "cannot remove {}: there is no such file", name);
  return change(Operation::remove, name, [name](Names& names) { names.erase(name); });
}

Result<> MemoryDirectory::sync() {
  ASPEN_TRY(Fault fault, begin(Operation::sync_directory, "the directory"));
  if (fault == Fault::die) return stopped("the directory");
  for (const auto& apply : unsynced_) apply(durable_names_);
  unsynced_.clear();
  return {};
}

}  // namespace aspen::journal
