// The files of a backup: whole, cut short, damaged at any byte, lost in a power cut.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/journal/memory_directory.h"
#include "core/kv/test_log.h"
#include "core/node/backup_protocol.h"
#include "core/node/backup_reader.h"
#include "core/node/backup_writer.h"

namespace aspen::node {
namespace {

using kv::code_of;
using kv::must;

// The same directory, for several owners in turn.
class Borrowed final : public journal::Directory {
 public:
  explicit Borrowed(journal::Directory& directory) : directory_(directory) {}
  Result<std::vector<std::string>> list() const override { return directory_.list(); }
  Result<std::unique_ptr<journal::File>> create(const std::string& name) override {
    return directory_.create(name);
  }
  Result<std::unique_ptr<journal::File>> open(const std::string& name) override {
    return directory_.open(name);
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    return directory_.rename(from, to);
  }
  Result<> remove(const std::string& name) override { return directory_.remove(name); }
  Result<> sync() override { return directory_.sync(); }

 private:
  journal::Directory& directory_;
};

class BackupTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 30; ++i) {
      log_.append(kv::write({kv::put("key" + std::to_string(i), Bytes(30'000, 'v'))}));
    }
    log_.apply(*machine_);
    chunks_ = kv::chunks_of(*machine_);
    ASSERT_GT(chunks_.size(), 3u);
  }

  // Each chunk in a file of its own.
  Result<BackupManifest> write(journal::Directory& directory, size_t chunks = SIZE_MAX) {
    ASPEN_TRY(auto writer, BackupWriter::begin(std::make_unique<Borrowed>(directory), "dir", origin_, 1));
    for (size_t i = 0; i < std::min(chunks, chunks_.size()); ++i) ASPEN_CHECK(writer->write(chunks_[i]));
    return writer->finish();
  }
  static Result<BackupManifest> check(journal::Directory& directory) {
    ASPEN_TRY(auto reader, BackupReader::open(std::make_unique<Borrowed>(directory), "dir"));
    BackupCheck check(*reader);
    for (bool more = true; more;) {
      ASPEN_TRY(more, check.step());
    }
    return reader->manifest();
  }

  kv::TestLog log_;
  std::unique_ptr<kv::StateMachine> machine_ = kv::open_machine();
  std::vector<Bytes> chunks_;
  journal::MemoryDirectory disk_;
  BackupOrigin origin_{.network = {}, .node = {}, .term = 3};
};

TEST_F(BackupTest, WhatIsReadIsWhatWasWritten) {
  BackupManifest manifest = must(write(disk_));
  EXPECT_EQ(manifest.revision(), 30u);
  EXPECT_EQ(manifest.contents.keys, 30u);
  EXPECT_EQ(manifest.files.size(), chunks_.size());
  EXPECT_EQ(hash_view(manifest.contents.state), must(machine_->fingerprint()));
  EXPECT_EQ(must(check(disk_)), manifest);

  auto reader = must(BackupReader::open(std::make_unique<Borrowed>(disk_), "dir"));
  for (int round = 0; round < 2; ++round) {
    for (const Bytes& chunk : chunks_) EXPECT_EQ(must(reader->next()), chunk);
    EXPECT_EQ(must(reader->next()), "");
    reader->rewind();
  }
}

TEST_F(BackupTest, AFullOrForeignDirectoryIsRefused) {
  ASSERT_TRUE(write(disk_));
  auto again = write(disk_);
  EXPECT_EQ(code_of(again), Code::ALREADY_EXISTS);
  EXPECT_TRUE(again.error().message.contains("1.chunks")) << again.error().message;
  EXPECT_TRUE(check(disk_));
}

TEST_F(BackupTest, WithoutItsEndItIsNoBackup) {
  EXPECT_EQ(code_of(check(disk_)), Code::NOT_FOUND);
  EXPECT_EQ(code_of(write(disk_, chunks_.size() - 1)), Code::CORRUPT);
  auto checked = check(disk_);
  EXPECT_EQ(code_of(checked), Code::CORRUPT);
  EXPECT_TRUE(checked.error().message.contains("interrupted")) << checked.error().message;
}

TEST_F(BackupTest, AbandoningLeavesNothing) {
  {
    auto writer = must(BackupWriter::begin(std::make_unique<Borrowed>(disk_), "dir", origin_));
    ASSERT_TRUE(writer->write(chunks_[0]));
    writer->abandon();
  }
  EXPECT_EQ(must(disk_.list()), std::vector<std::string>());
  EXPECT_TRUE(write(disk_));
}

// Chunks out of order, twice, or not at all: refused when they come.
TEST_F(BackupTest, OnlyAWholeSnapshotIsTaken) {
  auto writer = must(BackupWriter::begin(std::make_unique<Borrowed>(disk_), "dir", origin_));
  ASSERT_TRUE(writer->write(chunks_[0]));
  EXPECT_EQ(code_of(writer->write(chunks_[2])), Code::CORRUPT);
}

// A power cut before, in or after any operation leaves the backup whole, or none that is taken for one.
TEST_F(BackupTest, APowerCutLeavesAllOrNothing) {
  uint64_t random = 1;
  auto choose = [&](uint64_t below) { return (random = random * 6364136223846793005u + 1) / 7 % below; };
  bool finished = false;
  size_t whole = 0;
  for (int cut = 1; !finished; ++cut) {
    journal::MemoryDirectory disk;
    int operations = 0;
    disk.before = [&](auto, auto&) {
      return ++operations == cut ? journal::Fault::die : journal::Fault::none;
    };
    finished = write(disk).has_value();
    disk.before = nullptr;
    disk.crash(choose);
    auto names = must(disk.list());
    bool named = std::ranges::find(names, kManifestName) != names.end();
    auto checked = check(disk);
    EXPECT_EQ(checked.has_value(), named) << "cut at " << cut << ": " << checked.error().to_string();
    if (finished) EXPECT_TRUE(named);
    whole += named ? 1 : 0;
  }
  EXPECT_GE(whole, 1u);
}

TEST_F(BackupTest, AFlippedBitAnywhereIsFound) {
  ASSERT_TRUE(write(disk_));
  uint64_t random = 7;
  for (const auto& [name, content] : disk_.files()) {
    const size_t step = std::max<size_t>(1, content.size() / 97);
    for (size_t at = 0; at < content.size(); at += step) {
      journal::MemoryDirectory copy(disk_.files());
      copy.flip(name, at, static_cast<uint8_t>(1u << (random++ % 8)));
      auto checked = check(copy);
      ASSERT_FALSE(checked) << name << " at " << at;
      EXPECT_TRUE(checked.error().message.contains(name)) << checked.error().message;
    }
  }
}

TEST_F(BackupTest, AFileThatIsMissingOrCutIsNamed) {
  ASSERT_TRUE(write(disk_));
  auto files = disk_.files();
  for (const auto& [name, content] : files) {
    if (name == kManifestName) continue;
    auto missing = files;
    missing.erase(name);
    journal::MemoryDirectory without(missing);
    auto checked = check(without);
    EXPECT_EQ(code_of(checked), Code::CORRUPT);
    EXPECT_TRUE(checked.error().message.contains("dir/" + name + " is missing")) << checked.error().message;
    auto cut = files;
    cut[name].pop_back();
    journal::MemoryDirectory shorter(cut);
    EXPECT_EQ(code_of(check(shorter)), Code::CORRUPT);
  }
}

TEST_F(BackupTest, AManifestOfAnotherFormOrVersionIsRefused) {
  BackupManifest manifest = must(write(disk_));
  std::string text = encode_manifest(manifest);
  EXPECT_EQ(must(decode_manifest(text, "m")), manifest);
  for (std::string other :
       {text + " ", text.substr(0, text.size() / 2), std::string("{}"), std::string("[]")}) {
    EXPECT_EQ(code_of(decode_manifest(other, "m")), Code::CORRUPT) << other;
  }
  std::string newer = text;
  newer.replace(newer.find("\"version\": 1"), 12, "\"version\": 2");
  EXPECT_EQ(code_of(decode_manifest(newer, "m")), Code::UNSUPPORTED);
}

TEST(BackupProtocol, FramesComeBack) {
  for (bool stale : {false, true})
    EXPECT_EQ(must(decode_backup_request(encode(BackupRequest{stale}))).stale, stale);
  NodeId id;
  id.key.fill(7);
  BackupOrigin origin{id, {}, 9};
  EXPECT_EQ(must(decode_backup_origin(encode(origin))), origin);
  EXPECT_EQ(code_of(decode_backup_origin(encode(BackupRequest{}))), Code::PROTOCOL);
  EXPECT_EQ(code_of(decode_backup_request("")), Code::PROTOCOL);
}

}  // namespace
}  // namespace aspen::node
