// Masks of dropout for a CPU: the bits of JAX's generator threefry2x32, compared as numbers of [0, 1)
// with a probability. Twenty rounds of each number in registers, several numbers at once.
//
// Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".

#include "native.h"

namespace ffi = xla::ffi;

namespace {

constexpr int64_t kAtOnce = 1 << 12;  // numbers that a thread draws on end
constexpr int kRotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};

inline uint32_t Rotated(uint32_t x, int by) { return x << by | x >> (32 - by); }

// The bits of the number at a place: both halves of the hash of that place, by the key.
inline uint32_t Bits(const uint32_t (&key)[3], uint64_t place) {
  uint32_t a = static_cast<uint32_t>(place >> 32) + key[0];
  uint32_t b = static_cast<uint32_t>(place) + key[1];
#pragma GCC unroll 5
  for (int group = 0; group < 5; ++group) {
#pragma GCC unroll 4
    for (int round = 0; round < 4; ++round) {
      a += b;
      b = Rotated(b, kRotations[group % 2][round]) ^ a;
    }
    a += key[(group + 1) % 3];
    b += key[(group + 2) % 3] + group + 1;
  }
  return a ^ b;
}

// A number of [0, 1) of 23 bits: the fraction of one of [1, 2), less 1.
inline float Uniform(uint32_t bits) {
  const uint32_t of_float = bits >> 9 | 0x3f800000;
  float number;
  std::memcpy(&number, &of_float, sizeof number);
  return number - 1;
}

using Key = ffi::Buffer<ffi::U32, 1>;
using Probability = ffi::Buffer<ffi::F32, 0>;
using Mask = ffi::Buffer<ffi::PRED, 1>;

ffi::Error BernoulliHandler(ffi::ThreadPool pool, Key key_data, Probability probability,
                            ffi::Result<Mask> mask) {
  const uint32_t first = key_data.typed_data()[0], second = key_data.typed_data()[1];
  const float threshold = *probability.typed_data();
  const int64_t size = mask->element_count();
  bool* __restrict to = mask->typed_data();
  jaxtweaks::ForEach(pool, (size + kAtOnce - 1) / kAtOnce, [=](int64_t task) {
    const uint32_t key[3] = {first, second, first ^ second ^ 0x1bd11bda};
    const int64_t end = std::min(size, (task + 1) * kAtOnce);
    for (int64_t i = task * kAtOnce; i < end; ++i) to[i] = Uniform(Bits(key, i)) < threshold;
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(bernoulli, BernoulliHandler,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Key>()
                                  .Arg<Probability>()
                                  .Ret<Mask>());
