// The bounded queue of one actor, from which it takes messages selectively.
//
// Casts and calls count against messages_max and bytes_max. At the bound post() is refused OVERLOADED, while
// reserve() waits, in order of arrival: two phases, so that a cancelled wait loses nothing and what is
// reserved can be sent without fail. Signals (exits and downs of links and monitors, a child's ready) are
// never refused: whoever makes a link or a monitor makes sure that there are at most limits::kActorSignalsMax
// of them. exit() is the one signal anybody can send at any time; it has kActorExitsQueuedMax places of its
// own.
//
// States: open -> refusing (the actor was told to end: no more casts and calls, but signals, which its
// cleanup may need) -> ended (empty; everything is dropped, whoever waits for a place or an answer is told).
//
// Selection: a message stays in its place until it is taken, and it is taken in the turn its receiver runs.
// So neither a Match that passes it over nor a cancel or a timeout can change the order of what remains.
//
// Invariants: used places and bytes never exceed the limits; nobody waits for a place while there is one for
// the first who waits; at most one receiver waits, and nothing queued matches it.
// Lifetime: shared by its actor and who waits for a place or an answer, so that they may outlive it.
// Thread safety: none; one executor's thread.
#pragma once

#include <list>
#include <map>

#include "core/actor/message.h"
#include "core/base/limits.h"
#include "core/rt/wait_queue.h"

namespace aspen::actor {

struct MailboxOptions {
  size_t messages_max = limits::kMailboxMessagesMax;
  size_t bytes_max = limits::kMailboxBytesMax;
};

class Mailbox final : public std::enable_shared_from_this<Mailbox> {
 public:
  // `owner` names the actor in errors.
  Mailbox(std::string owner, MailboxOptions options);

  // Errors: NOT_FOUND when the actor ends, LIMIT_EXCEEDED for a body that is too large, OVERLOADED when full.
  Result<> post(Message message);
  Result<> post_exit(Message message);
  void post_signal(Message message);

  // A place for one message with a body of at most `bytes`. An obligation of the waiting task's region.
  class Permit {
   public:
    Permit(Permit&& other) noexcept = default;
    Permit& operator=(Permit&&) = delete;
    ~Permit();
    // To an actor that has ended meanwhile, the message is dropped. Requires: the body is not larger than
    // what was reserved.
    void send(Payload payload) &&;

   private:
    friend class Mailbox;
    Permit(std::shared_ptr<Mailbox> mailbox, size_t bytes, ActorId from, rt::Obligation obligation);
    void commit(Message message);
    std::shared_ptr<Mailbox> mailbox_;  // null once used
    size_t bytes_;
    ActorId from_;
    rt::Obligation obligation_;
  };
  class Reserve;
  // co_await -> Result<Permit>; waits while full. Errors: as post(), but OVERLOADED only when too many wait
  // or the ledger of the waiting task's region is full; DEADLINE_EXCEEDED after `until`, the cancel reason.
  Reserve reserve(rt::Cx& cx, size_t bytes, ActorId from, TimeNs until = kNever,
                  std::source_location origin = std::source_location::current());

  // The oldest message that matches.
  std::optional<Message> take(const Match& match);
  // Drops what matches; how many.
  size_t drop(const Match& match);
  class Receive;
  // co_await -> Result<std::optional<Message>>: the oldest message that matches, empty when none came until
  // `until`. Errors: the cancel reason. Requires: nobody else receives.
  Receive receive(rt::Cx& cx, Match match, TimeNs until);
  class ReceiveAlways;
  // The same without an end: co_await -> Result<Message>.
  ReceiveAlways receive(rt::Cx& cx, Match match);

  // Sends a call and waits for its answer, both until `until`. Errors: see call.h; DEADLINE_EXCEEDED.
  static rt::Task<Result<Payload>> call(rt::Cx& cx, std::shared_ptr<Mailbox> mailbox, Payload payload,
                                        ActorId from, Reference reference, TimeNs until);

  // No more casts and calls.
  void refuse();
  // Everything is dropped and everyone told.
  void end(const ExitReason& reason);

  size_t size() const { return queue_.size(); }
  // Exits and downs of links and monitors that were not taken yet.
  size_t signals() const { return signals_; }
  size_t open_calls() const { return calls_.size(); }

 private:
  struct Queued {
    Message message;
    bool asked = false;  // by exit(): it has a place of its own
  };
  // Whether it takes a body of that size at all.
  Result<> check(size_t bytes) const;
  bool fits(size_t bytes) const;
  void append(Queued queued);
  std::list<Queued>::iterator find(const Match& match);
  Message take_at(std::list<Queued>::iterator at);
  void release(size_t bytes);
  void serve();
  void time_is_up(Reserve& reserver);

  std::string owner_;
  MailboxOptions options_;
  std::list<Queued> queue_;
  size_t messages_ = 0;  // queued casts and calls, and permits
  size_t bytes_ = 0;     // of them
  size_t signals_ = 0;
  size_t exits_asked_ = 0;
  bool refusing_ = false;
  std::optional<ExitReason> ended_;
  Receive* receiver_ = nullptr;
  rt::WaitQueue reservers_{"mailbox"};
  std::map<Reference, std::shared_ptr<Call>> calls_;  // not answered, or not yet noticed by the caller
};

class Mailbox::Reserve final : public rt::WaitQueue::Entry {
 public:
  Reserve(rt::Cx& cx, std::shared_ptr<Mailbox> mailbox, size_t bytes, ActorId from, TimeNs until,
          std::source_location origin)
      : Entry(cx, mailbox->reservers_),
        mailbox_(std::move(mailbox)),
        bytes_(bytes),
        from_(from),
        until_(until),
        origin_(origin),
        timer_(cx.executor(), [this] { mailbox_->time_is_up(*this); }) {}
  bool await_ready();
  Result<Permit> await_resume();

 private:
  friend class Mailbox;
  void left() override;
  Result<Permit> place();
  std::shared_ptr<Mailbox> mailbox_;
  size_t bytes_;
  ActorId from_;
  TimeNs until_;
  std::source_location origin_;
  rt::Timer timer_;
  std::optional<Result<Permit>> got_;
};

class Mailbox::Receive : public rt::Waiter {
 public:
  Receive(rt::Cx& cx, Mailbox& mailbox, Match match, TimeNs until)
      : Waiter(cx), mailbox_(mailbox), match_(std::move(match)), until_(until), timer_(cx.executor(), [this] {
          wake_up();
        }) {}
  bool await_ready();
  void await_suspend(std::coroutine_handle<> handle);
  Result<std::optional<Message>> await_resume();

 private:
  friend class Mailbox;
  void abandon() override { mailbox_.receiver_ = nullptr; }
  void wake_up() {
    abandon();
    wake();
  }
  Mailbox& mailbox_;
  Match match_;
  TimeNs until_;
  rt::Timer timer_;
};

class Mailbox::ReceiveAlways final : public Mailbox::Receive {
 public:
  ReceiveAlways(rt::Cx& cx, Mailbox& mailbox, Match match) : Receive(cx, mailbox, std::move(match), kNever) {}
  Result<Message> await_resume() {
    ASPEN_TRY(auto message, Receive::await_resume());
    ASPEN_ASSERT(message);
    return std::move(*message);
  }
};

}  // namespace aspen::actor
