// Max-pooling for a CPU, of float32 or bfloat16 images, in windows that do not overlap.

#include "native.h"

#include <type_traits>

namespace ffi = xla::ffi;

namespace {

using jaxtweaks::ForEach;

// Numbers of several channels at once, by their bits, and what orders them: themselves, or of
// bfloat16 whole numbers with as many bits, so that as many fit into a register. Both zeros have the
// same.
template <class Bits, int bytes>
struct Channels;

template <int bytes>
struct Channels<uint32_t, bytes> {
  typedef uint32_t All __attribute__((vector_size(bytes)));
  typedef float Order __attribute__((vector_size(bytes)));

  static Order OrderOf(All bits) { return reinterpret_cast<Order>(bits); }
  static All AreNumbers(All bits) {
    return reinterpret_cast<All>(OrderOf(bits) == OrderOf(bits));
  }
};

template <int bytes>
struct Channels<uint16_t, bytes> {
  typedef uint16_t All __attribute__((vector_size(bytes)));
  typedef int16_t Order __attribute__((vector_size(bytes)));

  static Order OrderOf(All bits) {
    const Order signed_bits = reinterpret_cast<Order>(bits), sign = signed_bits >> 15;
    return ((signed_bits & 0x7fff) ^ sign) - sign;
  }
  static All AreNumbers(All bits) {
    return reinterpret_cast<All>((reinterpret_cast<Order>(bits) & 0x7fff) <= 0x7f80);
  }
};

template <class All, class Bits>
inline All Load(const Bits* from) {
  All all;
  std::memcpy(&all, from, sizeof all);
  return all;
}

// Images, and of what size windows are; rows and columns left over are in none.
struct Windows {
  int64_t batch, height, width, channels, window;

  int64_t rows() const { return height / window; }
  int64_t columns() const { return width / window; }
  int64_t image() const { return height * width * channels; }
  int64_t pooled() const { return rows() * columns() * channels; }
  // Where the window of a row and a column begins in an image.
  int64_t begin(int64_t row, int64_t column) const {
    return (row * width + column) * window * channels;
  }
};

// Where a place of a window, in reading order, begins after the window's first. Windows of `side`, or
// 0: of any.
template <int side>
inline int64_t Place(const Windows& s, int64_t place) {
  const int64_t window = side ? side : s.window;
  return (place / window * s.width + place % window) * s.channels;
}

// The largest number of every window and channel; not a number if one is not.
template <int side, class Bits, int bytes>
void MaxPool(ffi::ThreadPool& pool, const Windows s, const Bits* images, Bits* output) {
  using Some = Channels<Bits, bytes>;
  using All = typename Some::All;
  const int64_t places = side ? side * side : s.window * s.window;
  ForEach(pool, s.batch, [=](int64_t image) {
    Bits* most = output + image * s.pooled();
    for (int64_t row = 0; row < s.rows(); ++row) {
      for (int64_t column = 0; column < s.columns(); ++column, most += s.channels) {
        const Bits* x = images + image * s.image() + s.begin(row, column);
        for (int64_t c = 0; c < s.channels; c += bytes / sizeof(Bits)) {
          All largest = Load<All>(x + c);
          for (int64_t place = 1; place < places; ++place) {
            const All other = Load<All>(x + Place<side>(s, place) + c);
            const All is_larger =
                reinterpret_cast<All>(Some::OrderOf(other) > Some::OrderOf(largest));
            // One that is no number stays.
            const All taken = (is_larger & Some::AreNumbers(largest)) | ~Some::AreNumbers(other);
            largest = (other & taken) | (largest & ~taken);
          }
          std::memcpy(most + c, &largest, bytes);
        }
      }
    }
  });
}

// The gradient for the images: that of a window goes to the first place that has its maximum.
template <int side, class Bits, int bytes>
void MaxPoolGradient(ffi::ThreadPool& pool, const Windows s, const Bits* images,
                     const Bits* output, const Bits* gradients, Bits* to_images) {
  using Some = Channels<Bits, bytes>;
  using All = typename Some::All;
  const int64_t places = side ? side * side : s.window * s.window;
  const bool left_over = s.height % s.window || s.width % s.window;
  ForEach(pool, s.batch, [=](int64_t image) {
    const Bits* most = output + image * s.pooled();
    const Bits* gradient = gradients + image * s.pooled();
    if (left_over) std::memset(to_images + image * s.image(), 0, sizeof(Bits) * s.image());
    for (int64_t row = 0; row < s.rows(); ++row) {
      for (int64_t column = 0; column < s.columns(); ++column) {
        const int64_t begin = image * s.image() + s.begin(row, column);
        for (int64_t c = 0; c < s.channels; c += bytes / sizeof(Bits)) {
          const All maximum = Load<All>(most + c);
          All left = Load<All>(gradient + c) & Some::AreNumbers(maximum);
          for (int64_t place = 0; place < places; ++place) {
            const int64_t at = begin + Place<side>(s, place) + c;
            const All has_it = reinterpret_cast<All>(Some::OrderOf(Load<All>(images + at)) ==
                                                     Some::OrderOf(maximum));
            const All taken = left & has_it;
            std::memcpy(to_images + at, &taken, bytes);
            left &= ~has_it;
          }
        }
        most += s.channels;
        gradient += s.channels;
      }
    }
  });
}

// Calls run(side, bytes) with the side of windows, if it is the usual one, and with as many bytes at
// once as divide those of the channels.
template <class Bits, class Function>
void ByShape(const Windows& s, Function run) {
  const auto by_bytes = [&](auto side) {
    const int64_t all = s.channels * sizeof(Bits);
    if (all % 64 == 0) return run(side, std::integral_constant<int, 64>());
    if (all % 32 == 0) return run(side, std::integral_constant<int, 32>());
    if (all % 16 == 0) return run(side, std::integral_constant<int, 16>());
    run(side, std::integral_constant<int, sizeof(Bits)>());
  };
  if (s.window == 2) return by_bytes(std::integral_constant<int, 2>());
  by_bytes(std::integral_constant<int, 0>());
}

template <ffi::DataType type>
using Images = ffi::Buffer<type, 4>;
template <ffi::DataType type>
using Found = ffi::ResultBuffer<type, 4>;

template <class Bits, class Array>
const Bits* BitsOf(const Array& array) {
  return static_cast<const Bits*>(array.untyped_data());
}

Windows WindowsOf(ffi::Span<const int64_t> images, int64_t window) {
  return {images[0], images[1], images[2], images[3], window};
}

template <ffi::DataType type, class Bits>
ffi::Error PoolHandler(ffi::ThreadPool pool, Images<type> images, Found<type> output,
                       int64_t window) {
  const Windows s = WindowsOf(images.dimensions(), window);
  ByShape<Bits>(s, [&](auto side, auto bytes) {
    MaxPool<side, Bits, bytes>(pool, s, BitsOf<Bits>(images),
                               static_cast<Bits*>(output->untyped_data()));
  });
  return ffi::Error::Success();
}

template <ffi::DataType type, class Bits>
ffi::Error GradientHandler(ffi::ThreadPool pool, Images<type> images, Images<type> output,
                           Images<type> gradients, Found<type> to_images, int64_t window) {
  const Windows s = WindowsOf(images.dimensions(), window);
  ByShape<Bits>(s, [&](auto side, auto bytes) {
    MaxPoolGradient<side, Bits, bytes>(pool, s, BitsOf<Bits>(images), BitsOf<Bits>(output),
                                       BitsOf<Bits>(gradients),
                                       static_cast<Bits*>(to_images->untyped_data()));
  });
  return ffi::Error::Success();
}

}  // namespace

#define DEFINE(prefix, type, Bits)                                                     \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(prefix##max_pool, (PoolHandler<type, Bits>),           \
                                ffi::Ffi::Bind()                                       \
                                    .Ctx<ffi::ThreadPool>()                            \
                                    .Arg<Images<type>>()                               \
                                    .Ret<Images<type>>()                               \
                                    .Attr<int64_t>("window"));                         \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(prefix##max_pool_gradient, (GradientHandler<type, Bits>), \
                                ffi::Ffi::Bind()                                       \
                                    .Ctx<ffi::ThreadPool>()                            \
                                    .Arg<Images<type>>()                               \
                                    .Arg<Images<type>>()                               \
                                    .Arg<Images<type>>()                               \
                                    .Ret<Images<type>>()                               \
                                    .Attr<int64_t>("window"))

DEFINE(, ffi::F32, uint32_t);
DEFINE(bf16_, ffi::BF16, uint16_t);
