#include "core/journal/directory.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <random>
#include <set>

#include "core/journal/directory_contract.h"
#include "core/journal/memory_directory.h"
#include "core/journal/posix_directory.h"

namespace aspen::journal {
namespace {

TEST(MemoryDirectoryTest, Contract) {
  MemoryDirectory directory;
  check_contract(directory);
}

TEST(PosixDirectoryTest, Contract) {
  for (SyncCall call : {SyncCall::dsync, SyncCall::fdatasync}) {
    std::string path = (std::filesystem::temp_directory_path() / "aspen_journal_XXXXXX").string();
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    {
      auto directory = PosixDirectory::at(path + "/journal", call);
      ASSERT_TRUE(directory) << directory.error().to_string();
      check_contract(**directory);
      EXPECT_TRUE(PosixDirectory::at(path + "/journal", call));
    }
    std::filesystem::remove_all(path);
  }
  EXPECT_FALSE(PosixDirectory::at("/nowhere/journal"));
}

uint64_t lose(uint64_t) {
  return 0;
}

TEST(MemoryDirectoryTest, APowerCutLosesWhatWasNotSynced) {
  MemoryDirectory directory;
  auto file = *directory.create("a");
  ASSERT_TRUE(directory.sync());
  ASSERT_TRUE(file->write(0, Bytes(1024, 'x')));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(file->write(0, Bytes(1024, 'y')));
  ASSERT_TRUE(directory.create("b"));
  bool second = false;
  directory.crash([&](uint64_t below) { return below == 2 && (second = !second) ? 0u : below - 1; });
  EXPECT_FALSE(file->write(0, "z"));
  // The creation was the first question: not kept. Then sector by sector.
  auto files = directory.files();
  EXPECT_EQ(files.size(), 1u);
  EXPECT_EQ(files["a"], Bytes(512, 'y') + Bytes(512, 'x'));
}

TEST(MemoryDirectoryTest, ASyncThatFailedIsNotMadeGoodByTheNext) {
  MemoryDirectory directory;
  auto file = *directory.create("a");
  ASSERT_TRUE(directory.sync());
  ASSERT_TRUE(file->write(0, "abc"));
  directory.before = [](Operation operation, const std::string&) {
    return operation == Operation::sync ? Fault::fail : Fault::none;
  };
  EXPECT_FALSE(file->sync());
  directory.before = nullptr;
  EXPECT_TRUE(file->sync());
  EXPECT_EQ(read(*file, 0, 3), "abc");
  directory.crash(lose);
  EXPECT_EQ(directory.files()["a"], "");
}

TEST(MemoryDirectoryTest, ASyncedWriteSyncsNothingElse) {
  MemoryDirectory directory;
  auto file = *directory.create("a");
  ASSERT_TRUE(directory.sync());
  ASSERT_TRUE(file->write(0, "abc"));
  ASSERT_TRUE(file->write_synced(3, "def"));
  directory.crash(lose);
  EXPECT_EQ(directory.files()["a"], Bytes("\0\0\0def", 6));
}

TEST(MemoryDirectoryTest, WhatASyncedWriteReplacedDoesNotComeBack) {
  MemoryDirectory directory;
  auto file = *directory.create("a");
  ASSERT_TRUE(directory.sync());
  ASSERT_TRUE(file->write(0, "aaaaaa"));
  ASSERT_TRUE(file->write_synced(2, "bb"));
  directory.crash([](uint64_t below) { return below - 1; });
  EXPECT_EQ(directory.files()["a"], "aabbaa");
}

TEST(MemoryDirectoryTest, TheEndOfTheProcessLosesNothingAndSavesNothing) {
  MemoryDirectory directory;
  auto file = *directory.create("a");
  ASSERT_TRUE(directory.sync());
  ASSERT_TRUE(file->write(0, "abc"));
  ASSERT_TRUE(directory.create("b"));
  directory.stop();
  EXPECT_FALSE(directory.list());
  EXPECT_FALSE(file->write(3, "def"));
  directory.restart();
  EXPECT_FALSE(file->write(3, "def"));
  EXPECT_EQ(directory.list(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(read(**directory.open("a"), 0, 9), "abc");
  directory.crash(lose);
  EXPECT_EQ(directory.list(), std::vector<std::string>{"a"});
  EXPECT_EQ(directory.files()["a"], "");
}

TEST(MemoryDirectoryTest, AWriteMayFailHalfWay) {
  MemoryDirectory directory;
  auto file = *directory.create("a");
  directory.before = [](Operation operation, const std::string&) {
    return operation == Operation::read ? Fault::none : Fault::part;
  };
  EXPECT_FALSE(file->write(0, "abcdef"));
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(directory.create("b"));
  EXPECT_EQ(read(*file, 0, 9), "abc");
}

TEST(MemoryDirectoryTest, DamageSparesWhatWasSyncedLast) {
  MemoryDirectory directory;
  EXPECT_EQ(directory.flip_any(lose), std::nullopt);
  auto file = *directory.create("a");
  ASSERT_TRUE(file->write_synced(0, "abc"));
  ASSERT_TRUE(file->write_synced(3, "def"));
  std::set<std::string> flipped;
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) {
    flipped.insert(*directory.flip_any([&](uint64_t below) { return random() % below; }));
  }
  EXPECT_EQ(read(*file, 3, 3), "def");
  EXPECT_GE(flipped.size(), 20u);
}

TEST(MemoryDirectoryTest, AFullDiskRefusesToGrowAFile) {
  MemoryDirectory directory;
  directory.bytes_max = 4;
  auto file = *directory.create("a");
  EXPECT_TRUE(file->write(0, "abcd"));
  EXPECT_TRUE(file->write(0, "efgh"));
  auto full = file->write(4, "i");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().message, "cannot write a: the disk is full");
}

TEST(MemoryDirectoryTest, AfterDyingNothingWorksUntilTheCrash) {
  MemoryDirectory directory;
  directory.before = [](Operation, const std::string&) { return Fault::die; };
  EXPECT_FALSE(directory.create("a"));
  directory.before = nullptr;
  EXPECT_FALSE(directory.create("b"));
  EXPECT_FALSE(directory.list());
  directory.crash([](uint64_t below) { return below - 1; });
  EXPECT_EQ(directory.list(), std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace aspen::journal
