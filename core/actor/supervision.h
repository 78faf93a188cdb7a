// What a supervisor decides, without doing it: which child is started, asked to end or killed, and when the
// supervisor itself has to give up.
//
//   Supervision supervision(options, policies, seed);
//   for (const Effect& effect : supervision.step(Tick{}, now)) ...        // Start{0}
//   supervision.step(Started{0}, now)                                     // Start{1}, or Ready{}
//   supervision.step(Exited{0, reason}, now)                              // by strategy
//   ... step(Tick{}, now) when next_due() comes.
//
// A child:
//   down --Start--> starting --Started--> up --Ask or Kill--> stopping --Exited--> down
//   starting, up --Exited--> down
// and its goal: up (a down one is started when its back-off has passed), done (it ended and needs no
// restart), held (it was terminated; only a restart request, not a sibling's failure, brings it back).
//
// Every step ends by comparing goals with states. Children that must go down go first, one at a time, the
// youngest first; each is asked, and killed when its shutdown timeout has passed. Then those that must come
// up, one at a time, the oldest first; the next waits until the last has started. So whatever comes in
// between - a crash during a restart, a request during a crash - the order holds.
//
// Strategies, when a child ends that is to be restarted: one_for_one restarts it; one_for_all ends all others
// too, and starts all; rest_for_one ends those that started after it, and starts them again. A temporary
// child that is ended by this does not come back. With one_for_one children do not depend on each other: one
// that waits for its back-off, or ends slowly, does not hold up the others.
//
// Restarts: a permanent child always, a transient one after a failure (ExitReason::failure), a temporary one
// never. More than restarts_max of them within `period` are too many: the supervision ends all children,
// youngest first, and finishes with a reason that names the child and the counts. A restart waits for the
// back-off, which doubles with each restart of the same child that did not run for `period` since; half of it
// is random, so that what failed together does not come back together.
//
// Failure cases: a child that ends, or takes longer than its start timeout, before it has started, has failed
// to start. In the first ordered start that finishes the supervision; of a child that was added later it is
// the answer to who added it; of one that is restarted it is one more restart.
//
// Invariants: keys are the order of starts; at most one child is starting and, but with one_for_one, none
// while another is stopping; at most one is stopping; after Finished no child is alive and nothing follows.
// Thread safety: none. Sans-I/O.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "core/actor/exit_reason.h"
#include "core/base/limits.h"

namespace aspen::actor {

enum class Strategy : uint8_t { one_for_one, one_for_all, rest_for_one };
enum class Restart : uint8_t { permanent, transient, temporary };

struct Backoff {
  DurationNs first = 10 * kMillisecond;  // 0: restarts are immediate
  DurationNs max = 10 * kSecond;
};

struct SupervisionOptions {
  Strategy strategy = Strategy::one_for_one;
  uint32_t restarts_max = 3;  // at most limits::kSupervisorRestartsMax
  DurationNs period = 5 * kSecond;
  Backoff backoff;
};

struct ChildPolicy {
  std::string id;  // unique among its siblings; 1 to limits::kActorNameBytesMax bytes
  Restart restart = Restart::permanent;
  DurationNs shutdown_timeout = 5 * kSecond;  // then it is killed; 0: at once; kNever: it is waited for
  // It says itself when it has started (Self::ready), and the next one waits for that.
  bool reports_ready = false;
  DurationNs start_timeout = 5 * kSecond;  // of one that does
};

struct ChildStatus {
  enum class State : uint8_t { down, starting, up, stopping };
  uint64_t key;
  std::string id;
  State state;
  bool restarting;    // down, and waiting to be started
  uint64_t restarts;  // since it was added
};

class Supervision {
 public:
  using Key = uint64_t;    // in the order of starts
  using Token = uint64_t;  // who waits for the answer of a request; 0: nobody

  // ---- what happened
  struct Tick {};
  struct Started {
    Key key;
  };
  struct Exited {
    Key key;
    ExitReason reason;
  };
  struct Add {  // a child after all others. Requires: `key` is greater than every one before.
    Key key;
    ChildPolicy policy;
    Token token;
  };
  struct Terminate {  // ends a child; its policy is kept unless it is temporary
    std::string id;
    Token token;
  };
  struct StartAgain {  // starts a child that is down
    std::string id;
    Token token;
  };
  struct Remove {  // forgets a child that is down
    std::string id;
    Token token;
  };
  struct Stop {  // ends everything: children are asked, or killed at once
    ExitReason reason;
    bool kill = false;
  };
  using Input = std::variant<Tick, Started, Exited, Add, Terminate, StartAgain, Remove, Stop>;

  // ---- what is to be done
  struct Start {
    Key key;
  };
  struct Ask {
    Key key;
  };
  struct Kill {
    Key key;
  };
  struct Forget {  // this child will not be named again
    Key key;
  };
  struct Answer {
    Token token;
    Result<Key> result;
  };
  struct Ready {};  // the first ordered start is complete
  struct Finished {
    ExitReason reason;
  };
  using Effect = std::variant<Start, Ask, Kill, Forget, Answer, Ready, Finished>;
  using Effects = std::vector<Effect>;

  // What is wrong with them, if anything is.
  static Result<> check(const SupervisionOptions& options);
  static Result<> check(const std::vector<ChildPolicy>& children);

  // The children's keys are 0, 1, ... `seed` is for the jitter. Requires: both checks pass.
  Supervision(SupervisionOptions options, std::vector<ChildPolicy> children, uint64_t seed);

  // The only way in. Nothing is started before the first Tick.
  Effects step(const Input& input, TimeNs now);
  // When a Tick is due; kNever when only something else can change anything.
  TimeNs next_due() const;

  std::vector<ChildStatus> list() const;
  bool finishing() const { return finish_.has_value(); }

 private:
  using State = ChildStatus::State;
  enum class Goal : uint8_t { up, done, held };
  struct Child {
    Key key;
    ChildPolicy policy;
    bool initial = false;
    State state = State::down;
    Goal goal = Goal::up;
    bool recycle = false;      // it must go down although it is wanted
    bool forget = false;       // it goes for good when it is down
    bool was_up = false;       // ever
    bool killed = false;       // in this life
    bool timed_out = false;    // while starting
    TimeNs due = 0;            // when down: not started before
    TimeNs deadline = kNever;  // when starting or stopping: killed then
    TimeNs up_since = 0;
    unsigned attempts = 0;  // restarts in a row
    uint64_t restarts = 0;
    Token start_token = 0;
    std::vector<Token> stop_tokens;
  };

  void on(const Tick&) {}
  void on(const Started& started);
  void on(const Exited& exited);
  void on(const Add& add);
  void on(const Terminate& terminate);
  void on(const StartAgain& start);
  void on(const Remove& remove);
  void on(const Stop& stop);

  void went_down(Child& child);
  void no_longer_initial(Child& child);
  void start_failed(Child& child, const ExitReason& reason);
  void ended(Child& child, const ExitReason& reason);
  void restart(Child& child, const ExitReason& reason);
  void restart_with(Child& sibling, TimeNs due);
  void finish(ExitReason reason);

  void progress();
  void enforce_timeouts();
  bool stop_next();
  void begin_stop(Child& child);
  void start_next();

  DurationNs backoff(Child& child);
  bool grouped() const { return options_.strategy != Strategy::one_for_one; }
  Child* find(Key key);
  Child* find(const std::string& id);
  Child* find_for(const std::string& id, Token token);
  void answer(Token token, Result<Key> result);
  void answer_start(Child& child, Result<Key> result);
  void forget(Child& child);

  SupervisionOptions options_;
  std::map<Key, Child> children_;
  std::map<std::string, Key> ids_;
  std::deque<TimeNs> restarts_;  // of the last period
  size_t initial_to_start_;
  uint64_t random_;
  TimeNs now_ = 0;
  bool ready_told_ = false;
  bool kill_ = false;  // asking is over
  bool finished_ = false;
  std::optional<ExitReason> finish_;
  Effects effects_;
};

}  // namespace aspen::actor
