// Backups that are made while a cluster runs and members fail, and what must hold of each in the end:
//
//   - one that was acknowledged, and one whose manifest is on the disk, can be read in whole; a directory
//     without a manifest is refused;
//   - restored, it has the records that the recorded history says the store had at its revision: it is put
//     into the history as a read of everything, and check_kv judges it with all others (also that, unless it
//     was a stale one, everything acknowledged before is in it);
//   - a network that begins with it has the same records, also after crashes in the midst of the restore, and
//     gives its writes revisions above all that the old network ever gave.
//
//   BackupDrill drill(world, cluster);
//   drill.begin(random);                 // again and again
//   drill.collect();                     // when all is settled, before the history is judged
//   drill.restore();                     // after it was
//
// Thread safety: none.
#pragma once

#include "core/lab/cluster.h"
#include "core/node/backup_reader.h"

namespace aspen::lab {

class BackupDrill {
 public:
  BackupDrill(World& world, Cluster& cluster) : world_(world), cluster_(cluster) {}

  // Asks some machine, a member or a client, for a backup.
  void begin(Random& random);
  void collect();
  void restore();

 private:
  struct Backup {
    size_t machine = 0;
    std::string path;
    size_t operation = 0;                  // in the history
    std::optional<uint64_t> acknowledged;  // its revision
    std::optional<kv::RangeReply> content;
  };

  Machine& machine(size_t i);
  Result<kv::RangeReply> read(const Backup& backup);
  void judge(Backup& backup);
  bool open_restored(Machine& machine, Random& random);
  Result<kv::RangeReply> read_all(Machine& machine);
  template <typename Reply>
  Result<Reply> ask(Machine& machine, std::function<rt::Task<Result<Reply>>(node::Engine&, rt::Cx&)> body);

  World& world_;
  Cluster& cluster_;
  std::vector<std::unique_ptr<Backup>> backups_;
};

}  // namespace aspen::lab
