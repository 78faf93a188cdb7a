#include "core/actor/mailbox.h"

#include <algorithm>

#include "core/base/mutant.h"

namespace aspen::actor {

Mailbox::Mailbox(std::string owner, MailboxOptions options) : owner_(std::move(owner)), options_(options) {
  ASPEN_ASSERT(options_.messages_max > 0);
}

Result<> Mailbox::check(size_t bytes) const {
  if (ended_) return fail(Code::NOT_FOUND, "{} has ended: {}", owner_, ended_->to_string());
  if (refusing_) return fail(Code::NOT_FOUND, "{} is ending", owner_);
  size_t most = std::min(options_.bytes_max, limits::kActorMessageBytesMax);
  if (bytes > most) {
    return fail(Code::LIMIT_EXCEEDED, "a message to {} is {} bytes; at most {}", owner_, bytes, most);
  }
  return {};
}

bool Mailbox::fits(size_t bytes) const {
  if (ASPEN_MUTANT("actor-mailbox-unbounded")) return true;
  return messages_ < options_.messages_max && bytes <= options_.bytes_max - bytes_;
}

Result<> Mailbox::post(Message message) {
  ASPEN_CHECK(check(message.body.size()));
  if (!reservers_.empty() || !fits(message.body.size())) {
    return fail(Code::OVERLOADED, "the mailbox of {} holds {} messages of {} bytes; at most {} and {}",
                owner_, messages_, bytes_, options_.messages_max, options_.bytes_max);
  }
  ++messages_;
  bytes_ += message.body.size();
  append({std::move(message)});
  return {};
}

Result<> Mailbox::post_exit(Message message) {
  ASPEN_CHECK(check(0));
  if (exits_asked_ >= limits::kActorExitsQueuedMax) {
    return fail(Code::OVERLOADED, "{} has not yet received {} exits; kill it instead", owner_, exits_asked_);
  }
  ++exits_asked_;
  append({std::move(message), true});
  return {};
}

void Mailbox::post_signal(Message message) {
  if (ended_) return;
  ++signals_;
  append({std::move(message)});
}

void Mailbox::append(Queued queued) {
  queue_.push_back(std::move(queued));
  if (receiver_ != nullptr && receiver_->match_(queue_.back().message)) receiver_->wake_up();
}

std::list<Mailbox::Queued>::iterator Mailbox::find(const Match& match) {
  return std::ranges::find_if(queue_, [&](const Queued& queued) { return match(queued.message); });
}

Message Mailbox::take_at(std::list<Queued>::iterator at) {
  Queued queued = std::move(*at);
  queue_.erase(at);
  if (queued.message.is_user()) {
    release(queued.message.body.size());
  } else {
    --(queued.asked ? exits_asked_ : signals_);
  }
  return std::move(queued.message);
}

void Mailbox::release(size_t bytes) {
  ASPEN_ASSERT(messages_ > 0 && bytes_ >= bytes);
  --messages_;
  bytes_ -= bytes;
  serve();
}

// Gives places to those who wait, in order; when there will be none, the news of it.
void Mailbox::serve() {
  while (auto* first = reservers_.front_as<Reserve>()) {
    if (!refusing_ && !fits(first->bytes_)) return;
    if (!refusing_) first->got_.emplace(first->place());
    reservers_.serve(*first);
  }
}

// The next may want less than the one that stood in its way.
void Mailbox::time_is_up(Reserve& reserver) {
  reservers_.serve(reserver);
  serve();
}

std::optional<Message> Mailbox::take(const Match& match) {
  auto at = find(match);
  if (at == queue_.end()) return std::nullopt;
  return take_at(at);
}

size_t Mailbox::drop(const Match& match) {
  size_t dropped = 0;
  while (take(match)) ++dropped;
  return dropped;
}

void Mailbox::refuse() {
  refusing_ = true;
  serve();
}

void Mailbox::end(const ExitReason& reason) {
  ended_ = reason;
  refuse();
  auto calls = std::move(calls_);
  for (auto& [reference, call] : calls) {
    if (ASPEN_MUTANT("actor-call-hangs")) break;
    std::string text = fmt::format("{} ended before it answered: {}", owner_, reason.to_string());
    call->answer(std::unexpected(Error(Code::UNAVAILABLE, Applied::MAYBE, std::move(text))));
  }
  // What a message carries may, when it goes, do anything, even send to this mailbox.
  while (!queue_.empty()) take_at(queue_.begin());
}

// ---- Permit

Mailbox::Permit::Permit(std::shared_ptr<Mailbox> mailbox, size_t bytes, ActorId from,
                        rt::Obligation obligation)
    : mailbox_(std::move(mailbox)), bytes_(bytes), from_(from), obligation_(std::move(obligation)) {
  ++mailbox_->messages_;
  mailbox_->bytes_ += bytes_;
}

Mailbox::Permit::~Permit() {
  if (mailbox_ == nullptr) return;
  // Before the next one's permit, which may need its place in the ledger.
  if (!ASPEN_MUTANT("actor-permit-in-ledger-too-long")) obligation_.drop();
  std::exchange(mailbox_, nullptr)->release(bytes_);
}

void Mailbox::Permit::send(Payload payload) && {
  commit({.from = from_,
          .tag = payload.tag,
          .body = std::move(payload.body),
          .attachment = std::move(payload.attachment)});
}

void Mailbox::Permit::commit(Message message) {
  ASPEN_ASSERT(mailbox_ != nullptr && message.body.size() <= bytes_);
  auto mailbox = std::exchange(mailbox_, nullptr);
  obligation_.resolve();
  if (mailbox->ended_) return mailbox->release(bytes_);
  mailbox->bytes_ -= bytes_ - message.body.size();
  mailbox->append({std::move(message)});
  mailbox->serve();
}

// ---- Reserve

bool Mailbox::Reserve::await_ready() {
  bool free = mailbox_->reservers_.empty() && mailbox_->fits(bytes_);
  if (checkpoint_failed() || free || !mailbox_->check(bytes_) || until_ <= cx().now() || turned_away()) {
    return true;
  }
  timer_.arm(until_);
  return false;
}

Result<Mailbox::Permit> Mailbox::Reserve::await_resume() {
  timer_.disarm();
  ASPEN_CHECK(check());
  if (got_) return std::move(*got_);
  ASPEN_CHECK(mailbox_->check(bytes_));
  if (served() || !mailbox_->reservers_.empty() || !mailbox_->fits(bytes_)) {
    return std::unexpected(Error(Code::DEADLINE_EXCEEDED, Applied::NO,
                                 fmt::format("the mailbox of {} stayed full", mailbox_->owner_)));
  }
  return place();
}

// In the name of the task that waits, also when it runs in another's: its receiver's, the last sender's. What
// it cannot have is its own error, and costs the others nothing.
Result<Mailbox::Permit> Mailbox::Reserve::place() {
  constexpr auto kKind = rt::ObligationKind::permit;
  constexpr auto kName = "mailbox permit";
  ASPEN_TRY(auto obligation, ASPEN_MUTANT("actor-permit-names-the-giver")
                                 ? rt::Obligation::make(cx().region(), kKind, kName, origin_)
                                 : oblige(cx().region(), kKind, kName, origin_));
  return Permit(mailbox_, bytes_, from_, std::move(obligation));
}

void Mailbox::Reserve::left() {
  timer_.disarm();
  mailbox_->serve();
}

Mailbox::Reserve Mailbox::reserve(rt::Cx& cx, size_t bytes, ActorId from, TimeNs until,
                                  std::source_location origin) {
  return Reserve(cx, shared_from_this(), bytes, from, until, origin);
}

// ---- Receive

bool Mailbox::Receive::await_ready() {
  ASPEN_ASSERT(mailbox_.receiver_ == nullptr);
  return checkpoint_failed() || mailbox_.find(match_) != mailbox_.queue_.end() || until_ <= cx().now();
}

void Mailbox::Receive::await_suspend(std::coroutine_handle<> handle) {
  suspend(handle);
  timer_.arm(until_);
  mailbox_.receiver_ = this;
}

Result<std::optional<Message>> Mailbox::Receive::await_resume() {
  timer_.disarm();
  if (cancelled()) {
    if (ASPEN_MUTANT("actor-receive-reorders") && !mailbox_.queue_.empty()) {
      mailbox_.queue_.splice(mailbox_.queue_.end(), mailbox_.queue_, mailbox_.queue_.begin());
    }
    return std::unexpected(cx().checkpoint().error());
  }
  return mailbox_.take(match_);
}

Mailbox::Receive Mailbox::receive(rt::Cx& cx, Match match, TimeNs until) {
  return Receive(cx, *this, std::move(match), until);
}

Mailbox::ReceiveAlways Mailbox::receive(rt::Cx& cx, Match match) {
  return ReceiveAlways(cx, *this, std::move(match));
}

// ---- call

rt::Task<Result<Payload>> Mailbox::call(rt::Cx& cx, std::shared_ptr<Mailbox> mailbox, Payload payload,
                                        ActorId from, Reference reference, TimeNs until) {
  ASPEN_CO_TRY(auto permit, co_await mailbox->reserve(cx, payload.body.size(), from, until));
  if (mailbox->calls_.size() >= limits::kActorCallsMax) {
    co_return fail(Code::OVERLOADED, "{} owes {} answers; at most {}", mailbox->owner_,
                   mailbox->calls_.size(), limits::kActorCallsMax);
  }
  auto call = std::make_shared<Call>();
  mailbox->calls_.emplace(reference, call);
  permit.commit({.kind = Message::Kind::call,
                 .from = from,
                 .reference = reference,
                 .tag = payload.tag,
                 .body = std::move(payload.body),
                 .attachment = std::move(payload.attachment),
                 .reply = Reply(call)});
  auto answer = co_await call->wait(cx, until);
  mailbox->calls_.erase(reference);
  if (!answer) co_return forward_error(std::move(answer));
  if (!*answer) co_return fail(Code::DEADLINE_EXCEEDED, "{} did not answer in time", mailbox->owner_);
  co_return std::move(**answer);
}

}  // namespace aspen::actor
