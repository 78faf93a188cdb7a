#include "core/journal/overlay_directory.h"

#include <algorithm>

namespace aspen::journal {

class OverlayDirectory::Handle final : public File {
 public:
  explicit Handle(std::shared_ptr<Node> node) : node_(std::move(node)) {}

  Result<uint64_t> size() const override {
    return node_->content ? Result<uint64_t>(node_->content->size()) : node_->below->size();
  }
  Result<size_t> read(uint64_t offset, std::span<char> into) const override {
    if (!node_->content) return node_->below->read(offset, into);
    if (offset >= node_->content->size()) return 0;
    return node_->content->copy(into.data(), into.size(), offset);
  }
  Result<> write(uint64_t offset, BytesView bytes) override {
    if (!node_->content) {
      ASPEN_TRY(uint64_t size, node_->below->size());
      Bytes content(size, '\0');
      ASPEN_TRY(size_t got, node_->below->read(0, content));
      content.resize(got);
      node_->content = std::move(content);
    }
    Bytes& content = *node_->content;
    content.resize(std::max<size_t>(content.size(), offset + bytes.size()));
    content.replace(offset, bytes.size(), bytes);
    return {};
  }
  Result<> sync() override { return {}; }
  Result<> write_synced(uint64_t offset, BytesView bytes) override { return write(offset, bytes); }

 private:
  std::shared_ptr<Node> node_;
};

Result<> OverlayDirectory::load() const {
  if (names_) return {};
  ASPEN_TRY(std::vector<std::string> names, below_.list());
  names_.emplace();
  for (std::string& name : names) names_->emplace(std::move(name), nullptr);
  return {};
}

Result<std::vector<std::string>> OverlayDirectory::list() const {
  ASPEN_CHECK(load());
  std::vector<std::string> names;
  for (const auto& [name, node] : *names_) names.push_back(name);
  return names;
}

Result<std::unique_ptr<File>> OverlayDirectory::create(const std::string& name) {
  ASPEN_CHECK(load());
  auto node = std::make_shared<Node>();
  node->content.emplace();
  if (!names_->emplace(name, node).second) return fail(Code::IO, "cannot create {}: it is there", name);
  return std::make_unique<Handle>(std::move(node));
}

Result<std::unique_ptr<File>> OverlayDirectory::open(const std::string& name) {
  ASPEN_CHECK(load());
  auto found = names_->find(name);
  if (found == names_->end()) return fail(Code::IO, "cannot open {}: there is no such file", name);
  if (found->second == nullptr) {
    auto original = original_.find(name);
    auto node = std::make_shared<Node>();
    ASPEN_TRY(node->below, below_.open(original == original_.end() ? name : original->second));
    found->second = std::move(node);
  }
  return std::make_unique<Handle>(found->second);
}

Result<> OverlayDirectory::rename(const std::string& from, const std::string& to) {
  ASPEN_CHECK(load());
  auto moved = names_->extract(from);
  if (!moved || names_->contains(to)) return fail(Code::IO, "cannot rename {} to {}", from, to);
  auto original = original_.extract(from);
  original_[to] = original ? original.mapped() : from;
  moved.key() = to;
  names_->insert(std::move(moved));
  return {};
}

Result<> OverlayDirectory::remove(const std::string& name) {
  ASPEN_CHECK(load());
  original_.erase(name);
  if (names_->erase(name) == 0) return fail(Code::IO, "cannot remove {}: there is no such file", name);
  return {};
}

}  // namespace aspen::journal
