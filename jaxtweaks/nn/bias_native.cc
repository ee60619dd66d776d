// The gradient of ReLU and of the bias before it for a CPU, of float32 or bfloat16 numbers, in one pass.

#include "native.h"

namespace ffi = xla::ffi;

namespace {

using namespace jaxtweaks;

inline bool IsPositive(float number) { return number > 0; }
inline bool IsPositive(uint16_t number) {  // by the bits of a bfloat16
  return static_cast<int16_t>(number) > 0 && number <= 0x7f80;
}

// Of the gradients g for y = ReLU(x + bias): those for x, and their sums over rows.
template <class Number>
void ReluGradient(ffi::ThreadPool& pool, Cut cut, const Number* y, const Number* g, Number* to_x,
                  float* to_bias) {
  const int64_t features = cut.features, wide = cut.width(), parts = cut.parts();
  float* found = Scratch<float>(0, parts * features);
  ForEach(pool, parts, [=](int64_t part) {
    const int64_t numbers = cut.count(part) * features, begin = cut.begin(part) * features;
    const Number *__restrict of_y = y + begin, *__restrict of_g = g + begin;
    Number* __restrict to = to_x + begin;
    float* __restrict sums = Scratch<float>(1, wide);
    std::memset(sums, 0, 4 * wide);
    Each(numbers, wide, [=](int64_t i, int64_t column) {
      const Number kept = IsPositive(of_y[i]) ? of_g[i] : Number{0};
      to[i] = kept;
      sums[column] += ToFloat(kept);
    });
    Fold(sums, wide, features, found + part * features);
  });
  for (int64_t f = 0; f < features; ++f) {
    double sum = 0;
    for (int64_t part = 0; part < parts; ++part) sum += found[part * features + f];
    to_bias[f] = static_cast<float>(sum);
  }
}

template <ffi::DataType type>
using Rows = ffi::Buffer<type, 2>;
using Bias = ffi::Buffer<ffi::F32, 1>;

template <ffi::DataType type, class Number>
ffi::Error ReluGradientHandler(ffi::ThreadPool pool, Rows<type> y, Rows<type> g,
                               ffi::ResultBuffer<type, 2> to_x,
                               ffi::Result<Bias> to_bias) {
  const auto shape = y.dimensions();
  ReluGradient(pool, {shape[0], shape[1]}, static_cast<const Number*>(y.untyped_data()),
               static_cast<const Number*>(g.untyped_data()),
               static_cast<Number*>(to_x->untyped_data()), to_bias->typed_data());
  return ffi::Error::Success();
}

}  // namespace

#define DEFINE(prefix, type, Number)                                                      \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(prefix##relu_gradient, (ReluGradientHandler<type, Number>), \
                                ffi::Ffi::Bind()                                          \
                                    .Ctx<ffi::ThreadPool>()                               \
                                    .Arg<Rows<type>>()                                    \
                                    .Arg<Rows<type>>()                                    \
                                    .Ret<Rows<type>>()                                    \
                                    .Ret<Bias>())

DEFINE(, ffi::F32, float);
DEFINE(bf16_, ffi::BF16, uint16_t);
