// A promise to do something before a region closes: a permit, an ack, a lease, an operation in flight. It
// stands in the region's ledger, and the region's close waits until the ledger is empty.
//
//   Obligation ack(region, ObligationKind::ack, "reply");
//   ... ack.commit();                      // kept; or ack.abort(): given up, and who waits for it knows
//
// A permit or an operation that is dropped is aborted: nobody waits for more. An ack or a lease must be
// committed or aborted by name, for someone else relies on it; to forget one is a leak, unless a Panic took
// it along. A promise is broken by
//   - a leak: one that demands a word is dropped without;
//   - a second word: it is committed or aborted when it has ended already;
//   - a hold-up: nothing else is left in a closing region for the whole cleanup budget, so whoever holds
//     it will not run, or not because of this region.
// The region's options say what happens then (BrokenPromise); in any case the log names where it was made.
//
// Ending one only notes it: a region that can close now does so from the run queue. So an obligation may end
// in the middle of anything.
//
// Thread safety: none; one executor's thread.
#pragma once

#include <source_location>
#include <string>

#include "core/base/error.h"
#include "core/rt/list.h"

namespace aspen::rt {

class Executor;
class Region;
struct ObligationTag;

enum class ObligationKind : uint8_t { permit, ack, lease, io };
const char* to_string(ObligationKind kind);

// What follows on a broken promise, besides the line in the log.
enum class BrokenPromise : uint8_t {
  log,      // nothing
  panic,    // a Panic: of the caller for a second word, else contained and told to Executor::on_panic
  recover,  // a hold-up ends by aborting what is held up: the region closes
};

class Obligation : public ListNode<ObligationTag> {
 public:
  // `gone`: moved away, or aborted by the region.
  enum class State : uint8_t { open, committed, aborted, gone };

  // `name` is a literal. Requires: the region is not closed, and not full (see make()).
  Obligation(Region& region, ObligationKind kind, const char* name,
             std::source_location origin = std::source_location::current());
  Obligation(Region& region, const char* name, std::source_location origin = std::source_location::current())
      : Obligation(region, ObligationKind::permit, name, origin) {}
  // Errors: OVERLOADED when the region holds RegionOptions::obligations_max, UNAVAILABLE when it is closed.
  static Result<Obligation> make(Region& region, ObligationKind kind, const char* name,
                                 std::source_location origin = std::source_location::current());
  // The same for the task with the id `task`, which waits while another makes it: to hand it over.
  static Result<Obligation> make_for(uint64_t task, Region& region, ObligationKind kind, const char* name,
                                     std::source_location origin);
  // The promise is this one's now.
  Obligation(Obligation&& other) noexcept;
  ~Obligation() { drop(); }

  void commit() { end_by_word(State::committed); }
  void abort() { end_by_word(State::aborted); }
  // commit(), unless it has ended.
  void resolve();
  // What its destructor does: ends it without a word, unless it has ended.
  void drop();

  State state() const { return state_; }
  ObligationKind kind() const { return kind_; }
  const char* name() const { return name_; }
  const std::source_location& origin() const { return origin_; }
  // Null once it has ended.
  Region* region() const { return region_; }
  // Unique in its executor; a move keeps it.
  uint64_t id() const { return id_; }
  // The task that made it, or for which it was made; 0: none.
  uint64_t made_by() const { return made_by_; }
  // "ack reply, made at file:line by task 7", for logs.
  std::string to_string() const;

 private:
  friend class Region;
  Obligation(uint64_t task, Region& region, ObligationKind kind, const char* name,
             std::source_location origin);
  void end(State state);
  void end_by_word(State state);
  void report(const std::string& text) const;

  Region* region_;
  Executor* executor_;
  const char* name_;
  std::source_location origin_;
  uint64_t id_;
  uint64_t made_by_;
  ObligationKind kind_;
  State state_ = State::open;
  BrokenPromise broken_;
};

}  // namespace aspen::rt
