// What the native kernels share: work in threads, memory of a thread, types of numbers, the shape of
// a convolution, sums over rows.

#ifndef JAXTWEAKS_NN_NATIVE_H_
#define JAXTWEAKS_NN_NATIVE_H_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace jaxtweaks {

namespace ffi = xla::ffi;

inline int64_t RoundUp(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// A number of either type, a bfloat16 by its bits.
inline float ToFloat(float number) { return number; }
inline float ToFloat(uint16_t number) {  // the upper half of a float32
  const uint32_t bits = static_cast<uint32_t>(number) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

struct Shape {
  int64_t batch, height, width, channels;       // of the images
  int64_t window_rows, window_columns;          // of the kernel
  int64_t rows, columns, features;              // of the output
  int64_t top, left;                            // zeros above and left of an image
  int64_t down, across;                         // steps from one output pixel to the next

  int64_t image() const { return height * width * channels; }
  int64_t output() const { return rows * columns * features; }
  int64_t stretch() const { return window_columns * channels; }
  int64_t padded_rows() const { return (rows - 1) * down + window_rows; }
};

template <class Images, class Kernel, class Output>
Shape ShapeOf(const Images& images, const Kernel& kernel, const Output& output, int64_t top,
              int64_t left, int64_t down, int64_t across) {
  return {images[0], images[1], images[2], images[3], kernel[0], kernel[1], output[1],
          output[2], output[3], top,       left,      down,      across};
}

// What convolutions are bound to: two arrays, a bias if there is one, the result, and where windows
// lie.
template <class Array>
auto Convolution() {
  return ffi::Ffi::Bind()
      .Ctx<ffi::ThreadPool>()
      .template Arg<Array>()
      .template Arg<Array>()
      .RemainingArgs()
      .template Ret<Array>()
      .template Attr<int64_t>("top")
      .template Attr<int64_t>("left")
      .template Attr<int64_t>("down")
      .template Attr<int64_t>("across");
}

// The numbers of the bias among what follows two arrays; nullptr if there is none.
template <ffi::DataType type, class Number>
const Number* BiasOf(const ffi::RemainingArgs& more) {
  if (more.empty()) return nullptr;
  return static_cast<const Number*>(more.get<ffi::Buffer<type, 1>>(0)->untyped_data());
}

// Memory of this thread that is used again at the next call. It begins where a line of the cache
// does: a register loaded across two lines takes twice as long.
template <class Number>
Number* Scratch(int which, int64_t size) {
  constexpr int64_t kLine = 64;
  thread_local std::vector<Number> buffers[4];
  std::vector<Number>& buffer = buffers[which];
  const int64_t needed = size + kLine / sizeof(Number);
  if (static_cast<int64_t>(buffer.size()) < needed) buffer.resize(needed);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(buffer.data());
  return reinterpret_cast<Number*>((begin + kLine - 1) / kLine * kLine);
}

// Calls task(0), ..., task(count - 1), in this thread and in those of the pool that are free. It
// waits only for calls that another thread is at, so it cannot wait for ever on a busy pool.
inline void ForEach(ffi::ThreadPool& pool, int64_t count, std::function<void(int64_t)> task) {
  struct Shared {
    std::function<void(int64_t)> task;
    int64_t count;
    std::atomic<int64_t> next{0};
    int64_t done = 0;
    std::mutex mutex;
    std::condition_variable all_done;
  };
  auto shared = std::make_shared<Shared>();
  shared->task = std::move(task);
  shared->count = count;
  std::function<void()> work = [shared] {
    int64_t mine = 0;
    for (int64_t i; (i = shared->next.fetch_add(1)) < shared->count; ++mine) shared->task(i);
    if (mine == 0) return;  // a helper that comes late: its caller may be gone
    std::lock_guard<std::mutex> lock(shared->mutex);
    shared->done += mine;
    if (shared->done == shared->count) shared->all_done.notify_all();
  };
  int64_t helpers = std::min(pool.num_threads(), count) - 1;
  for (int64_t i = 0; i < helpers; ++i) pool.Schedule(std::function<void()>(work));
  work();
  std::unique_lock<std::mutex> lock(shared->mutex);
  shared->all_done.wait(lock, [&] { return shared->done == shared->count; });
}

// Sums over rows: within a part, that stays in a core's cache, in float32 and several rows together.
// Which numbers are a part depends on the shape alone, never on the number of threads.

inline constexpr int64_t kPart = 1 << 15;  // numbers of a part
inline constexpr int64_t kRows = 16;       // at least, so that what is kept of parts is less than they are
inline constexpr int64_t kWide = 256;      // numbers of the rows together, or more

// How rows are cut into parts, and how many of them are taken together in one.
struct Cut {
  int64_t rows, features;

  int64_t rows_together() const { return std::max<int64_t>(1, kWide / features); }
  int64_t width() const { return rows_together() * features; }
  int64_t rows_of_part() const { return std::max(kRows, kPart / width()) * rows_together(); }
  int64_t parts() const { return (rows + rows_of_part() - 1) / rows_of_part(); }
  int64_t begin(int64_t part) const { return part * rows_of_part(); }
  int64_t count(int64_t part) const { return std::min(rows_of_part(), rows - begin(part)); }
};

// Calls add(place, column) for all numbers of some rows: `place` counts them, `column` those of the
// rows taken together.
template <class Add>
inline void Each(int64_t numbers, int64_t wide, Add add) {
  int64_t place = 0;
  for (; place + wide <= numbers; place += wide)
    for (int64_t column = 0; column < wide; ++column) add(place + column, column);
  for (int64_t column = 0; place + column < numbers; ++column) add(place + column, column);
}

// The sums of rows taken together, summed to those of one row.
inline void Fold(const float* __restrict sums, int64_t wide, int64_t features,
                 float* __restrict folded) {
  std::memcpy(folded, sums, 4 * features);
  for (int64_t from = features; from < wide; from += features)
    for (int64_t f = 0; f < features; ++f) folded[f] += sums[from + f];
}

}  // namespace jaxtweaks

#endif  // JAXTWEAKS_NN_NATIVE_H_
