#include "core/kv/interval_index.h"

#include "core/base/assert.h"
#include "core/base/mutant.h"

namespace aspen::kv {
namespace {

// A random-looking function of the id (the finalizer of splitmix64): the depth is logarithmic whatever the
// order of insertions.
uint64_t scatter(uint64_t id) {
  id += 0x9e3779b97f4a7c15;
  id = (id ^ (id >> 30)) * 0xbf58476d1ce4e5b9;
  id = (id ^ (id >> 27)) * 0x94d049bb133111eb;
  return id ^ (id >> 31);
}

bool ends_after(BytesView a, BytesView b) {
  return !b.empty() && (a.empty() || a > b);
}

}  // namespace

IntervalIndex::IntervalIndex() = default;
IntervalIndex::~IntervalIndex() = default;

bool IntervalIndex::before(const Node& node, uint64_t id, BytesView start) {
  return std::pair(BytesView(node.start), node.id) < std::pair(start, id);
}

void IntervalIndex::update(Node& node) {
  node.furthest = node.end;
  for (const Node* child : {node.left.get(), node.right.get()}) {
    if (child == nullptr || ASPEN_MUTANT("kv-interval-end-not-kept")) continue;
    if (ends_after(child->furthest, node.furthest)) node.furthest = child->furthest;
  }
}

IntervalIndex::Link IntervalIndex::merge(Link left, Link right) {
  if (!left) return right;
  if (!right) return left;
  Link& top = left->priority > right->priority ? left : right;
  if (&top == &left) {
    left->right = merge(std::move(left->right), std::move(right));
  } else {
    right->left = merge(std::move(left), std::move(right->left));
  }
  update(*top);
  return std::move(top);
}

void IntervalIndex::split(Link node, uint64_t id, BytesView start, Link& left, Link& right) {
  if (!node) {
    left.reset();
    right.reset();
  } else if (!before(*node, id, start)) {
    Link rest;
    split(std::move(node->left), id, start, left, rest);
    node->left = std::move(rest);
    update(*node);
    right = std::move(node);
  } else {
    Link rest;
    split(std::move(node->right), id, start, rest, right);
    node->right = std::move(rest);
    update(*node);
    left = std::move(node);
  }
}

void IntervalIndex::insert(uint64_t id, Bytes start, Bytes end) {
  ASPEN_ASSERT(end.empty() || start < end);
  auto node = std::make_unique<Node>();
  node->id = id;
  node->priority = scatter(id);
  node->start = std::move(start);
  node->end = std::move(end);
  update(*node);
  Link left, right;
  split(std::move(root_), id, node->start, left, right);
  root_ = merge(merge(std::move(left), std::move(node)), std::move(right));
  ++size_;
}

void IntervalIndex::erase(uint64_t id, BytesView start) {
  const Bytes from(start);
  Link left, found, right;
  split(std::move(root_), id, from, left, right);  // `right` begins with it
  split(std::move(right), id + 1, from, found, right);
  ASPEN_ASSERT(found && found->id == id && !found->left && !found->right);
  root_ = merge(std::move(left), std::move(right));
  --size_;
}

}  // namespace aspen::kv
