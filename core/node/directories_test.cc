// The directory layer, on real clusters.
#include "core/node/directories.h"

#include <algorithm>
#include <map>

#include "core/kv/tuple.h"
#include "core/node/test_cluster.h"

namespace aspen::node {
namespace {

struct Directories {
  TestNode& node;

  Result<Directory> open(DirectoryPath path, DirectoryOpen how = DirectoryOpen::either, Bytes layer = {}) {
    return wait_for<Directory>([&](auto done) {
      node.node->open_directory({std::move(path), how, std::move(layer)}, kCallTimeout, std::move(done));
    });
  }
  Result<Directory> move(DirectoryPath from, DirectoryPath to) {
    return wait_for<Directory>([&](auto done) {
      node.node->move_directory(std::move(from), std::move(to), kCallTimeout, std::move(done));
    });
  }
  Result<bool> remove(DirectoryPath path) {
    return wait_for<bool>(
        [&](auto done) { node.node->remove_directory(std::move(path), kCallTimeout, std::move(done)); });
  }
  std::string list(DirectoryPath path, std::string after = "", uint32_t limit = 0) {
    auto list = wait_for<DirectoryList>([&](auto done) {
      node.node->list_directory({std::move(path), std::move(after), limit}, kCallTimeout, std::move(done));
    });
    if (!list) return list.error().to_string();
    std::string names;
    for (const DirectoryEntry& entry : list->entries) names += entry.name + " ";
    return names + (list->more ? "..." : "");
  }
  Code failure(const Result<Directory>& result) { return result ? Code::OK : result.error().code; }
};

class DirectoryTest : public ClusterTest {
 protected:
  void SetUp() override { node_ = open(options(Mode::embedded, "db")); }

  size_t rows() { return node_.range({.start = "\xfe", .end = "\xff"})->entries.size(); }

  TestNode node_;
  Directories directories_{node_};
};

TEST_F(DirectoryTest, APathStandsForAShortPrefix) {
  Directory users = directories_.open({"app", "users"}).value();
  EXPECT_TRUE(users.created);
  EXPECT_EQ(users.prefix[0], '\xfe');
  EXPECT_LE(users.prefix.size(), 4u);
  Directory again = directories_.open({"app", "users"}).value();
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.prefix, users.prefix);
  Directory app = directories_.open({"app"}, DirectoryOpen::existing).value();
  Directory other = directories_.open({"other"}, DirectoryOpen::create).value();
  EXPECT_EQ((std::set<Bytes>{users.prefix, app.prefix, other.prefix}).size(), 3u);
  EXPECT_EQ(directories_.open({"app", "users"}, DirectoryOpen::create).error().to_string(),
            "ALREADY_EXISTS: there is a directory /app/users already");
  EXPECT_EQ(directories_.open({"app", "none"}, DirectoryOpen::existing).error().to_string(),
            "NOT_FOUND: there is no directory /app/none");
  EXPECT_EQ(directories_.list({}), "app other ");
  EXPECT_EQ(directories_.list({"app"}), "users ");
  EXPECT_EQ(directories_.list({"app", "users"}), "");
  EXPECT_EQ(directories_.list({"x"}), "NOT_FOUND: there is no directory /x");
  for (const char* name : {"b", "a", "d", "c"}) ASSERT_TRUE(directories_.open({"app", name}));
  EXPECT_EQ(directories_.list({"app"}, "", 2), "a b ...");
  EXPECT_EQ(directories_.list({"app"}, "b", 9), "c d users ");
}

TEST_F(DirectoryTest, ALayerIsChecked) {
  ASSERT_TRUE(directories_.open({"q"}, DirectoryOpen::either, "queue"));
  EXPECT_TRUE(directories_.open({"q"}, DirectoryOpen::either, "queue"));
  EXPECT_EQ(directories_.open({"q"})->layer, "queue");
  EXPECT_EQ(directories_.open({"q"}, DirectoryOpen::either, "log").error().to_string(),
            "INVALID_ARGUMENT: the directory /q is of layer \"queue\", not \"log\"");
}

TEST_F(DirectoryTest, MovingKeepsWhatIsInIt) {
  Directory a = directories_.open({"a"}).value();
  Directory child = directories_.open({"a", "child"}).value();
  ASSERT_TRUE(directories_.open({"b"}));
  ASSERT_TRUE(node_.put(child.prefix + "key", "v"));
  EXPECT_EQ(directories_.move({"a"}, {"b", "moved"})->prefix, a.prefix);
  EXPECT_EQ(directories_.open({"b", "moved", "child"}, DirectoryOpen::existing)->prefix, child.prefix);
  EXPECT_EQ(node_.value(child.prefix + "key"), "v");
  EXPECT_EQ(directories_.list({}), "b ");
  EXPECT_EQ(directories_.failure(directories_.move({"b"}, {"b", "moved", "x"})), Code::INVALID_ARGUMENT);
  EXPECT_EQ(directories_.failure(directories_.move({"b"}, {"b"})), Code::INVALID_ARGUMENT);
  EXPECT_EQ(directories_.failure(directories_.move({"a"}, {"c"})), Code::NOT_FOUND);
  EXPECT_EQ(directories_.failure(directories_.move({"b"}, {"c", "d"})), Code::NOT_FOUND);
  ASSERT_TRUE(directories_.open({"c"}));
  EXPECT_EQ(directories_.failure(directories_.move({"c"}, {"b"})), Code::ALREADY_EXISTS);
}

TEST_F(DirectoryTest, RemovingErasesAllThatIsInIt) {
  Directory keep = directories_.open({"keep"}).value();
  ASSERT_TRUE(node_.put(keep.prefix + "k", "v"));
  const size_t before = rows();
  for (const DirectoryPath& path :
       std::vector<DirectoryPath>{{"a"}, {"a", "b"}, {"a", "b", "c"}, {"a", "d"}}) {
    Directory made = directories_.open(path).value();
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(node_.put(made.prefix + std::to_string(i), "v"));
  }
  EXPECT_EQ(rows(), before + 4 * 12);
  EXPECT_TRUE(directories_.remove({"a"}).value());
  EXPECT_EQ(rows(), before);
  EXPECT_FALSE(directories_.remove({"a"}).value());
  EXPECT_FALSE(directories_.remove({"a", "b"}).value());
  EXPECT_EQ(node_.value(keep.prefix + "k"), "v");
  EXPECT_EQ(directories_.list({}), "keep ");
}

TEST_F(DirectoryTest, WhatIsTooMuchToRemoveStaysWhole) {
  Directory a = directories_.open({"a"}).value();
  for (int i = 0; i < 3; ++i) {
    std::vector<kv::Op> ops;
    for (int j = 0; j < 4000; ++j) ops.push_back({.key = a.prefix + std::to_string(4000 * i + j)});
    ASSERT_TRUE(node_.write({.transaction = {.then = std::move(ops)}}));
  }
  Error error = directories_.remove({"a"}).error();
  EXPECT_EQ(error.code, Code::LIMIT_EXCEEDED);
  EXPECT_NE(error.message.find("nothing was removed: erase keys under the prefix of /a first"),
            std::string::npos)
      << error.message;
  EXPECT_EQ(directories_.open({"a"}, DirectoryOpen::existing)->prefix, a.prefix);
  kv::Op erase{.kind = kv::Op::Kind::erase_range, .range = {.start = a.prefix + "1", .end = a.prefix + "2"}};
  ASSERT_TRUE(node_.write({.transaction = {.then = {erase}}}));
  EXPECT_TRUE(directories_.remove({"a"}).value());
}

TEST_F(DirectoryTest, PathsHaveLimits) {
  EXPECT_EQ(directories_.failure(directories_.open({})), Code::INVALID_ARGUMENT);
  EXPECT_EQ(directories_.failure(directories_.open({"a", ""})), Code::INVALID_ARGUMENT);
  EXPECT_EQ(directories_.failure(directories_.open({"\xff"})), Code::INVALID_ARGUMENT);
  EXPECT_EQ(directories_.failure(directories_.open({std::string(256, 'x')})), Code::LIMIT_EXCEEDED);
  EXPECT_EQ(directories_.failure(directories_.open(DirectoryPath(33, "x"))), Code::LIMIT_EXCEEDED);
  EXPECT_EQ(directories_.failure(directories_.open({"a"}, DirectoryOpen::either, Bytes(256, 'x'))),
            Code::LIMIT_EXCEEDED);
  EXPECT_TRUE(
      directories_.open(DirectoryPath(32, std::string(255, 'x')), DirectoryOpen::either, Bytes(255, 'x')));
  EXPECT_EQ(parse_directory_path(*kv::pack({"a", "b"})), (DirectoryPath{"a", "b"}));
  EXPECT_FALSE(parse_directory_path(*kv::pack({"a", 1})));
  EXPECT_FALSE(parse_directory_path("\x7f"));
}

// One makes it, and all get the same; others make others, and no two of them the same.
TEST_F(ClusterTest, ManyMakeDirectoriesAtOnce) {
  auto nodes = cluster(3);
  constexpr int kRounds = 5;
  std::mutex mutex;
  std::map<std::string, std::set<Bytes>> prefixes;
  std::map<std::string, int> creations;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < nodes.size(); ++i) {
    threads.emplace_back([&, i] {
      Directories directories{nodes[i]};
      for (int round = 0; round < kRounds; ++round) {
        for (std::string name : {std::string("shared"), "own" + std::to_string(i)}) {
          name += std::to_string(round);
          Result<Directory> made = directories.open({"top", name});
          ASSERT_TRUE(made) << made.error().to_string();
          std::lock_guard lock(mutex);
          prefixes[name].insert(made->prefix);
          creations[name] += made->created ? 1 : 0;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<Bytes> all;
  for (const auto& [name, of_name] : prefixes) {
    EXPECT_EQ(of_name.size(), 1u) << name;
    EXPECT_EQ(creations[name], 1) << name;
    all.insert(of_name.begin(), of_name.end());
  }
  EXPECT_EQ(all.size(), kRounds * (1 + nodes.size()));
}

}  // namespace
}  // namespace aspen::node
