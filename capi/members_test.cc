// Members that are removed and leadership that is handed on, of aspen.h.
#include "capi/test_node.h"

using namespace aspen::capi_test;

namespace {

class Members : public Capi {
 protected:
  static Op remove(aspen_node_t* node, const char* id, int64_t timeout_ns = 0) {
    aspen_call_options_t options;
    aspen_call_options_init(&options, sizeof options);
    if (timeout_ns != 0) options.timeout_ns = timeout_ns;
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_member_remove(node, id, &options, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }
  static Op transfer(aspen_node_t* node, const char* id) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_leader_transfer(node, id, nullptr, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }
  static std::string text(int32_t (*call)(aspen_node_t*, int64_t, aspen_cq_t*, uint64_t, aspen_op_t**),
                          aspen_node_t* node) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(call(node, 0, nullptr, 0, &op), ASPEN_OK);
    return aspen_op_text(finished(op).get());
  }
  NodePtr opened(int32_t mode, const std::string& name, const char* ticket = nullptr) {
    const bool client = mode == ASPEN_MODE_CLIENT;
    Op op = open_op(mode, client ? "" : root_ + "/" + name, client ? nullptr : "127.0.0.1:0", ticket);
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    return NodePtr(aspen_op_take_node(op.get()));
  }
  static void close(NodePtr& node) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_node_close(node.get(), nullptr, 0, &op), ASPEN_OK);
    finished(op);
    node.reset();
  }
};

TEST_F(Members, LeadershipGoesWhereItIsSentAndTheDeadAreRemoved) {
  NodePtr first = opened(ASPEN_MODE_FOUND, "1");
  const std::string ticket = text(aspen_node_ticket, first.get());
  NodePtr second = opened(ASPEN_MODE_JOIN, "2", ticket.c_str());
  NodePtr third = opened(ASPEN_MODE_JOIN, "3", ticket.c_str());
  NodePtr client = opened(ASPEN_MODE_CLIENT, "", ticket.c_str());
  const std::string third_id = aspen_node_id(third.get());

  Op handed = transfer(client.get(), third_id.c_str());
  EXPECT_EQ(aspen_op_status(handed.get()), ASPEN_OK) << aspen_op_message(handed.get());
  EXPECT_EQ(aspen_op_text(handed.get()), third_id);
  EXPECT_NE(text(aspen_node_status, client.get()).find("\"leader\":\"" + third_id), std::string::npos);
  Op to_any = transfer(client.get(), nullptr);
  EXPECT_EQ(aspen_op_status(to_any.get()), ASPEN_OK) << aspen_op_message(to_any.get());
  EXPECT_NE(aspen_op_text(to_any.get()), third_id);
  EXPECT_EQ(aspen_op_status(transfer(client.get(), aspen_node_id(client.get())).get()), ASPEN_NOT_FOUND);

  close(third);
  Op removed = remove(client.get(), third_id.c_str());
  EXPECT_EQ(aspen_op_status(removed.get()), ASPEN_OK) << aspen_op_message(removed.get());
  EXPECT_EQ(aspen_op_succeeded(removed.get()), 1);
  Op again = remove(client.get(), third_id.c_str());
  EXPECT_EQ(aspen_op_status(again.get()), ASPEN_OK) << aspen_op_message(again.get());
  EXPECT_EQ(aspen_op_succeeded(again.get()), 0);
  EXPECT_EQ(text(aspen_node_status, client.get()).find(third_id), std::string::npos);
  EXPECT_EQ(aspen_op_status(put(client.get(), "k", "v").get()), ASPEN_OK);
}

TEST_F(Members, WhatCannotBeSaysWhy) {
  NodePtr node = opened(ASPEN_MODE_FOUND, "1");
  const std::string id = aspen_node_id(node.get());
  Op only = remove(node.get(), id.c_str());
  EXPECT_EQ(aspen_op_status(only.get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_NE(std::string(aspen_op_message(only.get())).find("only voter"), std::string::npos)
      << aspen_op_message(only.get());
  for (const char* wrong : {"", "x", (const char*)nullptr}) {
    EXPECT_EQ(aspen_op_status(remove(node.get(), wrong).get()), ASPEN_INVALID_ARGUMENT);
  }
  EXPECT_EQ(aspen_op_status(transfer(node.get(), "x").get()), ASPEN_INVALID_ARGUMENT);
  const std::string zeros(52, 'a');
  EXPECT_EQ(aspen_op_status(transfer(node.get(), zeros.c_str()).get()), ASPEN_INVALID_ARGUMENT);
  Op already = transfer(node.get(), id.c_str());
  EXPECT_EQ(aspen_op_status(already.get()), ASPEN_OK) << aspen_op_message(already.get());
  EXPECT_EQ(aspen_op_text(already.get()), id);
  aspen_op_t* op = nullptr;
  EXPECT_EQ(aspen_member_remove(nullptr, id.c_str(), nullptr, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_leader_transfer(nullptr, nullptr, nullptr, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
}

}  // namespace
