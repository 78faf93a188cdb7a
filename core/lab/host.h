// One simulated machine from a start to a crash: its clocks, its randomness and the executor of its engine.
//
// The host's monotonic clock runs at its own rate (drift) from its own origin (skew); its wall clock may
// jump. Input from outside comes in by deliver(), at the world's time; the host's timers wake it at theirs.
// Handling input and running a turn take no virtual time, but a turn begins a little after what caused it, by
// a seeded amount, so that seeds differ in what shares a turn.
//
// A crash must run no code of the crashed engine that the world could notice, but its coroutines have to end
// somehow. So a killed host lives on as a ghost: the network and the disk no longer listen to it, input no
// longer reaches it, and finish() lets it close down by itself, in a time of its own.
//
// States: running <-> paused; either -> dead.
//
// Thread safety: none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/lab/events.h"
#include "core/lab/random.h"
#include "core/rt/executor.h"

namespace aspen::lab {

class Host {
 public:
  // `name` appears in traces. The world's parts outlive the host.
  Host(Events& events, Random random, std::string name);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host();

  const std::string& name() const { return name_; }
  rt::Executor& executor() { return executor_; }
  rt::Env& env() { return env_; }
  Events& events() { return events_; }
  bool dead() const { return state_ == State::dead; }
  bool paused() const { return state_ == State::paused; }

  // Runs `input` on this host now, or once it is resumed; never when it is dead.
  void deliver(Events::Action input);
  void pause();
  void resume();
  void kill();
  // For a ghost: runs it until `done`, in its own time. False when it is still not done after an hour of
  // that.
  bool finish(const std::function<bool()>& done);

  // The monotonic clock gains `ppm` microseconds a second from now on.
  void set_drift(int64_t ppm);
  void jump_wall(DurationNs by) { env_.wall_offset += by; }

  // Called after each turn of the executor: for the trace and the oracles.
  std::function<void()> after_turn;
  uint64_t turns() const { return turns_; }

 private:
  enum class State : uint8_t { running, paused, dead };

  class HostEnv final : public rt::Env {
   public:
    HostEnv(Events& events, Random random);
    TimeNs now() override;
    WallNs wall_now() override;
    void random(void* out, size_t size) override { random_.fill(out, size); }
    // When the local clock will show `local`.
    TimeNs world_time(TimeNs local) const;
    void set_drift(int64_t ppm);

    DurationNs wall_offset;
    TimeNs ghost_now = 0;  // once dead: its own clock

   private:
    Events& events_;
    Random random_;
    TimeNs world_base_;
    TimeNs local_base_;
    int64_t drift_ppm_ = 0;
  };

  void wake_at(TimeNs world);
  void wake();
  void schedule_wake(bool ready);

  Events& events_;
  Random random_;
  std::string name_;
  HostEnv env_;
  rt::Executor executor_;
  State state_ = State::running;
  TimeNs wake_at_ = kNever;  // the earliest wake that is scheduled
  uint64_t turns_ = 0;
  std::vector<Events::Action> waiting_;  // input while paused
  std::shared_ptr<Host*> self_;          // null in events once the host is gone
};

}  // namespace aspen::lab
