// A node of its own for each test of aspen.h.
#pragma once

#include <aspen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

namespace aspen::capi_test {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Op = std::unique_ptr<aspen_op_t, Deleter<aspen_op_free>>;
using NodePtr = std::unique_ptr<aspen_node_t, Deleter<aspen_node_free>>;
using Queue = std::unique_ptr<aspen_cq_t, Deleter<aspen_cq_free>>;
using Batch = std::unique_ptr<aspen_batch_t, Deleter<aspen_batch_free>>;

class Capi : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/aspen-capi-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    root_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static Op finished(aspen_op_t* op) {
    EXPECT_EQ(aspen_op_wait(op, -1), ASPEN_OK);
    return Op(op);
  }

  Op open_op(int32_t mode, const std::string& dir, const char* listen = nullptr,
             const char* ticket = nullptr) {
    aspen_node_options_t options;
    aspen_node_options_init(&options, sizeof options);
    options.mode = mode;
    options.dir = dir.empty() ? nullptr : dir.c_str();
    options.listen = listen;
    options.ticket = ticket;
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_node_open(&options, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }

  NodePtr embedded(const std::string& name = "db") {
    Op op = open_op(ASPEN_MODE_EMBEDDED, root_ + "/" + name);
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    return NodePtr(aspen_op_take_node(op.get()));
  }

  static Op put(aspen_node_t* node, const std::string& key, const std::string& value) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(
        aspen_kv_put(node, key.data(), key.size(), value.data(), value.size(), nullptr, nullptr, 0, &op),
        ASPEN_OK);
    return finished(op);
  }

  std::string root_;
};

}  // namespace aspen::capi_test
