// Which of many ranges of keys hold a given key.
//
// Every change of the store asks this of the ranges that are watched. A treap in the order of the ranges'
// starts, where each node knows the furthest end below it: a search leaves out what ends too early and what
// starts too late, so it takes about log n steps for each range found, whatever the number of others.
//
//   IntervalIndex index;
//   index.insert(1, "a", "m");
//   index.insert(2, "k", "");                        // to the end
//   index.find("l", [](uint64_t id) { ... });        // 1 and 2
//
// The shape is a function of the ids alone, so that equal programs take equal steps.
// Thread safety: none.
#pragma once

#include <memory>

#include "core/base/bytes.h"

namespace aspen::kv {

class IntervalIndex {
 public:
  IntervalIndex();
  ~IntervalIndex();

  // `start` is in, `end` is not; empty: no end. Requires: `id` is not there, and the range is not empty.
  void insert(uint64_t id, Bytes start, Bytes end);
  // Requires: it is there, with this start.
  void erase(uint64_t id, BytesView start);
  size_t size() const { return size_; }

  // Calls visit(id) for each range that holds `key`, in the order of the starts, then of the ids.
  template <typename Visit>
  void find(BytesView key, Visit&& visit) const {
    find_below(root_.get(), key, visit);
  }

 private:
  struct Node;
  using Link = std::unique_ptr<Node>;
  struct Node {
    uint64_t id;
    uint64_t priority;
    Bytes start;
    Bytes end;
    BytesView furthest;  // the greatest end of this node and those below; empty: no end. Borrowed from one
    Link left;
    Link right;
  };

  static bool before(const Node& node, uint64_t id, BytesView start);
  static void update(Node& node);
  static Link merge(Link left, Link right);
  // What comes before (start, id), and the rest.
  static void split(Link node, uint64_t id, BytesView start, Link& left, Link& right);

  template <typename Visit>
  static void find_below(const Node* node, BytesView key, Visit&& visit) {
    if (node == nullptr || (!node->furthest.empty() && node->furthest <= key)) return;
    find_below(node->left.get(), key, visit);
    if (BytesView(node->start) > key) return;
    if (node->end.empty() || BytesView(node->end) > key) visit(node->id);
    find_below(node->right.get(), key, visit);
  }

  Link root_;
  size_t size_ = 0;
};

}  // namespace aspen::kv
