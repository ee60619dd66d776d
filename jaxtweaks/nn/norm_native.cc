// The sums of batch normalisation for a CPU, of rows of float32 or bfloat16 numbers.
//
// Rows are summed in parts that stay in a core's cache, so that what the mean needs first and the
// variance after it is read from memory once (Chan, Golub & LeVeque 1983). Within a part sums are
// float32, several rows together; parts are joined in double precision. Which numbers are a part
// depends on the shape alone, never on the number of threads.

#include "native.h"

namespace ffi = xla::ffi;

namespace {

using namespace jaxtweaks;

// Means and biased variances over rows.
template <class Number>
void Moments(ffi::ThreadPool& pool, Cut cut, const Number* x, float* mean, float* variance) {
  const int64_t features = cut.features, wide = cut.width(), parts = cut.parts();
  // Of each part a centre, which is its mean but for rounding, and the sums of what is off it and of
  // the squares of that.
  float* found = Scratch<float>(0, parts * 3 * features);
  ForEach(pool, parts, [=](int64_t part) {
    const int64_t count = cut.count(part), numbers = count * features;
    const Number* __restrict from = x + cut.begin(part) * features;
    float* __restrict sums = Scratch<float>(1, 3 * wide);
    float* __restrict squares = sums + wide;
    float* __restrict centre = squares + wide;
    float* of_part = found + part * 3 * features;
    std::memset(sums, 0, 4 * wide);
    Each(numbers, wide, [=](int64_t i, int64_t column) { sums[column] += ToFloat(from[i]); });
    Fold(sums, wide, features, of_part);
    for (int64_t f = 0; f < features; ++f) of_part[f] /= count;
    for (int64_t i = 0; i < wide; ++i) centre[i] = of_part[i % features];
    std::memset(sums, 0, 8 * wide);
    Each(numbers, wide, [=](int64_t i, int64_t column) {
      const float off = ToFloat(from[i]) - centre[column];
      sums[column] += off;
      squares[column] += off * off;
    });
    Fold(sums, wide, features, of_part + features);
    Fold(squares, wide, features, of_part + 2 * features);
  });
  for (int64_t f = 0; f < features; ++f) {
    double sum = 0, squares = 0;
    for (int64_t part = 0; part < parts; ++part) {
      const float* of_part = found + part * 3 * features + f;
      sum += static_cast<double>(of_part[0]) * cut.count(part) + of_part[features];
    }
    const double middle = sum / cut.rows;
    for (int64_t part = 0; part < parts; ++part) {
      // Σ (x − μ)² = Σ (x − c)² + 2 (c − μ) Σ (x − c) + n (c − μ)²
      const float* of_part = found + part * 3 * features + f;
      const double off = of_part[0] - middle;
      squares += of_part[2 * features] + off * (2.0 * of_part[features] + off * cut.count(part));
    }
    mean[f] = static_cast<float>(middle);
    variance[f] = static_cast<float>(std::max(squares / cut.rows, 0.0));
  }
}

// Sums over rows of the gradients g, and of g times x less its mean.
template <class Number>
void Gradients(ffi::ThreadPool& pool, Cut cut, const Number* x, const Number* g, const float* mean,
               float* sum, float* product) {
  const int64_t features = cut.features, wide = cut.width(), parts = cut.parts();
  float* found = Scratch<float>(0, parts * 2 * features + wide);
  float* centre = found + parts * 2 * features;
  for (int64_t i = 0; i < wide; ++i) centre[i] = mean[i % features];
  ForEach(pool, parts, [=](int64_t part) {
    const int64_t numbers = cut.count(part) * features, begin = cut.begin(part) * features;
    const Number *__restrict of_x = x + begin, *__restrict of_g = g + begin;
    float* __restrict sums = Scratch<float>(1, 2 * wide);
    float* __restrict products = sums + wide;
    std::memset(sums, 0, 8 * wide);
    Each(numbers, wide, [=](int64_t i, int64_t column) {
      const float gradient = ToFloat(of_g[i]);
      sums[column] += gradient;
      products[column] += gradient * (ToFloat(of_x[i]) - centre[column]);
    });
    Fold(sums, wide, features, found + part * 2 * features);
    Fold(products, wide, features, found + (part * 2 + 1) * features);
  });
  for (int64_t f = 0; f < features; ++f) {
    double of_g = 0, of_both = 0;
    for (int64_t part = 0; part < parts; ++part) {
      of_g += found[part * 2 * features + f];
      of_both += found[(part * 2 + 1) * features + f];
    }
    sum[f] = static_cast<float>(of_g);
    product[f] = static_cast<float>(of_both);
  }
}

template <ffi::DataType type>
using Rows = ffi::Buffer<type, 2>;
using Features = ffi::Buffer<ffi::F32, 1>;
using Found = ffi::ResultBuffer<ffi::F32, 1>;

template <ffi::DataType type, class Number>
ffi::Error MomentsHandler(ffi::ThreadPool pool, Rows<type> x, Found mean, Found variance) {
  const auto shape = x.dimensions();
  Moments(pool, {shape[0], shape[1]}, reinterpret_cast<const Number*>(x.untyped_data()),
          mean->typed_data(), variance->typed_data());
  return ffi::Error::Success();
}

template <ffi::DataType type, class Number>
ffi::Error GradientsHandler(ffi::ThreadPool pool, Rows<type> x, Rows<type> g, Features mean,
                            Found sum, Found product) {
  const auto shape = x.dimensions();
  Gradients(pool, {shape[0], shape[1]}, reinterpret_cast<const Number*>(x.untyped_data()),
            reinterpret_cast<const Number*>(g.untyped_data()), mean.typed_data(),
            sum->typed_data(), product->typed_data());
  return ffi::Error::Success();
}

}  // namespace

#define DEFINE(prefix, type, Number)                                                  \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(prefix##norm_moments, (MomentsHandler<type, Number>), \
                                ffi::Ffi::Bind()                                      \
                                    .Ctx<ffi::ThreadPool>()                           \
                                    .Arg<Rows<type>>()                                \
                                    .Ret<Features>()                                  \
                                    .Ret<Features>());                                \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(prefix##norm_gradients, (GradientsHandler<type, Number>), \
                                ffi::Ffi::Bind()                                      \
                                    .Ctx<ffi::ThreadPool>()                           \
                                    .Arg<Rows<type>>()                                \
                                    .Arg<Rows<type>>()                                \
                                    .Arg<Features>()                                  \
                                    .Ret<Features>()                                  \
                                    .Ret<Features>())

DEFINE(, ffi::F32, float);
DEFINE(bf16_, ffi::BF16, uint16_t);
