// Requests with answers between tasks of one executor. A request that was taken carries the promise to answer
// it; whoever lets it go without keeping the promise answers all the same: no caller waits for ever.
//
//   Session<Ask, Answer> session(region, 16);
//   Result<Answer> answer = co_await session.call(cx, ask);                 // a caller
//
//   ASPEN_CO_TRY(auto request, co_await session.recv(cx));                  // a server
//   if (!request) co_return Result<>();                                     // closed, and nothing is left
//   std::move(request->reply).send(work(request->ask));
//
// In two phases, as a Channel: reserve() may be cancelled, Permit::send() may not fail or suspend, and gives
// a Call whose answer() waits. Permits are obligations of the session's region, and replies ones that demand
// a word: send() or drop(). One that gets neither, unless a Panic took it along, is a broken promise
// (obligation.h).
//
// A caller learns what may have happened (law 7). Answered: what the server said. Never taken, as the caller
// was cancelled or the server went: the error says not applied. Dropped unanswered: UNAVAILABLE, maybe
// applied; dropped() counts them. Cancelled after it was taken: the reason, maybe applied, and the answer
// goes nowhere.
//
// Fairness: first come, first served, on all three queues (places, requests, receivers), by hand-over.
// Cancel: a caller that is cancelled takes its request back if it is not taken. An answer that is there first
// is kept.
// Invariants: every request is taken once or taken back; every call ends once.
// Bounds: `capacity` calls between reserve() and the end of both the call and its reply, in memory that is
// allocated once; limits::kWaitersMax wait on each side, then OVERLOADED; so is who should get a permit or a
// request when the region's ledger is full. Such a request stays queued.
// Lifetime: the region outlives the session, and the session its permits, calls, requests and replies: else
// the process ends. Who waits for a place or a request when it goes hears UNAVAILABLE. Thread safety: none;
// one executor's thread.
#pragma once

#include "core/base/mutant.h"
#include "core/rt/wait_queue.h"

namespace aspen::rt {

struct SessionTag;

template <typename Ask, typename Answer>
class Session {
 public:
  class Permit;
  class Call;
  class Reply;
  struct Request;

  // Requires: capacity > 0.
  Session(Region& region, size_t capacity)
      : region_(region), capacity_(capacity), slots_(std::make_unique<Slot[]>(capacity)) {
    ASPEN_ASSERT(capacity > 0);
    for (size_t i = 0; i < capacity; ++i) free_.push_back(slots_[i]);
  }
  ~Session() {
    if (in_flight_ != 0)
      detail::die(fmt::format("a session is destroyed before {} of its calls", in_flight_));
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Errors: OVERLOADED when `capacity` calls are in flight or the ledger is full, UNAVAILABLE when closed.
  Result<Permit> try_reserve(std::source_location origin = std::source_location::current()) {
    if (closed()) return fail(Code::UNAVAILABLE, "the session is closed");
    if (free_.empty()) return fail(Code::OVERLOADED, "{} calls are in flight, and no more may be", capacity_);
    ASPEN_TRY(auto obligation, Obligation::make(region_, ObligationKind::permit, kPermit, origin));
    return Permit(*this, std::move(obligation));
  }
  // co_await -> Result<Permit>; waits while too many calls are in flight. Errors: UNAVAILABLE when closed,
  // OVERLOADED when too many wait or the ledger is full, the cancel reason; none of them applied.
  auto reserve(Cx& cx, std::source_location origin = std::source_location::current()) {
    return Reserve(cx, *this, origin);
  }
  // Reserves, sends and waits for the answer.
  Task<Result<Answer>> call(Cx& cx, Ask ask, std::source_location origin = std::source_location::current()) {
    ASPEN_CO_TRY(Permit permit, co_await reserve(cx, origin));
    Call call = std::move(permit).send(std::move(ask));
    co_return co_await call.answer(cx);
  }

  // co_await -> Result<std::optional<Request>>; nullopt when closed and no request is left or can come.
  // Errors: OVERLOADED when too many wait or the ledger is full, the cancel reason.
  auto recv(Cx& cx, std::source_location origin = std::source_location::current()) {
    return Receive(cx, *this, origin);
  }

  // Gives out no more permits; what is permitted and queued is still served.
  void close() {
    closed_ = true;
    serve();
  }
  // For a server that goes: closes, and refuses what it has not taken.
  void refuse() {
    refused_ = true;
    close();
    while (Slot* slot = queued_.front()) turn_down(*slot);
  }
  bool closed() const { return closed_ || region_.state() == Region::State::closed; }
  size_t queued() const { return queued_count_; }
  size_t in_flight() const { return in_flight_; }
  // The requests that were taken and dropped unanswered.
  uint64_t dropped() const { return dropped_; }

 private:
  static constexpr const char* kPermit = "session permit";
  static constexpr const char* kReply = "session reply";
  class Reserve;
  class Receive;
  class AwaitAnswer;

  // A call in flight. It is in free_, in queued_, or in neither; it is free again when nobody holds it.
  struct Slot : ListNode<SessionTag> {
    std::optional<Ask> ask;
    std::optional<Result<Answer>> answer;
    Waiter* caller = nullptr;  // who waits for the answer
    bool called = false;       // a Permit or Call holds it
    bool taken = false;        // a Reply holds it
  };

  Slot& take_slot();
  void queue(Slot& slot, Ask ask);
  // True when the request had not been taken.
  bool withdraw(Slot& slot);
  void turn_down(Slot& slot);
  void answer(Slot& slot, Result<Answer> answer);
  void free_if_unused(Slot& slot);
  Request take(Obligation reply);
  bool ended() const { return closed() && queued_.empty() && (permits_ == 0 || refused_); }
  void serve();

  Region& region_;
  size_t capacity_;
  size_t in_flight_ = 0;
  size_t permits_ = 0;
  size_t queued_count_ = 0;
  uint64_t dropped_ = 0;
  bool closed_ = false;
  bool refused_ = false;
  std::unique_ptr<Slot[]> slots_;
  List<Slot, SessionTag> free_;
  List<Slot, SessionTag> queued_;
  WaitQueue reservers_{"session"};
  WaitQueue receivers_{"session"};
};

// A place for one call. Dropping it gives the place back.
template <typename Ask, typename Answer>
class Session<Ask, Answer>::Permit {
 public:
  Permit(Permit&& other) noexcept
      : session_(other.session_),
        slot_(std::exchange(other.slot_, nullptr)),
        obligation_(std::move(other.obligation_)) {}
  Permit& operator=(Permit&&) = delete;
  ~Permit() {
    if (slot_ == nullptr) return;
    obligation_.drop();
    slot_->called = false;
    --session_.permits_;
    session_.free_if_unused(*slot_);
    session_.serve();
  }
  // Queues the request, or hands it to who waits for one.
  Call send(Ask ask) && {
    ASPEN_ASSERT(slot_ != nullptr);
    Slot& slot = *std::exchange(slot_, nullptr);
    --session_.permits_;
    // First, as the reply to it needs its place in the ledger.
    obligation_.resolve();
    session_.queue(slot, std::move(ask));
    return Call(session_, slot);
  }

 private:
  friend class Session;
  Permit(Session& session, Obligation obligation)
      : session_(session), slot_(&session.take_slot()), obligation_(std::move(obligation)) {
    slot_->called = true;
    ++session.permits_;
  }
  Session& session_;
  Slot* slot_;  // null once used
  Obligation obligation_;
};

// The caller's end of a request. Dropping it takes the request back, or gives up its answer.
template <typename Ask, typename Answer>
class Session<Ask, Answer>::Call {
 public:
  Call(Call&& other) noexcept : session_(other.session_), slot_(std::exchange(other.slot_, nullptr)) {}
  Call& operator=(Call&&) = delete;
  ~Call() {
    if (slot_ != nullptr) session_.withdraw(*slot_);
  }
  // co_await -> Result<Answer>. Once; the call must stay where it is meanwhile. Errors: the server's; those
  // of the header.
  AwaitAnswer answer(Cx& cx) { return AwaitAnswer(cx, *this); }

 private:
  friend class Session;
  Call(Session& session, Slot& slot) : session_(session), slot_(&slot) {}
  Session& session_;
  Slot* slot_;  // null once it is answered or given up
};

// The promise to answer.
template <typename Ask, typename Answer>
class Session<Ask, Answer>::Reply {
 public:
  Reply(Reply&& other) noexcept
      : session_(other.session_),
        slot_(std::exchange(other.slot_, nullptr)),
        obligation_(std::move(other.obligation_)) {}
  Reply& operator=(Reply&&) = delete;
  ~Reply() {
    if (slot_ == nullptr) return;
    obligation_.drop();
    end_unanswered();
  }
  void send(Result<Answer> answer) && {
    ASPEN_ASSERT(slot_ != nullptr);
    obligation_.resolve();
    session_.answer(*std::exchange(slot_, nullptr), std::move(answer));
  }
  // On purpose: the caller hears UNAVAILABLE, maybe applied.
  void drop() && {
    ASPEN_ASSERT(slot_ != nullptr);
    if (obligation_.state() == Obligation::State::open) obligation_.abort();
    end_unanswered();
  }
  // False when nobody waits for the answer any more.
  bool wanted() const { return slot_ != nullptr && slot_->called; }

 private:
  friend class Session;
  Reply(Session& session, Slot& slot, Obligation obligation)
      : session_(session), slot_(&slot), obligation_(std::move(obligation)) {
    slot.taken = true;
  }
  void end_unanswered() {
    Slot& slot = *std::exchange(slot_, nullptr);
    ++session_.dropped_;
    if (ASPEN_MUTANT("rt-session-dropped-silently")) return;
    Error dropped(Code::UNAVAILABLE, Applied::MAYBE, "the request was dropped unanswered");
    session_.answer(slot, std::unexpected(std::move(dropped)));
  }
  Session& session_;
  Slot* slot_;  // null once answered
  Obligation obligation_;
};

template <typename Ask, typename Answer>
struct Session<Ask, Answer>::Request {
  Ask ask;
  Reply reply;
};

template <typename Ask, typename Answer>
class Session<Ask, Answer>::Reserve final : public WaitQueue::Entry {
 public:
  Reserve(Cx& cx, Session& session, std::source_location origin)
      : Entry(cx, session.reservers_), session_(session), origin_(origin) {}
  bool await_ready() {
    return checkpoint_failed() || !session_.free_.empty() || session_.closed() || turned_away();
  }
  Result<Permit> await_resume() {
    if (Result<> ok = check(); !ok) {
      return std::unexpected(Error(ok.error().code, Applied::NO, std::move(ok).error().message));
    }
    if (!served()) return session_.try_reserve(origin_);
    if (!got_) return fail(Code::UNAVAILABLE, "the session was closed");
    return std::move(*got_);
  }

 private:
  friend class Session;
  Result<Permit> place() {
    ASPEN_TRY(auto obligation, oblige(session_.region_, ObligationKind::permit, kPermit, origin_));
    return Permit(session_, std::move(obligation));
  }
  Session& session_;
  std::source_location origin_;
  std::optional<Result<Permit>> got_;
};

template <typename Ask, typename Answer>
class Session<Ask, Answer>::Receive final : public WaitQueue::Entry {
 public:
  Receive(Cx& cx, Session& session, std::source_location origin)
      : Entry(cx, session.receivers_), session_(session), origin_(origin) {}
  bool await_ready() {
    return checkpoint_failed() || !session_.queued_.empty() || session_.ended() || turned_away();
  }
  Result<std::optional<Request>> await_resume() {
    ASPEN_CHECK(check());
    return served() ? std::move(*got_) : next();
  }

 private:
  friend class Session;
  // The first request in the queue, if there is one.
  Result<std::optional<Request>> next() {
    if (session_.queued_.empty()) return std::nullopt;
    ASPEN_TRY(auto reply, oblige(session_.region_, ObligationKind::ack, kReply, origin_));
    return session_.take(std::move(reply));
  }
  Session& session_;
  std::source_location origin_;
  std::optional<Result<std::optional<Request>>> got_;
};

template <typename Ask, typename Answer>
class Session<Ask, Answer>::AwaitAnswer final : public Waiter {
 public:
  AwaitAnswer(Cx& cx, Call& call) : Waiter(cx), call_(call) { ASPEN_ASSERT(call.slot_ != nullptr); }
  ~AwaitAnswer() override { detach(); }
  bool await_ready() { return call_.slot_->answer || checkpoint_failed(); }
  void await_suspend(std::coroutine_handle<> handle) {
    suspend(handle);
    call_.slot_->caller = this;
  }
  Result<Answer> await_resume() {
    detach();
    Slot& slot = *std::exchange(call_.slot_, nullptr);
    std::optional<Result<Answer>> answer = std::move(slot.answer);
    const bool untaken = call_.session_.withdraw(slot);
    if (answer) return std::move(*answer);
    Error reason = cancel_reason().to_error();
    if (untaken) reason.applied = Applied::NO;
    return std::unexpected(std::move(reason));
  }

 private:
  void detach() {
    if (call_.slot_ != nullptr) call_.slot_->caller = nullptr;
  }
  Call& call_;
};

template <typename Ask, typename Answer>
typename Session<Ask, Answer>::Slot& Session<Ask, Answer>::take_slot() {
  Slot* slot = free_.pop_front();
  ASPEN_ASSERT(slot != nullptr);
  ++in_flight_;
  return *slot;
}

template <typename Ask, typename Answer>
void Session<Ask, Answer>::queue(Slot& slot, Ask ask) {
  slot.ask.emplace(std::move(ask));
  queued_.push_back(slot);
  ++queued_count_;
  if (refused_) return turn_down(slot);
  serve();
}

template <typename Ask, typename Answer>
bool Session<Ask, Answer>::withdraw(Slot& slot) {
  const bool untaken = slot.ask.has_value();
  if (untaken && ASPEN_MUTANT("rt-session-cancel-leaves-request")) {
    slot.called = false;
    return true;
  }
  if (untaken) {
    static_cast<ListNode<SessionTag>&>(slot).unlink();
    --queued_count_;
  }
  slot.called = false;
  free_if_unused(slot);
  serve();
  return untaken;
}

template <typename Ask, typename Answer>
void Session<Ask, Answer>::turn_down(Slot& slot) {
  static_cast<ListNode<SessionTag>&>(slot).unlink();
  --queued_count_;
  slot.ask.reset();
  answer(slot, fail(Code::UNAVAILABLE, "the server of the session has gone"));
}

template <typename Ask, typename Answer>
void Session<Ask, Answer>::answer(Slot& slot, Result<Answer> answer) {
  slot.taken = false;
  if (slot.called) slot.answer.emplace(std::move(answer));
  if (slot.caller != nullptr) slot.caller->wake();
  free_if_unused(slot);
  serve();
}

template <typename Ask, typename Answer>
void Session<Ask, Answer>::free_if_unused(Slot& slot) {
  if (slot.called || slot.taken) return;
  slot.ask.reset();
  slot.answer.reset();
  free_.push_back(slot);
  --in_flight_;
}

template <typename Ask, typename Answer>
typename Session<Ask, Answer>::Request Session<Ask, Answer>::take(Obligation reply) {
  Slot& slot = *queued_.pop_front();
  --queued_count_;
  Request request{std::move(*slot.ask), Reply(*this, slot, std::move(reply))};
  slot.ask.reset();
  return request;
}

// Hands out requests and places to those who wait; at the end, the news of it.
template <typename Ask, typename Answer>
void Session<Ask, Answer>::serve() {
  while (auto* receiver = receivers_.template front_as<Receive>()) {
    if (queued_.empty() && !ended()) break;
    receiver->got_.emplace(receiver->next());
    receivers_.serve(*receiver);
  }
  while (auto* reserver = reservers_.template front_as<Reserve>()) {
    if (free_.empty() && !closed()) break;
    if (!closed()) reserver->got_.emplace(reserver->place());
    reservers_.serve(*reserver);
  }
}

}  // namespace aspen::rt
