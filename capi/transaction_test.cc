// Transactions of aspen.h: branches, nesting, comparisons, and the results of what ran.
#include "capi/test_node.h"

using namespace aspen::capi_test;

namespace {

std::string text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

class Transactions : public Capi {
 protected:
  void SetUp() override {
    Capi::SetUp();
    node_ = embedded();
    clear();
  }
  void TearDown() override {
    node_.reset();
    Capi::TearDown();
  }

  void clear() {
    aspen_batch_t* raw = nullptr;
    ASSERT_EQ(aspen_batch_new(&raw), ASPEN_OK);
    batch_.reset(raw);
  }
  aspen_batch_t* batch() { return batch_.get(); }
  void add_put(const std::string& key, const std::string& value, uint8_t previous = 0) {
    EXPECT_EQ(aspen_batch_put_with(batch(), key.data(), key.size(), value.data(), value.size(), 0, previous),
              ASPEN_OK);
  }
  void add_get(const std::string& key) {
    EXPECT_EQ(aspen_batch_get(batch(), key.data(), key.size()), ASPEN_OK);
  }
  void add_check(const std::string& key, int32_t comparison) {
    EXPECT_EQ(aspen_batch_check(batch(), key.data(), key.size(), comparison, nullptr, 0, 0), ASPEN_OK);
  }
  void add_compare(int32_t target, int32_t relation, const std::string& key, uint64_t number) {
    aspen_compare_t compare;
    aspen_compare_init(&compare, sizeof compare);
    compare.target = target;
    compare.relation = relation;
    compare.key = key.data();
    compare.key_size = key.size();
    compare.number = number;
    EXPECT_EQ(aspen_batch_compare(batch(), &compare), ASPEN_OK);
  }
  Op apply() {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_kv_apply(node_.get(), batch(), nullptr, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }
  static std::string entry(const Op& op, size_t index) {
    aspen_entry_t read;
    if (aspen_op_entry(op.get(), index, &read) != ASPEN_OK) return "none";
    return text(read.key, read.key_size) + "=" + text(read.value, read.value_size);
  }
  static aspen_result_t result(const Op& op, size_t index) {
    aspen_result_t read{};
    EXPECT_EQ(aspen_op_result(op.get(), index, &read), ASPEN_OK) << index;
    return read;
  }
  Op get_at(const std::string& key, uint64_t revision) {
    aspen_call_options_t options;
    aspen_call_options_init(&options, sizeof options);
    options.revision = revision;
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_kv_get(node_.get(), key.data(), key.size(), &options, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }

  NodePtr node_;
  Batch batch_;
};

TEST_F(Transactions, TheElseBranchRunsWhenAComparisonDoesNotHold) {
  add_check("lock", ASPEN_IF_ABSENT);
  add_put("lock", "mine");
  ASSERT_EQ(aspen_batch_else(batch()), ASPEN_OK);
  add_get("lock");
  add_put("seen", "1");
  EXPECT_EQ(aspen_batch_else(batch()), ASPEN_INVALID_ARGUMENT);
  Op first = apply();
  ASSERT_EQ(aspen_op_status(first.get()), ASPEN_OK) << aspen_op_message(first.get());
  EXPECT_EQ(aspen_op_succeeded(first.get()), 1);
  EXPECT_EQ(aspen_op_failed_condition(first.get()), -1);
  ASSERT_EQ(aspen_op_result_count(first.get()), 1u);
  EXPECT_EQ(result(first, 0).kind, ASPEN_RESULT_CHANGE);
  EXPECT_EQ(result(first, 0).existed, 0);

  Op second = apply();
  EXPECT_EQ(aspen_op_succeeded(second.get()), 0);
  EXPECT_EQ(aspen_op_failed_condition(second.get()), 0);
  EXPECT_EQ(entry(second, 0), "lock=mine");
  ASSERT_EQ(aspen_op_result_count(second.get()), 2u);
  EXPECT_EQ(result(second, 0).kind, ASPEN_RESULT_GET);
  EXPECT_EQ(result(second, 0).existed, 1);
  EXPECT_EQ(result(second, 0).entry_begin, 1u);
  EXPECT_EQ(result(second, 0).entry_end, 2u);
  EXPECT_EQ(entry(second, 1), "lock=mine");
  EXPECT_EQ(result(second, 1).kind, ASPEN_RESULT_CHANGE);
}

TEST_F(Transactions, OperationsSeeTheOnesBeforeThemAndNestedResultsAreBracketed) {
  add_put("a/1", "x");
  add_put("a/2", "y");
  ASSERT_EQ(aspen_batch_begin(batch()), ASPEN_OK);
  add_check("a/1", ASPEN_IF_PRESENT);
  add_get("a/1");
  ASSERT_EQ(aspen_batch_else(batch()), ASPEN_OK);
  add_put("never", "x");
  ASSERT_EQ(aspen_batch_end(batch()), ASPEN_OK);
  aspen_range_options_t range;
  aspen_range_options_init(&range, sizeof range);
  range.prefix = "a/";
  range.prefix_size = 2;
  range.limit = 1;
  ASSERT_EQ(aspen_batch_range(batch(), &range), ASPEN_OK);
  ASSERT_EQ(aspen_batch_delete_range(batch(), "a/", 2, "a0", 2, 1), ASPEN_OK);
  add_get("a/1");
  EXPECT_EQ(aspen_batch_end(batch()), ASPEN_INVALID_ARGUMENT);

  Op op = apply();
  ASSERT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
  ASSERT_EQ(aspen_op_result_count(op.get()), 8u);
  EXPECT_EQ(result(op, 2).kind, ASPEN_RESULT_TRANSACTION);
  EXPECT_EQ(result(op, 2).succeeded, 1);
  EXPECT_EQ(result(op, 3).kind, ASPEN_RESULT_GET);
  EXPECT_EQ(entry(op, result(op, 3).entry_begin), "a/1=x");
  EXPECT_EQ(result(op, 4).kind, ASPEN_RESULT_END);
  EXPECT_EQ(result(op, 5).kind, ASPEN_RESULT_RANGE);
  EXPECT_EQ(result(op, 5).more, 1);
  EXPECT_EQ(entry(op, result(op, 5).entry_begin), "a/1=x");
  EXPECT_EQ(result(op, 6).kind, ASPEN_RESULT_DELETE_RANGE);
  EXPECT_EQ(result(op, 6).count, 2u);
  EXPECT_EQ(entry(op, result(op, 6).entry_begin + 1), "a/2=y");
  EXPECT_EQ(result(op, 7).existed, 0);
  EXPECT_EQ(aspen_op_change_count(op.get()), 6u);
  aspen_result_t none;
  EXPECT_EQ(aspen_op_result(op.get(), 8, &none), ASPEN_NOT_FOUND);
}

TEST_F(Transactions, WhatWasThereIsReportedWhenAskedFor) {
  put(node_.get(), "k", "1");
  add_put("k", "2", 1);
  ASSERT_EQ(aspen_batch_delete_with(batch(), "k", 1, 1), ASPEN_OK);
  Op op = apply();
  EXPECT_EQ(entry(op, result(op, 0).entry_begin), "k=1");
  EXPECT_EQ(entry(op, result(op, 1).entry_begin), "k=2");
}

TEST_F(Transactions, ComparisonsOfEveryTarget) {
  Op one = put(node_.get(), "k", "1");
  Op two = put(node_.get(), "k", "2");
  uint64_t created = aspen_op_revision(one.get());
  uint64_t modified = aspen_op_revision(two.get());
  add_compare(ASPEN_TARGET_VERSION, ASPEN_EQUAL, "k", 2);
  add_compare(ASPEN_TARGET_CREATE_REVISION, ASPEN_EQUAL, "k", created);
  add_compare(ASPEN_TARGET_MOD_REVISION, ASPEN_LESS, "k", modified + 1);
  add_compare(ASPEN_TARGET_MOD_REVISION, ASPEN_GREATER, "k", created);
  add_compare(ASPEN_TARGET_LEASE, ASPEN_EQUAL, "k", 0);
  add_compare(ASPEN_TARGET_EXISTS, ASPEN_EQUAL, "k", 1);
  add_compare(ASPEN_TARGET_UNCHANGED_SINCE, ASPEN_EQUAL, "k", modified);
  add_compare(ASPEN_TARGET_VERSION, ASPEN_NOT_EQUAL, "k", 2);
  Op op = apply();
  ASSERT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
  EXPECT_EQ(aspen_op_failed_condition(op.get()), 7);
}

TEST_F(Transactions, WhatCannotBeAComparisonIsRefused) {
  aspen_compare_t compare;
  aspen_compare_init(&compare, sizeof compare);
  compare.key = "k";
  compare.key_size = 1;
  compare.relation = ASPEN_EQUAL;
  EXPECT_EQ(aspen_batch_compare(batch(), &compare), ASPEN_INVALID_ARGUMENT);  // no target
  compare.target = ASPEN_TARGET_VERSION;
  compare.relation = 5;
  EXPECT_EQ(aspen_batch_compare(batch(), &compare), ASPEN_INVALID_ARGUMENT);
  compare.relation = ASPEN_EQUAL;
  compare.key = nullptr;
  EXPECT_EQ(aspen_batch_compare(batch(), &compare), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_batch_compare(batch(), nullptr), ASPEN_INVALID_ARGUMENT);
}

TEST_F(Transactions, ABatchThatIsNotEndedOrTooDeepIsRefused) {
  ASSERT_EQ(aspen_batch_begin(batch()), ASPEN_OK);
  add_put("k", "v");
  Op op = apply();
  EXPECT_EQ(aspen_op_status(op.get()), ASPEN_INVALID_ARGUMENT);
  clear();
  uint64_t depth = aspen_limit_get(ASPEN_LIMIT_TRANSACTION_DEPTH);
  for (uint64_t i = 0; i < depth; ++i) ASSERT_EQ(aspen_batch_begin(batch()), ASPEN_OK);
  add_put("k", "v");
  for (uint64_t i = 0; i < depth; ++i) ASSERT_EQ(aspen_batch_end(batch()), ASPEN_OK);
  Op deep = apply();
  EXPECT_EQ(aspen_op_status(deep.get()), ASPEN_OK) << aspen_op_message(deep.get());
  clear();
  for (uint64_t i = 0; i <= depth; ++i) ASSERT_EQ(aspen_batch_begin(batch()), ASPEN_OK);
  for (uint64_t i = 0; i <= depth; ++i) ASSERT_EQ(aspen_batch_end(batch()), ASPEN_OK);
  Op deeper = apply();
  EXPECT_EQ(aspen_op_status(deeper.get()), ASPEN_LIMIT_EXCEEDED);
}

}  // namespace
