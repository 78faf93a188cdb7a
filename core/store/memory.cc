// The memory store: a persistent treap (Seidel and Aragon, "Randomized Search Trees", 1996).
//
// Nodes never change once they are reachable; a write copies the path to what it changes and then swaps
// the root. A snapshot or an iterator is therefore one more reference to a root: it costs nothing to take,
// and reading needs no lock. Priorities come from a counter, not from the keys, so no choice of keys
// makes the tree (or the recursion) deep, and equal histories give equal trees.
#include <mutex>

#include "core/store/store.h"

namespace aspen::store {
namespace {

struct Node;
using NodePtr = std::shared_ptr<const Node>;

struct Entry {
  Bytes key;
  Bytes value;
};

struct Node {
  std::shared_ptr<const Entry> entry;  // shared by the copies of this node
  uint64_t priority;
  NodePtr left;
  NodePtr right;
};

NodePtr with_children(const Node& node, NodePtr left, NodePtr right) {
  return std::make_shared<const Node>(node.entry, node.priority, std::move(left), std::move(right));
}

// Keys below `key`, and the rest.
std::pair<NodePtr, NodePtr> split(const NodePtr& tree, BytesView key) {
  if (!tree) return {};
  if (tree->entry->key < key) {
    auto [low, high] = split(tree->right, key);
    return {with_children(*tree, tree->left, std::move(low)), std::move(high)};
  }
  auto [low, high] = split(tree->left, key);
  return {std::move(low), with_children(*tree, std::move(high), tree->right)};
}

// Requires: every key of `low` is below every key of `high`.
NodePtr join(const NodePtr& low, const NodePtr& high) {
  if (!low) return high;
  if (!high) return low;
  if (low->priority >= high->priority) return with_children(*low, low->left, join(low->right, high));
  return with_children(*high, join(low, high->left), high->right);
}

const Node* find(const Node* tree, BytesView key) {
  while (tree != nullptr) {
    int order = key.compare(tree->entry->key);
    if (order == 0) return tree;
    tree = order < 0 ? tree->left.get() : tree->right.get();
  }
  return nullptr;
}

// Requires: the entry's key is in the tree.
NodePtr replace(const NodePtr& tree, std::shared_ptr<const Entry> entry) {
  int order = entry->key.compare(tree->entry->key);
  if (order < 0) return with_children(*tree, replace(tree->left, std::move(entry)), tree->right);
  if (order > 0) return with_children(*tree, tree->left, replace(tree->right, std::move(entry)));
  return std::make_shared<const Node>(std::move(entry), tree->priority, tree->left, tree->right);
}

// Requires: the node's key is not in the tree.
NodePtr insert(const NodePtr& tree, Node node) {
  if (!tree || node.priority > tree->priority) {
    std::tie(node.left, node.right) = split(tree, node.entry->key);
    return std::make_shared<const Node>(std::move(node));
  }
  if (node.entry->key < tree->entry->key)
    return with_children(*tree, insert(tree->left, std::move(node)), tree->right);
  return with_children(*tree, tree->left, insert(tree->right, std::move(node)));
}

// Requires: `key` is in the tree.
NodePtr remove(const NodePtr& tree, BytesView key) {
  int order = key.compare(tree->entry->key);
  if (order < 0) return with_children(*tree, remove(tree->left, key), tree->right);
  if (order > 0) return with_children(*tree, tree->left, remove(tree->right, key));
  return join(tree->left, tree->right);
}

// Moves by searching from the root, so that it holds nothing but the tree and a position.
class MemoryIterator final : public Iterator {
 public:
  explicit MemoryIterator(NodePtr root) : root_(std::move(root)) {}

  void seek(BytesView key) override { at_ = first_from(key, true); }
  void seek_for_prev(BytesView key) override { at_ = last_until(key, true); }
  void seek_to_last() override {
    at_ = root_.get();
    while (at_ != nullptr && at_->right) at_ = at_->right.get();
  }
  bool valid() const override { return at_ != nullptr; }
  void next() override { at_ = first_from(at_->entry->key, false); }
  void prev() override { at_ = last_until(at_->entry->key, false); }
  BytesView key() const override { return at_->entry->key; }
  BytesView value() const override { return at_->entry->value; }
  Result<> status() const override { return {}; }

 private:
  const Node* first_from(BytesView key, bool inclusive) const {
    const Node* found = nullptr;
    for (const Node* node = root_.get(); node != nullptr;) {
      int order = key.compare(node->entry->key);
      if (order < 0 || (inclusive && order == 0)) {
        found = node;
        node = node->left.get();
      } else {
        node = node->right.get();
      }
    }
    return found;
  }

  const Node* last_until(BytesView key, bool inclusive) const {
    const Node* found = nullptr;
    for (const Node* node = root_.get(); node != nullptr;) {
      int order = key.compare(node->entry->key);
      if (order > 0 || (inclusive && order == 0)) {
        found = node;
        node = node->right.get();
      } else {
        node = node->left.get();
      }
    }
    return found;
  }

  NodePtr root_;
  const Node* at_ = nullptr;
};

class MemoryReader final : public Reader {
 public:
  explicit MemoryReader(NodePtr root) : root_(std::move(root)) {}

  Result<std::optional<Bytes>> get(BytesView key) const override {
    const Node* node = find(root_.get(), key);
    if (node == nullptr) return std::nullopt;
    return node->entry->value;
  }
  std::unique_ptr<Iterator> iterate() const override { return std::make_unique<MemoryIterator>(root_); }

 private:
  NodePtr root_;
};

class MemoryStore final : public Store {
 public:
  Result<std::optional<Bytes>> get(BytesView key) const override { return MemoryReader(root()).get(key); }
  std::unique_ptr<Iterator> iterate() const override { return std::make_unique<MemoryIterator>(root()); }
  std::unique_ptr<Reader> snapshot() const override { return std::make_unique<MemoryReader>(root()); }
  Result<> flush() override {
    std::lock_guard writing(write_mutex_);
    if (!obsolete_) return {};
    Batch batch;
    MemoryIterator it(root());
    for (it.seek({}); it.valid(); it.next()) {
      if (obsolete_(it.key(), it.value())) batch.erase(it.key());
    }
    write_alone(batch);
    return {};
  }
  void drop(Obsolete obsolete) override {
    std::lock_guard writing(write_mutex_);
    obsolete_ = std::move(obsolete);
  }

  Result<> write(Batch batch, Sync) override {
    std::lock_guard writing(write_mutex_);
    write_alone(batch);
    return {};
  }

 private:
  // Requires: write_mutex_.
  void write_alone(const Batch& batch) {
    NodePtr tree = root();
    for (const Batch::Change& change : batch.changes()) tree = apply(tree, change);
    std::lock_guard lock(root_mutex_);
    root_.swap(tree);
  }

  NodePtr apply(const NodePtr& tree, const Batch::Change& change) {
    switch (change.kind) {
      case Batch::Change::Kind::put: {
        bool found = find(tree.get(), change.key) != nullptr;
        auto entry = std::make_shared<const Entry>(change.key, change.value);
        if (found) return replace(tree, std::move(entry));
        return insert(tree, Node{std::move(entry), next_priority(), nullptr, nullptr});
      }
      case Batch::Change::Kind::erase:
        return find(tree.get(), change.key) != nullptr ? remove(tree, change.key) : tree;
      case Batch::Change::Kind::erase_range: {
        const Bytes& end = change.value;
        auto [low, rest] = split(tree, change.key);
        return end.empty() ? low : join(low, split(rest, end).second);
      }
    }
    return tree;
  }

  // SplitMix64 (Steele, Lea and Flood 2014): a counter with its bits mixed.
  uint64_t next_priority() {
    uint64_t z = counter_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  NodePtr root() const {
    std::lock_guard lock(root_mutex_);
    return root_;
  }

  std::mutex write_mutex_;  // one writer at a time; taken before root_mutex_
  mutable std::mutex root_mutex_;
  NodePtr root_;
  uint64_t counter_ = 0;
  Obsolete obsolete_;  // asked by flush()
};

}  // namespace

std::unique_ptr<Store> open_memory() {
  return std::make_unique<MemoryStore>();
}

}  // namespace aspen::store
