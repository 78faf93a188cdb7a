// A node's directory: what is found in it again, and what is refused without being touched.
#include "core/node/data_dir.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "core/base/hash.h"
#include "core/store/store_test_dir.h"

namespace aspen::node {
namespace {

namespace fs = std::filesystem;

NodeFile founder() {
  crypto::initialize();
  crypto::KeyPair key = crypto::KeyPair::generate();
  crypto::KeyPair root = crypto::KeyPair::generate();
  crypto::Grant grant{.kind = crypto::GrantKind::node, .subject = key.id(), .roles = crypto::kRolesAll};
  NodeFile file;
  file.node_seed = key.seed();
  file.network = root.id();
  file.root_seed = root.seed();
  file.membership = {*crypto::issue(root.id(), {}, root, grant)};
  return file;
}

Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

void write_file(const std::string& path, BytesView bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

class DataDirTest : public testing::Test {
 protected:
  // A directory with a saved node; returns what was saved.
  NodeFile make() {
    NodeFile file = founder();
    auto dir = DataDir::open(path_);
    EXPECT_TRUE(dir);
    EXPECT_TRUE((*dir)->save(file));
    return file;
  }
  void expect_refused(Code code, const std::string& named) {
    auto dir = DataDir::open(path_);
    ASSERT_FALSE(dir);
    EXPECT_EQ(dir.error().code, code) << dir.error().to_string();
    EXPECT_NE(dir.error().message.find(named), std::string::npos) << dir.error().message;
  }

  store::TestDir root_;
  std::string path_ = root_.path("node");
};

TEST_F(DataDirTest, ANewDirectoryIsPrivateAndHasNoNode) {
  auto dir = DataDir::open(path_);
  ASSERT_TRUE(dir) << dir.error().to_string();
  EXPECT_FALSE((*dir)->node());
  struct stat info{};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(DataDirTest, WhatWasSavedIsThereWhenItIsOpenedAgain) {
  NodeFile file = make();
  struct stat info{};
  ASSERT_EQ(::stat((path_ + "/node").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  auto dir = DataDir::open(path_);
  ASSERT_TRUE(dir);
  ASSERT_TRUE((*dir)->node());
  const NodeFile& read = *(*dir)->node();
  EXPECT_EQ(read.node_seed, file.node_seed);
  EXPECT_EQ(read.network, file.network);
  EXPECT_EQ(read.membership, file.membership);
  EXPECT_EQ(read.root_seed, file.root_seed);
  EXPECT_FALSE(read.invitation);
  EXPECT_FALSE(read.has_log);
}

TEST_F(DataDirTest, AnInvitationIsKeptAlsoOnceItHasExpired) {
  NodeFile file = founder();
  crypto::KeyPair root = crypto::KeyPair::from_seed(*file.root_seed);
  crypto::KeyPair invitation = crypto::KeyPair::generate();
  crypto::Grant grant{.kind = crypto::GrantKind::invitation,
                      .subject = invitation.id(),
                      .roles = crypto::kRolesAll,
                      .not_after = 1};
  grant = *crypto::issue(root.id(), {}, root, grant);
  file.root_seed.reset();
  file.invitation =
      crypto::Ticket{file.network, {{invitation.id(), "10.0.0.7:4000"}}, invitation.seed(), {grant}};
  file.has_log = true;
  ASSERT_TRUE((*DataDir::open(path_))->save(file));
  auto dir = DataDir::open(path_);
  ASSERT_TRUE(dir) << dir.error().to_string();
  EXPECT_EQ((*dir)->node()->invitation, file.invitation);
  EXPECT_TRUE((*dir)->node()->has_log);
}

TEST_F(DataDirTest, OneThatIsOpenIsInUseAlsoByThisProcess) {
  auto first = DataDir::open(path_);
  ASSERT_TRUE(first);
  expect_refused(Code::IN_USE, std::to_string(::getpid()));
  first->reset();
  EXPECT_TRUE(DataDir::open(path_));
}

TEST_F(DataDirTest, OneThatAnotherProcessHasOpenNamesItUntilItDies) {
  make();
  int ready[2];
  int quit[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(quit), 0);
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto dir = DataDir::open(path_);
    char byte = dir ? 'y' : 'n';
    (void)!::write(ready[1], &byte, 1);
    (void)!::read(quit[0], &byte, 1);
    ::_exit(0);  // without closing, as a killed process
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  expect_refused(Code::IN_USE, std::to_string(child));
  ASSERT_EQ(::write(quit[1], "q", 1), 1);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(DataDir::open(path_));
}

TEST_F(DataDirTest, SomebodyElsesFilesAreRefusedAndNothingIsLeftAmongThem) {
  fs::create_directory(path_);
  write_file(path_ + "/thesis.txt", "mine");
  expect_refused(Code::WRONG_NODE, "thesis.txt");
  EXPECT_EQ(names_in(path_), std::vector<std::string>{"thesis.txt"});
}

TEST_F(DataDirTest, WhatANewDirectoryIsNotMadeForIsTakenAwayAgain) {
  DataDir::open(path_)->reset();
  EXPECT_FALSE(fs::exists(path_));
  fs::create_directory(path_);
  DataDir::open(path_)->reset();
  EXPECT_TRUE(fs::exists(path_));
}

TEST_F(DataDirTest, AFileInTheDirectorysPlaceIsRefused) {
  write_file(path_, "not a directory");
  expect_refused(Code::INVALID_ARGUMENT, path_);
}

TEST_F(DataDirTest, AMissingParentIsAnErrorWithThePath) {
  path_ = root_.path("no/such/parent");
  expect_refused(Code::IO, path_);
}

TEST_F(DataDirTest, AFormatOfTheFutureIsNamedWithOurs) {
  make();
  Bytes bytes = read_file(path_ + "/node");
  bytes[10] = 3;  // the version follows the magic
  bytes.resize(bytes.size() - sizeof(Hash));
  Hash checksum = hash("aspen/node-file/1", {bytes});
  write_file(path_ + "/node", bytes + Bytes(hash_view(checksum)));
  expect_refused(Code::UNSUPPORTED, "version 3; this build reads version 2: use a newer release");
}

TEST_F(DataDirTest, AFormatOfThePastIsNamedWithWhatToDo) {
  make();
  Bytes bytes = read_file(path_ + "/node");
  bytes[10] = 1;
  write_file(path_ + "/node", bytes);
  expect_refused(Code::UNSUPPORTED, "version 1; this build reads version 2");
  expect_refused(Code::UNSUPPORTED, "let the node join again");
}

TEST_F(DataDirTest, AForeignNodeFileIsNotTakenForADamagedOne) {
  fs::create_directory(path_);
  write_file(path_ + "/node", "#!/usr/bin/env node\n");
  expect_refused(Code::WRONG_NODE, path_ + "/node");
}

TEST_F(DataDirTest, EveryDamagedByteAndEveryCutIsNoticed) {
  make();
  const Bytes good = read_file(path_ + "/node");
  for (size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    write_file(path_ + "/node", bad);
    auto dir = DataDir::open(path_);
    ASSERT_FALSE(dir) << "byte " << at;
    Code expected = at < 10 ? Code::WRONG_NODE : at == 10 ? Code::UNSUPPORTED : Code::CORRUPT;
    EXPECT_EQ(dir.error().code, expected) << "byte " << at << ": " << dir.error().to_string();
  }
  for (size_t size = 0; size < good.size(); ++size) {
    write_file(path_ + "/node", BytesView(good).substr(0, size));
    expect_refused(Code::CORRUPT, path_ + "/node");
  }
  write_file(path_ + "/node", good + "x");
  expect_refused(Code::CORRUPT, path_ + "/node");
  write_file(path_ + "/node", good);
  EXPECT_TRUE(DataDir::open(path_));
}

TEST_F(DataDirTest, ASaveThatACrashInterruptedLeavesTheOldNode) {
  NodeFile file = make();
  write_file(path_ + "/node.new", "half a f");
  auto dir = DataDir::open(path_);
  ASSERT_TRUE(dir) << dir.error().to_string();
  EXPECT_EQ((*dir)->node()->node_seed, file.node_seed);
  file.has_log = true;
  ASSERT_TRUE((*dir)->save(file));
  EXPECT_FALSE(fs::exists(path_ + "/node.new"));
  dir->reset();
  EXPECT_TRUE((*DataDir::open(path_))->node()->has_log);
}

TEST_F(DataDirTest, TheFirstSaveThatACrashInterruptedLeavesANewDirectory) {
  fs::create_directory(path_);
  write_file(path_ + "/node.new", "half a f");
  write_file(path_ + "/lock", "12345");
  auto dir = DataDir::open(path_);
  ASSERT_TRUE(dir) << dir.error().to_string();
  EXPECT_FALSE((*dir)->node());
}

// Root may write anywhere: a child that is nobody tries.
TEST_F(DataDirTest, ADirectoryThatMayNotBeWrittenSaysSo) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs to become another user";
  fs::permissions(root_.path(""), fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::seteuid(65534) != 0) ::_exit(3);
    auto dir = DataDir::open(path_);
    if (dir) ::_exit(1);
    bool named = dir.error().code == Code::IO && dir.error().message.contains(path_) &&
                 dir.error().message.contains("Permission denied");
    ::_exit(named ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(DataDirTest, AStoreIsItsOwners) {
  make();
  auto dir = DataDir::open(path_);
  ASSERT_TRUE(dir);
  EXPECT_TRUE((*dir)->open_state());
  EXPECT_TRUE((*dir)->open_state());
  EXPECT_TRUE((*dir)->open_journal());
  EXPECT_TRUE((*dir)->open_journal());
  fs::remove_all(path_ + "/journal");
  const std::string log_path = path_ + "/journal";
  write_file(log_path, "in the way");
  EXPECT_FALSE((*dir)->open_journal());
  fs::remove(log_path);
  fs::create_directory(log_path);
  write_file(log_path + "/CURRENT", "somebody's");
  auto unmarked = (*dir)->open_journal();
  ASSERT_FALSE(unmarked);
  EXPECT_EQ(unmarked.error().code, Code::WRONG_NODE);
  NodeFile other = founder();
  ASSERT_TRUE((*dir)->save(other));
  auto foreign = (*dir)->open_state();
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, Code::WRONG_NODE);
}

}  // namespace
}  // namespace aspen::node
