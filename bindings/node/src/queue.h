// Brings completions of the engine to the JavaScript thread: one queue and one small thread per environment.
//
// The engine never calls JavaScript. Its completions gather in an aspen_cq; a thread sleeps on the queue's
// descriptor and, when events wait, asks the event loop for one turn, in which all of them are taken. Until
// that turn is over the thread does not ask again, so a burst of completions costs one hop, not one each.
// (libuv could poll the descriptor itself, but its headers are not part of Node-API.)
//
// Invariants: at most one turn is asked for at a time. The event loop is kept alive exactly while hold()
// outnumbers release(), so a program ends by itself when it waits for nothing. The thread has ended before
// the environment is torn down (stop), because the thread-safe function dies with it and must not be called,
// or released, after that.
// Thread safety: all functions on the JavaScript thread; the waiting thread is internal.
#pragma once

#include <aspen.h>
#include <node_api.h>

#include <atomic>
#include <functional>
#include <thread>

class Queue {
 public:
  // Called once per event, on the JavaScript thread, with a handle scope open.
  using Take = std::function<void(const aspen_event_t&)>;

  Queue(napi_env env, Take take) : env_(env), take_(std::move(take)) {}
  ~Queue() { stop(); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Opens the queue and starts the thread. False when the process is out of descriptors or threads.
  bool start();
  // Ends the thread and closes the queue. Operations that still name the queue complete without it.
  void stop();

  bool running() const { return queue_ != nullptr; }
  aspen_cq_t* get() const { return queue_; }

  // While there are more holds than releases the event loop stays alive.
  void hold();
  void release();

 private:
  static void on_turn(napi_env env, napi_value, void* self, void*);
  void drain(napi_env env);
  void wait();
  void wake();

  napi_env env_;
  Take take_;
  aspen_cq_t* queue_ = nullptr;
  napi_threadsafe_function turn_ = nullptr;
  int wake_fd_ = -1;  // an eventfd: the turn is over, or stop
  std::atomic<bool> stopping_{false};
  std::thread thread_;
  size_t holds_ = 0;
};
