// The directory layer of aspen.h.
#include "capi/test_node.h"

using namespace aspen::capi_test;

namespace {

using Tuple = std::unique_ptr<aspen_tuple_t, Deleter<aspen_tuple_free>>;

std::string path(std::initializer_list<const char*> names) {
  aspen_tuple_t* raw = nullptr;
  EXPECT_EQ(aspen_tuple_new(&raw), ASPEN_OK);
  Tuple tuple(raw);
  for (const std::string name : names)
    EXPECT_EQ(aspen_tuple_add_text(raw, name.data(), name.size()), ASPEN_OK);
  const uint8_t* data = nullptr;
  size_t size = 0;
  EXPECT_EQ(aspen_tuple_pack(raw, nullptr, 0, &data, &size), ASPEN_OK);
  return {reinterpret_cast<const char*>(data), size};
}

class Directories : public Capi {
 protected:
  void SetUp() override {
    Capi::SetUp();
    node_ = embedded();
  }
  void TearDown() override {
    node_.reset();
    Capi::TearDown();
  }

  Op open(const std::string& path, int32_t how = ASPEN_DIRECTORY_OPEN_OR_CREATE,
          const std::string& layer = "") {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_directory_open(node_.get(), path.data(), path.size(), how, layer.data(), layer.size(),
                                   nullptr, nullptr, 0, &op),
              ASPEN_OK);
    return finished(op);
  }
  Op move(const std::string& from, const std::string& to) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_directory_move(node_.get(), from.data(), from.size(), to.data(), to.size(), nullptr,
                                   nullptr, 0, &op),
              ASPEN_OK);
    return finished(op);
  }
  Op remove(const std::string& path) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(aspen_directory_remove(node_.get(), path.data(), path.size(), nullptr, nullptr, 0, &op),
              ASPEN_OK);
    return finished(op);
  }
  Op list(const std::string& path, const char* after = nullptr, uint64_t limit = 0) {
    aspen_op_t* op = nullptr;
    EXPECT_EQ(
        aspen_directory_list(node_.get(), path.data(), path.size(), after, limit, nullptr, nullptr, 0, &op),
        ASPEN_OK);
    return finished(op);
  }
  static std::string prefix(const Op& op, size_t index = 0) {
    aspen_entry_t entry;
    if (aspen_op_entry(op.get(), index, &entry) != ASPEN_OK) return "";
    return {reinterpret_cast<const char*>(entry.value), entry.value_size};
  }
  static std::string names(const Op& op) {
    std::string joined;
    aspen_entry_t entry;
    for (size_t i = 0; aspen_op_entry(op.get(), i, &entry) == ASPEN_OK; ++i) {
      joined += std::string(reinterpret_cast<const char*>(entry.key), entry.key_size) + " ";
    }
    return joined;
  }

  NodePtr node_;
};

TEST_F(Directories, AreMadeOpenedListedMovedAndRemoved) {
  Op made = open(path({"app", "users"}), ASPEN_DIRECTORY_CREATE, "table");
  ASSERT_EQ(aspen_op_status(made.get()), ASPEN_OK) << aspen_op_message(made.get());
  EXPECT_EQ(aspen_op_succeeded(made.get()), 1);
  EXPECT_EQ(names(made), "users ");
  EXPECT_EQ(prefix(made)[0], '\xfe');
  Op opened = open(path({"app", "users"}));
  EXPECT_EQ(aspen_op_succeeded(opened.get()), 0);
  EXPECT_EQ(prefix(opened), prefix(made));
  put(node_.get(), prefix(made) + "k", "v");

  EXPECT_EQ(aspen_op_status(open(path({"app", "users"}), ASPEN_DIRECTORY_CREATE).get()),
            ASPEN_ALREADY_EXISTS);
  EXPECT_EQ(aspen_op_status(open(path({"none"}), ASPEN_DIRECTORY_OPEN).get()), ASPEN_NOT_FOUND);
  EXPECT_EQ(aspen_op_status(open(path({"app", "users"}), ASPEN_DIRECTORY_OPEN, "queue").get()),
            ASPEN_INVALID_ARGUMENT);

  ASSERT_EQ(aspen_op_status(open(path({"a"})).get()), ASPEN_OK);
  EXPECT_EQ(names(list(path({}))), "a app ");
  Op page = list(path({}), nullptr, 1);
  EXPECT_EQ(names(page), "a ");
  EXPECT_EQ(aspen_op_more(page.get()), 1);
  EXPECT_EQ(names(list(path({}), "a", 1)), "app ");
  EXPECT_EQ(prefix(list(path({"app"}))), prefix(made));

  EXPECT_EQ(prefix(move(path({"app", "users"}), path({"a", "people"}))), prefix(made));
  EXPECT_EQ(names(list(path({"app"}))), "");
  EXPECT_EQ(aspen_op_status(move(path({"a"}), path({"a", "b"})).get()), ASPEN_INVALID_ARGUMENT);

  EXPECT_EQ(aspen_op_succeeded(remove(path({"a"})).get()), 1);
  EXPECT_EQ(aspen_op_succeeded(remove(path({"a"})).get()), 0);
  aspen_op_t* raw = nullptr;
  const std::string key = prefix(made) + "k";
  ASSERT_EQ(aspen_kv_get(node_.get(), key.data(), key.size(), nullptr, nullptr, 0, &raw), ASPEN_OK);
  EXPECT_EQ(aspen_op_entry_count(finished(raw).get()), 0u);
}

TEST_F(Directories, RefuseWhatIsWrong) {
  EXPECT_EQ(aspen_op_status(open(path({})).get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_status(open("no tuple").get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_status(open(std::string(70'000, '\0')).get()), ASPEN_LIMIT_EXCEEDED);
  EXPECT_EQ(aspen_op_status(open(path({""})).get()), ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_op_status(open(path({"a"}), 3, std::string(300, 'x')).get()), ASPEN_LIMIT_EXCEEDED);
  aspen_op_t* op = nullptr;
  const std::string good = path({"a"});
  EXPECT_EQ(
      aspen_directory_open(node_.get(), good.data(), good.size(), 0, nullptr, 0, nullptr, nullptr, 0, &op),
      ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_directory_open(node_.get(), nullptr, 1, 1, nullptr, 0, nullptr, nullptr, 0, &op),
            ASPEN_INVALID_ARGUMENT);
  EXPECT_EQ(aspen_directory_remove(nullptr, good.data(), good.size(), nullptr, nullptr, 0, &op),
            ASPEN_INVALID_ARGUMENT);
}

}  // namespace
