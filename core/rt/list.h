// An intrusive doubly linked list: O(1) insert and remove, no allocation, and a node that is destroyed
// takes itself out. `Tag` lets one object stand in several lists.
//
// Thread safety: none.
#pragma once

#include "core/base/assert.h"

namespace aspen::rt {

template <typename Tag>
class ListNode {
 public:
  ListNode() = default;
  ~ListNode() { unlink(); }
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  bool linked() const { return next_ != nullptr; }
  void unlink() {
    if (next_ == nullptr) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = nullptr;
  }

 private:
  template <typename, typename>
  friend class List;
  ListNode* prev_ = nullptr;
  ListNode* next_ = nullptr;
};

// Requires: T derives from ListNode<Tag>. Nodes left in the list when it is destroyed become unlinked.
template <typename T, typename Tag>
class List {
 public:
  List() { head_.prev_ = head_.next_ = &head_; }
  ~List() {
    while (!empty()) head_.next_->unlink();
    head_.prev_ = head_.next_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  T* front() { return empty() ? nullptr : static_cast<T*>(head_.next_); }
  T* back() { return empty() ? nullptr : static_cast<T*>(head_.prev_); }
  void push_back(T& item) { insert_before(head_, item); }
  void push_front(T& item) { insert_before(*head_.next_, item); }
  // Moves all of `other` to the end of this list.
  void append(List& other) {
    if (other.empty()) return;
    other.head_.next_->prev_ = head_.prev_;
    other.head_.prev_->next_ = &head_;
    head_.prev_->next_ = other.head_.next_;
    head_.prev_ = other.head_.prev_;
    other.head_.prev_ = other.head_.next_ = &other.head_;
  }
  T* pop_front() {
    T* item = front();
    if (item != nullptr) static_cast<ListNode<Tag>*>(item)->unlink();
    return item;
  }
  // The item after `item`, or null at the end.
  T* next(T& item) {
    ListNode<Tag>* node = static_cast<ListNode<Tag>&>(item).next_;
    return node == &head_ ? nullptr : static_cast<T*>(node);
  }

 private:
  static void insert_before(ListNode<Tag>& position, ListNode<Tag>& node) {
    ASPEN_ASSERT(!node.linked());
    node.prev_ = position.prev_;
    node.next_ = &position;
    position.prev_->next_ = &node;
    position.prev_ = &node;
  }

  ListNode<Tag> head_;
};

}  // namespace aspen::rt
