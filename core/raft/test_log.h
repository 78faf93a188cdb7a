// The log of a member in a test: a journal in memory, written on a lane of its own.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "core/raft/faulty_disk.h"
#include "core/raft/log_store.h"
#include "core/rt/blocking.h"
#include "core/rt/loop.h"

namespace aspen::raft {

constexpr GroupId kGroup = 1;

struct TestLog {
  // As a start would: what was there is read again.
  void open_log(rt::Loop& loop, PeerId id) {
    close_log();
    disk_lane = std::make_unique<rt::ThreadLane>(loop);
    auto opened = LogJournal::open(
        disk, {.random = [] { return rt::system_env().random_u64(); }, .segment_bytes = 64u << 10});
    ASSERT_TRUE(opened) << opened.error().to_string();
    logs = *std::move(opened);
    writer = std::make_unique<LogWriter>(loop.executor(), *disk_lane, *logs);
    log = *LogStore::open(*writer, kGroup, id);
  }
  void close_log() {
    log.reset();
    writer.reset();
    disk_lane.reset();
    logs.reset();
  }

  FaultyDisk disk;
  std::unique_ptr<LogJournal> logs;
  std::unique_ptr<rt::Lane> disk_lane;
  std::unique_ptr<LogWriter> writer;
  std::optional<LogStore> log;
};

}  // namespace aspen::raft
