// A journal's disk whose writes can be held back or made to fail, and whose syncs are counted.
//
// Thread safety: hold() and the members from any thread, the rest as a Directory; for tests.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "core/journal/memory_directory.h"

namespace aspen::raft {

class FaultyDisk final : public journal::Directory {
 public:
  std::atomic<bool> fail_writes{false};
  std::atomic<int> syncs{0};
  journal::MemoryDirectory memory;

  void hold(bool held) {
    {
      std::lock_guard lock(mutex_);
      held_ = held;
    }
    released_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    released_.wait(lock, [this] { return !held_; });
  }

  Result<std::vector<std::string>> list() const override { return memory.list(); }
  Result<std::unique_ptr<journal::File>> create(const std::string& name) override {
    return wrap(memory.create(name));
  }
  Result<std::unique_ptr<journal::File>> open(const std::string& name) override {
    return wrap(memory.open(name));
  }
  Result<> rename(const std::string& from, const std::string& to) override { return memory.rename(from, to); }
  Result<> remove(const std::string& name) override { return memory.remove(name); }
  Result<> sync() override { return memory.sync(); }

 private:
  class FaultyFile final : public journal::File {
   public:
    FaultyFile(FaultyDisk& disk, std::unique_ptr<journal::File> file) : disk_(disk), file_(std::move(file)) {}
    Result<uint64_t> size() const override { return file_->size(); }
    Result<size_t> read(uint64_t offset, std::span<char> into) const override {
      return file_->read(offset, into);
    }
    Result<> write(uint64_t offset, BytesView bytes) override {
      ASPEN_CHECK(disk_.begin());
      return file_->write(offset, bytes);
    }
    Result<> sync() override {
      ASPEN_CHECK(disk_.begin());
      ++disk_.syncs;
      return file_->sync();
    }
    Result<> write_synced(uint64_t offset, BytesView bytes) override {
      ASPEN_CHECK(disk_.begin());
      ++disk_.syncs;
      return file_->write_synced(offset, bytes);
    }

   private:
    FaultyDisk& disk_;
    std::unique_ptr<journal::File> file_;
  };

  Result<> begin() {
    wait();
    return fail_writes ? fail(Code::IO, "the disk is broken") : Result<>();
  }
  Result<std::unique_ptr<journal::File>> wrap(Result<std::unique_ptr<journal::File>> file) {
    if (!file) return file;
    return std::make_unique<FaultyFile>(*this, *std::move(file));
  }

  std::mutex mutex_;
  std::condition_variable released_;
  bool held_ = false;
};

}  // namespace aspen::raft
