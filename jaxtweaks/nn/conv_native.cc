// Convolutions of float32 images for a CPU, of any step: forward pass and gradient of the kernel.
//
// Both are products of matrices whose left side is never written down. In an image with zeros
// around it, what an output pixel sees in row i of the window is one stretch of `window_columns *
// channels` numbers, and the next pixel's begins `across * channels` numbers further on. So a tile of
// 8 to 14 pixels (forward) or places of the window (gradient) by one block of output channels is
// kept in registers, and each step multiplies as many single numbers with one row of the block.
//
// Every sum is taken in an order that depends on the shapes alone, never on the number of threads.

#include "native.h"

namespace ffi = xla::ffi;

namespace {

using jaxtweaks::ForEach;
using jaxtweaks::RoundUp;
using jaxtweaks::Scratch;

// How many numbers a tile has, and in how many vectors a register is one: with 32 registers up to
// 14 * 2 sums, a row of the block and one number; with 16 of them 6 * 2 sums.
#if defined(__AVX512F__)
constexpr int kLanes = 16, kLeast = 8, kMost = 14;
#elif defined(__AVX__)
constexpr int kLanes = 8, kLeast = 6, kMost = 6;
#else
constexpr int kLanes = 8, kLeast = 8, kMost = 8;
#endif

// The tile that leaves least of its last one empty, for n numbers.
int64_t TileFor(int64_t n) {
  const int64_t count = RoundUp(n, kMost) / kMost;
  return std::max<int64_t>(kLeast, (n + count - 1) / count);
}

constexpr int64_t kParts = 16;  // of a batch, whose kernel gradients are summed apart

template <int lanes>
struct Lanes {
  typedef float Vector __attribute__((vector_size(4 * lanes)));
};

// Unaligned loads and stores.
template <class Vector>
inline Vector Load(const float* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}
template <class Vector>
inline void Store(float* to, Vector vector) {
  std::memcpy(to, &vector, sizeof vector);
}

// An image with its zeros: tiles may reach beyond the last column, and a tile of places beyond the
// last pixel.
struct Shape : jaxtweaks::Shape {
  int64_t padded_width() const {
    const int64_t seen = RoundUp(columns, TileFor(columns));
    return std::max(left + width, (seen - 1) * across + window_columns);
  }
  int64_t padded_row() const { return padded_width() * channels; }
  int64_t padded_image() const { return padded_rows() * padded_row() + kMost; }
};

// One image with zeros around it.
const float* Padded(const Shape& s, const float* image) {
  const int64_t row = s.padded_row(), before = s.left * s.channels, inside = s.width * s.channels;
  float* padded = Scratch<float>(0, s.padded_image());
  for (int64_t i = 0; i < s.padded_rows(); ++i) {
    float* to = padded + i * row;
    const int64_t from = i - s.top;
    if (from < 0 || from >= s.height) {
      std::memset(to, 0, 4 * row);
      continue;
    }
    std::memset(to, 0, 4 * before);
    std::memcpy(to + before, image + from * inside, 4 * inside);
    std::memset(to + before + inside, 0, 4 * (row - before - inside));
  }
  std::memset(padded + s.padded_image() - kMost, 0, 4 * kMost);
  return padded;
}

// A matrix [rows, columns] as blocks [rows, block] of its columns, one after the other, the last
// filled up with zeros.
void Blocks(const float* matrix, int64_t rows, int64_t columns, int64_t block, float* to) {
  for (int64_t column = 0; column < columns; column += block) {
    const int64_t count = std::min(block, columns - column);
    for (int64_t row = 0; row < rows; ++row, to += block) {
      std::memcpy(to, matrix + row * columns + column, 4 * count);
      std::memset(to + count, 0, 4 * (block - count));
    }
  }
}

// sums += one number for each row of the tile, from[0], from[step], ..., times a row of the block.
template <class Vector, int vectors, int tile>
inline void MultiplyAdd(Vector (&sums)[tile][vectors], const float* from, int64_t step,
                        const float* block_row) {
  constexpr int lanes = sizeof(Vector) / 4;
  Vector b[vectors];
#pragma GCC unroll 2
  for (int v = 0; v < vectors; ++v) b[v] = Load<Vector>(block_row + v * lanes);
#pragma GCC unroll 16
  for (int t = 0; t < tile; ++t) {
    const float a = from[t * step];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) sums[t][v] += a * b[v];
  }
}

// The output of one image in one block of features, which begins at `feature`.
template <class Vector, int vectors, int tile>
void ForwardOfImage(const Shape& s, const float* padded, const float* block, int64_t feature,
                    float* output) {
  constexpr int lanes = sizeof(Vector) / 4, width = vectors * lanes;
  const int64_t features = std::min<int64_t>(width, s.features - feature);
  const int64_t step = s.across * s.channels;
  for (int64_t row = 0; row < s.rows; ++row) {
    for (int64_t column = 0; column < s.columns; column += tile) {
      Vector sums[tile][vectors] = {};
      const float* block_row = block;
      for (int64_t i = 0; i < s.window_rows; ++i) {
        const float* seen = padded + (row * s.down + i) * s.padded_row() + column * step;
        for (int64_t k = 0; k < s.stretch(); ++k, block_row += width)
          MultiplyAdd(sums, seen + k, step, block_row);
      }
      const int64_t pixels = std::min<int64_t>(tile, s.columns - column);
      float* to = output + (row * s.columns + column) * s.features + feature;
      if (pixels == tile && features == width) {
#pragma GCC unroll 16
        for (int t = 0; t < tile; ++t)
#pragma GCC unroll 2
          for (int v = 0; v < vectors; ++v) Store(to + t * s.features + v * lanes, sums[t][v]);
      } else {
        for (int64_t t = 0; t < pixels; ++t) std::memcpy(to + t * s.features, sums[t], 4 * features);
      }
    }
  }
}

// Adds one image's part of the kernel's gradient to `sums`: for each block of features and each row
// of the window [places, width], the places of a stretch rounded up to whole tiles.
template <class Vector, int vectors, int tile>
void GradientOfImage(const Shape& s, const float* padded, const float* gradient, int64_t blocks,
                     float* sums) {
  constexpr int lanes = sizeof(Vector) / 4, width = vectors * lanes;
  const int64_t features = blocks * width;
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t i = 0; i < s.window_rows; ++i) {
      for (int64_t place = 0; place < s.stretch(); place += tile, sums += tile * width) {
        Vector kept[tile][vectors];
        for (int t = 0; t < tile; ++t)
          for (int v = 0; v < vectors; ++v)
            kept[t][v] = Load<Vector>(sums + t * width + v * lanes);
        for (int64_t row = 0; row < s.rows; ++row) {
          const float* seen = padded + (row * s.down + i) * s.padded_row() + place;
          const float* block_row = gradient + row * s.columns * features + block * width;
          for (int64_t column = 0; column < s.columns; ++column) {
            MultiplyAdd(kept, seen, 1, block_row);
            seen += s.across * s.channels;
            block_row += features;
          }
        }
        for (int t = 0; t < tile; ++t)
          for (int v = 0; v < vectors; ++v) Store(sums + t * width + v * lanes, kept[t][v]);
      }
    }
  }
}

template <int lanes, int vectors, int tile>
void Forward(ffi::ThreadPool& pool, const Shape& s, const float* images, const float* kernel,
             float* output) {
  using Vector = typename Lanes<lanes>::Vector;
  constexpr int64_t width = lanes * vectors;
  const int64_t rows = s.window_rows * s.stretch(), blocks = RoundUp(s.features, width) / width;
  float* kernels = Scratch<float>(1, blocks * rows * width);
  Blocks(kernel, rows, s.features, width, kernels);
  ForEach(pool, s.batch, [=](int64_t image) {
    const float* padded = Padded(s, images + image * s.image());
    for (int64_t block = 0; block < blocks; ++block)
      ForwardOfImage<Vector, vectors, tile>(s, padded, kernels + block * rows * width, block * width,
                                      output + image * s.output());
  });
}

template <int lanes, int vectors, int tile>
void KernelGradient(ffi::ThreadPool& pool, const Shape& s, const float* images,
                    const float* gradients, float* kernel) {
  using Vector = typename Lanes<lanes>::Vector;
  constexpr int64_t width = lanes * vectors;
  const int64_t features = RoundUp(s.features, width), blocks = features / width;
  const int64_t places = RoundUp(s.stretch(), tile), size = s.window_rows * places * features;
  const int64_t parts = std::min(kParts, s.batch), pixels = s.rows * s.columns;
  float* sums = Scratch<float>(1, parts * size);
  ForEach(pool, parts, [=](int64_t part) {
    float* mine = sums + part * size;
    std::memset(mine, 0, 4 * size);
    for (int64_t image = s.batch * part / parts; image < s.batch * (part + 1) / parts; ++image) {
      const float* padded = Padded(s, images + image * s.image());
      const float* gradient = gradients + image * s.output();
      if (features != s.features) {
        float* filled = Scratch<float>(2, pixels * features);
        Blocks(gradient, pixels, s.features, features, filled);
        gradient = filled;
      }
      GradientOfImage<Vector, vectors, tile>(s, padded, gradient, blocks, mine);
    }
  });
  ForEach(pool, s.window_rows, [=](int64_t i) {
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t count = std::min(width, s.features - block * width);
      for (int64_t place = 0; place < s.stretch(); ++place) {
        float* to = kernel + (i * s.stretch() + place) * s.features + block * width;
        const float* from = sums + ((block * s.window_rows + i) * places + place) * width;
        std::memcpy(to, from, 4 * count);
        for (int64_t part = 1; part < parts; ++part)
          for (int64_t f = 0; f < count; ++f) to[f] += from[part * size + f];
      }
    }
  });
}

// Blocks of two vectors, of one, or of half a one, by how many features there are.
#define BY_FEATURES(function, tile, ...)                                       \
  (s.features > kLanes       ? function<kLanes, 2, tile>(pool, s, __VA_ARGS__) \
   : s.features > kLanes / 2 ? function<kLanes, 1, tile>(pool, s, __VA_ARGS__) \
                             : function<kLanes / 2, 1, tile>(pool, s, __VA_ARGS__))

// Calls of_tile(tile) for the tile that suits n numbers.
template <int tile = kLeast, class Function>
void ByTile(int64_t n, Function of_tile) {
  if constexpr (tile < kMost) {
    if (TileFor(n) > tile) return ByTile<tile + 1>(n, of_tile);
  }
  of_tile(std::integral_constant<int, tile>());
}

using Array = ffi::Buffer<ffi::F32, 4>;
using Result = ffi::ResultBuffer<ffi::F32, 4>;

ffi::Error ForwardHandler(ffi::ThreadPool pool, Array images, Array kernel, Result output,
                          int64_t top, int64_t left, int64_t down, int64_t across) {
  const Shape s = {jaxtweaks::ShapeOf(images.dimensions(), kernel.dimensions(),
                                      output->dimensions(), top, left, down, across)};
  ByTile(s.columns, [&](auto tile) {
    BY_FEATURES(Forward, tile, images.typed_data(), kernel.typed_data(), output->typed_data());
  });
  return ffi::Error::Success();
}

ffi::Error KernelGradientHandler(ffi::ThreadPool pool, Array images, Array gradients,
                                 Result kernel, int64_t top, int64_t left, int64_t down,
                                 int64_t across) {
  const Shape s = {jaxtweaks::ShapeOf(images.dimensions(), kernel->dimensions(),
                                      gradients.dimensions(), top, left, down, across)};
  ByTile(s.stretch(), [&](auto tile) {
    BY_FEATURES(KernelGradient, tile, images.typed_data(), gradients.typed_data(),
                kernel->typed_data());
  });
  return ffi::Error::Success();
}

#define BINDING             \
  ffi::Ffi::Bind()          \
      .Ctx<ffi::ThreadPool>() \
      .Arg<Array>()         \
      .Arg<Array>()         \
      .Ret<Array>()         \
      .Attr<int64_t>("top") \
      .Attr<int64_t>("left") \
      .Attr<int64_t>("down") \
      .Attr<int64_t>("across")

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(conv_forward, ForwardHandler, BINDING);
XLA_FFI_DEFINE_HANDLER_SYMBOL(conv_kernel_gradient, KernelGradientHandler, BINDING);
