// Optimistic transactions and branches of aspen.h.
#include "capi/test_node.h"

using namespace aspen::capi_test;

namespace {

using Txn = std::unique_ptr<aspen_txn_t, Deleter<aspen_txn_free>>;

class TxnTest : public Capi {
 protected:
  void SetUp() override {
    Capi::SetUp();
    node_ = embedded();
  }
  void TearDown() override {
    node_.reset();
    Capi::TearDown();
  }

  Txn begin() {
    aspen_txn_t* txn = nullptr;
    EXPECT_EQ(aspen_txn_new(node_.get(), &txn), ASPEN_OK);
    return Txn(txn);
  }
  Txn branch(aspen_txn_t* parent, const std::string& prefix) {
    aspen_op_t* raw = nullptr;
    EXPECT_EQ(aspen_txn_branch(node_.get(), parent, prefix.data(), prefix.size(), nullptr, nullptr, 0, &raw),
              ASPEN_OK);
    Op op = finished(raw);
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    Txn txn(aspen_op_take_txn(op.get()));
    EXPECT_EQ(aspen_op_take_txn(op.get()), nullptr);
    return txn;
  }
  static std::string value_of(const Op& op) {
    aspen_entry_t entry;
    if (aspen_op_status(op.get()) != ASPEN_OK) return aspen_op_message(op.get());
    if (aspen_op_entry(op.get(), 0, &entry) != ASPEN_OK) return "none";
    return {reinterpret_cast<const char*>(entry.value), entry.value_size};
  }
  std::string get(const Txn& txn, const std::string& key) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_txn_get(txn.get(), key.data(), key.size(), nullptr, nullptr, 0, &op), ASPEN_OK);
    return value_of(finished(op));
  }
  std::string get(const std::string& key) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_kv_get(node_.get(), key.data(), key.size(), nullptr, nullptr, 0, &op), ASPEN_OK);
    return value_of(finished(op));
  }
  static int32_t set(const Txn& txn, const std::string& key, const std::string& value) {
    return aspen_txn_put(txn.get(), key.data(), key.size(), value.data(), value.size(), 0);
  }
  Op commit(const Txn& txn) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_txn_commit(txn.get(), nullptr, nullptr, 0, &op), ASPEN_OK);
    Op done = finished(op);
    EXPECT_EQ(aspen_op_status(done.get()), ASPEN_OK) << aspen_op_message(done.get());
    return done;
  }
  static std::vector<std::string> conflicts(const Op& op) {
    std::vector<std::string> all;
    for (size_t i = 0; i < aspen_op_conflict_count(op.get()); ++i) {
      aspen_conflict_t conflict;
      EXPECT_EQ(aspen_op_conflict(op.get(), i, &conflict), ASPEN_OK);
      all.emplace_back(reinterpret_cast<const char*>(conflict.start), conflict.start_size);
    }
    return all;
  }

  NodePtr node_;
};

TEST_F(TxnTest, ACommitFailsWhenWhatWasReadHasChangedAndSucceedsAfterAReset) {
  put(node_.get(), "n", "1");
  Txn txn = begin();
  EXPECT_EQ(get(txn, "n"), "1");
  EXPECT_EQ(set(txn, "n", "2"), ASPEN_OK);
  EXPECT_EQ(get(txn, "n"), "2");
  put(node_.get(), "n", "7");
  EXPECT_EQ(aspen_op_succeeded(commit(txn).get()), 0);
  EXPECT_EQ(get("n"), "7");
  EXPECT_EQ(aspen_txn_reset(txn.get()), ASPEN_OK);
  EXPECT_EQ(get(txn, "n"), "7");
  EXPECT_EQ(set(txn, "n", "8"), ASPEN_OK);
  EXPECT_EQ(aspen_op_succeeded(commit(txn).get()), 1);
  EXPECT_EQ(get("n"), "8");
  EXPECT_EQ(aspen_op_succeeded(commit(txn).get()), 1);  // it is empty again
}

TEST_F(TxnTest, ARangeShowsItsOwnChanges) {
  put(node_.get(), "a/1", "x");
  put(node_.get(), "a/2", "x");
  Txn txn = begin();
  EXPECT_EQ(set(txn, "a/3", "y"), ASPEN_OK);
  EXPECT_EQ(aspen_txn_delete(txn.get(), "a/1", 3), ASPEN_OK);
  aspen_range_options_t options;
  aspen_range_options_init(&options, sizeof options);
  options.prefix = "a/";
  options.prefix_size = 2;
  aspen_op_t* op = nullptr;
  ASSERT_EQ(aspen_txn_range(txn.get(), &options, nullptr, 0, &op), ASPEN_OK);
  EXPECT_EQ(aspen_op_entry_count(finished(op).get()), 2u);
  EXPECT_EQ(aspen_txn_delete_range(txn.get(), "a/", 2, "a0", 2), ASPEN_OK);
  EXPECT_EQ(aspen_op_succeeded(commit(txn).get()), 1);
  EXPECT_EQ(get("a/2"), "none");
}

TEST_F(TxnTest, WhatIsRefusedIsNamed) {
  Txn txn = begin();
  EXPECT_STREQ(aspen_txn_message(txn.get()), "");
  EXPECT_EQ(set(txn, "", "v"), ASPEN_INVALID_ARGUMENT);
  EXPECT_NE(std::string(aspen_txn_message(txn.get())).find("empty"), std::string::npos);
  EXPECT_EQ(aspen_txn_put(txn.get(), "k", SIZE_MAX, "v", 1, 0), ASPEN_LIMIT_EXCEEDED);
  EXPECT_EQ(aspen_txn_delete_range(txn.get(), "b", 1, "a", 1), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_txn_put(nullptr, "k", 1, "v", 1, 0), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_txn_reset(nullptr), ASPEN_INVALID_ARGUMENT);
}

TEST_F(TxnTest, ABranchNamesItsConflicts) {
  put(node_.get(), "p/a", "1");
  Txn txn = branch(nullptr, "p/");
  EXPECT_EQ(get(txn, "p/a"), "1");
  EXPECT_EQ(set(txn, "p/b", "mine"), ASPEN_OK);
  put(node_.get(), "p/a", "2");
  put(node_.get(), "p/b", "theirs");
  Op failed = commit(txn);
  EXPECT_EQ(aspen_op_succeeded(failed.get()), 0);
  EXPECT_EQ(conflicts(failed), (std::vector<std::string>{"p/a", "p/b"}));
  EXPECT_EQ(get("p/b"), "theirs");
  EXPECT_EQ(aspen_txn_reset(txn.get()), ASPEN_INVALID_ARGUMENT);
}

TEST_F(TxnTest, ABranchOfABranchIsCommittedIntoIt) {
  Txn outer = branch(nullptr, "p/");
  EXPECT_EQ(set(outer, "p/x", "1"), ASPEN_OK);
  Txn inner = branch(outer.get(), "p/");
  EXPECT_EQ(get(inner, "p/x"), "1");
  EXPECT_EQ(set(inner, "p/y", "2"), ASPEN_OK);
  EXPECT_EQ(aspen_op_succeeded(commit(inner).get()), 1);
  EXPECT_EQ(get("p/y"), "none");
  EXPECT_EQ(set(inner, "p/z", "late"), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_succeeded(commit(outer).get()), 1);
  EXPECT_EQ(get("p/y"), "2");
}

TEST_F(TxnTest, OneThatOnlyReadIsEmptyAfterItsCommit) {
  put(node_.get(), "n", "1");
  Txn txn = begin();
  EXPECT_EQ(get(txn, "n"), "1");
  EXPECT_EQ(aspen_op_succeeded(commit(txn).get()), 1);
  put(node_.get(), "n", "2");
  EXPECT_EQ(get(txn, "n"), "2");
  EXPECT_EQ(set(txn, "n", "3"), ASPEN_OK);
  EXPECT_EQ(aspen_op_succeeded(commit(txn).get()), 1);
}

TEST_F(TxnTest, ABranchThatIsOverTakesNothing) {
  for (bool changed : {false, true}) {
    Txn outer = branch(nullptr, "p/");
    if (changed) EXPECT_EQ(set(outer, "p/x", "1"), ASPEN_OK);
    Txn inner = branch(outer.get(), "p/");
    EXPECT_EQ(set(inner, "p/y", "2"), ASPEN_OK);
    EXPECT_EQ(aspen_op_succeeded(commit(outer).get()), 1);
    EXPECT_EQ(set(outer, "p/x", "late"), ASPEN_INVALID_ARGUMENT);
    aspen_op_t* op = nullptr;
    ASSERT_EQ(aspen_txn_commit(inner.get(), nullptr, nullptr, 0, &op), ASPEN_OK);
    EXPECT_EQ(aspen_op_status(finished(op).get()), ASPEN_INVALID_ARGUMENT);
    EXPECT_EQ(get("p/y"), "none");
  }
}

TEST_F(TxnTest, ANodeThatIsFreedLivesOnUntilItsTransactionsAre) {
  Txn txn = begin();
  node_.reset();
  EXPECT_EQ(set(txn, "k", "v"), ASPEN_OK);
  EXPECT_EQ(aspen_op_succeeded(commit(txn).get()), 1);
  txn.reset();
  node_ = embedded();
  EXPECT_EQ(get("k"), "v");
}

}  // namespace
