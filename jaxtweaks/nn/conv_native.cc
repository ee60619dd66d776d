// Convolutions of float32 images for a CPU, of any step: forward pass and gradient of the kernel.
//
// Both are products of matrices whose left side is never written down. In an image with zeros
// around it, what an output pixel sees in row i of the window is one stretch of `window_columns *
// channels` numbers, and the next pixel's begins `across * channels` numbers further on. So a tile of
// 8 to 14 pixels (forward) or places of the window (gradient) by one block of output channels is
// kept in registers, and each step multiplies as many single numbers with one row of the block.
// Channels that fill no more than half of a register are met by pairs of numbers: then a register
// has two sums of each channel side by side, of every other number (forward; they are added at the
// end) or of two places (gradient).
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
constexpr int64_t kSlack = 2 * kMost;  // what a tile of places may read beyond the last pixel

// How the numbers of a row of a block lie in vectors: `side` of each output channel side by side.
template <int lanes, int vectors_, int side_>
struct Form {
  typedef float Vector __attribute__((vector_size(4 * lanes)));
  typedef uint64_t Pairs __attribute__((vector_size(4 * lanes)));  // of numbers, bit by bit
  static constexpr int vectors = vectors_, side = side_;
  static constexpr int64_t lane = lanes, width = lanes * vectors, features = width / side;
};

// Numbers of two vectors, counted through both of them.
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int32_t Places __attribute__((vector_size(4 * kLanes)));
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, Places{__VA_ARGS__})
#endif
#if defined(__AVX512F__)
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define TWICE 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7
#else
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#define TWICE 0, 0, 1, 1, 2, 2, 3, 3
#endif

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
  int64_t padded_image() const { return padded_rows() * padded_row() + kSlack; }
};

// One image with zeros around it. Where it needs none, and tiles that reach beyond it meet the next
// image, it is the image itself.
const float* Padded(const Shape& s, const float* images, int64_t number) {
  const float* image = images + number * s.image();
  if (s.top == 0 && s.padded_width() == s.width && s.padded_image() <= 2 * s.image() &&
      s.padded_rows() <= s.height && number + 1 < s.batch)
    return image;
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
  std::memset(padded + s.padded_image() - kSlack, 0, 4 * kSlack);
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

// The same of two rows at a time, the numbers of each column side by side; for as many columns as a
// block has at most. Of an odd number of rows, the last one is met by zeros.
template <class Block>
void PairedRows(const float* matrix, int64_t rows, int64_t columns, float* to) {
  std::memset(to, 0, 4 * RoundUp(rows, 2) / 2 * Block::width);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      to[row / 2 * Block::width + 2 * column + row % 2] = matrix[row * columns + column];
}

// A row of a block.
template <class Block>
inline void LoadRow(const float* from, typename Block::Vector (&b)[Block::vectors]) {
#pragma GCC unroll 2
  for (int v = 0; v < Block::vectors; ++v)
    b[v] = Load<typename Block::Vector>(from + v * Block::lane);
}

// One number of each feature, as often as the block has sums of it.
template <class Block>
inline void LoadFeatures(const float* from, typename Block::Vector (&b)[Block::vectors]) {
  if constexpr (Block::side == 2) {
    const auto more = Load<typename Block::Vector>(from);
    b[0] = SHUFFLE(more, more, TWICE);
  } else {
    LoadRow<Block>(from, b);
  }
}

// A number in all lanes, or two that lie side by side in the lanes by turns.
template <class Block, int numbers>
inline typename Block::Vector Spread(const float* from) {
  if constexpr (numbers == 2) {
    uint64_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return reinterpret_cast<typename Block::Vector>(typename Block::Pairs{} + pair);
  } else {
    return *from - typename Block::Vector{};
  }
}

// sums += `numbers` numbers for each row of the tile, at from, from + step, ..., times a row b of the
// block.
template <class Block, int numbers, int tile>
inline void MultiplyAdd(typename Block::Vector (&sums)[tile][Block::vectors], const float* from,
                        int64_t step, const typename Block::Vector (&b)[Block::vectors]) {
#pragma GCC unroll 16
  for (int t = 0; t < tile; ++t) {
    const typename Block::Vector a = Spread<Block, numbers>(from + t * step);
#pragma GCC unroll 2
    for (int v = 0; v < Block::vectors; ++v) sums[t][v] += a * b[v];
  }
}

// The larger of each number and 0; what is no number stays.
template <class Vector>
inline Vector Relu(Vector x) {
  const auto is_negative = x < Vector{};
  return reinterpret_cast<Vector>(reinterpret_cast<decltype(is_negative)>(x) & ~is_negative);
}

// The sums of the first `pixels` rows of a tile as numbers of the output, `features` of each row. If
// there is a bias, of each column of a block (of pairs: of two pixels), its ReLU with that.
template <class Block, int tile>
inline void Put(typename Block::Vector (&sums)[tile][Block::vectors], const float* bias,
                int64_t pixels, int64_t features, int64_t row, float* to) {
  using Vector = typename Block::Vector;
  if constexpr (Block::side == 2) {
    const bool all = features == Block::features && row == Block::features;
#pragma GCC unroll 8
    for (int t = 0; t < tile; t += 2, to += 2 * row) {
      const auto &first = sums[t][0], &second = sums[std::min(t + 1, tile - 1)][0];
      Vector two = SHUFFLE(first, second, EVEN) + SHUFFLE(first, second, ODD);
      if (bias != nullptr) two = Relu(two + Load<Vector>(bias));
      if (all && t + 2 <= pixels) {
        Store(to, two);
        continue;
      }
      float of_both[Block::width];
      Store(of_both, two);
      if (t < pixels) std::memcpy(to, of_both, 4 * features);
      if (t + 1 < pixels) std::memcpy(to + row, of_both + Block::features, 4 * features);
    }
    return;
  }
  if (bias != nullptr) {
#pragma GCC unroll 16
    for (int t = 0; t < tile; ++t)
#pragma GCC unroll 2
      for (int v = 0; v < Block::vectors; ++v)
        sums[t][v] = Relu(sums[t][v] + Load<Vector>(bias + v * Block::lane));
  }
  if (pixels == tile && features == Block::features) {
#pragma GCC unroll 16
    for (int t = 0; t < tile; ++t)
#pragma GCC unroll 2
      for (int v = 0; v < Block::vectors; ++v) Store(to + t * row + v * Block::lane, sums[t][v]);
  } else {
    for (int64_t t = 0; t < pixels; ++t) std::memcpy(to + t * row, sums[t], 4 * features);
  }
}

// The output of one image in one block of features, which begins at `feature`. `bias`: see Put.
template <class Block, int tile>
void ForwardOfImage(const Shape& s, const float* padded, const float* block, const float* bias,
                    int64_t feature, float* output) {
  const int64_t features = std::min<int64_t>(Block::features, s.features - feature);
  const int64_t step = s.across * s.channels;
  for (int64_t row = 0; row < s.rows; ++row) {
    for (int64_t column = 0; column < s.columns; column += tile) {
      typename Block::Vector sums[tile][Block::vectors] = {};
      const float* block_row = block;
      for (int64_t i = 0; i < s.window_rows; ++i) {
        const float* seen = padded + (row * s.down + i) * s.padded_row() + column * step;
        typename Block::Vector b[Block::vectors];
        int64_t k = 0;
        for (; k + Block::side <= s.stretch(); k += Block::side, block_row += Block::width) {
          LoadRow<Block>(block_row, b);
          MultiplyAdd<Block, Block::side>(sums, seen + k, step, b);
        }
        // What lies next to the last one is not seen: it may be no number.
        for (; k < s.stretch(); ++k, block_row += Block::width) {
          LoadRow<Block>(block_row, b);
          MultiplyAdd<Block, 1>(sums, seen + k, step, b);
        }
      }
      const int64_t pixels = std::min<int64_t>(tile, s.columns - column);
      Put<Block>(sums, bias, pixels, features, s.features,
                 output + (row * s.columns + column) * s.features + feature);
    }
  }
}

// Adds one image's part of the kernel's gradient to `sums`: for each block of features and each row
// of the window [places / side, width], the places of a stretch rounded up to whole tiles.
template <class Block, int tile>
void GradientOfImage(const Shape& s, const float* padded, const float* gradient, int64_t blocks,
                     float* sums) {
  const int64_t features = blocks * Block::features;
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t i = 0; i < s.window_rows; ++i) {
      for (int64_t place = 0; place < s.stretch();
           place += tile * Block::side, sums += tile * Block::width) {
        typename Block::Vector kept[tile][Block::vectors];
        std::memcpy(kept, sums, sizeof kept);
        for (int64_t row = 0; row < s.rows; ++row) {
          const float* seen = padded + (row * s.down + i) * s.padded_row() + place;
          const float* of_pixel = gradient + row * s.columns * features + block * Block::features;
          for (int64_t column = 0; column < s.columns; ++column) {
            typename Block::Vector b[Block::vectors];
            LoadFeatures<Block>(of_pixel, b);
            MultiplyAdd<Block, Block::side>(kept, seen, Block::side, b);
            seen += s.across * s.channels;
            of_pixel += features;
          }
        }
        std::memcpy(sums, kept, sizeof kept);
      }
    }
  }
}

// A bias as `Put` takes it: of all blocks, one after the other; nullptr for none.
template <class Block>
const float* BiasOfBlocks(const float* bias, int64_t features, int64_t blocks) {
  if (bias == nullptr) return nullptr;
  float* of_blocks = Scratch<float>(3, blocks * Block::width);
  std::memset(of_blocks, 0, 4 * blocks * Block::width);
  for (int64_t half = 0; half < Block::side; ++half)
    std::memcpy(of_blocks + half * Block::features, bias, 4 * features);
  return of_blocks;
}

template <class Block, int tile>
void Forward(ffi::ThreadPool& pool, const Shape& s, const float* images, const float* kernel,
             const float* bias, float* output) {
  const int64_t in_window_row = RoundUp(s.stretch(), Block::side) / Block::side;
  const int64_t rows = s.window_rows * in_window_row;
  const int64_t blocks = RoundUp(s.features, Block::features) / Block::features;
  float* kernels = Scratch<float>(1, blocks * rows * Block::width);
  if constexpr (Block::side == 2) {
    for (int64_t i = 0; i < s.window_rows; ++i)
      PairedRows<Block>(kernel + i * s.stretch() * s.features, s.stretch(), s.features,
                        kernels + i * in_window_row * Block::width);
  } else {
    Blocks(kernel, rows, s.features, Block::width, kernels);
  }
  bias = BiasOfBlocks<Block>(bias, s.features, blocks);
  ForEach(pool, s.batch, [=](int64_t image) {
    const float* padded = Padded(s, images, image);
    for (int64_t block = 0; block < blocks; ++block)
      ForwardOfImage<Block, tile>(s, padded, kernels + block * rows * Block::width,
                                  bias == nullptr ? nullptr : bias + block * Block::width,
                                  block * Block::features, output + image * s.output());
  });
}

template <class Block, int tile>
void KernelGradient(ffi::ThreadPool& pool, const Shape& s, const float* images,
                    const float* gradients, float* kernel) {
  const int64_t features = RoundUp(s.features, Block::features);
  const int64_t blocks = features / Block::features;
  const int64_t places = RoundUp(s.stretch(), tile * Block::side) / Block::side;
  const int64_t size = s.window_rows * places * blocks * Block::width;
  const int64_t parts = std::min(kParts, s.batch), pixels = s.rows * s.columns;
  float* sums = Scratch<float>(1, parts * size);
  ForEach(pool, parts, [=](int64_t part) {
    float* mine = sums + part * size;
    std::memset(mine, 0, 4 * size);
    for (int64_t image = s.batch * part / parts; image < s.batch * (part + 1) / parts; ++image) {
      const float* padded = Padded(s, images, image);
      const float* gradient = gradients + image * s.output();
      // Of pairs a register is loaded, which reaches beyond the last pixel.
      if (features != s.features || (Block::side == 2 && image + 1 == s.batch)) {
        float* filled = Scratch<float>(2, pixels * features + Block::width);
        Blocks(gradient, pixels, s.features, features, filled);
        gradient = filled;
      }
      GradientOfImage<Block, tile>(s, padded, gradient, blocks, mine);
    }
  });
  ForEach(pool, s.window_rows, [=](int64_t i) {
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t count = std::min(Block::features, s.features - block * Block::features);
      const float* of_row = sums + (block * s.window_rows + i) * places * Block::width;
      for (int64_t place = 0; place < s.stretch(); ++place) {
        float* to = kernel + (i * s.stretch() + place) * s.features + block * Block::features;
        const float* from =
            of_row + place / Block::side * Block::width + place % Block::side;
        for (int64_t f = 0; f < count; ++f) to[f] = from[f * Block::side];
        for (int64_t part = 1; part < parts; ++part)
          for (int64_t f = 0; f < count; ++f) to[f] += from[part * size + f * Block::side];
      }
    }
  });
}

// Calls of_block(Block) for blocks of two vectors, of one, or of one with pairs, by how many features
// there are; `Few` where there are too few of what pairs are made of.
template <class Few, class Function>
void ByFeatures(int64_t features, bool has_pairs, Function of_block) {
  if (features > kLanes)
    of_block(Form<kLanes, 2, 1>());
  else if (features > kLanes / 2)
    of_block(Form<kLanes, 1, 1>());
  else if (has_pairs)
    of_block(Form<kLanes, 1, 2>());
  else
    of_block(Few());
}

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

ffi::Error ForwardHandler(ffi::ThreadPool pool, Array images, Array kernel,
                          ffi::RemainingArgs more, Result output, int64_t top, int64_t left,
                          int64_t down, int64_t across) {
  const float* bias = jaxtweaks::BiasOf<ffi::F32, float>(more);
  const Shape s = {jaxtweaks::ShapeOf(images.dimensions(), kernel.dimensions(),
                                      output->dimensions(), top, left, down, across)};
  ByFeatures<Form<kLanes, 1, 1>>(s.features, s.stretch() >= 2, [&](auto block) {
    ByTile(s.columns, [&](auto tile) {
      Forward<decltype(block), tile>(pool, s, images.typed_data(), kernel.typed_data(), bias,
                                     output->typed_data());
    });
  });
  return ffi::Error::Success();
}

ffi::Error KernelGradientHandler(ffi::ThreadPool pool, Array images, Array gradients,
                                 ffi::RemainingArgs, Result kernel, int64_t top, int64_t left,
                                 int64_t down, int64_t across) {
  const Shape s = {jaxtweaks::ShapeOf(images.dimensions(), kernel->dimensions(),
                                      gradients.dimensions(), top, left, down, across)};
  ByFeatures<Form<kLanes / 2, 1, 1>>(s.features, s.stretch() >= 2 * kLeast, [&](auto block) {
    constexpr int64_t side = decltype(block)::side;
    ByTile(RoundUp(s.stretch(), side) / side, [&](auto tile) {
      KernelGradient<decltype(block), tile>(pool, s, images.typed_data(), gradients.typed_data(),
                                            kernel->typed_data());
    });
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(conv_forward, ForwardHandler, jaxtweaks::Convolution<Array>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(conv_kernel_gradient, KernelGradientHandler,
                              jaxtweaks::Convolution<Array>());
