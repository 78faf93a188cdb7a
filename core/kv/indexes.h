// Secondary indexes: which there are, and what a change of a record does to them.
//
// An index is declared over the keys with a prefix, with an extractor (extractor.h) that says what of their
// values it is over. It has an entry, a row, for each value of each record; a scan reads a range of them in
// the order of the values, and in that of the keys where these are equal. What a command changes in the
// records and in the entries is one batch: an index is right at every revision.
//
// Everything about indexes is in the log, also how far they are built, so that all members have the same:
//
//   index_create -> building --index_step...--> ready
//                      |                          |
//                      +------ index_drop --------+--> dropping --index_step...--> gone
//
// While it is building, the index holds exactly the entries of the keys below its cursor. A step looks at
// some records from there on and moves the cursor behind them; a write meanwhile changes entries only of a
// key below the cursor, for the steps have still to come to the others. Nothing is entered twice or missed,
// whatever is written in between, and neither a crash nor a snapshot needs to know of it: the cursor is a
// part of the row, and goes with the entries. Dropping frees the name at once; a later index of that name has
// another id, which is the log index of the command that created it, and so other rows.
//
// Who asks for steps is the leader (Replica), one after the other, as long as working() says so.
//
// Invariants: at most limits::kIndexesMax, of which at most kIndexesOfKeyMax can have entries of the same
// key; those that are not dropping have different names; a ready index has exactly the entries that its
// extractor finds in the records there are, and those are also what it finds in the record of every entry.
// Thread safety: none.
#pragma once

#include <map>
#include <optional>

#include "core/kv/extractor.h"
#include "core/kv/layout.h"
#include "core/kv/overlay.h"

namespace aspen::kv {

struct Index {
  enum class State : uint8_t { building = 1, ready = 2, dropping = 3 };

  uint64_t id = 0;
  Bytes name = {};
  Bytes prefix = {};
  Bytes extractor = {};
  State state = State::building;
  Bytes cursor = {};  // while it is building: keys below it are in; while dropping: entries below it are gone
  uint64_t records = 0;  // looked at by its steps

  bool operator==(const Index&) const = default;
};

// The part of an entry's row that is the scan's: the packed tuple of the value and the key as a blob.
Bytes index_entry(BytesView packed_value, BytesView key);
struct IndexEntryView {
  BytesView value;  // packed, borrowed
  Bytes key;
};
// Errors: CORRUPT.
Result<IndexEntryView> parse_index_entry(BytesView entry);

class Indexes {
 public:
  // Errors: CORRUPT, IO; UNSUPPORTED when an extractor is unknown.
  static Result<Indexes> load(const store::Reader& reader, uint32_t generation);

  bool empty() const { return declared_.empty(); }
  size_t size() const { return declared_.size(); }
  // By id.
  std::vector<Index> all() const;
  // The one with that name that is not being dropped; null: there is none.
  const Index* find(BytesView name) const;
  // The one to take the next step; null: none has work to do.
  const Index* working() const;
  // How many that are not being dropped a key with this prefix would be under, if there was one more over it.
  size_t depth_with(BytesView prefix) const;

  // Adds it, or replaces the one with its id. Requires: its extractor is known.
  void set(Index index);
  void erase(uint64_t id) { declared_.erase(id); }

  std::vector<Bytes> extract(uint64_t id, BytesView value) const {
    return declared_.at(id).extractor.extract(value);
  }
  // Writes what the change of a record's value (none: the key is absent) does to the entries.
  void maintain(BytesView key, std::optional<BytesView> before, std::optional<BytesView> after,
                uint32_t generation, Overlay& rows) const;

 private:
  struct Declared {
    Index index;
    Extractor extractor;
    bool has_entries_of(BytesView key) const;
  };

  std::map<uint64_t, Declared> declared_;  // by id
};

Bytes encode(const Index& index);

}  // namespace aspen::kv
