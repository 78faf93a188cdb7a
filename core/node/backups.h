// Makes backups of a running cluster: on a member from its own state, on a client from a member's.
//
//   ASPEN_CO_TRY(BackupManifest manifest, co_await backups.make(cx, {.dir = "/backup/monday"}));
//
// A backup is the state that the member has applied at one revision, which the manifest names. By default the
// member first asks the leader whether that is recent enough (a read index): everything that was acknowledged
// before the call is in it. `stale` leaves that out: it works without a leader, and may miss what the member
// has not heard of.
//
// The state is copied from a snapshot of the database, a chunk at a time, on a lane of its own: the engine
// goes on, a slow target delays nothing but the backup, and memory is that of some chunks. What is written
// during the backup is not in it.
//
// Limits: kBackupsMax at a time at a member, more are refused OVERLOADED: each keeps the database from giving
// up what was overwritten since.
// Thread safety: none; the engine thread.
#pragma once

#include <memory>
#include <string>

#include "core/node/backup_protocol.h"
#include "core/node/backup_writer.h"
#include "core/node/frame_inbox.h"
#include "core/node/platform.h"
#include "core/node/replica.h"
#include "core/node/router.h"

namespace aspen::node {

inline constexpr size_t kBackupsMax = 4;

struct BackupOptions {
  std::string dir;     // made when absent (not its parent); must be empty
  int stream = -1;     // instead: a descriptor, into which the directory is written as a tar archive
  bool stale = false;  // without asking the leader
};

class Backups {
 public:
  // All outlive it; `region` owns what is sent to others, and is closed before it goes. Without a replica
  // members are asked, which `router` finds.
  Backups(Platform& platform, rt::Region& region, rt::Lane& lane, Router& router, Replica* replica,
          const NodeId& network, const NodeId& self)
      : platform_(platform),
        region_(region),
        lane_(lane),
        router_(router),
        replica_(replica),
        network_(network),
        self_(self) {}

  // Errors: ALREADY_EXISTS when there is something in the directory; IO and CORRUPT of either side;
  // OVERLOADED; UNAVAILABLE when no member is found; and the task's. After an error nothing is left in the
  // directory, as far as the disk allows.
  rt::Task<Result<BackupManifest>> make(rt::Cx& cx, BackupOptions options);

  // A kBackup stream that a peer opened.
  void accept(net::Stream& stream);

 private:
  struct Source;
  struct Copy;

  rt::Task<Result<std::shared_ptr<Source>>> open_source(rt::Cx& cx, bool stale);
  rt::Task<Result<>> confirm(rt::Cx& cx);
  rt::Task<Result<>> begin(rt::Cx& cx, Copy& copy, const BackupOptions& options, const BackupOrigin& origin);
  rt::Task<Result<>> copy_own(rt::Cx& cx, std::shared_ptr<Copy> copy, const BackupOptions& options);
  rt::Task<Result<>> copy_from_member(rt::Cx& cx, std::shared_ptr<Copy> copy, const BackupOptions& options);
  struct Offer;
  rt::Task<Result<Offer>> find_member(rt::Cx& cx, bool stale);
  rt::Task<Result<Offer>> ask(rt::Cx& cx, NodeId member, bool stale);
  rt::Task<Result<>> serve(rt::Cx& cx, std::shared_ptr<FrameInbox> inbox);
  void store_failed(const Error& error);

  Platform& platform_;
  rt::Region& region_;
  rt::Lane& lane_;
  Router& router_;
  Replica* replica_;
  NodeId network_;
  NodeId self_;
  size_t sources_ = 0;
};

}  // namespace aspen::node
