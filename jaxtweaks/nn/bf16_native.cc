// Convolutions and dense products in bfloat16 for a CPU that multiplies it: with AMX's tiles, or by
// the dot products of AVX512_BF16. Inputs and results are bfloat16, sums are float32.
//
// All are products of matrices, sums[m][n] += a[m][k] * b[k][n], in blocks of up to 2 x 2 tiles of up
// to 16 x 16. Of a, the k of one row lie side by side. Of b, two k lie side by side, for one n
// after the other: what either instruction takes. A convolution writes down neither its patches
// (what an output pixel sees in one row of the window is one stretch of a padded image, so it is a
// row of a) nor those of its gradient (there b is the image, in which each number has been put
// next to the one that the next pixel has in its place).
//
// Every sum is taken in an order that depends on the shapes alone, never on the number of threads.

#include "native.h"

#if defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define JAXTWEAKS_DOTS 1
#include <immintrin.h>
#endif
#if defined(JAXTWEAKS_DOTS) && defined(__AMX_BF16__) && defined(__linux__)
#define JAXTWEAKS_TILES 1
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace ffi = xla::ffi;

// What multiplies: 0 nothing here can, 1 dot products, 2 tiles. Tiles must be wanted, and Linux
// must grant this process the memory that their registers are saved in.
static int kind = 0;

extern "C" int bf16_kind(int tiles_wanted) {
#if defined(JAXTWEAKS_DOTS)
  kind = 1;
#endif
#if defined(JAXTWEAKS_TILES)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  if (tiles_wanted && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0) kind = 2;
#endif
  return kind;
}

#if defined(JAXTWEAKS_DOTS)

namespace {

using jaxtweaks::ForEach;
using jaxtweaks::RoundUp;
using jaxtweaks::Scratch;
using jaxtweaks::Shape;

using Half = uint16_t;   // the bits of a bfloat16
using Pair = uint32_t;   // two of them, the first one in the lower half

constexpr int64_t kSide = 16;        // of a tile of sums
constexpr int64_t kDepth = 32;       // numbers k of a tile of a
constexpr int64_t kTile = kSide * kSide;
constexpr int64_t kBlock = 4 * kTile;
constexpr int64_t kSlack = 2 * kDepth;  // what a tile may read beyond the last number that counts

int64_t Ceil(int64_t n, int64_t step) { return (n + step - 1) / step; }

// n numbers in as few equal steps as possible; the last steps may reach beyond them.
struct Steps {
  int64_t count, size;

  static Steps Of(int64_t n, int64_t most, int64_t multiple) {
    const int64_t count = Ceil(n, most);
    return {count, RoundUp(Ceil(n, count), multiple)};
  }
  // Where step i begins so that all n are met and none beyond them, if n is as large as a step.
  int64_t Begin(int64_t i, int64_t n) const { return std::min(i * size, std::max<int64_t>(0, n - size)); }
};

// The shape of the tiles of one product.
struct Tiles {
  int64_t rows, columns, depth;
};

// Where a block finds its numbers: a[m] + row * a_row + ..., b[n] + pair * b_row + ...
struct Operands {
  const Half* a[2];
  const Half* b[2];
  int64_t a_row, b_row;
};

// The steps along k, from the outermost to the innermost: how many, and how far apart in a and b.
struct Walk {
  int64_t count[3], a[3], b[3];
};

#if defined(JAXTWEAKS_TILES)

// The tile registers' shapes, of this thread while it is alive.
class Configured {
 public:
  explicit Configured(const Tiles& tiles) {
    if (kind != 2) return;
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    for (int i = 0; i < 8; ++i) {
      const bool of_a = i == 4 || i == 5, of_b = i == 6 || i == 7;
      config.rows[i] = of_b ? tiles.depth / 2 : tiles.rows;
      config.bytes[i] = of_a ? 2 * tiles.depth : 4 * tiles.columns;
    }
    _tile_loadconfig(&config);
  }
  ~Configured() {
    if (kind == 2) _tile_release();
  }
};

// The sums of a block, tile after tile, each with rows of kSide; they go on from `sums` if `more`.
template <int as, int bs>
void MultiplyTiles(const Operands& x, const Walk& walk, float* sums, bool more) {
  constexpr int kRow = 4 * kSide;
  if (more) {
    _tile_loadd(0, sums, kRow);
    if (bs > 1) _tile_loadd(1, sums + kTile, kRow);
    if (as > 1) _tile_loadd(2, sums + 2 * kTile, kRow);
    if (as > 1 && bs > 1) _tile_loadd(3, sums + 3 * kTile, kRow);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const int64_t a_row = 2 * x.a_row, b_row = 2 * x.b_row;
  for (int64_t i = 0; i < walk.count[0]; ++i) {
    for (int64_t j = 0; j < walk.count[1]; ++j) {
      int64_t a = i * walk.a[0] + j * walk.a[1], b = i * walk.b[0] + j * walk.b[1];
      for (int64_t k = 0; k < walk.count[2]; ++k, a += walk.a[2], b += walk.b[2]) {
        _tile_loadd(4, x.a[0] + a, a_row);
        _tile_loadd(6, x.b[0] + b, b_row);
        _tile_dpbf16ps(0, 4, 6);
        if (bs > 1) {
          _tile_loadd(7, x.b[1] + b, b_row);
          _tile_dpbf16ps(1, 4, 7);
        }
        if (as > 1) {
          _tile_loadd(5, x.a[1] + a, a_row);
          _tile_dpbf16ps(2, 5, 6);
          if (bs > 1) _tile_dpbf16ps(3, 5, 7);
        }
      }
    }
  }
  _tile_stored(0, sums, kRow);
  if (bs > 1) _tile_stored(1, sums + kTile, kRow);
  if (as > 1) _tile_stored(2, sums + 2 * kTile, kRow);
  if (as > 1 && bs > 1) _tile_stored(3, sums + 3 * kTile, kRow);
}

#else

struct Configured {
  explicit Configured(const Tiles&) {}
  ~Configured() {}
};

#endif

inline __m512 LoadPairs(const void* from, __mmask16 mask) {
  return _mm512_castsi512_ps(_mm512_maskz_loadu_epi32(mask, from));
}

inline Pair PairAt(const Half* from) {
  Pair pair;
  std::memcpy(&pair, from, sizeof pair);
  return pair;
}

// `rows` rows of a block by dot products.
template <int rows, int bs>
void MultiplyRows(const Half* a, const Half* const* b, const Operands& x, const Walk& walk,
                  const Tiles& tiles, float* sums, bool more) {
  const __mmask16 mask = (1u << tiles.columns) - 1;
  __m512 total[rows][bs];
#pragma GCC unroll 8
  for (int t = 0; t < rows; ++t)
#pragma GCC unroll 2
    for (int n = 0; n < bs; ++n)
      total[t][n] = more ? _mm512_loadu_ps(sums + n * kTile + t * kSide) : _mm512_setzero_ps();
  for (int64_t i = 0; i < walk.count[0]; ++i) {
    for (int64_t j = 0; j < walk.count[1]; ++j) {
      int64_t at = i * walk.a[0] + j * walk.a[1], to = i * walk.b[0] + j * walk.b[1];
      for (int64_t k = 0; k < walk.count[2]; ++k, at += walk.a[2], to += walk.b[2]) {
        const Half* from = a + at;
        for (int64_t pair = 0; pair < tiles.depth / 2; ++pair, from += 2) {
          __m512 right[bs];
#pragma GCC unroll 2
          for (int n = 0; n < bs; ++n) right[n] = LoadPairs(b[n] + to + pair * x.b_row, mask);
#pragma GCC unroll 8
          for (int t = 0; t < rows; ++t) {
            const __m512i left = _mm512_set1_epi32(PairAt(from + t * x.a_row));
#pragma GCC unroll 2
            for (int n = 0; n < bs; ++n)
              total[t][n] = _mm512_dpbf16_ps(total[t][n], (__m512bh)left, (__m512bh)right[n]);
          }
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < rows; ++t)
#pragma GCC unroll 2
    for (int n = 0; n < bs; ++n) _mm512_storeu_ps(sums + n * kTile + t * kSide, total[t][n]);
}

template <int as, int bs>
void MultiplyDots(const Operands& x, const Walk& walk, const Tiles& tiles, float* sums, bool more) {
  for (int m = 0; m < as; ++m) {
    int64_t row = 0;
    for (; row + 8 <= tiles.rows; row += 8)
      MultiplyRows<8, bs>(x.a[m] + row * x.a_row, x.b, x, walk, tiles,
                          sums + 2 * m * kTile + row * kSide, more);
    for (; row < tiles.rows; ++row)
      MultiplyRows<1, bs>(x.a[m] + row * x.a_row, x.b, x, walk, tiles,
                          sums + 2 * m * kTile + row * kSide, more);
  }
}

// The sums of a block of `as` x `bs` tiles, see MultiplyTiles.
template <int as, int bs>
void MultiplyOf(const Operands& x, const Walk& walk, const Tiles& tiles, float* sums, bool more) {
#if defined(JAXTWEAKS_TILES)
  if (kind == 2) return MultiplyTiles<as, bs>(x, walk, sums, more);
#endif
  MultiplyDots<as, bs>(x, walk, tiles, sums, more);
}

void Multiply(int64_t as, int64_t bs, const Operands& x, const Walk& walk, const Tiles& tiles,
              float* sums, bool more) {
  if (as == 2 && bs == 2) return MultiplyOf<2, 2>(x, walk, tiles, sums, more);
  if (as == 2) return MultiplyOf<2, 1>(x, walk, tiles, sums, more);
  if (bs == 2) return MultiplyOf<1, 2>(x, walk, tiles, sums, more);
  MultiplyOf<1, 1>(x, walk, tiles, sums, more);
}

__mmask16 First(int64_t count) {
  return count >= kSide ? 0xffff : count <= 0 ? 0 : (1u << count) - 1;
}

// 16 numbers of each of two rows, side by side in pairs; zeros where a mask has none.
inline __m512i Paired(const Half* first, __mmask16 of_first, const Half* second,
                      __mmask16 of_second) {
  const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(of_first, first));
  const __m512i high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(of_second, second));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

// Rows and columns of 16 x 16 pairs exchanged.
inline void Transpose(__m512i (&v)[16]) {
  __m512i w[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    w[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
    w[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    v[i] = _mm512_unpacklo_epi64(w[i], w[i + 2]);
    v[i + 1] = _mm512_unpackhi_epi64(w[i], w[i + 2]);
    v[i + 2] = _mm512_unpacklo_epi64(w[i + 1], w[i + 3]);
    v[i + 3] = _mm512_unpackhi_epi64(w[i + 1], w[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    w[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
    w[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
    w[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
    w[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm512_shuffle_i32x4(w[i], w[i + 8], 0x88);
    v[i + 8] = _mm512_shuffle_i32x4(w[i], w[i + 8], 0xdd);
    v[i + 4] = _mm512_shuffle_i32x4(w[i + 4], w[i + 12], 0x88);
    v[i + 12] = _mm512_shuffle_i32x4(w[i + 4], w[i + 12], 0xdd);
  }
}

// b of a product from a matrix [depth, columns]: [tiles of columns][pairs][kSide] pairs.
void PackRows(const Half* matrix, int64_t depth, int64_t columns, int64_t row, int64_t pairs,
              Pair* to) {
  for (int64_t column = 0; column < columns; column += kSide) {
    const __mmask16 mask = First(columns - column);
    for (int64_t pair = 0; pair < pairs; ++pair, to += kSide) {
      const Half* from = matrix + 2 * pair * row + column;
      const __mmask16 of_first = 2 * pair < depth ? mask : 0;
      const __mmask16 of_second = 2 * pair + 1 < depth ? mask : 0;
      _mm512_storeu_si512(to, Paired(from, of_first, from + row, of_second));
    }
  }
}

// The same from its transpose, [columns, depth].
void PackColumns(const Half* matrix, int64_t depth, int64_t columns, int64_t row, int64_t pairs,
                 Pair* to) {
  for (int64_t column = 0; column < columns; column += kSide, to += pairs * kSide) {
    for (int64_t pair = 0; pair < pairs; pair += kSide) {
      const int64_t left = std::max<int64_t>(0, depth - 2 * pair);
      const __mmask32 mask = left >= 32 ? ~0u : (1u << left) - 1;
      __m512i v[16];
#pragma GCC unroll 16
      for (int n = 0; n < 16; ++n)
        v[n] = _mm512_maskz_loadu_epi16(column + n < columns ? mask : 0,
                                        matrix + (column + n) * row + 2 * pair);
      Transpose(v);
      for (int64_t k = 0; k < std::min(kSide, pairs - pair); ++k)
        _mm512_storeu_si512(to + (pair + k) * kSide, v[k]);
    }
  }
}

// Rows of a from a matrix [depth, rows]: to[row * to_row + k]. Up to 31 numbers beyond `depth`,
// zeros, are written of each row.
void TransposeRows(const Half* matrix, int64_t depth, int64_t rows, int64_t row, Half* to,
                   int64_t to_row) {
  for (int64_t first = 0; first < rows; first += kSide) {
    const __mmask16 mask = First(rows - first);
    for (int64_t k = 0; k < depth; k += kDepth) {
      __m512i v[16];
#pragma GCC unroll 16
      for (int pair = 0; pair < 16; ++pair) {
        const Half* from = matrix + (k + 2 * pair) * row + first;
        v[pair] = Paired(from, k + 2 * pair < depth ? mask : 0, from + row,
                         k + 2 * pair + 1 < depth ? mask : 0);
      }
      Transpose(v);
      for (int64_t m = 0; m < std::min(kSide, rows - first); ++m)
        _mm512_storeu_si512(to + (first + m) * to_row + k, v[m]);
    }
  }
}

// `count` (up to 32) sums as numbers of the output: of one tile, and of the one next to it.
inline void Put(const float* sums, int64_t count, Half* to) {
  const __m512 first = _mm512_loadu_ps(sums);
  const __m512 second = count > kSide ? _mm512_loadu_ps(sums + kTile) : _mm512_setzero_ps();
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
  if (count == 2 * kSide)
    _mm512_storeu_si512(to, both);
  else
    _mm512_mask_storeu_epi16(to, (1u << count) - 1, both);
}

inline void Put(const float* sums, int64_t count, float* to) {
  _mm512_mask_storeu_ps(to, First(count), _mm512_loadu_ps(sums));
  if (count > kSide)
    _mm512_mask_storeu_ps(to + kSide, First(count - kSide), _mm512_loadu_ps(sums + kTile));
}

// The same as ReLU of these numbers, rounded as they are without, and a bias, which is rounded again.
inline void PutRelu(const float* sums, const float* bias, int64_t count, Half* to) {
  __m512 halves[2] = {_mm512_loadu_ps(sums), _mm512_setzero_ps()};
  if (count > kSide) halves[1] = _mm512_loadu_ps(sums + kTile);
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const __m512i rounded = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(halves[i]));
    const __m512 number = _mm512_castsi512_ps(_mm512_slli_epi32(rounded, 16));
    // What is no number stays, as the second of the two.
    halves[i] = _mm512_max_ps(_mm512_setzero_ps(),
                              _mm512_add_ps(number, _mm512_loadu_ps(bias + i * kSide)));
  }
  const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(halves[1], halves[0]);
  if (count == 2 * kSide)
    _mm512_storeu_si512(to, both);
  else
    _mm512_mask_storeu_epi16(to, (1u << count) - 1, both);
}

// An image with zeros around it.
struct Padding {
  int64_t rows, width, row;

  explicit Padding(const Shape& s)
      : rows(s.padded_rows()),
        width(std::max(s.left + s.width, (s.columns - 1) * s.across + s.window_columns)),
        row(width * s.channels) {}
  int64_t size() const { return rows * row + kSlack; }

  const Half* Of(const Shape& s, const Half* image, Half* padded) const {
    const int64_t before = s.left * s.channels, inside = s.width * s.channels;
    for (int64_t i = 0; i < rows; ++i) {
      Half* to = padded + i * row;
      const int64_t from = i - s.top;
      if (from < 0 || from >= s.height) {
        std::memset(to, 0, 2 * row);
        continue;
      }
      std::memset(to, 0, 2 * before);
      std::memcpy(to + before, image + from * inside, 2 * inside);
      std::memset(to + before + inside, 0, 2 * (row - before - inside));
    }
    std::memset(padded + rows * row, 0, 2 * kSlack);
    return padded;
  }
};

// With a bias (else nullptr) ReLU of the output and that.
void Forward(ffi::ThreadPool& pool, const Shape& s, const Half* images, const Half* kernel,
             const Half* bias, Half* output) {
  const Steps along = Steps::Of(s.stretch(), kDepth, 2);
  const int64_t pairs = along.count * along.size / 2, panels = Ceil(s.features, kSide);
  // [window row][panel][pairs][kSide]
  const int64_t panel = pairs * kSide, of_row = panels * panel;
  Pair* packed = Scratch<Pair>(0, s.window_rows * of_row);
  for (int64_t i = 0; i < s.window_rows; ++i)
    PackRows(kernel + i * s.stretch() * s.features, s.stretch(), s.features, s.features, pairs,
             packed + i * of_row);
  float* biases = nullptr;
  if (bias != nullptr) {
    biases = Scratch<float>(0, (panels + 1) * kSide);
    std::memset(biases, 0, 4 * (panels + 1) * kSide);
    for (int64_t f = 0; f < s.features; ++f) biases[f] = jaxtweaks::ToFloat(bias[f]);
  }
  const Padding padding(s);
  const bool as_it_is = s.top == 0 && s.left == 0 && padding.width == s.width &&
                        padding.rows <= s.height && along.count * along.size == s.stretch();
  const Steps pixels = Steps::Of(s.columns, kSide, 1);
  const Tiles tiles = {pixels.size, std::min(kSide, s.features), along.size};
  const int64_t count = s.rows * pixels.count, pixel = s.across * s.channels;
  ForEach(pool, s.batch, [=](int64_t number) {
    const Half* image = images + number * s.image();
    if (!as_it_is) image = padding.Of(s, image, Scratch<Half>(1, padding.size()));
    Half* out = output + number * s.output();
    const int64_t row = as_it_is ? s.width * s.channels : padding.row;
    Configured configured(tiles);
    alignas(64) float sums[kBlock];
    for (int64_t first = 0; first < panels; first += 2) {
      const int64_t bs = std::min<int64_t>(2, panels - first), feature = first * kSide;
      const int64_t features = std::min(2 * kSide, s.features - feature);
      for (int64_t tile = 0; tile < count; tile += 2) {
        const int64_t as = std::min<int64_t>(2, count - tile);
        Operands x = {{}, {}, pixel, 2 * kSide};
        int64_t at[2] = {};
        for (int64_t m = 0; m < as; ++m) {
          const int64_t i = (tile + m) / pixels.count;
          const int64_t j = pixels.Begin((tile + m) % pixels.count, s.columns);
          x.a[m] = image + i * s.down * row + j * pixel;
          at[m] = (i * s.columns + j) * s.features + feature;
        }
        for (int64_t n = 0; n < bs; ++n)
          x.b[n] = reinterpret_cast<const Half*>(packed + (first + n) * panel);
        const Walk walk = {{1, s.window_rows, along.count},
                           {0, row, along.size},
                           {0, 2 * of_row, along.size * kSide}};
        Multiply(as, bs, x, walk, tiles, sums, false);
        for (int64_t m = 0; m < as; ++m)
          for (int64_t t = 0; t < pixels.size; ++t) {
            const float* of_pixel = sums + 2 * m * kTile + t * kSide;
            Half* to = out + at[m] + t * s.features;
            if (biases != nullptr)
              PutRelu(of_pixel, biases + feature, features, to);
            else
              Put(of_pixel, features, to);
          }
      }
    }
  });
}

// How the gradient of a kernel is a product: [features, pixels] times [pixels, places].
struct GradientPlan {
  // With steps of 1 all pixels are one line on the padded grid, with zeros where an image has none.
  bool one_line;
  int64_t lines, length;     // of pixels, on which a walk goes
  Padding padding;
  Steps along, features, places;
  int64_t parts, chunk;      // of a batch, summed apart; images of one at once
  int64_t line, transposed, paired;  // sizes: of a line of a, of an image's a, of an image's b in pairs

  explicit GradientPlan(const Shape& s)
      : one_line(s.down == 1 && s.across == 1),
        lines(one_line ? 1 : s.rows),
        length(s.columns),
        padding(s),
        along{},
        features(Steps::Of(s.features, kSide, 1)),
        places(Steps::Of(s.stretch(), kSide, 1)),
        parts(std::max<int64_t>(1, std::min<int64_t>(16, s.batch / 4))),
        chunk(4) {
    if (one_line) length += (s.rows - 1) * padding.width;
    along = Steps::Of(length, kDepth, 2);
    line = along.count * along.size;
    transposed = lines * line + kSlack;
    // The last pair of the last place, and what a walk reads beyond the last pixel.
    paired = padding.rows * padding.row + (kSlack + 1) * s.across * s.channels;
  }
  int64_t blocks() const { return Ceil(features.count, 2) * Ceil(places.count, 2); }
};

// An image's gradient as [features][lines][pixels], zeros where there is no pixel.
void TransposeGradient(const Shape& s, const GradientPlan& plan, const Half* gradient, Half* to) {
  std::memset(to, 0, 2 * s.features * plan.transposed);
  for (int64_t row = 0; row < s.rows; ++row)
    TransposeRows(gradient + row * s.columns * s.features, s.columns, s.features, s.features,
                  to + row * (plan.one_line ? plan.padding.width : plan.line), plan.transposed);
}

// Every number of an image with zeros around it, next to what is in its place `across` pixels
// further on. With steps of 1 the rows are one line: after the last pixel of a row comes the next one's
// first.
void PairImage(const Shape& s, const GradientPlan& plan, const Half* image, Pair* to) {
  const int64_t row = plan.padding.row, inside = s.width * s.channels;
  const int64_t step = s.across * s.channels, before = s.left * s.channels - step;
  const auto is_inside = [&](int64_t i) { return i >= s.top && i < s.top + s.height; };
  for (int64_t i = 0; i < plan.padding.rows; ++i, to += row) {
    const Half* numbers = image + (i - s.top) * inside;
    if (is_inside(i)) {
      // Number `at` of this row of the image stands at `before + at` as the second of two.
      if (before > 0) std::memset(to, 0, 4 * before);
      for (int64_t at = std::max<int64_t>(0, -before); at < row - before; at += kSide) {
        const __mmask16 mask = First(row - before - at);
        const int64_t first = at - step;  // which number is the first of the two
        const __mmask16 of_first = First(inside - first) & ~First(-first) & mask;
        const __m512i both =
            Paired(numbers + first, of_first, numbers + at, First(inside - at) & mask);
        _mm512_mask_storeu_epi32(to + before + at, mask, both);
      }
    } else {
      std::memset(to, 0, 4 * row);
    }
    if (plan.one_line && s.left == 0 && is_inside(i + 1)) {
      for (int64_t c = 0; c < step; ++c) to[row - step + c] |= Pair{numbers[inside + c]} << 16;
    }
  }
  std::memset(to, 0, 4 * (plan.paired - plan.padding.rows * row));
}

void KernelGradient(ffi::ThreadPool& pool, const Shape& s, const Half* images,
                    const Half* gradients, Half* kernel) {
  const GradientPlan plan(s);
  const Tiles tiles = {plan.features.size, plan.places.size, plan.along.size};
  const int64_t blocks = plan.blocks(), size = s.window_rows * blocks * kBlock;
  float* sums = Scratch<float>(2, plan.parts * size);
  ForEach(pool, plan.parts, [=](int64_t part) {
    Configured configured(tiles);
    Half* transposed = Scratch<Half>(1, plan.chunk * s.features * plan.transposed);
    Pair* paired = Scratch<Pair>(1, plan.chunk * plan.paired);
    const int64_t begin = s.batch * part / plan.parts, end = s.batch * (part + 1) / plan.parts;
    for (int64_t first = begin; first < end; first += plan.chunk) {
      const int64_t count = std::min(plan.chunk, end - first);
      for (int64_t i = 0; i < count; ++i) {
        PairImage(s, plan, images + (first + i) * s.image(), paired + i * plan.paired);
        TransposeGradient(s, plan, gradients + (first + i) * s.output(),
                     transposed + i * s.features * plan.transposed);
      }
      float* block = sums + part * size;
      for (int64_t i = 0; i < s.window_rows; ++i) {
        const Half* seen = reinterpret_cast<const Half*>(paired + i * plan.padding.row);
        for (int64_t f = 0; f < plan.features.count; f += 2) {
          for (int64_t p = 0; p < plan.places.count; p += 2, block += kBlock) {
            const int64_t as = std::min<int64_t>(2, plan.features.count - f);
            const int64_t bs = std::min<int64_t>(2, plan.places.count - p);
            Operands x = {{}, {}, plan.transposed, 4 * s.across * s.channels};
            for (int64_t m = 0; m < as; ++m)
              x.a[m] = transposed + plan.features.Begin(f + m, s.features) * plan.transposed;
            for (int64_t n = 0; n < bs; ++n)
              x.b[n] = seen + 2 * plan.places.Begin(p + n, s.stretch());
            const Walk walk = {
                {count, plan.lines, plan.along.count},
                {s.features * plan.transposed, plan.line, plan.along.size},
                {2 * plan.paired, 2 * s.down * plan.padding.row,
                 2 * plan.along.size * s.across * s.channels}};
            Multiply(as, bs, x, walk, tiles, block, first > begin);
          }
        }
      }
    }
  });
  ForEach(pool, s.window_rows * blocks, [=](int64_t which) {
    alignas(64) float total[kBlock];
    std::memcpy(total, sums + which * kBlock, sizeof total);
    for (int64_t part = 1; part < plan.parts; ++part) {
      const float* more = sums + part * size + which * kBlock;
      for (int64_t i = 0; i < kBlock; ++i) total[i] += more[i];
    }
    const int64_t i = which / blocks, across = Ceil(plan.places.count, 2);
    const int64_t f = which % blocks / across * 2, p = which % blocks % across * 2;
    for (int64_t m = 0; m < std::min<int64_t>(2, plan.features.count - f); ++m) {
      for (int64_t n = 0; n < std::min<int64_t>(2, plan.places.count - p); ++n) {
        const float* tile = total + (2 * m + n) * kTile;
        const int64_t feature = plan.features.Begin(f + m, s.features);
        const int64_t place = plan.places.Begin(p + n, s.stretch());
        Half* to = kernel + (i * s.stretch() + place) * s.features + feature;
        for (int64_t j = 0; j < plan.places.size; ++j) {
          const __m512i at = _mm512_mullo_epi32(
              _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
              _mm512_set1_epi32(kSide));
          const __m512 column = _mm512_i32gather_ps(at, tile + j, 4);
          _mm256_mask_storeu_epi16(to + j * s.features, First(plan.features.size),
                                   (__m256i)_mm512_cvtneps_pbh(column));
        }
      }
    }
  });
}

// out [M, N] = a b, with a given as [M, K] or transposed, [K, M], and b as [K, N] or transposed, [N, K].
template <class Output>
void Dense(ffi::ThreadPool& pool, int64_t M, int64_t N, int64_t K, const Half* a, bool a_transposed,
           const Half* b, bool b_transposed, Output* out) {
  Steps along = Steps::Of(K, kDepth, 2);
  // Best are steps that end where K does: then rows of a are read where they are.
  for (int64_t size = kDepth; size > 20 && along.count * along.size != K; size -= 2)
    if (K % size == 0) along = {K / size, size};
  const int64_t length = along.count * along.size, pairs = length / 2;
  int64_t a_row = K;
  if (a_transposed || length != K) {
    a_row = length + kDepth;
    Half* rows = Scratch<Half>(2, M * a_row + kSlack);
    constexpr int64_t kAtOnce = 4 * kSide;
    ForEach(pool, Ceil(M, kAtOnce), [=](int64_t i) {
      const int64_t first = i * kAtOnce, count = std::min(kAtOnce, M - first);
      for (int64_t m = first; m < first + count; ++m) {
        std::memset(rows + m * a_row + K, 0, 2 * (a_row - K));
        if (!a_transposed) std::memcpy(rows + m * a_row, a + m * K, 2 * K);
      }
      if (a_transposed) TransposeRows(a + first, K, count, M, rows + first * a_row, a_row);
    });
    a = rows;
  }
  const Steps down = Steps::Of(M, kSide, 1);
  const Tiles tiles = {down.size, std::min(kSide, N), along.size};
  const int64_t panels = Ceil(N, 2 * kSide);
  // Few panels are shared by threads that take some of the rows each.
  const int64_t shares = std::min(Ceil(down.count, 4), Ceil(8, panels));
  ForEach(pool, panels * shares, [=](int64_t task) {
    const int64_t first = task / shares * 2 * kSide, share = task % shares;
    const int64_t count = std::min(2 * kSide, N - first), bs = Ceil(count, kSide);
    Pair* packed = Scratch<Pair>(3, bs * pairs * kSide);
    if (b_transposed)
      PackColumns(b + first * K, K, count, K, pairs, packed);
    else
      PackRows(b + first, K, count, N, pairs, packed);
    Configured configured(tiles);
    alignas(64) float sums[kBlock];
    const int64_t end = down.count * (share + 1) / shares;
    for (int64_t tile = down.count * share / shares; tile < end; tile += 2) {
      const int64_t as = std::min<int64_t>(2, end - tile);
      Operands x = {{}, {}, a_row, 2 * kSide};
      for (int64_t m = 0; m < as; ++m) x.a[m] = a + down.Begin(tile + m, M) * a_row;
      for (int64_t n = 0; n < bs; ++n)
        x.b[n] = reinterpret_cast<const Half*>(packed + n * pairs * kSide);
      const Walk walk = {{1, 1, along.count}, {0, 0, along.size}, {0, 0, along.size * kSide}};
      Multiply(as, bs, x, walk, tiles, sums, false);
      for (int64_t m = 0; m < as; ++m)
        for (int64_t t = 0; t < down.size; ++t)
          Put(sums + 2 * m * kTile + t * kSide, count,
              out + (down.Begin(tile + m, M) + t) * N + first);
    }
  });
}

}  // namespace

#endif  // JAXTWEAKS_DOTS

namespace {

using Images = ffi::Buffer<ffi::BF16, 4>;
using ImagesResult = ffi::ResultBuffer<ffi::BF16, 4>;
using Matrix = ffi::Buffer<ffi::BF16, 2>;
using MatrixResult = ffi::ResultBuffer<ffi::BF16, 2>;

template <class Array>
const uint16_t* Bits(const Array& array) {
  return static_cast<const uint16_t*>(array.untyped_data());
}
template <class Array>
uint16_t* BitsOf(Array& array) {
  return static_cast<uint16_t*>(array->untyped_data());
}

ffi::Error Absent() { return ffi::Error::Internal("this processor multiplies no bfloat16"); }

ffi::Error ForwardHandler(ffi::ThreadPool pool, Images images, Images kernel,
                          ffi::RemainingArgs more, ImagesResult output, int64_t top, int64_t left,
                          int64_t down, int64_t across) {
#if defined(JAXTWEAKS_DOTS)
  const Shape s = jaxtweaks::ShapeOf(images.dimensions(), kernel.dimensions(),
                                     output->dimensions(), top, left, down, across);
  Forward(pool, s, Bits(images), Bits(kernel), jaxtweaks::BiasOf<ffi::BF16, uint16_t>(more),
          BitsOf(output));
  return ffi::Error::Success();
#else
  return Absent();
#endif
}

ffi::Error KernelGradientHandler(ffi::ThreadPool pool, Images images, Images gradients,
                                 ffi::RemainingArgs, ImagesResult kernel, int64_t top,
                                 int64_t left, int64_t down, int64_t across) {
#if defined(JAXTWEAKS_DOTS)
  const Shape s = jaxtweaks::ShapeOf(images.dimensions(), kernel->dimensions(),
                                     gradients.dimensions(), top, left, down, across);
  KernelGradient(pool, s, Bits(images), Bits(gradients), BitsOf(kernel));
  return ffi::Error::Success();
#else
  return Absent();
#endif
}

ffi::Error DenseHandler(ffi::ThreadPool pool, Matrix a, Matrix b, MatrixResult out, bool a_transposed,
                        bool b_transposed) {
#if defined(JAXTWEAKS_DOTS)
  const auto rows = out->dimensions();
  Dense(pool, rows[0], rows[1], a.dimensions()[a_transposed ? 0 : 1], Bits(a), a_transposed, Bits(b),
        b_transposed, BitsOf(out));
  return ffi::Error::Success();
#else
  return Absent();
#endif
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(bf16_conv_forward, ForwardHandler,
                              jaxtweaks::Convolution<Images>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(bf16_conv_kernel_gradient, KernelGradientHandler,
                              jaxtweaks::Convolution<Images>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(bf16_dense, DenseHandler,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Matrix>()
                                  .Arg<Matrix>()
                                  .Ret<Matrix>()
                                  .Attr<bool>("a_transposed")
                                  .Attr<bool>("b_transposed"));
