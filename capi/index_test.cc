// Secondary indexes of aspen.h.
#include <chrono>
#include <thread>

#include "capi/test_node.h"

using namespace aspen::capi_test;

namespace {

using Tuple = std::unique_ptr<aspen_tuple_t, Deleter<aspen_tuple_free>>;

std::string packed(const std::string& text) {
  aspen_tuple_t* raw = nullptr;
  EXPECT_EQ(aspen_tuple_new(&raw), ASPEN_OK);
  Tuple tuple(raw);
  EXPECT_EQ(aspen_tuple_add_text(raw, text.data(), text.size()), ASPEN_OK);
  const uint8_t* data = nullptr;
  size_t size = 0;
  EXPECT_EQ(aspen_tuple_pack(raw, nullptr, 0, &data, &size), ASPEN_OK);
  return {reinterpret_cast<const char*>(data), size};
}

class Indexes : public Capi {
 protected:
  void SetUp() override {
    Capi::SetUp();
    node_ = embedded();
  }
  void TearDown() override {
    node_.reset();
    Capi::TearDown();
  }

  Op create(const char* name, const std::string& prefix, const char* extractor) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_index_create(node_.get(), name, prefix.data(), prefix.size(), extractor, nullptr, nullptr,
                                 0, &op),
              ASPEN_OK);
    return finished(op);
  }
  Op drop(const char* name) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_index_drop(node_.get(), name, nullptr, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }
  std::string list() {
    aspen_op_t* raw = nullptr;
    EXPECT_EQ(aspen_index_list(node_.get(), nullptr, nullptr, 0, &raw), ASPEN_OK);
    Op op = finished(raw);
    return aspen_op_text(op.get());
  }
  static aspen_index_scan_options_t options() {
    aspen_index_scan_options_t options;
    aspen_index_scan_options_init(&options, sizeof options);
    return options;
  }
  Op scan(const char* name, const aspen_index_scan_options_t& options) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_index_scan(node_.get(), name, &options, nullptr, 0, &op), ASPEN_OK);
    return finished(op);
  }
  // The keys, when it is built.
  std::string keys(const char* name, aspen_index_scan_options_t options = Indexes::options()) {
    Op op;
    for (int i = 0; i < 1000; ++i) {
      op = scan(name, options);
      if (aspen_op_status(op.get()) != ASPEN_NOT_FOUND) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(aspen_op_status(op.get()), ASPEN_OK) << aspen_op_message(op.get());
    std::string joined;
    aspen_entry_t entry;
    for (size_t i = 0; aspen_op_entry(op.get(), i, &entry) == ASPEN_OK; ++i) {
      joined += std::string(reinterpret_cast<const char*>(entry.key), entry.key_size) + " ";
    }
    return joined;
  }

  NodePtr node_;
};

TEST_F(Indexes, FindKeysByWhatIsInTheirValues) {
  for (int i = 0; i < 3; ++i) {
    put(node_.get(), "user/" + std::to_string(i), R"({"email": ")" + std::string(1, "cab"[i]) + "\"}");
  }
  put(node_.get(), "other", R"({"email": "a"})");
  Op created = create("by-email", "user/", "json:/email");
  ASSERT_EQ(aspen_op_status(created.get()), ASPEN_OK) << aspen_op_message(created.get());
  EXPECT_GT(aspen_op_revision(created.get()), 0u);
  EXPECT_EQ(keys("by-email"), "user/1 user/2 user/0 ");
  put(node_.get(), "user/3", R"({"email": ["a", "z"]})");
  EXPECT_EQ(keys("by-email"), "user/1 user/3 user/2 user/0 user/3 ");

  const std::string a = packed("a"), b = packed("b");
  aspen_index_scan_options_t one = options();
  one.value = a.data();
  one.value_size = a.size();
  EXPECT_EQ(keys("by-email", one), "user/1 user/3 ");
  aspen_index_scan_options_t from_b = options();
  from_b.start = b.data();
  from_b.start_size = b.size();
  from_b.reverse = 1;
  EXPECT_EQ(keys("by-email", from_b), "user/3 user/0 user/2 ");

  Op op = scan("by-email", one);
  size_t size = 0;
  const uint8_t* value = aspen_op_index_value(op.get(), 1, &size);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(value), size), a);
  EXPECT_EQ(aspen_op_index_value(op.get(), 2, &size), nullptr);
  EXPECT_EQ(size, 0u);
}

TEST_F(Indexes, AreReadInPages) {
  ASSERT_EQ(aspen_op_status(create("i", "", "value").get()), ASPEN_OK);
  for (int i = 0; i < 5; ++i) put(node_.get(), "k" + std::to_string(i), std::to_string(9 - i));
  EXPECT_EQ(keys("i"), "k4 k3 k2 k1 k0 ");
  aspen_index_scan_options_t page = options();
  page.limit = 2;
  page.keys_only = 1;
  std::string seen;
  Op op;
  do {
    Op next = scan("i", page);
    op = std::move(next);  // only now: the page to come was the old one's
    aspen_entry_t entry;
    for (size_t i = 0; aspen_op_entry(op.get(), i, &entry) == ASPEN_OK; ++i) {
      seen += std::string(reinterpret_cast<const char*>(entry.key), entry.key_size) + " ";
      EXPECT_EQ(entry.value_size, 0u);
    }
    seen += "| ";
    page.continuation = aspen_op_continuation(op.get(), &page.continuation_size);
  } while (aspen_op_more(op.get()) != 0);
  EXPECT_EQ(seen, "k4 k3 | k2 k1 | k0 | ");
}

TEST_F(Indexes, AreListedAndDropped) {
  EXPECT_EQ(list(), "[]");
  Op created = create("i", "p", "number:/n");
  EXPECT_EQ(keys("i"), "");
  EXPECT_EQ(list(),
            "[{\"id\":" + std::to_string(aspen_op_revision(created.get())) +
                R"(,"name":"i","prefix_hex":"70","extractor":"number:/n","state":"ready","records":0}])");
  EXPECT_EQ(aspen_op_status(drop("i").get()), ASPEN_OK);
  Op again = drop("i");
  EXPECT_EQ(aspen_op_status(again.get()), ASPEN_NOT_FOUND);
  EXPECT_EQ(aspen_op_applied(again.get()), ASPEN_APPLIED_NO);
  EXPECT_EQ(std::string(aspen_op_message(again.get())), "there is no index \"i\"");
  EXPECT_EQ(aspen_op_status(scan("i", options()).get()), ASPEN_NOT_FOUND);
}

TEST_F(Indexes, RefuseWhatIsWrong) {
  EXPECT_EQ(aspen_op_status(create("i", "", "xpath:/a").get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_status(create("", "", "value").get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_status(create(std::string(256, 'x').c_str(), "", "value").get()), ASPEN_LIMIT_EXCEEDED);
  EXPECT_EQ(aspen_op_status(create("i", std::string(4097, 'x'), "value").get()), ASPEN_LIMIT_EXCEEDED);
  EXPECT_EQ(aspen_op_status(create("i", "", "value").get()), ASPEN_OK);
  EXPECT_EQ(aspen_op_status(create("i", "", "value").get()), ASPEN_ALREADY_EXISTS);
  aspen_op_t* op = nullptr;
  EXPECT_EQ(aspen_index_create(node_.get(), nullptr, nullptr, 0, "value", nullptr, nullptr, 0, &op),
            ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_index_create(node_.get(), "j", nullptr, 1, "value", nullptr, nullptr, 0, &op),
            ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_index_drop(nullptr, "i", nullptr, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  aspen_index_scan_options_t bad = options();
  bad.struct_size = 3;
  EXPECT_EQ(aspen_index_scan(node_.get(), "i", &bad, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  bad = options();
  bad.start_size = 1;
  EXPECT_EQ(aspen_index_scan(node_.get(), "i", &bad, nullptr, 0, &op), ASPEN_INVALID_ARGUMENT);
  const std::string large(100'000, 'x');
  bad = options();
  bad.value = large.data();
  bad.value_size = large.size();
  EXPECT_EQ(aspen_op_status(scan("i", bad).get()), ASPEN_LIMIT_EXCEEDED);
  bad = options();
  bad.timeout_ns = -1;
  EXPECT_EQ(aspen_op_status(scan("i", bad).get()), ASPEN_INVALID_ARGUMENT);
}

}  // namespace
