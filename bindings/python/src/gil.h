// Gives up the GIL while a call waits, and survives the end of the interpreter.
//
// A daemon thread that asks for the GIL after the interpreter began to end is killed by it (Python < 3.14)
// with pthread_exit, which unwinds through C++ frames that must not throw and so aborts the process. So
// before the end begins (an atexit handler calls GilReleased::begin_exit) such threads are stopped here
// instead: they sleep until the process is gone. `acquiring_` closes the gap between looking at the flag and
// asking for the GIL.
//
// Invariants: when begin_exit has returned, no thread but its caller is about to ask for the GIL here.
// Thread safety: objects belong to one thread; begin_exit is called once, with the GIL.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace aspen::python {

class GilReleased {
 public:
  GilReleased() : state_(PyEval_SaveThread()) {}
  ~GilReleased() {
    acquiring_.fetch_add(1);
    if (exiting_.load() && std::this_thread::get_id() != survivor_) {
      acquiring_.fetch_sub(1);
      for (;;) pause();
    }
    PyEval_RestoreThread(state_);
    acquiring_.fetch_sub(1);
  }
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

  static void begin_exit() {
    survivor_ = std::this_thread::get_id();
    exiting_.store(true);
    PyThreadState* state = PyEval_SaveThread();
    while (acquiring_.load() != 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
    PyEval_RestoreThread(state);
  }

 private:
  PyThreadState* state_;
  inline static std::atomic<int> acquiring_{0};
  inline static std::atomic<bool> exiting_{false};
  inline static std::thread::id survivor_;
};

}  // namespace aspen::python
